//! What the interfaces of a machine say about its network: pure.

use crate::OsMonitorOptions;
use onsync_core::network::{NetworkKind, NetworkStatus, OfflineReason};
use std::net::IpAddr;

/// One network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name, such as `eth0`.
    pub name: String,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// What it is.
    pub kind: NetworkKind,
    /// Whether it carries; true where the operating system does not say.
    pub up: bool,
}

impl Interface {
    /// Whether there is a network if this interface is all there is.
    fn makes_a_network(&self, options: &OsMonitorOptions) -> bool {
        self.up && !options.ignores(&self.name) && self.addresses.iter().any(is_given)
    }
}

/// Whether somebody gave that address, by hand or by a network: those that a machine gives itself lead nowhere.
fn is_given(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            !(address.is_loopback() || address.is_unspecified() || address.is_link_local())
        }
        IpAddr::V6(address) => {
            !(address.is_loopback() || address.is_unspecified() || address.is_unicast_link_local())
        }
    }
}

/// The status that these interfaces make. Of several networks the one that systems prefer gives the kind: a cable, then a wireless
/// LAN, then a mobile network.
pub(crate) fn status(interfaces: &[Interface], options: &OsMonitorOptions) -> NetworkStatus {
    let networks = interfaces
        .iter()
        .filter(|interface| interface.makes_a_network(options));
    let preferred = networks
        .map(|interface| interface.kind)
        .min_by_key(|kind| match kind {
            NetworkKind::Ethernet => 0,
            NetworkKind::Wifi => 1,
            NetworkKind::Cellular => 2,
            NetworkKind::Unknown => 3,
        });
    match preferred {
        Some(kind) => NetworkStatus::online(kind),
        None => NetworkStatus::offline(OfflineReason::NoNetwork),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(name: &str, kind: NetworkKind, address: &str) -> Interface {
        Interface {
            name: name.to_owned(),
            addresses: vec![address.parse().unwrap()],
            kind,
            up: true,
        }
    }

    fn of(interfaces: &[Interface]) -> NetworkStatus {
        status(interfaces, &OsMonitorOptions::default())
    }

    #[test]
    fn addresses_that_a_machine_gives_itself_are_no_network() {
        for address in ["127.0.0.1", "::1", "169.254.7.7", "fe80::1", "0.0.0.0", "::"] {
            let status = of(&[interface("eth0", NetworkKind::Ethernet, address)]);
            assert_eq!(
                status,
                NetworkStatus::offline(OfflineReason::NoNetwork),
                "{address}"
            );
        }
        for address in ["192.168.1.5", "10.0.0.1", "203.0.113.9", "fd00::5", "2001:db8::5"] {
            let status = of(&[interface("eth0", NetworkKind::Ethernet, address)]);
            assert_eq!(status, NetworkStatus::online(NetworkKind::Ethernet), "{address}");
        }
    }

    #[test]
    fn no_interface_at_all_and_one_that_is_down_are_no_network() {
        assert!(!of(&[]).online);
        let down = Interface {
            up: false,
            ..interface("eth0", NetworkKind::Ethernet, "10.0.0.1")
        };
        assert!(!of(&[down]).online);
    }

    #[test]
    fn bridges_and_tunnels_make_no_network_by_themselves() {
        for name in [
            "docker0",
            "br-1f2e",
            "veth9a",
            "virbr0",
            "wg0",
            "tun0",
            "utun3",
            "vEthernet (WSL)",
        ] {
            assert!(
                !of(&[interface(name, NetworkKind::Unknown, "172.17.0.1")]).online,
                "{name}"
            );
        }
    }

    #[test]
    fn of_several_networks_the_preferred_one_gives_the_kind() {
        let cellular = interface("wwan0", NetworkKind::Cellular, "10.1.0.1");
        let wifi = interface("wlan0", NetworkKind::Wifi, "10.2.0.1");
        let cable = interface("eth0", NetworkKind::Ethernet, "10.3.0.1");
        let unknown = interface("x", NetworkKind::Unknown, "10.4.0.1");
        let kind = |interfaces: &[Interface]| of(interfaces).kind;
        assert_eq!(kind(&[unknown.clone(), cellular.clone()]), NetworkKind::Cellular);
        assert_eq!(kind(&[cellular.clone(), wifi.clone()]), NetworkKind::Wifi);
        assert_eq!(kind(&[unknown, cellular, wifi, cable]), NetworkKind::Ethernet);
    }
}
