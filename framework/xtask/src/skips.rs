//! Skips: how a test says one, where it is found, and which are allowed under `CI=true`.

use std::path::Path;

/// Something that was not done, and why.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Skip {
    pub(crate) name: String,
    pub(crate) reason: String,
}

/// The word with which a test begins the line that says it was skipped.
const WORD: &str = "SKIPPED";

/// The page that lists the skips allowed under `CI=true`.
pub(crate) const PAGE: &str = "docs/skips.md";

/// Reads a line `SKIPPED <name>: <reason>`. On a machine with one core the line begins with `test <name> ... `, which the
/// harness has printed before it.
fn said(line: &str) -> Option<Skip> {
    let line = line.trim();
    let own = line
        .strip_prefix("test ")
        .and_then(|rest| rest.split_once(" ... "))
        .map_or(line, |(_, own)| own);
    let rest = own.strip_prefix(WORD)?;
    let rest = rest.strip_prefix(':').or_else(|| rest.strip_prefix(' '))?.trim();
    let (name, reason) = rest.split_once(": ").unwrap_or((rest, "no reason was given"));
    Some(Skip {
        name: name.trim().to_owned(),
        reason: reason.trim().to_owned(),
    })
}

/// The skips said in the output of `cargo test`, each once.
pub(crate) fn in_lines<'a>(lines: impl IntoIterator<Item = &'a str>) -> Vec<Skip> {
    let mut found: Vec<_> = lines.into_iter().filter_map(said).collect();
    found.sort();
    found.dedup();
    found
}

/// The skips said in a JUnit report, which holds the output of every test as escaped text.
pub(crate) fn in_junit(report: &str) -> Vec<Skip> {
    let texts = report
        .split(['<', '>'])
        .flat_map(str::lines)
        .filter(|line| line.contains(WORD))
        .map(unescape);
    let texts: Vec<_> = texts.collect();
    in_lines(texts.iter().map(String::as_str))
}

fn unescape(text: &str) -> String {
    let pairs = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&apos;", "'"),
        ("&amp;", "&"),
    ];
    pairs.iter().fold(text.to_owned(), |text, (escaped, plain)| {
        text.replace(escaped, plain)
    })
}

/// Reads the table `| skipped | reason |` of the page; everything else on it is prose.
pub(crate) fn listed(page: &str) -> Result<Vec<Skip>, String> {
    let mut rows = page
        .lines()
        .enumerate()
        .skip_while(|(_, line)| cells(line) != ["skipped", "reason"]);
    if rows.next().is_none() {
        return Err(format!(
            "{PAGE}: wanted a table with the head `| skipped | reason |`, found none; add it"
        ));
    }
    let mut skips = Vec::new();
    for (index, line) in rows
        .skip(1)
        .take_while(|(_, line)| line.trim_start().starts_with('|'))
    {
        match cells(line)[..] {
            [name, reason] if !name.is_empty() && !reason.is_empty() => {
                skips.push(Skip {
                    name: name.trim_matches('`').to_owned(),
                    reason: reason.to_owned(),
                });
            }
            _ => {
                let number = index + 1;
                return Err(format!(
                    "{PAGE}:{number}: wanted `| name | reason |`, both filled, found `{line}`"
                ));
            }
        }
    }
    Ok(skips)
}

fn cells(line: &str) -> Vec<&str> {
    let inner = line
        .trim()
        .strip_prefix('|')
        .and_then(|line| line.strip_suffix('|'));
    inner
        .map(|inner| inner.split('|').map(str::trim).collect())
        .unwrap_or_default()
}

/// Reads the page of the workspace at `root`.
pub(crate) fn read(root: &Path) -> Result<Vec<Skip>, String> {
    let text = std::fs::read_to_string(root.join(PAGE)).map_err(|error| {
        format!("wanted to read {PAGE}, the list of skips that are allowed, but: {error}; restore it")
    })?;
    listed(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skip(name: &str, reason: &str) -> Skip {
        Skip {
            name: name.to_owned(),
            reason: reason.to_owned(),
        }
    }

    #[test]
    fn a_line_of_a_test_is_read() {
        let lines = [
            "running 2 tests",
            "  SKIPPED wire::client: python3 is not there: install it",
            "SKIPPEDNESS no",
        ];
        assert_eq!(
            in_lines(lines),
            [skip("wire::client", "python3 is not there: install it")]
        );
    }

    #[test]
    fn a_line_after_the_name_the_harness_prints_is_read() {
        assert_eq!(
            in_lines(["test a::b ... SKIPPED a::b: c", "test a::b ... ok"]),
            [skip("a::b", "c")]
        );
    }

    #[test]
    fn a_sloppy_line_is_still_heard() {
        assert_eq!(
            in_lines(["SKIPPED: a: b", "SKIPPED c"]),
            [skip("a", "b"), skip("c", "no reason was given")]
        );
    }

    #[test]
    fn the_same_skip_is_said_once() {
        assert_eq!(in_lines(["SKIPPED a: b", "SKIPPED a: b"]).len(), 1);
    }

    #[test]
    fn a_junit_report_is_read_unescaped() {
        let report = "<testcase><system-err>SKIPPED a::b: &lt;x&gt; &amp; &quot;y&quot;\nother</system-err>\n\
                      <system-out>\nfirst\nSKIPPED c: d\n</system-out></testcase>";
        assert_eq!(in_junit(report), [skip("a::b", "<x> & \"y\""), skip("c", "d")]);
    }

    #[test]
    fn the_table_is_read_and_the_prose_is_not() {
        let page = "# Skips\n\n| other | table |\n|---|---|\n| a | b |\n\n| skipped | reason |\n|---|---|\n\
                    | `wire::client` | no Python there |\n| sqlite3 | no shell |\n\nEnd | of | it\n";
        let expected = [
            skip("wire::client", "no Python there"),
            skip("sqlite3", "no shell"),
        ];
        assert_eq!(listed(page).unwrap(), expected);
    }

    #[test]
    fn an_empty_table_allows_nothing() {
        assert_eq!(listed("| skipped | reason |\n|---|---|\n").unwrap(), []);
    }

    #[test]
    fn a_row_without_a_reason_is_refused_with_its_line() {
        let error = listed("| skipped | reason |\n|---|---|\n| sqlite3 | |\n").unwrap_err();
        assert!(error.starts_with("docs/skips.md:3: wanted"), "{error}");
        assert!(error.contains("| sqlite3 | |"), "{error}");
    }

    #[test]
    fn a_page_without_the_table_is_refused() {
        assert!(listed("# Skips\n").unwrap_err().contains("| skipped | reason |"));
    }

    #[test]
    fn the_page_of_this_workspace_is_well_formed() {
        read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).unwrap();
    }
}
