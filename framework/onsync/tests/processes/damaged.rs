//! Store files that are damaged between two runs of an app (scenario 31).

use crate::children::{DeviceProcess, ServerProcess};
use crate::place::{Device, Place, settings};
use crate::proxy::{Fate, Proxy};
use serde_json::{Value as Json, json};
use std::fs::{self, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;

/// A store with 300 records, and edits that were cut but reached nobody; closed.
fn prepare(place: &Place, settings: &Json, proxy: &Proxy) {
    let mut process = DeviceProcess::start(settings);
    process.sync();
    assert_eq!(process.ask("edit 0")["ok"], true);
    proxy.script([Fate::Answered(""), Fate::Answered("")]);
    let answer = process.ask("sync");
    assert!(answer["error"].is_string(), "{answer}");
    proxy.script([]);
    drop(process);
    // Everything into the file itself: a log beside it would heal what is damaged here.
    let store = Path::new(settings["path"].as_str().unwrap());
    let connection = crate::place::open(store);
    connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    drop(connection);
    place.assert_effects([]);
}

/// The next run: what it says on opening, and the state after a sync.
fn run_again(place: &Place, settings: &Json) -> (Option<String>, Vec<String>) {
    let device = Device::of_role(settings);
    let opened = device.app.opened().clone();
    device.sync();
    device.sync();
    let store = settings["path"].as_str().unwrap();
    drop(device);
    place.assert_equal(Path::new(store));
    (opened.set_aside, opened.warnings)
}

fn damaged(damage: impl Fn(&Path)) -> (Place, Option<String>, Vec<String>) {
    let place = Place::new(300, 200);
    let server = ServerProcess::start(&place.server(), "client", None);
    let proxy = Proxy::to(&server.address);
    let store = place.path("device.sqlite");
    let mut settings = settings(&store, &proxy.url());
    settings["page_rows"] = json!(50);
    prepare(&place, &settings, &proxy);
    damage(&store);
    let (set_aside, warnings) = run_again(&place, &settings);
    (place, set_aside, warnings)
}

/// Writes over the file from here on.
fn overwrite(store: &Path, from: u64, length: usize) {
    let mut file = OpenOptions::new().write(true).open(store).unwrap();
    file.seek(SeekFrom::Start(from)).unwrap();
    file.write_all(&vec![0xa5; length]).unwrap();
}

fn assert_set_aside(set_aside: Option<String>, warnings: &[String]) -> String {
    let file = set_aside.expect("the file is set aside");
    assert!(Path::new(&file).exists(), "{file}");
    assert!(
        warnings.iter().any(|warning| warning.contains("set aside")),
        "{warnings:?}"
    );
    file
}

#[test]
fn garbage_in_place_of_a_store_is_set_aside() {
    for bytes in [
        &b"not a database at all"[..],
        &[0xa5; 100_000],
        b"SQLite format 3\0 and no more",
    ] {
        let (place, set_aside, warnings) = damaged(|store| fs::write(store, bytes).unwrap());
        let file = assert_set_aside(set_aside, &warnings);
        assert_eq!(fs::read(file).unwrap(), bytes, "kept as it was found");
        place.assert_effects([]);
    }
}

#[test]
fn a_store_of_zero_length_is_a_new_store() {
    let (place, set_aside, _) = damaged(|store| drop(fs::File::create(store).unwrap()));
    assert_eq!(set_aside, None, "there is nothing to set aside");
    place.assert_effects([]);
}

#[test]
fn a_store_cut_off_anywhere_is_set_aside() {
    for tenths in 1..10 {
        let (_place, set_aside, warnings) = damaged(|store| {
            let file = OpenOptions::new().write(true).open(store).unwrap();
            let length = file.metadata().unwrap().len();
            file.set_len(length * tenths / 10).unwrap();
        });
        assert_set_aside(set_aside, &warnings);
    }
}

/// Where the first page of a table lies.
fn root_of(store: &Path, name: &str) -> u64 {
    let connection = crate::place::open(store);
    let query = |sql: &str| -> u64 { connection.query_row(sql, [], |row| row.get(0)).unwrap() };
    let root = query(&format!(
        "SELECT rootpage FROM sqlite_master WHERE name = '{name}'"
    ));
    (root - 1) * query("PRAGMA page_size")
}

#[test]
fn the_outbox_of_a_damaged_store_is_saved() {
    let (place, set_aside, warnings) = damaged(|store| {
        overwrite(store, root_of(store, "Item"), 4_096);
        // As after a crash, which has the file looked through.
        fs::write(format!("{}-wal", store.display()), b"left over").unwrap();
    });
    assert_set_aside(set_aside, &warnings);
    assert!(
        !warnings.iter().any(|warning| warning.contains(" 0 entries")),
        "{warnings:?}"
    );
    place.assert_effects(crate::place::effects_of(0));
}
