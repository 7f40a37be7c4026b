//! An app's own triggers on the tables of its device (scenario 37).

use crate::children::ServerProcess;
use crate::place::{Device, Place, settings};
use onsync_core::{Fields, Key};
use serde_json::json;

#[test]
fn an_apps_trigger_runs_for_the_apps_edits_only() {
    run("client");
}

#[test]
fn an_apps_trigger_touches_records_whose_keys_the_server_issues() {
    run("server");
}

fn run(ids: &str) {
    let place = Place::new(50, 5);
    let server = ServerProcess::start(&place.server(), ids, None);
    let store = place.path("device.sqlite");
    let mut settings = settings(&store, &server.url());
    settings["ids"] = json!(ids);
    let device = Device::of_role(&settings);
    let own = device.store.connection().unwrap();
    own.execute_batch(
        "CREATE TABLE fired (id INTEGER);
         CREATE TRIGGER stamp_changed AFTER UPDATE OF name ON Item BEGIN
             UPDATE Item SET note = 'stamped ' || NEW.name WHERE id = NEW.id;
             INSERT INTO fired VALUES (NEW.id);
         END;
         CREATE TRIGGER stamp_new AFTER INSERT ON Item BEGIN
             UPDATE Item SET note = 'new ' || NEW.name WHERE id = NEW.id;
             INSERT INTO fired VALUES (NEW.id);
         END;
         CREATE TRIGGER gone AFTER DELETE ON Item BEGIN INSERT INTO fired VALUES (OLD.id); END;",
    )
    .unwrap();
    let fired = || -> i64 {
        own.query_row("SELECT count(*) FROM fired", [], |row| row.get(0))
            .unwrap()
    };
    device.sync();
    place
        .connection()
        .execute_batch(
            "UPDATE Item SET name = 'theirs ' || id WHERE id < 10; DELETE FROM Item WHERE id > 40;
             INSERT INTO Item VALUES (900, 'theirs', NULL, 1); DELETE FROM effect;",
        )
        .unwrap();
    device.sync();
    assert_eq!(fired(), 0, "pulled rows do not run the app's triggers");
    idle(&device);
    place.assert_equal(&store);
    let app = device.app.blocking();
    app.update("Item", Key::one(3i64), Fields::new().with("name", "mine"))
        .unwrap();
    let mut made = Fields::new().with("name", "made");
    if ids == "client" {
        made = made.with("id", 1_000i64);
    }
    app.create("Item", made).unwrap();
    // Plain SQL of the app is tracked and stamped the same way.
    own.execute("UPDATE Item SET name = 'by SQL' WHERE id = 4", [])
        .unwrap();
    assert!(fired() >= 3);
    let before = fired();
    assert_eq!(device.sync().applied, 3);
    place.assert_effects(
        [
            "name mine",
            "note stamped mine",
            "name by SQL",
            "note stamped by SQL",
            "made made",
        ]
        .map(str::to_owned),
    );
    idle(&device);
    assert_eq!(fired(), before);
    place.assert_equal(&store);
    let stamped: i64 = place
        .connection()
        .query_row(
            "SELECT count(*) FROM Item WHERE note IN ('stamped mine', 'stamped by SQL', 'new made')",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(stamped, 3);
}

/// Five syncs in which nothing travels in either direction.
#[track_caller]
fn idle(device: &Device) {
    device.sync();
    for _ in 0..5 {
        let summary = device.sync();
        assert_eq!((summary.applied, summary.received, summary.removed), (0, 0, 0));
    }
    device.assert_clean();
}
