//! The monitor keeps the contract of network monitors.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers of a test fail by panicking, as the test does"
)]

use onsync_core::network::{NetworkKind, NetworkMonitor};
use onsync_network_os::{Interface, OsMonitor, OsMonitorOptions};
use onsync_testkit::network::{NetworkPlace, World};
use std::sync::Arc;

struct Place(Arc<OsMonitor>);

impl NetworkPlace for Place {
    fn monitor(&self) -> Arc<dyn NetworkMonitor> {
        self.0.clone()
    }

    fn sees(&self, world: World) -> bool {
        // Behind its interfaces it sees nothing.
        matches!(world, World::Online | World::NoNetwork)
    }

    fn turn(&self, world: World) {
        let network = Interface {
            name: "eth0".to_owned(),
            addresses: vec!["192.0.2.7".parse().unwrap()],
            kind: NetworkKind::Ethernet,
            up: true,
        };
        self.0.see(match world {
            World::NoNetwork => &[],
            World::Online | World::ServerAway | World::Portal => std::slice::from_ref(&network),
        });
    }

    fn settle(&self) {}
}

fn place() -> Place {
    let place = Place(Arc::new(OsMonitor::unwatched(OsMonitorOptions::default())));
    place.turn(World::Online);
    place
}

onsync_testkit::network_tests!(place());
