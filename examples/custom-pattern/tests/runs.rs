//! The example runs to its end and shows what its page says, and is a command that knows the pattern.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::{Command, Output};

fn run(arguments: &[&str]) -> (Output, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_onsync-example-custom-pattern"))
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
    assert!(said.contains("the office has 3"), "{said}");
    assert!(said.contains("[append_only]"), "{said}");
    assert!(said.contains("in the bin: 1"), "{said}");
}

#[test]
fn its_command_knows_the_pattern() {
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/onsync.toml");
    let (output, said) = run(&["check", "--config", config]);
    assert!(!said.contains("unknown_plugin"), "{said}");
    assert_ne!(output.status.code(), Some(2), "{said}");
}

#[test]
fn its_promises_hold_under_torture() {
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/onsync.toml");
    let (output, said) = run(&["torture", "--worlds", "20", "--time", "1h", "--config", config]);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("processes died"), "{said}");
    assert!(said.contains("held no edit was lost unseen"), "{said}");
    let (output, said) = run(&["torture", "--seed", "7", "--config", config]);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("creates Reading"), "{said}");
}

#[tokio::test]
async fn an_app_without_the_pattern_refuses_the_configuration_and_lists_what_it_has() {
    let config = onsync::config::Config::from_text(include_str!("../onsync.toml")).unwrap();
    let built = onsync::builder(config, onsync::registries())
        .unwrap()
        .build()
        .await;
    let error = built.err().unwrap();
    assert_eq!(error.code(), "unknown_plugin", "{error}");
    let said = error.to_string();
    assert!(
        said.contains("append-only") && said.contains("read-only-optimized"),
        "{said}"
    );
}

#[test]
fn the_pattern_stays_small() {
    let source = include_str!("../src/append_only.rs");
    assert!(source.lines().count() < 100);
}
