//! The example's page in the system's Chromium, with its module and its server.

#![cfg(not(target_family = "wasm"))]
#![expect(
    clippy::unwrap_used,
    reason = "the helpers of a test fail by panicking, as the test does"
)]

use onsync::sqlite_store::rusqlite::Connection;
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
fn missing(root: &Path, tests: &Path) -> Option<String> {
    let module = root.join("target/js/onsync-example-custom-pattern-web");
    if !module.join("readings_bg.wasm").is_file() {
        let build = "cargo xtask js --package onsync-example-custom-pattern-web";
        return Some(format!("the web app's module is not built; run `{build}`"));
    }
    for program in ["node", "npm", "chromium"] {
        if !runs(program) {
            return Some(format!("the program {program} is not installed"));
        }
    }
    // The tests of the npm package use the same packages, and fetch them at the same time.
    let lock = std::fs::File::create(root.join("target/js/.npm-lock")).unwrap();
    lock.lock().unwrap();
    if !tests.join("node_modules/.package-lock.json").is_file() {
        let fetched = Command::new("npm")
            .args(["ci", "--no-audit", "--no-fund"])
            .current_dir(tests)
            .status();
        if !fetched.is_ok_and(|status| status.success()) {
            return Some("npm could not fetch the packages of framework/js/tests".to_owned());
        }
    }
    None
}

#[test]
fn slow_a_pattern_of_ones_own_runs_in_chromium() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let tests = root.join("framework/js/tests");
    if let Some(reason) = missing(&root, &tests) {
        println!("SKIPPED slow_a_pattern_of_ones_own_runs_in_chromium: {reason}");
        return;
    }
    let mut server = Command::new(env!("CARGO_BIN_EXE_onsync-example-custom-pattern-web"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok);
    let _server = Server(server);
    let mut told = |start: &str| {
        let line = lines.find(|line| line.starts_with(start)).unwrap();
        line[start.len()..].to_owned()
    };
    let database = told("The office's database: ");
    let address = told("The meter is at ");
    let played = Command::new("node")
        .args(["custom-pattern.mjs", &address])
        .env("CHROMIUM", "chromium")
        .current_dir(&tests)
        .output()
        .unwrap();
    let said =
        String::from_utf8_lossy(&played.stdout).into_owned() + &String::from_utf8_lossy(&played.stderr);
    println!("{said}");
    assert!(played.status.success(), "{said}");
    let count = "SELECT count(*) || ' of ' || sum(value) FROM readings";
    let office: String = Connection::open(database)
        .unwrap()
        .query_row(count, [], |row| row.get(0))
        .unwrap();
    assert_eq!(office, "2 of 15");
}
