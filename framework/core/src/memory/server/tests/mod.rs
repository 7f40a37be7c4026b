//! Each sentence of the contract that is easily broken.

mod changes;
mod writes;

use super::*;
use crate::ValueType;
use crate::memory::faults::{StoreStep, crashed};
use crate::page::KeyRange;
use crate::schema::{Attribute, EntitySchema, Ids, OnDelete, SoftDelete};
use crate::store::server::{DeltaRows, Extent, PageLimit};
use crate::value::Value;
use std::task::{Context, Waker};

const NO_LIMIT: PageLimit = PageLimit {
    rows: usize::MAX,
    bytes: usize::MAX,
};

fn visit() -> EntitySchema {
    let mut attributes = vec![
        Attribute::new("id", ValueType::Integer),
        Attribute::new("user", ValueType::Text),
        Attribute::new("note", ValueType::Text),
    ];
    attributes[2].column = "remark".into();
    EntitySchema {
        source: "visits".into(),
        ids: Ids::Server,
        ..EntitySchema::new("Visit", "any", &["id"], attributes)
    }
}

fn schema(entities: Vec<EntitySchema>) -> Schema {
    Schema {
        entities,
        relations: vec![],
    }
}

async fn attached() -> MemoryServerStore {
    let store = MemoryServerStore::new(1);
    store.attach(&schema(vec![visit()])).await.unwrap();
    store.set_scope("visits", "user").await.unwrap();
    store
}

fn fields(user: &str, remark: &str) -> Fields {
    Fields::new().with("user", user).with("remark", remark)
}

async fn add(store: &MemoryServerStore, user: &str, remark: &str) -> Key {
    let new = fields(user, remark);
    store
        .foreign_write(|tables| tables.insert("visits", &new))
        .await
        .unwrap()
}

fn extent<'a>(entity: &'a EntitySchema, scope: &'a str) -> Extent<'a> {
    Extent {
        entity,
        attributes: &[0, 2],
        scope,
    }
}

async fn delta(store: &MemoryServerStore, scope: &str, after: u64) -> DeltaRows {
    let mut view = store.read().await.unwrap();
    view.delta(&extent(&visit(), scope), after, NO_LIMIT)
        .await
        .unwrap()
}

async fn position(store: &MemoryServerStore) -> u64 {
    store.read().await.unwrap().position().await.unwrap()
}

/// Keys of rows, deleted and removed.
fn keys(delta: &DeltaRows) -> (Vec<Value>, Vec<Key>, Vec<Key>) {
    let rows = delta.rows.iter().map(|row| row[0].clone()).collect();
    (rows, delta.deleted.clone(), delta.removed.clone())
}

fn ids(ids: &[i64]) -> (Vec<Value>, Vec<Key>) {
    let values = ids.iter().map(|id| Value::Integer(*id)).collect();
    (values, ids.iter().map(|id| Key::one(*id)).collect())
}

fn code<T>(result: Result<T>) -> String {
    result
        .err()
        .map_or("ok".to_owned(), |error| error.code().to_owned())
}
