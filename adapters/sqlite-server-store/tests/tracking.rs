//! Change tracking: whatever statement another program runs, the keys it touched are in the next delta.

mod common;

use common::{Database, attach, changed, entity, position};
use onsync_core::ValueType::{Integer, Text};
use onsync_core::schema::EntitySchema;
use onsync_sqlite_server_store::SqliteServerStore;

fn items() -> (Database, SqliteServerStore, EntitySchema) {
    let database = Database::new(
        "CREATE TABLE item (id INTEGER PRIMARY KEY, code TEXT UNIQUE COLLATE NOCASE, name TEXT NOT NULL UNIQUE DEFAULT 'none');
         INSERT INTO item VALUES (1, 'a', 'one'), (2, 'b', 'two'), (3, 'c', 'three');",
    );
    let store = database.store();
    let entity = entity(
        "item",
        &["id"],
        &[("id", Integer), ("code", Text), ("name", Text)],
    );
    attach(&store, &[&entity]);
    (database, store, entity)
}

#[track_caller]
fn expect(
    case: &(Database, SqliteServerStore, EntitySchema),
    script: &str,
    there: &[&str],
    deleted: &[&str],
) {
    let (database, store, entity) = case;
    let before = position(store);
    database.run(script);
    let (found_there, found_deleted) = changed(store, entity, before);
    assert_eq!(found_there, there, "there after {script}");
    assert_eq!(found_deleted, deleted, "deleted after {script}");
}

#[test]
fn plain_statements() {
    let case = items();
    expect(&case, "INSERT INTO item VALUES (4, 'd', 'four')", &["4"], &[]);
    expect(&case, "UPDATE item SET name = 'vier' WHERE id = 4", &["4"], &[]);
    expect(&case, "DELETE FROM item WHERE id = 4", &[], &["4"]);
    expect(&case, "SELECT 1", &[], &[]);
}

#[test]
fn upsert() {
    let case = items();
    expect(
        &case,
        "INSERT INTO item VALUES (1, 'x', 'y') ON CONFLICT (id) DO UPDATE SET name = 'z'",
        &["1"],
        &[],
    );
    expect(
        &case,
        "INSERT INTO item VALUES (9, 'B', 'y') ON CONFLICT (code) DO UPDATE SET id = 7",
        &["7"],
        &["2"],
    );
}

#[test]
fn replace_on_the_key_and_on_other_unique_columns() {
    let case = items();
    expect(
        &case,
        "INSERT OR REPLACE INTO item VALUES (1, 'a', 'neu')",
        &["1"],
        &[],
    );
    expect(
        &case,
        "INSERT OR REPLACE INTO item VALUES (4, 'A', 'vier')",
        &["4"],
        &["1"],
    );
    expect(
        &case,
        "REPLACE INTO item VALUES (5, 'b', 'three')",
        &["5"],
        &["2", "3"],
    );
    expect(
        &case,
        "UPDATE OR REPLACE item SET name = 'vier' WHERE id = 5",
        &["5"],
        &["4"],
    );
}

#[test]
fn replace_stores_a_default_in_place_of_null() {
    let case = items();
    expect(&case, "INSERT INTO item (id, code) VALUES (4, 'd')", &["4"], &[]);
    expect(
        &case,
        "INSERT OR REPLACE INTO item VALUES (5, 'e', NULL)",
        &["5"],
        &["4"],
    );
}

#[test]
fn an_outer_conflict_clause_does_not_override_the_triggers() {
    let case = items();
    for clause in ["IGNORE", "REPLACE", "FAIL", "ROLLBACK"] {
        expect(
            &case,
            &format!("UPDATE OR {clause} item SET code = code || 'x' WHERE id = 1"),
            &["1"],
            &[],
        );
        expect(
            &case,
            &format!("INSERT OR {clause} INTO item VALUES (10, '{clause}', '{clause}')"),
            &["10"],
            &[],
        );
        expect(&case, "DELETE FROM item WHERE id = 10", &[], &["10"]);
    }
}

