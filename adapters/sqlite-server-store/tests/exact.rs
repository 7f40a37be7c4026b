//! When an update is certain to store exactly what it writes, so that the record need not be read again.
#![expect(clippy::unwrap_used, reason = "helpers of tests, which may fail by a panic")]

mod common;

use common::{Database, attach, block_on, entity, write};
use onsync_core::ValueType::{Boolean, Date, Decimal, Integer, Real, Text};
use onsync_core::schema::EntitySchema;
use onsync_core::{Fields, Value};
use onsync_sqlite_server_store::SqliteServerStore;

fn sample() -> EntitySchema {
    let attributes = [
        ("id", Integer),
        ("count", Integer),
        ("name", Text),
        ("price", Decimal),
        ("rounded", Decimal),
        ("weight", Real),
        ("day", Date),
        ("done", Boolean),
    ];
    entity("sample", &["id"], &attributes)
}

const TABLE: &str = "CREATE TABLE sample (id INTEGER PRIMARY KEY, count INTEGER, name VARCHAR(9), price TEXT, rounded NUMERIC, weight REAL, \
     day DATE, done BOOLEAN)";

fn certain(store: &SqliteServerStore, fields: &Fields) -> bool {
    block_on(write(store).stores_exactly(&sample(), fields)).unwrap()
}

fn some() -> Fields {
    Fields::new().with("count", 1i64).with("name", "x")
}

#[test]
fn what_a_column_keeps_is_certain_and_what_it_converts_is_not() {
    let database = Database::new(TABLE);
    let store = database.store();
    attach(&store, &[&sample()]);
    let decimal = |text: &str| Value::Decimal(text.parse().unwrap());
    for (name, value, wanted) in [
        ("count", Value::Integer(i64::MAX), true),
        ("count", Value::Null, true),
        ("name", Value::Text("12".into()), true),
        ("price", decimal("1.50"), true),
        ("rounded", decimal("1.50"), false),
        ("weight", Value::Real(0.5), true),
        ("done", Value::Boolean(true), true),
    ] {
        let fields: Fields = [(name, value.clone())].into_iter().collect();
        assert_eq!(certain(&store, &fields), wanted, "{name} = {value}");
    }
}

/// The trigger may be on another table: a foreign key could lead there and back.
#[test]
fn a_trigger_of_the_app_ends_all_certainty_also_one_made_later() {
    let database = Database::new(TABLE);
    database.run("CREATE TABLE log (line TEXT)");
    let store = database.store();
    attach(&store, &[&sample()]);
    assert!(certain(&store, &some()));
    database.run(
        "CREATE TRIGGER normal AFTER UPDATE ON sample BEGIN UPDATE sample SET name = upper(name) WHERE id = NEW.id; END",
    );
    assert!(!certain(&store, &some()));
    database.run("DROP TRIGGER normal");
    assert!(certain(&store, &some()));
    database.run("CREATE TRIGGER elsewhere AFTER INSERT ON log BEGIN DELETE FROM sample; END");
    assert!(!certain(&store, &some()));
}

#[test]
fn a_computed_column_or_a_table_that_refers_to_itself_is_not_certain() {
    for table in [
        "CREATE TABLE sample (id INTEGER PRIMARY KEY, count INTEGER, name TEXT, price TEXT, rounded NUMERIC, weight REAL, day TEXT, done BOOLEAN, \
         twice INTEGER AS (count * 2))",
        "CREATE TABLE sample (id INTEGER PRIMARY KEY, count INTEGER UNIQUE, name TEXT, price TEXT, rounded NUMERIC, weight REAL, day TEXT, done BOOLEAN, \
         above INTEGER REFERENCES sample (count) ON UPDATE CASCADE)",
    ] {
        let database = Database::new(table);
        let store = database.store();
        attach(&store, &[&sample()]);
        assert!(!certain(&store, &some()), "{table}");
    }
}
