//! `cargo xtask test`: runs the steps one after the other and reports.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use crate::child::{self, Watched};
use crate::report::{Done, Outcome, Report};
use crate::skips::{self, Skip};
use crate::steps::{self, Reads, Situation, Step};
use crate::{NOT_DONE, summary};

/// How the tests are to be run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    pub(crate) quick: bool,
    /// Whether system packages may be installed.
    pub(crate) install: bool,
    /// Whether a skip that is not listed is a failure.
    pub(crate) ci: bool,
}

/// Runs all steps, prints the report, and returns the exit code the README documents.
pub(crate) fn run(options: Options) -> ExitCode {
    match run_steps(options, &child::root()) {
        Ok(report) => {
            println!("{}", report.text());
            ExitCode::from(report.exit_code())
        }
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::from(NOT_DONE)
        }
    }
}

fn run_steps(options: Options, root: &Path) -> Result<Report, String> {
    let allowed = skips::read(root)?;
    let patterns = steps::pattern_crates(root)
        .map_err(|error| format!("wanted to list the folder patterns/ of the workspace, but: {error}"))?;
    let nextest = child::succeeds(child::cargo().args(["nextest", "--version"]));
    if !nextest {
        println!("cargo-nextest is not installed: the tests run in `cargo test`, which is slower");
    }
    let situation = Situation {
        patterns,
        nextest,
        quick: options.quick,
    };
    let (chosen, left_out) = steps::select(steps::steps(&situation), options.quick);
    let mut report = Report {
        allowed,
        left_out,
        ci: options.ci,
        ..Report::default()
    };
    for step in &chosen {
        println!("\n== {}", step.name);
        let records = Records::new(root, &situation);
        if step.reads == Reads::Tests {
            records.forget();
        }
        let start = Instant::now();
        let (outcome, lines) = run_step(step, options, root);
        if step.reads == Reads::Tests {
            report.summary = summary::of(&lines);
            report.said = records.skips(&lines);
        }
        let took = start.elapsed();
        println!("-- {} took {:.1} s", step.name, took.as_secs_f64());
        report.done.push(Done {
            name: step.name,
            took,
            outcome,
        });
    }
    Ok(report)
}

fn run_step(step: &Step, options: Options, root: &Path) -> (Outcome, Vec<String>) {
    for need in step.needs {
        if let Err(reason) = need.meet(options.install) {
            println!("skipped: {reason}");
            return (Outcome::Skipped(reason), Vec::new());
        }
    }
    if step.cargo.is_empty() {
        println!("present");
        return (Outcome::Passed, Vec::new());
    }
    let mut command = child::cargo();
    command
        .args(&step.cargo)
        .envs(step.environment.iter().copied())
        .current_dir(root);
    println!("$ cargo {}", step.cargo.join(" "));
    match child::watch(&mut command) {
        Ok(Watched { success: true, lines }) => (Outcome::Passed, lines),
        Ok(Watched {
            success: false,
            lines,
        }) => (
            Outcome::Failed(format!("`cargo {}`", step.cargo.join(" "))),
            lines,
        ),
        Err(error) => (
            Outcome::Failed(format!("cargo could not be started: {error}")),
            Vec::new(),
        ),
    }
}

/// Where the output of tests that pass is found: nextest hides it and keeps it in a JUnit report, `cargo test` shows it.
#[derive(Debug)]
struct Records {
    junit: Option<PathBuf>,
}

impl Records {
    fn new(root: &Path, situation: &Situation) -> Self {
        let profile = if situation.quick { "quick" } else { "default" };
        let junit = root.join("target/nextest").join(profile).join("junit.xml");
        Self {
            junit: situation.nextest.then_some(junit),
        }
    }

    /// Removes the report of an earlier run, so that its skips are not said again if this run never writes one.
    fn forget(&self) {
        if let Some(junit) = &self.junit {
            let _absent_is_fine = std::fs::remove_file(junit);
        }
    }

    fn skips(&self, lines: &[String]) -> Vec<Skip> {
        match &self.junit {
            Some(junit) => skips::in_junit(&std::fs::read_to_string(junit).unwrap_or_default()),
            None => skips::in_lines(lines.iter().map(String::as_str)),
        }
    }
}
