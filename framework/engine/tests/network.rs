//! Monitors joined by `+`: the contract, what those behind hear, and how a configuration names them.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers of a test fail by panicking, as the test does"
)]

use onsync_core::network::{NetworkKind, NetworkMonitor, NetworkNews, NetworkStatus, OfflineReason};
use onsync_core::store::local::LocalStore;
use onsync_core::transport::Transport;
use onsync_engine::config::Config;
use onsync_engine::{App, CombinedMonitor, NetworkMonitorParts, OnSyncBuilder, Registries};
use onsync_testkit::fakes::{ManualRuntime, MemoryTransport, ScriptedMonitor};
use onsync_testkit::network::{NetworkPlace, World, status_of};
use std::sync::{Arc, Mutex};

/// One monitor for the network and one for the server, joined.
struct Place {
    runtime: ManualRuntime,
    network: Arc<ScriptedMonitor>,
    server: Arc<ScriptedMonitor>,
    monitor: Arc<CombinedMonitor>,
}

impl Place {
    fn new() -> Self {
        let runtime = ManualRuntime::new(1);
        let network = Arc::new(ScriptedMonitor::new(NetworkStatus::online(NetworkKind::Wifi)));
        let server = Arc::new(ScriptedMonitor::new(NetworkStatus::assumed()));
        let monitor = CombinedMonitor::new(vec![network.clone(), server.clone()], &runtime);
        Self {
            runtime,
            network,
            server,
            monitor: Arc::new(monitor),
        }
    }
}

impl NetworkPlace for Place {
    fn monitor(&self) -> Arc<dyn NetworkMonitor> {
        self.monitor.clone()
    }

    fn sees(&self, _: World) -> bool {
        true
    }

    fn turn(&self, world: World) {
        let (network, server) = match world {
            World::NoNetwork => (world, World::Online),
            World::Online | World::ServerAway | World::Portal => (World::Online, world),
        };
        self.network.set(status_of(network));
        self.server.set(status_of(server));
    }

    fn settle(&self) {
        self.runtime.run_until_idle();
    }
}

onsync_testkit::network_tests!(Place::new());

#[test]
fn those_behind_hear_what_those_before_see_and_not_the_other_way() {
    let place = Place::new();
    let wifi = NetworkStatus::online(NetworkKind::Wifi);
    assert_eq!(place.server.news(), [NetworkNews::Before(wifi)]);
    let none = NetworkStatus::offline(OfflineReason::NoNetwork);
    place.network.set(none);
    place.settle();
    assert_eq!(place.server.news(), [NetworkNews::Before(none)]);
    place.server.set(none);
    place.settle();
    assert_eq!((place.server.news(), place.network.news()), (vec![], vec![]));
}

#[test]
fn kind_and_cost_are_those_of_the_first_that_knows_and_the_first_reason_counts() {
    let place = Place::new();
    place.server.set(NetworkStatus {
        metered: Some(true),
        ..NetworkStatus::online(NetworkKind::Cellular)
    });
    place.settle();
    let status = place.monitor.current();
    assert_eq!((status.kind, status.metered), (NetworkKind::Wifi, Some(true)));
    place
        .server
        .set(NetworkStatus::offline(OfflineReason::CaptivePortal));
    place
        .network
        .set(NetworkStatus::offline(OfflineReason::NoNetwork));
    place.settle();
    assert_eq!(place.monitor.current().reason, Some(OfflineReason::NoNetwork));
    place.network.set(NetworkStatus::online(NetworkKind::Wifi));
    place.settle();
    assert_eq!(place.monitor.current().reason, Some(OfflineReason::CaptivePortal));
}

#[test]
fn a_dropped_combination_lets_its_monitors_go() {
    let place = Place::new();
    place.settle();
    let server = Arc::downgrade(&place.server);
    drop((place.monitor, place.server));
    place.runtime.run_until_idle();
    assert!(server.upgrade().is_none());
}

/// Names and options with which monitors were made.
type Made = Arc<Mutex<Vec<(String, serde_json::Value)>>>;

/// Two monitors, `cable` and `server`.
fn registries() -> (Registries, Made) {
    let mut registries = Registries::new();
    let made = Made::default();
    for name in ["cable", "server"] {
        let made = made.clone();
        registries
            .network_monitor(name, move |parts: &NetworkMonitorParts| {
                made.lock()
                    .unwrap()
                    .push((parts.name.clone(), parts.options.clone()));
                Ok(Arc::new(ScriptedMonitor::new(NetworkStatus::assumed())) as Arc<dyn NetworkMonitor>)
            })
            .unwrap();
    }
    (registries, made)
}

fn build(network: &str, registries: Registries) -> onsync_core::Result<App> {
    let runtime = ManualRuntime::new(1);
    let store: Arc<dyn LocalStore> = Arc::new(onsync_core::memory::local::MemoryStore::new(1));
    let transport: Arc<dyn Transport> = Arc::new(MemoryTransport::to_nobody());
    let builder = OnSyncBuilder::new(Config::from_text(network)?, registries)
        .store(store)
        .transport(transport)
        .runtime(Arc::new(runtime.clone()));
    runtime.run(builder.build()).unwrap()
}

#[test]
fn a_configuration_names_monitors_in_order_with_their_options() {
    let (registries, made) = registries();
    let text = "[network]\nkind = \"cable+server\"\n[network.server]\ninterval = \"5m\"";
    build(text, registries).unwrap();
    let made = made.lock().unwrap();
    assert_eq!(
        *made,
        [
            ("cable".to_owned(), serde_json::json!({})),
            ("server".to_owned(), serde_json::json!({ "interval": "5m" })),
        ]
    );
}

#[test]
fn what_a_configuration_names_wrongly_is_said_with_its_place() {
    for (text, place, wanted) in [
        (
            "[network]\nkind = \"cabel\"",
            "onsync.toml:2: network.kind",
            "did you mean `cable`?",
        ),
        (
            "[network]\nkind = \"cable+serve\"",
            "onsync.toml:2: network.kind",
            "`cable`, `server`",
        ),
        (
            "[network]\nkind = \"assumed+server\"",
            "onsync.toml:2: network.kind",
            "takes the network for granted",
        ),
        (
            "[network.sever]\ninterval = \"5m\"",
            "onsync.toml:1: network.sever",
            "did you mean `server`?",
        ),
        (
            "[network]\nkidn = \"cable\"",
            "onsync.toml:2: network.kidn",
            "did you mean `kind`?",
        ),
    ] {
        let error = build(text, registries().0).err().unwrap();
        assert_eq!(error.place(), Some(place), "{text}: {error}");
        assert!(error.message().contains(wanted), "{text}: {error}");
    }
}

#[test]
fn names_that_a_configuration_could_not_use_are_refused() {
    for name in ["a+b", "kind", "assumed", ""] {
        let monitor = |_: &NetworkMonitorParts| {
            Ok(Arc::new(ScriptedMonitor::new(NetworkStatus::assumed())) as Arc<dyn NetworkMonitor>)
        };
        let error = Registries::new().network_monitor(name, monitor).unwrap_err();
        assert_eq!(error.code(), "invalid_plugin_name", "{name}");
    }
}
