//! One transaction: who may do what in it, and what is left after a failure.

use crate::connections::Writers;
use crate::error::{SqlResult as _, ends_transaction, read_only, unavailable};
use crate::store::{Inner, execute, not_open};
use crate::{area, overlay, query, rows};
use onsync_core::page::KeyRange;
use onsync_core::query::Query;
use onsync_core::rows::RowSet;
use onsync_core::schema::EntitySchema;
use onsync_core::store::local::{LocalTransaction, Overlay, RecordState};
use onsync_core::{Error, Key, Result, Row, portable_async};
use rusqlite::Connection;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::OwnedMutexGuard;

/// A transaction of either kind.
pub(crate) struct SqliteTransaction {
    link: Link,
    /// A statement failed in a way that leaves only dropping.
    over: bool,
}

enum Link {
    Read(ReadTransaction),
    Write(WriteTransaction),
}

/// A reader's connection with an open transaction, back to the pool when dropped.
pub(crate) struct ReadTransaction {
    inner: Arc<Inner>,
    connection: Option<Connection>,
}

impl ReadTransaction {
    pub(crate) fn begin(inner: Arc<Inner>) -> Result<Self> {
        if !inner.is_open() {
            return Err(not_open());
        }
        let connection = inner.readers.take(&inner.options)?;
        execute(&connection, "BEGIN", "starting to read")?;
        // The first read fixes the state that is seen; it must not be later than now.
        connection
            .prepare_cached("SELECT edit FROM _onsync_sequence")
            .and_then(|mut statement| statement.query_row([], |_| Ok(())))
            .doing("starting to read")?;
        Ok(Self {
            inner,
            connection: Some(connection),
        })
    }
}

impl Drop for ReadTransaction {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take()
            && execute(&connection, "ROLLBACK", "ending a read").is_ok()
        {
            self.inner.readers.give_back(connection, &self.inner.options);
        }
    }
}

/// The turn to write, with an open transaction; undone when dropped without a commit.
pub(crate) struct WriteTransaction {
    inner: Arc<Inner>,
    writers: OwnedMutexGuard<Option<Writers>>,
    app: bool,
}

impl WriteTransaction {
    pub(crate) fn begin(
        inner: Arc<Inner>,
        mut writers: OwnedMutexGuard<Option<Writers>>,
        app: bool,
        durable: bool,
    ) -> Result<Self> {
        let both = writers.as_mut().ok_or_else(not_open)?;
        let writer = if app { &mut both.app } else { &mut both.sync };
        writer.set_durable(durable)?;
        execute(&writer.connection, "BEGIN IMMEDIATE", "starting to write")?;
        Ok(Self { inner, writers, app })
    }

    fn connection(&self) -> Result<&Connection> {
        let both = self.writers.as_ref().ok_or_else(not_open)?;
        Ok(if self.app {
            &both.app.connection
        } else {
            &both.sync.connection
        })
    }

    fn commit(mut self) -> Result<()> {
        execute(self.connection()?, "COMMIT", "storing the changes")?;
        let app = self.app;
        if let Some(both) = self.writers.as_mut() {
            match both.foreign_commit(app) {
                Ok(true) => {
                    self.inner.foreign.fetch_add(1, Ordering::Relaxed);
                }
                Ok(false) => {}
                Err(error) => tracing::debug!(%error, "changes of other programs are looked for later"),
            }
        }
        Ok(())
    }
}

impl Drop for WriteTransaction {
    fn drop(&mut self) {
        if let Ok(connection) = self.connection()
            && !connection.is_autocommit()
            && let Err(error) = execute(connection, "ROLLBACK", "undoing a transaction")
        {
            tracing::error!(%error, "a transaction could not be undone");
        }
    }
}

impl SqliteTransaction {
    pub(crate) fn reading(read: ReadTransaction) -> Self {
        Self {
            link: Link::Read(read),
            over: false,
        }
    }

    pub(crate) fn writing(write: WriteTransaction) -> Self {
        Self {
            link: Link::Write(write),
            over: false,
        }
    }

    fn connection(&self) -> Result<&Connection> {
        match &self.link {
            Link::Read(read) => read.connection.as_ref().ok_or_else(not_open),
            Link::Write(write) => write.connection(),
        }
    }

    fn usable(&self) -> Result<()> {
        if self.over {
            return Err(unavailable(
                "this transaction has failed and stores nothing; drop it and begin another",
            ));
        }
        Ok(())
    }

    /// Runs something that only reads.
    fn read<T>(&mut self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        self.usable()?;
        let result = work(self.connection()?);
        self.settle(&result)?;
        result
    }

    /// Runs something that writes; if it fails, only this is undone.
    fn write<T>(&mut self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        self.usable()?;
        if matches!(self.link, Link::Read(_)) {
            return Err(Error::rejected(
                "read_only_transaction",
                "wanted to write in a transaction begun for reading; begin one with Access::App or Access::Sync",
            ));
        }
        let result = work(self.connection()?);
        self.settle(&result)?;
        result
    }

