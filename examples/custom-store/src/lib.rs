#![doc = include_str!("../README.md")]

mod file;
mod query;
mod state;
mod store;
mod transaction;

use onsync::{Error, Registries, Result};
use std::sync::Arc;

pub use store::SnapshotStore;

/// What comes with OnSync, and this store under the name `snapshot`.
///
/// # Errors
/// `duplicate_plugin`, if OnSync has a store of that name.
pub fn registries() -> Result<Registries> {
    let mut registries = onsync::registries();
    registries.store("snapshot", |settings| match &settings.path {
        Some(path) => Ok(Arc::new(SnapshotStore::new(path))),
        None => Err(Error::unsupported(
            "config_missing_key",
            "the store `snapshot` needs a file; set `store.path`",
        )),
    })?;
    Ok(registries)
}
