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