    /// As [`Self::write`], for work of several statements.
    fn write_many<T>(&mut self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        self.write(|connection| {
            execute(connection, "SAVEPOINT onsync", "starting a statement")?;
            match work(connection) {
                Ok(value) => {
                    execute(connection, "RELEASE onsync", "ending a statement")?;
                    Ok(value)
                }
                Err(error) => {
                    if !connection.is_autocommit() {
                        execute(connection, "ROLLBACK TO onsync", "undoing a statement")?;
                        execute(connection, "RELEASE onsync", "undoing a statement")?;
                    }
                    Err(error)
                }
            }
        })
    }

    /// Notes whether the transaction is over: by the kind of failure, or because SQLite has undone it.
    fn settle<T>(&mut self, result: &Result<T>) -> Result<()> {
        if let Err(error) = result {
            let undone = self.connection()?.is_autocommit();
            self.over |= undone || ends_transaction(error);
        }
        Ok(())
    }

    fn may_write(&self, entity: &EntitySchema) -> Result<()> {
        match &self.link {
            Link::Write(write) if write.app && entity.refuse_local_writes && !entity.local => {
                Err(read_only(&entity.name))
            }
            _ => Ok(()),
        }
    }
}

#[portable_async]
impl LocalTransaction for SqliteTransaction {
    async fn get(&mut self, entity: &EntitySchema, keys: &[Key]) -> Result<Vec<Option<Row>>> {
        self.read(|connection| rows::get(connection, entity, keys))
    }

    async fn query(&mut self, entity: &EntitySchema, query: &Query) -> Result<Vec<Row>> {
        self.read(|connection| query::select(connection, entity, query))
    }

    async fn count(&mut self, entity: &EntitySchema) -> Result<u64> {
        self.read(|connection| rows::count(connection, entity))
    }

    async fn keys_in(&mut self, entity: &EntitySchema, range: &KeyRange) -> Result<Vec<Key>> {
        self.read(|connection| rows::keys_in(connection, entity, range))
    }

    async fn insert(&mut self, entity: &EntitySchema, row: &Row) -> Result<Key> {
        self.may_write(entity)?;
        self.write(|connection| rows::insert(connection, entity, row))
    }

    async fn put(&mut self, entity: &EntitySchema, attributes: &[usize], rows: &RowSet) -> Result<()> {
        self.may_write(entity)?;
        self.write_many(|connection| rows::put(connection, entity, attributes, rows))
    }

    async fn remove(&mut self, entity: &EntitySchema, keys: &[Key]) -> Result<()> {
        self.may_write(entity)?;
        self.write_many(|connection| rows::remove(connection, entity, keys))
    }

    async fn overlays(&mut self, entity: &EntitySchema, keys: &[Key]) -> Result<Vec<Option<Overlay>>> {
        self.read(|connection| overlay::get(connection, entity, keys))
    }

    async fn overlays_in(
        &mut self,
        entity: &EntitySchema,
        range: &KeyRange,
        limit: usize,
    ) -> Result<Vec<Overlay>> {
        self.read(|connection| overlay::get_in(connection, entity, range, limit))
    }

    async fn overlays_to_send(
        &mut self,
        entity: &EntitySchema,
        range: &KeyRange,
        limit: usize,
    ) -> Result<Vec<Overlay>> {
        self.read(|connection| overlay::get_to_send(connection, entity, range, limit))
    }

    async fn count_waiting(&mut self, entity: &EntitySchema) -> Result<u64> {
        self.read(|connection| overlay::count_waiting(connection, entity))
    }

    async fn set_states(&mut self, entity: &EntitySchema, keys: &[Key], state: RecordState) -> Result<()> {
        self.write_many(|connection| overlay::set_states(connection, entity, keys, state))
    }

    async fn remove_unedited(&mut self, entity: &EntitySchema, records: &[(Key, u64)]) -> Result<Vec<bool>> {
        self.write_many(|connection| overlay::remove_unedited(connection, entity, records))
    }

    async fn put_overlay(&mut self, entity: &EntitySchema, overlay: &Overlay) -> Result<()> {
        self.write_many(|connection| overlay::put(connection, entity, overlay))
    }

    async fn remove_overlay(&mut self, entity: &EntitySchema, key: &Key) -> Result<()> {
        self.write(|connection| overlay::remove(connection, entity, key))
    }

    async fn area_get(&mut self, area: &str, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.read(|connection| area::get(connection, area, key))
    }

    async fn area_put(&mut self, area: &str, key: &[u8], value: &[u8]) -> Result<()> {
        self.write(|connection| area::put(connection, area, key, value))
    }

    async fn area_remove(&mut self, area: &str, key: &[u8]) -> Result<()> {
        self.write(|connection| area::remove(connection, area, key))
    }

    async fn area_scan(
        &mut self,
        area: &str,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        self.read(|connection| area::scan(connection, area, after, limit))
    }

    async fn area_count(&mut self, area: &str) -> Result<u64> {
        self.read(|connection| area::count(connection, area))
    }

    async fn commit(self: Box<Self>) -> Result<()> {
        self.usable()?;
        match self.link {
            Link::Read(_) => Ok(()),
            Link::Write(write) => write.commit(),
        }
    }
}
