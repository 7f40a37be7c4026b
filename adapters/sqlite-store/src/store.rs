//! The store itself: opening, beginning, locking.

use crate::connections::{Readers, Writers, open_tracked};
use crate::error::{SqlResult as _, unavailable};
use crate::lock::{FileLock, Presence};
use crate::options::SqliteStoreOptions;
use crate::recovery;
use crate::schema::prepare;
use crate::transaction::{ReadTransaction, SqliteTransaction, WriteTransaction};
use onsync_core::schema::Schema;
use onsync_core::store::local::{Access, LocalStore, LocalTransaction, Opened, SyncLock};
use onsync_core::{Error, Result, portable_async};
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A device store in one SQLite file.
///
/// Cheap to clone; clones share their connections. Its functions do their work on the calling thread: an async program calls
/// them where blocking is allowed, which the engine does.
#[derive(Clone)]
pub struct SqliteStore {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) options: SqliteStoreOptions,
    pub(crate) readers: Readers,
    /// Both connections that write; none before the store was opened. The mutex is fair: turns are in order of asking.
    writers: Arc<tokio::sync::Mutex<Option<Writers>>>,
    pub(crate) foreign: AtomicU64,
    presence: Mutex<Option<Presence>>,
}

impl SqliteStore {
    /// A store in this file, with these options (whose path is replaced). Nothing is touched before
    /// [`open`](LocalStore::open).
    pub fn new(path: impl Into<PathBuf>, options: SqliteStoreOptions) -> Self {
        Self::from_options(SqliteStoreOptions {
            path: path.into(),
            ..options
        })
    }

    /// A store as configured.
    pub fn from_options(options: SqliteStoreOptions) -> Self {
        Self {
            inner: Arc::new(Inner {
                options,
                readers: Readers::default(),
                writers: Arc::default(),
                foreign: AtomicU64::new(0),
                presence: Mutex::new(None),
            }),
        }
    }

    /// The database file.
    pub fn path(&self) -> &Path {
        &self.inner.options.path
    }

    /// A connection for the app's own SQL, from the same copy of SQLite; what it writes to synced tables is tracked.
    /// Keep its write transactions short: others wait for them.
    ///
    /// # Errors
    /// `store_unavailable`, `store_corrupt`.
    pub fn connection(&self) -> Result<Connection> {
        open_tracked(&self.inner.options)
    }
}

impl Inner {
    /// Whether [`LocalStore::open`] has succeeded.
    pub(crate) fn is_open(&self) -> bool {
        self.presence
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_some()
    }

    fn first_open(&self, schema: &Schema) -> Result<(Writers, Opened)> {
        let path = &self.options.path;
        if path.as_os_str().is_empty() || path.to_string_lossy().starts_with(":memory:") {
            return Err(unavailable(
                "wanted the path of a file, found none; for a store in memory use the memory store",
            ));
        }
        let (presence, alone) = Presence::announce(path)?;
        let mut opened = Opened::default();
        if alone && recovery::is_empty_file(path) {
            opened.warnings.push(format!(
                "wanted a store at {}, found a file of no length; it is taken as a new store, and everything is fetched again: if \
                 there was a store before, unsent edits in it are lost",
                path.display()
            ));
        }
        let writers = match self.connect(schema, alone, &mut opened) {
            Err(error) if error.code() == "store_corrupt" && alone => {
                let (writers, fresh) = self.start_afresh(schema, &error)?;
                opened = fresh;
                writers
            }
            Err(error) if error.code() == "store_corrupt" => {
                return Err(Error::corrupt(
                    "store_corrupt",
                    format!(
                        "{}; another program has the file open: end it, and open the store again, which sets the file aside",
                        error.message()
                    ),
                ));
            }
            result => result?,
        };
        presence.share()?;
        *self.presence.lock().unwrap_or_else(PoisonError::into_inner) = Some(presence);
        Ok((writers, opened))
    }

    fn connect(&self, schema: &Schema, alone: bool, opened: &mut Opened) -> Result<Writers> {
        let unclean = recovery::was_unclean(&self.options.path);
        if alone && !unclean {
            recovery::check_length(&self.options.path)?;
        }
        let writers = Writers::open(&self.options)?;
        if alone && unclean && self.options.check_after_crash {
            recovery::check_content(&writers.app.connection)?;
        }
        prepare(&writers.app.connection, schema, opened)?;
        Ok(writers)
    }

    fn start_afresh(&self, schema: &Schema, found: &Error) -> Result<(Writers, Opened)> {
        let aside = recovery::set_aside(&self.options.path)?;
        tracing::warn!(file = %aside.display(), cause = found.message(), "an unreadable store file was set aside");
        let saved = recovery::readable_outbox(&aside);
        let mut opened = Opened::default();
        let writers = self.connect(schema, true, &mut opened)?;
        recovery::restore_outbox(&writers.app.connection, &saved)?;
        opened.set_aside = Some(aside.display().to_string());
        opened.warnings.push(format!(
            "the store file could not be read and was set aside as {}; {} entries of its outbox were saved",
            aside.display(),
            saved.len()
        ));
        Ok((writers, opened))
    }
}

#[portable_async]
impl LocalStore for SqliteStore {
    async fn open(&self, schema: &Schema) -> Result<Opened> {
        let mut writers = Arc::clone(&self.inner.writers).lock_owned().await;
        if let Some(writers) = writers.as_ref() {
            let mut opened = Opened::default();
            prepare(&writers.app.connection, schema, &mut opened)?;
            return Ok(opened);
        }
        let (connected, opened) = self.inner.first_open(schema)?;
        *writers = Some(connected);
        Ok(opened)
    }

    async fn begin(&self, access: Access) -> Result<Box<dyn LocalTransaction>> {
        let (app, durable) = match access {
            Access::Read => {
                let read = ReadTransaction::begin(Arc::clone(&self.inner))?;
                return Ok(Box::new(SqliteTransaction::reading(read)));
            }
            Access::App => (true, true),
            Access::Sync { durable } => (false, durable),
        };
        let guard = Arc::clone(&self.inner.writers).lock_owned().await;
        let write = WriteTransaction::begin(Arc::clone(&self.inner), guard, app, durable)?;
        Ok(Box::new(SqliteTransaction::writing(write)))
    }

    async fn try_lock(&self) -> Result<Option<Box<dyn SyncLock>>> {
        Ok(FileLock::sync(&self.inner.options.path)?.map(|lock| Box::new(lock) as Box<dyn SyncLock>))
    }

    async fn foreign_commits(&self) -> Result<u64> {
        // While a transaction of ours runs, nobody else can commit; what was before it is counted when it ends.
        if let Ok(mut writers) = Arc::clone(&self.inner.writers).try_lock_owned() {
            let writers = writers.as_mut().ok_or_else(not_open)?;
            if writers.foreign_commit(true)? {
                self.inner.foreign.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(self.inner.foreign.load(Ordering::Relaxed))
    }
}

/// The store was not opened.
pub(crate) fn not_open() -> Error {
    Error::fatal(
        "store_not_open",
        "this store is not open; call `open` with the schema first",
    )
}

/// Runs one statement that has no parameters and no rows, from the cache.
pub(crate) fn execute(connection: &Connection, sql: &str, doing: &str) -> Result<()> {
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.raw_execute())
        .doing(doing)
        .map(|_| ())
}
