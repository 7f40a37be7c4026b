//! The page of this example says what happens, and it does.

use onsync_example_support::page;

#[test]
fn the_resolver_is_run_as_its_page_says() {
    if !page::has_sqlite3() {
        println!(
            "SKIPPED the_resolver_is_run_as_its_page_says: the `sqlite3` shell is not installed (Debian: apt-get install sqlite3)"
        );
        return;
    }
    let said = page::follow(
        include_str!("../../../docs/tutorials/write-your-own-resolver.md"),
        "In a crate of your own, add to `onsync.toml`",
        include_str!("../onsync.toml"),
        env!("CARGO_BIN_EXE_onsync-example-custom-resolver"),
    )
    .unwrap();
    let mut rest = said.as_str();
    for expected in [
        "no mistakes found",
        "1 record received",
        "1 record received",
        "1 change sent",
        "1 change sent, 1 conflict found",
        "1|Service the boiler|2026-12-10|key at the porter\nparts are ordered\ncall before coming\n",
        "1 change sent",
        "1 conflict found",
        "Task 1  changed on both sides",
        "tried the resolver `later-due-date`, with ",
    ] {
        let found = rest.split_once(expected);
        assert!(found.is_some(), "{expected} in\n{rest}\nof\n{said}");
        rest = found.unwrap().1;
    }
}
