//! What a browser tells about the network, and what that means: pure.

use onsync_core::network::{NetworkKind, NetworkStatus, OfflineReason};

/// What the browser tells; none where it does not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signals {
    /// `navigator.onLine`
    pub online: Option<bool>,
    /// `navigator.connection.type`
    pub connection_type: Option<String>,
    /// `navigator.connection.saveData`
    pub save_data: Option<bool>,
}

impl Signals {
    /// The status that these signals make.
    pub fn status(&self) -> NetworkStatus {
        let connection = self.connection_type.as_deref();
        if self.online == Some(false) || connection == Some("none") {
            return NetworkStatus::offline(OfflineReason::NoNetwork);
        }
        NetworkStatus {
            // Whoever asks to save data is to be taken at their word; that nobody asks says nothing about the cost.
            metered: self.save_data.filter(|save| *save),
            ..NetworkStatus::online(match connection {
                Some("ethernet") => NetworkKind::Ethernet,
                Some("wifi") => NetworkKind::Wifi,
                Some("cellular") => NetworkKind::Cellular,
                _ => NetworkKind::Unknown,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signals(
        online: Option<bool>,
        connection_type: Option<&str>,
        save_data: Option<bool>,
    ) -> NetworkStatus {
        Signals {
            online,
            connection_type: connection_type.map(str::to_owned),
            save_data,
        }
        .status()
    }

    #[test]
    fn a_browser_that_tells_nothing_takes_the_network_for_granted() {
        assert_eq!(Signals::default().status(), NetworkStatus::assumed());
    }

    #[test]
    fn on_line_and_a_connection_of_none_decide() {
        let none = NetworkStatus::offline(OfflineReason::NoNetwork);
        assert_eq!(signals(Some(false), None, None), none);
        assert_eq!(signals(Some(false), Some("wifi"), Some(true)), none);
        assert_eq!(signals(Some(true), Some("none"), None), none);
        assert!(signals(Some(true), None, None).online);
    }

    #[test]
    fn the_connection_tells_the_kind_where_it_is_a_known_one() {
        for (connection_type, kind) in [
            ("ethernet", NetworkKind::Ethernet),
            ("wifi", NetworkKind::Wifi),
            ("cellular", NetworkKind::Cellular),
            ("bluetooth", NetworkKind::Unknown),
            ("mixed", NetworkKind::Unknown),
            ("", NetworkKind::Unknown),
        ] {
            assert_eq!(signals(Some(true), Some(connection_type), None).kind, kind);
        }
    }

    #[test]
    fn who_asks_to_save_data_is_on_a_metered_network() {
        assert_eq!(signals(Some(true), Some("wifi"), Some(true)).metered, Some(true));
        assert_eq!(signals(Some(true), Some("wifi"), Some(false)).metered, None);
    }
}
