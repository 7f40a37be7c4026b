//! Each suite refuses implementations that are broken on purpose: correct ones with one planted fault, named for it.

#![expect(
    clippy::expect_used,
    reason = "the helpers of a test fail by panicking, as the test does"
)]

mod local_stores;
mod monitors;
mod patterns;
mod server_stores;
mod transports;

#[path = "../places/mod.rs"]
mod places;

use onsync_testkit::suite::Report;

/// The suite found the fault, by these cases at least.
#[track_caller]
pub(crate) fn refused(report: &Report, caught_by: &[&str]) {
    let failed = report.failed_names();
    println!(
        "refused by {} of {}: {failed:?}",
        failed.len(),
        failed.len() + report.passed.len()
    );
    for case in caught_by {
        assert!(
            failed.contains(case),
            "`{case}` let it pass; caught by {failed:?}{report}"
        );
    }
    assert!(
        !report.passed.is_empty(),
        "everything failed: the implementation is broken beyond its fault{report}"
    );
}
