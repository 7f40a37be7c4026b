//! Files that cannot be read are set aside, said so, and what can be saved is saved.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first failure"
)]

mod common;

use common::{SYNC, fixture, note, note_row, schema_of, wait};
use onsync_core::store::local::{Access, LocalStore as _, Opened};
use onsync_sqlite_store::{SqliteStore, SqliteStoreOptions};
use std::path::Path;

fn open(path: &Path) -> (SqliteStore, Opened) {
    let store = SqliteStore::new(path, SqliteStoreOptions::default());
    let opened = wait(store.open(&schema_of(vec![note()]))).unwrap();
    (store, opened)
}

#[test]
fn garbage_is_set_aside_each_time_under_another_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sqlite");
    for (number, garbage) in [(1, vec![b'x'; 10_000]), (2, b"hi".to_vec())] {
        std::fs::write(&path, &garbage).unwrap();
        let (store, opened) = open(&path);
        assert!(opened.created);
        let aside = opened.set_aside.unwrap();
        assert!(
            aside.ends_with(&format!("app.sqlite.unreadable-{number}")),
            "{aside}"
        );
        assert_eq!(std::fs::read(&aside).unwrap(), garbage);
        wait(wait(store.begin(Access::App)).unwrap().commit()).unwrap();
        drop(store);
    }
}

#[test]
fn a_file_of_no_length_is_a_new_store_and_that_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sqlite");
    std::fs::write(&path, b"").unwrap();
    let (store, opened) = open(&path);
    assert!(opened.created && opened.set_aside.is_none());
    let said = opened.warnings.join(" ");
    assert!(
        said.contains("no length") && said.contains("app.sqlite"),
        "{said}"
    );
    drop(store);
    let (_store, again) = open(&path);
    assert!(again.warnings.is_empty(), "{:?}", again.warnings);
}

#[test]
fn a_file_cut_off_is_set_aside_and_its_outbox_saved() {
    let filled = fixture(vec![note()]);
    let mut transaction = filled.begin(SYNC);
    for number in 0..3u8 {
        wait(transaction.area_put("outbox", &[number], b"mutation")).unwrap();
    }
    wait(transaction.commit()).unwrap();
    let rows: Vec<_> = (0..2000)
        .map(|id| note_row(id, "some text", "more text"))
        .collect();
    filled.put(SYNC, &rows);
    let path = filled.path();
    let common::Fixture { folder, store, .. } = filled;
    drop(store);
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    let length = file.metadata().unwrap().len();
    file.set_len(length * 2 / 3).unwrap();
    drop(file);
    let (store, opened) = open(&path);
    assert!(opened.set_aside.is_some());
    assert!(
        opened
            .warnings
            .iter()
            .any(|warning| warning.contains("3 entries")),
        "{:?}",
        opened.warnings
    );
    let mut transaction = wait(store.begin(Access::Read)).unwrap();
    assert_eq!(wait(transaction.area_scan("outbox", None, 10)).unwrap().len(), 3);
    drop(transaction);
    drop(folder);
}

#[test]
fn damage_is_found_after_an_unclean_stop() {
    let filled = fixture(vec![note()]);
    let rows: Vec<_> = (0..2000)
        .map(|id| note_row(id, "some text", "more text"))
        .collect();
    filled.put(SYNC, &rows);
    let connection = filled.connection();
    connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    drop(connection);
    filled.put(SYNC, &[note_row(1, "later", "in the log")]);
    // A copy of the files while the store is open is what a crash leaves.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sqlite");
    let copy = |suffix: &str| {
        let from = format!("{}{suffix}", filled.path().display());
        std::fs::copy(from, format!("{}{suffix}", path.display())).unwrap();
    };
    copy("");
    copy("-wal");
    let (store, opened) = open(&path);
    assert!(opened.set_aside.is_none() && !opened.created);
    drop(store);

    copy("");
    copy("-wal");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 8192].fill(0xAA);
    std::fs::write(&path, bytes).unwrap();
    let (_store, opened) = open(&path);
    assert!(opened.set_aside.is_some(), "{opened:?}");
}

#[test]
fn a_path_that_cannot_be_is_told() {
    let folder = tempfile::tempdir().unwrap();
    for path in [
        folder.path().join("missing/app.sqlite"),
        folder.path().to_owned(),
        ":memory:".into(),
    ] {
        let store = SqliteStore::new(path, SqliteStoreOptions::default());
        let error = wait(store.open(&schema_of(vec![note()]))).unwrap_err();
        assert_eq!(error.code(), "store_unavailable", "{error}");
    }
    let store = SqliteStore::new(folder.path().join("new"), SqliteStoreOptions::default());
    assert_eq!(
        wait(store.begin(Access::Read)).err().unwrap().code(),
        "store_not_open"
    );
    assert_eq!(wait(store.begin(SYNC)).err().unwrap().code(), "store_not_open");
}

#[test]
fn another_program_that_writes_too_long_is_told() {
    let fixture = common::fixture_with(
        vec![note()],
        SqliteStoreOptions {
            busy_timeout_ms: 20,
            ..SqliteStoreOptions::default()
        },
    );
    let connection = fixture.connection();
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = wait(fixture.store.begin(SYNC)).err().unwrap();
    assert_eq!(error.code(), "store_busy");
    assert!(error.kind().may_pass());
    drop(connection);
    fixture.put(SYNC, &[note_row(1, "a", "b")]);
}

#[test]
fn a_file_in_use_is_shared_and_never_set_aside() {
    let fixture = common::fixture(vec![note()]);
    fixture.put(SYNC, &[note_row(1, "a", "b")]);
    let (second, opened) = open(&fixture.path());
    assert_eq!(opened, Opened::default());
    let mut transaction = wait(second.begin(Access::App)).unwrap();
    wait(transaction.remove(fixture.entity(), &[1i64.into()])).unwrap();
    wait(transaction.commit()).unwrap();
    assert!(fixture.overlay(1i64).unwrap().base.is_some());
    drop(second);

    fixture
        .connection()
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    std::fs::write(fixture.path(), [b'x'; 8192]).unwrap();
    let third = SqliteStore::new(fixture.path(), SqliteStoreOptions::default());
    let error = wait(third.open(&schema_of(vec![note()]))).unwrap_err();
    assert_eq!(error.code(), "store_corrupt", "{error}");
    assert!(error.to_string().contains("another program"), "{error}");
    assert!(fixture.path().exists());
}
