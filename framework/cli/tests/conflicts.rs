//! Open conflicts as the command line shows them and ends them.

mod support;

use serde_json::json;
use support::{Device, Place, Served, rows};

const SHOP: &str = "
    CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, city TEXT);
    INSERT INTO customers VALUES (1, 'Ada', 'Ashbourne'), (2, 'Ben', 'Dunham'), (3, 'Cleo', 'Ely'), (4, 'Dora', 'Fife');";

#[test]
fn conflicts_are_shown_side_by_side_and_end_as_told() {
    let place = Place::new();
    let database = place.database("shop.db", SHOP);
    let pattern = ["--pattern", "read-write-conflict-detection"];
    place
        .onsync(&[&["add", "Customer", "--from", "shop.db"], &pattern[..]].concat())
        .expect(0);
    let served = Served::start(&place, &[], &[]);
    let device = Device::of(&place, &served.url);
    device
        .onsync(&["conflicts", "list"])
        .expect(0)
        .says("no conflict is open");
    device.onsync(&["sync"]).expect(0);
    device
        .store()
        .execute_batch(
            "UPDATE \"Customer\" SET city = 'mine'; UPDATE \"Customer\" SET name = 'me' WHERE id = 4",
        )
        .unwrap();
    database
        .execute("UPDATE customers SET city = 'theirs'", [])
        .unwrap();
    let contested = device.onsync(&["sync"]).expect(5);
    contested.says("onsync conflicts list shows both sides of each conflict");
    assert!(!contested.out.contains("onsync rejected"), "{contested:?}");

    let list = device.onsync(&["conflicts", "list", "--json"]).expect(0).json();
    let open = list["conflicts"].as_array().unwrap();
    assert_eq!(open.len(), 4, "{list}");
    let id = |key: i64| {
        let found = open
            .iter()
            .find(|conflict| conflict["key"] == json!([key]))
            .unwrap();
        found["id"].as_str().unwrap().to_owned()
    };
    let text = device
        .onsync(&["conflicts", "list", "--entity", "Customer"])
        .expect(0);
    text.says("Customer 1").says("changed on both sides").says("city");
    let (first, end) = (id(1), id(1)[28..].to_owned());
    let shown = device.onsync(&["conflicts", "show", &end]).expect(0);
    shown.says("Ashbourne").says("mine").says("theirs");
    device.onsync(&["conflicts", "resolve", &first]).expect(2);
    device
        .onsync(&["conflicts", "resolve", &first, "--mine", "--theirs"])
        .expect(2);
    device
        .onsync(&["conflicts", "resolve", &first, "--set", "city"])
        .expect(2)
        .complains("invalid_assignment");
    device
        .onsync(&["conflicts", "resolve", &first, "--set", "town=x"])
        .expect(2)
        .complains("city");

    device
        .onsync(&["conflicts", "resolve", &end, "--mine"])
        .expect(0)
        .says("next sync");
    device
        .onsync(&["conflicts", "resolve", &id(2), "--theirs"])
        .expect(0)
        .says("in the bin");
    device
        .onsync(&["conflicts", "resolve", &id(3), "--set", "city=both"])
        .expect(0);
    device
        .onsync(&["conflicts", "resolve", &id(4), "--mine", "--null", "city"])
        .expect(0);
    device
        .onsync(&["conflicts", "list"])
        .expect(0)
        .says("no conflict is open");
    device
        .onsync(&["bin", "list", "--reason", "discarded"])
        .expect(0)
        .says("Customer 2");
    device.onsync(&["sync"]).expect(0);
    let there = rows(&database, "SELECT name, city FROM customers ORDER BY id");
    assert_eq!(
        there,
        [
            ["Ada", "mine"],
            ["Ben", "theirs"],
            ["Cleo", "both"],
            ["me", "NULL"]
        ]
    );
}

