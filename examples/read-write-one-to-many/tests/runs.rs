//! The example runs to its end and shows what its page says.

#[test]
fn it_shows_what_its_page_says() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_onsync-example-read-write-one-to-many"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for wanted in [
        "3 sent and applied",
        "(constraint_violated)",
        "(group_failed)",
        "listed as refused: 0",
    ] {
        assert!(said.contains(wanted), "{wanted} is not in\n{said}");
    }
}
