//! Changes made by plain SQL and through the API: each leaves its overlay.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first failure"
)]

mod common;

use common::{SYNC, Way, fixture, note, note_row, schema_of, ways};
use onsync_core::schema::{Attribute, EntitySchema};
use onsync_core::store::local::{Access, LocalStore as _};
use onsync_core::{Key, Value, ValueType};

/// Runs a case for each way, on a store with three clean records.
fn each(case: impl Fn(&common::Fixture, Way)) {
    for way in ways() {
        let fixture = fixture(vec![note()]);
        fixture.put(
            SYNC,
            &[
                note_row(1, "a", "a@x"),
                note_row(2, "b", "b@x"),
                note_row(3, "c", "c@x"),
            ],
        );
        assert!(
            fixture.overlays().is_empty(),
            "the sync's own writes are not tracked"
        );
        case(&fixture, way);
    }
}

#[test]
fn an_update_keeps_the_base() {
    each(|fixture, way| {
        fixture
            .sql(way, "UPDATE Note SET name = 'A' WHERE id = 1")
            .unwrap();
        let overlay = fixture.overlay(1i64).unwrap();
        assert_eq!(overlay.base, Some(note_row(1, "a", "a@x")));
        assert!(overlay.is_waiting());
        assert_eq!(fixture.row(1i64), Some(note_row(1, "A", "a@x")));
        assert_eq!(fixture.overlays().len(), 1);
    });
}

#[test]
fn an_upsert_keeps_the_base_or_notes_the_new() {
    each(|fixture, way| {
        let upsert = |id: i64| {
            format!(
                "INSERT INTO Note (id, name) VALUES ({id}, 'u') ON CONFLICT (id) DO UPDATE SET name = excluded.name"
            )
        };
        fixture.sql(way, &upsert(1)).unwrap();
        fixture.sql(way, &upsert(9)).unwrap();
        assert_eq!(fixture.overlay(1i64).unwrap().base, Some(note_row(1, "a", "a@x")));
        assert_eq!(fixture.overlay(9i64).unwrap().base, None);
    });
}

#[test]
fn insert_or_replace_on_the_key_keeps_the_base() {
    each(|fixture, way| {
        fixture
            .sql(way, "INSERT OR REPLACE INTO Note VALUES (1, 'r', NULL)")
            .unwrap();
        fixture
            .sql(way, "INSERT OR REPLACE INTO Note VALUES (1, 's', NULL)")
            .unwrap();
        assert_eq!(fixture.overlay(1i64).unwrap().base, Some(note_row(1, "a", "a@x")));
    });
}

#[test]
fn a_row_displaced_through_a_unique_index_is_deleted_and_known() {
    for way in ways() {
        let fixture = fixture(vec![note()]);
        fixture.put(
            SYNC,
            &[
                note_row(1, "a", "a@x"),
                note_row(2, "b", "b@x"),
                note_row(3, "c", "c@x"),
            ],
        );
        fixture
            .connection()
            .execute_batch("CREATE UNIQUE INDEX own ON Note (email COLLATE NOCASE)")
            .unwrap();
        let fixture = fixture.reopen();
        assert!(
            fixture
                .opened
                .warnings
                .iter()
                .any(|warning| warning.contains("`own`"))
        );
        fixture
            .sql(way, "INSERT OR REPLACE INTO Note VALUES (7, 'n', 'A@X')")
            .unwrap();
        assert_eq!(fixture.row(1i64), None);
        assert_eq!(fixture.overlay(1i64).unwrap().base, Some(note_row(1, "a", "a@x")));
        fixture
            .sql(way, "UPDATE OR REPLACE Note SET email = 'b@x' WHERE id = 3")
            .unwrap();
        assert_eq!(fixture.row(2i64), None);
        assert_eq!(fixture.overlay(2i64).unwrap().base, Some(note_row(2, "b", "b@x")));
        assert_eq!(fixture.overlay(3i64).unwrap().base, Some(note_row(3, "c", "c@x")));
        assert_eq!(fixture.overlay(7i64).unwrap().base, None);
    }
}

