//! A fixed scenario with a crash at some steps of its stores. All of them: `cargo xtask simulate`.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use onsync_simulator::sweep::{points, scenarios, sweep};
use onsync_simulator::{CrashPoint, MemoryPlace};
use support::plug_ins;

/// Sweeps every so many-th step of every scenario.
fn every(stride: usize) {
    let plug_ins = plug_ins();
    let plans = scenarios(&plug_ins.patterns).unwrap();
    assert!(
        plans.len() >= 4,
        "each pattern that writes, with keys of both kinds"
    );
    for plan in plans {
        let what = format!(
            "{} {:?}",
            plan.schema.entities[0].pattern, plan.schema.entities[0].ids
        );
        assert!(plan.steps.len() >= 60, "{what}: {} steps", plan.steps.len());
        let all = match points(&plan, &plug_ins, &MemoryPlace::make) {
            Ok(all) => all,
            Err(failure) => panic!("{what}, without a crash: {failure:?}"),
        };
        assert!(all.len() > 200, "{what}: {} steps of stores", all.len());
        let crashes: Vec<Vec<CrashPoint>> = all.iter().step_by(stride).map(|point| vec![*point]).collect();
        let findings = sweep(&plan, &crashes, &plug_ins, &MemoryPlace::make, 2);
        assert!(findings.reach.crashes > 0, "{what}");
        if let Some(failed) = findings.failed.first() {
            let at = &crashes[usize::try_from(failed.seed).unwrap()];
            panic!(
                "{what}, a crash at {at:?}: {}: {}",
                failed.failure.check, failed.failure.message
            );
        }
    }
}

#[test]
fn a_crash_at_every_fortieth_store_step_breaks_no_promise() {
    every(40);
}
