//! The JavaScript face in the system's Chromium: what its declarations promise, done.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers of a test fail by panicking, as the test does"
)]

#[path = "support/site.rs"]
mod site;
mod support;

/// An attribute of each type, in a table whose columns are made for it.
const CONFIGURATION: &str = r#"
[entities.Thing]
source = "thing"
pattern = "read-write-conflict-detection"
on_pending_conflicts = "continue"
key = "id"
ids = "client"
indexes = [["name"]]
[entities.Thing.attributes]
id = "uuid"
name = "text"
flag = "boolean"
count = "integer"
price = "decimal"
size = "real"
day = "date"
at = "time"
stamp = "timestamp"
wall = "local_timestamp"
doc = "json"
photo = "bytes"
"#;

const OFFICE: &str = "
CREATE TABLE thing (
    id TEXT PRIMARY KEY, name TEXT CHECK (name <> 'refused'), flag BOOLEAN, count INTEGER, price TEXT, size REAL, day TEXT, at TEXT,
    stamp TEXT, wall TEXT, doc TEXT, photo BLOB
);";

#[test]
fn slow_the_javascript_face_does_what_it_declares() {
    let name = "slow_the_javascript_face_does_what_it_declares";
    let Some(browser) = support::Browser::found(name) else {
        return;
    };
    let site = site::Site::serve(CONFIGURATION, OFFICE, &browser.package);
    let said = browser.play("face.mjs", &site.address);
    assert!(said.contains("11 scenarios"), "{said}");
    let office = onsync::sqlite_store::rusqlite::Connection::open(&site.database).unwrap();
    // As the office's own programs read it.
    let stored: (i64, String, String, Vec<u8>) = office
        .query_row(
            "SELECT count, price, doc, photo FROM thing WHERE flag",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
        )
        .unwrap();
    assert_eq!((stored.0, stored.1.as_str()), (1 << 60, "12.50"));
    assert_eq!(stored.2, r#"{"list":[1,null,{"deep":"x"}]}"#);
    assert_eq!(stored.3, [0, 255, 7]);
}
