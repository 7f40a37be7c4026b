//! Worlds whose databases are real SQLite files.

use onsync_core::schema::{EntitySchema, Ids, Schema};
use onsync_core::store::local::LocalStore;
use onsync_core::store::server::ServerStore;
use onsync_core::{Error, Result, ValueType};
use onsync_simulator::{Place, Plan, Step};
use onsync_sqlite_server_store::{SqliteServerStore, SqliteServerStoreOptions};
use onsync_sqlite_store::rusqlite::Connection;
use onsync_sqlite_store::{SqliteStore, SqliteStoreOptions};
use std::path::PathBuf;
use std::sync::Arc;

/// One file for the server, one for each device, in a folder that goes with the world.
pub(crate) struct SqlitePlace {
    /// Attached once: whoever looks at the database later uses what the server attached.
    server: Arc<SqliteServerStore>,
    folder: tempfile::TempDir,
}

fn failed(what: &str, error: impl std::fmt::Display) -> Error {
    Error::fatal("store_unavailable", format!("{what}: {error}"))
}

impl SqlitePlace {
    /// A database of the server with the tables of a schema, as somebody else would have made them.
    pub(crate) fn make(_seed: u64, schema: &Schema) -> Result<Box<dyn Place>> {
        let folder = tempfile::tempdir().map_err(|error| failed("no temporary folder", error))?;
        let file = folder.path().join("server.sqlite");
        let connection = Connection::open(&file).map_err(|error| failed("no database", error))?;
        for entity in &schema.entities {
            connection
                .execute_batch(&table(entity))
                .map_err(|error| failed("no table", error))?;
        }
        let server = Arc::new(SqliteServerStore::new(SqliteServerStoreOptions::new(file)));
        Ok(Box::new(Self { server, folder }))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.sqlite"))
    }
}

impl Place for SqlitePlace {
    fn server(&self) -> Result<Arc<dyn ServerStore>> {
        Ok(self.server.clone())
    }

    fn device(&self, number: usize) -> Result<Arc<dyn LocalStore>> {
        let options = SqliteStoreOptions {
            busy_timeout_ms: 50,
            ..SqliteStoreOptions::default()
        };
        Ok(Arc::new(SqliteStore::new(
            self.file(&format!("device-{number}")),
            options,
        )))
    }
}

fn table(entity: &EntitySchema) -> String {
    let columns: Vec<String> = entity
        .attributes
        .iter()
        .map(|attribute| {
            let kind = match attribute.value_type {
                ValueType::Integer | ValueType::Boolean => "INTEGER",
                ValueType::Real => "REAL",
                ValueType::Bytes => "BLOB",
                _ => "TEXT",
            };
            let is_key = entity.key == [attribute.name.clone()];
            let key = match (is_key, entity.ids, attribute.value_type) {
                (false, _, _) => "",
                (true, Ids::Server, ValueType::Text) => " PRIMARY KEY DEFAULT (lower(hex(randomblob(16))))",
                (true, Ids::Server, ValueType::Uuid) => {
                    " PRIMARY KEY DEFAULT (lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) \
                     || '-8' || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6))))"
                }
                // Without it SQLite gives the key of the last record, once that is deleted, to the next one.
                (true, Ids::Server, ValueType::Integer) => " PRIMARY KEY AUTOINCREMENT",
                (true, _, _) => " PRIMARY KEY",
            };
            format!("\"{}\" {kind}{key}", attribute.column)
        })
        .collect();
    format!("CREATE TABLE \"{}\" ({})", entity.source, columns.join(", "))
}

/// A plan for real files. Another program's transaction holds no lock while time passes: one thread runs the whole world, and the
/// server would wait for itself.
pub(crate) fn on_files(mut plan: Plan) -> Plan {
    for step in &mut plan.steps {
        if let Step::Foreign { hold, .. } = step {
            *hold = 0;
        }
    }
    plan
}
