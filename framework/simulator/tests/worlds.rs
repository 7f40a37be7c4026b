//! Worlds by chance, and the plans of those that once failed.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "support/sqlite.rs"]
mod sqlite;
mod support;

use onsync_simulator::campaign::{Campaign, Findings};
use onsync_simulator::{Least, MemoryPlace, Plan, run};
use sqlite::{SqlitePlace, on_files};
use std::ops::Range;
use support::plug_ins;

fn campaign(seeds: Range<u64>) -> Findings {
    let plug_ins = plug_ins();
    let plan = |seed| Plan::new(seed, &plug_ins.patterns);
    let campaign = Campaign {
        plug_ins: &plug_ins,
        make: &MemoryPlace::make,
        plan: &plan,
        seeds,
        threads: 2,
        time: None,
        repeats: true,
        keep_going: false,
    };
    campaign.run(&|_| {})
}

/// Fails with the first failure, and how to see it.
fn check(findings: &Findings) {
    if let Some(failed) = findings.failed.first() {
        panic!(
            "{}: {}\nsee it: cargo xtask simulate -- --seed {}",
            failed.failure.check, failed.failure.message, failed.seed
        );
    }
}

#[test]
fn worlds_by_chance_keep_every_promise() {
    let findings = campaign(1..41);
    check(&findings);
    assert_eq!((findings.runs, findings.repeated), (40, 0));
    assert_eq!(findings.full, 40, "as much happens in each as is wanted");
    let asked: Vec<&str> = findings.reach.resolvers.keys().copied().collect();
    assert_eq!(asked, ["client-wins", "merge-attributes", "server-wins"]);
}

/// 40 writes of apps, 3 crashes and 40 lost messages are in each world, whatever it is made of.
#[test]
fn slow_in_every_world_happens_as_much_as_is_wanted() {
    let findings = campaign(41..241);
    check(&findings);
    assert_eq!((findings.runs, findings.full), (200, 200));
}

/// A world is made again from its steps alone, though some of them were added on the way.
#[test]
fn what_was_added_to_a_world_is_among_its_steps() {
    let plug_ins = plug_ins();
    let mut added = 0;
    for seed in 1..9 {
        let plan = Plan::new(seed, &plug_ins.patterns).unwrap();
        assert_eq!(plan.least, Least::WANTED);
        let first = run(&plan, &plug_ins, &MemoryPlace::make, true);
        added += first.steps.len() - plan.steps.len();
        let second = run(&plan.with_steps(first.steps), &plug_ins, &MemoryPlace::make, true);
        assert_eq!(first.trace, second.trace, "seed {seed}");
    }
    assert!(added > 0);
}

/// The campaign runs two hundred of these; here is a sample in the profile that tests have.
#[test]
fn worlds_on_sqlite_files_keep_every_promise() {
    let plug_ins = plug_ins();
    let plan = |seed| Plan::new(seed, &plug_ins.patterns).map(on_files);
    let campaign = Campaign {
        plug_ins: &plug_ins,
        make: &SqlitePlace::make,
        plan: &plan,
        seeds: 1..7,
        threads: 2,
        time: None,
        repeats: false,
        keep_going: false,
    };
    check(&campaign.run(&|_| {}));
}

#[test]
fn devices_that_were_cut_off_come_back_by_themselves() {
    let plug_ins = plug_ins();
    let plan = |seed| Plan::partition(seed, &plug_ins.patterns);
    let campaign = Campaign {
        plug_ins: &plug_ins,
        make: &MemoryPlace::make,
        plan: &plan,
        seeds: 1..31,
        threads: 2,
        time: None,
        repeats: true,
        keep_going: false,
    };
    let findings = campaign.run(&|_| {});
    check(&findings);
    assert!(findings.reach.lost > 30 * 40, "messages are lost");
}

/// The plans in a folder below `seeds/`, by file.
fn plans(folder: &str) -> Vec<(String, Plan)> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("seeds")
        .join(folder);
    // Where nothing is open there is no such folder.
    let files = std::fs::read_dir(folder).into_iter().flatten();
    let files = files.map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    let mut plans: Vec<(String, Plan)> = files
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            (path.display().to_string(), Plan::from_text(&text).unwrap())
        })
        .collect();
    plans.sort_by(|(one, _), (other, _)| one.cmp(other));
    plans
}

/// Every plan in `seeds/` broke a promise once.
#[test]
fn plans_that_failed_once_hold_for_ever() {
    let plans = plans("");
    assert!(!plans.is_empty());
    for (file, plan) in plans {
        let run = run(&plan, &plug_ins(), &MemoryPlace::make, true);
        if let Some(failure) = run.failure {
            panic!(
                "{file}: {}: {}\n{}",
                failure.check,
                failure.message,
                run.trace.join("\n")
            );
        }
    }
}

/// Every plan in `seeds/open/` breaks a promise still, and docs/reliability.md says which. One that holds moves up to the others.
#[test]
fn plans_that_are_open_are_still_open() {
    for (file, plan) in plans("open") {
        let run = run(&plan, &plug_ins(), &MemoryPlace::make, false);
        assert!(
            run.failure.is_some(),
            "{file} holds now: move it to seeds/ and mend the docs"
        );
    }
}

#[test]
fn the_same_seed_is_the_same_world() {
    for seed in 1..20 {
        let plan = Plan::new(seed, &plug_ins().patterns).unwrap();
        let (one, other) = (
            run(&plan, &plug_ins(), &MemoryPlace::make, true),
            run(&plan, &plug_ins(), &MemoryPlace::make, true),
        );
        assert_eq!(one.trace, other.trace, "seed {seed}");
        assert!(one.trace.len() > 50);
    }
}

#[test]
fn a_plan_survives_being_written_down() {
    let plan = Plan::new(5, &plug_ins().patterns).unwrap();
    assert_eq!(Plan::from_text(&plan.to_text().unwrap()).unwrap(), plan);
    assert!(Plan::from_text("{}").is_err());
}
