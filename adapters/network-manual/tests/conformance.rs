//! The monitor keeps the contract of network monitors.

use onsync_core::network::{NetworkKind, NetworkMonitor, NetworkNews, NetworkStatus};
use onsync_network_manual::{ManualMonitor, ManualMonitorOptions};
use onsync_testkit::network::{NetworkPlace, World, status_of};
use std::sync::Arc;

#[derive(Default)]
struct Place(ManualMonitor);

impl NetworkPlace for Place {
    fn monitor(&self) -> Arc<dyn NetworkMonitor> {
        Arc::new(self.0.clone())
    }

    fn sees(&self, _: World) -> bool {
        true
    }

    fn turn(&self, world: World) {
        self.0.note(NetworkNews::Told(status_of(world)));
    }

    fn settle(&self) {}
}

onsync_testkit::network_tests!(Place::default());

#[test]
fn a_clone_is_the_same_monitor() {
    let monitor = ManualMonitor::default();
    let wifi = NetworkStatus::online(NetworkKind::Wifi);
    monitor.clone().set(wifi);
    assert_eq!(monitor.current(), wifi);
}

#[test]
fn it_may_start_offline() {
    let monitor = ManualMonitor::from_options(&ManualMonitorOptions { online: false });
    assert!(!monitor.current().online);
}
