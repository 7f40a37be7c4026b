//! The seam for network detection.

mod cell;

pub use cell::StatusCell;

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

/// Why a device is offline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OfflineReason {
    /// There is no network.
    NoNetwork,
    /// There may be a network, but the server does not answer.
    ServerUnreachable,
    /// Something else answers in the server's place: most often a network that wants its user to sign in.
    CaptivePortal,
}

/// The state of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkStatus {
    /// Whether there is one, and the server can be reached over it as far as the monitor knows.
    pub online: bool,
    /// What carries it.
    pub kind: NetworkKind,
    /// Whether it costs by volume, where known.
    pub metered: Option<bool>,
    /// Why it is offline, where known; never while online.
    #[serde(default)]
    pub reason: Option<OfflineReason>,
}

impl NetworkStatus {
    /// Online, nothing else known: what is assumed without a monitor, and by a monitor that knows nothing yet.
    pub fn assumed() -> Self {
        Self {
            online: true,
            kind: NetworkKind::Unknown,
            metered: None,
            reason: None,
        }
    }

    /// Online by this kind of network.
    pub fn online(kind: NetworkKind) -> Self {
        Self {
            kind,
            ..Self::assumed()
        }
    }

    /// Offline, and why.
    pub fn offline(reason: OfflineReason) -> Self {
        Self {
            online: false,
            reason: Some(reason),
            ..Self::assumed()
        }
    }

    /// Whether it is to be taken for one that costs by volume: known to, or a mobile network of which nothing is known.
    pub fn is_metered(&self) -> bool {
        self.metered.unwrap_or(self.kind == NetworkKind::Cellular)
    }
}

/// What others learnt about the network, for a monitor to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkNews {
    /// The app, or the device it runs on, says how the network is.
    Told(NetworkStatus),
    /// What the monitors before this one in a combination (`a+b`) see together, whenever that changes.
    Before(NetworkStatus),
    /// The server has just answered.
    ServerReached,
    /// The server could not be reached just now.
    ServerMissed,
    /// Somebody wants to know: the app came back to the foreground, a person asks.
    LookAgain,
}

/// Watches the network.
///
/// # Contract
/// - `current` gives what is known, at once and without I/O. Until something is known the network is taken for granted.
/// - A status that is online names no reason.
/// - `changed` ends when the status differs from `seen`; at once if it does already, so that nothing is lost between a look at
///   `current` and the wait.
/// - `changed` never gives what was `seen`, and does not end while nothing changes. Of quick changes the last is seen; a flap that
///   ends where it began need not be.
/// - Any number may wait at a time, each for its own `seen`, and all of them hear of a change.
/// - Dropping the future of `changed` gives up waiting and disturbs nobody.
/// - `note` returns at once. News make a monitor look, or take over what it is told; they never make it claim what is not so.
/// - Dropping the monitor ends its work in the background.
#[portable_async]
pub trait NetworkMonitor: MaybeSend + MaybeSync {
    /// The status now.
    fn current(&self) -> NetworkStatus;

    /// Waits until the status is another than `seen`, and gives it.
    async fn changed(&self, seen: NetworkStatus) -> NetworkStatus;

    /// Takes in what others learnt. True if the monitor goes by [`NetworkNews::Told`]: what it was told is its status now.
    fn note(&self, news: NetworkNews) -> bool;
}
