//! The web app in the system's Chromium, with its real server: `e2e.mjs` plays two people, `promises.mjs` the scenarios of the documentation.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers of a test fail by panicking, as the test does"
)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Kills the server with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.0.kill().and_then(|()| self.0.wait());
    }
}

fn runs(program: &str) -> bool {
    let asked = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    asked.is_ok_and(|status| status.success())
}

/// Why the test cannot do its work here.
fn missing(tests: &Path, root: &Path) -> Option<String> {
    if !root.join("target/js/onsync/onsync_bg.wasm").is_file() {
        return Some("the npm package is not built; run `cargo xtask js`".to_owned());
    }
    for program in ["node", "npm", "chromium"] {
        if !runs(program) {
            return Some(format!("the program {program} is not installed"));
        }
    }
    if !tests.join("node_modules/playwright-core").is_dir() {
        let fetched = Command::new("npm")
            .args(["ci", "--no-audit", "--no-fund"])
            .current_dir(tests)
            .status();
        if !fetched.is_ok_and(|status| status.success()) {
            return Some("npm could not fetch playwright-core".to_owned());
        }
    }
    None
}

/// Serves a database of the test's own and plays a script against it; what the script said, or none where it cannot run.
fn play(name: &str, script: &str, flags: &[&str], prepare: impl FnOnce(&Path)) -> Option<String> {
    let example = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let (tests, root) = (example.join("tests"), example.join("../.."));
    if let Some(reason) = missing(&tests, &root) {
        println!("SKIPPED {name}: {reason}");
        return None;
    }
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
    let played = Command::new("node")
        .arg(script)
        .arg(&address)
        .arg(root.join("target/pwa-screenshots"))
        .env("CHROMIUM", "chromium")
        .current_dir(&tests)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&played.stdout).into_owned();
    println!("{said}");
    assert!(
        played.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&played.stderr)
    );
    Some(said)
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
        assert!(said.contains("10 steps"), "{said}");
    }
}

#[test]
fn slow_the_promises_hold_in_a_browser() {
    let name = "slow_the_promises_hold_in_a_browser";
    if let Some(said) = play(name, "promises.mjs", &[], trim_titles) {
        assert!(said.contains("15 scenarios"), "{said}");
    }
}

#[test]
fn slow_the_promises_of_the_other_patterns_hold_in_a_browser() {
    let name = "slow_the_promises_of_the_other_patterns_hold_in_a_browser";
    for pattern in ["read-write-last-write-wins", "read-write-one-to-many"] {
        let Some(said) = play(name, "promises.mjs", &["--pattern", pattern], trim_titles) else {
            return;
        };
        assert!(said.contains("7 scenarios"), "{pattern}: {said}");
    }
}
