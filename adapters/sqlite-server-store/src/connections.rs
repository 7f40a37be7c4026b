//! Opening the database: one connection that writes, a few that read.

use crate::error::{Doing, missing};
use crate::key_function;
use crate::options::SqliteServerStoreOptions;
use onsync_core::Result;
use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Statements kept prepared per connection.
const STATEMENTS: usize = 64;

fn open(path: &Path, flags: OpenFlags, busy_timeout_ms: u64) -> Result<Connection> {
    if !path.is_file() {
        return Err(missing(path));
    }
    let run = || {
        let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(Duration::from_millis(busy_timeout_ms))?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        key_function::register(&connection)?;
        Ok(connection)
    };
    rusqlite::Result::<Connection>::doing(run(), "opening the database")
}

/// The connection that writes: constraints are checked, and what is committed stays.
pub(crate) fn open_writer(options: &SqliteServerStoreOptions) -> Result<Connection> {
    let connection = open(
        &options.path,
        OpenFlags::SQLITE_OPEN_READ_WRITE,
        options.busy_timeout_ms,
    )?;
    if options.wal {
        let mode: String = connection
            .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))
            .doing("switching to write-ahead logging")?;
        if !mode.eq_ignore_ascii_case("wal") {
            tracing::warn!(
                mode,
                "the database stays without write-ahead logging: readers and writers wait for each other"
            );
        }
    }
    connection
        .execute_batch("PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL;")
        .doing("preparing the writing connection")?;
    if let Some(bytes) = options.max_bytes {
        bound(&connection, bytes).doing("bounding the database's size")?;
    }
    Ok(connection)
}

/// Lets this connection write no page beyond so many bytes.
fn bound(connection: &Connection, bytes: u64) -> rusqlite::Result<()> {
    let page: u32 = connection.query_row("PRAGMA page_size", [], |row| row.get(0))?;
    let pages = (bytes / u64::from(page.max(1))).max(1);
    connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))
}

/// A connection for looking only.
pub(crate) fn open_read_only(path: &Path) -> Result<Connection> {
    open(path, OpenFlags::SQLITE_OPEN_READ_ONLY, 5_000)
}

/// Reading connections that are not in use.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    options: Arc<SqliteServerStoreOptions>,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Pool {
    pub(crate) fn new(options: Arc<SqliteServerStoreOptions>) -> Self {
        Self {
            options,
            idle: Arc::default(),
        }
    }

    /// A connection with an open read transaction.
    pub(crate) fn begin(&self) -> Result<Reader> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => {
                let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
                let connection = open(&self.options.path, flags, self.options.busy_timeout_ms)?;
                connection
                    .pragma_update(None, "query_only", true)
                    .doing("opening a reading connection")?;
                connection
            }
        };
        connection.execute_batch("BEGIN").doing("beginning to read")?;
        Ok(Reader {
            connection: Some(connection),
            pool: self.clone(),
        })
    }

    fn put_back(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < self.options.readers {
            idle.push(connection);
        }
    }
}

/// A read transaction; ends and gives its connection back when dropped.
#[derive(Debug)]
pub(crate) struct Reader {
    connection: Option<Connection>,
    pool: Pool,
}

impl Reader {
    pub(crate) fn connection(&self) -> Result<&Connection> {
        self.connection
            .as_ref()
            .ok_or_else(crate::error::transaction_lost)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take()
            && connection.execute_batch("ROLLBACK").is_ok()
        {
            self.pool.put_back(connection);
        }
    }
}