#[test]
fn an_update_of_the_key_is_a_delete_and_a_create() {
    let case = items();
    expect(&case, "UPDATE item SET id = 20 WHERE id = 1", &["20"], &["1"]);
    expect(
        &case,
        "UPDATE item SET id = id + 100",
        &["102", "103", "120"],
        &["2", "20", "3"],
    );
    expect(
        &case,
        "UPDATE item SET rowid = 1 WHERE id = 102",
        &["1"],
        &["102"],
    );
    expect(
        &case,
        "UPDATE OR REPLACE item SET id = 103 WHERE id = 1",
        &["103"],
        &["1"],
    );
}

#[test]
fn delete_and_insert_again_and_edit_and_undo() {
    let case = items();
    expect(
        &case,
        "DELETE FROM item WHERE id = 1; INSERT INTO item VALUES (1, 'a', 'one')",
        &["1"],
        &[],
    );
    expect(
        &case,
        "UPDATE item SET name = 'x' WHERE id = 1; UPDATE item SET name = 'one' WHERE id = 1",
        &["1"],
        &[],
    );
    expect(&case, "BEGIN; DELETE FROM item; ROLLBACK", &[], &[]);
}

#[test]
fn many_rows_at_once_and_truncation() {
    let case = items();
    expect(&case, "UPDATE item SET code = upper(code)", &["1", "2", "3"], &[]);
    expect(
        &case,
        "INSERT INTO item SELECT id + 10, code || 'x', name || 'x' FROM item",
        &["11", "12", "13"],
        &[],
    );
    expect(&case, "DELETE FROM item", &[], &["1", "11", "12", "13", "2", "3"]);
}

#[test]
fn with_recursive_triggers_too() {
    let case = items();
    expect(
        &case,
        "PRAGMA recursive_triggers = ON; REPLACE INTO item VALUES (5, 'b', 'three')",
        &["5"],
        &["2", "3"],
    );
}

#[test]
fn key_only_tables_and_composite_keys() {
    let database = Database::new(
        "CREATE TABLE member (team INTEGER NOT NULL, person TEXT NOT NULL, PRIMARY KEY (team, person));
         INSERT INTO member VALUES (1, 'ada');",
    );
    let store = database.store();
    let entity = entity(
        "member",
        &["team", "person"],
        &[("team", Integer), ("person", Text)],
    );
    attach(&store, &[&entity]);
    let case = (database, store, entity);
    expect(
        &case,
        "INSERT INTO member VALUES (1, 'bob'), (2, 'ada')",
        &["1, bob", "2, ada"],
        &[],
    );
    expect(
        &case,
        "INSERT OR REPLACE INTO member VALUES (1, 'bob')",
        &["1, bob"],
        &[],
    );
    expect(
        &case,
        "UPDATE member SET team = 3 WHERE team = 1",
        &["3, ada", "3, bob"],
        &["1, ada", "1, bob"],
    );
    expect(
        &case,
        "UPDATE OR REPLACE member SET person = 'bob' WHERE team = 3 AND person = 'ada'",
        &["3, bob"],
        &["3, ada"],
    );
}

#[test]
fn without_row_ids_and_hidden_row_ids() {
    let database = Database::new(
        "CREATE TABLE a (k TEXT PRIMARY KEY, u INTEGER UNIQUE) WITHOUT ROWID;
         CREATE TABLE b (k TEXT NOT NULL PRIMARY KEY, rowid TEXT);
         INSERT INTO a VALUES ('x', 1), ('y', 2); INSERT INTO b VALUES ('x', ''), ('y', '');",
    );
    let store = database.store();
    let a = entity("a", &["k"], &[("k", Text), ("u", Integer)]);
    let b = entity("b", &["k"], &[("k", Text)]);
    attach(&store, &[&a, &b]);
    let case = (database, store, a);
    expect(&case, "INSERT OR REPLACE INTO a VALUES ('z', 2)", &["z"], &["y"]);
    let case = (case.0, case.1, b);
    expect(
        &case,
        "INSERT OR REPLACE INTO b (_rowid_, k, rowid) VALUES (1, 'z', '')",
        &["z"],
        &["x"],
    );
    expect(
        &case,
        "UPDATE OR REPLACE b SET oid = 2 WHERE k = 'z'",
        &["z"],
        &["y"],
    );
}

