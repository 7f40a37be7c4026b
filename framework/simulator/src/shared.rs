//! What all parts of one world share.

use crate::fault::{Fault, Mischief, Phase};
use crate::ledger::Ledger;
use crate::reach::Reach;
use crate::trace::Trace;
use onsync_testkit::fakes::ManualRuntime;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks what is held for moments only; a panic elsewhere ends the run anyway.
pub(crate) fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A world needs some ten thousand calls of its devices' stores.
const MOST_CALLS: u64 = 2_000_000;

/// One crash at one place, instead of faults by chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CrashPoint {
    /// On the server, or on a device.
    pub server: bool,
    /// At the so many-th step of the stores there, from 1.
    pub step: u64,
}

pub(crate) struct Shared {
    pub(crate) runtime: ManualRuntime,
    pub(crate) mischief: Mischief,
    pub(crate) trace: Trace,
    reach: Mutex<Reach>,
    ledger: Mutex<Ledger>,
    /// The server died and has not been started again.
    pub(crate) server_down: AtomicBool,
    /// Counts the server's lives: an answer of an earlier life breaks off.
    pub(crate) server_life: AtomicU64,
    /// Where processes die, in a sweep.
    pub(crate) crashes: Vec<CrashPoint>,
    device_steps: AtomicU64,
    server_steps: AtomicU64,
    calls: AtomicU64,
    /// Whether stores take a moment, so that others come in between.
    pub(crate) jitter: bool,
}

impl Shared {
    pub(crate) fn new(
        runtime: ManualRuntime,
        mischief: Mischief,
        crashes: Vec<CrashPoint>,
        jitter: bool,
        traced: bool,
    ) -> Self {
        Self {
            trace: Trace::new(runtime.clone(), traced),
            runtime,
            mischief,
            reach: Mutex::default(),
            ledger: Mutex::default(),
            server_down: AtomicBool::new(false),
            server_life: AtomicU64::new(0),
            crashes,
            device_steps: AtomicU64::new(0),
            server_steps: AtomicU64::new(0),
            calls: AtomicU64::new(0),
            jitter,
        }
    }

    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        guard(&self.ledger)
    }

    pub(crate) fn reach(&self) -> MutexGuard<'_, Reach> {
        guard(&self.reach)
    }

    /// Notes a fault.
    pub(crate) fn struck(&self, fault: Fault, phase: Phase, who: &str) {
        self.reach().struck((fault, phase));
        self.trace.say(|| format!("{who}: {fault} ({})", phase.name()));
    }

    /// Counts a step of a store; whether a sweep wants the process to die there.
    pub(crate) fn dies_here(&self, server: bool) -> bool {
        let counter = if server {
            &self.server_steps
        } else {
            &self.device_steps
        };
        let step = counter.fetch_add(1, Ordering::Relaxed) + 1;
        !self.mischief.is_healed() && self.crashes.contains(&CrashPoint { server, step })
    }

    /// Counts a call of a device's store. Work that never ends is found here: nothing else runs beside it in a world.
    pub(crate) fn called(&self) {
        if self.calls.fetch_add(1, Ordering::Relaxed) > MOST_CALLS {
            let message = format!("a device's work went on for more than {MOST_CALLS} calls of its store");
            std::panic::resume_unwind(Box::new(message));
        }
    }

    /// Steps of the stores so far: devices', the server's.
    pub(crate) fn store_steps(&self) -> (u64, u64) {
        (
            self.device_steps.load(Ordering::Relaxed),
            self.server_steps.load(Ordering::Relaxed),
        )
    }

    /// The server's process ends: what it was answering breaks off.
    pub(crate) fn server_dies(&self) {
        self.server_down.store(true, Ordering::Relaxed);
        self.server_life.fetch_add(1, Ordering::Relaxed);
        self.reach().crashes += 1;
    }
}
