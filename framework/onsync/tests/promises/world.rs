//! A server and devices in one process and one thread, over stores of either kind, with virtual time and a network on a string.

pub(crate) use crate::device::{Device, assert_equal};
use futures_util::FutureExt as _;
use onsync_core::memory::local::MemoryStore;
use onsync_core::memory::server::{ForeignKey, MemoryServerStore};
use onsync_core::pattern::{Direction, SyncPattern};
use onsync_core::registry::Registry;
use onsync_core::schema::{Attribute, EntitySchema, Ids, OnDelete, Relation, Schema};
use onsync_core::store::local::LocalStore;
use onsync_core::store::server::ServerStore;
use onsync_core::{Fields, Key, Row, Value, ValueType};
use onsync_engine::sync::{Limits, Syncer};
use onsync_pattern_read_only::ReadOnly;
use onsync_pattern_read_only_optimized::ReadOnlyOptimized;
use onsync_pattern_read_write_conflict_detection::ConflictDetection;
use onsync_pattern_read_write_last_write_wins::LastWriteWins;
use onsync_pattern_read_write_one_to_many::OneToMany;
use onsync_server::Server;
use onsync_server::SyncService;
use onsync_sqlite_server_store::{SqliteServerStore, SqliteServerStoreOptions};
use onsync_sqlite_store::rusqlite;
use onsync_sqlite_store::{SqliteStore, SqliteStoreOptions};
use onsync_testkit::fakes::{InProcess, Lossy, ManualRuntime};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Which stores a scenario runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Memory,
    Sqlite,
}

pub(crate) const READ_ONLY: &str = "read-only";
pub(crate) const OPTIMIZED: &str = "read-only-optimized";
pub(crate) const LWW: &str = "read-write-last-write-wins";
pub(crate) const FAMILY: &str = "read-write-one-to-many";
pub(crate) const DETECTION: &str = "read-write-conflict-detection";

/// The patterns under which a device writes.
pub(crate) const WRITING: [&str; 3] = [LWW, DETECTION, FAMILY];

/// Those of them that merge by the attribute, where the last push wins.
pub(crate) const MERGING: [&str; 2] = [LWW, FAMILY];

/// The patterns' registry, as both sides use it.
pub(crate) fn patterns() -> Registry<Arc<dyn SyncPattern>> {
    let mut registry: Registry<Arc<dyn SyncPattern>> = Registry::new("pattern");
    registry.register(READ_ONLY, Arc::new(ReadOnly)).unwrap();
    registry.register(OPTIMIZED, Arc::new(ReadOnlyOptimized)).unwrap();
    registry.register(LWW, Arc::new(LastWriteWins)).unwrap();
    registry.register(FAMILY, Arc::new(OneToMany)).unwrap();
    registry.register(DETECTION, Arc::new(ConflictDetection)).unwrap();
    registry
}

/// One entity `Item(id, name, note, amount)` with client ids, or server ids.
pub(crate) fn item(pattern: &str, ids: Ids) -> EntitySchema {
    let attributes = vec![
        Attribute::new("id", ValueType::Integer),
        Attribute::new("name", ValueType::Text),
        Attribute::new("note", ValueType::Text),
        Attribute::new("amount", ValueType::Integer),
    ];
    EntitySchema {
        ids,
        ..EntitySchema::new("Item", pattern, &["id"], attributes)
    }
}

/// `Item` and `Part(id, item_id, name)` that refers to it.
pub(crate) fn family(ids: Ids) -> Schema {
    let attributes = vec![
        Attribute::new("id", ValueType::Integer),
        Attribute::new("item_id", ValueType::Integer),
        Attribute::new("name", ValueType::Text),
    ];
    let part = EntitySchema {
        ids,
        ..EntitySchema::new("Part", LWW, &["id"], attributes)
    };
    let relation = Relation {
        name: "item".into(),
        child: "Part".into(),
        attribute: "item_id".into(),
        parent: "Item".into(),
        on_delete: OnDelete::Restrict,
    };
    Schema {
        entities: vec![item(LWW, ids), part],
        relations: vec![relation],
    }
}

/// The same under another pattern.
pub(crate) fn family_under(pattern: &str, ids: Ids) -> Schema {
    let mut schema = family(ids);
    for entity in &mut schema.entities {
        entity.pattern = pattern.to_owned();
    }
    schema
}

pub(crate) fn one(entity: EntitySchema) -> Schema {
    Schema {
        entities: vec![entity],
        relations: vec![],
    }
}

