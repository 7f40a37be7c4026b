#![doc = include_str!("../README.md")]

mod child;
mod demo;
mod fuzz;
mod js;
mod needs;
mod report;
mod simulate;
mod skips;
mod steps;
mod summary;
mod test;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Exit codes of `cargo xtask test`; 2 is clap's, for a command line it does not understand.
const FAILED: u8 = 1;
const SKIPPED: u8 = 3;
const NOT_DONE: u8 = 4;

const EXIT_CODES: &str = "\
Exit codes of test:
  0  everything that ran passed
  1  at least one step failed
  2  the command line was not understood
  3  under CI=true something was skipped that docs/skips.md does not list
  4  xtask could not do its own work; the message says why
demo, bench, simulate and mutants end with the exit code of the program they run; js, fuzz and a night with 0, 1 or 4.";

/// The benches of the crate `onsync`, in the order in which they run.
const BENCHES: [&str; 6] = ["first_sync", "delta", "push", "conflicts", "family", "memory"];

#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "Demo, tests, simulations, fuzzing, benches and the npm package of OnSync."
)]
#[command(after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Build the onsync binary and run `onsync demo`: a server, two devices, an offline edit. Where it stays, the example
    /// web app is built and served beside it.
    #[command(disable_help_flag = true)]
    Demo {
        /// Passed on to `onsync demo` (`--once`, `--help`, …).
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        flags: Vec<OsString>,
    },
    /// Run every check and every test, and set up what they need.
    Test {
        /// Leave out clippy, wasm32, rustdoc and the tests named slow_…: under four minutes once built.
        #[arg(long)]
        quick: bool,
        /// Install missing system packages with apt-get (needs root). CI=true does so too.
        #[arg(long)]
        install: bool,
    },
    /// Build the npm package of the JavaScript face into target/js/onsync, or a module with plug-ins of one's own.
    Js {
        /// A crate of this workspace that depends on onsync-js; its module goes into target/js/<package>.
        #[arg(long)]
        package: Option<String>,
    },
    /// Build the npm package and serve the example web app, until Ctrl-C. Prints its address.
    #[command(disable_help_flag = true)]
    Pwa {
        /// Passed on to the example (`--listen`, `--help`, …).
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        flags: Vec<OsString>,
    },
    /// The web app of `demo`, which starts this by itself.
    #[command(hide = true)]
    WebAppOfTheDemo {
        /// The file whose lines the demo shows.
        announcements: PathBuf,
    },
    /// Run simulated worlds over all patterns, in a release build: for minutes, or what a night has time for.
    Simulate {
        /// Two million worlds, pairs of crashes, partitions, all planted bugs, and a thousand processes killed; takes hours.
        #[arg(long, conflicts_with = "flags")]
        nightly: bool,
        /// Divides the numbers of a night by this.
        #[arg(long, requires = "nightly", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
        part: u64,
        /// Passed on to the campaign, after `--` (`--help`, `--seed 7`, …); instead of what it runs otherwise.
        #[arg(last = true)]
        flags: Vec<OsString>,
    },
    /// Build with the bugs that are planted in the sources, and print which check finds each of them.
    Mutants {
        /// Passed on to the campaign, after `--` (`--mutant <name>`, …).
        #[arg(last = true)]
        flags: Vec<OsString>,
    },
    /// Feed every decoder what no programmer thinks of: needs cargo-fuzz and a nightly toolchain.
    Fuzz {
        /// Which targets; none named runs all.
        names: Vec<String>,
        /// How long each of them runs.
        #[arg(long, default_value_t = 10)]
        seconds: u64,
    },
    /// Run the benches, all of them or the named ones, in the release profile.
    Bench {
        /// Which benches; none named runs all.
        #[arg(value_parser = BENCHES)]
        names: Vec<String>,
        /// Passed on to each bench, after `--`.
        #[arg(last = true)]
        flags: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Task::Demo { flags } => demo::run(&flags),
        Task::WebAppOfTheDemo { announcements } => demo::web_app(&announcements),
        Task::Test { quick, install } => {
            let ci = std::env::var("CI").is_ok_and(|value| value == "true");
            test::run(test::Options {
                quick,
                install: install || ci,
                ci,
            })
        }
        Task::Js { package } => js::run(package.as_deref(), false),
        Task::Pwa { flags } => js::serve(&flags),
        Task::Simulate {
            nightly: true, part, ..
        } => simulate::night(part),
        Task::Simulate { flags, .. } => child::hand_over(simulate::simulate(&flags)),
        Task::Mutants { flags } => child::hand_over(simulate::mutants(&flags)),
        Task::Fuzz { names, seconds } => fuzz::run(seconds, &names),
        Task::Bench { names, flags } => child::hand_over(bench(&names, &flags)),
    }
}

fn bench(names: &[String], flags: &[OsString]) -> std::process::Command {
    let mut command = child::cargo();
    command.args(["bench", "--package", "onsync"]);
    let chosen = BENCHES
        .iter()
        .filter(|bench| names.is_empty() || names.iter().any(|name| name == *bench));
    for bench in chosen {
        command.args(["--bench", bench]);
    }
    if !flags.is_empty() {
        command.arg("--").args(flags);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn words(command: &std::process::Command) -> Vec<String> {
        command
            .get_args()
            .map(|word| word.to_string_lossy().into_owned())
            .collect()
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn demo_passes_every_flag_on_even_help() {
        let arguments = Arguments::try_parse_from(["xtask", "demo", "--once", "--help"]).unwrap();
        let Task::Demo { flags } = arguments.command else {
            panic!("expected demo")
        };
        assert_eq!(flags, ["--once", "--help"]);
    }

    #[test]
    fn bench_without_a_name_runs_all_of_them() {
        let words = words(&bench(&[], &[]));
        assert_eq!(
            words.iter().filter(|word| *word == "--bench").count(),
            BENCHES.len()
        );
        assert!(!words.contains(&"--".to_owned()));
    }

    #[test]
    fn bench_runs_the_named_ones_and_passes_flags_on() {
        let line = ["xtask", "bench", "push", "delta", "--", "--rows", "1000"];
        let Task::Bench { names, flags } = Arguments::try_parse_from(line).unwrap().command else {
            panic!("expected bench")
        };
        let expected = [
            "bench",
            "--package",
            "onsync",
            "--bench",
            "delta",
            "--bench",
            "push",
            "--",
            "--rows",
            "1000",
        ];
        assert_eq!(words(&bench(&names, &flags)), expected);
    }

    #[test]
    fn a_part_of_a_night_is_a_part_of_a_night() {
        let parsed = |line: &[&str]| Arguments::try_parse_from(line).map(|arguments| arguments.command);
        let night = parsed(&["xtask", "simulate", "--nightly", "--part", "100"]).unwrap();
        assert!(matches!(
            night,
            Task::Simulate {
                nightly: true,
                part: 100,
                ..
            }
        ));
        assert!(parsed(&["xtask", "simulate", "--part", "100"]).is_err());
        assert!(parsed(&["xtask", "simulate", "--nightly", "--part", "0"]).is_err());
        assert!(parsed(&["xtask", "simulate", "--nightly", "--", "--seed", "7"]).is_err());
    }

    #[test]
    fn an_unknown_bench_is_refused_with_the_known_ones() {
        let error = Arguments::try_parse_from(["xtask", "bench", "speed"])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("first_sync, delta, push, conflicts, family, memory"),
            "{error}"
        );
    }
}
