//! Attaching: what it checks, what it installs, what it leaves alone, and how damage is noticed.

mod common;

use common::{Database, attach, attach_error, block_on, changed, entity, horizon, newest, position};
use onsync_core::ErrorKind;
use onsync_core::ValueType::{Boolean, Bytes, Integer, Real, Text};
use onsync_core::schema::{EntitySchema, Ids};
use onsync_core::store::server::ServerStore;
use onsync_sqlite_server_store::SqliteServerStoreOptions;

const SCRIPT: &str = "CREATE TABLE item (id INTEGER PRIMARY KEY, code TEXT UNIQUE, name TEXT);
    CREATE TABLE other (id INTEGER PRIMARY KEY, x BLOB);
    CREATE VIEW seen AS SELECT * FROM item;
    CREATE TABLE loose (a TEXT, b TEXT NOT NULL);
    CREATE UNIQUE INDEX partly ON loose (b) WHERE a IS NOT NULL;
    INSERT INTO item VALUES (1, 'a', 'one'), (2, 'b', 'two');";

fn item() -> EntitySchema {
    entity(
        "item",
        &["id"],
        &[("id", Integer), ("code", Text), ("name", Text)],
    )
}

fn other() -> EntitySchema {
    entity("other", &["id"], &[("id", Integer), ("x", Bytes)])
}

const APP_SCHEMA: &str = "SELECT group_concat(type || name || coalesce(sql, ''), '|') FROM
    (SELECT * FROM sqlite_master WHERE name NOT LIKE '\\_onsync\\_%' ESCAPE '\\' AND tbl_name NOT LIKE '\\_onsync\\_%' ESCAPE '\\' ORDER BY name)";

#[test]
fn attach_leaves_the_application_alone_and_again_changes_nothing() {
    let database = Database::new(SCRIPT);
    let schema_before = database.text(APP_SCHEMA);
    let rows_before = database.text("SELECT group_concat(id || code || name) FROM item");
    let store = database.store();
    let first = attach(&store, &[&item(), &other()]);
    assert_eq!(first.reset, ["item", "other"]);
    assert_eq!(newest(&store, &item()), 0);
    assert_eq!(horizon(&store, &item()), 0);
    let everything = "SELECT group_concat(name || coalesce(sql, '')) FROM sqlite_master";
    let (whole, at) = (database.text(everything), position(&store));
    assert!(attach(&store, &[&item(), &other()]).reset.is_empty());
    assert!(attach(&database.store(), &[&item(), &other()]).reset.is_empty());
    assert_eq!((database.text(everything), position(&store)), (whole, at));
    assert_eq!(database.text(APP_SCHEMA), schema_before);
    assert_eq!(
        database.text("SELECT group_concat(id || code || name) FROM item"),
        rows_before
    );
}

#[test]
fn faults_name_what_was_found_and_what_to_do() {
    let database = Database::new(SCRIPT);
    let store = database.store();
    let named = |name: &str| {
        let mut entity = item();
        entity.source = name.to_owned();
        entity
    };
    let mut issued = entity("other", &["x"], &[("x", onsync_core::ValueType::Uuid)]);
    issued.ids = Ids::Server;
    for (entity, code, words) in [
        (named("gone"), "table_missing", "`item`, `loose`, `other`"),
        (named("seen"), "table_missing", "a view"),
        (
            entity("item", &["id"], &[("id", Integer), ("nam", Text)]),
            "column_missing",
            "`id`, `code`, `name`",
        ),
        (
            entity("item", &["id"], &[("id", Integer), ("name", Real)]),
            "column_type",
            "declare the attribute as text",
        ),
        (
            entity("other", &["id"], &[("id", Integer), ("x", Boolean)]),
            "column_type",
            "leave it out",
        ),
        (
            entity("item", &["name"], &[("name", Text)]),
            "key_missing",
            "use its primary key `id`",
        ),
        (
            entity("item", &["code"], &[("code", Text)]),
            "key_missing",
            "NOT NULL",
        ),
        (
            entity("loose", &["b"], &[("b", Text)]),
            "key_missing",
            "a primary key or a unique index",
        ),
        (issued, "key_missing", "unique index"),
    ] {
        let error = attach_error(&store, &[&entity]);
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::Unsupported, code),
            "{error}"
        );
        assert!(error.to_string().contains(words), "{error}");
        assert!(error.place().unwrap().starts_with("entities."), "{error}");
    }
    assert_eq!(
        database.text("SELECT CAST(count(*) AS TEXT) FROM sqlite_master WHERE name LIKE '%onsync%'"),
        "0"
    );
}

