//! The steps of `cargo xtask test` as values: a name, what the step needs, the command.

use std::path::Path;

use crate::needs::{Need, WASM};

/// Tests whose name contains this are left out by `--quick`.
pub(crate) const SLOW: &str = "slow_";

/// What the list of steps depends on.
#[derive(Debug)]
pub(crate) struct Situation {
    /// The names of the pattern crates, each of which must compile for the browser.
    pub(crate) patterns: Vec<String>,
    /// Whether `cargo nextest` is there.
    pub(crate) nextest: bool,
    pub(crate) quick: bool,
}

/// What else is read from a step's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reads {
    Nothing,
    /// The tests: their summary, and the skips they say.
    Tests,
}

/// One step. Without arguments it only sees to its needs, for the tests that run later.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) needs: &'static [Need],
    /// Whether `--quick` keeps it.
    pub(crate) quick: bool,
    pub(crate) cargo: Vec<String>,
    pub(crate) environment: &'static [(&'static str, &'static str)],
    pub(crate) reads: Reads,
}

const RUSTFMT: Need = Need::Component {
    name: "rustfmt",
    command: "fmt",
};
const CLIPPY: Need = Need::Component {
    name: "clippy",
    command: "clippy",
};
const PYTHON: Need = Need::Program {
    name: "python3",
    package: "python3",
};
const SQLITE: Need = Need::Program {
    name: "sqlite3",
    package: "sqlite3",
};

const CHROMIUM: Need = Need::Program {
    name: "chromium",
    package: "chromium",
};
const CHROMEDRIVER: Need = Need::Program {
    name: "chromedriver",
    package: "chromium-driver",
};

const NODE: Need = Need::Program {
    name: "node",
    package: "nodejs",
};
const NPM: Need = Need::Program {
    name: "npm",
    package: "npm",
};

/// The crates whose tests run in a browser.
const IN_BROWSER: [&str; 2] = ["onsync-indexeddb-store", "onsync-runtime-browser"];

/// How cargo runs tests of [`WASM`]: in headless Chromium, with the flags of `webdriver.json` beside each crate.
const BROWSER: &[(&str, &str)] = &[
    (
        "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER",
        "target/tools/bin/wasm-bindgen-test-runner",
    ),
    ("CHROMEDRIVER", "chromedriver"),
    ("WASM_BINDGEN_TEST_TIMEOUT", "240"),
];

/// Every step in the order in which it runs; the tests last, because the output ends with their summary.
pub(crate) fn steps(situation: &Situation) -> Vec<Step> {
    vec![
        // The client of the wire format in another language is a Python program.
        step("python3", &[PYTHON], true, &[]),
        // Writes by another program are made with the sqlite3 shell.
        step("sqlite3", &[SQLITE], true, &[]),
        step("rustfmt", &[RUSTFMT], true, &["fmt", "--all", "--check"]),
        step(
            "clippy",
            &[CLIPPY],
            false,
            &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"],
        ),
        Step {
            cargo: wasm_check(&situation.patterns),
            ..step("wasm32", &[Need::WasmTarget], false, &[])
        },
        step("clippy wasm32", &[CLIPPY, Need::WasmTarget], false, &[]).with(browser_clippy()),
        Step {
            environment: BROWSER,
            ..step(
                "browser",
                &[Need::WasmTarget, CHROMIUM, CHROMEDRIVER, Need::WasmBindgen],
                false,
                &[],
            )
            .with(browser_tests())
        },
        // The end-to-end test of the web app wants the npm package.
        step(
            "js",
            &[Need::WasmTarget, Need::WasmBindgen],
            false,
            &["xtask", "js"],
        ),
        step(
            "js with a pattern",
            &[Need::WasmTarget, Need::WasmBindgen],
            false,
            &["xtask", "js", "--package", "onsync-example-custom-pattern-web"],
        ),
        step("node", &[NODE, NPM], false, &[]),
        // The same worlds each time, in a release build.
        step("simulator", &[], false, &["xtask", "simulate"]),
        step("fuzz", &[Need::Fuzzing], false, &["xtask", "fuzz"]),
        Step {
            environment: &[("RUSTDOCFLAGS", "-D warnings")],
            ..step(
                "rustdoc",
                &[],
                false,
                &["doc", "--workspace", "--no-deps", "--lib"],
            )
        },
        step(
            "doc tests",
            &[],
            true,
            &["test", "--doc", "--workspace", "--no-fail-fast"],
        ),
        Step {
            cargo: test_run(situation),
            reads: Reads::Tests,
            ..step("tests", &[], true, &[])
        },
    ]
}

