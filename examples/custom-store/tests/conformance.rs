//! The store keeps the contract of its seam.

use onsync_core::store::local::LocalStore;
use onsync_core::{Result, portable_async};
use onsync_example_custom_store::SnapshotStore;
use onsync_testkit::local_store::LocalStorePlace;
use std::sync::Arc;

/// A folder per case; each handle reads the file anew, as another process would.
struct Folder(tempfile::TempDir);

#[portable_async]
impl LocalStorePlace for Folder {
    async fn store(&self) -> Result<Arc<dyn LocalStore>> {
        Ok(Arc::new(SnapshotStore::new(self.0.path().join("app.snapshot"))))
    }
}

onsync_testkit::local_store_tests!(Folder(tempfile::tempdir().unwrap()));
