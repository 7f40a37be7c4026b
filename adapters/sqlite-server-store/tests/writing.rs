//! Writing: constraints, savepoints, soft deletes, server-issued keys, areas.

mod common;

use common::{Database, attach, block_on, changed, entity, everything, position, write};
use onsync_core::ValueType::{Boolean, Integer, Text, Uuid};
use onsync_core::schema::{EntitySchema, Ids, SoftDelete};
use onsync_core::store::server::ServerStore as _;
use onsync_core::{ErrorKind, Fields, Key, Value};

fn doctor() -> EntitySchema {
    let mut doctor = entity("doctor", &["id"], &[("id", Integer), ("name", Text)]);
    doctor.ids = Ids::Server;
    doctor
}

fn visit() -> EntitySchema {
    entity(
        "visit",
        &["id"],
        &[
            ("id", Integer),
            ("doctor", Integer),
            ("later", Integer),
            ("text", Text),
        ],
    )
}

fn practice() -> Database {
    Database::new(
        "CREATE TABLE doctor (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE ON CONFLICT REPLACE CHECK (length(name) < 20));
         CREATE TABLE visit (id INTEGER PRIMARY KEY, doctor INTEGER REFERENCES doctor,
             later INTEGER REFERENCES doctor DEFERRABLE INITIALLY DEFERRED, text TEXT, upper TEXT AS (upper(text)));
         CREATE TRIGGER weekend BEFORE INSERT ON visit WHEN NEW.text = 'sunday' BEGIN SELECT RAISE(ABORT, 'closed on sundays'); END;
         CREATE TRIGGER gone BEFORE INSERT ON visit WHEN NEW.text = 'panic' BEGIN SELECT RAISE(ROLLBACK, 'everything undone'); END;
         INSERT INTO doctor VALUES (1, 'Ada'), (2, 'Bob');",
    )
}

/// SQLite gives the key of the last row again once that is deleted, unless it is declared otherwise: what a device that has not heard of the
/// deletion sends about the old record would meet the new one.
#[test]
fn a_key_is_not_issued_again() {
    let database = practice();
    let store = database.store();
    attach(&store, &[&doctor()]);
    let insert = |name: &str| {
        let mut transaction = write(&store);
        let key = block_on(transaction.insert(&doctor(), &Fields::new().with("name", name))).unwrap();
        block_on(transaction.commit()).unwrap();
        key
    };
    assert_eq!(insert("Eve"), Key::one(3i64));
    let mut transaction = write(&store);
    block_on(transaction.delete(&doctor(), &Key::one(3i64))).unwrap();
    block_on(transaction.commit()).unwrap();
    assert_eq!(insert("Fay"), Key::one(4i64), "deleted by a device");
    database.run("DELETE FROM doctor WHERE id >= 2");
    assert_eq!(insert("Gus"), Key::one(5i64), "deleted by another program");
    database.run("DELETE FROM doctor");
    block_on(store.prune(position(&store))).unwrap();
    assert_eq!(
        insert("Hal"),
        Key::one(6i64),
        "deletions are forgotten, the highest key is not"
    );
    database.run(&format!(
        "DELETE FROM doctor; INSERT INTO doctor VALUES ({}, 'Ian')",
        i64::MAX
    ));
    let last = insert("Jo");
    assert!(last != Key::one(6i64) && last != Key::one(i64::MAX), "{last}");
}

#[test]
fn the_database_issues_keys() {
    let database = practice();
    let store = database.store();
    attach(&store, &[&doctor()]);
    let before = position(&store);
    let mut transaction = write(&store);
    let key = block_on(transaction.insert(&doctor(), &Fields::new().with("name", "Eve"))).unwrap();
    assert_eq!(key, Key::one(3i64));
    let with_key = Fields::new().with("id", 9i64).with("name", "Fay");
    assert_eq!(
        block_on(transaction.insert(&doctor(), &with_key))
            .unwrap_err()
            .code(),
        "key_not_allowed"
    );
    assert!(block_on(transaction.position()).unwrap() > before);
    block_on(transaction.commit()).unwrap();
    assert_eq!(changed(&store, &doctor(), before).0, ["3"]);
}

#[test]
fn a_default_issues_keys_too() {
    let database = Database::new(
        "CREATE TABLE t (k BLOB NOT NULL PRIMARY KEY DEFAULT (randomblob(16)), v TEXT); CREATE TABLE log (x);
         CREATE TRIGGER logged AFTER INSERT ON t BEGIN INSERT INTO log VALUES (NEW.v); END;",
    );
    let store = database.store();
    let mut t = entity("t", &["k"], &[("k", Uuid), ("v", Text)]);
    t.ids = Ids::Server;
    attach(&store, &[&t]);
    let mut transaction = write(&store);
    let key = block_on(transaction.insert(&t, &Fields::new().with("v", "x"))).unwrap();
    assert!(block_on(transaction.get(&t, &[1], &key)).unwrap().is_some());
    let empty = block_on(transaction.insert(&t, &Fields::new())).unwrap();
    assert_ne!(key, empty);
}

