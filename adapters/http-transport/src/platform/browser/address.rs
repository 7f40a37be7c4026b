//! Addresses by the browser's own `URL`, which knows what the crate url knows and is there already.

use web_sys::Url;

/// An absolute address.
#[derive(Clone, Debug)]
pub(crate) struct Address(Url);

impl Address {
    /// Reads an address; the error says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        Url::new(text)
            .map(Self)
            .map_err(|_| "the browser reads it as no address".to_owned())
    }

    pub(crate) fn text(&self) -> String {
        self.0.href()
    }

    pub(crate) fn scheme(&self) -> String {
        self.0.protocol().trim_end_matches(':').to_owned()
    }

    /// The host's name without the port; empty where there is none.
    pub(crate) fn host(&self) -> String {
        self.0.hostname()
    }

    /// The port, unless it is the scheme's own.
    pub(crate) fn port(&self) -> Option<String> {
        Some(self.0.port()).filter(|port| !port.is_empty())
    }

    /// Whether a name or password stands in it.
    pub(crate) fn has_secret(&self) -> bool {
        !self.0.username().is_empty() || !self.0.password().is_empty()
    }

    /// Whether a query or fragment stands in it.
    pub(crate) fn has_rest(&self) -> bool {
        self.0.href().contains(['?', '#'])
    }

    pub(crate) fn path(&self) -> String {
        self.0.pathname()
    }

    pub(crate) fn with_path(&self, path: &str) -> Self {
        let url = Url::new(&self.0.href());
        let changed = url.unwrap_or_else(|_| self.0.clone());
        changed.set_pathname(path);
        Self(changed)
    }

    /// What `location` means on the page of this address.
    pub(crate) fn join(&self, location: &str) -> Option<Self> {
        Url::new_with_base(location, &self.0.href()).ok().map(Self)
    }

    /// Whether scheme, host and port are the same.
    pub(crate) fn has_origin_of(&self, other: &Self) -> bool {
        self.0.origin() == other.0.origin()
    }

    /// Whether it is on this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        let host = self.0.hostname();
        // The browser has written every form of 127.0.0.0/8 as four numbers, and every form of ::1 as this one.
        let four = host.split('.').count() == 4 && host.split('.').all(|part| part.parse::<u8>().is_ok());
        host == "localhost"
            || host.ends_with(".localhost")
            || host == "[::1]"
            || four && host.starts_with("127.")
    }
}
