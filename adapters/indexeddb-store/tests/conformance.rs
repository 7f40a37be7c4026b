//! The store keeps the contract of local stores, in a browser.

#![cfg(target_family = "wasm")]

use onsync_core::store::local::LocalStore;
use onsync_core::{Result, portable_async};
use onsync_indexeddb_store::{IndexedDbStore, IndexedDbStoreOptions};
use onsync_testkit::local_store::LocalStorePlace;
use std::sync::Arc;
use wasm_bindgen_test::wasm_bindgen_test_configure;

wasm_bindgen_test_configure!(run_in_browser);

/// One database of the browser.
struct Named(String);

impl Named {
    fn new() -> Self {
        Self(uuid::Uuid::new_v4().to_string())
    }
}

#[portable_async]
impl LocalStorePlace for Named {
    async fn store(&self) -> Result<Arc<dyn LocalStore>> {
        Ok(Arc::new(IndexedDbStore::new(IndexedDbStoreOptions::named(
            &self.0,
        ))))
    }
}

onsync_testkit::local_store_tests_here!(Named::new(), wasm_bindgen_test::wasm_bindgen_test);
