//! Records as Rust structs.

use super::App;
use onsync_core::query::Query;
use onsync_core::{Entity, Fields, Key, Result};
use std::marker::PhantomData;

/// The records of one Rust type; see `#[derive(Entity)]`.
pub struct TypedRecords<'a, E> {
    app: &'a App,
    entity: PhantomData<fn() -> E>,
}

impl<'a, E: Entity> TypedRecords<'a, E> {
    pub(super) fn new(app: &'a App) -> Self {
        Self {
            app,
            entity: PhantomData,
        }
    }

    /// As [`App::create`].
    ///
    /// # Errors
    /// As there.
    pub async fn create(&self, record: E) -> Result<Key> {
        self.app.create(E::ENTITY, record.into_fields()).await
    }

    /// As [`App::create_many`].
    ///
    /// # Errors
    /// As there.
    pub async fn create_many(&self, records: Vec<E>) -> Result<Vec<Key>> {
        let many = records.into_iter().map(Entity::into_fields).collect();
        self.app.create_many(E::ENTITY, many).await
    }

    /// Changes the given attributes of a record; as [`App::update`].
    ///
    /// # Errors
    /// As there.
    pub async fn update(&self, key: impl Into<Key>, fields: Fields) -> Result<()> {
        self.app.update(E::ENTITY, key, fields).await
    }

    /// Changes the record with the struct's key, or creates it.
    ///
    /// # Errors
    /// As [`App::create_or_update`].
    pub async fn save(&self, record: E) -> Result<Key> {
        self.app.create_or_update(E::ENTITY, record.into_fields()).await
    }

    /// As [`App::create_or_update_many`].
    ///
    /// # Errors
    /// As there.
    pub async fn save_many(&self, records: Vec<E>) -> Result<Vec<Key>> {
        let many = records.into_iter().map(Entity::into_fields).collect();
        self.app.create_or_update_many(E::ENTITY, many).await
    }

    /// As [`App::delete`].
    ///
    /// # Errors
    /// As there.
    pub async fn delete(&self, key: impl Into<Key>) -> Result<bool> {
        self.app.delete(E::ENTITY, key).await
    }

    /// One record by its key.
    ///
    /// # Errors
    /// As [`App::get`], and `invalid_value` where a value does not fit the struct.
    pub async fn get(&self, key: impl Into<Key>) -> Result<Option<E>> {
        self.app
            .get(E::ENTITY, key)
            .await?
            .map(E::from_fields)
            .transpose()
    }

    /// All records.
    ///
    /// # Errors
    /// As [`TypedRecords::get`].
    pub async fn all(&self) -> Result<Vec<E>> {
        self.query(|query| query).await
    }

    /// The records a query selects, which starts as all of them.
    ///
    /// # Errors
    /// As [`App::query`], and `invalid_value` where a value does not fit the struct.
    pub async fn query(&self, narrow: impl FnOnce(Query) -> Query) -> Result<Vec<E>> {
        let found = self.app.query(narrow(Query::entity(E::ENTITY))).await?;
        found.into_iter().map(E::from_fields).collect()
    }
}
