//! Many worlds, on as many threads as there are cores, with what they reached.

use crate::place::MakePlace;
use crate::plan::{Least, Plan, PlugIns};
use crate::reach::Reach;
use crate::world::{Failure, Run, run};
use onsync_core::Result;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Of a campaign whose worlds are the same each time, every so many-th run is made twice, and the two are compared line by line.
pub const REPEATED: u64 = 100;

/// Makes the plan of a seed.
pub type MakePlan<'a> = dyn Fn(u64) -> Result<Plan> + Send + Sync + 'a;

/// What a campaign runs.
pub struct Campaign<'a> {
    /// The plug-ins of all worlds.
    pub plug_ins: &'a PlugIns,
    /// Where their databases are.
    pub make: &'a MakePlace,
    /// What happens in them.
    pub plan: &'a MakePlan<'a>,
    /// The seeds.
    pub seeds: Range<u64>,
    /// How many run at once.
    pub threads: usize,
    /// When to stop though seeds are left.
    pub time: Option<Duration>,
    /// Whether every [`REPEATED`]th world runs twice; not where databases make keys by chance of their own.
    pub repeats: bool,
    /// Whether to go on after a failure.
    pub keep_going: bool,
}

/// A failed run.
#[derive(Clone, Debug)]
pub struct Failed {
    /// Its seed.
    pub seed: u64,
    /// What did not hold.
    pub failure: Failure,
}

/// What a campaign found.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// How many worlds ran.
    pub runs: u64,
    /// How many ran twice and did the same.
    pub repeated: u64,
    /// In how many so much happened as [`Least::WANTED`] wants.
    pub full: u64,
    /// Those in which a promise did not hold, by seed.
    pub failed: Vec<Failed>,
    /// What was reached.
    pub reach: Reach,
    /// How long it took.
    pub took: Duration,
}

impl Campaign<'_> {
    /// Runs it. `progress` hears the number of finished worlds now and then.
    pub fn run(&self, progress: &(dyn Fn(&Findings) + Sync)) -> Findings {
        let start = Instant::now();
        let next = AtomicU64::new(self.seeds.start);
        let stop = AtomicBool::new(false);
        let findings = Mutex::new(Findings::default());
        let work = || {
            while !stop.load(Ordering::Relaxed) {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                let late = self.time.is_some_and(|time| start.elapsed() >= time);
                if seed >= self.seeds.end || late {
                    return;
                }
                let (run, twice) = self.one(seed);
                let mut findings = findings.lock().unwrap_or_else(PoisonError::into_inner);
                findings.runs += 1;
                findings.repeated += u64::from(twice);
                findings.full += u64::from(run.reach.has(Least::WANTED));
                findings.reach.add(&run.reach);
                findings.took = start.elapsed();
                if let Some(failure) = run.failure {
                    stop.fetch_or(!self.keep_going, Ordering::Relaxed);
                    findings.failed.push(Failed { seed, failure });
                }
                progress(&findings);
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..self.threads.max(1) {
                scope.spawn(work);
            }
        });
        let mut findings = findings.into_inner().unwrap_or_else(PoisonError::into_inner);
        findings.failed.sort_by_key(|failed| failed.seed);
        findings.took = start.elapsed();
        findings
    }

    /// One world; whether it ran twice.
    fn one(&self, seed: u64) -> (Run, bool) {
        let plan = match (self.plan)(seed) {
            Ok(plan) => plan,
            Err(error) => return (failed("set-up", error.to_string()), false),
        };
        if !self.repeats || !seed.is_multiple_of(REPEATED) {
            return (run(&plan, self.plug_ins, self.make, false), false);
        }
        let first = run(&plan, self.plug_ins, self.make, true);
        let second = run(&plan, self.plug_ins, self.make, true);
        if first.failure.is_none() && first.trace != second.trace {
            let differing = first
                .trace
                .iter()
                .zip(&second.trace)
                .find(|(one, other)| one != other);
            return (
                failed("the same twice", format!("two runs differ: {differing:?}")),
                true,
            );
        }
        (first, true)
    }
}

fn failed(check: &'static str, message: String) -> Run {
    Run {
        failure: Some(Failure { check, message }),
        reach: Reach::default(),
        trace: Vec::new(),
        store_steps: (0, 0),
        steps: Vec::new(),
    }
}
