//! The test runner's own summary, taken from its output so that it can be the last thing said.

/// The summary of the last run in `lines`: from nextest its `Summary` line and the failed tests named below it, from
/// `cargo test` every `test result` line of a program that had tests. Empty if the runner never came so far.
pub(crate) fn of(lines: &[String]) -> Vec<String> {
    let plain: Vec<String> = lines.iter().map(|line| without_colours(line)).collect();
    if let Some(start) = plain
        .iter()
        .rposition(|line| line.trim_start().starts_with("Summary ["))
    {
        let (summary, below) = (plain[start].clone(), &plain[start + 1..]);
        return std::iter::once(summary)
            .chain(below.iter().filter(|line| is_status(line)).cloned())
            .collect();
    }
    let results = plain.into_iter().filter(|line| line.starts_with("test result: "));
    results
        .filter(|line| !line.contains("ok. 0 passed; 0 failed; 0 ignored"))
        .collect()
}

/// Whether a line names a test with its status (`FAIL [   0.1s] …`, `TIMEOUT [ … ] …`) or is the runner's last word; the
/// output of failed tests, which may stand between them, has been shown before.
fn is_status(line: &str) -> bool {
    let (word, rest) = line.trim_start().split_once(' ').unwrap_or_default();
    let status = word.len() > 2 && word.chars().all(|sign| sign.is_ascii_uppercase() || sign == '-');
    line.starts_with("error: ") || (status && rest.trim_start().starts_with('['))
}

/// Removes the escape sequences with which a terminal is told to colour (`ESC [ … m`).
fn without_colours(line: &str) -> String {
    let mut parts = line.split("\u{1b}[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain.push_str(part.split_once('m').map_or("", |(_, rest)| rest));
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn nextest_ends_with_its_summary_line() {
        let run =
            lines("    PASS [ 0.01s] a b\n------\n     Summary [   0.2s] 2 tests run: 2 passed, 0 skipped");
        assert_eq!(
            of(&run),
            ["     Summary [   0.2s] 2 tests run: 2 passed, 0 skipped"]
        );
    }

    #[test]
    fn nextest_names_the_failed_tests_below_its_summary() {
        let run = lines(
            "     Summary [ 0.2s] 2 tests run: 1 passed, 1 failed\n        FAIL [ 0.1s] (2/2) a b\n  stderr ───\n\
             panicked at a.rs:1\n    note: one [\n     TIMEOUT [ 60.0s] (1/2) a c\nerror: test run failed",
        );
        let last: Vec<_> = of(&run).into_iter().skip(1).collect();
        let failed = [
            "        FAIL [ 0.1s] (2/2) a b",
            "     TIMEOUT [ 60.0s] (1/2) a c",
            "error: test run failed",
        ];
        assert_eq!(last, failed);
    }

    #[test]
    fn colours_do_not_hide_the_summary() {
        let run = lines("\u{1b}[32;1m     Summary\u{1b}[0m [ 0.2s] \u{1b}[1m1\u{1b}[0m test run: 1 passed");
        assert_eq!(of(&run), ["     Summary [ 0.2s] 1 test run: 1 passed"]);
    }

    #[test]
    fn cargo_test_ends_with_the_results_of_the_programs_that_had_tests() {
        let run = lines(
            "running 0 tests\ntest result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n\
             running 3 tests\ntest result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out",
        );
        assert_eq!(
            of(&run),
            ["test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out"]
        );
    }

    #[test]
    fn a_run_that_did_not_compile_has_no_summary() {
        assert!(of(&lines("error: could not compile `a`")).is_empty());
    }
}
