//! What is said after the last step: the table of steps, the skips, the verdict, the runner's summary.

use std::time::Duration;

use crate::skips::{PAGE, Skip};
use crate::{FAILED, SKIPPED};

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    Failed(String),
    Skipped(String),
}

/// A step that was run, or could not be.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) name: &'static str,
    pub(crate) took: Duration,
    pub(crate) outcome: Outcome,
}

/// Everything a run of `cargo xtask test` found out.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) done: Vec<Done>,
    /// The steps `--quick` left out; a choice of the caller, not a skip.
    pub(crate) left_out: Vec<&'static str>,
    /// What tests said they could not do.
    pub(crate) said: Vec<Skip>,
    /// What [`PAGE`] allows to be skipped.
    pub(crate) allowed: Vec<Skip>,
    pub(crate) summary: Vec<String>,
    pub(crate) ci: bool,
}

impl Report {
    /// The skips of steps and tests; under `CI=true` those that nobody allowed decide the verdict.
    fn skips(&self) -> Vec<Skip> {
        let of_steps = self.done.iter().filter_map(|done| match &done.outcome {
            Outcome::Skipped(reason) => Some(Skip {
                name: done.name.to_owned(),
                reason: reason.clone(),
            }),
            Outcome::Passed | Outcome::Failed(_) => None,
        });
        of_steps.chain(self.said.iter().cloned()).collect()
    }

    fn is_allowed(&self, skip: &Skip) -> bool {
        self.allowed.iter().any(|allowed| allowed.name == skip.name)
    }

    /// The exit code: see the README.
    pub(crate) fn exit_code(&self) -> u8 {
        if self
            .done
            .iter()
            .any(|done| matches!(done.outcome, Outcome::Failed(_)))
        {
            FAILED
        } else if self.ci && self.skips().iter().any(|skip| !self.is_allowed(skip)) {
            SKIPPED
        } else {
            0
        }
    }

    /// The text printed at the end. Its last lines are the test runner's own.
    pub(crate) fn text(&self) -> String {
        let mut lines = vec![String::new(), "== steps".to_owned()];
        for done in &self.done {
            let outcome = match &done.outcome {
                Outcome::Passed => "passed".to_owned(),
                Outcome::Failed(what) => format!("FAILED: {what}"),
                Outcome::Skipped(_) => "skipped, see below".to_owned(),
            };
            lines.push(format!(
                "{:<10} {:>8.1} s  {outcome}",
                done.name,
                done.took.as_secs_f64()
            ));
        }
        self.skipped(&mut lines);
        lines.push(String::new());
        lines.push(match self.exit_code() {
            0 => "== verdict: everything that ran passed".to_owned(),
            FAILED => "== verdict: FAILED, see the steps above".to_owned(),
            _ => {
                format!("== verdict: SKIPPED under CI=true; make it run, or list it with a reason in {PAGE}")
            }
        });
        if self.summary.is_empty() {
            lines
                .push("The test runner gave no summary: it did not come as far as running tests.".to_owned());
        }
        lines.extend(self.summary.iter().cloned());
        lines.join("\n")
    }

    fn skipped(&self, lines: &mut Vec<String>) {
        let skips = self.skips();
        lines.push(String::new());
        if skips.is_empty() {
            lines.push("== skipped: nothing".to_owned());
        } else {
            lines.push(format!("== skipped: {}", skips.len()));
        }
        for skip in &skips {
            let listed = if self.is_allowed(skip) {
                "listed"
            } else {
                "not listed"
            };
            lines.push(format!("- {} ({listed} in {PAGE}): {}", skip.name, skip.reason));
        }
        if !self.left_out.is_empty() {
            let steps = self.left_out.join(", ");
            lines.push(format!(
                "Left out by --quick: {steps}, and the tests named {}…",
                crate::steps::SLOW
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(name: &'static str, outcome: Outcome) -> Done {
        Done {
            name,
            took: Duration::from_millis(1250),
            outcome,
        }
    }

    fn skip(name: &str) -> Skip {
        Skip {
            name: name.to_owned(),
            reason: "not there".to_owned(),
        }
    }

    #[test]
    fn the_last_line_is_the_runners_own() {
        let summary = vec!["Summary [ 1s] 1 test run: 1 passed".to_owned()];
        let report = Report {
            done: vec![done("tests", Outcome::Passed)],
            summary,
            ..Report::default()
        };
        assert_eq!(report.exit_code(), 0);
        let text = report.text();
        assert_eq!(text.lines().last(), Some("Summary [ 1s] 1 test run: 1 passed"));
        assert!(text.contains("tests           1.2 s  passed"), "{text}");
        assert!(text.contains("== skipped: nothing"), "{text}");
    }

    #[test]
    fn one_failed_step_fails_the_run() {
        let failed = done("clippy", Outcome::Failed("exit status 101".to_owned()));
        let report = Report {
            done: vec![failed, done("tests", Outcome::Passed)],
            ..Report::default()
        };
        assert_eq!(report.exit_code(), FAILED);
        assert!(report.text().contains("FAILED: exit status 101"));
        assert!(
            report
                .text()
                .ends_with("it did not come as far as running tests.")
        );
    }

    #[test]
    fn a_skip_is_said_aloud_and_passes_outside_ci() {
        let report = Report {
            done: vec![done("sqlite3", Outcome::Skipped("not there".to_owned()))],
            said: vec![skip("wire::client")],
            ..Report::default()
        };
        assert_eq!(report.exit_code(), 0);
        let text = report.text();
        assert!(text.contains("== skipped: 2"), "{text}");
        assert!(
            text.contains("- sqlite3 (not listed in docs/skips.md): not there"),
            "{text}"
        );
        assert!(
            text.contains("- wire::client (not listed in docs/skips.md): not there"),
            "{text}"
        );
    }

    #[test]
    fn under_ci_a_skip_fails_unless_it_is_listed() {
        let mut report = Report {
            said: vec![skip("wire::client")],
            ci: true,
            ..Report::default()
        };
        assert_eq!(report.exit_code(), SKIPPED);
        assert!(report.text().contains("list it with a reason in docs/skips.md"));
        report.allowed = vec![skip("wire::client")];
        assert_eq!(report.exit_code(), 0);
    }

    #[test]
    fn what_quick_leaves_out_is_said_and_is_no_skip() {
        let report = Report {
            left_out: vec!["clippy", "rustdoc"],
            ci: true,
            ..Report::default()
        };
        assert_eq!(report.exit_code(), 0);
        assert!(
            report
                .text()
                .contains("Left out by --quick: clippy, rustdoc, and the tests named slow_…")
        );
    }
}
