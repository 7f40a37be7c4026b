//! The way out: where requests go, and their frames as one bounded body.

use crate::options::HttpTransportOptions;
use crate::platform;
use bytes::Bytes;
use onsync_core::error::{Error, Result};
use onsync_core::wire::{self, Format, RequestFrame};
use reqwest::header::HeaderMap;
use std::time::Duration;
use url::{Host, Url};

/// A smaller body is not worth compressing.
pub(crate) const COMPRESS_FROM: usize = 1024;

/// The slowest line whose uploads are not taken for a silent server, in bytes per second.
const SLOWEST_LINE: u64 = 8 << 10;

/// The configured server.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    base: Url,
}

impl Target {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let wrong = |found: &str| {
            Error::unsupported(
                "invalid_url",
                format!(
                    "wanted the address of an OnSync server such as https://sync.example.org, found {found}; \
                     correct `transport.url`"
                ),
            )
        };
        let mut base = Url::parse(text).map_err(|cause| wrong(&format!("`{text}` ({cause})")))?;
        if !matches!(base.scheme(), "http" | "https") || base.host().is_none() {
            return Err(wrong(&format!("`{text}`, which is neither http nor https")));
        }
        // What is in front of the @ is a secret: it is not repeated.
        if !base.username().is_empty() || base.password().is_some() {
            return Err(wrong(
                "a name or password in it, which belong into the credentials",
            ));
        }
        if base.query().is_some() || base.fragment().is_some() {
            return Err(wrong(&format!("`{text}` with a query or fragment")));
        }
        let path = format!("{}/", base.path().trim_end_matches('/'));
        base.set_path(&path);
        Ok(Self { base })
    }

    pub(crate) fn endpoint(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path()));
        url
    }

    pub(crate) fn is_origin_of(&self, url: &Url) -> bool {
        self.base.origin() == url.origin()
    }

    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn is_secure(&self) -> bool {
        self.base.scheme() == "https"
    }

    /// Whether the server is on this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        match self.base.host() {
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        }
    }

    /// Host and port, for messages.
    pub(crate) fn host(&self) -> String {
        let host = self.base.host_str().unwrap_or_default();
        match self.base.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }
}

/// The frames as one body, refused once it is larger than the limit.
pub(crate) fn encode(frames: &[RequestFrame], format: Format, limit: usize) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    for frame in frames {
        wire::encode(format, frame, &mut body)?;
        if body.len() > limit {
            return Err(Error::rejected(
                "request_too_large",
                format!(
                    "wanted a request of at most {limit} bytes, found more than {}; send it in parts or raise \
                     `transport.max_request_bytes`, and the server's limit with it",
                    body.len()
                ),
            ));
        }
    }
    Ok(body)
}

/// The body as it travels, with its headers.
pub(crate) fn compress(
    body: Vec<u8>,
    options: &HttpTransportOptions,
    target: &Target,
    headers: &mut HeaderMap,
) -> Result<Bytes> {
    use crate::options::Compression::{Auto, Off, On};
    let wanted = match options.compression {
        On => true,
        Auto => !target.is_loopback(),
        Off => false,
    };
    if wanted && body.len() > COMPRESS_FROM {
        return platform::compress(body, headers);
    }
    Ok(Bytes::from(body))
}

/// The time a body of that size may take on a slow line before anything can come back.
pub(crate) fn upload_allowance(bytes: usize) -> Duration {
    Duration::from_secs(u64::try_from(bytes).unwrap_or(u64::MAX) / SLOWEST_LINE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked() {
        for wrong in [
            "",
            "sync.example.org",
            "ftp://x",
            "https://",
            "http://a?b",
            "http://a#b",
            "file:///a",
        ] {
            assert_eq!(Target::parse(wrong).unwrap_err().code(), "invalid_url", "{wrong}");
        }
        let secret = Target::parse("https://me:hunter2@example.org").unwrap_err();
        assert!(!secret.to_string().contains("hunter2"));
    }

    #[test]
    fn endpoints_keep_the_path() {
        for (base, wanted) in [
            ("https://a.example", "https://a.example/v1/sync"),
            ("https://a.example/", "https://a.example/v1/sync"),
            ("https://a.example/apps/x", "https://a.example/apps/x/v1/sync"),
            ("http://[::1]:8080/apps//", "http://[::1]:8080/apps/v1/sync"),
        ] {
            assert_eq!(Target::parse(base).unwrap().endpoint("v1/sync").as_str(), wanted);
        }
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let target = Target::parse("https://a.example/x").unwrap();
        for (url, same) in [
            ("https://a.example:443/y", true),
            ("http://a.example/x", false),
            ("https://b.example/x", false),
            ("https://a.example:8443/x", false),
            ("https://a.example.evil/x", false),
        ] {
            assert_eq!(target.is_origin_of(&Url::parse(url).unwrap()), same, "{url}");
        }
        for (url, here) in [
            ("http://localhost:1", true),
            ("http://127.9.9.9", true),
            ("http://[::1]", true),
            ("http://localhost.example", false),
        ] {
            assert_eq!(Target::parse(url).unwrap().is_loopback(), here, "{url}");
        }
    }
}
