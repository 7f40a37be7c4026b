//! What can be configured about the store.

use serde::Deserialize;

/// The options of the store, as the `[store]` table of a configuration holds them.
///
/// ```
/// use onsync_indexeddb_store::IndexedDbStoreOptions;
/// assert_eq!(IndexedDbStoreOptions::default().name, "onsync");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IndexedDbStoreOptions {
    /// The name of the IndexedDB database; the key `path` of the configuration. One per user and app. Default `onsync`.
    pub name: String,
    /// Whether the browser is asked to keep the database when it runs out of space (`navigator.storage.persist()`). Some browsers
    /// ask the user. Default true.
    pub persist: bool,
}

impl Default for IndexedDbStoreOptions {
    fn default() -> Self {
        Self {
            name: "onsync".to_owned(),
            persist: true,
        }
    }
}

impl IndexedDbStoreOptions {
    /// The defaults for a database of that name.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }
}
