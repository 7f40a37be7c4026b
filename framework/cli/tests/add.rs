//! `onsync add` on real database files.

mod support;

use support::Place;

const SHOP: &str = "
    CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, since DATE, photo BLOB);
    CREATE TABLE orders (
        id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
        total DECIMAL(10, 2), placed_at TIMESTAMP
    );
    CREATE TABLE notes (id TEXT PRIMARY KEY NOT NULL, text TEXT);
    CREATE TABLE log (at TIMESTAMP, line TEXT);
    INSERT INTO customers (id, name, since) VALUES (1, 'Ada', '2026-01-31');
    INSERT INTO notes VALUES ('018f3c1e-0000-7000-8000-000000000001', 'hello');";

const FILE: &str = "\
# Our shop. Ask Mia before changing anything here.
[transport]
url = \"http://127.0.0.1:1\" # the office

[store]
path = \"device.sqlite\"

[contexts.Morning] # before the van leaves
entities = [\"Note\"]   # more to come

# written by hand
[entities.Note]
source = \"notes\"
pattern = \"read-only\"

[entities.Note.attributes]
id = \"uuid\"
text = \"text\" # what it says
";

#[test]
fn entities_and_relations_are_written_and_comments_stay() {
    let place = Place::new();
    place.database("shop.db", SHOP);
    place.write("onsync.toml", FILE);
    let ran = place
        .onsync(&[
            "add",
            "Customer",
            "Order",
            "--from",
            "shop.db",
            "--context",
            "Morning",
        ])
        .expect(0);
    ran.says("Customer")
        .says("relation customer: Order.customer_id → Customer");
    let text = place.read("onsync.toml");
    for line in FILE.lines().filter(|line| !line.starts_with("entities =")) {
        assert!(text.contains(line), "{line} is gone:\n{text}");
    }
    for line in [
        "entities = [\"Note\", \"Customer\", \"Order\"]   # more to come",
        "source = \"customers\"",
        "pattern = \"read-write-last-write-wins\"",
        "ids = \"server\"",
        "since = \"date\"",
        "photo = \"bytes\"",
        "total = \"decimal\"",
        "placed_at = \"timestamp\"",
        "on_delete = \"cascade\"",
    ] {
        assert!(text.contains(line), "{line} is missing:\n{text}");
    }
    place.onsync(&["check"]).expect(0);
    place.onsync(&["check", "--server"]).expect(0);
}

#[test]
fn a_new_file_can_be_served_at_once() {
    let place = Place::new();
    place.database("shop.db", SHOP);
    let ran = place
        .onsync(&["add", "Customer", "--from", "sqlite:shop.db", "--json"])
        .expect(0);
    let json = ran.json();
    assert_eq!(json["created"], true);
    assert_eq!(json["entities"][0]["attributes"]["id"], "integer");
    assert_eq!(json["server_config"], "onsync.server.toml");
    assert!(
        place
            .read("onsync.server.toml")
            .contains("database = \"sqlite:shop.db\"")
    );
    place.onsync(&["check", "--server"]).expect(0);
}

#[test]
fn what_is_configured_is_replaced_only_when_told_so() {
    let place = Place::new();
    place.database("shop.db", SHOP);
    place.write("onsync.toml", FILE);
    let ran = place.onsync(&["add", "Note", "--from", "shop.db"]).expect(2);
    ran.complains("entity `Note` is configured already")
        .complains("--replace");
    assert_eq!(place.read("onsync.toml"), FILE);

    place
        .onsync(&[
            "add",
            "Note",
            "--from",
            "shop.db",
            "--replace",
            "--pattern",
            "read-only-optimized",
        ])
        .expect(0);
    let text = place.read("onsync.toml");
    assert!(text.contains("# written by hand\n[entities.Note]"), "{text}");
    assert!(text.contains("pattern = \"read-only-optimized\""), "{text}");
    assert!(!text.contains("pattern = \"read-only\"\n"), "{text}");
}

#[test]
fn a_table_without_a_key_is_refused_with_a_way_out() {
    let place = Place::new();
    place.database("shop.db", SHOP);
    let ran = place.onsync(&["add", "Log", "--from", "shop.db"]).expect(2);
    ran.complains("table `log` has no primary key")
        .complains("CREATE UNIQUE INDEX")
        .complains("[key_missing]");
    assert!(!place.path("onsync.toml").exists());
}

#[test]
fn wrong_names_list_what_is_near() {
    let place = Place::new();
    place.database("shop.db", SHOP);
    place
        .onsync(&["add", "Custmer", "--from", "shop.db"])
        .expect(2)
        .complains("did you mean `customers`");
    place
        .onsync(&["add", "Customer", "--from", "shop.db", "--pattern", "read-olny"])
        .expect(2)
        .complains("did you mean `read-only`");
    place
        .onsync(&["add", "Customer", "--from", "nowhere.db"])
        .expect(2)
        .complains("found no file `nowhere.db`");
    place
        .onsync(&["add", "Customer", "--from", "shop.db", "--attributes", "nmae"])
        .expect(2)
        .complains("did you mean `name`");
    assert!(!place.path("nowhere.db").exists());
}

#[test]
fn a_file_that_is_no_database_is_named() {
    let place = Place::new();
    place.write(
        "shop.db",
        "this is a shopping list, and no database whatever its name says",
    );
    let ran = place
        .onsync(&["add", "Customer", "--from", "shop.db", "--json"])
        .expect(1);
    assert_eq!(ran.json()["error"]["code"], "store_corrupt");
}

#[test]
fn a_wrong_configuration_is_not_written_to() {
    let place = Place::new();
    place.database("shop.db", SHOP);
    let wrong = FILE.replace("pattern", "patern");
    place.write("onsync.toml", &wrong);
    place
        .onsync(&["add", "Customer", "--from", "shop.db"])
        .expect(2)
        .complains("did you mean `pattern`");
    assert_eq!(place.read("onsync.toml"), wrong);
}
