//! The monitor that tests set keeps the contract of network monitors.

onsync_testkit::network_tests!(onsync_testkit::network::ScriptedPlace::default());
