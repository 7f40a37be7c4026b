//! Record families over real HTTP and SQLite: made offline, refused, fetched before they are acknowledged, orphaned by others (scenarios 20, 21,
//! 22 and 36).

use crate::children::ServerProcess;
use crate::place::{DETECTION, Device, FAMILY, Place, open, settings, wait};
use crate::proxy::{Fate, Proxy};
use onsync_core::conflict::Resolution;
use onsync_core::{Fields, Key, Value};
use serde_json::{Value as Json, json};
use std::path::Path;

struct Net {
    place: Place,
    _server: ServerProcess,
    proxy: Proxy,
    settings: Json,
}

impl Net {
    fn new(pattern: &str, ids: &str) -> Self {
        let place = Place::new(3, 5);
        let server = ServerProcess::of_pattern(&place.server(), ids, pattern);
        let proxy = Proxy::to(&server.address);
        let mut settings = settings(&place.path("device.sqlite"), &proxy.url());
        settings["pattern"] = json!(pattern);
        settings["ids"] = json!(ids);
        Self {
            place,
            _server: server,
            proxy,
            settings,
        }
    }

    fn device(&self) -> Device {
        Device::of_role(&self.settings)
    }

    fn store(&self) -> std::path::PathBuf {
        self.place.path("device.sqlite")
    }

    /// Device and server hold the same families, whatever their keys are.
    #[track_caller]
    fn assert_equal(&self) {
        self.place.assert_equal(&self.store());
        assert_eq!(screws(&self.place.server()), screws(&self.store()));
    }
}

