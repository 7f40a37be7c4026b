//! The bugs that are planted: each stands in the sources, in the list, and in the table of docs/reliability.md.
#![expect(
    clippy::unwrap_used,
    reason = "the helpers of a test fail by panicking, as the test does"
)]

use onsync_simulator::planted::PLANTED;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The names behind `mutant!(` below a folder of sources.
fn planted_in(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            planted_in(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            for piece in text.split("mutant!(").skip(1) {
                let name = piece.trim_start().strip_prefix('"');
                names.extend(name.and_then(|name| Some(name.split_once('"')?.0.to_owned())));
            }
        }
    }
}

#[test]
fn the_list_holds_what_is_in_the_sources() {
    let mut found = BTreeSet::new();
    for folder in ["core", "engine", "server"] {
        planted_in(&root().join("framework").join(folder).join("src"), &mut found);
    }
    for pattern in std::fs::read_dir(root().join("patterns")).unwrap() {
        planted_in(&pattern.unwrap().path().join("src"), &mut found);
    }
    // The example of the macro's page.
    found.remove("pages-are-too-short");
    let listed: BTreeSet<String> = PLANTED.iter().map(|bug| bug.name.to_owned()).collect();
    assert_eq!(found, listed);
    assert_eq!(listed.len(), PLANTED.len(), "names are unique");
    assert!(listed.len() >= 30);
}

#[test]
fn the_table_says_what_finds_each() {
    let page = std::fs::read_to_string(root().join("docs/reliability.md")).unwrap();
    let (_, table) = page.split_once("### Planted bugs").unwrap();
    let (table, _) = table.split_once("\n## ").unwrap();
    let rows: Vec<Vec<&str>> = table
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let named: Vec<&str> = rows.iter().map(|row| row[0].trim_matches('`')).collect();
    let listed: Vec<&str> = PLANTED.iter().map(|bug| bug.name).collect();
    assert_eq!(named, listed, "in the order of the list");
    for (row, bug) in rows.iter().zip(PLANTED) {
        assert_eq!(row[1], bug.place, "{}", bug.name);
        let scenarios: Vec<String> = bug.scenarios.iter().map(u8::to_string).collect();
        assert_eq!(row[2], scenarios.join(", "), "{}", bug.name);
        assert!(!row[3].is_empty(), "{}: the check that finds it", bug.name);
        let seed: u64 = row[4].parse().unwrap();
        assert!(seed <= 10_000, "{}: found too late", bug.name);
    }
}
