//! Places of the memory stores, for the suites.

#![allow(dead_code, reason = "each test uses some of it")]
#![expect(
    clippy::expect_used,
    reason = "the helpers of a test fail by panicking, as the test does"
)]

use onsync_core::memory::local::MemoryStore;
use onsync_core::memory::server::{ForeignKey, MemoryServerStore, Tables};
use onsync_core::schema::OnDelete;
use onsync_core::store::local::LocalStore;
use onsync_core::store::server::ServerStore;
use onsync_core::{Fields, Key, Result, portable_async};
use onsync_testkit::foreign::{ForeignProgram, ForeignWrite};
use onsync_testkit::local_store::LocalStorePlace;
use onsync_testkit::server_store::{ServerStorePlace, schema};
use onsync_testkit::suite::block_on;
use std::sync::Arc;

pub(crate) struct Device(pub(crate) MemoryStore);

impl Device {
    pub(crate) fn new() -> Self {
        Self(MemoryStore::new(1))
    }
}

#[portable_async]
impl LocalStorePlace for Device {
    async fn store(&self) -> Result<Arc<dyn LocalStore>> {
        Ok(Arc::new(self.0.clone()))
    }
}

/// An existing database in memory.
pub(crate) struct Database(pub(crate) MemoryServerStore);

impl Database {
    pub(crate) fn new() -> Self {
        let store = MemoryServerStore::new(1).existing_tables_only();
        block_on(Box::pin(make_tables(&store))).expect("the tables of the suite");
        Self(store)
    }
}

async fn make_tables(store: &MemoryServerStore) -> Result<()> {
    store
        .foreign_write(|tables| {
            for entity in schema().entities {
                let key: Vec<&str> = entity.key.iter().map(String::as_str).collect();
                tables.create(&entity.source, &entity.attributes, &key)?;
            }
            Ok(())
        })
        .await?;
    store.add_unique("items", &["code"]).await?;
    for (child, deferred) in [("lines", false), ("pins", true)] {
        let foreign_key = ForeignKey {
            child: child.to_owned(),
            column: "item_id".to_owned(),
            parent: "items".to_owned(),
            on_delete: if deferred {
                OnDelete::Restrict
            } else {
                OnDelete::Cascade
            },
            deferred,
        };
        store.add_foreign_key(foreign_key).await?;
    }
    Ok(())
}

#[portable_async]
impl ServerStorePlace for Database {
    async fn store(&self) -> Result<Arc<dyn ServerStore>> {
        Ok(Arc::new(self.0.clone()))
    }

    fn foreign(&self) -> Arc<dyn ForeignProgram> {
        Arc::new(Program(self.0.clone()))
    }
}

pub(crate) struct Program(pub(crate) MemoryServerStore);

/// Keys of the rows whose columns have these values.
fn select(tables: &Tables<'_>, table: &str, filter: &Fields) -> Result<Vec<Key>> {
    let fits = |row: &Fields| filter.iter().all(|(name, value)| row.value(name) == value);
    let rows = tables.all(table)?.into_iter();
    Ok(rows.filter(|(_, row)| fits(row)).map(|(key, _)| key).collect())
}

fn write(tables: &mut Tables<'_>, write: &ForeignWrite) -> Result<()> {
    let table = write.table();
    match write {
        ForeignWrite::Insert { values, .. } => tables.insert(table, values).map(|_| ()),
        ForeignWrite::Replace { values, .. } => tables.replace(table, values).map(|_| ()),
        ForeignWrite::Update { filter, values, .. } => {
            for key in select(tables, table, filter)? {
                tables.update(table, &key, values)?;
            }
            Ok(())
        }
        ForeignWrite::UpdateOrReplace { filter, values, .. } => {
            for key in select(tables, table, filter)? {
                let mut row = tables.get(table, &key)?.unwrap_or_default();
                for (name, value) in values.iter() {
                    row.set(name, value.clone());
                }
                tables.replace(table, &row)?;
            }
            Ok(())
        }
        ForeignWrite::Upsert { key, values, .. } => {
            let filter = key
                .iter()
                .map(|name| (name.clone(), values.value(name).clone()))
                .collect();
            match select(tables, table, &filter)?.first() {
                Some(found) => tables.update(table, found, values),
                None => tables.insert(table, values).map(|_| ()),
            }
        }
        ForeignWrite::Delete { filter, .. } => {
            for key in select(tables, table, filter)? {
                tables.delete(table, &key)?;
            }
            Ok(())
        }
        ForeignWrite::DeleteAll { .. } => tables.truncate(table),
        ForeignWrite::ChangeKey { from, to, .. } => {
            for key in select(tables, table, from)? {
                tables.update(table, &key, to)?;
            }
            Ok(())
        }
    }
}

#[portable_async]
impl ForeignProgram for Program {
    async fn write(&self, writes: &[ForeignWrite]) -> Result<()> {
        self.0
            .foreign_write(|tables| writes.iter().try_for_each(|one| write(tables, one)))
            .await
    }

    async fn unique(&self, table: &str, column: &str) -> Result<()> {
        self.0.add_unique(table, &[column]).await
    }
}
