//! What only a browser does to a store: other tabs change the schema, the app awaits anything, the database disappears.

#![cfg(target_family = "wasm")]
#![expect(
    clippy::unwrap_used,
    reason = "the helpers of a test fail by panicking, as the test does"
)]

use js_sys::{Function, Promise, Reflect};
use onsync_core::memory::local::MemoryStore;
use onsync_core::query::{Comparison, Order, Query};
use onsync_core::rows::RowSet;
use onsync_core::schema::{Attribute, EntitySchema, Schema};
use onsync_core::store::local::{Access, CommitListener, LocalStore, LocalTransaction, Opened};
use onsync_core::{Key, Row, Value, ValueType};
use onsync_indexeddb_store::{IndexedDbStore, IndexedDbStoreOptions};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

const SYNC: Access = Access::Sync { durable: false };

fn visit(indexes: &[&[&str]], more: &[&str]) -> Schema {
    let mut attributes = vec![
        Attribute::new("id", ValueType::Integer),
        Attribute::new("city", ValueType::Text),
        Attribute::new("rank", ValueType::Integer),
        Attribute::new("done", ValueType::Boolean),
    ];
    attributes.extend(more.iter().map(|name| Attribute::new(*name, ValueType::Text)));
    let mut entity = EntitySchema::new("Visit", "conformance", &["id"], attributes);
    entity.indexes = indexes
        .iter()
        .map(|index| index.iter().map(|name| (*name).to_owned()).collect())
        .collect();
    Schema {
        entities: vec![entity],
        relations: vec![],
    }
}

fn row(id: i64, city: Option<&str>, rank: Option<i64>, done: bool) -> Row {
    vec![id.into(), city.into(), rank.into(), done.into()]
}

async fn put(tx: &mut dyn LocalTransaction, entity: &EntitySchema, rows: &[Row]) {
    let types = entity.attributes.iter().map(|attribute| attribute.value_type);
    let mut set = RowSet::new(types, rows.len());
    rows.iter().for_each(|row| set.push(row.clone()).unwrap());
    let all: Vec<usize> = (0..entity.attributes.len()).collect();
    tx.put(entity, &all, &set).await.unwrap();
}

async fn store(name: &str, schema: &Schema) -> (IndexedDbStore, Opened) {
    let store = IndexedDbStore::new(IndexedDbStoreOptions::named(name));
    let opened = store.open(schema).await.unwrap();
    (store, opened)
}

fn name() -> String {
    uuid::Uuid::new_v4().to_string()
}

async fn timer(milliseconds: i32) {
    let global = js_sys::global();
    let timer: Function = Reflect::get(&global, &"setTimeout".into())
        .unwrap()
        .unchecked_into();
    let over = Promise::new(&mut |resolve, _| {
        timer.call2(&global, &resolve, &milliseconds.into()).unwrap();
    });
    JsFuture::from(over).await.unwrap();
}

async fn delete_database(name: &str) {
    let factory = Reflect::get(&js_sys::global(), &"indexedDB".into()).unwrap();
    let factory: web_sys::IdbFactory = factory.unchecked_into();
    let request = factory.delete_database(name).unwrap();
    let over = Promise::new(&mut |resolve, reject| {
        request.set_onsuccess(Some(&resolve));
        request.set_onerror(Some(&reject));
    });
    JsFuture::from(over).await.unwrap();
}

/// A connection that nothing of OnSync knows of.
async fn raw_connection(name: &str) -> web_sys::IdbDatabase {
    let factory = Reflect::get(&js_sys::global(), &"indexedDB".into()).unwrap();
    let factory: web_sys::IdbFactory = factory.unchecked_into();
    let request = factory.open(name).unwrap();
    let over = Promise::new(&mut |resolve, _| request.set_onsuccess(Some(&resolve)));
    JsFuture::from(over).await.unwrap();
    request.result().unwrap_or(JsValue::NULL).unchecked_into()
}

