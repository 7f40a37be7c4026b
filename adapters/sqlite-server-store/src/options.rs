//! How the store is configured.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Options of a [`SqliteServerStore`](crate::SqliteServerStore).
///
/// ```
/// use onsync_sqlite_server_store::SqliteServerStoreOptions;
///
/// let options = SqliteServerStoreOptions::new("app.db");
/// assert_eq!(options.busy_timeout_ms, 5_000);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SqliteServerStoreOptions {
    /// The database file. It must exist: the store serves what others made.
    pub path: PathBuf,
    /// How long to wait for another program's write, in milliseconds, before a request fails with `store_busy`.
    #[serde(default = "default_busy_timeout_ms")]
    pub busy_timeout_ms: u64,
    /// How many idle reading connections are kept open.
    #[serde(default = "default_readers")]
    pub readers: usize,
    /// Whether the file is switched to write-ahead logging, so that readers and writers do not wait for each other. A file
    /// system that cannot share memory needs `false`.
    #[serde(default = "default_wal")]
    pub wal: bool,
    /// How large the database may grow by what devices send, in bytes; none for as large as the disk. Beyond it a request
    /// fails with `disk_full`, and the devices keep their changes.
    #[serde(default)]
    pub max_bytes: Option<u64>,
}

impl SqliteServerStoreOptions {
    /// The defaults for a database file.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            busy_timeout_ms: default_busy_timeout_ms(),
            readers: default_readers(),
            wal: default_wal(),
            max_bytes: None,
        }
    }
}

fn default_busy_timeout_ms() -> u64 {
    5_000
}

fn default_readers() -> usize {
    4
}

fn default_wal() -> bool {
    true
}