/// Every screw, by name, with the names of its part and its item.
fn screws(path: &Path) -> Vec<String> {
    let sql = "SELECT s.name || ' of ' || ifnull(p.name, '-') || ' of ' || ifnull(i.name, '-')
        FROM Screw s LEFT JOIN Part p ON p.id = s.part_id LEFT JOIN Item i ON i.id = p.item_id ORDER BY 1";
    let connection = open(path);
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

fn key(key: &Key) -> Value {
    key.values()[0].clone()
}

/// A parent, three children and a grandchild, offline.
fn make_family(device: &Device, name: &str) -> Key {
    let app = device.app.blocking();
    let item = app.create("Item", Fields::new().with("name", name)).unwrap();
    for nth in 1..=3 {
        let part = Fields::new()
            .with("item_id", key(&item))
            .with("name", format!("{name} part {nth}"));
        let part = app.create("Part", part).unwrap();
        if nth == 1 {
            let screw = Fields::new()
                .with("part_id", key(&part))
                .with("name", format!("{name} screw"));
            app.create("Screw", screw).unwrap();
        }
    }
    item
}

fn effects_of(name: &str) -> Vec<String> {
    let parts = (1..=3).map(|nth| format!("part {name} part {nth}"));
    parts
        .chain([format!("made {name}"), format!("screw {name} screw")])
        .collect()
}

/// Scenario 20: nobody hears of the answer, the process ends, the next one repeats.
#[test]
fn a_family_made_offline_arrives_once_though_its_answer_is_lost() {
    for fate in [Fate::NoAnswer, Fate::CutAfter(60), Fate::Twice] {
        let net = Net::new(FAMILY, "server");
        let device = net.device();
        device.sync();
        make_family(&device, "new");
        net.proxy.script([fate]);
        let _ = device.try_sync();
        drop(device);
        let device = net.device();
        device.settle();
        net.assert_equal();
        assert_eq!(screws(&net.place.server()), ["new screw of new part 1 of new"]);
        net.place.assert_effects(effects_of("new"));
        assert_eq!(net.place.effects().len(), 5, "{fate:?}: nothing but the family");
    }
}

/// Scenario 22: a context that only fetches brings the server's copy before the create is acknowledged.
#[test]
fn a_fetch_before_the_acknowledgement_makes_nothing_twice() {
    let net = Net::new(FAMILY, "server");
    let device = net.device();
    device.sync();
    let item = make_family(&device, "new");
    net.proxy.script([Fate::NoAnswer]);
    assert!(device.try_sync().is_err());
    let fetched = device.app.blocking().on_sync("Fetch", &Default::default());
    fetched.unwrap().into_result().unwrap();
    let names = crate::place::contents(&net.store());
    assert_eq!(names.len(), 3 + 4, "one record each: {names:?}");
    let there = wait(device.app.get("Item", item)).unwrap();
    assert_eq!(there.unwrap().value("name"), &"new".into(), "by its local key");
    device.settle();
    net.assert_equal();
    net.place.assert_effects(effects_of("new"));
}

/// Scenario 21: the parent is refused, or deleted by others; its family is held with the cause, others flow, and no orphan is stored.
#[test]
fn a_refused_or_deleted_parent_holds_its_family_and_nothing_else() {
    let net = Net::new(FAMILY, "server");
    let refuses = "CREATE TRIGGER refuses BEFORE INSERT ON Item WHEN NEW.name = 'refused'
        BEGIN SELECT RAISE(ABORT, 'refused by the house'); END";
    net.place.connection().execute_batch(refuses).unwrap();
    let device = net.device();
    device.sync();
    make_family(&device, "refused");
    let app = device.app.blocking();
    let under = Fields::new()
        .with("item_id", 2i64)
        .with("name", "under a deleted one");
    app.create("Part", under).unwrap();
    make_family(&device, "flows");
    let gone = "DELETE FROM Item WHERE id = 2; DELETE FROM effect";
    net.place.connection().execute_batch(gone).unwrap();
    device.sync();
    device.sync();
    net.place.assert_effects(effects_of("flows"));
    assert_eq!(net.place.effects().len(), 5, "{:?}", net.place.effects());
    let listed = wait(device.app.rejected(10)).unwrap();
    let mut causes: Vec<(&str, usize)> = listed
        .iter()
        .filter(|change| change.entry.cause.is_none())
        .map(|change| (change.entry.entity.as_str(), change.dependents.len()))
        .collect();
    causes.sort_unstable();
    assert_eq!(causes, [("Item", 4), ("Part", 0)], "{listed:?}");
    for change in listed.iter().filter(|change| change.entry.cause.is_none()) {
        wait(device.app.discard_rejected(change.entry.number)).unwrap();
    }
    device.settle();
    net.assert_equal();
    net.place.assert_effects(effects_of("flows"));
}

/// Scenario 21: children of a new parent in conflict wait for it.
#[test]
fn children_of_a_parent_in_conflict_wait_for_the_decision() {
    let net = Net::new(DETECTION, "client");
    let device = net.device();
    device.sync();
    let app = device.app.blocking();
    app.create("Item", Fields::new().with("id", 500i64).with("name", "mine"))
        .unwrap();
    let theirs = "INSERT INTO Item VALUES (500, 'theirs', NULL, NULL); DELETE FROM effect";
    net.place.connection().execute_batch(theirs).unwrap();
    device.sync();
    let part = Fields::new()
        .with("id", 1i64)
        .with("item_id", 500i64)
        .with("name", "child");
    app.create("Part", part).unwrap();
    device.sync();
    let [conflict] = wait(device.app.conflicts(None, 10)).unwrap().try_into().unwrap();
    assert_eq!(net.place.effects().len(), 0, "the child waits");
    wait(
        device
            .app
            .resolve_conflict("Item", conflict.key, Resolution::KeepMine),
    )
    .unwrap();
    device.settle();
    net.place.assert_equal(&net.store());
    net.place
        .assert_effects(["name mine".to_owned(), "part child".to_owned()]);
}

/// Scenario 36: a child whose parent is nowhere, two records that swap a unique value, and many parents that change.
#[test]
fn an_orphan_of_others_swapped_values_and_a_refresh_of_parents_harm_nobody() {
    for pattern in [FAMILY, DETECTION] {
        let net = Net::new(pattern, "server");
        let unique = "CREATE UNIQUE INDEX one_amount ON Item (amount);
            INSERT INTO Part VALUES (1, 1, 'child'), (2, 999, 'orphan');";
        net.place.connection().execute_batch(unique).unwrap();
        let device = net.device();
        device.sync();
        let others = "UPDATE Item SET amount = -1 WHERE id = 1;
            UPDATE Item SET amount = 1 WHERE id = 2;
            UPDATE Item SET amount = 2 WHERE id = 1;
            UPDATE Item SET note = 'refreshed';
            INSERT INTO Part VALUES (3, 998, 'second orphan');
            DELETE FROM effect;";
        net.place.connection().execute_batch(others).unwrap();
        device.settle();
        net.place.assert_equal(&net.store());
        assert_eq!(
            crate::place::contents(&net.store()).len(),
            3 + 3,
            "no child is deleted"
        );
        assert!(net.place.effects().is_empty(), "nothing is pushed");
    }
}
