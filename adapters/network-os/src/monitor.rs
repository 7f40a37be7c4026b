//! The monitor: takes in what the operating system reports.

use crate::OsMonitorOptions;
use crate::facts::{self, SYSTEM_FOLDER};
use crate::interface::{Interface, status};
use onsync_core::network::{NetworkMonitor, NetworkNews, NetworkStatus, StatusCell};
use onsync_core::{Error, Result, portable_async};
use std::path::Path;
use std::sync::{Arc, Mutex};

/// Follows the network interfaces of this machine.
pub struct OsMonitor {
    seen: Arc<Seen>,
    _watch: Option<Mutex<netwatcher::WatchHandle>>,
}

struct Seen {
    options: OsMonitorOptions,
    status: StatusCell,
}

impl Seen {
    fn see(&self, interfaces: &[Interface]) {
        self.status.set(status(interfaces, &self.options));
    }
}

impl std::fmt::Debug for OsMonitor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OsMonitor")
            .field("status", &self.seen.status.get())
            .finish_non_exhaustive()
    }
}

impl OsMonitor {
    /// A monitor that sees only what [`OsMonitor::see`] shows it, for hosts that list their interfaces themselves. Until then the
    /// network is taken for granted.
    pub fn unwatched(options: OsMonitorOptions) -> Self {
        Self {
            seen: Arc::new(Seen {
                options,
                status: StatusCell::new(NetworkStatus::assumed()),
            }),
            _watch: None,
        }
    }

    /// Takes in the interfaces of this machine.
    pub fn see(&self, interfaces: &[Interface]) {
        self.seen.see(interfaces);
    }

    /// Starts to follow the operating system, until the monitor is dropped. Its first status is that of now.
    ///
    /// # Errors
    /// `network_unwatchable` when the operating system does not let this process watch its interfaces.
    pub fn start(options: OsMonitorOptions) -> Result<Self> {
        let mut monitor = Self::unwatched(options);
        let unwatchable = |error: netwatcher::Error| {
            Error::unsupported(
                "network_unwatchable",
                "the operating system does not let this process watch its network interfaces; allow it, or use a `network.kind` \
                 without `os`",
            )
            .with_source(error)
        };
        let now = netwatcher::list_interfaces().map_err(unwatchable)?;
        monitor.see(&read(now.values()));
        let seen = monitor.seen.clone();
        let watch = netwatcher::watch_interfaces_with_callback(move |update| {
            seen.see(&read(update.interfaces.values()));
        });
        monitor._watch = Some(Mutex::new(watch.map_err(unwatchable)?));
        Ok(monitor)
    }

    /// As [`OsMonitor::start`]; where the operating system refuses, that is logged as a warning and the network is taken for granted:
    /// an app should sync also where it may not watch.
    pub fn start_or_assume(options: OsMonitorOptions) -> Self {
        match Self::start(options.clone()) {
            Ok(monitor) => monitor,
            Err(error) => {
                tracing::warn!(%error, "the network is taken for granted");
                Self::unwatched(options)
            }
        }
    }
}

fn read<'a>(interfaces: impl Iterator<Item = &'a netwatcher::Interface>) -> Vec<Interface> {
    let system_folder = Path::new(SYSTEM_FOLDER);
    interfaces
        .map(|interface| {
            let (kind, up) = facts::of(&interface.name, system_folder);
            Interface {
                name: interface.name.clone(),
                addresses: interface.ips.iter().map(|record| record.ip).collect(),
                kind,
                up,
            }
        })
        .collect()
}

#[portable_async]
impl NetworkMonitor for OsMonitor {
    fn current(&self) -> NetworkStatus {
        self.seen.status.get()
    }

    async fn changed(&self, seen: NetworkStatus) -> NetworkStatus {
        self.seen.status.changed(seen).await
    }

    fn note(&self, _: NetworkNews) -> bool {
        // The operating system reports every change by itself.
        false
    }
}
