//! A client written from `docs/wire.md` alone, in another language and with nothing but its standard library, pulls and pushes.
#![cfg(feature = "server")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use onsync::config::{Authentication, Config};
use onsync::sqlite_store::rusqlite::Connection;
use std::path::Path;
use std::process::Command;

const CONFIG: &str = r#"
    [entities.Artist]
    pattern = "read-write-last-write-wins"
    key = "ArtistId"
    ids = "server"
    attributes = { ArtistId = "integer", Name = "text" }
"#;

fn python(folder: &Path, url: &str, rest: &[&str]) -> serde_json::Value {
    let client = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/client.py");
    let state = folder.join("state.json");
    let output = Command::new("python3")
        .args([client, url, "no-token", state.to_str().unwrap()])
        .args(rest)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_python_client_pulls_and_pushes() {
    if Command::new("python3").arg("--version").output().is_err() {
        println!(
            "SKIPPED a_python_client_pulls_and_pushes: python3 is not installed (Debian: apt-get install python3)"
        );
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("music.sqlite");
    let office = Connection::open(&database).unwrap();
    office
        .execute_batch("CREATE TABLE Artist (ArtistId INTEGER PRIMARY KEY, Name TEXT); INSERT INTO Artist (Name) VALUES ('AC/DC'), ('Accept'), ('Aerosmith')")
        .unwrap();
    let mut config = Config::from_text(CONFIG).unwrap();
    config.server.authentication = Authentication::None;
    config.server.database = Some(format!("sqlite:{}", database.display()));
    let served = onsync::server::from_config(&config, &onsync::registries())
        .await
        .unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(onsync::server::serve(
        listener,
        served.router,
        std::future::pending(),
    ));
    let seen = tokio::task::spawn_blocking(move || {
        let run = |rest: &[&str]| python(folder.path(), &url, rest);
        let entity = ["Artist", "read-write-last-write-wins", "ArtistId,Name:ArtistId"];
        let pull = ["pull", entity[0], entity[1], entity[2]];
        assert_eq!(run(&pull)["records"].as_object().unwrap().len(), 3);
        let push =
            |kind, record, values| run(&["push", entity[0], entity[1], entity[2], kind, record, values]);
        let created = push("create", "null", r#"{"Name": {"text": "Ada"}}"#);
        assert_eq!(
            created["outcomes"][0]["outcome"]["applied"]["key"][0]["integer"],
            4
        );
        push("update", r#"[{"integer": 1}]"#, r#"{"Name": {"text": "AC⚡DC"}}"#);
        let gone = push(
            "update",
            r#"[{"integer": 99}]"#,
            r#"{"Name": {"text": "nobody"}}"#,
        );
        assert_eq!(gone["outcomes"][2]["outcome"], "gone");
        push("delete", r#"[{"integer": 2}]"#, "{}");
        office
            .execute("INSERT INTO Artist (Name) VALUES ('by plain SQL')", [])
            .unwrap();
        office
            .execute("DELETE FROM Artist WHERE ArtistId = 3", [])
            .unwrap();
        let pulled = run(&pull)["records"].as_object().unwrap().clone();
        let mut names: Vec<String> = pulled
            .values()
            .map(|record| record["values"]["Name"].as_str().unwrap().to_owned())
            .collect();
        names.sort();
        let mut there = office.prepare("SELECT Name FROM Artist ORDER BY Name").unwrap();
        let there: Vec<String> = there
            .query_map([], |row| row.get(0))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        (names, there)
    });
    let (names, there) = seen.await.unwrap();
    assert_eq!(names, ["AC⚡DC", "Ada", "by plain SQL"]);
    assert_eq!(names, there);
}