#[wasm_bindgen_test]
async fn a_transaction_may_await_a_timer_between_its_writes() {
    let schema = visit(&[], &[]);
    let entity = &schema.entities[0];
    let (store, _) = store(&name(), &schema).await;
    let mut tx = store.begin(Access::App).await.unwrap();
    tx.insert(entity, &row(1, Some("Bern"), None, false))
        .await
        .unwrap();
    timer(30).await;
    tx.insert(entity, &row(2, Some("Biel"), None, false))
        .await
        .unwrap();
    assert_eq!(tx.count(entity).await.unwrap(), 2);
    timer(30).await;
    tx.commit().await.unwrap();
    assert_eq!(
        store
            .begin(Access::Read)
            .await
            .unwrap()
            .count(entity)
            .await
            .unwrap(),
        2
    );
}

#[wasm_bindgen_test]
async fn another_tab_changes_the_schema_within_a_transaction_and_nothing_is_lost() {
    let (name, old, new) = (name(), visit(&[], &[]), visit(&[&["city"]], &["note"]));
    let (first, opened) = store(&name, &old).await;
    assert!(opened.created);
    let entity = &old.entities[0];
    let mut unsent = first.begin(Access::App).await.unwrap();
    unsent
        .insert(entity, &row(1, Some("Bern"), Some(1), false))
        .await
        .unwrap();
    unsent.commit().await.unwrap();
    let mut open = first.begin(Access::App).await.unwrap();
    open.insert(entity, &row(2, Some("Biel"), Some(2), false))
        .await
        .unwrap();
    // The other tab need not wait for this one: it lets go of the database when asked to.
    let (second, opened) = store(&name, &new).await;
    assert_eq!(
        (opened.created, opened.extended),
        (false, vec!["Visit".to_owned()])
    );
    open.insert(entity, &row(3, Some("Bern"), Some(3), false))
        .await
        .unwrap();
    open.commit().await.unwrap();
    let entity = &new.entities[0];
    let mut reader = second.begin(Access::Read).await.unwrap();
    let query = Query::entity("Visit").filter("city", Comparison::Equal, "Bern");
    let found = reader.query(entity, &query).await.unwrap();
    let ids: Vec<&Value> = found.iter().map(|row| &row[0]).collect();
    assert_eq!(
        ids,
        [&Value::Integer(1), &Value::Integer(3)],
        "by the index made meanwhile"
    );
    assert!(found.iter().all(|row| row[4].is_null()), "the new attribute");
    let overlays = reader
        .overlays(entity, &[Key::one(1i64), Key::one(2i64), Key::one(3i64)])
        .await
        .unwrap();
    assert!(
        overlays.iter().all(Option::is_some),
        "unsent changes: {overlays:?}"
    );
}

#[wasm_bindgen_test]
async fn an_upgrade_waits_for_a_tab_that_does_not_let_go_and_loses_nothing() {
    let (name, old, new) = (name(), visit(&[], &[]), visit(&[&["city"]], &["note"]));
    let (first, _) = store(&name, &old).await;
    let mut unsent = first.begin(Access::App).await.unwrap();
    let entity = &old.entities[0];
    unsent
        .insert(entity, &row(1, Some("Bern"), Some(1), false))
        .await
        .unwrap();
    unsent.commit().await.unwrap();
    // A page that is frozen hears of no change of version: its connection stays open.
    let frozen = raw_connection(&name).await;
    let over = Rc::new(Cell::new(false));
    let opening = {
        let (name, new, over) = (name.clone(), new.clone(), over.clone());
        wasm_bindgen_futures::future_to_promise(async move {
            let (_, opened) = store(&name, &new).await;
            over.set(true);
            assert_eq!(
                (opened.created, opened.extended),
                (false, vec!["Visit".to_owned()])
            );
            Ok(JsValue::UNDEFINED)
        })
    };
    timer(200).await;
    assert!(!over.get(), "it waits");
    frozen.close();
    JsFuture::from(opening).await.unwrap();
    let (second, _) = store(&name, &new).await;
    let entity = &new.entities[0];
    let mut reader = second.begin(Access::Read).await.unwrap();
    let overlays = reader.overlays(entity, &[Key::one(1i64)]).await.unwrap();
    assert!(overlays[0].is_some(), "the unsent change");
}