#[test]
fn constraints_are_rejections_and_undo_makes_the_transaction_usable() {
    let database = practice();
    let store = database.store();
    attach(&store, &[&doctor(), &visit()]);
    let mut transaction = write(&store);
    block_on(transaction.insert(&doctor(), &Fields::new().with("name", "Eve"))).unwrap();
    let visit_with = |name: &str, value: Value| Fields::new().with("id", 1i64).with(name, value);
    let cases: [(EntitySchema, Fields, &str); 5] = [
        (
            doctor(),
            Fields::new().with("name", "Ada"),
            "UNIQUE constraint failed: doctor.name",
        ),
        (
            doctor(),
            Fields::new().with("name", "a name that is far too long"),
            "CHECK constraint failed",
        ),
        (
            doctor(),
            Fields::new().with("name", Value::Null),
            "NOT NULL constraint failed: doctor.name",
        ),
        (
            visit(),
            visit_with("doctor", Value::Integer(77)),
            "FOREIGN KEY constraint failed",
        ),
        (visit(), visit_with("text", "sunday".into()), "closed on sundays"),
    ];
    for (entity, fields, words) in cases {
        block_on(transaction.savepoint()).unwrap();
        let error = block_on(transaction.insert(&entity, &fields)).unwrap_err();
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::Rejected, "constraint_violated"),
            "{error}"
        );
        assert!(error.to_string().contains(words), "{error}");
        assert!(!error.to_string().contains("far too long"), "{error}");
        block_on(transaction.undo()).unwrap();
    }
    let told = block_on(transaction.position()).unwrap();
    block_on(transaction.update(&doctor(), &Key::one(2i64), &Fields::new().with("name", "Bert"))).unwrap();
    block_on(transaction.undo()).unwrap();
    assert!(
        block_on(transaction.position()).unwrap() > told,
        "a position that was told is not told again"
    );
    block_on(transaction.commit()).unwrap();
    let names: Vec<String> = everything(&store, &doctor())
        .iter()
        .map(|row| row[1].to_string())
        .collect();
    assert_eq!(names, ["Ada", "Bob", "Eve"]);
}

#[test]
fn a_deferred_reference_fails_at_commit_and_nothing_is_stored() {
    let database = practice();
    let store = database.store();
    attach(&store, &[&visit()]);
    let before = position(&store);
    let mut transaction = write(&store);
    block_on(transaction.area_put("receipts", b"1", b"x")).unwrap();
    let fields = Fields::new().with("id", 1i64).with("later", 77i64);
    block_on(transaction.insert(&visit(), &fields)).unwrap();
    let error = block_on(transaction.commit()).unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Rejected, "constraint_violated"),
        "{error}"
    );
    assert!(everything(&store, &visit()).is_empty());
    assert_eq!(position(&store), before);
    assert_eq!(
        block_on(common::read(&store).area_get("receipts", b"1")).unwrap(),
        None
    );
    block_on(write(&store).commit()).unwrap();
}

#[test]
fn a_transaction_that_the_database_rolled_back_writes_nothing_more() {
    let database = practice();
    let store = database.store();
    attach(&store, &[&visit()]);
    let mut transaction = write(&store);
    block_on(transaction.area_put("receipts", b"1", b"x")).unwrap();
    block_on(transaction.savepoint()).unwrap();
    let error = block_on(transaction.insert(&visit(), &Fields::new().with("id", 1i64).with("text", "panic")))
        .unwrap_err();
    assert_eq!(error.code(), "constraint_violated");
    for error in [
        block_on(transaction.undo()),
        block_on(transaction.area_put("receipts", b"2", b"x")),
    ] {
        assert_eq!(error.unwrap_err().code(), "transaction_lost");
    }
    assert_eq!(
        block_on(transaction.commit()).unwrap_err().code(),
        "transaction_lost"
    );
    assert!(
        block_on(common::read(&store).area_scan("receipts", None, 9))
            .unwrap()
            .is_empty()
    );
}

#[test]
fn updates_name_existing_records_and_leave_keys_and_computed_columns() {
    let database = practice();
    let store = database.store();
    let mut wide = visit();
    wide.attributes
        .push(onsync_core::schema::Attribute::new("upper", Text));
    let attached = attach(&store, &[&wide]);
    assert!(
        attached
            .warnings
            .iter()
            .any(|warning| warning.contains("computes column `upper`"))
    );
    let mut transaction = write(&store);
    let one = Key::one(1i64);
    let fields = Fields::new()
        .with("id", 1i64)
        .with("text", "a")
        .with("upper", "nonsense");
    block_on(transaction.insert(&wide, &fields)).unwrap();
    block_on(transaction.update(&wide, &one, &fields)).unwrap();
    let read = block_on(transaction.get(&wide, &[3, 4], &one)).unwrap().unwrap();
    assert_eq!(read.value("upper"), &Value::from("A"));
    let moved = Fields::new().with("id", 2i64);
    assert_eq!(
        block_on(transaction.update(&wide, &one, &moved))
            .unwrap_err()
            .code(),
        "key_change_refused"
    );
    for key in [2i64, 3] {
        let missing = Key::one(key);
        assert_eq!(
            block_on(transaction.update(&wide, &missing, &Fields::new()))
                .unwrap_err()
                .code(),
            "record_missing"
        );
        assert_eq!(
            block_on(transaction.delete(&wide, &missing)).unwrap_err().code(),
            "record_missing"
        );
        assert!(
            block_on(transaction.get(&wide, &[0], &missing))
                .unwrap()
                .is_none()
        );
    }
    let wrong = Fields::new().with("nothing", 1i64);
    assert_eq!(
        block_on(transaction.update(&wide, &one, &wrong))
            .unwrap_err()
            .code(),
        "unknown_attribute"
    );
    drop(transaction);
    assert!(everything(&store, &wide).is_empty(), "dropping undoes");
}

