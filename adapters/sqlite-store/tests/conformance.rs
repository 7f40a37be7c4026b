//! The store keeps the contract of local stores.

use onsync_core::store::local::LocalStore;
use onsync_core::{Error, Result, Value, portable_async};
use onsync_sqlite_store::rusqlite::{self, Connection, ToSql, params_from_iter};
use onsync_sqlite_store::{SqliteStore, SqliteStoreOptions};
use onsync_testkit::foreign::{ForeignProgram, ForeignWrite};
use onsync_testkit::local_store::LocalStorePlace;
use std::path::{Path, PathBuf};
use std::sync::Arc;

struct Folder(tempfile::TempDir);

impl Folder {
    fn path(&self) -> PathBuf {
        self.0.path().join("app.sqlite")
    }
}

#[portable_async]
impl LocalStorePlace for Folder {
    async fn store(&self) -> Result<Arc<dyn LocalStore>> {
        Ok(Arc::new(SqliteStore::new(
            self.path(),
            SqliteStoreOptions::default(),
        )))
    }

    fn plain_sql(&self) -> Option<Arc<dyn ForeignProgram>> {
        Some(Arc::new(Shell(self.path())))
    }
}

/// Another program that knows nothing but SQL.
struct Shell(PathBuf);

fn connect(path: &Path) -> Result<Connection> {
    Connection::open(path).map_err(failed)
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

onsync_testkit::local_store_tests!(Folder(tempfile::tempdir().unwrap()));
