//! Runs and the network: what waits for which, and what the monitor hears.

use super::world::{Script, World, seconds};
use crate::lifecycle::{Held, Outcome};
use onsync_core::Error;
use onsync_core::network::{NetworkKind, NetworkNews, NetworkStatus, OfflineReason};
use onsync_core::runtime::Runtime;

fn metered() -> NetworkStatus {
    NetworkStatus {
        metered: Some(true),
        ..NetworkStatus::online(NetworkKind::Wifi)
    }
}

#[test]
fn a_context_that_is_not_on_metered_waits_for_another_network_and_says_so() {
    let world = World::new();
    world.lifecycle.network_changed(metered());
    let photos = world.ask("Photos");
    assert_eq!(photos.held(), Some(Held::Metered));
    world.runtime.advance(seconds(3_600));
    assert!(world.steps().is_empty());
    let status = world.hub.status();
    assert_eq!((status.held_by_metered, status.queued), (1, 1));
    assert!(
        status
            .message()
            .ends_with("waiting for a network that costs nothing by volume"),
        "{status}"
    );
    let other = world.ask("Login");
    assert_eq!(other.held(), None);
    assert!(matches!(world.outcome(other), Outcome::Completed(_)));
    world
        .lifecycle
        .network_changed(NetworkStatus::online(NetworkKind::Wifi));
    assert!(matches!(world.outcome(photos), Outcome::Completed(_)));
    assert_eq!(world.steps(), ["Login:B", "Photos:A"]);
    assert_eq!(world.hub.status().held_by_metered, 0);
}

#[test]
fn a_mobile_network_of_unknown_cost_holds_such_a_context_too() {
    let world = World::new();
    world
        .lifecycle
        .network_changed(NetworkStatus::online(NetworkKind::Cellular));
    assert_eq!(world.ask("Photos").held(), Some(Held::Metered));
    assert_eq!(world.ask("Online").held(), None);
}

#[test]
fn a_run_that_failed_on_a_free_network_is_not_tried_again_on_a_metered_one() {
    let world = World::new();
    world.script([Script::Fail(Error::transient("server_busy", "busy"))]);
    let photos = world.ask("Photos");
    world.runtime.settle();
    assert_eq!(world.steps(), ["Photos:A"]);
    world.lifecycle.network_changed(metered());
    world.runtime.advance(seconds(60));
    assert_eq!(world.steps(), ["Photos:A"]);
    world
        .lifecycle
        .network_changed(NetworkStatus::online(NetworkKind::Wifi));
    assert!(matches!(world.outcome(photos), Outcome::Completed(_)));
}

#[test]
fn a_network_that_comes_ends_a_back_off_too() {
    let world = World::new();
    world.script([Script::Fail(Error::transient("not_onsync", "nothing"))]);
    let run = world.ask("Online");
    world.runtime.settle();
    world
        .lifecycle
        .network_changed(NetworkStatus::offline(OfflineReason::CaptivePortal));
    world.runtime.settle();
    assert_eq!(world.steps().len(), 1);
    world.lifecycle.network_changed(NetworkStatus::assumed());
    assert!(matches!(world.outcome(run), Outcome::Completed(_)));
    assert_eq!(world.runtime.elapsed(), seconds(0));
}

#[test]
fn the_status_says_why_it_is_offline() {
    let world = World::new();
    for (reason, wanted) in [
        (OfflineReason::NoNetwork, "you are offline"),
        (OfflineReason::ServerUnreachable, "the server cannot be reached"),
        (
            OfflineReason::CaptivePortal,
            "the network may want you to sign in",
        ),
    ] {
        world.lifecycle.network_changed(NetworkStatus::offline(reason));
        let message = world.hub.status().message();
        assert!(message.contains(wanted), "{message}");
    }
}

#[test]
fn the_monitor_hears_what_runs_find_out() {
    let world = World::new();
    world.script([
        Script::Fail(Error::offline("server_unreachable", "unreachable")),
        Script::Fail(Error::transient("server_busy", "busy")),
    ]);
    let run = world.ask("Online");
    world.runtime.settle();
    assert_eq!(world.monitor.news(), [NetworkNews::ServerMissed]);
    world.runtime.advance(seconds(5));
    assert_eq!(world.monitor.news(), []);
    world.runtime.advance(seconds(10));
    assert!(matches!(world.outcome(run), Outcome::Completed(_)));
    assert_eq!(world.monitor.news(), [NetworkNews::ServerReached]);
}

#[test]
fn what_the_app_tells_holds_unless_the_monitor_knows_better() {
    let world = World::new();
    let offline = NetworkStatus::offline(OfflineReason::NoNetwork);
    world.lifecycle.network_told(offline);
    assert_eq!(world.hub.status().network, offline);
    assert_eq!(world.monitor.news(), [NetworkNews::Told(offline)]);
    world.monitor.go_by_what_is_told();
    world.lifecycle.network_told(metered());
    assert_eq!(world.hub.status().network, NetworkStatus::assumed());
}