/// The server's database, as a foreign program sees it.
pub(crate) enum Database {
    Memory(MemoryServerStore),
    Sqlite(PathBuf),
}

pub(crate) struct World {
    pub(crate) kind: Kind,
    pub(crate) runtime: ManualRuntime,
    pub(crate) schema: Arc<Schema>,
    pub(crate) database: Database,
    pub(crate) service: Arc<dyn SyncService>,
    pub(crate) server: Server,
    pub(crate) folder: tempfile::TempDir,
    devices: u64,
}

fn sql_type(value_type: ValueType) -> &'static str {
    match value_type {
        ValueType::Integer | ValueType::Boolean => "INTEGER",
        ValueType::Real => "REAL",
        ValueType::Bytes => "BLOB",
        _ => "TEXT",
    }
}

/// Plain SQL for the existing database: what somebody else would have written, with foreign keys where relations are given.
fn ddl(entity: &EntitySchema, relations: &[Relation]) -> String {
    let foreign = |attribute: &str| {
        let relation = relations
            .iter()
            .find(|relation| relation.child == entity.name && relation.attribute == attribute);
        relation.map_or_else(String::new, |relation| {
            let action = match relation.on_delete {
                OnDelete::Restrict => "RESTRICT",
                OnDelete::Cascade => "CASCADE",
                OnDelete::SetNull => "SET NULL",
            };
            format!(" REFERENCES \"{}\" ON DELETE {action}", relation.parent)
        })
    };
    let mut columns: Vec<String> = entity
        .attributes
        .iter()
        .map(|attribute| {
            let own_key = entity.key == [attribute.name.clone()];
            let key = match (own_key, entity.ids, attribute.value_type) {
                (true, Ids::Server, ValueType::Text) => " PRIMARY KEY DEFAULT (lower(hex(randomblob(16))))",
                (true, _, _) => " PRIMARY KEY",
                (false, _, _) => "",
            };
            let kind = sql_type(attribute.value_type);
            format!("\"{}\" {kind}{key}{}", attribute.column, foreign(&attribute.name))
        })
        .collect();
    if entity.key.len() > 1 {
        columns.push(format!("PRIMARY KEY ({})", entity.key.join(", ")));
    }
    format!("CREATE TABLE \"{}\" ({})", entity.source, columns.join(", "))
}

pub(crate) fn bind(value: &Value) -> rusqlite::types::Value {
    match value {
        Value::Null => rusqlite::types::Value::Null,
        Value::Integer(integer) => (*integer).into(),
        Value::Boolean(boolean) => i64::from(*boolean).into(),
        Value::Real(real) => (*real).into(),
        other => other.to_string().into(),
    }
}

impl World {
    pub(crate) fn new(kind: Kind, schema: Schema) -> Self {
        Self::with_foreign_keys(kind, schema, &[])
    }

    /// A world whose database has these relations as foreign keys too.
    pub(crate) fn with_foreign_keys(kind: Kind, schema: Schema, foreign: &[Relation]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runtime = ManualRuntime::new(7);
        let (database, store): (Database, Arc<dyn ServerStore>) = match kind {
            Kind::Memory => {
                let store = MemoryServerStore::new(11);
                (Database::Memory(store.clone()), Arc::new(store))
            }
            Kind::Sqlite => {
                let path = folder.path().join("server.sqlite");
                let connection = rusqlite::Connection::open(&path).unwrap();
                for entity in &schema.entities {
                    connection.execute_batch(&ddl(entity, foreign)).unwrap();
                }
                let store = SqliteServerStore::new(SqliteServerStoreOptions::new(&path));
                (Database::Sqlite(path), Arc::new(store))
            }
        };
        let schema = Arc::new(schema);
        let server = runtime.run(serve(&schema, store)).unwrap().unwrap();
        if let Database::Memory(store) = &database {
            for relation in foreign {
                let foreign_key = ForeignKey {
                    child: relation.child.clone(),
                    column: relation.attribute.clone(),
                    parent: relation.parent.clone(),
                    on_delete: relation.on_delete,
                    deferred: false,
                };
                runtime.run(store.add_foreign_key(foreign_key)).unwrap().unwrap();
            }
        }
        Self {
            kind,
            runtime,
            schema,
            database,
            service: Arc::new(server.clone()),
            server,
            folder,
            devices: 0,
        }
    }

