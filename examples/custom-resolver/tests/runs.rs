//! The example runs to its end and shows what its page says, is a command that knows the resolver, and is what the tutorial shows.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::{Command, Output};

fn run(arguments: &[&str]) -> (Output, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_onsync-example-custom-resolver"))
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
    let decided = "due 2026-12-10, key at the porter / parts are ordered / call before coming";
    for who in ["Ada", "Ben"] {
        let line = format!("{who} sees: Service the boiler, {decided}");
        assert!(said.contains(&line), "{line} in\n{said}");
        let line = format!("{who} sees: Replace the boiler, {decided}");
        assert!(said.contains(&line), "{line} in\n{said}");
    }
    assert!(said.contains("Ben has 0 open conflict(s)"), "{said}");
    assert!(said.contains("Ben has 1 open conflict(s)"), "{said}");
    assert_eq!(said.matches("both have the same").count(), 2, "{said}");
}

#[test]
fn its_command_knows_the_resolver() {
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/onsync.toml");
    let (output, said) = run(&["check", "--config", config]);
    assert!(said.contains("no mistakes found"), "{said}");
    assert_eq!(output.status.code(), Some(0), "{said}");
}

/// A name that nobody registered is found by `check`, which says what there is.
#[test]
fn its_command_refuses_a_resolver_that_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("onsync.toml");
    let text = include_str!("../onsync.toml").replace("later-due-date", "later-due-dat");
    std::fs::write(&config, text).unwrap();
    let (output, said) = run(&["check", "--config", config.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2), "{said}");
    for part in [
        "onsync.toml:5",
        "entities.Task.resolver",
        "later-due-dat",
        "available: ",
        "later-due-date",
        "merge-attributes",
    ] {
        assert!(said.contains(part), "{part} in\n{said}");
    }
}

/// So is an entity that the resolver cannot work for.
#[test]
fn its_command_refuses_an_entity_without_what_the_resolver_needs() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("onsync.toml");
    let text = include_str!("../onsync.toml").replace("due = \"date\"", "end = \"date\"");
    std::fs::write(&config, text).unwrap();
    let (output, said) = run(&["check", "--config", config.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("onsync.toml:5") && said.contains("due"), "{said}");
}

#[tokio::test]
async fn an_app_without_the_resolver_refuses_the_configuration_and_lists_what_it_has() {
    let config = onsync::config::Config::from_text(include_str!("../onsync.toml")).unwrap();
    let built = onsync::builder(config, onsync::registries())
        .unwrap()
        .build()
        .await;
    let error = built.err().unwrap();
    assert_eq!(error.code(), "unknown_plugin", "{error}");
    let said = error.to_string();
    assert!(
        said.contains("later-due-date") && said.contains("merge-attributes"),
        "{said}"
    );
}

#[test]
fn the_resolver_stays_small() {
    let source = include_str!("../src/later_due_date.rs");
    assert!(source.lines().count() < 100);
}

/// The tutorial takes the example's files as they are; what it repeats stands in them.
#[test]
fn the_tutorial_shows_the_example() {
    let tutorials = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/tutorials");
    let page = std::fs::read_to_string(tutorials.join("write-your-own-resolver.md")).unwrap();
    let mut included = Vec::new();
    for line in page.lines() {
        if let Some(path) = line
            .strip_prefix("{{#include ")
            .and_then(|rest| rest.strip_suffix("}}"))
        {
            assert!(tutorials.join(path).is_file(), "{path} is included and not there");
            included.push(path.rsplit_once("custom-resolver/").unwrap().1);
        }
    }
    assert_eq!(
        included,
        ["src/later_due_date.rs", "tests/decides.rs", "onsync.toml"]
    );
    // The page of the command, which is compiled, has the short form of a program.
    let main = concat!(
        include_str!("../src/main.rs"),
        include_str!("../../../framework/cli/README.md")
    );
    let mut repeated = 0;
    for block in page.split("```rust,ignore\n").skip(1) {
        let code = block.split("```").next().unwrap();
        for line in code.lines().filter(|line| !line.starts_with("{{#include")) {
            assert!(
                main.contains(line.trim()),
                "`{line}` is not in src/main.rs, and not on the command's page"
            );
            repeated += 1;
        }
    }
    assert!(repeated > 0, "the tutorial shows how the resolver is registered");
}