#[test]
fn a_missing_file_and_a_file_that_is_no_database() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none.db");
    let error = attach_error(&common::store(&path), &[&item()]);
    assert_eq!(error.code(), "store_unavailable");
    assert!(error.to_string().contains("correct `path`"), "{error}");
    assert!(!path.exists());
    std::fs::write(&path, "x".repeat(5_000)).unwrap();
    let error = attach_error(&common::store(&path), &[&item()]);
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Corrupt, "store_corrupt"),
        "{error}"
    );
}

#[test]
fn a_dropped_trigger_is_noticed_healed_and_its_entity_reset() {
    let database = Database::new(SCRIPT);
    let store = database.store();
    attach(&store, &[&item(), &other()]);
    database.run("INSERT INTO item VALUES (3, 'c', 'three')");
    let checkpoint = position(&store);
    for damage in [
        "DROP TRIGGER _onsync_item_after_insert",
        "DROP TABLE _onsync_changes_item",
        "DROP TRIGGER _onsync_item_before_update_2",
        "DROP TRIGGER _onsync_item_after_update; CREATE TRIGGER _onsync_item_after_update AFTER UPDATE ON item BEGIN SELECT 1; END",
    ] {
        let checkpoint = position(&store);
        database.run(damage);
        // What is written now is not tracked.
        let untracked = database
            .connect()
            .execute("UPDATE item SET name = name || '.' WHERE id = 1", []);
        assert_eq!(untracked.is_err(), damage.contains("TABLE"), "{damage}");
        assert!(horizon(&store, &item()) > checkpoint, "{damage}");
        assert!(newest(&store, &item()) > checkpoint, "{damage}");
        let healed = position(&store);
        database.run("UPDATE item SET name = name || '.' WHERE id = 1");
        assert_eq!(changed(&store, &item(), healed).0, ["1"], "{damage}");
        assert!(attach(&store, &[&item(), &other()]).reset.is_empty());
    }
    assert_eq!(horizon(&store, &other()), 0);
    let error = common::try_delta(&store, &item(), checkpoint, common::WIDE).unwrap_err();
    assert_eq!(error.code(), "checkpoint_expired");
    database.run("DROP TRIGGER _onsync_item_after_delete");
    assert_eq!(attach(&database.store(), &[&item(), &other()]).reset, ["item"]);
}

#[test]
fn a_writer_notices_too() {
    let database = Database::new(SCRIPT);
    let store = database.store();
    attach(&store, &[&item()]);
    database.run("DROP TRIGGER _onsync_item_after_delete");
    let mut transaction = common::write(&store);
    block_on(transaction.delete(&item(), &1i64.into())).unwrap();
    block_on(transaction.commit()).unwrap();
    let at = horizon(&store, &item());
    assert_eq!(changed(&store, &item(), at).1, ["1"]);
}

