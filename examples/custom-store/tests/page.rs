//! The page of this example says what happens, and it does.

use onsync_example_support::page;

#[test]
fn the_store_is_run_as_its_page_says() {
    if !page::has_sqlite3() {
        println!(
            "SKIPPED the_store_is_run_as_its_page_says: the `sqlite3` shell is not installed (Debian: apt-get install sqlite3)"
        );
        return;
    }
    let said = page::follow(
        include_str!("../../../docs/tutorials/write-your-own-store.md"),
        "In a crate of your own, add to `onsync.toml`",
        include_str!("../onsync.toml"),
        env!("CARGO_BIN_EXE_onsync-example-custom-store"),
    )
    .unwrap();
    let mut rest = said.as_str();
    for expected in [
        "no mistakes found",
        "1 record received",
        "store notebook.snapshot",
        "tried the store `snapshot`, in files of a temporary folder",
    ] {
        let found = rest.split_once(expected);
        assert!(found.is_some(), "{expected} in\n{rest}\nof\n{said}");
        rest = found.unwrap().1;
    }
}
