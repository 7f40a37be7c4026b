//! What the tests of this crate share: a database made with plain SQL, and one line per question to the store.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "not every test file uses everything, and tests fail by panicking"
)]

use onsync_core::page::KeyRange;
use onsync_core::rows::RowSet;
use onsync_core::schema::{Attribute, EntitySchema, Schema};
use onsync_core::store::server::{
    Attached, DeltaRows, Extent, PageLimit, ServerSnapshot, ServerStore, ServerTransaction, SnapshotRows,
};
use onsync_core::{Key, Result, Value, ValueType};
use onsync_sqlite_server_store::{SqliteServerStore, SqliteServerStoreOptions};
use rusqlite::Connection;
use std::path::{Path, PathBuf};

/// Runs a future to its end on this thread.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = std::sync::Arc::new(Unpark(std::thread::current())).into();
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut std::task::Context::from_waker(&waker)) {
            std::task::Poll::Ready(value) => return value,
            std::task::Poll::Pending => std::thread::park(),
        }
    }
}

/// A database file that goes away with the test.
pub(crate) struct Database {
    folder: tempfile::TempDir,
}

impl Database {
    /// A new database with these tables and rows.
    pub(crate) fn new(script: &str) -> Self {
        let database = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        database.run(script);
        database
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("app.db")
    }

    pub(crate) fn connect(&self) -> Connection {
        let connection = Connection::open(self.path()).unwrap();
        connection
            .busy_timeout(std::time::Duration::from_secs(20))
            .unwrap();
        connection
    }

    /// Runs statements as another program does.
    pub(crate) fn run(&self, script: &str) {
        self.connect().execute_batch(script).unwrap();
    }

    pub(crate) fn text(&self, select: &str) -> String {
        self.connect().query_row(select, [], |row| row.get(0)).unwrap()
    }

    pub(crate) fn store(&self) -> SqliteServerStore {
        store(&self.path())
    }
}

pub(crate) fn store(path: &Path) -> SqliteServerStore {
    SqliteServerStore::new(SqliteServerStoreOptions::new(path))
}

/// An entity named like its table; attributes named like their columns.
pub(crate) fn entity(name: &str, key: &[&str], attributes: &[(&str, ValueType)]) -> EntitySchema {
    let attributes = attributes
        .iter()
        .map(|(name, value_type)| Attribute::new(*name, *value_type))
        .collect();
    EntitySchema::new(name, "read-only-optimized", key, attributes)
}

pub(crate) fn schema(entities: &[&EntitySchema]) -> Schema {
    let schema = Schema {
        entities: entities.iter().map(|entity| (*entity).clone()).collect(),
        relations: Vec::new(),
    };
    schema.check().unwrap();
    schema
}

pub(crate) fn attach(store: &SqliteServerStore, entities: &[&EntitySchema]) -> Attached {
    block_on(store.attach(&schema(entities))).unwrap()
}

pub(crate) fn attach_error(store: &SqliteServerStore, entities: &[&EntitySchema]) -> onsync_core::Error {
    block_on(store.attach(&schema(entities))).unwrap_err()
}

pub(crate) fn all_attributes(entity: &EntitySchema) -> Vec<usize> {
    (0..entity.attributes.len()).collect()
}

pub(crate) const WIDE: PageLimit = PageLimit {
    rows: 1_000_000,
    bytes: usize::MAX,
};

pub(crate) fn read(store: &SqliteServerStore) -> Box<dyn ServerSnapshot> {
    block_on(store.read()).unwrap()
}

pub(crate) fn write(store: &SqliteServerStore) -> Box<dyn ServerTransaction> {
    block_on(store.write()).unwrap()
}

pub(crate) fn try_page(
    store: &SqliteServerStore,
    entity: &EntitySchema,
    range: &KeyRange,
    limit: PageLimit,
) -> Result<SnapshotRows> {
    let attributes = all_attributes(entity);
    let extent = Extent {
        entity,
        attributes: &attributes,
        scope: "",
    };
    block_on(async { store.read().await?.snapshot(&extent, range, limit).await })
}

pub(crate) fn page(
    store: &SqliteServerStore,
    entity: &EntitySchema,
    range: &KeyRange,
    limit: PageLimit,
) -> SnapshotRows {
    try_page(store, entity, range, limit).unwrap()
}

/// All rows, in one page.
pub(crate) fn everything(store: &SqliteServerStore, entity: &EntitySchema) -> RowSet {
    page(store, entity, &KeyRange::all(), WIDE).rows
}

/// All rows, in pages of that many, each following the last.
pub(crate) fn in_pages(store: &SqliteServerStore, entity: &EntitySchema, rows: usize) -> Vec<Vec<Value>> {
    let limit = PageLimit { rows, ..WIDE };
    let mut range = KeyRange::all();
    let mut out = Vec::new();
    loop {
        let found = page(store, entity, &range, limit);
        assert!(found.rows.len() <= rows);
        out.extend(found.rows.iter());
        match found.more_after {
            Some(after) => range.after = Some(after),
            None => return out,
        }
    }
}

pub(crate) fn try_delta(
    store: &SqliteServerStore,
    entity: &EntitySchema,
    after: u64,
    limit: PageLimit,
) -> Result<DeltaRows> {
    let attributes = all_attributes(entity);
    let extent = Extent {
        entity,
        attributes: &attributes,
        scope: "",
    };
    block_on(async { store.read().await?.delta(&extent, after, limit).await })
}

/// All changes above a position.
pub(crate) fn delta(store: &SqliteServerStore, entity: &EntitySchema, after: u64) -> DeltaRows {
    let found = try_delta(store, entity, after, WIDE).unwrap();
    assert!(!found.more && found.removed.is_empty());
    found
}

/// Keys of a delta, sorted: those that are there, those that are deleted, as text.
pub(crate) fn changed(
    store: &SqliteServerStore,
    entity: &EntitySchema,
    after: u64,
) -> (Vec<String>, Vec<String>) {
    let found = delta(store, entity, after);
    let mut there: Vec<String> = found
        .rows
        .iter()
        .map(|row| entity.key_of(&row).to_string())
        .collect();
    let mut deleted: Vec<String> = found.deleted.iter().map(Key::to_string).collect();
    there.sort();
    deleted.sort();
    (there, deleted)
}

pub(crate) fn position(store: &SqliteServerStore) -> u64 {
    block_on(read(store).position()).unwrap()
}

pub(crate) fn horizon(store: &SqliteServerStore, entity: &EntitySchema) -> u64 {
    block_on(read(store).horizon(entity)).unwrap()
}

pub(crate) fn newest(store: &SqliteServerStore, entity: &EntitySchema) -> u64 {
    block_on(read(store).newest(entity)).unwrap()
}
