//! Rejected changes and the bins of both sides, as the command line shows them and acts on them.

mod support;

use serde_json::json;
use support::{Device, Place, Served, rows};

const SHOP: &str = "
    CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, city TEXT);
    CREATE TABLE visits (id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customers (id), note TEXT);
    INSERT INTO customers VALUES (1, 'Ada', 'Ashbourne'), (2, 'Ben', 'Dunham');
    INSERT INTO visits VALUES (10, 1, 'first');";

struct Shop {
    place: Place,
    database: rusqlite::Connection,
    served: Served,
    device: Device,
}

fn shop() -> Shop {
    let place = Place::new();
    let database = place.database("shop.db", SHOP);
    place
        .onsync(&["add", "Customer", "Visit", "--from", "shop.db"])
        .expect(0);
    let served = Served::start(&place, &[], &[]);
    let device = Device::of(&place, &served.url);
    device.onsync(&["sync"]).expect(0);
    Shop {
        place,
        database,
        served,
        device,
    }
}

#[test]
fn a_device_that_never_synced_has_empty_lists() {
    let place = Place::new();
    place.database("shop.db", SHOP);
    place.onsync(&["add", "Customer", "--from", "shop.db"]).expect(0);
    place
        .onsync(&["rejected", "list"])
        .expect(0)
        .says("no change was refused");
    place.onsync(&["bin", "list"]).expect(0).says("the bin is empty");
    let empty = place.onsync(&["bin", "list", "--json"]).expect(0).json();
    assert_eq!(empty, json!({ "bin": [], "more": false }));
    let missing = place
        .onsync(&["rejected", "show", "1", "--json"])
        .expect(1)
        .json();
    assert_eq!(missing["error"]["code"], "not_synced_yet");
    place
        .onsync(&["bin", "empty", "--since", "a while ago"])
        .expect(2)
        .complains("invalid_moment");
    place.onsync(&["rejected"]).expect(2);
    assert!(!place.path("device.sqlite").exists(), "looking makes nothing");
}

#[test]
fn refused_changes_are_listed_shown_sent_again_and_discarded() {
    let shop = shop();
    let device = &shop.device;
    device
        .store()
        .execute_batch(
            "INSERT INTO \"Customer\" (name, city) VALUES ('Ada', 'line one\nline two');
             INSERT INTO \"Visit\" (customer_id, note) SELECT max(id), 'held' FROM \"Customer\";
             UPDATE \"Customer\" SET name = 'Ada' WHERE id = 2;",
        )
        .unwrap();
    let refused = device.onsync(&["sync"]).expect(5);
    refused.says("onsync rejected list shows what was refused and why");
    assert!(!refused.out.contains("waiting"), "nothing waits: {refused:?}");
    assert!(!refused.out.contains("onsync conflicts"), "{refused:?}");
    assert!(!refused.out.contains("onsync status"), "{refused:?}");
    device
        .onsync(&["sync"])
        .expect(0)
        .says("onsync rejected list shows what was refused and why");
    let list = device.onsync(&["rejected", "list", "--json"]).expect(0).json();
    let listed = list["rejected"].as_array().unwrap();
    let of = |kind: &str| {
        let found = listed
            .iter()
            .find(|change| change["kind"] == kind && change["entity"] == "Customer")
            .unwrap();
        (found["number"].to_string(), found.clone())
    };
    let ((create, created), (update, updated)) = (of("create"), of("update"));
    assert_eq!(created["values"]["name"], "Ada", "{list}");
    assert_eq!(created["code"], "constraint_violated");
    assert_eq!(created["dependents"][0]["entity"], "Visit", "{list}");
    assert_eq!(created["dependents"][0]["parent"], created["key"]);
    assert_eq!(updated["key"], json!([2]));

    let text = device.onsync(&["rejected", "list"]).expect(0);
    text.says("Customer 2")
        .says("[constraint_violated]")
        .says("1 record");
    assert!(!text.out.contains('\u{1b}'), "no colours in a pipe: {text:?}");
    let shown = device.onsync(&["rejected", "show", &create]).expect(0);
    shown
        .says("line one⏎line two")
        .says("1 record is held because of it")
        .says("customer");
    device.onsync(&["status"]).expect(5).says("onsync rejected list");

    // The reason goes: sent again as it is.
    shop.database
        .execute("UPDATE customers SET name = 'Ada the first' WHERE id = 1", [])
        .unwrap();
    device
        .onsync(&["rejected", "retry", &update])
        .expect(0)
        .says("next sync");
    device.onsync(&["sync"]).expect(0);
    assert_eq!(
        rows(&shop.database, "SELECT name FROM customers WHERE id = 2"),
        [["Ada"]]
    );
    let gone = device
        .onsync(&["rejected", "retry", &update, "--json"])
        .expect(1)
        .json();
    assert_eq!(gone["error"]["code"], "rejected_entry_missing");

    let dry = device
        .onsync(&["rejected", "discard", &create, "--dry-run"])
        .expect(0);
    dry.says("was made here and leaves").says("nothing was done");
    let discarded = device
        .onsync(&["rejected", "discard", &create, "--json"])
        .expect(0)
        .json();
    assert_eq!(discarded["dry_run"], false);
    assert_eq!(
        discarded["discarded"][0]["records"].as_array().unwrap().len(),
        2,
        "{discarded}"
    );
    device
        .onsync(&["rejected", "list"])
        .expect(0)
        .says("no change was refused");
    let bin = device.onsync(&["bin", "list", "--json"]).expect(0).json();
    assert_eq!(bin["bin"].as_array().unwrap().len(), 2, "{bin}");
    assert_eq!(bin["bin"][0]["reason"], "discarded");
    device.onsync(&["sync"]).expect(0);
    assert_eq!(rows(&shop.database, "SELECT count(*) FROM visits"), [["1"]]);
}

