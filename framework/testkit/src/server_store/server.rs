//! One attached database with its schema, and single steps as whole transactions.

use super::ServerStorePlace;
use crate::foreign::{ForeignProgram, ForeignWrite};
use onsync_core::page::KeyRange;
use onsync_core::schema::{EntitySchema, Schema};
use onsync_core::store::server::{DeltaRows, Extent, PageLimit, ServerStore, ServerTransaction};
use onsync_core::{Fields, Key, Result, Row};
use std::collections::BTreeMap;
use std::sync::Arc;

/// No limit that matters.
pub(super) const ALL: PageLimit = PageLimit {
    rows: 1_000_000,
    bytes: usize::MAX,
};

pub(super) struct Server {
    pub(super) store: Arc<dyn ServerStore>,
    pub(super) schema: Schema,
    pub(super) program: Arc<dyn ForeignProgram>,
}

/// What a delta told about each key: the row, or that it is deleted.
pub(super) type Told = BTreeMap<Key, Option<Row>>;

pub(super) fn extent<'a>(entity: &'a EntitySchema, attributes: &'a [usize]) -> Extent<'a> {
    Extent {
        entity,
        attributes,
        scope: "",
    }
}

pub(super) fn item(id: i64, name: &str, code: Option<&str>) -> Fields {
    Fields::new().with("id", id).with("name", name).with("code", code)
}

pub(super) fn item_row(id: i64, name: &str, code: Option<&str>) -> Row {
    vec![id.into(), name.into(), code.into(), onsync_core::Value::Null]
}

pub(super) fn key(id: i64) -> Key {
    Key::one(id)
}

impl Server {
    pub(super) async fn new(place: &dyn ServerStorePlace) -> Result<Self> {
        let store = place.store().await?;
        let schema = super::schema();
        store.attach(&schema).await?;
        Ok(Self {
            store,
            schema,
            program: place.foreign(),
        })
    }

    pub(super) fn entity(&self, name: &str) -> Result<&EntitySchema> {
        self.schema.entity(name)
    }

    pub(super) async fn write(&self) -> Result<Box<dyn ServerTransaction>> {
        self.store.write().await
    }

    pub(super) async fn insert(&self, entity: &str, fields: &Fields) -> Result<Key> {
        let mut transaction = self.write().await?;
        let key = transaction.insert(self.entity(entity)?, fields).await?;
        transaction.commit().await?;
        Ok(key)
    }

    pub(super) async fn update(&self, entity: &str, key: &Key, fields: &Fields) -> Result<()> {
        let mut transaction = self.write().await?;
        transaction.update(self.entity(entity)?, key, fields).await?;
        transaction.commit().await
    }

    pub(super) async fn delete(&self, entity: &str, key: &Key) -> Result<()> {
        let mut transaction = self.write().await?;
        transaction.delete(self.entity(entity)?, key).await?;
        transaction.commit().await
    }

    /// Items 1 to `count`, by another program in one transaction.
    pub(super) async fn items(&self, count: i64) -> Result<()> {
        let insert = |id: i64| ForeignWrite::Insert {
            table: "items".to_owned(),
            values: item(id, &format!("item {id}"), None),
        };
        self.program
            .write(&(1..=count).map(insert).collect::<Vec<_>>())
            .await
    }

    pub(super) async fn position(&self) -> Result<u64> {
        self.store.read().await?.position().await
    }

    /// All rows of an entity over all its attributes.
    pub(super) async fn rows(&self, entity: &str) -> Result<Vec<Row>> {
        let entity = self.entity(entity)?;
        let attributes: Vec<usize> = (0..entity.attributes.len()).collect();
        let mut view = self.store.read().await?;
        let found = view
            .snapshot(&extent(entity, &attributes), &KeyRange::all(), ALL)
            .await?;
        Ok(found.rows.iter().collect())
    }

    pub(super) async fn page(&self, entity: &str, after: u64, limit: PageLimit) -> Result<DeltaRows> {
        let entity = self.entity(entity)?;
        let attributes: Vec<usize> = (0..entity.attributes.len()).collect();
        let mut view = self.store.read().await?;
        view.delta(&extent(entity, &attributes), after, limit).await
    }

    /// What changed after a position, all at once.
    pub(super) async fn told(&self, entity: &str, after: u64) -> Result<Told> {
        let page = self.page(entity, after, ALL).await?;
        let mut told = Told::new();
        self.tell(entity, &page, &mut told)?;
        Ok(told)
    }

    /// Adds what a page tells.
    pub(super) fn tell(&self, entity: &str, page: &DeltaRows, told: &mut Told) -> Result<()> {
        let entity = self.entity(entity)?;
        told.extend(page.deleted.iter().map(|key| (key.clone(), None)));
        told.extend(page.rows.iter().map(|row| (entity.key_of(&row), Some(row))));
        Ok(())
    }
}

/// What is told of items: `(id, name)`, none for deleted ones.
pub(super) fn names(told: &Told) -> Vec<(String, Option<String>)> {
    let name = |row: &Option<Row>| {
        row.as_ref()
            .map(|row| row.get(1).map_or(String::new(), ToString::to_string))
    };
    told.iter()
        .map(|(key, row)| (key.to_string(), name(row)))
        .collect()
}

impl Server {
    /// Items with these ids, by another program, each in a transaction of its own.
    pub(super) async fn items_again(&self, ids: std::ops::RangeInclusive<i64>) -> Result<()> {
        for id in ids {
            let insert = ForeignWrite::Insert {
                table: "items".to_owned(),
                values: item(id, &format!("item {id}"), None),
            };
            self.program.write(&[insert]).await?;
        }
        Ok(())
    }
}
