//! Transactions: reads and writes that become visible together.

use crate::error::{JsResult, to_js};
use crate::plugins::resolution;
use crate::query::query;
use crate::values::{fields, key, key_to_js, record, records};
use crate::work::Asker;
use js_sys::Array;
use onsync::core::schema::{EntitySchema, Schema};
use std::rc::Rc;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

/// The transaction that `OnSync.transaction` lends to a function.
#[wasm_bindgen(skip_typescript)]
pub struct Transaction {
    asker: Rc<Asker<onsync::Transaction>>,
    schema: Rc<Schema>,
}

impl Transaction {
    pub(crate) fn new(asker: Asker<onsync::Transaction>, schema: Rc<Schema>) -> Self {
        Self {
            asker: Rc::new(asker),
            schema,
        }
    }

    fn entity(&self, name: &str) -> JsResult<&EntitySchema> {
        self.schema.entity(name).map_err(to_js)
    }
}

#[wasm_bindgen]
impl Transaction {
    /// Creates a record.
    pub async fn create(&self, entity: String, values: JsValue) -> JsResult {
        let values = fields(self.entity(&entity)?, &values).map_err(to_js)?;
        let work = self
            .asker
            .ask(move |tx| Box::pin(async move { tx.create(&entity, values).await }));
        Ok(key_to_js(&work.await?))
    }

    /// Changes attributes of a record.
    pub async fn update(&self, entity: String, record: JsValue, values: JsValue) -> JsResult<()> {
        let known = self.entity(&entity)?;
        let (name, values) = (
            key(known, &record).map_err(to_js)?,
            fields(known, &values).map_err(to_js)?,
        );
        let work = self
            .asker
            .ask(move |tx| Box::pin(async move { tx.update(&entity, name, values).await }));
        work.await
    }

    /// Changes the record with the key in the values, or creates it.
    #[wasm_bindgen(js_name = createOrUpdate)]
    pub async fn create_or_update(&self, entity: String, values: JsValue) -> JsResult {
        let values = fields(self.entity(&entity)?, &values).map_err(to_js)?;
        let work = self
            .asker
            .ask(move |tx| Box::pin(async move { tx.create_or_update(&entity, values).await }));
        Ok(key_to_js(&work.await?))
    }

    /// Deletes a record; false if there is none.
    pub async fn delete(&self, entity: String, record: JsValue) -> JsResult<bool> {
        let name = key(self.entity(&entity)?, &record).map_err(to_js)?;
        let work = self
            .asker
            .ask(move |tx| Box::pin(async move { tx.delete(&entity, name).await }));
        work.await
    }

    /// One record by its key; null if there is none.
    pub async fn get(&self, entity: String, name: JsValue) -> JsResult {
        let name = key(self.entity(&entity)?, &name).map_err(to_js)?;
        let work = self
            .asker
            .ask(move |tx| Box::pin(async move { tx.get(&entity, name).await }));
        Ok(work.await?.as_ref().map_or(JsValue::NULL, record))
    }

    /// The records a query selects.
    pub async fn query(&self, what: JsValue) -> JsResult<Array> {
        let query = query(&self.schema, &what).map_err(to_js)?;
        let work = self
            .asker
            .ask(move |tx| Box::pin(async move { tx.query(query).await }));
        Ok(records(&work.await?).into())
    }

    /// Ends an open conflict and gives the record's key.
    #[wasm_bindgen(js_name = resolveConflict)]
    pub async fn resolve_conflict(&self, entity: String, record: JsValue, how: JsValue) -> JsResult {
        let known = self.entity(&entity)?;
        let (name, how) = (
            key(known, &record).map_err(to_js)?,
            resolution(known, &how).map_err(to_js)?,
        );
        let work = self
            .asker
            .ask(move |tx| Box::pin(async move { tx.resolve_conflict(&entity, name, how).await }));
        Ok(key_to_js(&work.await?))
    }

    /// What this transaction writes succeeds or fails together on the server too.
    #[wasm_bindgen(js_name = atomicGroup)]
    pub async fn atomic_group(&self) -> JsResult<()> {
        let work = self.asker.ask(|tx| {
            Box::pin(async move {
                tx.atomic_group();
                Ok(())
            })
        });
        work.await
    }
}