fn step(name: &'static str, needs: &'static [Need], quick: bool, cargo: &[&str]) -> Step {
    Step {
        name,
        needs,
        quick,
        cargo: owned(cargo),
        environment: &[],
        reads: Reads::Nothing,
    }
}

impl Step {
    fn with(self, cargo: Vec<String>) -> Self {
        Self { cargo, ..self }
    }
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// What an app in a browser may hold besides the patterns.
const IN_THE_BROWSER: [&str; 5] = [
    "onsync-core",
    "onsync-engine",
    "onsync-network-browser",
    "onsync-network-manual",
    "onsync-network-probe",
];

fn wasm_check(patterns: &[String]) -> Vec<String> {
    let mut words = owned(&["check", "--target", WASM, "--no-default-features"]);
    for name in IN_THE_BROWSER
        .into_iter()
        .chain(patterns.iter().map(String::as_str))
    {
        words.extend(owned(&["--package", name]));
    }
    words
}

fn in_browser(command: &str, rest: &[&str]) -> Vec<String> {
    let mut words = owned(&[command, "--target", WASM]);
    for name in IN_BROWSER {
        words.extend(owned(&["--package", name]));
    }
    words.extend(owned(rest));
    words
}

fn browser_tests() -> Vec<String> {
    in_browser("test", &["--tests", "--no-fail-fast"])
}

/// Where there is one thread, everything shared is shared by `Arc` that need not be.
fn browser_clippy() -> Vec<String> {
    let lints = ["--", "-D", "warnings", "-A", "clippy::arc_with_non_send_sync"];
    in_browser(
        "clippy",
        &[
            [
                "--package",
                "onsync-js",
                "--package",
                "onsync-example-custom-pattern-web",
                "--all-targets",
            ]
            .as_slice(),
            &lints,
        ]
        .concat(),
    )
}

fn test_run(situation: &Situation) -> Vec<String> {
    match (situation.nextest, situation.quick) {
        (true, false) => owned(&["nextest", "run", "--workspace"]),
        (true, true) => owned(&["nextest", "run", "--workspace", "--profile", "quick"]),
        // The shown output of tests that pass is where skips are read from.
        (false, quick) => {
            let mut words = owned(&[
                "test",
                "--workspace",
                "--lib",
                "--bins",
                "--tests",
                "--no-fail-fast",
            ]);
            words.extend(owned(&["--", "--show-output"]));
            if quick {
                words.extend(owned(&["--skip", SLOW]));
            }
            words
        }
    }
}

/// Parts the steps into those to run and the names of those that `--quick` leaves out.
pub(crate) fn select(steps: Vec<Step>, quick: bool) -> (Vec<Step>, Vec<&'static str>) {
    let (run, left): (Vec<_>, Vec<_>) = steps.into_iter().partition(|step| !quick || step.quick);
    (run, left.iter().map(|step| step.name).collect())
}

/// The pattern crates by the folders below `patterns/`.
pub(crate) fn pattern_crates(root: &Path) -> std::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(root.join("patterns"))? {
        let entry = entry?;
        if entry.path().join("Cargo.toml").is_file() {
            names.push(format!("onsync-pattern-{}", entry.file_name().to_string_lossy()));
        }
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn situation(nextest: bool, quick: bool) -> Situation {
        Situation {
            patterns: vec!["onsync-pattern-read-only".to_owned()],
            nextest,
            quick,
        }
    }

    fn line(steps: &[Step], name: &str) -> String {
        steps
            .iter()
            .find(|step| step.name == name)
            .unwrap()
            .cargo
            .join(" ")
    }

    #[test]
    fn the_tests_run_last_so_that_the_output_can_end_with_their_summary() {
        let steps = steps(&situation(true, false));
        let reading: Vec<_> = steps.iter().filter(|step| step.reads == Reads::Tests).collect();
        assert_eq!(reading.len(), 1);
        assert_eq!(steps.last().unwrap().name, reading[0].name);
    }

    #[test]
    fn names_are_unique_because_skips_are_listed_by_them() {
        let steps = steps(&situation(true, false));
        let mut names: Vec<_> = steps.iter().map(|step| step.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), steps.len());
    }

