//! Worlds by chance, and the plans of those that once failed.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use onsync_simulator::campaign::{Campaign, Findings};
use onsync_simulator::{MemoryPlace, Plan, run};
use std::ops::Range;
use support::patterns;

fn campaign(seeds: Range<u64>) -> Findings {
    let patterns = patterns();
    let plan = |seed| Plan::new(seed, &patterns);
    let campaign = Campaign {
        patterns: &patterns,
        make: &MemoryPlace::make,
        plan: &plan,
        seeds,
        threads: 2,
        time: None,
        keep_going: false,
    };
    campaign.run(&|_| {})
}

/// Fails with the first failure, and how to see it.
fn check(findings: &Findings) {
    if let Some(failed) = findings.failed.first() {
        panic!(
            "{}: {}\nsee it: cargo run --release -p onsync-simulator --example campaign -- --seed {}",
            failed.failure.check, failed.failure.message, failed.seed
        );
    }
}

#[test]
fn worlds_by_chance_keep_every_promise() {
    let findings = campaign(1..201);
    check(&findings);
    assert_eq!((findings.runs, findings.repeated), (200, 2));
    assert!(findings.reach.writes > 20 * 200, "people write");
    assert!(findings.reach.crashes > 3 * 200, "processes die");
}

/// Other seeds each time would be no test; these are others than those above.
#[test]
fn slow_more_worlds_by_chance_keep_every_promise() {
    check(&campaign(10_000..11_500));
}

/// Every plan in `seeds/` broke a promise once.
#[test]
fn plans_that_failed_once_hold_for_ever() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    let mut plans = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let plan = Plan::from_text(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let run = run(&plan, &patterns(), &MemoryPlace::make, true);
        if let Some(failure) = run.failure {
            panic!(
                "{}: {}: {}\n{}",
                path.display(),
                failure.check,
                failure.message,
                run.trace.join("\n")
            );
        }
        plans += 1;
    }
    assert!(plans > 0);
}

#[test]
fn the_same_seed_is_the_same_world() {
    for seed in 1..20 {
        let plan = Plan::new(seed, &patterns()).unwrap();
        let (one, other) = (
            run(&plan, &patterns(), &MemoryPlace::make, true),
            run(&plan, &patterns(), &MemoryPlace::make, true),
        );
        assert_eq!(one.trace, other.trace, "seed {seed}");
        assert!(one.trace.len() > 50);
    }
}

#[test]
fn a_plan_survives_being_written_down() {
    let plan = Plan::new(5, &patterns()).unwrap();
    assert_eq!(Plan::from_text(&plan.to_text().unwrap()).unwrap(), plan);
    assert!(Plan::from_text("{}").is_err());
}
