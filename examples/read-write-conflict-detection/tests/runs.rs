//! The example runs to its end and shows what its page says.

#[test]
fn it_shows_what_its_page_says() {
    let output =
        std::process::Command::new(env!("CARGO_BIN_EXE_onsync-example-read-write-conflict-detection"))
            .output()
            .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for line in [
        "conflict update/update: WorkOrder 1",
        "both changed it",
        "the office has: done, valve replaced; order a spare one",
        "conflict update/delete: WorkOrder 3",
        "second remark of the office",
        "the office has: tight, clean",
    ] {
        assert!(said.contains(line), "{line} in\n{said}");
    }
}
