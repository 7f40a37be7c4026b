//! The web app in the system's Chromium, with its real server: `e2e.mjs` plays two people.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const NAME: &str = "slow_two_people_work_while_the_network_comes_and_goes";

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

#[test]
fn slow_two_people_work_while_the_network_comes_and_goes() {
    let example = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let (tests, root) = (example.join("tests"), example.join("../.."));
    if let Some(reason) = missing(&tests, &root) {
        println!("SKIPPED {NAME}: {reason}");
        return;
    }
    let mut server = Command::new(env!("CARGO_BIN_EXE_onsync-example-pwa"))
        .args(["--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let _server = Server(server);
    let address = lines
        .map_while(Result::ok)
        .find_map(|line| Some(line.split_once(" is at ")?.1.to_owned()))
        .unwrap();
    let played = Command::new("node")
        .arg("e2e.mjs")
        .arg(&address)
        .arg(root.join("target/pwa-screenshots"))
        .env("CHROMIUM", "chromium")
        .current_dir(&tests)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&played.stdout);
    println!("{said}");
    assert!(
        played.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&played.stderr)
    );
    assert!(said.contains("10 steps"), "{said}");
}
