//! Record families in the system's Chromium: the store on IndexedDB, and a server with companies, contacts and notes.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers of a test fail by panicking, as the test does"
)]

mod support;

use axum::Router;
use axum::response::IntoResponse;
use axum::routing::get;
use onsync::config::{Authentication, Config};
use onsync::sqlite_store::rusqlite::Connection;
use std::path::Path;
use tower_http::services::ServeDir;

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

/// The routes of the server, the npm package, and the configuration for the page.
async fn site(database: &Path, package: &Path) -> Router {
    let mut config = Config::from_text(CONFIGURATION).unwrap();
    config.server.database = Some(format!("sqlite:{}", database.display()));
    config.server.authentication = Authentication::None;
    let served = onsync::server::from_config(&config, &onsync::registries())
        .await
        .unwrap();
    let shared: serde_json::Value = toml::from_str(CONFIGURATION).unwrap();
    let told = move || async move { axum::Json(shared).into_response() };
    let files = Router::new()
        .route("/config.json", get(told))
        .nest_service("/onsync", ServeDir::new(package));
    served.router.merge(files)
}

#[test]
fn slow_families_hold_in_a_browser() {
    let name = "slow_families_hold_in_a_browser";
    let Some(browser) = support::Browser::found(name) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("office.sqlite");
    Connection::open(&database)
        .unwrap()
        .execute_batch(OFFICE)
        .unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let router = runtime.block_on(site(&database, &browser.package));
    let listener = runtime
        .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
        .unwrap();
    let address = format!("http://localhost:{}", listener.local_addr().unwrap().port());
    runtime.spawn(onsync::server::serve(listener, router, std::future::pending()));
    let said = browser.play("families.mjs", &address);
    assert!(said.contains("9 scenarios"), "{said}");

    // What the database itself says: no family twice, and nobody without a parent.
    let office = Connection::open(&database).unwrap();
    let count = |query: &str| -> i64 { office.query_row(query, [], |row| row.get(0)).unwrap() };
    assert_eq!(count("SELECT count(*) FROM pragma_foreign_key_check"), 0);
    let twice = "SELECT count(*) FROM (SELECT name FROM contact GROUP BY name HAVING count(*) > 1)";
    assert_eq!(count(twice), 0);
    assert!(count("SELECT count(*) FROM company") >= 9);
}
