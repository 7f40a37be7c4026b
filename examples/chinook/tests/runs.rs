//! The example runs to its end and finds both sides equal.

#[test]
fn both_sides_end_equal() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_onsync-example-chinook"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    print!("{said}");
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        said.contains("the database has: The Cellar Trio, No Signal"),
        "{said}"
    );
    assert!(said.contains("both sides are equal"), "{said}");
}
