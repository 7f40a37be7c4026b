//! The operating system's own events: a network that comes and goes, in a namespace of its own.

#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    reason = "the helpers of a test fail by panicking, as the test does"
)]

use onsync_core::network::{NetworkMonitor, NetworkStatus, OfflineReason};
use onsync_network_os::{OsMonitor, OsMonitorOptions};
use onsync_testkit::suite::block_on;
use std::process::Command;

/// Set in the process that has a network namespace of its own.
const INSIDE: &str = "ONSYNC_TEST_INSIDE_NAMESPACE";
const NAME: &str = "a_network_that_comes_and_goes_is_reported";

fn ip(arguments: &str) -> bool {
    let output = Command::new("ip").args(arguments.split(' ')).output();
    output.is_ok_and(|output| output.status.success())
}

/// Whether this user may make a namespace with an interface in it.
fn may_make_networks() -> bool {
    let script = "ip link add onsync0 type dummy";
    let output = Command::new("unshare").args(["-rn", "sh", "-c", script]).output();
    output.is_ok_and(|output| output.status.success())
}

#[test]
fn a_network_that_comes_and_goes_is_reported() {
    if std::env::var_os(INSIDE).is_some() {
        return inside();
    }
    if !may_make_networks() {
        println!("SKIPPED {NAME}: this user may not make network namespaces with `unshare -rn` and `ip`");
        return;
    }
    let itself = std::env::current_exe().unwrap();
    let output = Command::new("unshare")
        .arg("-rn")
        .arg(itself)
        .args(["--exact", NAME, "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(said.contains("1 passed"), "{said}");
}

fn inside() {
    let none = NetworkStatus::offline(OfflineReason::NoNetwork);
    let monitor = OsMonitor::start(OsMonitorOptions::default()).unwrap();
    assert_eq!(monitor.current(), none);
    assert!(ip("link add onsync0 type dummy"));
    assert!(ip("link set onsync0 up"));
    assert!(ip("address add 192.0.2.7/24 dev onsync0"));
    let status = block_on(monitor.changed(none));
    assert!(status.online, "{status:?}");
    assert!(ip("link delete onsync0"));
    assert_eq!(block_on(monitor.changed(status)), none);
}

#[test]
fn this_machine_can_be_watched() {
    let status = OsMonitor::start(OsMonitorOptions::default()).unwrap().current();
    println!("{status:?}");
    assert_ne!(status.online, status.reason.is_some());
}
