//! Measures how fast a first sync's rows are read: 100,000 records of 10 mixed attributes, in pages of 2,000.

use onsync_core::page::KeyRange;
use onsync_core::schema::{Attribute, EntitySchema, Schema};
use onsync_core::store::server::{Extent, PageLimit, ServerStore};
use onsync_core::{Result, ValueType};
use onsync_sqlite_server_store::{SqliteServerStore, SqliteServerStoreOptions};
use std::time::{Duration, Instant};

const COLUMNS: [(&str, ValueType); 10] = [
    ("id", ValueType::Integer),
    ("name", ValueType::Text),
    ("street", ValueType::Text),
    ("city", ValueType::Text),
    ("active", ValueType::Boolean),
    ("price", ValueType::Decimal),
    ("score", ValueType::Real),
    ("created", ValueType::Timestamp),
    ("reference", ValueType::Uuid),
    ("amount", ValueType::Integer),
];

const SCRIPT: &str = "CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, street TEXT, city TEXT, active BOOLEAN,
        price NUMERIC(10,2), score REAL, created DATETIME, reference BLOB, amount INTEGER);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
    INSERT INTO item SELECT i, 'name of record ' || i, 'street ' || (i % 977), 'city ' || (i % 89), i % 2, (i % 1000) + 0.99,
        i / 7.0, datetime(1700000000 + i, 'unixepoch'), randomblob(16), i * 31 FROM n;";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("app.db");
    let plain = rusqlite::Connection::open(&path)?;
    plain.execute_batch(SCRIPT)?;
    let attributes = COLUMNS.map(|(name, value_type)| Attribute::new(name, value_type));
    let entity = EntitySchema::new("item", "read-only-optimized", &["id"], attributes.to_vec());
    let schema = Schema {
        entities: vec![entity.clone()],
        relations: Vec::new(),
    };
    let store = SqliteServerStore::new(SqliteServerStoreOptions::new(&path));
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(store.attach(&schema))?;
    let mut times = Vec::new();
    for _ in 0..7 {
        times.push((runtime.block_on(read_all(&store, &entity))?, bare(&plain)?));
    }
    times.sort();
    let (store_time, _) = times[times.len() / 2];
    times.sort_by_key(|(_, bare)| *bare);
    let (_, bare_time) = times[times.len() / 2];
    println!("100,000 rows × 10 columns, median of 7");
    println!(
        "  through the store  {store_time:?} ({:.0} rows/s)",
        1e5 / store_time.as_secs_f64()
    );
    println!(
        "  bare SELECT        {bare_time:?} ({:.0} rows/s)",
        1e5 / bare_time.as_secs_f64()
    );
    let start = Instant::now();
    plain.execute_batch("UPDATE item SET amount = amount + 1")?;
    println!("  tracked bulk UPDATE of all rows {:?}", start.elapsed());
    Ok(())
}

async fn read_all(store: &SqliteServerStore, entity: &EntitySchema) -> Result<Duration> {
    let start = Instant::now();
    let attributes: Vec<usize> = (0..entity.attributes.len()).collect();
    let extent = Extent {
        entity,
        attributes: &attributes,
        scope: "",
    };
    let limit = PageLimit {
        rows: 2_000,
        bytes: 1 << 20,
    };
    let mut range = KeyRange::all();
    loop {
        let page = store.read().await?.snapshot(&extent, &range, limit).await?;
        match page.more_after {
            Some(after) => range.after = Some(after),
            None => return Ok(start.elapsed()),
        }
    }
}

/// The same rows, every value copied out, with one prepared statement.
fn bare(connection: &rusqlite::Connection) -> rusqlite::Result<Duration> {
    let start = Instant::now();
    let mut statement = connection.prepare("SELECT * FROM item ORDER BY id")?;
    let mut rows = statement.query([])?;
    let mut values = 0;
    while let Some(row) = rows.next()? {
        for column in 0..COLUMNS.len() {
            let value: rusqlite::types::Value = row.get(column)?;
            values += usize::from(value != rusqlite::types::Value::Null);
        }
    }
    assert_eq!(values, 1_000_000);
    Ok(start.elapsed())
}
