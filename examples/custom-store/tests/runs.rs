//! The example runs to its end and shows what its page says, is a command that knows the store, and is what the tutorial shows.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::{Command, Output};

fn run(arguments: &[&str]) -> (Output, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_onsync-example-custom-store"))
        .args(arguments)
        .output()
        .unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output, said)
}

#[test]
fn it_shows_what_its_page_says() {
    let (output, said) = run(&[]);
    assert!(output.status.success(), "{said}");
    assert!(
        said.contains("the office has 2 notes, the last one under key 2"),
        "{said}"
    );
    assert_eq!(said.matches("4503599627370496").count(), 3, "{said}");
}

#[test]
fn its_command_knows_the_store() {
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/onsync.toml");
    let (output, said) = run(&["check", "--config", config]);
    assert!(!said.contains("unknown_plugin"), "{said}");
    assert_ne!(output.status.code(), Some(2), "{said}");
}

/// The blocks of the page are the files of this crate, whole; nothing of them is left out.
#[test]
fn the_tutorial_shows_every_file_of_the_store() {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tutorials = crate_folder.join("../../docs/tutorials");
    let page = std::fs::read_to_string(tutorials.join("write-your-own-store.md")).unwrap();
    let mut shown = Vec::new();
    for line in page.lines() {
        if let Some(path) = line.strip_prefix("{{#include ") {
            let path = tutorials.join(path.strip_suffix("}}").unwrap());
            shown.push(path.canonicalize().unwrap());
        }
    }
    for entry in std::fs::read_dir(crate_folder.join("src")).unwrap() {
        let path = entry.unwrap().path().canonicalize().unwrap();
        assert!(
            path.ends_with("main.rs") || shown.contains(&path),
            "{}",
            path.display()
        );
    }
    // A case that the page tells to run exists.
    let suite = onsync_testkit::local_store::suite();
    let names: Vec<&str> = suite.cases.iter().map(|case| case.name).collect();
    let mut named = 0;
    for line in page.lines().filter_map(|line| line.strip_prefix("cargo test ")) {
        for word in line.split_whitespace().skip_while(|word| *word != "--").skip(1) {
            assert!(
                names.iter().any(|name| name.contains(word)),
                "`{word}` runs no case"
            );
            named += 1;
        }
    }
    assert!(named >= 10, "{named} filters");
}
