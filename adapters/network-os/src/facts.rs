//! What the operating system says about an interface beyond its addresses: on Linux in `/sys/class/net`, elsewhere its name.

use onsync_core::network::NetworkKind;
use std::path::Path;

/// Where Linux describes interfaces, a folder each.
pub(crate) const SYSTEM_FOLDER: &str = "/sys/class/net";

/// The `type` of interfaces that look like Ethernet, also by a wireless LAN.
const ETHERNET: &str = "1";
/// The `type` of a dialled line.
const PPP: &str = "512";

/// What an interface is, and whether it carries.
pub(crate) fn of(name: &str, system_folder: &Path) -> (NetworkKind, bool) {
    let folder = system_folder.join(name);
    // A name that leads elsewhere is nobody's.
    if name.contains(['/', '\\']) || !folder.is_dir() {
        return (by_name(name), true);
    }
    let read = |file: &str| {
        let text = std::fs::read_to_string(folder.join(file)).unwrap_or_default();
        text.trim().to_owned()
    };
    let event = read("uevent");
    let device = event.lines().find_map(|line| line.strip_prefix("DEVTYPE="));
    let wireless = folder.join("wireless").exists() || folder.join("phy80211").exists();
    let kind = match (device, read("type").as_str()) {
        _ if wireless => NetworkKind::Wifi,
        (Some("wlan"), _) => NetworkKind::Wifi,
        (Some("wwan"), _) => NetworkKind::Cellular,
        (_, PPP) => NetworkKind::Cellular,
        (_, ETHERNET) => match by_name(name) {
            NetworkKind::Unknown => NetworkKind::Ethernet,
            telling => telling,
        },
        _ => by_name(name),
    };
    let state = read("operstate");
    let up = !["down", "lowerlayerdown", "notpresent", "dormant"].contains(&state.as_str());
    (kind, up)
}

/// What names tell on Android and iOS, and of modems on Linux.
fn by_name(name: &str) -> NetworkKind {
    let begins = |beginnings: &[&str]| beginnings.iter().any(|beginning| name.starts_with(beginning));
    if begins(&["wlan", "wlp", "wlx"]) {
        NetworkKind::Wifi
    } else if begins(&["wwan", "wwp", "rmnet", "ccmni", "pdp_ip"]) {
        NetworkKind::Cellular
    } else {
        NetworkKind::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder like the system's, with one interface and these files.
    fn system(name: &str, files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let interface = folder.path().join(name);
        std::fs::create_dir(&interface).unwrap();
        for (file, text) in files {
            match text {
                &"/" => std::fs::create_dir(interface.join(file)).unwrap(),
                text => std::fs::write(interface.join(file), format!("{text}\n")).unwrap(),
            }
        }
        folder
    }

    #[test]
    fn the_system_tells_what_an_interface_is() {
        let up = ("operstate", "up");
        let ethernet = ("type", "1");
        for (name, files, wanted) in [
            ("eth0", &[ethernet, up][..], NetworkKind::Ethernet),
            (
                "enp3s0",
                &[ethernet, up, ("uevent", "INTERFACE=enp3s0")],
                NetworkKind::Ethernet,
            ),
            ("wl0", &[ethernet, up, ("wireless", "/")], NetworkKind::Wifi),
            ("radio", &[ethernet, up, ("phy80211", "/")], NetworkKind::Wifi),
            (
                "radio",
                &[ethernet, up, ("uevent", "DEVTYPE=wlan")],
                NetworkKind::Wifi,
            ),
            (
                "modem",
                &[ethernet, up, ("uevent", "A=b\nDEVTYPE=wwan")],
                NetworkKind::Cellular,
            ),
            ("wwan0", &[ethernet, up], NetworkKind::Cellular),
            ("rmnet_data0", &[("type", "519"), up], NetworkKind::Cellular),
            ("ppp0", &[("type", "512"), up], NetworkKind::Cellular),
            ("can0", &[("type", "280"), up], NetworkKind::Unknown),
        ] {
            let folder = system(name, files);
            assert_eq!(of(name, folder.path()), (wanted, true), "{name} {files:?}");
        }
    }

    #[test]
    fn an_interface_without_a_carrier_is_down() {
        for (state, up) in [
            ("up", true),
            ("unknown", true),
            ("down", false),
            ("lowerlayerdown", false),
            ("dormant", false),
        ] {
            let folder = system("eth0", &[("type", "1"), ("operstate", state)]);
            assert_eq!(of("eth0", folder.path()).1, up, "{state}");
        }
    }

    #[test]
    fn where_the_system_says_nothing_the_name_does_or_nothing() {
        let nowhere = Path::new("/no/such/folder");
        for (name, wanted) in [
            ("wlan0", NetworkKind::Wifi),
            ("pdp_ip0", NetworkKind::Cellular),
            ("en0", NetworkKind::Unknown),
            ("Ethernet 2", NetworkKind::Unknown),
            ("../../etc", NetworkKind::Unknown),
        ] {
            assert_eq!(of(name, nowhere), (wanted, true), "{name}");
        }
    }
}