#[test]
fn a_changed_schema_is_followed() {
    let database = Database::new(SCRIPT);
    let store = database.store();
    attach(&store, &[&item()]);
    let before = position(&store);
    // Unrelated changes reset nothing.
    database.run("CREATE TABLE more (x); ALTER TABLE item ADD COLUMN extra TEXT; CREATE INDEX plain ON item (name); VACUUM");
    assert_eq!(horizon(&store, &item()), 0);
    // A new unique index displaces rows that the triggers did not look for.
    database.run("CREATE UNIQUE INDEX z_name ON item (name)");
    assert!(horizon(&store, &item()) > before);
    let before = position(&store);
    database.run("REPLACE INTO item (id, name) VALUES (9, 'two')");
    assert_eq!(
        changed(&store, &item(), before),
        (vec!["9".to_owned()], vec!["2".to_owned()])
    );
    let kept = horizon(&store, &item());
    database.run("DROP INDEX z_name");
    assert_eq!(horizon(&store, &item()), kept);
    assert_eq!(
        database.text("SELECT CAST(count(*) AS TEXT) FROM sqlite_master WHERE name LIKE '%before_insert%'"),
        "2"
    );
    // The way SQLite documents to change a table.
    database.run(
        "DROP VIEW seen; BEGIN; CREATE TABLE new (id INTEGER PRIMARY KEY, code TEXT UNIQUE, name TEXT DEFAULT ''); INSERT INTO new SELECT id, code, name FROM item;
         DROP TABLE item; ALTER TABLE new RENAME TO item; COMMIT; DELETE FROM item WHERE id = 9",
    );
    assert!(horizon(&store, &item()) > kept);
    database.run("DROP TABLE item");
    assert_eq!(block_on(store.read()).err().unwrap().code(), "table_missing");
}

#[test]
fn an_expression_index_is_warned_about() {
    let database = Database::new(SCRIPT);
    database.run("CREATE UNIQUE INDEX low ON item (lower(code))");
    let attached = attach(&database.store(), &[&item()]);
    assert!(
        attached.warnings.iter().any(|warning| warning.contains("`low`")),
        "{attached:?}"
    );
}

#[test]
fn old_deletions_are_pruned_and_the_horizon_says_so() {
    let database = Database::new(SCRIPT);
    let store = database.store();
    attach(&store, &[&item()]);
    database.run("DELETE FROM item WHERE id = 1; UPDATE item SET name = 'x' WHERE id = 2");
    let middle = position(&store);
    database.run("INSERT INTO item VALUES (5, 'e', 'five'); DELETE FROM item WHERE id = 5");
    let newest_before = newest(&store, &item());
    assert_eq!(block_on(store.prune(middle)).unwrap(), 1);
    let after = horizon(&store, &item());
    assert!(after > 0 && after <= middle);
    assert_eq!(
        changed(&store, &item(), after),
        (vec!["2".to_owned()], vec!["5".to_owned()])
    );
    assert_eq!(block_on(store.prune(u64::MAX >> 1)).unwrap(), 1);
    assert_eq!(newest(&store, &item()), newest_before);
    assert_eq!(block_on(store.prune(u64::MAX >> 1)).unwrap(), 0);
}

#[test]
fn options_come_from_configuration() {
    let options: SqliteServerStoreOptions =
        serde_json::from_str(r#"{"path": "a.db", "wal": false}"#).unwrap();
    assert_eq!(options.readers, 4);
    assert!(!options.wal);
    assert!(serde_json::from_str::<SqliteServerStoreOptions>(r#"{"path": "a.db", "wall": false}"#).is_err());
}

#[test]
fn without_write_ahead_logging_the_file_keeps_its_mode() {
    let database = Database::new(SCRIPT);
    let options = SqliteServerStoreOptions {
        wal: false,
        ..SqliteServerStoreOptions::new(database.path())
    };
    let store = onsync_sqlite_server_store::SqliteServerStore::new(options);
    attach(&store, &[&item()]);
    assert_eq!(database.text("PRAGMA journal_mode"), "delete");
    let before = position(&store);
    database.run("DELETE FROM item");
    assert_eq!(changed(&store, &item(), before).1, ["1", "2"]);
}
