//! The store by its options, on every platform: where there is no browser it is refused.

use crate::options::IndexedDbStoreOptions;
use onsync_core::Result;
use onsync_core::store::local::LocalStore;
use std::sync::Arc;

/// The store of these options.
///
/// # Errors
/// Outside a browser `store_unavailable`.
#[cfg(target_family = "wasm")]
pub fn store(options: IndexedDbStoreOptions) -> Result<Arc<dyn LocalStore>> {
    Ok(Arc::new(crate::IndexedDbStore::new(options)))
}

/// The store of these options.
///
/// # Errors
/// Outside a browser `store_unavailable`.
#[cfg(not(target_family = "wasm"))]
pub fn store(options: IndexedDbStoreOptions) -> Result<Arc<dyn LocalStore>> {
    Err(onsync_core::Error::fatal(
        "store_unavailable",
        format!(
            "wanted IndexedDB for `{}`, found no browser; use the store `sqlite` here",
            options.name
        ),
    )
    .at("store.kind"))
}
