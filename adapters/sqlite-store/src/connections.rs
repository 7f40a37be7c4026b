//! Connections: one that writes for the app, one that writes for the sync, a pool that reads.

use crate::error::{SqlResult as _, unavailable};
use crate::options::SqliteStoreOptions;
use onsync_core::Result;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Room for every statement of a large schema.
const STATEMENTS: usize = 512;

/// How many bytes a write-ahead log keeps on disk after it was copied back.
const LOG_BYTES: i64 = 32 << 20;

/// The two connections that write, used by turns.
pub(crate) struct Writers {
    /// Triggers run: the app's writes are tracked.
    pub(crate) app: Writer,
    /// Triggers are off.
    pub(crate) sync: Writer,
}

/// A connection that writes.
pub(crate) struct Writer {
    pub(crate) connection: Connection,
    /// Whether a commit waits for the disk.
    pub(crate) durable: bool,
    /// What `PRAGMA data_version` last was here.
    seen: i64,
}

impl Writer {
    fn open(options: &SqliteStoreOptions, triggers: bool) -> Result<Self> {
        let connection = open_tracked(options)?;
        let doing = "setting up a connection";
        connection
            .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, triggers)
            .doing(doing)?;
        connection
            .pragma_update(None, "journal_size_limit", LOG_BYTES)
            .doing(doing)?;
        connection.pragma_update(None, "cache_size", -8192).doing(doing)?;
        if let Some(bytes) = options.max_bytes {
            let page: u32 = connection
                .query_row("PRAGMA page_size", [], |row| row.get(0))
                .doing(doing)?;
            let pages = (bytes / u64::from(page.max(1))).max(1);
            connection
                .query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))
                .doing(doing)?;
        }
        Ok(Self {
            connection,
            durable: true,
            seen: 0,
        })
    }

    /// Sets whether commits wait for the disk; only outside a transaction.
    pub(crate) fn set_durable(&mut self, durable: bool) -> Result<()> {
        if self.durable != durable {
            let level = if durable { "FULL" } else { "NORMAL" };
            self.connection
                .pragma_update(None, "synchronous", level)
                .doing("setting the durability")?;
            self.durable = durable;
        }
        Ok(())
    }

    /// Whether another connection has committed since the last call.
    fn changed_elsewhere(&mut self) -> Result<bool> {
        let version = self
            .connection
            .prepare_cached("PRAGMA data_version")
            .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
            .doing("looking for changes of other programs")?;
        let changed = self.seen != version;
        self.seen = version;
        Ok(changed)
    }
}

impl Writers {
    /// Opens both.
    pub(crate) fn open(options: &SqliteStoreOptions) -> Result<Self> {
        let mut writers = Self {
            app: Writer::open(options, true)?,
            sync: Writer::open(options, false)?,
        };
        writers.app.changed_elsewhere()?;
        writers.sync.changed_elsewhere()?;
        Ok(writers)
    }

    /// Whether a connection that is not one of these two has committed since the last call, of which at most one commit
    /// was by the connection named.
    ///
    /// A connection's data version does not change by its own commits. So the other one's is read first, which takes in the
    /// own commit; a foreign commit at any moment then shows in the version of the one that committed, now or next time.
    pub(crate) fn foreign_commit(&mut self, by_app: bool) -> Result<bool> {
        let (own, other) = if by_app {
            (&mut self.app, &mut self.sync)
        } else {
            (&mut self.sync, &mut self.app)
        };
        other.changed_elsewhere()?;
        own.changed_elsewhere()
    }
}

/// A connection that may write; what it writes is tracked.
pub(crate) fn open_tracked(options: &SqliteStoreOptions) -> Result<Connection> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = open(options, flags)?;
    let doing = "setting up a connection";
    let mode: String = connection
        .query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))
        .doing(doing)?;
    if !mode.eq_ignore_ascii_case("wal") {
        return Err(unavailable(format!(
            "wanted a write-ahead log at {}, found journal mode {mode}; a store must be a file on a local disk",
            options.path.display()
        )));
    }
    connection
        .pragma_update(None, "synchronous", "FULL")
        .doing(doing)?;
    Ok(connection)
}

fn open(options: &SqliteStoreOptions, flags: OpenFlags) -> Result<Connection> {
    let connection = Connection::open_with_flags(&options.path, flags)
        .doing(&format!("opening the store {}", options.path.display()))?;
    connection
        .busy_timeout(Duration::from_millis(options.busy_timeout_ms.into()))
        .doing("setting up a connection")?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

/// Idle connections that only read.
#[derive(Default)]
pub(crate) struct Readers {
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    /// An idle connection, or a new one.
    pub(crate) fn take(&self, options: &SqliteStoreOptions) -> Result<Connection> {
        let idle = self.lock().pop();
        if let Some(connection) = idle {
            return Ok(connection);
        }
        open(
            options,
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )
    }

    /// Gives a connection back, outside any transaction.
    pub(crate) fn give_back(&self, connection: Connection, options: &SqliteStoreOptions) {
        let mut idle = self.lock();
        if idle.len() < options.readers && connection.is_autocommit() {
            idle.push(connection);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