#[wasm_bindgen_test]
async fn a_reader_goes_on_seeing_its_state_through_many_commits() {
    let (name, schema) = (name(), visit(&[&["rank"]], &[]));
    let entity = &schema.entities[0];
    let (first, _) = store(&name, &schema).await;
    let (second, _) = store(&name, &schema).await;
    let mut tx = first.begin(SYNC).await.unwrap();
    let rows: Vec<Row> = (1..=50)
        .map(|id| row(id, Some("Bern"), Some(id % 7), false))
        .collect();
    put(tx.as_mut(), entity, &rows).await;
    tx.commit().await.unwrap();
    let mut reader = second.begin(Access::Read).await.unwrap();
    let query = Query::entity("Visit")
        .filter("rank", Comparison::AtLeast, 3i64)
        .order_by("rank", Order::Descending)
        .limit(12);
    let before = reader.query(entity, &query).await.unwrap();
    for round in 0..5i64 {
        let mut tx = first.begin(SYNC).await.unwrap();
        let rows: Vec<Row> = (1..=30)
            .map(|id| row(id + round, Some("Biel"), Some(6), true))
            .collect();
        put(tx.as_mut(), entity, &rows).await;
        tx.remove(entity, &[Key::one(50 - round)]).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(
            reader.query(entity, &query).await.unwrap(),
            before,
            "after commit {round}"
        );
        assert_eq!(reader.count(entity).await.unwrap(), 50, "after commit {round}");
    }
    drop(reader);
    let mut reader = second.begin(Access::Read).await.unwrap();
    assert_eq!(
        reader.count(entity).await.unwrap(),
        45,
        "a new reader sees the new state"
    );
}

#[wasm_bindgen_test]
async fn a_database_that_the_browser_deleted_is_noticed_and_made_anew() {
    let (name, schema) = (name(), visit(&[], &[]));
    let entity = &schema.entities[0];
    let (tab, _) = store(&name, &schema).await;
    let mut tx = tab.begin(Access::App).await.unwrap();
    tx.insert(entity, &row(1, None, None, false)).await.unwrap();
    tx.commit().await.unwrap();
    delete_database(&name).await;
    let gone = tab.begin(Access::App).await.map(|_| ()).unwrap_err();
    assert_eq!(gone.code(), "store_unavailable", "{gone}");
    assert!(gone.to_string().contains("deleted"), "{gone}");
    // Another tab is loaded first: this one must not mistake its database for the old one.
    let (other, opened) = store(&name, &schema).await;
    assert!(opened.created, "{opened:?}");
    let gone = tab.begin(Access::Read).await.map(|_| ()).unwrap_err();
    assert_eq!(gone.code(), "store_unavailable", "{gone}");
    assert_eq!(
        other
            .begin(Access::Read)
            .await
            .unwrap()
            .count(entity)
            .await
            .unwrap(),
        0
    );
}

#[wasm_bindgen_test]
async fn a_database_of_somebody_else_is_refused() {
    let name = name();
    let database = raw_connection(&name).await;
    database.close();
    let store = IndexedDbStore::new(IndexedDbStoreOptions::named(&name));
    let refused = store.open(&visit(&[], &[])).await.unwrap_err();
    assert_eq!(refused.code(), "store_schema", "{refused}");
}

/// Ends a promise when it hears of a commit.
struct Heard(RefCell<Option<Function>>);

impl CommitListener for Heard {
    fn committed(&self) {
        if let Some(resolve) = self.0.borrow_mut().take() {
            resolve.call0(&JsValue::UNDEFINED).unwrap();
        }
    }
}

#[wasm_bindgen_test]
async fn a_commit_of_another_tab_is_told_of_as_it_happens() {
    let (name, schema) = (name(), visit(&[], &[]));
    let entity = &schema.entities[0];
    let (first, _) = store(&name, &schema).await;
    let (second, _) = store(&name, &schema).await;
    let listener = Arc::new(Heard(RefCell::default()));
    assert!(first.tell_foreign_commits(listener.clone()));
    assert!(second.tell_foreign_commits(Arc::new(Heard(RefCell::default()))));
    let before = first.foreign_commits().await.unwrap();
    for id in 1..=2 {
        let told = Promise::new(&mut |resolve, _| *listener.0.borrow_mut() = Some(resolve));
        let mut tx = second.begin(Access::App).await.unwrap();
        tx.insert(entity, &row(id, None, None, false)).await.unwrap();
        tx.commit().await.unwrap();
        // Without word of it the test does not end.
        JsFuture::from(told).await.unwrap();
        assert_eq!(first.foreign_commits().await.unwrap(), before + id as u64);
    }
    // What a handle commits itself it is not told of.
    let own = Promise::new(&mut |resolve, _| *listener.0.borrow_mut() = Some(resolve));
    let mut tx = first.begin(Access::App).await.unwrap();
    tx.insert(entity, &row(3, None, None, false)).await.unwrap();
    tx.commit().await.unwrap();
    timer(30).await;
    assert!(listener.0.borrow().is_some(), "{own:?}");
}