#[test]
fn update_then_update_or_replace_then_insert_or_replace() {
    each(|fixture, way| {
        fixture
            .sql(way, "UPDATE Note SET name = '1' WHERE id = 1")
            .unwrap();
        let first = fixture.overlay(1i64).unwrap();
        fixture
            .sql(way, "UPDATE OR REPLACE Note SET name = '2' WHERE id = 1")
            .unwrap();
        let second = fixture.overlay(1i64).unwrap();
        fixture
            .sql(way, "INSERT OR REPLACE INTO Note VALUES (1, '3', 'z')")
            .unwrap();
        let third = fixture.overlay(1i64).unwrap();
        assert!(first.edit < second.edit && second.edit < third.edit);
        assert_eq!(third.base, Some(note_row(1, "a", "a@x")));
        assert_eq!(fixture.row(1i64), Some(note_row(1, "3", "z")));
    });
}

#[test]
fn outer_conflict_clauses_change_nothing() {
    each(|fixture, way| {
        for clause in ["OR IGNORE", "OR REPLACE", "OR ABORT", "OR FAIL", "OR ROLLBACK"] {
            fixture
                .sql(
                    way,
                    &format!("UPDATE {clause} Note SET name = '{clause}' WHERE id IN (1, 2)"),
                )
                .unwrap();
        }
        fixture
            .sql(way, "INSERT OR IGNORE INTO Note VALUES (3, 'ignored', NULL)")
            .unwrap();
        fixture
            .sql(way, "INSERT OR IGNORE INTO Note VALUES (4, 'new', NULL)")
            .unwrap();
        assert_eq!(fixture.overlay(1i64).unwrap().base, Some(note_row(1, "a", "a@x")));
        assert_eq!(fixture.overlay(2i64).unwrap().base, Some(note_row(2, "b", "b@x")));
        assert_eq!(fixture.row(3i64), Some(note_row(3, "c", "c@x")));
        assert_eq!(fixture.overlay(4i64).unwrap().base, None);
    });
}

#[test]
fn changing_a_key_is_refused_whatever_the_clause() {
    each(|fixture, way| {
        for clause in ["", "OR IGNORE", "OR REPLACE", "OR FAIL"] {
            let error = fixture
                .sql(way, &format!("UPDATE {clause} Note SET id = 2 WHERE id = 1"))
                .unwrap_err();
            assert!(error.contains("key_change_refused"), "{clause}: {error}");
            assert!(error.contains("insert a record with the new key"), "{error}");
        }
        assert_eq!(fixture.row(1i64), Some(note_row(1, "a", "a@x")));
        assert_eq!(fixture.row(2i64), Some(note_row(2, "b", "b@x")));
        assert!(fixture.overlays().is_empty());
        fixture
            .sql(way, "UPDATE Note SET id = id, name = 'same key' WHERE id = 1")
            .unwrap();
    });
}

#[test]
fn delete_and_insert_again_is_one_changed_record() {
    each(|fixture, way| {
        fixture.sql(way, "DELETE FROM Note WHERE id = 1").unwrap();
        let deleted = fixture.overlay(1i64).unwrap();
        assert_eq!(
            (deleted.base.clone(), fixture.row(1i64)),
            (Some(note_row(1, "a", "a@x")), None)
        );
        fixture
            .sql(way, "INSERT INTO Note VALUES (1, 'again', NULL)")
            .unwrap();
        let again = fixture.overlay(1i64).unwrap();
        assert_eq!(again.base, deleted.base);
        assert!(again.edit > deleted.edit);
    });
}

#[test]
fn an_edit_undone_keeps_its_overlay_without_a_difference() {
    each(|fixture, way| {
        fixture
            .sql(way, "UPDATE Note SET name = 'x' WHERE id = 1")
            .unwrap();
        fixture
            .sql(way, "UPDATE Note SET name = 'a' WHERE id = 1")
            .unwrap();
        assert_eq!(fixture.overlay(1i64).unwrap().base, fixture.row(1i64));
    });
}

