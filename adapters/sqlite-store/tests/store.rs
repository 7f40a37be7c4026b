//! Transactions, readers, locks, keys, the view, and changes of the schema.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first failure"
)]

mod common;

use common::{SYNC, Way, all, fixture, fixture_with, note, note_row, row_set, schema_of, wait, ways};
use onsync_core::page::KeyRange;
use onsync_core::schema::{Attribute, EntitySchema, Ids};
use onsync_core::store::local::{Access, FIRST_LOCAL_INTEGER, LocalStore as _, Overlay, RecordState};
use onsync_core::{Key, Value, ValueType};
use onsync_sqlite_store::{SqliteStore, SqliteStoreOptions};

#[test]
fn dropping_a_transaction_undoes_it() {
    let fixture = fixture(vec![note()]);
    let mut transaction = fixture.begin(Access::App);
    wait(transaction.insert(fixture.entity(), &note_row(1, "a", "b"))).unwrap();
    wait(transaction.area_put("outbox", b"k", b"v")).unwrap();
    assert_eq!(wait(transaction.count(fixture.entity())).unwrap(), 1);
    drop(transaction);
    assert_eq!(fixture.row(1i64), None);
    assert!(fixture.overlays().is_empty());
    assert_eq!(wait(fixture.begin(SYNC).area_get("outbox", b"k")).unwrap(), None);
}

#[test]
fn a_failed_statement_undoes_only_itself() {
    let fixture = fixture(vec![note()]);
    fixture.put(SYNC, &[note_row(5, "old", "x")]);
    fixture
        .connection()
        .execute_batch("CREATE UNIQUE INDEX own ON Note (email)")
        .unwrap();
    let mut transaction = fixture.begin(Access::App);
    wait(transaction.insert(fixture.entity(), &note_row(1, "a", "a"))).unwrap();
    let rows = row_set(fixture.entity(), &[note_row(2, "b", "b"), note_row(3, "c", "x")]);
    let error = wait(transaction.put(fixture.entity(), &all(fixture.entity()), &rows)).unwrap_err();
    assert_eq!(error.code(), "constraint_failed");
    wait(transaction.commit()).unwrap();
    assert!(fixture.row(1i64).is_some() && fixture.row(2i64).is_none());
    let keys: Vec<Key> = fixture
        .overlays()
        .into_iter()
        .map(|overlay| overlay.key)
        .collect();
    assert_eq!(keys, [Key::one(1i64)]);
}

#[test]
fn readers_are_not_blocked_and_see_one_state() {
    let fixture = fixture(vec![note()]);
    fixture.put(SYNC, &[note_row(1, "old", "x")]);
    let mut before = fixture.begin(Access::Read);
    let mut writer = fixture.begin(SYNC);
    let rows = row_set(
        fixture.entity(),
        &[note_row(1, "new", "x"), note_row(2, "b", "b")],
    );
    wait(writer.put(fixture.entity(), &[0, 1, 2], &rows)).unwrap();
    assert_eq!(fixture.row(1i64), Some(note_row(1, "old", "x")));
    wait(writer.commit()).unwrap();
    assert_eq!(wait(before.count(fixture.entity())).unwrap(), 1);
    assert_eq!(
        wait(before.insert(fixture.entity(), &note_row(3, "c", "c")))
            .unwrap_err()
            .code(),
        "read_only_transaction"
    );
    drop(before);
    assert_eq!(fixture.row(1i64), Some(note_row(1, "new", "x")));
}

#[test]
fn turns_to_write_come_in_order() {
    let fixture = fixture(vec![note()]);
    let first = fixture.begin(Access::App);
    let (sender, receiver) = std::sync::mpsc::channel();
    let store = fixture.store.clone();
    let waiting = std::thread::spawn(move || {
        sender.send("asks").unwrap();
        let second = wait(store.begin(SYNC)).unwrap();
        sender.send("has it").unwrap();
        drop(second);
    });
    assert_eq!(receiver.recv().unwrap(), "asks");
    assert!(receiver.try_recv().is_err());
    drop(first);
    assert_eq!(receiver.recv().unwrap(), "has it");
    waiting.join().unwrap();
}

#[test]
fn only_one_holds_the_sync_lock() {
    let fixture = fixture(vec![note()]);
    let held = wait(fixture.store.try_lock()).unwrap();
    assert!(held.is_some());
    assert!(wait(fixture.store.try_lock()).unwrap().is_none());
    let other = SqliteStore::new(fixture.path(), SqliteStoreOptions::default());
    assert!(wait(other.try_lock()).unwrap().is_none());
    drop(held);
    assert!(wait(other.try_lock()).unwrap().is_some());
}

