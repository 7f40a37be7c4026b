//! The reference local store keeps its contract.

mod places;

onsync_testkit::local_store_tests!(crate::places::Device::new());
