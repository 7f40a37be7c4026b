//! What the device counts: the table behind the page `docs/reference/metrics.md`, and where each number comes from.
//!
//! Labels hold names of the configuration and words of OnSync, never keys, values or whatever a server or user sent.

use crate::status::Status;
use onsync_core::ErrorKind;
use onsync_core::handler::Summary;
use onsync_core::metric::{MetricInfo, OTHER};
use std::time::Duration;

static STARTED: MetricInfo = MetricInfo::counter(
    "onsync_device_syncs_started_total",
    "attempts",
    &["context"],
    "attempts of runs that began",
);
static ENDED: MetricInfo = MetricInfo::counter(
    "onsync_device_syncs_ended_total",
    "attempts",
    &["context", "outcome"],
    "attempts that ended; `outcome` is `completed`, `failed`, `timed_out` or `discarded`",
);
static DURATION: MetricInfo = MetricInfo::histogram(
    "onsync_device_sync_duration_seconds",
    "seconds",
    &["context", "outcome"],
    "how long attempts took",
);
static FAILURES: MetricInfo = MetricInfo::counter(
    "onsync_device_sync_failures_total",
    "attempts",
    &["kind"],
    "attempts that failed or timed out, by the kind of their error",
);
static RETRIES: MetricInfo = MetricInfo::counter(
    "onsync_device_retries_total",
    "attempts",
    &[],
    "failed attempts that are tried again by themselves",
);
static REQUESTS: MetricInfo = MetricInfo::counter(
    "onsync_device_requests_total",
    "requests",
    &[],
    "requests that a server began to answer",
);
static SENT: MetricInfo = MetricInfo::counter(
    "onsync_device_sent_mutations_total",
    "mutations",
    &[],
    "changes that were sent, each time they were",
);
static OUTCOMES: MetricInfo = MetricInfo::counter(
    "onsync_device_mutations_total",
    "mutations",
    &["outcome"],
    "changes that the server decided about; `outcome` is `applied`, `rejected` or `conflict`",
);
static DISCARDED: MetricInfo = MetricInfo::counter(
    "onsync_device_discarded_edits_total",
    "edits",
    &[],
    "edits that a sync put into the bin",
);
static ROWS: MetricInfo = MetricInfo::counter(
    "onsync_device_received_rows_total",
    "rows",
    &["change"],
    "records that arrived; `change` is `written` or `removed`",
);
static RECEIVED: MetricInfo = MetricInfo::counter(
    "onsync_device_received_bytes_total",
    "bytes",
    &[],
    "bytes of answers, as they were on the wire",
);
static WAITING: MetricInfo = MetricInfo::gauge(
    "onsync_device_waiting_records",
    "records",
    &[],
    "records with changes the server does not have",
);
static CONFLICTS: MetricInfo =
    MetricInfo::gauge("onsync_device_open_conflicts", "conflicts", &[], "open conflicts");
static REJECTED: MetricInfo = MetricInfo::gauge(
    "onsync_device_rejected_changes",
    "changes",
    &[],
    "changes the server refused and that are listed",
);
static UNKNOWN: MetricInfo = MetricInfo::gauge(
    "onsync_device_unknown_changes",
    "changes",
    &[],
    "changes that are listed as *may have been applied*",
);
static QUEUED: MetricInfo = MetricInfo::gauge(
    "onsync_device_queued_runs",
    "runs",
    &[],
    "runs that wait for their turn, their next try or the network",
);
static ONLINE: MetricInfo = MetricInfo::gauge(
    "onsync_device_online",
    "devices",
    &[],
    "1 while the server can be reached as far as the device knows, else 0",
);

/// Every number that the engine counts.
pub const METRICS: &[&MetricInfo] = &[
    &STARTED, &ENDED, &DURATION, &FAILURES, &RETRIES, &REQUESTS, &SENT, &OUTCOMES, &DISCARDED, &ROWS,
    &RECEIVED, &WAITING, &CONFLICTS, &REJECTED, &UNKNOWN, &QUEUED, &ONLINE,
];

/// A context as a label: an app's own handler takes any text, which may be anything.
pub(crate) fn context_label(context: &str, configured: bool) -> &str {
    if configured || context.is_empty() {
        context
    } else {
        OTHER
    }
}

/// An attempt began.
pub(crate) fn started(context: &str) {
    STARTED.add(&[context], 1);
}

/// An attempt ended, with an error of this kind if it did badly.
pub(crate) fn ended(context: &str, outcome: &str, error: Option<ErrorKind>, took: Duration) {
    ENDED.add(&[context, outcome], 1);
    DURATION.observe(&[context, outcome], took.as_secs_f64());
    if let Some(kind) = error {
        FAILURES.add(&[kind.as_str()], 1);
    }
}

/// A failed attempt is tried again.
pub(crate) fn retried() {
    RETRIES.add(&[], 1);
}

/// What of a step has been counted.
#[derive(Debug, Default)]
pub(crate) struct Tally(Summary);

impl Tally {
    /// Counts what came since the last time.
    pub(crate) fn tell(&mut self, now: &Summary) {
        let counted = std::mem::replace(&mut self.0, now.clone());
        let add = |info: &'static MetricInfo, labels: &[&str], of: fn(&Summary) -> u64| {
            let more = of(now).saturating_sub(of(&counted));
            if more > 0 {
                info.add(labels, more);
            }
        };
        add(&REQUESTS, &[], |summary| summary.requests);
        add(&SENT, &[], |summary| summary.sent);
        add(&OUTCOMES, &["applied"], |summary| summary.applied);
        add(&OUTCOMES, &["rejected"], |summary| summary.rejected);
        add(&OUTCOMES, &["conflict"], |summary| summary.conflicts);
        add(&DISCARDED, &[], |summary| summary.discarded);
        add(&ROWS, &["written"], |summary| summary.received);
        add(&ROWS, &["removed"], |summary| summary.removed);
        add(&RECEIVED, &[], |summary| summary.bytes_received);
    }
}

/// How things stand.
pub(crate) fn status(status: &Status) {
    // Counts of records and runs are far from where a float loses ones.
    #[expect(clippy::cast_precision_loss, reason = "a count")]
    let set = |info: &'static MetricInfo, count: u64| info.set(&[], count as f64);
    set(&WAITING, status.waiting);
    set(&CONFLICTS, status.conflicts);
    set(&REJECTED, status.rejected);
    set(&UNKNOWN, status.unknown);
    set(&QUEUED, u64::try_from(status.queued).unwrap_or(u64::MAX));
    set(&ONLINE, u64::from(!status.is_offline()));
}
