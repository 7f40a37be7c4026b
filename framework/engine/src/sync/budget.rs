//! How much a step may do: checked at the borders of requests and pages, where stopping loses nothing.

use super::exchange::Run;
use crate::time::sleep_until;
use futures_util::future::{Either, select};
use onsync_core::Result;
use onsync_core::handler::Summary;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// What a step may use. It stops at the first request or page at which something of it is used up; the next step goes on there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StepBudget {
    /// Until this moment of the runtime's `elapsed`.
    pub until: Option<Duration>,
    /// So many records sent and received.
    pub rows: Option<u64>,
    /// So many bytes received.
    pub bytes: Option<u64>,
}

fn rows(done: &Summary) -> u64 {
    done.sent + done.received + done.removed
}

impl StepBudget {
    /// What is left after this much.
    #[must_use]
    pub fn after(&self, done: &Summary) -> Self {
        Self {
            until: self.until,
            rows: self.rows.map(|limit| limit.saturating_sub(rows(done))),
            bytes: self.bytes.map(|limit| limit.saturating_sub(done.bytes_received)),
        }
    }

    /// Whether something of it is used up.
    pub(super) fn is_used(&self, done: &Summary, now: Duration) -> bool {
        let left = self.after(done);
        left.until.is_some_and(|until| until <= now) || left.rows == Some(0) || left.bytes == Some(0)
    }

    /// At most so many records may still travel.
    pub(super) fn rows_left(&self, done: &Summary) -> usize {
        let left = self.after(done).rows;
        left.map_or(usize::MAX, |left| {
            usize::try_from(left).unwrap_or(usize::MAX).max(1)
        })
    }
}

impl Run<'_> {
    /// Rows a page: as this device can take them, and no more than the budget has left.
    pub(super) fn page_rows(&self) -> u32 {
        let adapted = self.syncer.page_rows.load(Ordering::Relaxed);
        let left = self.step.budget.rows_left(&self.summary);
        adapted.min(u32::try_from(left).unwrap_or(u32::MAX))
    }

    /// Waits for work no longer than the budget lasts; none then.
    pub(super) async fn in_time<T>(&self, work: impl Future<Output = Result<T>>) -> Result<Option<T>> {
        let runtime = self.syncer.runtime.as_ref();
        let time = pin!(sleep_until(runtime, self.step.budget.until));
        match select(pin!(work), time).await {
            Either::Left((done, _)) => done.map(Some),
            Either::Right(_) => Ok(None),
        }
    }

    /// Mutations a request, within what the budget has left.
    pub(super) fn max_mutations(&self) -> usize {
        let left = self.step.budget.rows_left(&self.summary);
        self.syncer.limits.max_mutations.min(left)
    }
}