    #[test]
    fn quick_leaves_out_clippy_the_browser_and_rustdoc_and_nothing_else() {
        let (run, left) = select(steps(&situation(true, true)), true);
        assert_eq!(
            left,
            [
                "clippy",
                "wasm32",
                "clippy wasm32",
                "browser",
                "js",
                "js with a pattern",
                "node",
                "simulator",
                "fuzz",
                "rustdoc"
            ]
        );
        let names: Vec<_> = run.iter().map(|step| step.name).collect();
        assert_eq!(names, ["python3", "sqlite3", "rustfmt", "doc tests", "tests"]);
        assert_eq!(
            select(steps(&situation(true, false)), false).1,
            Vec::<&str>::new()
        );
    }

    #[test]
    fn every_pattern_and_the_browsers_adapters_are_checked_for_the_browser() {
        let line = line(&steps(&situation(true, false)), "wasm32");
        assert!(line.contains("--target wasm32-unknown-unknown"), "{line}");
        for name in IN_THE_BROWSER.into_iter().chain(["onsync-pattern-read-only"]) {
            assert!(line.contains(&format!("--package {name}")), "{line}");
        }
    }

    #[test]
    fn the_tests_of_the_browser_run_in_the_one_that_is_installed() {
        let steps = steps(&situation(true, false));
        let browser = steps.iter().find(|step| step.name == "browser").unwrap();
        assert!(browser.needs.contains(&CHROMIUM) && browser.needs.contains(&Need::WasmBindgen));
        let runner = browser
            .environment
            .iter()
            .find(|(name, _)| name.ends_with("_RUNNER"));
        assert!(runner.is_some_and(|(_, path)| path.starts_with(crate::needs::TOOLS)));
        for name in IN_BROWSER {
            let folder = name.trim_start_matches("onsync-");
            let flags = format!("../../adapters/{folder}/webdriver.json");
            assert!(
                Path::new(env!("CARGO_MANIFEST_DIR")).join(flags).is_file(),
                "{name}"
            );
            assert!(line(&steps, "browser").contains(name));
        }
    }

    #[test]
    fn without_nextest_the_same_tests_run_in_cargo_test() {
        assert_eq!(
            line(&steps(&situation(true, false)), "tests"),
            "nextest run --workspace"
        );
        assert_eq!(
            line(&steps(&situation(true, true)), "tests"),
            "nextest run --workspace --profile quick"
        );
        let plain = line(&steps(&situation(false, false)), "tests");
        assert!(
            plain.starts_with("test --workspace --lib --bins --tests"),
            "{plain}"
        );
        assert!(!plain.contains("--skip"), "{plain}");
        let quick = line(&steps(&situation(false, true)), "tests");
        assert!(quick.ends_with("--skip slow_"), "{quick}");
    }

    #[test]
    fn the_quick_profile_of_nextest_leaves_out_the_same_tests() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.config/nextest.toml");
        let text = std::fs::read_to_string(file).unwrap();
        assert!(
            text.contains(&format!("default-filter = \"not test({SLOW})\"")),
            "{text}"
        );
    }

    #[test]
    fn pattern_crates_are_found_by_their_folders() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        assert!(
            pattern_crates(&root)
                .unwrap()
                .contains(&"onsync-pattern-read-only".to_owned())
        );
        assert!(pattern_crates(Path::new("no such folder")).is_err());
    }
}