#[test]
fn the_bin_of_a_device_gives_back() {
    let shop = shop();
    let device = &shop.device;
    device
        .store()
        .execute("UPDATE \"Visit\" SET note = 'mine' WHERE id = 10", [])
        .unwrap();
    shop.database
        .execute("DELETE FROM visits WHERE id = 10", [])
        .unwrap();
    device.onsync(&["sync"]).expect(0);
    let list = device.onsync(&[
        "bin", "list", "--entity", "Visit", "--reason", "gone", "--since", "1h", "--json",
    ]);
    let list = list.expect(0).json();
    let id = list["bin"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(list["bin"][0]["values"]["note"], "mine", "{list}");
    device
        .onsync(&["bin", "list", "--reason", "overwritten"])
        .expect(0)
        .says("the bin is empty");
    let end = &id[id.len() - 8..];
    let text = device.onsync(&["bin", "list"]).expect(0);
    text.says(end).says("Visit 10").says("gone").says("note=mine");
    let shown = device.onsync(&["bin", "show", end]).expect(0);
    shown.says(&id).says("not on this device now");
    let unknown = device
        .onsync(&["bin", "show", "ffffffff0", "--json"])
        .expect(1)
        .json();
    assert_eq!(unknown["error"]["code"], "no_such_entry");
    device
        .onsync(&["bin", "restore", end])
        .expect(0)
        .says("is restored");
    device.onsync(&["sync"]).expect(0);
    assert_eq!(rows(&shop.database, "SELECT note FROM visits"), [["mine"]]);
    device.onsync(&["bin", "list"]).expect(0).says("the bin is empty");
}

#[test]
fn the_bin_of_the_server_holds_what_was_overwritten_unseen() {
    let shop = shop();
    let other = Device::of(&shop.place, &shop.served.url);
    other.onsync(&["sync"]).expect(0);
    for (device, city) in [(&shop.device, "Holloway"), (&other, "Ely")] {
        device
            .store()
            .execute("UPDATE \"Customer\" SET city = ?1 WHERE id = 1", [city])
            .unwrap();
        device.onsync(&["sync"]).expect(0);
    }
    let on_server = |arguments: &[&str]| shop.place.onsync(&[&["bin", "--server"], arguments].concat());
    let list = on_server(&["list", "--json"]).expect(0).json();
    let entry = &list["bin"][0];
    assert_eq!(
        (&entry["values"], &entry["deleted"]),
        (&json!({ "city": "Holloway" }), &json!(false)),
        "{list}"
    );
    on_server(&["list"])
        .expect(0)
        .says("Customer 1")
        .says("overwritten by")
        .says("city=Holloway");
    on_server(&["list", "--reason", "gone"])
        .expect(2)
        .complains("reason_without_meaning");
    let id = entry["id"].as_str().unwrap();
    on_server(&["show", id]).expect(0).says("Holloway");
    on_server(&["empty"])
        .expect(2)
        .complains("1 entry")
        .complains("--yes");
    on_server(&["restore", id]).expect(0).says("devices get it");
    assert_eq!(
        rows(&shop.database, "SELECT city FROM customers WHERE id = 1"),
        [["Holloway"]]
    );
    other.onsync(&["sync"]).expect(0);
    assert_eq!(
        rows(&other.store(), "SELECT city FROM \"Customer\" WHERE id = 1"),
        [["Holloway"]]
    );
    let removed = on_server(&["empty", "--yes", "--json"]).expect(0).json();
    assert_eq!(removed, json!({ "removed": 0 }));
}
