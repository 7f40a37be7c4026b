//! What can be configured about the monitor.

use serde::Deserialize;

/// The options of a [`ManualMonitor`](crate::ManualMonitor), as `[network.manual]` of a configuration holds them.
///
/// ```
/// use onsync_network_manual::ManualMonitorOptions;
/// let options: ManualMonitorOptions = toml::from_str("online = false").unwrap();
/// assert!(!options.online);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ManualMonitorOptions {
    /// Whether there is a network until somebody says otherwise. Default true.
    pub online: bool,
}

impl Default for ManualMonitorOptions {
    fn default() -> Self {
        Self { online: true }
    }
}
