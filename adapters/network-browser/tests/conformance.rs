//! The monitor keeps the contract of network monitors.

use onsync_core::network::NetworkMonitor;
use onsync_network_browser::{BrowserMonitor, Signals};
use onsync_testkit::network::{NetworkPlace, World};
use std::sync::Arc;

struct Place(Arc<BrowserMonitor>);

impl NetworkPlace for Place {
    fn monitor(&self) -> Arc<dyn NetworkMonitor> {
        self.0.clone()
    }

    fn sees(&self, world: World) -> bool {
        // Behind its network it sees nothing.
        matches!(world, World::Online | World::NoNetwork)
    }

    fn turn(&self, world: World) {
        self.0.see(&Signals {
            online: Some(world != World::NoNetwork),
            connection_type: Some("wifi".to_owned()),
            save_data: None,
        });
    }

    fn settle(&self) {}
}

fn place() -> Place {
    let place = Place(Arc::new(BrowserMonitor::unwatched()));
    place.turn(World::Online);
    place
}

onsync_testkit::network_tests!(place());
