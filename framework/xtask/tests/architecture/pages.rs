//! Rules on the pages of the book: their headings, their links, and the tests they name.

use std::path::Path;

use crate::source::{functions, tokens};

/// The headings of a pattern's page, in this order.
const PATTERN_PAGE: [&str; 8] = [
    "When",
    "When not",
    "Data model",
    "Device steps",
    "Server steps",
    "Configuration",
    "Example",
    "Outcome table",
];

/// Whether a file of the workspace is there for tests: in a folder `tests` or called so.
pub(crate) fn is_test(path: &str) -> bool {
    path.split(['/', '\\'])
        .any(|part| part == "tests" || part == "tests.rs")
}

/// How the headings of a pattern's page differ from the form of all.
pub(crate) fn heading_gaps(path: &str, page: &str) -> Option<String> {
    let found: Vec<_> = prose(page).filter_map(|line| line.strip_prefix("## ")).collect();
    (found != PATTERN_PAGE).then(|| format!("{path}: wanted the headings {PATTERN_PAGE:?}, found {found:?}"))
}

/// The targets of links in `page` that lead to files here, and the anchors they name. Paths of Rust items are left to rustdoc.
pub(crate) fn relative_links(page: &str) -> Vec<String> {
    let text: Vec<&str> = prose(page).collect();
    let text = text.join("\n");
    let after = text.split("](").skip(1);
    let targets = after.filter_map(|rest| rest.split([')', ' ']).next());
    targets
        .filter(|target| !target.contains("::") && !target.contains("://") && !target.starts_with("mailto:"))
        .map(str::to_owned)
        .collect()
}

/// The anchors of the headings of `page`.
pub(crate) fn anchors(page: &str) -> Vec<String> {
    let headings = prose(page).filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let heading = line.trim_start_matches('#').trim().to_lowercase();
            let kept = heading
                .chars()
                .filter(|character| character.is_alphanumeric() || "-_ ".contains(*character));
            kept.map(|character| if character == ' ' { '-' } else { character })
                .collect()
        })
        .collect()
}

/// Tests that `page` names as `file::test` in its tables and that `files` (path and text) do not have.
pub(crate) fn missing_tests(page: &str, files: &[(String, String)]) -> Vec<String> {
    let named: Vec<_> = prose(page)
        .filter(|line| line.starts_with('|'))
        .flat_map(|line| line.split('`').skip(1).step_by(2))
        .filter_map(|name| name.split_once("::"))
        .collect();
    if named.is_empty() {
        return vec!["no test is named: write them as `file::test` in the tables".to_owned()];
    }
    let known = |file: &str, test: &str| {
        let mut candidates = files.iter().filter(|(path, _)| stem(path) == file);
        candidates.any(|(path, text)| {
            let of_a_suite = path.starts_with("framework/testkit/src");
            (is_test(path) || of_a_suite) && functions(&tokens(text)).contains(&test)
        })
    };
    let missing = named.into_iter().filter(|(file, test)| !known(file, test));
    missing
        .map(|(file, test)| format!("`{file}::{test}`: no file {file}.rs of tests has a function {test}"))
        .collect()
}

/// What a test's file is called: `a` for `tests/a.rs` and for `tests/a/mod.rs`.
fn stem(path: &str) -> String {
    let path = Path::new(path);
    let named = match path.file_name() {
        Some(name) if name == "mod.rs" || name == "main.rs" => path.parent(),
        _ => Some(path),
    };
    named
        .and_then(Path::file_stem)
        .map(|stem| stem.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// The lines outside fenced code.
fn prose(page: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    page.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_are_compared_in_their_order_outside_of_code() {
        let page: String = PATTERN_PAGE
            .iter()
            .map(|heading| format!("## {heading}\n\n```toml\n## no\n```\n"))
            .collect();
        assert_eq!(heading_gaps("a.md", &page), None);
        let found = heading_gaps("a.md", &page.replace("## When not\n", "")).unwrap();
        assert!(found.starts_with("a.md: wanted"), "{found}");
    }

    #[test]
    fn links_to_elsewhere_and_in_code_are_left_alone() {
        let page = "[a](b.md) [c](https://d)\n```\n[e](f)\n```\n[g](../h.md#i \"j\") [k](#l)\n";
        assert_eq!(relative_links(page), ["b.md", "../h.md#i", "#l"]);
    }

    #[test]
    fn anchors_are_what_the_book_makes_of_headings() {
        assert_eq!(
            anchors("# A `b`, c\n```\n# no\n```\n## `[server]`\n"),
            ["a-b-c", "server"]
        );
    }

    #[test]
    fn a_test_that_is_named_and_missing_is_found() {
        let files = [
            ("a/tests/one.rs".to_owned(), "fn here() {}".to_owned()),
            (
                "a/tests/two/mod.rs".to_owned(),
                "// fn gone\nfn there() {}".to_owned(),
            ),
            ("a/src/one.rs".to_owned(), "fn shipped() {}".to_owned()),
        ];
        let page = "`one::outside_a_table`\n| 1 | `one::here`, `two::there` |\n| 2 | `two::gone` `one::shipped` `plain` |\n";
        let found = missing_tests(page, &files);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            found[0].starts_with("`two::gone`") && found[1].starts_with("`one::shipped`"),
            "{found:?}"
        );
        assert_eq!(missing_tests("nothing", &files).len(), 1);
    }
}
