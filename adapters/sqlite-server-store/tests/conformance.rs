//! The store keeps the contract of server stores.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers of a test fail by panicking, as the test does"
)]

use onsync_core::store::server::ServerStore;
use onsync_core::{Error, Result, Value, portable_async};
use onsync_sqlite_server_store::{SqliteServerStore, SqliteServerStoreOptions};
use onsync_testkit::foreign::{ForeignProgram, ForeignWrite};
use onsync_testkit::server_store::ServerStorePlace;
use rusqlite::{Connection, ToSql, params_from_iter};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The application's tables, as it made them before OnSync came.
const TABLES: &str = r#"
    CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT, code TEXT UNIQUE, note TEXT);
    CREATE TABLE lines (id INTEGER PRIMARY KEY, item_id INTEGER REFERENCES items (id) ON DELETE CASCADE, text TEXT);
    CREATE TABLE pins (id INTEGER PRIMARY KEY,
        item_id INTEGER REFERENCES items (id) DEFERRABLE INITIALLY DEFERRED, text TEXT);
    CREATE TABLE orders (number INTEGER PRIMARY KEY AUTOINCREMENT, label TEXT);
    CREATE TABLE members (role TEXT, person INTEGER NOT NULL, team TEXT NOT NULL, PRIMARY KEY (team, person));
    CREATE TABLE tags (name TEXT NOT NULL PRIMARY KEY);
    CREATE TABLE tasks (id INTEGER PRIMARY KEY, title TEXT, gone BOOLEAN);
    CREATE TABLE everything (id INTEGER PRIMARY KEY, a_boolean BOOLEAN, a_integer INTEGER, a_decimal TEXT, a_real REAL,
        a_text TEXT, a_date DATE, a_time TIME, a_timestamp TIMESTAMP, a_local_timestamp DATETIME, a_uuid TEXT,
        a_json TEXT, a_bytes BLOB);
"#;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        connect(&folder.path()).unwrap().execute_batch(TABLES).unwrap();
        folder
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("app.db")
    }
}

#[portable_async]
impl ServerStorePlace for Folder {
    async fn store(&self) -> Result<Arc<dyn ServerStore>> {
        Ok(Arc::new(SqliteServerStore::new(SqliteServerStoreOptions::new(
            self.path(),
        ))))
    }

    fn foreign(&self) -> Arc<dyn ForeignProgram> {
        Arc::new(Shell(self.path()))
    }
}

/// Another program that knows nothing but SQL.
struct Shell(PathBuf);

fn connect(path: &Path) -> Result<Connection> {
    let connection = Connection::open(path).map_err(failed)?;
    connection
        .pragma_update(None, "foreign_keys", true)
        .map_err(failed)?;
    Ok(connection)
}

#[expect(clippy::needless_pass_by_value, reason = "it is given to map_err")]
fn failed(error: rusqlite::Error) -> Error {
    Error::rejected("sql_failed", error.to_string())
}

fn parameter(value: &Value) -> Box<dyn ToSql> {
    match value {
        Value::Null => Box::new(rusqlite::types::Null),
        Value::Boolean(value) => Box::new(*value),
        Value::Integer(value) => Box::new(*value),
        other => Box::new(other.to_string()),
    }
}

#[portable_async]
impl ForeignProgram for Shell {
    async fn write(&self, writes: &[ForeignWrite]) -> Result<()> {
        let mut connection = connect(&self.0)?;
        let transaction = connection.transaction().map_err(failed)?;
        for write in writes {
            let (sql, values) = write.sql();
            let parameters = params_from_iter(values.iter().map(parameter));
            transaction.execute(&sql, parameters).map_err(failed)?;
        }
        transaction.commit().map_err(failed)
    }

    async fn unique(&self, table: &str, column: &str) -> Result<()> {
        let sql = format!("CREATE UNIQUE INDEX \"by_{column}\" ON \"{table}\" (\"{column}\")");
        connect(&self.0)?.execute_batch(&sql).map_err(failed)
    }
}

onsync_testkit::server_store_tests!(crate::Folder::new());
