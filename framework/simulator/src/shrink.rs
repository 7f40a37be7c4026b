//! Cuts a failing plan down to what it takes to fail.

use crate::fault::{Fault, Rates};
use crate::place::MakePlace;
use crate::plan::{Plan, PlugIns};
use crate::world::run;
use std::collections::BTreeSet;

/// The smallest plan found in so many runs that still breaks the same promise.
pub fn shrink(plan: &Plan, check: &str, plug_ins: &PlugIns, make: &MakePlace, runs: usize) -> Plan {
    let mut shrinker = Shrinker {
        best: plan.clone(),
        check,
        plug_ins,
        make,
        left: runs,
    };
    // What was added must not come back as other steps go.
    let steps = run(plan, plug_ins, make, false).steps;
    shrinker.take(plan.with_steps(steps));
    shrinker.all();
    shrinker.best
}

struct Shrinker<'a> {
    best: Plan,
    check: &'a str,
    plug_ins: &'a PlugIns,
    make: &'a MakePlace,
    left: usize,
}

impl Shrinker<'_> {
    fn all(&mut self) {
        loop {
            let before = self.best.clone();
            self.devices();
            self.faults();
            self.settings();
            self.steps();
            if self.best == before || self.left == 0 {
                return;
            }
        }
    }

    /// Takes a candidate that fails in the same way.
    fn take(&mut self, candidate: Plan) -> bool {
        if self.left == 0 || candidate == self.best {
            return false;
        }
        self.left -= 1;
        let failure = run(&candidate, self.plug_ins, self.make, false).failure;
        let same = failure.is_some_and(|failure| failure.check == self.check);
        if same {
            self.best = candidate;
        }
        same
    }

    fn devices(&mut self) {
        for gone in (0..self.best.devices).rev() {
            let mut candidate = self.best.clone();
            candidate.steps.retain(|step| step.device() != Some(gone));
            if gone + 1 == candidate.devices && gone > 0 {
                candidate.devices = gone;
            }
            self.take(candidate);
        }
    }

    fn faults(&mut self) {
        let mut none = self.best.clone();
        none.set_rates(&Rates::none());
        if self.take(none) {
            return;
        }
        let on: Vec<Fault> = self.best.fault_rates().on().collect();
        for fault in on {
            let mut candidate = self.best.clone();
            let mut rates = candidate.fault_rates();
            rates.without(&BTreeSet::from([fault]));
            candidate.set_rates(&rates);
            self.take(candidate);
        }
    }

    fn settings(&mut self) {
        let plain = [
            Plan {
                jitter: false,
                ..self.best.clone()
            },
            Plan {
                page_rows: 1_000,
                ..self.best.clone()
            },
            Plan {
                request_bytes: 1 << 20,
                ..self.best.clone()
            },
            Plan {
                refresh_limit: 20_000,
                ..self.best.clone()
            },
        ];
        for candidate in plain {
            self.take(candidate);
        }
        for index in (0..self.best.schema.entities.len()).rev() {
            let mut candidate = self.best.clone();
            let gone = candidate.schema.entities.remove(index).name;
            candidate
                .schema
                .relations
                .retain(|relation| relation.child != gone && relation.parent != gone);
            candidate.late.remove(&gone);
            candidate.resolvers.remove(&gone);
            if !candidate.schema.entities.is_empty() {
                self.take(candidate);
            }
        }
    }

    /// Leaves out ever smaller pieces.
    fn steps(&mut self) {
        let mut size = (self.best.steps.len() / 2).max(1);
        loop {
            let mut start = 0;
            while start < self.best.steps.len() {
                let mut candidate = self.best.clone();
                let end = (start + size).min(candidate.steps.len());
                candidate.steps.drain(start..end);
                if !self.take(candidate) {
                    start += size;
                }
                if self.left == 0 {
                    return;
                }
            }
            if size == 1 {
                return;
            }
            size /= 2;
        }
    }
}
