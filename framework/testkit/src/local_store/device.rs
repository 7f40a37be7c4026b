//! One opened store with its schema, and single steps as whole transactions.

use super::LocalStorePlace;
use onsync_core::page::KeyRange;
use onsync_core::rows::RowSet;
use onsync_core::schema::{EntitySchema, Schema};
use onsync_core::store::local::{Access, LocalStore, LocalTransaction, Overlay};
use onsync_core::{Key, Result, Row};
use std::sync::Arc;

/// The sync's writes, as pulled pages make them.
pub(super) const SYNC: Access = Access::Sync { durable: false };

pub(super) struct Device {
    pub(super) store: Arc<dyn LocalStore>,
    pub(super) schema: Schema,
}

/// Rows over all attributes, in the shape of `put`.
pub(super) fn row_set(entity: &EntitySchema, rows: &[Row]) -> Result<RowSet> {
    let types = entity.attributes.iter().map(|attribute| attribute.value_type);
    let mut set = RowSet::new(types, rows.len());
    for row in rows {
        set.push(row.clone())?;
    }
    Ok(set)
}

/// Puts whole rows.
pub(super) async fn put(
    transaction: &mut dyn LocalTransaction,
    entity: &EntitySchema,
    rows: &[Row],
) -> Result<()> {
    let all: Vec<usize> = (0..entity.attributes.len()).collect();
    transaction.put(entity, &all, &row_set(entity, rows)?).await
}

/// Puts some attributes of one row.
pub(super) async fn put_some(
    transaction: &mut dyn LocalTransaction,
    entity: &EntitySchema,
    attributes: &[usize],
    row: Row,
) -> Result<()> {
    let types = attributes
        .iter()
        .map(|index| entity.attributes[*index].value_type);
    let mut set = RowSet::new(types, 1);
    set.push(row)?;
    transaction.put(entity, attributes, &set).await
}

impl Device {
    /// A fresh store with the schema of the suite.
    pub(super) async fn new(place: &dyn LocalStorePlace) -> Result<Self> {
        Self::with(place, super::schema()).await
    }

    /// A handle opened with this schema.
    pub(super) async fn with(place: &dyn LocalStorePlace, schema: Schema) -> Result<Self> {
        let store = place.store().await?;
        store.open(&schema).await?;
        Ok(Self { store, schema })
    }

    /// The next start of the app: this handle is closed, another one opened.
    pub(super) async fn restart(self, place: &dyn LocalStorePlace) -> Result<Self> {
        let schema = self.schema.clone();
        drop(self);
        Self::with(place, schema).await
    }

    pub(super) fn entity(&self, name: &str) -> Result<&EntitySchema> {
        self.schema.entity(name)
    }

    pub(super) async fn begin(&self, access: Access) -> Result<Box<dyn LocalTransaction>> {
        self.store.begin(access).await
    }

    pub(super) async fn insert(&self, entity: &str, row: Row) -> Result<Key> {
        let mut transaction = self.begin(Access::App).await?;
        let key = transaction.insert(self.entity(entity)?, &row).await?;
        transaction.commit().await?;
        Ok(key)
    }

    pub(super) async fn put(&self, access: Access, entity: &str, rows: &[Row]) -> Result<()> {
        let mut transaction = self.begin(access).await?;
        put(transaction.as_mut(), self.entity(entity)?, rows).await?;
        transaction.commit().await
    }

    pub(super) async fn put_some(
        &self,
        access: Access,
        entity: &str,
        attributes: &[usize],
        row: Row,
    ) -> Result<()> {
        let mut transaction = self.begin(access).await?;
        put_some(transaction.as_mut(), self.entity(entity)?, attributes, row).await?;
        transaction.commit().await
    }

    pub(super) async fn remove(&self, access: Access, entity: &str, keys: &[Key]) -> Result<()> {
        let mut transaction = self.begin(access).await?;
        transaction.remove(self.entity(entity)?, keys).await?;
        transaction.commit().await
    }

    pub(super) async fn put_overlay(&self, entity: &str, overlay: &Overlay) -> Result<()> {
        let mut transaction = self.begin(SYNC).await?;
        transaction.put_overlay(self.entity(entity)?, overlay).await?;
        transaction.commit().await
    }

    pub(super) async fn row(&self, entity: &str, key: &Key) -> Result<Option<Row>> {
        let mut transaction = self.begin(Access::Read).await?;
        let rows = transaction
            .get(self.entity(entity)?, std::slice::from_ref(key))
            .await?;
        Ok(rows.into_iter().next().flatten())
    }

    pub(super) async fn overlay(&self, entity: &str, key: &Key) -> Result<Option<Overlay>> {
        let mut transaction = self.begin(Access::Read).await?;
        let overlays = transaction
            .overlays(self.entity(entity)?, std::slice::from_ref(key))
            .await?;
        Ok(overlays.into_iter().next().flatten())
    }

    pub(super) async fn overlays(&self, entity: &str) -> Result<Vec<Overlay>> {
        let mut transaction = self.begin(Access::Read).await?;
        transaction
            .overlays_in(self.entity(entity)?, &KeyRange::all(), usize::MAX)
            .await
    }

    pub(super) async fn count(&self, entity: &str) -> Result<u64> {
        self.begin(Access::Read).await?.count(self.entity(entity)?).await
    }
}
