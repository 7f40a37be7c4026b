//! What a campaign has reached: how often each fault struck in each phase, and how much was done.

use crate::fault::{Cell, cells};
use crate::plan::Least;
use std::collections::BTreeMap;

/// Counts over one run or many.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// How often a fault struck in a phase.
    pub cells: BTreeMap<Cell, u64>,
    /// Writes that the apps made and that were accepted.
    pub writes: u64,
    /// Processes that died, devices' and servers'.
    pub crashes: u64,
    /// Requests sent.
    pub requests: u64,
    /// Requests among them whose answer was not heard to its end: lost, cut off or refused, on the way or as somebody died.
    pub lost: u64,
    /// Steps of plans carried out, by name.
    pub steps: BTreeMap<&'static str, u64>,
    /// Conflicts that resolvers were asked about, by the name of the resolver.
    pub resolvers: BTreeMap<&'static str, u64>,
}

impl Reach {
    /// Notes a fault.
    pub(crate) fn struck(&mut self, cell: Cell) {
        *self.cells.entry(cell).or_default() += 1;
    }

    /// Whether so much happened.
    pub fn has(&self, least: Least) -> bool {
        self.writes >= least.writes && self.crashes >= least.crashes && self.lost >= least.lost
    }

    /// Adds what another run reached.
    pub fn add(&mut self, other: &Self) {
        for (cell, count) in &other.cells {
            *self.cells.entry(*cell).or_default() += count;
        }
        for (step, count) in &other.steps {
            *self.steps.entry(step).or_default() += count;
        }
        for (resolver, count) in &other.resolvers {
            *self.resolvers.entry(resolver).or_default() += count;
        }
        self.writes += other.writes;
        self.crashes += other.crashes;
        self.lost += other.lost;
        self.requests += other.requests;
    }

    /// The cells that were never reached.
    pub fn missing(&self) -> Vec<Cell> {
        cells().filter(|cell| !self.cells.contains_key(cell)).collect()
    }
}
