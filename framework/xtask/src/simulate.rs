//! The campaigns of the simulator: those of every test run, those of a night, and the hunt for planted bugs.

use std::ffi::OsString;
use std::process::{Command, ExitCode};
use std::time::Instant;

use crate::{FAILED, NOT_DONE, child};

/// The campaign of the simulator; what it is to run comes behind.
const CAMPAIGN: [&str; 8] = [
    "run",
    "--profile",
    "campaign",
    "--package",
    "onsync-simulator",
    "--example",
    "campaign",
    "--",
];

/// What it runs in minutes, and each `cargo xtask test` does: the same worlds each time, as many as are known to hold.
const TESTED: [&str; 5] = ["worlds", "sweep", "sqlite", "--seeds", "50000"];

/// The tiers a night has time for, and how much of each.
const NIGHTLY_TIERS: [&str; 5] = ["worlds", "sweep", "pairs", "sqlite", "partition"];
const NIGHTLY: [(&str, u64); 4] = [
    ("--seeds", 2_000_000),
    ("--pairs", 20_000),
    ("--sqlite-seeds", 5_000),
    ("--partition-seeds", 10_000),
];
/// So many times two hundred devices, and as many servers, are killed in a night.
const NIGHTLY_KILLS: u64 = 5;
/// Within so many worlds each planted bug must be found.
const MOST_SEEDS: &str = "10000";

/// Minutes, or what is asked for.
pub(crate) fn simulate(flags: &[OsString]) -> Command {
    let mut command = child::cargo();
    command.args(CAMPAIGN);
    match flags.is_empty() {
        false => command.args(flags),
        true => command.args(TESTED),
    };
    command
}

/// A build of its own, in a folder of its own: every crate is compiled with the bugs in it.
pub(crate) fn mutants(flags: &[OsString]) -> Command {
    let mut command = child::cargo();
    command
        .env("RUSTFLAGS", "--cfg onsync_mutant")
        .env("CARGO_TARGET_DIR", child::root().join("target/mutants"))
        .args(CAMPAIGN)
        .args(["mutants", "--seeds", MOST_SEEDS])
        .args(flags);
    command
}

/// The parts of a night, or of the so many-th part of one.
fn parts(divisor: u64) -> [(&'static str, Command); 3] {
    let share = |whole: u64| (whole / divisor.max(1)).max(1).to_string();
    let mut worlds = child::cargo();
    worlds.args(CAMPAIGN).args(NIGHTLY_TIERS);
    for (flag, whole) in NIGHTLY {
        worlds.arg(flag).arg(share(whole));
    }
    worlds.arg("--keep-going");
    let mut kills = child::cargo();
    kills
        .env("ONSYNC_TIMES", share(NIGHTLY_KILLS))
        .args(["test", "--package", "onsync", "--test", "processes"])
        .args(["--", "--nocapture", "slow_devices_killed", "slow_servers_killed"]);
    [
        ("simulated worlds", worlds),
        ("planted bugs", mutants(&[])),
        ("processes that are killed", kills),
    ]
}

/// Runs all parts of a night, whatever the others found.
pub(crate) fn night(divisor: u64) -> ExitCode {
    let mut said = Vec::new();
    let mut code = ExitCode::SUCCESS;
    for (what, mut command) in parts(divisor) {
        let began = Instant::now();
        let found = match command.status() {
            Ok(status) if status.success() => "held",
            Ok(_) => {
                code = ExitCode::from(FAILED);
                "FAILED"
            }
            Err(error) => {
                eprintln!("error: wanted to run cargo, but it could not be started: {error}");
                return ExitCode::from(NOT_DONE);
            }
        };
        said.push(format!(
            "{what}: {found} in {:.1} minutes",
            began.elapsed().as_secs_f64() / 60.0
        ));
    }
    for line in said {
        println!("{line}");
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(command: &Command) -> String {
        let words = command.get_args().map(|word| word.to_string_lossy());
        words.collect::<Vec<_>>().join(" ")
    }

    fn environment(command: &Command, name: &str) -> String {
        let mut found = command.get_envs().filter(|(key, _)| *key == name);
        let (_, value) = found.next().unwrap();
        value.unwrap().to_string_lossy().into_owned()
    }

    #[test]
    fn simulate_runs_minutes_or_what_is_asked_for() {
        let run = |flags: &[&str]| words(&simulate(&flags.iter().map(OsString::from).collect::<Vec<_>>()));
        assert!(run(&[]).ends_with("-- worlds sweep sqlite --seeds 50000"));
        assert!(run(&["--seed", "7"]).ends_with("campaign -- --seed 7"));
    }

    #[test]
    fn mutants_are_built_apart() {
        let command = mutants(&["--mutant".into(), "orphans-are-stored".into()]);
        assert_eq!(environment(&command, "RUSTFLAGS"), "--cfg onsync_mutant");
        assert!(words(&command).ends_with("mutants --seeds 10000 --mutant orphans-are-stored"));
    }

    #[test]
    fn a_night_runs_worlds_pairs_bugs_and_kills() {
        let [(_, worlds), (_, bugs), (_, kills)] = parts(1);
        assert!(words(&worlds).ends_with(
            "worlds sweep pairs sqlite partition --seeds 2000000 --pairs 20000 --sqlite-seeds 5000 \
             --partition-seeds 10000 --keep-going"
        ));
        assert!(words(&bugs).ends_with("mutants --seeds 10000"));
        assert!(words(&kills).ends_with("processes -- --nocapture slow_devices_killed slow_servers_killed"));
        assert_eq!(environment(&kills, "ONSYNC_TIMES"), "5");
    }

    #[test]
    fn a_part_of_a_night_runs_all_of_it_with_smaller_numbers() {
        let [(_, worlds), _, (_, kills)] = parts(100);
        assert!(words(&worlds).contains("--seeds 20000 --pairs 200 --sqlite-seeds 50 --partition-seeds 100"));
        assert_eq!(environment(&kills, "ONSYNC_TIMES"), "1");
    }
}
