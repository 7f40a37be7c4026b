//! `onsync check`: every mistake is named with file, line and key.

mod support;

use support::Place;

const GOOD: &str = "\
[transport]
url = \"http://127.0.0.1:1\"
[store]
path = \"device.sqlite\"
[entities.Customer]
source = \"customers\"
pattern = \"read-only\"
[entities.Customer.attributes]
id = \"integer\"
name = \"text\"
";

const TABLES: &str = "CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT)";

fn checked(text: &str) -> support::Ran {
    let place = Place::new();
    place.write("onsync.toml", text);
    place.onsync(&["check", "--color", "never"])
}

#[test]
fn a_good_configuration_passes() {
    let ran = checked(GOOD).expect(0);
    ran.says("onsync.toml");
    assert_eq!(ran.err, "");
}

/// What is changed in the good file, and the whole message.
const MISTAKES: [(&str, &str, &str); 6] = [
    (
        "pattern = \"read-only\"",
        "patern = \"read-only\"",
        "error: onsync.toml:7: entities.Customer.patern: there is no key `patern` here; did you mean `pattern`? available: ",
    ),
    (
        "pattern = \"read-only\"",
        "pattern = \"read-olny\"",
        "error: onsync.toml:7: entities.Customer.pattern: did you mean `read-only`? unknown pattern `read-olny`; available: \
         `read-only`, `read-only-optimized`, `read-write-conflict-detection`, `read-write-last-write-wins`, `read-write-one-to-many`",
    ),
    (
        "id = \"integer\"",
        "id = \"number\"",
        "error: onsync.toml:9: entities.Customer.attributes.id: found \"number\", which is not known here; ",
    ),
    (
        "path = \"device.sqlite\"",
        "path = 7",
        "error: onsync.toml:4: store.path: wanted a text, found ",
    ),
    (
        "path = \"device.sqlite\"",
        "kind = \"postgres\"",
        "error: onsync.toml:4: store.kind: unknown store `postgres`; available: `memory`, `sqlite`",
    ),
    (
        "[store]",
        "[server]\ndatabase = \"sqlite:app.db\"\n[store]",
        "error: onsync.toml:4: server.database: this key is the server's and must not ship with the app; move it to \
         `onsync.server.toml`",
    ),
];

#[test]
fn mistakes_are_named_with_file_line_and_key() {
    for (good, bad, message) in MISTAKES {
        let ran = checked(&GOOD.replacen(good, bad, 1)).expect(2);
        assert!(
            ran.err.starts_with(message),
            "wanted {message}\nfound {}",
            ran.err
        );
    }
}

#[test]
fn a_file_that_is_no_toml_is_named_with_its_line() {
    let ran = checked("[transport]\nurl = \n").expect(2);
    ran.complains("onsync.toml:2").complains("[config_syntax]");
}

#[test]
fn a_missing_file_is_named() {
    let place = Place::new();
    let ran = place
        .onsync(&["check", "--config", "nowhere.toml", "--json"])
        .expect(2);
    let json = ran.json();
    assert_eq!(json["error"]["code"], "config_unreadable");
    assert_eq!(json["error"]["at"], "nowhere.toml");
    assert_eq!(ran.err, "");
}

#[test]
fn the_servers_tables_are_compared_without_a_change() {
    let place = Place::new();
    place.write("onsync.toml", GOOD);
    place.write(
        "onsync.server.toml",
        "[server]\ndatabase = \"sqlite:app.db\"\nauthentication = \"none\"\n",
    );
    place
        .onsync(&["check", "--server"])
        .expect(1)
        .complains("found no file");

    let database = place.database("app.db", TABLES);
    place.onsync(&["check", "--server"]).expect(0).says("customers");
    let tables: i64 = database
        .query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))
        .unwrap();
    assert_eq!(tables, 1, "the database was changed");

    database
        .execute_batch("ALTER TABLE customers RENAME COLUMN name TO title")
        .unwrap();
    let ran = place.onsync(&["check", "--server"]).expect(2);
    ran.complains("entities.Customer")
        .complains("wanted a column `name` in table `customers`");
}

#[test]
fn a_token_that_is_not_set_is_named() {
    let place = Place::new();
    place.write("onsync.toml", GOOD);
    place.database("app.db", TABLES);
    let file = "[server]\ndatabase = \"sqlite:app.db\"\n";
    place.write("onsync.server.toml", file);
    place
        .onsync(&["check", "--server"])
        .expect(2)
        .complains("[no_tokens]");
    place.write(
        "onsync.server.toml",
        &format!("{file}[server.tokens]\nada = \"${{ONSYNC_TEST_NOT_SET}}\"\n"),
    );
    place
        .onsync(&["check", "--server"])
        .expect(2)
        .complains("server.tokens.ada")
        .complains("`ONSYNC_TEST_NOT_SET` is not set");
}

#[test]
fn a_store_that_is_no_database_is_named_and_left_alone() {
    let place = Place::new();
    place.write("onsync.toml", GOOD);
    let garbage = "this is no database, and long enough to look at. ".repeat(30);
    place.write("device.sqlite", &garbage);
    place.onsync(&["check"]).expect(1).complains("[store_corrupt]");
    assert_eq!(place.read("device.sqlite"), garbage);
}