#[test]
fn cascades() {
    let database = Database::new(
        "CREATE TABLE parent (id INTEGER PRIMARY KEY, u TEXT UNIQUE);
         CREATE TABLE child (id INTEGER PRIMARY KEY, p INTEGER REFERENCES parent ON DELETE CASCADE ON UPDATE CASCADE);
         CREATE TABLE friend (id INTEGER PRIMARY KEY, p INTEGER REFERENCES parent ON DELETE SET NULL);
         INSERT INTO parent VALUES (1, 'a'), (2, 'b'), (3, 'c'); INSERT INTO child VALUES (10, 1), (11, 2), (12, 3);
         INSERT INTO friend VALUES (20, 1), (21, 2);",
    );
    let store = database.store();
    let child = entity("child", &["id"], &[("id", Integer), ("p", Integer)]);
    let friend = entity("friend", &["id"], &[("id", Integer), ("p", Integer)]);
    attach(&store, &[&child, &friend]);
    let case = (database, store, child);
    let before = position(&case.1);
    expect(
        &case,
        "PRAGMA foreign_keys = ON; DELETE FROM parent WHERE id = 1",
        &[],
        &["10"],
    );
    expect(
        &case,
        "PRAGMA foreign_keys = ON; UPDATE parent SET id = 30 WHERE id = 3",
        &["12"],
        &[],
    );
    expect(
        &case,
        "PRAGMA foreign_keys = ON; REPLACE INTO parent VALUES (5, 'b')",
        &[],
        &["11"],
    );
    assert_eq!(changed(&case.1, &friend, before).0, ["20", "21"]);
}

#[test]
fn partial_unique_indexes_and_generated_columns() {
    let database = Database::new(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, position TEXT, main INTEGER, low TEXT AS (lower(position)) STORED UNIQUE);
         CREATE UNIQUE INDEX one_main ON t (main) WHERE main = 1 AND position <> 'where)';
         INSERT INTO t VALUES (1, 'A', 1), (2, 'B', 0), (3, 'C', 0);",
    );
    let store = database.store();
    let t = entity(
        "t",
        &["id"],
        &[("id", Integer), ("position", Text), ("low", Text)],
    );
    attach(&store, &[&t]);
    let case = (database, store, t);
    expect(
        &case,
        "INSERT OR REPLACE INTO t VALUES (4, 'D', 1)",
        &["4"],
        &["1"],
    );
    expect(&case, "INSERT OR REPLACE INTO t VALUES (5, 'E', 0)", &["5"], &[]);
    expect(
        &case,
        "INSERT OR REPLACE INTO t VALUES (6, 'b', 0)",
        &["6"],
        &["2"],
    );
    expect(
        &case,
        "UPDATE OR REPLACE t SET position = 'c' WHERE id = 6",
        &["6"],
        &["3"],
    );
}

#[test]
fn names_with_quotes_spaces_and_dots_and_a_key_called_position() {
    let database = Database::new(
        "CREATE TABLE \"my.odd 'table\" (\"position\" TEXT NOT NULL PRIMARY KEY, \"scope\" TEXT DEFAULT \"x\" NOT NULL UNIQUE);",
    );
    let store = database.store();
    let mut odd = entity("odd", &["position"], &[("position", Text), ("scope", Text)]);
    odd.source = "My.odd 'Table".to_owned();
    attach(&store, &[&odd]);
    assert!(attach(&store, &[&odd]).reset.is_empty());
    let case = (database, store, odd);
    expect(
        &case,
        "INSERT INTO \"my.odd 'table\" VALUES ('a''b', 's')",
        &["a'b"],
        &[],
    );
    expect(
        &case,
        "REPLACE INTO \"my.odd 'table\" VALUES ('c', 's')",
        &["c"],
        &["a'b"],
    );
    expect(
        &case,
        "REPLACE INTO \"my.odd 'table\" (position) VALUES ('d')",
        &["d"],
        &[],
    );
    expect(
        &case,
        "REPLACE INTO \"my.odd 'table\" VALUES ('e', NULL)",
        &["e"],
        &["d"],
    );
}

