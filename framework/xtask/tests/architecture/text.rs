//! Rules on the text of a file. They read rustfmt's layout; they are no parser.

/// The line with which every crate makes its README its front page.
pub(crate) const FRONT_PAGE: &str = "#![doc = include_str!(\"../README.md\")]";

const LINES_OF_A_FILE: usize = 500;
const LINES_OF_A_FUNCTION: usize = 70;

pub(crate) fn has_readme_as_front_page(text: &str) -> bool {
    text.lines().any(|line| line.trim() == FRONT_PAGE)
}

pub(crate) fn takes_workspace_lints(manifest: &str) -> bool {
    let mut lines = manifest
        .lines()
        .map(str::trim)
        .skip_while(|line| *line != "[lints]");
    lines.next().is_some() && lines.find(|line| !line.is_empty()) == Some("workspace = true")
}

pub(crate) fn too_long(path: &str, text: &str) -> Option<String> {
    let lines = text.lines().count();
    (lines > LINES_OF_A_FILE)
        .then(|| format!("{path}: {lines} lines; give one of its concerns a file of its own"))
}

/// The places where `text` names one of `crates`, in its spelling for Cargo or for Rust. In a name that only begins
/// alike (`onsync-pattern-read-only` in `onsync-pattern-read-only-optimized`) the longer one is found anyway.
pub(crate) fn names_a_crate(path: &str, text: &str, crates: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let named = crates
            .iter()
            .find(|name| line.contains(**name) || line.contains(&name.replace('-', "_")));
        if let Some(name) = named {
            found.push(format!("{path}:{}: names {name}", index + 1));
        }
    }
    found
}

pub(crate) fn ignored_tests(path: &str, text: &str) -> Vec<String> {
    let ignored = text.lines().enumerate().filter(|(_, line)| {
        line.trim()
            .strip_prefix("#[ignore")
            .is_some_and(|rest| rest.starts_with([']', ' ', '=']))
    });
    ignored
        .map(|(index, _)| format!("{path}:{}: #[ignore]", index + 1))
        .collect()
}

/// Compares the links of the book's `SUMMARY.md` with the pages there are, both named from `docs/`.
pub(crate) fn book_gaps(summary: &str, pages: &[String]) -> Vec<String> {
    let after_links = summary.split("](").skip(1);
    let links: Vec<&str> = after_links.filter_map(|rest| rest.split(')').next()).collect();
    let broken = links
        .iter()
        .filter(|link| !pages.iter().any(|page| page == *link));
    let broken = broken.map(|link| format!("docs/SUMMARY.md links {link}, which is missing: write it"));
    let lost = pages
        .iter()
        .filter(|page| *page != "SUMMARY.md" && !links.contains(&page.as_str()));
    broken
        .chain(lost.map(|page| format!("docs/{page} is not in docs/SUMMARY.md: link it")))
        .collect()
}

/// Functions over the limit: from the line with `fn` to the closing brace of the same indentation.
pub(crate) fn long_functions(path: &str, text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let Some(name) = function_name(line) else { continue };
        let indentation = &line[..line.len() - line.trim_start().len()];
        let closing = format!("{indentation}}}");
        let body = lines[start..]
            .iter()
            .position(|line| *line == closing || line.trim_end().ends_with("; }"));
        let length = body.map_or(0, |last| last + 1);
        if length > LINES_OF_A_FUNCTION && !line.trim_end().ends_with(';') {
            found.push(format!("{path}:{}: {name} has {length} lines", start + 1));
        }
    }
    found
}

fn function_name(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace();
    let modifiers = ["pub", "pub(crate)", "pub(super)", "async", "const"];
    let first = words.find(|word| !modifiers.contains(word))?;
    if first != "fn" {
        return None;
    }
    words.next()?.split(['(', '<']).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_front_page_is_recognised() {
        assert!(has_readme_as_front_page(
            "#![doc = include_str!(\"../README.md\")]\nmod a;"
        ));
        assert!(!has_readme_as_front_page("//! A crate."));
    }

    #[test]
    fn lints_are_taken_only_from_their_own_table() {
        assert!(takes_workspace_lints(
            "[package]\nname = \"a\"\n\n[lints]\nworkspace = true\n"
        ));
        assert!(!takes_workspace_lints(
            "[package]\nname = \"a\"\n\n[dependencies.b]\nworkspace = true\n"
        ));
        assert!(!takes_workspace_lints(
            "[lints]\n\n[dependencies.b]\nworkspace = true\n"
        ));
    }

    #[test]
    fn a_file_of_500_lines_passes_and_one_more_does_not() {
        assert_eq!(too_long("a.rs", &"x\n".repeat(500)), None);
        assert!(
            too_long("a.rs", &"x\n".repeat(501))
                .unwrap()
                .starts_with("a.rs: 501 lines")
        );
    }

    #[test]
    fn a_crate_is_found_in_both_spellings() {
        let text = "use onsync_core::Error;\nuse onsync_sqlite_store::Store;\n// see onsync-sqlite-store\n";
        let found = names_a_crate("a.rs", text, &["onsync-sqlite-store"]);
        assert_eq!(
            found,
            [
                "a.rs:2: names onsync-sqlite-store",
                "a.rs:3: names onsync-sqlite-store"
            ]
        );
    }

    #[test]
    fn the_book_misses_no_page_and_links_none_that_is_missing() {
        let pages = ["SUMMARY.md", "a.md", "adr/b.md", "c.md"].map(str::to_owned);
        let gaps = book_gaps(
            "# Summary\n\n- [A](a.md)\n  - [B](adr/b.md)\n- [D](d.md)\n",
            &pages,
        );
        assert_eq!(gaps.len(), 2, "{gaps:?}");
        assert!(
            gaps[0].contains("links d.md") && gaps[1].starts_with("docs/c.md"),
            "{gaps:?}"
        );
    }

    #[test]
    fn an_ignored_test_is_found() {
        let (plain, reasoned) = (
            ["#[", "ignore]"].concat(),
            ["    #[", "ignore = \"slow\"]"].concat(),
        );
        let text = format!("{plain}\n{reasoned}\n// {plain}\n");
        assert_eq!(ignored_tests("a.rs", &text).len(), 2);
    }

    #[test]
    fn a_long_function_is_named_with_its_length() {
        let text = format!(
            "mod a {{\n    pub(crate) async fn b<T>(c: T) {{\n{}    }}\n}}\n",
            "        x();\n".repeat(69)
        );
        assert_eq!(long_functions("a.rs", &text), ["a.rs:2: b has 71 lines"]);
        let short = text.replacen("        x();\n", "", 1);
        assert!(long_functions("a.rs", &short).is_empty());
    }
}
