//! Addresses by the crate url.

use url::{Host, Url};

/// An absolute address.
#[derive(Clone, Debug)]
pub(crate) struct Address(Url);

impl From<Url> for Address {
    fn from(url: Url) -> Self {
        Self(url)
    }
}

impl Address {
    /// Reads an address; the error says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        Url::parse(text).map(Self).map_err(|cause| cause.to_string())
    }

    pub(crate) fn as_url(&self) -> &Url {
        &self.0
    }

    pub(crate) fn scheme(&self) -> String {
        self.0.scheme().to_owned()
    }

    /// The host's name without the port; empty where there is none.
    pub(crate) fn host(&self) -> String {
        self.0.host_str().unwrap_or_default().to_owned()
    }

    /// The port, unless it is the scheme's own.
    pub(crate) fn port(&self) -> Option<String> {
        self.0.port().map(|port| port.to_string())
    }

    /// Whether a name or password stands in it.
    pub(crate) fn has_secret(&self) -> bool {
        !self.0.username().is_empty() || self.0.password().is_some()
    }

    /// Whether a query or fragment stands in it.
    pub(crate) fn has_rest(&self) -> bool {
        self.0.query().is_some() || self.0.fragment().is_some()
    }

    pub(crate) fn path(&self) -> String {
        self.0.path().to_owned()
    }

    pub(crate) fn with_path(&self, path: &str) -> Self {
        let mut url = self.0.clone();
        url.set_path(path);
        Self(url)
    }

    /// What `location` means on the page of this address.
    pub(crate) fn join(&self, location: &str) -> Option<Self> {
        self.0.join(location).ok().map(Self)
    }

    /// Whether scheme, host and port are the same.
    pub(crate) fn has_origin_of(&self, other: &Self) -> bool {
        self.0.origin() == other.0.origin()
    }

    /// Whether it is on this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        match self.0.host() {
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        }
    }
}
