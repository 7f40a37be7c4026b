//! The pattern keeps the contract of its seam.

#[path = "../src/append_only.rs"]
mod append_only;

onsync_testkit::pattern_tests!(append_only::AppendOnly);
