//! Faults on demand: a hook that is asked before each write and around each commit, and may answer with an error.
//!
//! ```
//! use onsync_core::memory::faults::{StoreStep, crashed};
//! use onsync_core::memory::local::MemoryStore;
//! use std::sync::Arc;
//!
//! // The third write of this store fails, as if the machine had died there.
//! let store = MemoryStore::new(1).with_faults(Arc::new(|step: &StoreStep| {
//!     (step.number == 3).then(crashed)
//! }));
//! # let _ = store;
//! ```

use crate::error::{Error, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Whether a step is about to happen or has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Moment {
    /// Nothing has been done yet; an error means that it never is.
    Before,
    /// It is done; an error only hides that from the caller. Commits have such a step.
    After,
}

/// One write of a store, as a fault hook sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreStep {
    /// Counts the steps since the hook was set, from 1, over all handles that share it.
    pub number: u64,
    /// The function: `insert`, `put`, `remove`, `area_put`, `commit` …
    pub name: &'static str,
    /// The entity or area it writes; empty for a commit.
    pub on: String,
    /// Before or after.
    pub moment: Moment,
}

/// Answers with the error a step shall fail with, or lets it pass.
pub type FaultHook = Arc<dyn Fn(&StoreStep) -> Option<Error> + Send + Sync>;

/// The error of a step at which the transaction is lost. The handle goes on working.
pub fn crashed() -> Error {
    Error::fatal(
        "crashed",
        "the store failed here on request of a test; the transaction is undone, unless its commit was done",
    )
}

/// The error of a step at which the whole process dies: every later call on the same handle fails, its locks are free.
pub fn killed() -> Error {
    Error::fatal(
        "killed",
        "the process was killed here on request of a test; go on with `reopen()`",
    )
}

/// A hook and its count of steps; without a hook nothing ever fails.
#[derive(Clone, Default)]
pub(super) struct Faults {
    hook: Option<FaultHook>,
    steps: Arc<AtomicU64>,
}

impl Faults {
    pub(super) fn new(hook: FaultHook) -> Self {
        Self {
            hook: Some(hook),
            steps: Arc::default(),
        }
    }

    pub(super) fn step(&self, name: &'static str, on: &str, moment: Moment) -> Result<()> {
        let Some(hook) = &self.hook else { return Ok(()) };
        let step = StoreStep {
            number: self.steps.fetch_add(1, Ordering::Relaxed) + 1,
            name,
            on: on.to_owned(),
            moment,
        };
        hook(&step).map_or(Ok(()), Err)
    }
}

/// Whether nothing but dropping the transaction is allowed after this error.
pub(super) fn ends_transaction(error: &Error) -> bool {
    matches!(
        error.code(),
        "crashed" | "killed" | "disk_full" | "store_unavailable"
    )
}

/// What a call on a transaction gets after such an error.
pub(super) fn over() -> Error {
    Error::fatal(
        "transaction_over",
        "this transaction failed before and is undone; drop it and begin another one",
    )
}
