//! The monitor: a status that others set.

use crate::ManualMonitorOptions;
use onsync_core::network::{NetworkMonitor, NetworkNews, NetworkStatus, OfflineReason, StatusCell};
use onsync_core::portable_async;
use std::sync::Arc;

/// Knows of the network what it is told. Clones are one monitor.
#[derive(Clone, Debug)]
pub struct ManualMonitor(Arc<StatusCell>);

impl Default for ManualMonitor {
    fn default() -> Self {
        Self::new(NetworkStatus::assumed())
    }
}

impl ManualMonitor {
    /// A monitor that starts with this status.
    pub fn new(status: NetworkStatus) -> Self {
        Self(Arc::new(StatusCell::new(status)))
    }

    /// A monitor by its options.
    pub fn from_options(options: &ManualMonitorOptions) -> Self {
        Self::new(if options.online {
            NetworkStatus::assumed()
        } else {
            NetworkStatus::offline(OfflineReason::NoNetwork)
        })
    }

    /// Says how the network is.
    pub fn set(&self, status: NetworkStatus) {
        self.0.set(status);
    }
}

#[portable_async]
impl NetworkMonitor for ManualMonitor {
    fn current(&self) -> NetworkStatus {
        self.0.get()
    }

    async fn changed(&self, seen: NetworkStatus) -> NetworkStatus {
        self.0.changed(seen).await
    }

    fn note(&self, news: NetworkNews) -> bool {
        match news {
            NetworkNews::Told(status) => {
                self.set(status);
                true
            }
            // It looks at nothing by itself.
            NetworkNews::Before(_)
            | NetworkNews::ServerReached
            | NetworkNews::ServerMissed
            | NetworkNews::LookAgain => false,
        }
    }
}
