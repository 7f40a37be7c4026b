//! How much a step may do: checked at the borders of requests and pages, where stopping loses nothing.

use onsync_core::handler::Summary;
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