#[test]
fn foreign_commits_are_counted_and_own_ones_are_not() {
    for way in ways() {
        let fixture = fixture(vec![note()]);
        let start = wait(fixture.store.foreign_commits()).unwrap();
        fixture.put(Access::App, &[note_row(1, "a", "a")]);
        fixture.put(SYNC, &[note_row(2, "a", "a")]);
        fixture.put(Access::App, &[note_row(3, "a", "a")]);
        assert_eq!(wait(fixture.store.foreign_commits()).unwrap(), start);
        fixture.sql(way, "UPDATE Note SET name = 'b'").unwrap();
        let after = wait(fixture.store.foreign_commits()).unwrap();
        assert!(after > start, "{way:?}");
        fixture.sql(way, "UPDATE Note SET name = 'c'").unwrap();
        fixture.put(SYNC, &[note_row(2, "a", "a")]);
        assert!(wait(fixture.store.foreign_commits()).unwrap() > after, "{way:?}");
    }
}

#[test]
fn the_view_shows_where_each_record_stands() {
    for way in ways() {
        let fixture = fixture(vec![note()]);
        fixture.put(
            SYNC,
            &[
                note_row(1, "a", "a"),
                note_row(2, "b", "b"),
                note_row(3, "c", "c"),
            ],
        );
        fixture
            .sql(way, "UPDATE Note SET name = 'x' WHERE id = 2; DELETE FROM Note WHERE id = 3; INSERT INTO Note VALUES (4, 'd', 'd')")
            .unwrap();
        let mut transaction = fixture.begin(SYNC);
        let mut overlay = fixture.overlay(4i64).unwrap();
        overlay.state = RecordState::InFlight;
        wait(transaction.put_overlay(fixture.entity(), &overlay)).unwrap();
        wait(transaction.commit()).unwrap();
        let connection = fixture.connection();
        let mut statement = connection
            .prepare("SELECT id || ' ' || is_from_server || is_modified || is_active || ' ' || state FROM Note_sync ORDER BY id")
            .unwrap();
        let shown: Vec<String> = statement
            .query_map([], |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert_eq!(
            shown,
            ["1 101 clean", "2 111 waiting", "3 110 waiting", "4 011 in_flight"]
        );
    }
}

fn keyed(key: ValueType, ids: Ids) -> EntitySchema {
    let mut entity = EntitySchema::new(
        "Item",
        "read-write-last-write-wins",
        &["id"],
        vec![Attribute::new("id", key), Attribute::new("name", ValueType::Text)],
    );
    entity.ids = ids;
    entity
}

#[test]
fn keys_left_out_are_made_by_api_and_by_sql() {
    for way in ways() {
        for (key, ids) in [
            (ValueType::Integer, Ids::Server),
            (ValueType::Text, Ids::Server),
            (ValueType::Uuid, Ids::Server),
            (ValueType::Uuid, Ids::Client),
        ] {
            let fixture = fixture(vec![keyed(key, ids)]);
            let made = fixture.insert(&vec![Value::Null, "api".into()]).unwrap();
            fixture
                .sql(way, "INSERT INTO Item (name) VALUES ('sql 1'), ('sql 2')")
                .unwrap();
            let overlays = fixture.overlays();
            assert_eq!(overlays.len(), 3, "{key} {ids:?}");
            assert!(overlays.iter().any(|overlay| overlay.key == made));
            for overlay in &overlays {
                assert_eq!(overlay.base, None);
                assert!(fixture.row(overlay.key.clone()).is_some());
                match &overlay.key.0[0] {
                    Value::Integer(integer) => assert!(*integer >= FIRST_LOCAL_INTEGER),
                    Value::Text(text) => assert!(text.starts_with("local:") && text.len() == 42, "{text}"),
                    Value::Uuid(uuid) => assert_eq!(uuid.get_version_num(), 4, "{uuid}"),
                    other => panic!("{other}"),
                }
            }
        }
    }
    let fixture = fixture(vec![keyed(ValueType::Integer, Ids::Client)]);
    assert_eq!(
        fixture.insert(&vec![Value::Null, "x".into()]).unwrap_err().code(),
        "invalid_key"
    );
}

#[test]
fn upper_case_uuids_name_the_same_record() {
    for way in ways() {
        let fixture = fixture(vec![keyed(ValueType::Uuid, Ids::Client)]);
        let uuid: uuid::Uuid = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11".parse().unwrap();
        let upper = uuid.to_string().to_uppercase();
        fixture
            .sql(way, &format!("INSERT INTO Item VALUES ('{upper}', 'x')"))
            .unwrap();
        assert_eq!(fixture.row(uuid), Some(vec![Value::Uuid(uuid), "x".into()]));
        assert!(fixture.overlay(uuid).is_some());
        let error = fixture
            .sql(
                way,
                &format!("INSERT INTO Item VALUES ('{}', 'x')", uuid.simple()),
            )
            .unwrap_err();
        assert!(error.contains("invalid_key"), "{error}");
    }
}

#[test]
fn local_entities_have_a_table_and_nothing_else() {
    let mut entity = note();
    entity.local = true;
    let fixture = fixture(vec![entity]);
    fixture
        .sql(Way::Connection, "INSERT INTO Note VALUES (1, 'a', 'b')")
        .unwrap();
    assert_eq!(fixture.row(1i64), Some(note_row(1, "a", "b")));
    assert!(fixture.overlays().is_empty());
    assert!(fixture.sql(Way::Connection, "SELECT * FROM Note_sync").is_err());
}

#[test]
fn new_attributes_are_added_and_told() {
    let fixture = fixture(vec![note()]);
    assert!(fixture.opened.created && fixture.opened.extended.is_empty());
    fixture.put(SYNC, &[note_row(1, "a", "b")]);
    fixture
        .sql(
            Way::Connection,
            "UPDATE Note SET name = 'x'; ALTER TABLE Note ADD COLUMN own TEXT",
        )
        .unwrap();
    let mut wider = note();
    wider
        .attributes
        .push(Attribute::new("when", ValueType::Timestamp));
    let opened = wait(fixture.store.open(&schema_of(vec![wider.clone()]))).unwrap();
    assert_eq!(opened.extended, ["Note"]);
    assert!(opened.warnings.is_empty(), "{:?}", opened.warnings);
    let mut transaction = fixture.begin(Access::Read);
    let overlay = wait(transaction.overlays(&wider, &[Key::one(1i64)]))
        .unwrap()
        .remove(0)
        .unwrap();
    assert_eq!(overlay.base.unwrap().last(), Some(&Value::Null));
    drop(transaction);
    // Left out and configured again, its values are old.
    assert!(
        wait(fixture.store.open(&fixture.schema))
            .unwrap()
            .extended
            .is_empty()
    );
    assert_eq!(
        wait(fixture.store.open(&schema_of(vec![wider])))
            .unwrap()
            .extended,
        ["Note"]
    );
}

#[test]
fn what_is_in_the_way_is_told() {
    let fixture = fixture(vec![note()]);
    let refused = |entity: EntitySchema, word: &str| {
        let error = wait(fixture.store.open(&schema_of(vec![entity]))).unwrap_err();
        assert_eq!(error.code(), "store_schema", "{error}");
        assert!(error.to_string().contains(word), "{error}");
    };
    let mut other_type = note();
    other_type.attributes[1].value_type = ValueType::Bytes;
    refused(other_type, "`name`");
    let mut other_key = note();
    other_key.key = vec!["name".into()];
    refused(other_key, "another key");
    fixture
        .connection()
        .execute_batch("CREATE TABLE Foreign_one (id INTEGER PRIMARY KEY)")
        .unwrap();
    let mut foreign = note();
    foreign.name = "foreign_one".into();
    refused(foreign, "did not make");
    fixture
        .connection()
        .execute_batch("CREATE TABLE Third_sync (id INTEGER PRIMARY KEY)")
        .unwrap();
    let mut third = note();
    third.name = "Third".into();
    refused(third, "Third_sync");
}

#[test]
fn overlays_are_stored_by_ranges_and_areas_in_byte_order() {
    let fixture = fixture(vec![note()]);
    let mut transaction = fixture.begin(SYNC);
    for id in 1..=5i64 {
        let overlay = Overlay {
            key: Key::one(id),
            base: (id % 2 == 0).then(|| note_row(id, "n", "e")),
            edit: 100 + id.unsigned_abs(),
            acknowledged_to: 3,
            state: RecordState::Conflicted,
        };
        wait(transaction.put_overlay(fixture.entity(), &overlay)).unwrap();
        wait(transaction.area_put("a", &[u8::try_from(id).unwrap()], b"v")).unwrap();
    }
    let range = KeyRange {
        after: Some(Key::one(1i64)),
        to: Some(Key::one(4i64)),
    };
    let found = wait(transaction.overlays_in(fixture.entity(), &range, 2)).unwrap();
    assert_eq!(
        found.iter().map(|overlay| overlay.edit).collect::<Vec<_>>(),
        [102, 103]
    );
    assert_eq!(
        wait(transaction.area_scan("a", Some(&[2]), 2)).unwrap(),
        [(vec![3], b"v".to_vec()), (vec![4], b"v".to_vec())]
    );
    wait(transaction.commit()).unwrap();
    fixture.insert(&note_row(9, "x", "y")).unwrap();
    assert!(
        fixture.overlay(9i64).unwrap().edit > 105,
        "edit numbers only grow"
    );
}

#[test]
fn a_full_store_says_so_and_goes_on() {
    let options = SqliteStoreOptions {
        max_bytes: Some(400 << 10),
        ..SqliteStoreOptions::default()
    };
    for access in [Access::App, SYNC] {
        let fixture = fixture_with(vec![note()], options.clone());
        let long = "x".repeat(50_000);
        fixture.put(SYNC, &[note_row(1, "a", "b")]);
        let mut transaction = fixture.begin(access);
        let rows: Vec<_> = (2..40).map(|id| note_row(id, &long, "y")).collect();
        let set = row_set(fixture.entity(), &rows);
        let error = wait(transaction.put(fixture.entity(), &all(fixture.entity()), &set)).unwrap_err();
        assert_eq!(error.code(), "disk_full", "{error}");
        assert!(wait(transaction.count(fixture.entity())).is_err());
        assert!(wait(transaction.commit()).is_err());
        assert_eq!(fixture.row(2i64), None);
        assert!(fixture.overlays().is_empty());
        fixture.put(access, &[note_row(1, "edited", "b")]);
        assert_eq!(fixture.row(1i64), Some(note_row(1, "edited", "b")));
    }
}
