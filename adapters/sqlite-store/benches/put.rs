//! The hot path of first syncs: `put` of 100,000 rows × 10 columns in pages of 2,000, against a bare loop over one prepared
//! insert in one transaction. Run with `cargo bench -p onsync-sqlite-store`.
#![allow(clippy::unwrap_used, reason = "a bench stops at the first failure")]

use onsync_core::rows::RowSet;
use onsync_core::schema::{Attribute, EntitySchema, Schema};
use onsync_core::store::local::{Access, LocalStore as _};
use onsync_core::value::{Date, Timestamp};
use onsync_core::{Value, ValueType};
use onsync_sqlite_store::rusqlite::{Connection, params};
use onsync_sqlite_store::{SqliteStore, SqliteStoreOptions};
use std::time::{Duration, Instant};

const ROWS: usize = 100_000;
const PAGE: usize = 2_000;

fn entity(key: ValueType) -> EntitySchema {
    let types = [
        ("id", key),
        ("name", ValueType::Text),
        ("city", ValueType::Text),
        ("amount", ValueType::Integer),
        ("price", ValueType::Decimal),
        ("weight", ValueType::Real),
        ("active", ValueType::Boolean),
        ("born", ValueType::Date),
        ("changed", ValueType::Timestamp),
        ("owner", ValueType::Uuid),
    ];
    let attributes = types.map(|(name, value_type)| Attribute::new(name, value_type));
    EntitySchema::new("Item", "read-only", &["id"], attributes.to_vec())
}

fn row(key: ValueType, number: usize) -> Vec<Value> {
    let count = i64::try_from(number).unwrap();
    let uuid = uuid::Uuid::from_u128((number as u128 + 1) << 64 | 7);
    vec![
        if key == ValueType::Uuid {
            Value::Uuid(uuid)
        } else {
            Value::Integer(count)
        },
        Value::Text(format!("record number {number}")),
        Value::Text("a town of middling size".into()),
        Value::Integer(count * 31),
        Value::Decimal(format!("{number}.50").parse().unwrap()),
        Value::Real(count as f64 * 0.25),
        Value::Boolean(number.is_multiple_of(2)),
        Value::Date(Date::from_count(i32::try_from(number % 20_000).unwrap()).unwrap()),
        Value::Timestamp(Timestamp::from_count(count * 1_000_003).unwrap()),
        Value::Uuid(uuid),
    ]
}

fn pages(key: ValueType) -> Vec<RowSet> {
    (0..ROWS / PAGE)
        .map(|page| {
            let mut set = RowSet::new(
                entity(key)
                    .attributes
                    .iter()
                    .map(|attribute| attribute.value_type),
                PAGE,
            );
            for number in page * PAGE..(page + 1) * PAGE {
                set.push(row(key, number)).unwrap();
            }
            set
        })
        .collect()
}

fn with_store(key: ValueType, pages: &[RowSet]) -> Duration {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::new(folder.path().join("app.sqlite"), SqliteStoreOptions::default());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let entity = entity(key);
    let schema = Schema {
        entities: vec![entity.clone()],
        relations: vec![],
    };
    runtime.block_on(store.open(&schema)).unwrap();
    let all: Vec<usize> = (0..entity.attributes.len()).collect();
    let start = Instant::now();
    for page in pages {
        let mut transaction = runtime
            .block_on(store.begin(Access::Sync { durable: false }))
            .unwrap();
        runtime.block_on(transaction.put(&entity, &all, page)).unwrap();
        runtime.block_on(transaction.commit()).unwrap();
    }
    start.elapsed()
}

/// Values are laid out as text beforehand, so only SQLite's work is measured.
fn bare(key: ValueType) -> Duration {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sqlite");
    let store = SqliteStore::new(&path, SqliteStoreOptions::default());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let schema = Schema {
        entities: vec![entity(key)],
        relations: vec![],
    };
    runtime.block_on(store.open(&schema)).unwrap();
    drop(store);
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch("PRAGMA synchronous = NORMAL; PRAGMA cache_size = -8192; DROP TRIGGER _onsync_before_insert_Item; DROP TRIGGER _onsync_after_insert_Item").unwrap();
    type Bare = (
        i64,
        String,
        String,
        String,
        i64,
        String,
        f64,
        bool,
        String,
        String,
        String,
    );
    let rows: Vec<Bare> = (0..ROWS)
        .map(|number| {
            let row = row(key, number);
            let text = |index: usize| row[index].to_string();
            let count = i64::try_from(number).unwrap();
            (
                count,
                text(0),
                text(1),
                text(2),
                count * 31,
                text(4),
                count as f64 * 0.25,
                number.is_multiple_of(2),
                text(7),
                text(8),
                text(9),
            )
        })
        .collect();
    let start = Instant::now();
    let transaction = connection.unchecked_transaction().unwrap();
    {
        let mut insert = transaction
            .prepare("INSERT INTO Item VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10)")
            .unwrap();
        for (id, key_text, name, city, amount, price, weight, active, born, changed, owner) in &rows {
            if key == ValueType::Uuid {
                insert
                    .execute(params![
                        key_text, name, city, amount, price, weight, active, born, changed, owner
                    ])
                    .unwrap();
            } else {
                insert
                    .execute(params![
                        id, name, city, amount, price, weight, active, born, changed, owner
                    ])
                    .unwrap();
            }
        }
    }
    transaction.commit().unwrap();
    start.elapsed()
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1e3
}

fn main() {
    for key in [ValueType::Integer, ValueType::Uuid] {
        let pages = pages(key);
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..5 {
            theirs.push(bare(key));
            ours.push(with_store(key, &pages));
        }
        let (ours, theirs) = (median(ours), median(theirs));
        println!(
            "{ROWS} rows, key {key}: put {ours:.0} ms, bare insert {theirs:.0} ms, ratio {:.2}",
            ours / theirs
        );
    }
}
