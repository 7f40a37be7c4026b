//! The reference server store keeps its contract.

mod places;

onsync_testkit::server_store_tests!(crate::places::Database::new());
