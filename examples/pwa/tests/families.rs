//! Record families in the system's Chromium: the store on IndexedDB, and a server with companies, contacts and notes.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers of a test fail by panicking, as the test does"
)]

#[path = "support/site.rs"]
mod site;
mod support;

use onsync::sqlite_store::rusqlite::Connection;

/// Companies with contacts and notes are families; contracts and tasks refer to them and are none of theirs.
const CONFIGURATION: &str = r#"
[entities.Company]
source = "company"
pattern = "read-write-one-to-many"
key = "id"
ids = "server"
attributes = { id = "integer", name = "text" }
[entities.Contact]
source = "contact"
pattern = "read-write-one-to-many"
key = "id"
ids = "server"
attributes = { id = "integer", company_id = "integer", name = "text" }
[entities.Note]
source = "note"
pattern = "read-write-one-to-many"
key = "id"
ids = "server"
attributes = { id = "integer", contact_id = "integer", text = "text" }
[entities.Contract]
source = "contract"
pattern = "read-write-last-write-wins"
key = "id"
ids = "server"
attributes = { id = "integer", company_id = "integer", title = "text" }
[entities.Task]
source = "task"
pattern = "read-write-last-write-wins"
key = "id"
ids = "server"
attributes = { id = "integer", contact_id = "integer", title = "text" }
[relations.company]
child = "Contact"
attribute = "company_id"
parent = "Company"
on_delete = "cascade"
[relations.contact]
child = "Note"
attribute = "contact_id"
parent = "Contact"
on_delete = "cascade"
[relations.contractor]
child = "Contract"
attribute = "company_id"
parent = "Company"
on_delete = "restrict"
[relations.whom]
child = "Task"
attribute = "contact_id"
parent = "Contact"
on_delete = "set-null"
"#;

/// Keys that were issued once are not issued again, which is what `ids = "server"` asks of a database.
const OFFICE: &str = "
CREATE TABLE company (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE);
CREATE TABLE contact (
    id INTEGER PRIMARY KEY AUTOINCREMENT, company_id INTEGER NOT NULL REFERENCES company, name TEXT NOT NULL CHECK (name <> 'refused')
);
CREATE TABLE note (id INTEGER PRIMARY KEY AUTOINCREMENT, contact_id INTEGER NOT NULL REFERENCES contact, text TEXT);
CREATE TABLE contract (id INTEGER PRIMARY KEY AUTOINCREMENT, company_id INTEGER REFERENCES company, title TEXT);
CREATE TABLE task (id INTEGER PRIMARY KEY AUTOINCREMENT, contact_id INTEGER REFERENCES contact, title TEXT);";

#[test]
fn slow_families_hold_in_a_browser() {
    let name = "slow_families_hold_in_a_browser";
    let Some(browser) = support::Browser::found(name) else {
        return;
    };
    let site = site::Site::serve(CONFIGURATION, OFFICE, &browser.package);
    let said = browser.play("families.mjs", &site.address);
    assert!(said.contains("9 scenarios"), "{said}");

    // What the database itself says: no family twice, and nobody without a parent.
    let office = Connection::open(&site.database).unwrap();
    let count = |query: &str| -> i64 { office.query_row(query, [], |row| row.get(0)).unwrap() };
    assert_eq!(count("SELECT count(*) FROM pragma_foreign_key_check"), 0);
    let twice = "SELECT count(*) FROM (SELECT name FROM contact GROUP BY name HAVING count(*) > 1)";
    assert_eq!(count(twice), 0);
    assert!(count("SELECT count(*) FROM company") >= 9);
}
