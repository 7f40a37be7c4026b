//! What campaigns consist of, and what they say.

use crate::sqlite::{SqlitePlace, on_files};
use crate::{Arguments, tell};
use onsync_core::Result;
use onsync_simulator::campaign::{Campaign, Failed, Findings, MakePlan};
use onsync_simulator::sweep::{pairs, points, scenarios, sweep as run_all};
use onsync_simulator::{CrashPoint, MakePlace, MemoryPlace, Plan, PlugIns};
use std::collections::BTreeMap;

/// So many worlds reach every fault in every phase.
const ENOUGH_TO_REACH_ALL: u64 = 2_000;

fn run(
    arguments: &Arguments,
    plug_ins: &PlugIns,
    make: &MakePlace,
    plan: &MakePlan<'_>,
    seeds: u64,
    repeats: bool,
) -> Findings {
    let campaign = Campaign {
        plug_ins,
        make,
        plan,
        seeds: arguments.from..arguments.from + seeds,
        threads: arguments.threads(),
        time: arguments.time(),
        repeats,
        keep_going: arguments.keep_going,
    };
    campaign.run(&|_| {})
}

/// Worlds by chance, in memory; every fault must be reached in every phase.
pub(crate) fn worlds(arguments: &Arguments, plug_ins: &PlugIns) -> Result<bool> {
    let plan = |seed| Plan::new(seed, &plug_ins.patterns);
    let findings = run(
        arguments,
        plug_ins,
        &MemoryPlace::make,
        &plan,
        arguments.seeds,
        true,
    );
    let held = report("worlds", &findings, arguments.threads());
    say_how_full(&findings);
    if let Some(Failed { seed, .. }) = findings.failed.first().filter(|_| !arguments.keep_going) {
        tell(&Plan::new(*seed, &plug_ins.patterns)?, plug_ins, arguments);
    }
    let missing = findings.reach.missing();
    for (fault, phase) in &missing {
        println!("never reached: {fault} during {}", phase.name());
    }
    let all_patterns = arguments.pattern.is_empty();
    Ok(held && (missing.is_empty() || findings.runs < ENOUGH_TO_REACH_ALL || !all_patterns))
}

/// Worlds by chance, on real files.
pub(crate) fn sqlite(arguments: &Arguments, plug_ins: &PlugIns) -> bool {
    let plan = |seed| Plan::new(seed, &plug_ins.patterns).map(on_files);
    let seeds = arguments.sqlite_seeds;
    let findings = run(arguments, plug_ins, &SqlitePlace::make, &plan, seeds, false);
    let held = report("worlds on SQLite files", &findings, arguments.threads());
    say_how_full(&findings);
    held
}

/// Devices that were cut off come back by themselves.
pub(crate) fn partition(arguments: &Arguments, plug_ins: &PlugIns) -> bool {
    let plan = |seed| Plan::partition(seed, &plug_ins.patterns);
    let seeds = arguments.partition_seeds;
    let findings = run(arguments, plug_ins, &MemoryPlace::make, &plan, seeds, true);
    let held = report("partitions that heal", &findings, arguments.threads());
    println!(
        "{} of {} were equal within twice the longest back-off",
        findings.runs - findings.failed.len() as u64,
        findings.runs
    );
    held
}

/// The fixed scenarios with one crash at every step of every store, or with pairs of them.
pub(crate) fn sweep(arguments: &Arguments, plug_ins: &PlugIns, two: bool) -> Result<bool> {
    let mut held = true;
    for plan in scenarios(&plug_ins.patterns)? {
        let entity = &plan.schema.entities[0];
        let what = format!("{} with keys of {:?}", entity.pattern, entity.ids);
        let all = match points(&plan, plug_ins, &MemoryPlace::make) {
            Ok(all) => all,
            Err(failure) => {
                println!(
                    "FAILED {what}, without a crash: {}: {}",
                    failure.check, failure.message
                );
                return Ok(false);
            }
        };
        let crashes: Vec<Vec<CrashPoint>> = match two {
            true => pairs(&all, arguments.pairs, arguments.from),
            false => all.into_iter().map(|point| vec![point]).collect(),
        };
        let findings = run_all(&plan, &crashes, plug_ins, &MemoryPlace::make, arguments.threads());
        let kind = if two { "pairs of crashes" } else { "crashes" };
        println!(
            "{what}: {} steps, {} {kind} in {:.1} s",
            plan.steps.len(),
            findings.runs,
            findings.took.as_secs_f64()
        );
        for Failed { seed, failure } in findings.failed.iter().take(3) {
            let at = usize::try_from(*seed).ok().and_then(|index| crashes.get(index));
            println!(
                "FAILED {what}, crashes {at:?}: {}: {}",
                failure.check, failure.message
            );
        }
        held &= findings.failed.is_empty();
    }
    Ok(held)
}

/// Says in how many worlds as much happened as in each is wanted; one without is among those that failed.
fn say_how_full(findings: &Findings) {
    println!(
        "{} of {} have 40 writes, 3 crashes and 40 lost requests or more",
        findings.full, findings.runs
    );
}

/// Says what a campaign found; whether everything held.
fn report(what: &str, findings: &Findings, threads: usize) -> bool {
    let seconds = findings.took.as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let over = |count: u64, all: f64| count as f64 / all;
    println!(
        "{}: {what} in {seconds:.1} s on {threads} threads, {:.0} a second",
        findings.runs,
        over(findings.runs, seconds)
    );
    let reach = &findings.reach;
    let worlds = over(findings.runs.max(1), 1.0);
    println!(
        "on average: {:.1} writes by apps, {:.1} crashes, {:.1} requests, {:.1} of them lost; a second: {:.0} writes, {:.0} crashes, {:.0} lost requests",
        over(reach.writes, worlds),
        over(reach.crashes, worlds),
        over(reach.requests, worlds),
        over(reach.lost, worlds),
        over(reach.writes, seconds),
        over(reach.crashes, seconds),
        over(reach.lost, seconds),
    );
    println!("{} ran twice and did the same", findings.repeated);
    let mut by_check = BTreeMap::<&str, Vec<&Failed>>::new();
    for failed in &findings.failed {
        by_check.entry(failed.failure.check).or_default().push(failed);
    }
    for (check, failed) in by_check {
        println!("FAILED {check}: {} worlds", failed.len());
        for Failed { seed, failure } in failed.iter().take(5) {
            println!("  seed {seed}: {}", failure.message);
        }
    }
    findings.failed.is_empty()
}
