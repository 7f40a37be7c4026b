//! Each sentence of the contract that is easily broken.

mod processes;
mod records;

use super::*;
use crate::memory::faults::{Moment, StoreStep, crashed, killed};
use crate::page::KeyRange;
use crate::query::{Comparison, Order, Query};
use crate::record::{Key, Row};
use crate::rows::RowSet;
use crate::schema::{Attribute, EntitySchema, Ids};
use crate::store::local::{FIRST_LOCAL_INTEGER, Overlay, RecordState};
use crate::value::{Value, ValueType};
use std::task::{Context, Waker};

const APP: Access = Access::App;
const SYNC: Access = Access::Sync { durable: true };

fn album() -> EntitySchema {
    let attributes = vec![
        Attribute::new("id", ValueType::Integer),
        Attribute::new("title", ValueType::Text),
        Attribute::new("year", ValueType::Integer),
    ];
    EntitySchema {
        ids: Ids::Server,
        ..EntitySchema::new("Album", "any", &["id"], attributes)
    }
}

fn named(name: &str) -> EntitySchema {
    EntitySchema {
        name: name.into(),
        ..album()
    }
}

fn schema(entities: Vec<EntitySchema>) -> Schema {
    Schema {
        entities,
        relations: vec![],
    }
}

async fn opened() -> MemoryStore {
    let store = MemoryStore::new(1);
    store.open(&schema(vec![album()])).await.unwrap();
    store
}

fn row(id: impl Into<Value>, title: &str, year: impl Into<Value>) -> Row {
    vec![id.into(), title.into(), year.into()]
}

fn rows(rows: impl IntoIterator<Item = Row>) -> RowSet {
    let mut set = RowSet::new([ValueType::Integer, ValueType::Text, ValueType::Integer], 0);
    rows.into_iter().for_each(|row| set.push(row).unwrap());
    set
}

/// Stores rows as the sync does.
async fn fill(store: &MemoryStore, content: impl IntoIterator<Item = Row>) {
    let mut sync = store.begin(SYNC).await.unwrap();
    sync.put(&album(), &[0, 1, 2], &rows(content)).await.unwrap();
    sync.commit().await.unwrap();
}

async fn all(store: &MemoryStore) -> Vec<Row> {
    let mut reader = store.begin(Access::Read).await.unwrap();
    reader.query(&album(), &Query::entity("Album")).await.unwrap()
}

async fn overlay(store: &MemoryStore, id: i64) -> Option<Overlay> {
    let mut reader = store.begin(Access::Read).await.unwrap();
    let found = reader.overlays(&album(), &[Key::one(id)]).await.unwrap();
    found.into_iter().next().flatten()
}

fn code<T>(result: Result<T>) -> String {
    result
        .err()
        .map_or("ok".to_owned(), |error| error.code().to_owned())
}
