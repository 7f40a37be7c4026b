//! What can be configured about the monitor.

use serde::Deserialize;

/// The options of an [`OsMonitor`](crate::OsMonitor), as `[network.os]` of a configuration holds them.
///
/// ```
/// use onsync_network_os::OsMonitorOptions;
/// let options: OsMonitorOptions = toml::from_str(r#"ignore = ["lab0", "docker*"]"#).unwrap();
/// assert!(options.ignores("docker0") && options.ignores("lab0"));
/// assert!(!options.ignores("lab01") && !options.ignores("eth0"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OsMonitorOptions {
    /// The names of interfaces that make no network by themselves; a `*` at the end stands for anything. By default bridges and virtual
    /// machines' networks, which have addresses whether or not there is a network, and tunnels, which need another network beneath.
    pub ignore: Vec<String>,
}

/// Bridges and the networks of containers and virtual machines; tunnels; Apple's own links between devices.
const IGNORED: [&str; 22] = [
    "docker*",
    "br-*",
    "veth*",
    "virbr*",
    "vmnet*",
    "vboxnet*",
    "vEthernet*",
    "lxc*",
    "lxd*",
    "cni*",
    "flannel*",
    "podman*",
    "tun*",
    "tap*",
    "utun*",
    "wg*",
    "tailscale*",
    "zt*",
    "ipsec*",
    "awdl*",
    "llw*",
    "ifb*",
];

impl Default for OsMonitorOptions {
    fn default() -> Self {
        Self {
            ignore: IGNORED.map(str::to_owned).to_vec(),
        }
    }
}

impl OsMonitorOptions {
    /// Whether an interface of this name is left out.
    pub fn ignores(&self, name: &str) -> bool {
        self.ignore.iter().any(|ignored| match ignored.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning),
            None => name == ignored,
        })
    }
}