#[test]
fn a_create_deleted_again_stays_noted_without_base() {
    each(|fixture, way| {
        fixture
            .sql(
                way,
                "INSERT INTO Note VALUES (8, 'x', NULL); DELETE FROM Note WHERE id = 8",
            )
            .unwrap();
        assert_eq!(fixture.overlay(8i64).unwrap().base, None);
        assert_eq!(fixture.row(8i64), None);
    });
}

#[test]
fn statements_over_many_rows() {
    each(|fixture, way| {
        fixture.sql(way, "UPDATE Note SET name = name || '!'").unwrap();
        assert_eq!(fixture.overlays().len(), 3);
        fixture.sql(way, "DELETE FROM Note").unwrap();
        fixture
            .sql(way, "INSERT INTO Note (id, name) SELECT id + 10, name FROM (SELECT 1 AS id, 'm' AS name UNION SELECT 2, 'n')")
            .unwrap();
        let bases: Vec<bool> = fixture
            .overlays()
            .iter()
            .map(|overlay| overlay.base.is_some())
            .collect();
        assert_eq!(bases, [true, true, true, false, false]);
        assert_eq!(fixture.overlay(2i64).unwrap().base, Some(note_row(2, "b", "b@x")));
    });
}

#[test]
fn a_cascade_by_the_apps_own_trigger_is_tracked() {
    for way in ways() {
        let mut child = note();
        child.name = "Child".into();
        let fixture = fixture(vec![child, note()]);
        fixture.put(SYNC, &[note_row(5, "child", "1")]);
        fixture
            .connection()
            .execute_batch(
                "INSERT INTO Note VALUES (1, 'parent', NULL);
                 CREATE TRIGGER own AFTER DELETE ON Note BEGIN DELETE FROM Child WHERE email = OLD.id; END",
            )
            .unwrap();
        fixture.sql(way, "DELETE FROM Note WHERE id = 1").unwrap();
        assert_eq!(fixture.row(5i64), None);
        assert_eq!(
            fixture.overlay(5i64).unwrap().base,
            Some(note_row(5, "child", "1"))
        );
        let fixture = fixture.reopen();
        assert!(
            fixture
                .opened
                .warnings
                .iter()
                .any(|warning| warning.contains("trigger `own`"))
        );
    }
}

#[test]
fn tables_of_keys_only() {
    for way in ways() {
        let entity = EntitySchema::new(
            "PlaylistTrack",
            "read-write-last-write-wins",
            &["playlist", "track"],
            vec![
                Attribute::new("playlist", ValueType::Integer),
                Attribute::new("track", ValueType::Integer),
            ],
        );
        let fixture = fixture(vec![entity]);
        let row = |a: i64, b: i64| vec![Value::Integer(a), Value::Integer(b)];
        fixture.put(SYNC, &[row(1, 1), row(1, 2)]);
        fixture.put(SYNC, &[row(1, 1)]);
        fixture
            .sql(way, "DELETE FROM PlaylistTrack WHERE track = 2")
            .unwrap();
        fixture
            .sql(way, "INSERT OR REPLACE INTO PlaylistTrack VALUES (1, 3)")
            .unwrap();
        let error = fixture
            .sql(way, "UPDATE PlaylistTrack SET track = 9 WHERE track = 1")
            .unwrap_err();
        assert!(error.contains("key_change_refused"), "{error}");
        let error = fixture
            .sql(way, "INSERT INTO PlaylistTrack VALUES ('x', 3)")
            .unwrap_err();
        assert!(error.contains("invalid_key"), "{error}");
        let key = |a: i64, b: i64| Key(row(a, b));
        assert_eq!(fixture.overlay(key(1, 2)).unwrap().base, Some(row(1, 2)));
        assert_eq!(fixture.overlay(key(1, 3)).unwrap().base, None);
        assert_eq!(fixture.overlay(key(1, 1)), None);
    }
}

