//! When the server is asked, in virtual time.

mod fake;

use fake::Server;
use onsync_core::network::{NetworkMonitor, NetworkNews, NetworkStatus, OfflineReason};
use onsync_network_probe::{ProbeMonitor, ProbeMonitorOptions};
use onsync_testkit::fakes::ManualRuntime;
use onsync_testkit::network::World;
use std::sync::Arc;
use std::time::Duration;

fn world() -> (ManualRuntime, Arc<Server>, ProbeMonitor) {
    let runtime = ManualRuntime::new(7);
    let server = Arc::new(Server::default());
    let monitor = ProbeMonitor::start(
        server.clone(),
        Arc::new(runtime.clone()),
        ProbeMonitorOptions::default(),
    );
    (runtime, server, monitor)
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn while_runs_reach_the_server_nothing_is_asked() {
    let (runtime, server, monitor) = world();
    for _ in 0..120 {
        monitor.note(NetworkNews::ServerReached);
        runtime.advance(seconds(60));
    }
    assert_eq!(server.probes(), 0);
    runtime.advance(seconds(300));
    assert_eq!(server.probes(), 1);
}

#[test]
fn a_run_that_missed_the_server_makes_it_ask_at_once_and_runs_need_not_ask_again() {
    let (runtime, server, monitor) = world();
    runtime.advance(seconds(10));
    assert_eq!(server.probes(), 1);
    server.turn(World::ServerAway);
    monitor.note(NetworkNews::ServerMissed);
    runtime.run_until_idle();
    assert_eq!(server.probes(), 1);
    assert_eq!(monitor.current().reason, Some(OfflineReason::ServerUnreachable));
    runtime.advance(seconds(3_600));
    let asked = server.probes();
    assert!((60..=130).contains(&asked), "asked {asked} times in an hour");
    server.turn(World::Online);
    runtime.advance(seconds(60));
    assert!(monitor.current().online);
}

#[test]
fn a_silent_server_is_away_after_the_time_out() {
    let (runtime, server, monitor) = world();
    server.fall_silent();
    runtime.advance(seconds(1));
    assert!(monitor.current().online, "its time is not over yet");
    runtime.advance(seconds(10));
    assert_eq!(monitor.current().reason, Some(OfflineReason::ServerUnreachable));
}

#[test]
fn a_new_network_gives_up_the_probe_over_the_old_one() {
    let (runtime, server, monitor) = world();
    monitor.note(NetworkNews::Before(NetworkStatus::assumed()));
    server.fall_silent();
    runtime.advance(seconds(1));
    let none = NetworkStatus::offline(OfflineReason::NoNetwork);
    monitor.note(NetworkNews::Before(none));
    runtime.run_until_idle();
    assert_eq!(monitor.current(), none);
    server.turn(World::Online);
    monitor.note(NetworkNews::Before(NetworkStatus::assumed()));
    runtime.advance(seconds(1));
    assert!(monitor.current().online, "the old probe would have lasted 10 s");
    assert_eq!(server.probes(), 2);
}

#[test]
fn a_connection_that_broke_is_no_server_that_is_away() {
    let (runtime, server, monitor) = world();
    server.break_connections(1);
    runtime.advance(seconds(1));
    assert_eq!((monitor.current().online, server.probes()), (true, 2));
    server.break_connections(2);
    monitor.note(NetworkNews::LookAgain);
    runtime.advance(seconds(1));
    assert_eq!(monitor.current().reason, Some(OfflineReason::ServerUnreachable));
}

#[test]
fn a_dropped_monitor_asks_no_more() {
    let (runtime, server, monitor) = world();
    runtime.advance(seconds(5));
    drop(monitor);
    runtime.run_until_idle();
    assert_eq!(runtime.sleeping(), 0);
    server.probes();
    runtime.advance(seconds(3_600));
    assert_eq!(server.probes(), 0);
}
