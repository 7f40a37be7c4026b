//! Runs campaigns of the simulator over all patterns of this repository.
//!
//! `cargo xtask simulate -- --help`

mod mutants;
#[path = "../../tests/support/sqlite.rs"]
mod sqlite;
mod tiers;

use clap::Parser;
use onsync_core::Result;
use onsync_core::pattern::SyncPattern;
use onsync_pattern_read_only::ReadOnly;
use onsync_pattern_read_only_optimized::ReadOnlyOptimized;
use onsync_pattern_read_write_conflict_detection::ConflictDetection;
use onsync_pattern_read_write_last_write_wins::LastWriteWins;
use onsync_pattern_read_write_one_to_many::OneToMany;
use onsync_simulator::{MemoryPlace, Patterns, Plan, PlugIns, run, shrink};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// A world makes and frees some hundred thousand small things.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What a campaign runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Tier {
    /// Worlds by chance, in memory.
    Worlds,
    /// The fixed scenarios, with a crash at every single step of every store.
    Sweep,
    /// The fixed scenarios, with two crashes.
    Pairs,
    /// Worlds by chance, on real SQLite files.
    Sqlite,
    /// Devices cut off, which come back by themselves.
    Partition,
    /// Each planted bug, until a check finds it. Only in builds with `--cfg onsync_mutant`: cargo xtask mutants.
    Mutants,
}

#[derive(Debug, Parser)]
#[command(about = "Runs simulated worlds over all patterns and checks the promises.")]
struct Arguments {
    /// What to run, one after the other.
    #[arg(default_value = "worlds")]
    tiers: Vec<Tier>,
    /// How many seeds of worlds in memory; the most a planted bug may take.
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// The first one.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// How many seeds of worlds on SQLite files.
    #[arg(long, default_value_t = 200)]
    sqlite_seeds: u64,
    /// How many seeds of partitions.
    #[arg(long, default_value_t = 10_000)]
    partition_seeds: u64,
    /// How many pairs of crashes of each fixed scenario.
    #[arg(long, default_value_t = 2_000)]
    pairs: usize,
    /// Runs this seed alone, and prints what happens in its world.
    #[arg(long)]
    seed: Option<u64>,
    /// Runs the plan in this file, and prints what happens in its world.
    #[arg(long)]
    plan: Option<std::path::PathBuf>,
    /// Only these patterns.
    #[arg(long)]
    pattern: Vec<String>,
    /// Only these planted bugs.
    #[arg(long)]
    mutant: Vec<String>,
    /// Worlds at once; as many as there are cores unless given.
    #[arg(long)]
    threads: Option<usize>,
    /// Stops each tier after so many seconds.
    #[arg(long)]
    time: Option<u64>,
    /// Goes on after a failure.
    #[arg(long)]
    keep_going: bool,
    /// Cuts the failing plan down and writes it to this file.
    #[arg(long)]
    keep: Option<std::path::PathBuf>,
}

impl Arguments {
    fn threads(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        self.threads.unwrap_or_else(cores)
    }

    fn time(&self) -> Option<Duration> {
        self.time.map(Duration::from_secs)
    }
}

fn plug_ins(arguments: &Arguments) -> Result<PlugIns> {
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
    PlugIns::new(patterns)
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
    let plug_ins = plug_ins(arguments)?;
    if let Some(seed) = arguments.seed {
        let plan = match arguments.tiers.as_slice() {
            [Tier::Partition] => Plan::partition(seed, &plug_ins.patterns)?,
            _ => Plan::new(seed, &plug_ins.patterns)?,
        };
        return Ok(tell(&plan, &plug_ins, arguments));
    }
    if let Some(path) = &arguments.plan {
        let text = std::fs::read_to_string(path)
            .map_err(|error| onsync_core::Error::fatal("invalid_value", error.to_string()))?;
        return Ok(tell(&Plan::from_text(&text)?, &plug_ins, arguments));
    }
    let mut held = true;
    for tier in &arguments.tiers {
        held &= match tier {
            Tier::Worlds => tiers::worlds(arguments, &plug_ins)?,
            Tier::Sweep => tiers::sweep(arguments, &plug_ins, false)?,
            Tier::Pairs => tiers::sweep(arguments, &plug_ins, true)?,
            Tier::Sqlite => tiers::sqlite(arguments, &plug_ins),
            Tier::Partition => tiers::partition(arguments, &plug_ins),
            Tier::Mutants => mutants::hunt(arguments, &plug_ins)?,
        };
        if !held && !arguments.keep_going {
            break;
        }
    }
    Ok(held)
}

/// Runs one plan, cut down where it fails and that is wanted, and says what happened.
fn tell(plan: &Plan, plug_ins: &PlugIns, arguments: &Arguments) -> bool {
    let mut plan = plan.clone();
    let first = run(&plan, plug_ins, &MemoryPlace::make, false);
    if let (Some(path), Some(failure)) = (&arguments.keep, &first.failure) {
        plan = shrink(&plan, failure.check, plug_ins, &MemoryPlace::make, 2_000);
        if let Ok(text) = plan.to_text() {
            let _ = std::fs::write(path, text);
        }
    }
    let run = run(&plan, plug_ins, &MemoryPlace::make, true);
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