#[test]
fn the_api_tracks_as_sql_does() {
    let fixture = fixture(vec![note()]);
    fixture.put(SYNC, &[note_row(1, "a", "a@x"), note_row(2, "b", "b@x")]);
    fixture.put(Access::App, &[note_row(1, "A", "a@x"), note_row(3, "c", "c@x")]);
    fixture.remove(Access::App, &[Key::one(2i64), Key::one(77i64)]);
    fixture.insert(&note_row(4, "d", "d@x")).unwrap();
    let bases: Vec<_> = fixture
        .overlays()
        .into_iter()
        .map(|overlay| overlay.base)
        .collect();
    assert_eq!(
        bases,
        [
            Some(note_row(1, "a", "a@x")),
            Some(note_row(2, "b", "b@x")),
            None,
            None
        ]
    );
    assert_eq!(
        fixture.insert(&note_row(4, "d", "d@x")).unwrap_err().code(),
        "record_exists"
    );
}

#[test]
fn writes_to_read_only_entities_are_refused() {
    for way in ways() {
        let mut entity = note();
        entity.refuse_local_writes = true;
        let fixture = fixture(vec![entity]);
        fixture.put(SYNC, &[note_row(1, "a", "a@x")]);
        for sql in [
            "INSERT OR IGNORE INTO Note VALUES (2, 'b', NULL)",
            "UPDATE OR REPLACE Note SET name = 'b'",
            "DELETE FROM Note",
        ] {
            let error = fixture.sql(way, sql).unwrap_err();
            assert!(error.contains("read_only_entity"), "{error}");
        }
        assert_eq!(
            fixture.insert(&note_row(2, "b", "b")).unwrap_err().code(),
            "read_only_entity"
        );
        assert_eq!(fixture.row(1i64), Some(note_row(1, "a", "a@x")));
    }
}

#[test]
fn dropped_and_changed_triggers_are_healed_and_told() {
    for way in ways() {
        let fixture = fixture(vec![note()]);
        fixture.put(SYNC, &[note_row(1, "a", "a@x")]);
        let fixture = fixture.reopen();
        assert!(
            fixture.opened.warnings.is_empty(),
            "{:?}",
            fixture.opened.warnings
        );
        fixture
            .sql(
                way,
                "DROP TRIGGER _onsync_before_update_Note; DROP TRIGGER _onsync_before_delete_Note;
                 CREATE TRIGGER _onsync_before_delete_Note BEFORE DELETE ON Note BEGIN SELECT 1; END",
            )
            .unwrap();
        let fixture = fixture.reopen();
        let told = |word: &str| {
            fixture
                .opened
                .warnings
                .iter()
                .any(|warning| warning.contains(word))
        };
        assert!(
            told("missing") && told("changed"),
            "{:?}",
            fixture.opened.warnings
        );
        fixture.sql(way, "UPDATE Note SET name = 'b'").unwrap();
        assert_eq!(fixture.overlay(1i64).unwrap().base, Some(note_row(1, "a", "a@x")));
    }
}

#[test]
fn switching_the_pattern_switches_the_triggers() {
    let fixture = fixture(vec![note()]);
    let mut read_only = note();
    read_only.refuse_local_writes = true;
    common::wait(fixture.store.open(&schema_of(vec![read_only]))).unwrap();
    assert!(
        fixture
            .sql(Way::Connection, "INSERT INTO Note VALUES (1, NULL, NULL)")
            .is_err()
    );
    let opened = common::wait(fixture.store.open(&fixture.schema)).unwrap();
    assert!(opened.warnings.is_empty(), "{:?}", opened.warnings);
    fixture
        .sql(Way::Connection, "INSERT INTO Note VALUES (1, NULL, NULL)")
        .unwrap();
    assert_eq!(fixture.overlays().len(), 1);
}
