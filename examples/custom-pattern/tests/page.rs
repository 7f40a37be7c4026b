//! The page of this example says what happens, and it does.

use onsync_example_support::page;

#[test]
fn the_pattern_is_run_as_its_page_says() {
    if !page::has_sqlite3() {
        println!(
            "SKIPPED the_pattern_is_run_as_its_page_says: the `sqlite3` shell is not installed (Debian: apt-get install sqlite3)"
        );
        return;
    }
    let said = page::follow(
        include_str!("../../../docs/tutorials/write-your-own-pattern.md"),
        "In a crate of your own, add to `onsync.toml`",
        include_str!("../onsync.toml"),
        env!("CARGO_BIN_EXE_onsync-example-custom-pattern"),
    )
    .unwrap();
    let mut rest = said.as_str();
    for expected in [
        "no mistakes found",
        "nothing to do",
        "2 changes wait to be sent",
        "2 changes sent",
        "\n0\n1|cellar|101\n2|cellar|102\n",
        "1 change refused",
        "[append_only]",
        "held no edit was lost unseen",
        "held nothing panicked",
    ] {
        let found = rest.split_once(expected);
        assert!(found.is_some(), "{expected} in\n{rest}\nof\n{said}");
        rest = found.unwrap().1;
    }
}
