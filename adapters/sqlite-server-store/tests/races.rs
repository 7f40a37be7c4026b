//! Programs that write while a device reads: nothing committed is skipped.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod common;

use common::{Database, WIDE, attach, block_on, entity, everything, position, try_delta, write};
use onsync_core::ValueType::{Integer, Text};
use onsync_core::schema::EntitySchema;
use onsync_core::store::server::PageLimit;
use onsync_core::{Fields, Key, Value};
use onsync_sqlite_server_store::SqliteServerStore;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

type Device = BTreeMap<Key, Vec<Value>>;

/// Applies pieces of a delta until none remains; returns where it ends.
fn pull(
    store: &SqliteServerStore,
    entity: &EntitySchema,
    device: &mut Device,
    mut after: u64,
    rows: usize,
) -> u64 {
    let limit = PageLimit { rows, ..WIDE };
    loop {
        let piece = try_delta(store, entity, after, limit).unwrap();
        assert!(piece.up_to >= after);
        for row in piece.rows.iter() {
            device.insert(entity.key_of(&row), row);
        }
        for key in &piece.deleted {
            device.remove(key);
        }
        after = piece.up_to;
        if !piece.more {
            return after;
        }
    }
}

fn on_server(store: &SqliteServerStore, entity: &EntitySchema) -> Device {
    everything(store, entity)
        .iter()
        .map(|row| (entity.key_of(&row), row))
        .collect()
}

#[test]
fn writers_with_holds_while_a_device_pulls_by_seven() {
    let database = Database::new("CREATE TABLE item (id INTEGER PRIMARY KEY, code TEXT UNIQUE, v INTEGER)");
    let store = database.store();
    let item = entity(
        "item",
        &["id"],
        &[("id", Integer), ("code", Text), ("v", Integer)],
    );
    attach(&store, &[&item]);
    let running = AtomicUsize::new(32);
    let mut device = Device::new();
    let mut after = 0;
    std::thread::scope(|scope| {
        for writer in 0..32u64 {
            let (database, running) = (&database, &running);
            scope.spawn(move || {
                let mut random = writer * 7_919 + 1;
                let mut next = |below: u64| {
                    random = random
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1_442_695_040_888_963_407);
                    (random >> 33) % below
                };
                let connection = database.connect();
                for step in 0..12 {
                    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
                    for _ in 0..=next(3) {
                        let (id, code) = (next(60), next(60));
                        let statement = match next(4) {
                            0 => format!("DELETE FROM item WHERE id = {id}"),
                            1 => format!(
                                "UPDATE OR REPLACE item SET code = 'c{code}', v = {step} WHERE id = {id}"
                            ),
                            _ => format!("INSERT OR REPLACE INTO item VALUES ({id}, 'c{code}', {writer})"),
                        };
                        connection.execute_batch(&statement).unwrap();
                    }
                    std::thread::sleep(Duration::from_micros(next(1_500)));
                    connection
                        .execute_batch(if next(8) == 0 { "ROLLBACK" } else { "COMMIT" })
                        .unwrap();
                }
                running.fetch_sub(1, Ordering::SeqCst);
            });
        }
        while running.load(Ordering::SeqCst) > 0 {
            after = pull(&store, &item, &mut device, after, 7);
        }
    });
    pull(&store, &item, &mut device, after, 7);
    assert_eq!(device, on_server(&store, &item));
    assert!(device.len() > 10);
}

#[test]
fn a_thousand_and_one_rows_of_one_statement_and_one_late() {
    for rows in [1, 7, 100, 1_001, 1_002] {
        let database = Database::new("CREATE TABLE item (id INTEGER PRIMARY KEY, v TEXT)");
        let store = database.store();
        let item = entity("item", &["id"], &[("id", Integer), ("v", Text)]);
        attach(&store, &[&item]);
        let late = database.connect();
        database.run(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1001)
             INSERT INTO item SELECT i, '2026-11-22' FROM n",
        );
        let mut device = Device::new();
        let after = pull(&store, &item, &mut device, 0, rows);
        assert_eq!(device.len(), 1_001, "page {rows}");
        late.execute("INSERT INTO item VALUES (0, '2026-11-22')", [])
            .unwrap();
        pull(&store, &item, &mut device, after, rows);
        assert_eq!(device.len(), 1_002, "page {rows}");
    }
}