#[test]
fn a_sync_whose_conflicts_a_resolver_decided_is_done() {
    let place = Place::new();
    let database = place.database("shop.db", SHOP);
    let pattern = ["--pattern", "read-write-conflict-detection"];
    place
        .onsync(&[&["add", "Customer", "--from", "shop.db"], &pattern[..]].concat())
        .expect(0);
    let named = "pattern = \"read-write-conflict-detection\"";
    let config = place.read("onsync.toml");
    assert!(config.contains(named), "{config}");
    place.write(
        "onsync.toml",
        &config.replace(named, &format!("{named}\nresolver = \"client-wins\"")),
    );
    let served = Served::start(&place, &[], &[]);
    let device = Device::of(&place, &served.url);
    device.onsync(&["sync"]).expect(0);
    let edit = "UPDATE \"Customer\" SET city = 'mine' WHERE id = 1";
    device.store().execute_batch(edit).unwrap();
    database
        .execute("UPDATE customers SET city = 'theirs' WHERE id = 1", [])
        .unwrap();
    let decided = device.onsync(&["sync"]).expect(0);
    decided.says("1 change sent, 1 conflict found");
    assert!(!decided.out.contains("onsync conflicts list"), "{decided:?}");
}

const ORDERS: &str = "
    CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
    CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER REFERENCES customers, what TEXT);
    INSERT INTO customers VALUES (1, 'Ada'), (2, 'Ben');";

#[test]
fn what_waits_for_a_conflict_is_shown_by_name() {
    let place = Place::new();
    let database = place.database("shop.db", ORDERS);
    let pattern = ["--pattern", "read-write-conflict-detection"];
    place
        .onsync(&[&["add", "Customer", "Order", "--from", "shop.db"], &pattern[..]].concat())
        .expect(0);
    let served = Served::start(&place, &[], &[]);
    let device = Device::of(&place, &served.url);
    device.onsync(&["sync"]).expect(0);
    let edits = "UPDATE \"Customer\" SET name = 'mine' WHERE id = 1";
    device.store().execute_batch(edits).unwrap();
    database
        .execute("DELETE FROM customers WHERE id = 1", [])
        .unwrap();
    device.onsync(&["sync"]).expect(5);
    let order = "INSERT INTO \"Order\" (id, customer_id, what) VALUES (70, 1, 'tea')";
    device.store().execute_batch(order).unwrap();
    device
        .onsync(&["sync"])
        .expect(0)
        .says("1 change is still waiting");
    let list = device.onsync(&["conflicts", "list", "--json"]).expect(0).json();
    let id = list["conflicts"][0]["id"].as_str().unwrap().to_owned();
    let shown = device.onsync(&["conflicts", "show", &id]).expect(0);
    shown.says("deleted").says("1 record is held").says("Order 70");
    let held = device
        .onsync(&["conflicts", "show", &id, "--json"])
        .expect(0)
        .json();
    assert_eq!(held["held"][0]["key"], json!([70]), "{held}");
}

#[test]
fn where_each_user_has_a_store_the_lists_are_of_the_user_named() {
    let place = Place::new();
    place.database("shop.db", SHOP);
    place.onsync(&["add", "Customer", "--from", "shop.db"]).expect(0);
    let served = Served::start(&place, &[], &[]);
    let device = Device::of(&place, &served.url);
    let of_users = [("ONSYNC__STORE__PATH", "app-{user}.sqlite")];
    let run = |arguments: &[&str]| device.onsync_with(arguments, &of_users);
    run(&["sync", "--user", "ada"]).expect(0);
    for list in ["conflicts", "rejected", "bin"] {
        run(&[list, "list"]).expect(2).complains("wrong_user_option");
        run(&[list, "list", "--user", "ada"]).expect(0);
        run(&[list, "--user", "ada", "list"]).expect(0);
        device
            .onsync(&[list, "list", "--user", "ada"])
            .expect(2)
            .complains("wrong_user_option");
    }
    run(&["bin", "list", "--server", "--user", "ada"]).expect(2);
}

/// A resolver is the device's: a server needs none of its code.
#[test]
fn a_resolver_that_is_not_there_is_a_mistake_of_the_device_alone() {
    let place = Place::new();
    place.database("shop.db", SHOP);
    let pattern = ["--pattern", "read-write-conflict-detection"];
    place
        .onsync(&[&["add", "Customer", "--from", "shop.db"], &pattern[..]].concat())
        .expect(0);
    let text = place.read("onsync.toml");
    let own = "pattern = \"read-write-conflict-detection\"\nresolver = \"house-rule\"";
    place.write(
        "onsync.toml",
        &text.replace("pattern = \"read-write-conflict-detection\"", own),
    );
    place.onsync(&["check", "--server"]).expect(0);
    Served::start(&place, &[], &[]);
    let refused = place.onsync(&["check"]).expect(2);
    refused.complains("house-rule").complains("merge-attributes");
    refused.complains("entities.Customer.resolver");
}
