//! The seam for network detection.

use crate::platform::{MaybeSend, MaybeSync};
use onsync_macros::portable_async;
use serde::{Deserialize, Serialize};

/// What carries the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NetworkKind {
    /// a cable
    Ethernet,
    /// a wireless LAN
    Wifi,
    /// a mobile network
    Cellular,
    /// not known
    #[default]
    Unknown,
}

/// The state of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkStatus {
    /// Whether there is one.
    pub online: bool,
    /// What carries it.
    pub kind: NetworkKind,
    /// Whether it costs by volume, where known.
    pub metered: Option<bool>,
}

impl NetworkStatus {
    /// Online, nothing else known: what is assumed without a monitor.
    pub fn assumed() -> Self {
        Self {
            online: true,
            kind: NetworkKind::Unknown,
            metered: None,
        }
    }
}

/// Watches the network.
///
/// # Contract
/// - `changed` ends when the status differs from the one `current` gave last.
#[portable_async]
pub trait NetworkMonitor: MaybeSend + MaybeSync {
    /// The status now.
    fn current(&self) -> NetworkStatus;

    /// Waits for a change and gives the new status.
    async fn changed(&self) -> NetworkStatus;
}
