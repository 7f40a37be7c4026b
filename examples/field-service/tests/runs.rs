//! The story runs to its end and says the same every time: what its page shows.

#[test]
fn slow_the_story_says_what_its_page_shows() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_onsync-example-field-service"))
        .arg("--script")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let page = include_str!("../README.md");
    let shown = page.split("```text\n").nth(1).unwrap();
    let shown = shown.split("```").next().unwrap();
    assert_eq!(said.trim(), shown.trim());
}
