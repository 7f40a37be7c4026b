//! The transport without a network keeps the contract of transports.

onsync_testkit::transport_tests!(onsync_testkit::transport::MemoryPlace);
