//! The monitor keeps the contract of network monitors.

mod fake;

use fake::Server;
use onsync_core::network::NetworkMonitor;
use onsync_network_probe::{ProbeMonitor, ProbeMonitorOptions};
use onsync_testkit::fakes::ManualRuntime;
use onsync_testkit::network::{NetworkPlace, World};
use std::sync::Arc;
use std::time::Duration;

struct Place {
    runtime: ManualRuntime,
    server: Arc<Server>,
    monitor: Arc<ProbeMonitor>,
}

impl Place {
    fn new() -> Self {
        let runtime = ManualRuntime::new(1);
        let server = Arc::new(Server::default());
        let monitor = ProbeMonitor::start(
            server.clone(),
            Arc::new(runtime.clone()),
            ProbeMonitorOptions::default(),
        );
        Self {
            runtime,
            server,
            monitor: Arc::new(monitor),
        }
    }
}

impl NetworkPlace for Place {
    fn monitor(&self) -> Arc<dyn NetworkMonitor> {
        self.monitor.clone()
    }

    fn sees(&self, world: World) -> bool {
        // Without a network it sees that the server is away.
        world != World::NoNetwork
    }

    fn turn(&self, world: World) {
        self.server.turn(world);
    }

    fn settle(&self) {
        // Longer than the interval.
        self.runtime.advance(Duration::from_secs(400));
    }
}

onsync_testkit::network_tests!(Place::new());
