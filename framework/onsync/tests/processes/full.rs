//! Stores that run full (scenario 28): the device's file may not grow beyond a limit, as on a full disk.

use crate::children::ServerProcess;
use crate::place::{Device, Place, settings};
use onsync_core::{Error, Fields, Key};
use serde_json::json;

/// A full store refuses with this and nothing else.
#[track_caller]
fn assert_full(error: &Error) {
    assert_eq!(error.code(), "disk_full", "{error}");
    assert!(error.to_string().contains("free some space"), "{error}");
}

/// What the app was told is stored, and what it was told is not.
#[derive(Default)]
struct Told {
    stored: Vec<String>,
    refused: u32,
}

/// Creates and changes records until the store is full, or enough.
fn edit_until_full(device: &Device, limit: u64, told: &mut Told) {
    let app = device.app.blocking();
    for nth in 0..60i64 {
        let id = 1_000_000 + i64::try_from(limit).unwrap() + nth;
        let name = format!("{limit}.{nth}");
        let fields = Fields::new()
            .with("id", id)
            .with("name", name.clone())
            .with("note", "x".repeat(3_000));
        let there = |key: i64| app.get("Item", Key::one(key)).unwrap();
        match app.create("Item", fields) {
            Ok(_) => {
                assert!(there(id).is_some());
                told.stored.push(format!("made {name}"));
            }
            Err(error) => {
                assert_full(&error);
                assert!(there(id).is_none(), "what was refused is not there");
                told.refused += 1;
            }
        }
        let key = nth + 1;
        let before = there(key);
        if before.is_none() {
            continue;
        }
        let changed = format!("changed {name}");
        match app.update("Item", Key::one(key), Fields::new().with("name", changed.clone())) {
            Ok(()) => assert_eq!(there(key).unwrap().value("name"), &changed.into()),
            Err(error) => {
                assert_full(&error);
                assert_eq!(there(key), before, "what was refused changed nothing");
                told.refused += 1;
            }
        }
    }
}

#[test]
fn a_full_store_keeps_or_refuses_and_goes_on_when_there_is_room() {
    let place = Place::new(600, 500);
    let server = ServerProcess::start(&place.server(), "client", None);
    let (mut opened, mut failed, mut refused) = (0, 0, 0);
    for kilobytes in [
        8, 40, 80, 120, 160, 200, 260, 320, 380, 440, 500, 560, 640, 800, 1_200,
    ] {
        let store = place.path(&format!("device-{kilobytes}.sqlite"));
        let mut settings = settings(&store, &server.url());
        settings["page_rows"] = json!(50);
        let mut narrow = settings.clone();
        narrow["max_bytes"] = json!(kilobytes << 10);
        let mut told = Told::default();
        match Device::try_of_role(&narrow) {
            Err(error) => assert_full(&error),
            Ok(device) => {
                opened += 1;
                for _ in 0..2 {
                    if let Err(error) = device.try_sync() {
                        assert_full(&error);
                        failed += 1;
                    }
                }
                edit_until_full(&device, kilobytes, &mut told);
                for _ in 0..2 {
                    if let Err(error) = device.try_sync() {
                        assert_full(&error);
                        failed += 1;
                    }
                }
            }
        }
        refused += told.refused;
        let device = Device::of_role(&settings);
        device.settle();
        place.assert_equal(&store);
        place.assert_effects(told.stored);
    }
    println!("{opened} stores opened, {failed} syncs failed, {refused} edits were refused");
    assert!(
        opened > 8 && failed > 8 && refused > 50,
        "{opened}, {failed}, {refused}: the limits miss"
    );
}

#[test]
fn a_full_server_database_keeps_every_change_on_its_device() {
    let place = Place::new(100, 500);
    let store = place.path("device.sqlite");
    let grown = std::fs::metadata(place.server()).unwrap().len();
    let mut server = ServerProcess::bounded(&place.server(), grown + (256 << 10));
    let mut told = Vec::new();
    let mut failed = 0;
    {
        let device = Device::of_role(&settings(&store, &server.url()));
        device.settle();
        for round in 0..12i64 {
            for nth in 0..10i64 {
                let id = 1_000_000 + round * 10 + nth;
                let name = format!("new {id}");
                let fields = Fields::new()
                    .with("id", id)
                    .with("name", name.clone())
                    .with("note", "x".repeat(6_000));
                device.app.blocking().create("Item", fields).unwrap();
                told.push(format!("made {name}"));
            }
            if let Err(error) = device.try_sync() {
                // What went wrong on the server is told by its code and hides nothing of the database.
                assert!(error.kind().may_pass(), "{error}");
                failed += 1;
            }
        }
        let waiting = device.app.blocking().waiting(1_000).unwrap();
        assert!(!waiting.is_empty(), "what the server had no room for waits here");
        let status = device.app.status();
        assert_eq!(status.rejected, 0);
    }
    assert!(failed > 2, "{failed}: the limit misses");
    server.kill();
    let server = ServerProcess::start(&place.server(), "client", None);
    let device = Device::of_role(&settings(&store, &server.url()));
    device.settle();
    place.assert_equal(&store);
    place.assert_effects(told);
}