#[test]
fn the_applications_own_triggers_and_views() {
    let case = items();
    case.0.run(
        "CREATE TRIGGER touch AFTER UPDATE OF name ON item BEGIN UPDATE item SET code = NEW.name WHERE id = 3; END;
         CREATE VIEW v AS SELECT * FROM item;
         CREATE TRIGGER v_delete INSTEAD OF DELETE ON v BEGIN DELETE FROM item WHERE id = OLD.id; END;",
    );
    expect(
        &case,
        "UPDATE item SET name = 'eins' WHERE id = 1",
        &["1", "3"],
        &[],
    );
    expect(&case, "DELETE FROM v WHERE id = 2", &[], &["2"]);
}

#[test]
fn keys_that_differ_only_under_a_collation() {
    let database = Database::new(
        "CREATE TABLE t (k TEXT NOT NULL PRIMARY KEY COLLATE NOCASE, v TEXT); INSERT INTO t VALUES ('a', '1'), ('B', '2');",
    );
    let store = database.store();
    let t = entity("t", &["k"], &[("k", Text), ("v", Text)]);
    let attached = attach(&store, &[&t]);
    assert!(
        attached
            .warnings
            .iter()
            .any(|warning| warning.contains("not stored in the order")),
        "{attached:?}"
    );
    let case = (database, store, t);
    expect(&case, "UPDATE t SET k = 'A' WHERE k = 'a'", &["A"], &["a"]);
    expect(&case, "REPLACE INTO t VALUES ('b', '3')", &["b"], &["B"]);
    expect(&case, "DELETE FROM t WHERE k = 'B'", &[], &["b"]);
}

#[test]
fn rows_without_a_key_neither_sync_nor_fail() {
    let database = Database::new(
        "CREATE TABLE t (k TEXT PRIMARY KEY, v TEXT); INSERT INTO t VALUES (NULL, 'x'), ('a', 'y');",
    );
    let store = database.store();
    let t = entity("t", &["k"], &[("k", Text), ("v", Text)]);
    let attached = attach(&store, &[&t]);
    assert!(
        attached
            .warnings
            .iter()
            .any(|warning| warning.contains("NULL in its key")),
        "{attached:?}"
    );
    assert_eq!(common::everything(&store, &t).len(), 1);
    let case = (database, store, t);
    expect(
        &case,
        "INSERT INTO t VALUES (NULL, 'z'); UPDATE t SET v = 'w'",
        &["a"],
        &[],
    );
    expect(
        &case,
        "UPDATE t SET k = 'b' WHERE k IS NULL AND v = 'w' AND rowid = 1",
        &["b"],
        &[],
    );
    expect(&case, "UPDATE t SET k = NULL WHERE k = 'b'", &[], &["b"]);
}

#[test]
fn two_entities_on_one_table() {
    let (database, store, one) = items();
    let mut summary = entity("summary", &["number"], &[("number", Integer)]);
    summary.source = "item".to_owned();
    summary.attributes[0].column = "ID".to_owned();
    attach(&store, &[&one, &summary]);
    let before = position(&store);
    database.run("DELETE FROM item WHERE id = 2");
    assert_eq!(changed(&store, &summary, before).1, ["2"]);
    assert_eq!(changed(&store, &one, before).1, ["2"]);
    let triggers = database.text(
        "SELECT CAST(count(*) AS TEXT) FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'item'",
    );
    assert_eq!(triggers, "10");
}

#[test]
fn a_plain_shell_is_tracked() {
    let case = items();
    if std::process::Command::new("sqlite3")
        .arg("--version")
        .output()
        .is_err()
    {
        println!("SKIPPED a_plain_shell_is_tracked: there is no `sqlite3` program");
        return;
    }
    let before = position(&case.1);
    let status = std::process::Command::new("sqlite3")
        .arg("-bail")
        .arg(case.0.path())
        .arg(
            "INSERT INTO item VALUES (4, 'd', 'four'); REPLACE INTO item VALUES (5, 'B', 'five');
             UPDATE item SET id = 30 WHERE id = 3; DELETE FROM item WHERE id = 1;
             INSERT OR IGNORE INTO item VALUES (6, 'f', 'six');
             INSERT INTO item VALUES (4, 'x', 'y') ON CONFLICT DO UPDATE SET name = 'vier';",
        )
        .status()
        .unwrap();
    assert!(status.success());
    let (there, deleted) = changed(&case.1, &case.2, before);
    assert_eq!(there, ["30", "4", "5", "6"]);
    assert_eq!(deleted, ["1", "2", "3"]);
}
