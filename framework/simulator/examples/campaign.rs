//! Runs campaigns of the simulator over all patterns of this repository.
//!
//! `cargo run --release --package onsync-simulator --example campaign -- --help`

use clap::Parser;
use onsync_core::Result;
use onsync_core::pattern::SyncPattern;
use onsync_pattern_read_only::ReadOnly;
use onsync_pattern_read_only_optimized::ReadOnlyOptimized;
use onsync_pattern_read_write_conflict_detection::ConflictDetection;
use onsync_pattern_read_write_last_write_wins::LastWriteWins;
use onsync_pattern_read_write_one_to_many::OneToMany;
use onsync_simulator::campaign::{Campaign, Failed, Findings};
use onsync_simulator::{MemoryPlace, Patterns, Plan, run, shrink};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// A world makes and frees some hundred thousand small things.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Debug, Parser)]
#[command(about = "Runs simulated worlds over all patterns and checks the promises.")]
struct Arguments {
    /// How many seeds.
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// The first one.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// Runs this seed alone, and prints what happens in its world.
    #[arg(long)]
    seed: Option<u64>,
    /// Runs the plan in this file, and prints what happens in its world.
    #[arg(long)]
    plan: Option<std::path::PathBuf>,
    /// Only these patterns.
    #[arg(long)]
    pattern: Vec<String>,
    /// Worlds at once; as many as there are cores unless given.
    #[arg(long)]
    threads: Option<usize>,
    /// Stops after so many seconds.
    #[arg(long)]
    time: Option<u64>,
    /// Goes on after a failure.
    #[arg(long)]
    keep_going: bool,
    /// Cuts the failing plan down and writes it to this file.
    #[arg(long)]
    keep: Option<std::path::PathBuf>,
}

fn patterns(arguments: &Arguments) -> Result<Patterns> {
    let mut patterns = Patterns::new("pattern");
    let all: [Arc<dyn SyncPattern>; 5] = [
        Arc::new(ReadOnly),
        Arc::new(ReadOnlyOptimized),
        Arc::new(LastWriteWins),
        Arc::new(ConflictDetection),
        Arc::new(OneToMany),
    ];
    for pattern in all {
        if arguments.pattern.is_empty() || arguments.pattern.iter().any(|name| name == pattern.name()) {
            patterns.register(pattern.name(), pattern)?;
        }
    }
    Ok(patterns)
}

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|_| {}));
    match work(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn work(arguments: &Arguments) -> Result<bool> {
    let patterns = patterns(arguments)?;
    if let Some(seed) = arguments.seed {
        return Ok(tell(&Plan::new(seed, &patterns)?, &patterns, arguments));
    }
    if let Some(path) = &arguments.plan {
        let text = std::fs::read_to_string(path)
            .map_err(|error| onsync_core::Error::fatal("invalid_value", error.to_string()))?;
        return Ok(tell(&Plan::from_text(&text)?, &patterns, arguments));
    }
    let plan = |seed| Plan::new(seed, &patterns);
    let campaign = Campaign {
        patterns: &patterns,
        make: &MemoryPlace::make,
        plan: &plan,
        seeds: arguments.from..arguments.from + arguments.seeds,
        threads: arguments
            .threads
            .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get)),
        time: arguments.time.map(Duration::from_secs),
        keep_going: arguments.keep_going,
    };
    let findings = campaign.run(&|_| {});
    report(&findings);
    if let Some(Failed { seed, .. }) = findings.failed.first().filter(|_| !arguments.keep_going) {
        tell(&Plan::new(*seed, &patterns)?, &patterns, arguments);
    }
    Ok(findings.failed.is_empty())
}

fn report(findings: &Findings) {
    let seconds = findings.took.as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = findings.runs as f64 / seconds;
    println!("{} worlds in {seconds:.1} s: {rate:.0} a second", findings.runs);
    let reach = &findings.reach;
    let each = |count: u64| count / findings.runs.max(1);
    println!(
        "each: {} writes, {} crashes, {} requests, {} of them lost; {} worlds ran twice and did the same",
        each(reach.writes),
        each(reach.crashes),
        each(reach.requests),
        each(reach.lost),
        findings.repeated
    );
    for (fault, phase) in reach.missing() {
        println!("never reached: {fault} during {}", phase.name());
    }
    let mut by_check = std::collections::BTreeMap::<&str, Vec<&Failed>>::new();
    for failed in &findings.failed {
        by_check.entry(failed.failure.check).or_default().push(failed);
    }
    for (check, failed) in by_check {
        println!("FAILED {check}: {} worlds", failed.len());
        for Failed { seed, failure } in failed.iter().take(5) {
            println!("  seed {seed}: {}", failure.message);
        }
    }
}

/// Runs one plan, cut down where it fails and that is wanted, and says what happened.
fn tell(plan: &Plan, patterns: &Patterns, arguments: &Arguments) -> bool {
    let mut plan = plan.clone();
    let first = run(&plan, patterns, &MemoryPlace::make, false);
    if let (Some(path), Some(failure)) = (&arguments.keep, &first.failure) {
        plan = shrink(&plan, failure.check, patterns, &MemoryPlace::make, 2_000);
        if let Ok(text) = plan.to_text() {
            let _ = std::fs::write(path, text);
        }
    }
    let run = run(&plan, patterns, &MemoryPlace::make, true);
    println!(
        "seed {}, {} devices, faults {:?}",
        plan.seed, plan.devices, plan.rates
    );
    for entity in &plan.schema.entities {
        println!(
            "entity {} under {}, ids {:?}",
            entity.name, entity.pattern, entity.ids
        );
    }
    for relation in &plan.schema.relations {
        println!(
            "relation {} → {}, {:?}",
            relation.child, relation.parent, relation.on_delete
        );
    }
    for line in &run.trace {
        println!("{line}");
    }
    match &run.failure {
        Some(failure) => println!("FAILED {}: {}", failure.check, failure.message),
        None => println!("every promise held"),
    }
    run.failure.is_none()
}