#[test]
fn a_snapshot_sees_one_state_and_later_commits_have_greater_positions() {
    let database =
        Database::new("CREATE TABLE item (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO item VALUES (1, 'a')");
    let store = database.store();
    let item = entity("item", &["id"], &[("id", Integer), ("v", Text)]);
    attach(&store, &[&item]);
    let mut snapshot = common::read(&store);
    let at = block_on(snapshot.position()).unwrap();
    database.run("INSERT INTO item VALUES (2, 'b')");
    let extent = onsync_core::store::server::Extent {
        entity: &item,
        attributes: &[0],
        scope: "",
    };
    assert_eq!(block_on(snapshot.count(&extent)).unwrap(), Some(1));
    assert_eq!(block_on(snapshot.position()).unwrap(), at);
    assert!(
        block_on(snapshot.delta(&extent, at, WIDE))
            .unwrap()
            .rows
            .is_empty()
    );
    drop(snapshot);
    assert!(position(&store) > at);
    assert_eq!(common::changed(&store, &item, at).0, ["2"]);
}

#[test]
fn a_second_sender_of_a_receipt_waits_for_the_first() {
    let database = Database::new("CREATE TABLE item (id INTEGER PRIMARY KEY, v INTEGER)");
    let store = database.store();
    let item = entity("item", &["id"], &[("id", Integer), ("v", Integer)]);
    attach(&store, &[&item]);
    let applied = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for sender in 0..8i64 {
            // Half of them are other server processes.
            let store = if sender % 2 == 0 {
                store.clone()
            } else {
                database.store()
            };
            if sender % 2 == 1 {
                attach(&store, &[&item]);
            }
            let (item, applied) = (&item, &applied);
            scope.spawn(move || {
                let mut transaction = write(&store);
                if block_on(transaction.area_insert("receipts", b"m1", b"done")).unwrap() {
                    std::thread::sleep(Duration::from_millis(5));
                    let fields = Fields::new().with("id", 1i64).with("v", sender);
                    block_on(transaction.insert(item, &fields)).unwrap();
                    block_on(transaction.commit()).unwrap();
                    applied.fetch_add(1, Ordering::SeqCst);
                } else {
                    assert_eq!(
                        block_on(transaction.area_get("receipts", b"m1"))
                            .unwrap()
                            .unwrap(),
                        b"done"
                    );
                }
            });
        }
    });
    assert_eq!(applied.load(Ordering::SeqCst), 1);
}

#[test]
fn a_lock_that_stays_is_store_busy() {
    let database = Database::new("CREATE TABLE item (id INTEGER PRIMARY KEY)");
    let options = onsync_sqlite_server_store::SqliteServerStoreOptions {
        busy_timeout_ms: 20,
        ..onsync_sqlite_server_store::SqliteServerStoreOptions::new(database.path())
    };
    let store = SqliteServerStore::new(options);
    let item = entity("item", &["id"], &[("id", Integer)]);
    attach(&store, &[&item]);
    let other = database.connect();
    other
        .execute_batch("BEGIN IMMEDIATE; INSERT INTO item VALUES (1)")
        .unwrap();
    let error = block_on(onsync_core::store::server::ServerStore::write(&store))
        .err()
        .unwrap();
    assert_eq!(error.code(), "store_busy");
    assert!(error.kind().may_pass());
    assert!(everything(&store, &item).is_empty(), "readers do not wait");
    other.execute_batch("COMMIT").unwrap();
    block_on(write(&store).commit()).unwrap();
}
