//! The lifecycle and the network: what the monitor sees reaches the queue, and what runs find out reaches the monitor.

use super::Lifecycle;
use onsync_core::handler::Event;
use onsync_core::network::{NetworkNews, NetworkStatus};

impl Lifecycle {
    /// The network changed, as a monitor or the app says: waits that it ends are over.
    pub(crate) fn network_changed(&self, network: NetworkStatus) {
        if self.hub.look(|status| status.network) == network {
            return;
        }
        let before = self.hub.look(|status| status.network);
        self.state().queue.set_network(network);
        if before.online != network.online {
            self.note_network(network.online);
        }
        self.hub.tell(&Event::NetworkStatusChanged(network), |_| {});
        self.bell.notify_one();
    }

    /// The network changed, as the app says: the monitor takes it over, or hears of it and looks.
    pub(crate) fn network_told(&self, network: NetworkStatus) {
        let taken = self
            .monitor
            .as_ref()
            .filter(|monitor| monitor.note(NetworkNews::Told(network)));
        self.network_changed(taken.map_or(network, |monitor| monitor.current()));
    }

    /// Passes on what a run learnt about the network.
    pub(super) fn note(&self, news: NetworkNews) {
        if let Some(monitor) = &self.monitor {
            monitor.note(news);
        }
    }
}
