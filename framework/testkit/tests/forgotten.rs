//! No case is forgotten: every public async function of a suite's modules stands in its table, and every entry is one.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers of a test fail by panicking, as the test does"
)]

use std::collections::BTreeSet;
use std::path::Path;

/// The public async functions with one argument that the modules of a suite define, by module.
fn written(suite: &str) -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(suite);
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let lines = text.lines().filter_map(|line| line.strip_prefix("pub async fn "));
        found.extend(lines.map(|line| line.split(['(', '<']).next().unwrap().to_owned()));
    }
    found
}

fn check(suite: &str, table: Vec<&'static str>, at_least: usize) {
    let names: BTreeSet<String> = table.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(
        names.len(),
        table.len(),
        "a case of {suite} stands in the table twice"
    );
    assert_eq!(
        written(suite),
        names,
        "functions in src/{suite} (left) and its table (right)"
    );
    assert!(
        names.len() >= at_least,
        "{suite} has {} cases, fewer than {at_least}",
        names.len()
    );
    println!("{suite}: {} cases", names.len());
}

fn names<P: ?Sized>(suite: onsync_testkit::suite::Suite<P>) -> Vec<&'static str> {
    suite.cases.iter().map(|case| case.name).collect()
}

#[test]
fn every_case_stands_in_its_table() {
    check("local_store", names(onsync_testkit::local_store::suite()), 40);
    check("server_store", names(onsync_testkit::server_store::suite()), 30);
    check("transport", names(onsync_testkit::transport::suite()), 15);
    check("network", names(onsync_testkit::network::suite()), 10);
    check("pattern", names(onsync_testkit::pattern::suite()), 20);
}

#[test]
fn a_suite_without_cases_does_not_pass() {
    let empty = onsync_testkit::pattern::suite().only("no such case");
    let make = || -> Box<dyn onsync_core::pattern::SyncPattern> {
        Box::new(onsync_testkit::pattern::reference::LastPushWins)
    };
    let report = empty.run(make, onsync_testkit::suite::block_on);
    assert!(
        std::panic::catch_unwind(|| report.assert()).is_err(),
        "nothing was checked, and it passed"
    );
}
