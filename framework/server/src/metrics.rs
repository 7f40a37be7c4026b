//! What the server counts, whatever carries requests to it: the table behind the page `docs/reference/metrics.md`.
//!
//! Labels hold names of configured entities and OnSync's own words and codes, never what a device sent.

use crate::request::Item;
use crate::request::Request;
use onsync_core::metric::{MetricInfo, OTHER, code_label};
use onsync_core::mutation::Outcome;
use onsync_core::page::Page;

static MUTATIONS: MetricInfo = MetricInfo::counter(
    "onsync_server_mutations_total",
    "mutations",
    &["entity", "outcome"],
    "changes that were answered; `outcome` is `applied`, `conflict`, `gone`, `rejected`, `retry` or `renew`",
);
static REJECTIONS: MetricInfo = MetricInfo::counter(
    "onsync_server_rejections_total",
    "mutations",
    &["code"],
    "changes that were answered `rejected` or `retry`, by code",
);
static RECEIPTS: MetricInfo = MetricInfo::counter(
    "onsync_server_receipts_total",
    "receipts",
    &["event"],
    "receipts of changes; `event` is `made`, or `found` when a change was sent again and its first outcome was told",
);
static UNDONE: MetricInfo = MetricInfo::counter(
    "onsync_server_undone_transactions_total",
    "transactions",
    &[],
    "transactions that were undone because a change in them failed, to be tried in halves",
);
static ROWS: MetricInfo = MetricInfo::counter(
    "onsync_server_rows_total",
    "rows",
    &["entity", "change"],
    "records in answers; `change` is `written`, `deleted` or `removed` (out of the scope)",
);
static PAGES: MetricInfo = MetricInfo::counter(
    "onsync_server_pages_total",
    "pages",
    &["entity"],
    "pages in answers",
);
static FAILED: MetricInfo = MetricInfo::counter(
    "onsync_server_failed_entities_total",
    "entities",
    &["code"],
    "entities of a request that could not be answered, by code; the rest of the request was",
);

/// Every number that the server counts.
pub const METRICS: &[&MetricInfo] = &[
    &MUTATIONS,
    &REJECTIONS,
    &RECEIPTS,
    &UNDONE,
    &ROWS,
    &PAGES,
    &FAILED,
];

/// A mutation got its outcome.
pub(crate) fn answered(request: &Request, item: &Item, outcome: &Outcome) {
    let asked = request.asked.get(item.asked);
    // The name a device sent is a label only if it is one of the configuration.
    let entity = match asked.map(|asked| &asked.target) {
        Some(Ok(target)) => target.served.entity.name.as_str(),
        _ => OTHER,
    };
    MUTATIONS.add(&[entity, outcome.as_str()], 1);
    if let Outcome::Rejected(rejection) | Outcome::Retry(rejection) = outcome {
        REJECTIONS.add(&[code_label(&rejection.code)], 1);
    }
}

/// A transaction was committed that made and found so many receipts.
pub(crate) fn receipts(made: usize, found: usize) {
    for (event, count) in [("made", made), ("found", found)] {
        if count > 0 {
            RECEIPTS.add(&[event], count as u64);
        }
    }
}

/// A transaction was undone and is tried in halves.
pub(crate) fn undone() {
    UNDONE.add(&[], 1);
}

/// A page is on its way.
pub(crate) fn page(page: &Page) {
    let entity = page.entity.as_str();
    PAGES.add(&[entity], 1);
    for (change, count) in [
        ("written", page.rows.len()),
        ("deleted", page.deleted.len()),
        ("removed", page.removed.len()),
    ] {
        if count > 0 {
            ROWS.add(&[entity, change], count as u64);
        }
    }
}

/// An entity of a request could not be answered.
pub(crate) fn failed(code: &str) {
    FAILED.add(&[code_label(code)], 1);
}