/// Numbers that look drawn, the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn row(&mut self, id: i64) -> Row {
        let cities = ["", "Aarau", "Bern", "Biel", "bern", "Zug"];
        let city = self.roll(7) as usize;
        let rank = (self.roll(8) > 0).then(|| self.roll(6) as i64 - 2);
        row(id, cities.get(city).copied(), rank, self.roll(2) == 0)
    }

    fn query(&mut self) -> Query {
        let mut query = Query::entity("Visit");
        for _ in 0..self.roll(3) {
            let comparison = [
                Comparison::Equal,
                Comparison::Equal,
                Comparison::NotEqual,
                Comparison::Less,
                Comparison::AtMost,
                Comparison::Greater,
                Comparison::AtLeast,
            ][self.roll(7) as usize];
            query = match self.roll(4) {
                0 => query.filter("city", comparison, ["Bern", "Biel", ""][self.roll(3) as usize]),
                1 => query.filter(
                    "rank",
                    comparison,
                    (self.roll(8) > 0).then(|| self.roll(6) as i64 - 2),
                ),
                2 => query.filter("done", comparison, self.roll(2) == 0),
                _ => query.filter("id", comparison, self.roll(200) as i64),
            };
        }
        for _ in 0..self.roll(3) {
            let name = ["city", "rank", "done", "id"][self.roll(4) as usize];
            let order = if self.roll(2) == 0 {
                Order::Ascending
            } else {
                Order::Descending
            };
            query = query.order_by(name, order);
        }
        if self.roll(3) > 0 {
            query = query.limit(self.roll(20) as usize);
        }
        query.offset(self.roll(3) as usize * 4)
    }
}

/// The same rows and changes in the reference store, and the same answers to every query, with and without changes on top.
#[wasm_bindgen_test]
async fn queries_by_any_index_answer_as_the_reference_does() {
    for (seed, indexes) in [
        (1, &[][..]),
        (2, &[&["rank"][..], &["city"]]),
        (3, &[&["city", "rank"][..], &["done"], &["rank", "done", "city"]]),
    ] {
        let schema = visit(indexes, &[]);
        let entity = &schema.entities[0];
        let mut dice = Dice(seed);
        let (store, _) = store(&name(), &schema).await;
        let reference = MemoryStore::new(seed);
        reference.open(&schema).await.unwrap();
        let rows: Vec<Row> = (0..200).map(|id| dice.row(id)).collect();
        let changed: Vec<Row> = (150..230).map(|id| dice.row(id)).collect();
        let stores: [&dyn LocalStore; 2] = [&store, &reference];
        let mut open = Vec::new();
        for store in stores {
            let mut tx = store.begin(SYNC).await.unwrap();
            put(tx.as_mut(), entity, &rows).await;
            tx.commit().await.unwrap();
            let mut tx = store.begin(Access::App).await.unwrap();
            put(tx.as_mut(), entity, &changed).await;
            let keys: Vec<Key> = (0..150).step_by(7).map(|id: i64| Key::one(id)).collect();
            tx.remove(entity, &keys).await.unwrap();
            open.push(tx);
        }
        for round in 0..150 {
            if round == 75 {
                for (tx, store) in std::mem::take(&mut open).into_iter().zip(stores) {
                    tx.commit().await.unwrap();
                    open.push(store.begin(Access::Read).await.unwrap());
                }
            }
            let query = dice.query();
            let found = open[0].query(entity, &query).await.unwrap();
            let wanted = open[1].query(entity, &query).await.unwrap();
            assert_eq!(found, wanted, "seed {seed}, round {round}: {query:?}");
        }
    }
}
