//! The web app in the system's Chromium, with its real server: `e2e.mjs` plays two people, `promises.mjs` the scenarios of the documentation.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers of a test fail by panicking, as the test does"
)]

mod support;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Kills the server with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.0.kill().and_then(|()| self.0.wait());
    }
}

/// Serves a database of the test's own and plays a script against it; what the script said, or none where it cannot run.
fn play(name: &str, script: &str, flags: &[&str], prepare: impl FnOnce(&Path)) -> Option<String> {
    let browser = support::Browser::found(name)?;
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("office.sqlite");
    let mut server = Command::new(env!("CARGO_BIN_EXE_onsync-example-pwa"))
        .args(["--listen", "127.0.0.1:0", "--database"])
        .arg(&database)
        .args(flags)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let _server = Server(server);
    let address = lines
        .map_while(Result::ok)
        .find_map(|line| Some(line.split_once(" is at ")?.1.to_owned()))
        .unwrap();
    prepare(&database);
    Some(browser.play(script, &address))
}

/// Scenario 25 wants a database that stores titles in a form of its own.
fn trim_titles(database: &Path) {
    let connection = onsync::sqlite_store::rusqlite::Connection::open(database).unwrap();
    connection
        .busy_timeout(std::time::Duration::from_secs(30))
        .unwrap();
    let trigger = "CREATE TRIGGER tidy AFTER INSERT ON visits WHEN new.title <> trim(new.title)
                   BEGIN UPDATE visits SET title = trim(new.title) WHERE id = new.id; END";
    connection.execute_batch(trigger).unwrap();
}

#[test]
fn slow_two_people_work_while_the_network_comes_and_goes() {
    let name = "slow_two_people_work_while_the_network_comes_and_goes";
    if let Some(said) = play(name, "e2e.mjs", &[], |_| {}) {
        assert!(said.contains("12 steps"), "{said}");
    }
}

#[test]
fn slow_the_promises_hold_in_a_browser() {
    let name = "slow_the_promises_hold_in_a_browser";
    if let Some(said) = play(name, "promises.mjs", &[], trim_titles) {
        assert!(said.contains("17 scenarios"), "{said}");
    }
}

/// Under another pattern.
fn promises_under(name: &str, pattern: &str, scenarios: usize) {
    if let Some(said) = play(name, "promises.mjs", &["--pattern", pattern], trim_titles) {
        assert!(said.contains(&format!("{scenarios} scenarios")), "{said}");
    }
}

#[test]
fn slow_the_promises_of_last_write_wins_hold_in_a_browser() {
    let name = "slow_the_promises_of_last_write_wins_hold_in_a_browser";
    promises_under(name, "read-write-last-write-wins", 13);
}

#[test]
fn slow_the_promises_of_one_to_many_hold_in_a_browser() {
    let name = "slow_the_promises_of_one_to_many_hold_in_a_browser";
    promises_under(name, "read-write-one-to-many", 14);
}
