//! What the tests share: a store in a temporary folder, and short words for its calls.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test stops at the first failure")]

use onsync_core::page::KeyRange;
use onsync_core::rows::RowSet;
use onsync_core::schema::{Attribute, EntitySchema, Schema};
use onsync_core::store::local::{Access, LocalStore, LocalTransaction, Opened, Overlay};
use onsync_core::{Key, Result, Row, Value, ValueType};
use onsync_sqlite_store::rusqlite::Connection;
use onsync_sqlite_store::{SqliteStore, SqliteStoreOptions};
use std::path::PathBuf;
use std::process::Command;

pub const SYNC: Access = Access::Sync { durable: false };

pub fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

pub struct Fixture {
    pub folder: tempfile::TempDir,
    pub schema: Schema,
    pub store: SqliteStore,
    pub opened: Opened,
}

/// `Note(id integer, name text, email text)`, ids by the client.
pub fn note() -> EntitySchema {
    EntitySchema::new(
        "Note",
        "read-write-last-write-wins",
        &["id"],
        vec![
            Attribute::new("id", ValueType::Integer),
            Attribute::new("name", ValueType::Text),
            Attribute::new("email", ValueType::Text),
        ],
    )
}

pub fn schema_of(entities: Vec<EntitySchema>) -> Schema {
    Schema {
        entities,
        relations: Vec::new(),
    }
}

pub fn fixture(entities: Vec<EntitySchema>) -> Fixture {
    fixture_with(entities, SqliteStoreOptions::default())
}

pub fn fixture_with(entities: Vec<EntitySchema>, options: SqliteStoreOptions) -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let schema = schema_of(entities);
    schema.check().unwrap();
    let store = SqliteStore::new(folder.path().join("app.sqlite"), options);
    let opened = wait(store.open(&schema)).unwrap();
    Fixture {
        folder,
        schema,
        store,
        opened,
    }
}

impl Fixture {
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("app.sqlite")
    }

    pub fn entity(&self) -> &EntitySchema {
        &self.schema.entities[0]
    }

    pub fn begin(&self, access: Access) -> Box<dyn LocalTransaction> {
        wait(self.store.begin(access)).unwrap()
    }

    /// Closes the store and opens it again.
    pub fn reopen(self) -> Self {
        let Self {
            folder,
            schema,
            store,
            ..
        } = self;
        drop(store);
        let store = SqliteStore::new(folder.path().join("app.sqlite"), SqliteStoreOptions::default());
        let opened = wait(store.open(&schema)).unwrap();
        Self {
            folder,
            schema,
            store,
            opened,
        }
    }

    pub fn put(&self, access: Access, rows: &[Row]) {
        let mut transaction = self.begin(access);
        wait(transaction.put(self.entity(), &all(self.entity()), &row_set(self.entity(), rows))).unwrap();
        wait(transaction.commit()).unwrap();
    }

    pub fn remove(&self, access: Access, keys: &[Key]) {
        let mut transaction = self.begin(access);
        wait(transaction.remove(self.entity(), keys)).unwrap();
        wait(transaction.commit()).unwrap();
    }

    pub fn insert(&self, row: &Row) -> Result<Key> {
        let mut transaction = self.begin(Access::App);
        let key = wait(transaction.insert(self.entity(), row))?;
        wait(transaction.commit())?;
        Ok(key)
    }

    pub fn row(&self, key: impl Into<Key>) -> Option<Row> {
        let mut transaction = self.begin(Access::Read);
        wait(transaction.get(self.entity(), &[key.into()]))
            .unwrap()
            .remove(0)
    }

    pub fn overlay(&self, key: impl Into<Key>) -> Option<Overlay> {
        let mut transaction = self.begin(Access::Read);
        wait(transaction.overlays(self.entity(), &[key.into()]))
            .unwrap()
            .remove(0)
    }

    pub fn overlays(&self) -> Vec<Overlay> {
        let mut transaction = self.begin(Access::Read);
        wait(transaction.overlays_in(self.entity(), &KeyRange::all(), usize::MAX)).unwrap()
    }

    pub fn clear_overlays(&self) {
        let overlays = self.overlays();
        let mut transaction = self.begin(SYNC);
        for overlay in overlays {
            wait(transaction.remove_overlay(self.entity(), &overlay.key)).unwrap();
        }
        wait(transaction.commit()).unwrap();
    }

    pub fn connection(&self) -> Connection {
        self.store.connection().unwrap()
    }
}

pub fn all(entity: &EntitySchema) -> Vec<usize> {
    (0..entity.attributes.len()).collect()
}

pub fn row_set(entity: &EntitySchema, rows: &[Row]) -> RowSet {
    let mut set = RowSet::new(
        entity.attributes.iter().map(|attribute| attribute.value_type),
        rows.len(),
    );
    for row in rows {
        set.push(row.clone()).unwrap();
    }
    set
}

pub fn note_row(id: i64, name: &str, email: &str) -> Row {
    vec![Value::Integer(id), name.into(), email.into()]
}

/// The ways in which plain SQL reaches the file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Way {
    /// A connection of the same SQLite copy.
    Connection,
    /// The `sqlite3` program.
    Shell,
}

/// Every way that this machine has; says so when the shell is missing.
pub fn ways() -> Vec<Way> {
    match Command::new("sqlite3").arg("--version").output() {
        Ok(output) if output.status.success() => vec![Way::Connection, Way::Shell],
        _ => {
            eprintln!("SKIPPED: the program `sqlite3` is not installed; its writes were not tested");
            vec![Way::Connection]
        }
    }
}

impl Fixture {
    /// Runs SQL; the error's text if it fails.
    pub fn sql(&self, way: Way, sql: &str) -> std::result::Result<(), String> {
        match way {
            Way::Connection => self
                .connection()
                .execute_batch(sql)
                .map_err(|error| error.to_string()),
            Way::Shell => {
                let output = Command::new("sqlite3")
                    .args(["-bail", "-cmd", ".timeout 5000"])
                    .arg(self.path())
                    .arg(sql)
                    .output()
                    .unwrap();
                if output.status.success() {
                    Ok(())
                } else {
                    Err(String::from_utf8_lossy(&output.stderr).into_owned())
                }
            }
        }
    }
}
