//! The monitor: takes in what the browser tells.

use crate::Signals;
use onsync_core::network::{NetworkMonitor, NetworkNews, NetworkStatus, StatusCell};
use onsync_core::portable_async;
use std::sync::Arc;

/// Follows the browser this app runs in.
pub struct BrowserMonitor {
    seen: Arc<StatusCell>,
    #[cfg(target_family = "wasm")]
    _listeners: Option<crate::browser::Listeners>,
}

impl std::fmt::Debug for BrowserMonitor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BrowserMonitor")
            .field("status", &self.seen.get())
            .finish_non_exhaustive()
    }
}

impl BrowserMonitor {
    /// A monitor that sees only what [`BrowserMonitor::see`] shows it, for apps that listen themselves. Until then the network is taken
    /// for granted.
    pub fn unwatched() -> Self {
        Self {
            seen: Arc::new(StatusCell::new(NetworkStatus::assumed())),
            #[cfg(target_family = "wasm")]
            _listeners: None,
        }
    }

    /// Takes in what the browser tells.
    pub fn see(&self, signals: &Signals) {
        self.seen.set(signals.status());
    }

    /// Outside a browser there is nothing to follow: as [`BrowserMonitor::unwatched`].
    #[cfg(not(target_family = "wasm"))]
    pub fn start() -> Self {
        Self::unwatched()
    }

    /// Starts to follow the browser, on the main thread or in a worker, until the monitor is dropped. Its first status is that of now.
    #[cfg(target_family = "wasm")]
    pub fn start() -> Self {
        let mut monitor = Self::unwatched();
        monitor.see(&crate::browser::signals());
        let seen = monitor.seen.clone();
        let listeners = crate::browser::Listeners::new(move || seen.set(crate::browser::signals().status()));
        monitor._listeners = Some(listeners);
        monitor
    }
}

#[portable_async]
impl NetworkMonitor for BrowserMonitor {
    fn current(&self) -> NetworkStatus {
        self.seen.get()
    }

    async fn changed(&self, seen: NetworkStatus) -> NetworkStatus {
        self.seen.changed(seen).await
    }

    fn note(&self, _: NetworkNews) -> bool {
        // The browser reports every change by itself.
        false
    }
}
