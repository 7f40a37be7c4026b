//! What can be configured about the store.

use serde::Deserialize;
use std::path::PathBuf;

/// The options of a [`SqliteStore`](crate::SqliteStore), as the `[store]` table of a configuration holds them.
///
/// ```
/// use onsync_sqlite_store::SqliteStoreOptions;
/// let options: SqliteStoreOptions = toml::from_str(r#"path = "app.sqlite""#).unwrap();
/// assert_eq!(options.readers, 4);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SqliteStoreOptions {
    /// The database file. Made when it is missing; its folder must exist. Default `app.sqlite`.
    pub path: PathBuf,
    /// How many idle connections for reading are kept open. More are opened when more readers run at once. Default 4.
    pub readers: usize,
    /// How long a write waits for another *process* that writes, in milliseconds, before it fails with `store_busy`.
    /// Default 5000.
    pub busy_timeout_ms: u32,
    /// How large the database file may grow, in bytes; beyond it writes fail with `disk_full` as on a full disk.
    /// Default: no limit but the disk.
    pub max_bytes: Option<u64>,
    /// Whether the file is checked when the last process that used it did not end properly. Default true.
    pub check_after_crash: bool,
}

impl Default for SqliteStoreOptions {
    fn default() -> Self {
        Self {
            path: PathBuf::from("app.sqlite"),
            readers: 4,
            busy_timeout_ms: 5_000,
            max_bytes: None,
            check_after_crash: true,
        }
    }
}

impl SqliteStoreOptions {
    /// The defaults for a database file.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            ..Self::default()
        }
    }
}