    /// Runs to the end, in virtual time.
    pub(crate) fn run<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime
            .run(future)
            .expect("the scenario waits for something that never happens")
    }

    /// A new device with an empty store.
    pub(crate) fn device(&mut self) -> Device {
        self.device_with(Limits::default())
    }

    pub(crate) fn device_with(&mut self, limits: Limits) -> Device {
        self.devices += 1;
        let store: Arc<dyn LocalStore> = match self.kind {
            Kind::Memory => Arc::new(MemoryStore::new(100 + self.devices)),
            Kind::Sqlite => {
                let path = self.folder.path().join(format!("device-{}.sqlite", self.devices));
                Arc::new(SqliteStore::new(path, SqliteStoreOptions::default()))
            }
        };
        self.device_on(store, limits)
    }

    /// A device on a store that may hold data already, as after a restart of its process.
    pub(crate) fn device_on(&self, store: Arc<dyn LocalStore>, limits: Limits) -> Device {
        let mut schema = (*self.schema).clone();
        let registry = patterns();
        for entity in &mut schema.entities {
            let pattern = registry.get(&entity.pattern).unwrap();
            entity.refuse_local_writes = pattern.direction() == Direction::ReadOnly;
        }
        let schema = Arc::new(schema);
        self.run(store.open(&schema)).unwrap();
        let lossy = Arc::new(Lossy::new(
            Arc::new(InProcess::new(self.service.clone())),
            Arc::new(self.runtime.clone()),
        ));
        let named = schema
            .entities
            .iter()
            .map(|entity| {
                (
                    entity.name.clone(),
                    registry.get(&entity.pattern).unwrap().clone(),
                )
            })
            .collect();
        let runtime = Arc::new(self.runtime.clone());
        let syncer = Syncer::new(
            store.clone(),
            lossy.clone(),
            runtime,
            schema.clone(),
            Arc::new(named),
            limits,
        );
        Device {
            world: self.runtime.clone(),
            store,
            lossy,
            schema,
            syncer,
        }
    }

    /// The newest device after a restart of its process.
    pub(crate) fn restarted(&self, device: Device, limits: Limits) -> Device {
        let store: Arc<dyn LocalStore> = match self.kind {
            Kind::Memory => device.store.clone(),
            Kind::Sqlite => {
                let path = self.folder.path().join(format!("device-{}.sqlite", self.devices));
                Arc::new(SqliteStore::new(path, SqliteStoreOptions::default()))
            }
        };
        drop(device);
        self.device_on(store, limits)
    }

    fn connection(&self) -> rusqlite::Connection {
        let Database::Sqlite(path) = &self.database else {
            panic!("no file")
        };
        let connection = rusqlite::Connection::open(path).unwrap();
        connection
            .busy_timeout(std::time::Duration::from_secs(10))
            .unwrap();
        connection
    }

    /// A write by another program on the server's database: the key attribute is `id`.
    pub(crate) fn put(&self, entity: &str, fields: &Fields) {
        self.put_all(entity, std::slice::from_ref(fields));
    }

    /// As [`World::put`], many records in one transaction.
    pub(crate) fn put_all(&self, entity: &str, all: &[Fields]) {
        let table = self.schema.entity(entity).unwrap().source.clone();
        match &self.database {
            Database::Memory(store) => {
                self.run(store.foreign_write(|tables| {
                    for fields in all {
                        let key = Key(vec![fields.value("id").clone()]);
                        match tables.get(&table, &key)? {
                            Some(_) => tables.update(&table, &key, fields)?,
                            None => drop(tables.insert(&table, fields)?),
                        }
                    }
                    Ok(())
                }))
                .unwrap();
            }
            Database::Sqlite(_) => {
                let mut connection = self.connection();
                let tx = connection.transaction().unwrap();
                for fields in all {
                    let names: Vec<String> = fields.iter().map(|(name, _)| format!("\"{name}\"")).collect();
                    let values: Vec<rusqlite::types::Value> =
                        fields.iter().map(|(_, value)| bind(value)).collect();
                    let marks = vec!["?"; values.len()].join(", ");
                    let sets: Vec<String> = names
                        .iter()
                        .map(|name| format!("{name} = excluded.{name}"))
                        .collect();
                    let sql = format!(
                        "INSERT INTO \"{table}\" ({}) VALUES ({marks}) ON CONFLICT (id) DO UPDATE SET {}",
                        names.join(", "),
                        sets.join(", ")
                    );
                    tx.execute(&sql, rusqlite::params_from_iter(values)).unwrap();
                }
                tx.commit().unwrap();
            }
        }
    }

    /// New records by another program, all in one transaction; also while an answer is under way.
    pub(crate) fn put_each(&self, records: &[(&str, Fields)]) {
        let table = |entity: &str| self.schema.entity(entity).unwrap().source.clone();
        match &self.database {
            Database::Memory(store) => {
                let insert = store.foreign_write(|tables| {
                    for (entity, fields) in records {
                        tables.insert(&table(entity), fields)?;
                    }
                    Ok(())
                });
                insert.now_or_never().expect("nobody else writes").unwrap();
            }
            Database::Sqlite(_) => {
                let mut connection = self.connection();
                let transaction = connection.transaction().unwrap();
                for (entity, fields) in records {
                    let names: Vec<&str> = fields.iter().map(|(name, _)| name).collect();
                    let values: Vec<rusqlite::types::Value> =
                        fields.iter().map(|(_, value)| bind(value)).collect();
                    let marks = vec!["?"; values.len()].join(", ");
                    let (table, names) = (table(entity), names.join(", "));
                    let sql = format!("INSERT INTO \"{table}\" ({names}) VALUES ({marks})");
                    transaction
                        .execute(&sql, rusqlite::params_from_iter(values))
                        .unwrap();
                }
                transaction.commit().unwrap();
            }
        }
    }

    pub(crate) fn delete(&self, entity: &str, id: i64) {
        let table = self.schema.entity(entity).unwrap().source.clone();
        match &self.database {
            Database::Memory(store) => {
                self.run(store.foreign_write(|tables| tables.delete(&table, &Key::one(id))))
                    .unwrap();
            }
            Database::Sqlite(_) => {
                self.connection()
                    .execute(&format!("DELETE FROM \"{table}\" WHERE id = ?"), [id])
                    .unwrap();
            }
        }
    }

    /// What the server's database holds, read from the database itself.
    pub(crate) fn contents(&self, entity: &str) -> BTreeMap<Key, Row> {
        let entity = self.schema.entity(entity).unwrap();
        match &self.database {
            Database::Memory(store) => {
                let rows = store.contents(&entity.source).unwrap();
                rows.into_iter()
                    .map(|(key, fields)| (key, entity.row(&fields).unwrap()))
                    .collect()
            }
            Database::Sqlite(_) => {
                let names: Vec<String> = entity
                    .attributes
                    .iter()
                    .map(|a| format!("\"{}\"", a.column))
                    .collect();
                let connection = self.connection();
                let sql = format!("SELECT {} FROM \"{}\"", names.join(", "), entity.source);
                let mut statement = connection.prepare(&sql).unwrap();
                let rows = statement
                    .query_map([], |row| {
                        (0..entity.attributes.len())
                            .map(|index| {
                                Ok(match row.get::<_, rusqlite::types::Value>(index)? {
                                    rusqlite::types::Value::Null => Value::Null,
                                    rusqlite::types::Value::Integer(integer) => Value::Integer(integer),
                                    rusqlite::types::Value::Text(text)
                                        if entity.attributes[index].value_type == ValueType::Uuid =>
                                    {
                                        Value::Uuid(text.parse().unwrap())
                                    }
                                    rusqlite::types::Value::Text(text) => Value::Text(text),
                                    other => panic!("{other:?}"),
                                })
                            })
                            .collect::<rusqlite::Result<Row>>()
                    })
                    .unwrap();
                rows.map(|row| row.map(|row| (entity.key_of(&row), row)).unwrap())
                    .collect()
            }
        }
    }

    /// Fills the server with `Item` records 1 to `count`.
    pub(crate) fn fill(&self, count: i64) {
        for id in 1..=count {
            self.put("Item", &fields(id, &format!("name {id}"), id));
        }
    }
}

pub(crate) async fn serve(schema: &Arc<Schema>, store: Arc<dyn ServerStore>) -> onsync_core::Result<Server> {
    Server::builder()
        .schema((**schema).clone())
        .patterns(patterns())
        .store(store)
        .authenticator(onsync_server::NoAuthentication)
        .build()
        .await
}

/// The fields of an `Item`.
pub(crate) fn fields(id: i64, name: &str, amount: i64) -> Fields {
    Fields::new()
        .with("id", id)
        .with("name", name)
        .with("note", Value::Null)
        .with("amount", amount)
}