#[test]
fn soft_deletes() {
    for (declared, value, deleted, there) in [
        ("BOOLEAN", Value::Boolean(false), "0", "1"),
        ("TEXT", Value::Boolean(true), "'true'", "'false'"),
        ("INTEGER", Value::Integer(9), "9", "NULL"),
        ("TEXT", Value::from("it's gone"), "'it''s gone'", "''"),
    ] {
        let database = Database::new(&format!(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, state {declared}); INSERT INTO t VALUES (1, 'a', {there}), (2, 'b', {deleted}), (3, 'c', {there});"
        ));
        let store = database.store();
        let mut t = entity("t", &["id"], &[("id", Integer), ("v", Text)]);
        t.soft_delete = Some(SoftDelete {
            column: "state".to_owned(),
            value,
        });
        attach(&store, &[&t]);
        assert_eq!(everything(&store, &t).len(), 2, "{declared}");
        let before = position(&store);
        database.run(&format!(
            "UPDATE t SET state = {deleted} WHERE id = 1; UPDATE t SET state = {there} WHERE id = 2"
        ));
        assert_eq!(
            changed(&store, &t, before),
            (vec!["2".to_owned()], vec!["1".to_owned()]),
            "{declared}"
        );
        let mut transaction = write(&store);
        block_on(transaction.delete(&t, &Key::one(3i64))).unwrap();
        assert!(
            block_on(transaction.get(&t, &[0], &Key::one(3i64)))
                .unwrap()
                .is_none()
        );
        for missing in [1i64, 3] {
            assert_eq!(
                block_on(transaction.delete(&t, &Key::one(missing)))
                    .unwrap_err()
                    .code(),
                "record_missing"
            );
        }
        block_on(transaction.commit()).unwrap();
        assert_eq!(database.text("SELECT v FROM t WHERE id = 3"), "c");
        assert_eq!(
            database.text(&format!(
                "SELECT CAST(state = {deleted} AS TEXT) FROM t WHERE id = 3"
            )),
            "1"
        );
        assert_eq!(everything(&store, &t).len(), 1, "{declared}");
        let extent = onsync_core::store::server::Extent {
            entity: &t,
            attributes: &[0],
            scope: "",
        };
        assert_eq!(block_on(common::read(&store).count(&extent)).unwrap(), Some(1));
    }
}

#[test]
fn areas_are_ordered_bytes() {
    let database = practice();
    let store = database.store();
    attach(&store, &[&doctor()]);
    let mut transaction = write(&store);
    block_on(async {
        for key in [&b"b"[..], b"a\0", b"a", b"\xff"] {
            assert!(transaction.area_insert("x", key, b"1").await.unwrap());
        }
        assert!(!transaction.area_insert("x", b"a", b"2").await.unwrap());
        assert!(transaction.area_insert("y", b"a", b"2").await.unwrap());
        transaction.area_put("x", b"b", b"3").await.unwrap();
        transaction.area_remove("x", b"\xff").await.unwrap();
        transaction.area_remove("x", b"none").await.unwrap();
        assert_eq!(transaction.area_get("x", b"a").await.unwrap().unwrap(), b"1");
        let all = transaction.area_scan("x", None, 10).await.unwrap();
        assert_eq!(
            all.iter().map(|(key, _)| key.as_slice()).collect::<Vec<_>>(),
            [&b"a"[..], b"a\0", b"b"]
        );
        assert_eq!(
            transaction.area_scan("x", Some(b"a"), 1).await.unwrap()[0].0,
            b"a\0"
        );
        transaction.commit().await.unwrap();
        let mut snapshot = common::read(&store);
        assert_eq!(snapshot.area_get("x", b"b").await.unwrap().unwrap(), b"3");
        assert_eq!(
            snapshot.area_scan("x", Some(b"a\0"), 9).await.unwrap(),
            [(b"b".to_vec(), b"3".to_vec())]
        );
    });
}

#[test]
fn an_entity_that_was_not_attached_is_refused() {
    let database = practice();
    let store = database.store();
    attach(&store, &[&doctor()]);
    let flag = entity("flag", &["id"], &[("id", Integer), ("on", Boolean)]);
    assert_eq!(
        block_on(common::read(&store).newest(&flag)).unwrap_err().code(),
        "not_attached"
    );
}
