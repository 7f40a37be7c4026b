//! What `on_sync` returns: a handle to a run that was asked for.

use crate::time::sleep_until;
use futures_util::future::{Either, select};
use onsync_core::handler::Summary;
use onsync_core::runtime::Runtime;
use onsync_core::{Error, Result};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// How a run ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Everything it was to do is done.
    Completed(Summary),
    /// It failed, and is not tried again for this request. [`Error::kind`] tells offline from other reasons.
    Failed(Error),
    /// Another request with `discard_pending` took its place, or the app was closed.
    Discarded,
    /// The context's `time_out` passed first. What was synced until then stays synced.
    TimedOut,
}

impl Outcome {
    /// The summary of a completed run, or what went wrong as an error.
    ///
    /// # Errors
    /// The run's error; `sync_discarded`, `sync_timed_out`.
    pub fn into_result(self) -> Result<Summary> {
        match self {
            Self::Completed(summary) => Ok(summary),
            Self::Failed(error) => Err(error),
            Self::Discarded => Err(Error::transient(
                "sync_discarded",
                "this run was discarded before its turn came; ask for it again if it is still wanted",
            )),
            Self::TimedOut => Err(Error::transient(
                "sync_timed_out",
                "the run did not end within its context's `time_out`; what was synced until then stays synced",
            )),
        }
    }
}

/// What keeps a run from starting although it is its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// The network costs by volume, and the context is `not_on_metered`. It starts when there is another network.
    Metered,
}

/// A run that was asked for. Dropping the handle does not stop the run.
pub struct SyncHandle {
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) deadline: Option<Duration>,
    pub(crate) held: Option<Held>,
    pub(crate) outcome: oneshot::Receiver<Outcome>,
}

impl SyncHandle {
    /// What kept the run from starting when it was asked for; none if it may start at its turn.
    pub fn held(&self) -> Option<Held> {
        self.held
    }

    /// Waits for the end of the run.
    pub async fn outcome(self) -> Outcome {
        let time = pin!(sleep_until(self.runtime.as_ref(), self.deadline));
        match select(self.outcome, time).await {
            Either::Left((Ok(outcome), _)) => outcome,
            // Whoever was to tell is gone, with the app.
            Either::Left((Err(_), _)) => Outcome::Discarded,
            Either::Right(_) => Outcome::TimedOut,
        }
    }

    /// Waits for the end of the run on this thread.
    #[cfg(feature = "native")]
    pub fn wait(self) -> Outcome {
        crate::runtime::block_on(self.outcome())
    }
}
