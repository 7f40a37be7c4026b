//! The way out: where requests go, and their frames as one bounded body.

use crate::options::HttpTransportOptions;
use crate::platform::{self, Address, Headers};
use bytes::Bytes;
use onsync_core::error::{Error, Result};
use onsync_core::wire::{self, Format, RequestFrame};
use std::time::Duration;

/// A smaller body is not worth compressing.
pub(crate) const COMPRESS_FROM: usize = 1024;

/// The slowest line whose uploads are not taken for a silent server, in bytes per second.
const SLOWEST_LINE: u64 = 8 << 10;

/// The configured server.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    base: Address,
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
        let base = Address::parse(text).map_err(|cause| wrong(&format!("`{text}` ({cause})")))?;
        if !matches!(base.scheme().as_str(), "http" | "https") || base.host().is_empty() {
            return Err(wrong(&format!("`{text}`, which is neither http nor https")));
        }
        // What is in front of the @ is a secret: it is not repeated.
        if base.has_secret() {
            return Err(wrong(
                "a name or password in it, which belong into the credentials",
            ));
        }
        if base.has_rest() {
            return Err(wrong(&format!("`{text}` with a query or fragment")));
        }
        let path = format!("{}/", base.path().trim_end_matches('/'));
        Ok(Self {
            base: base.with_path(&path),
        })
    }

    pub(crate) fn endpoint(&self, path: &str) -> Address {
        self.base.with_path(&format!("{}{path}", self.base.path()))
    }

    pub(crate) fn is_origin_of(&self, address: &Address) -> bool {
        self.base.has_origin_of(address)
    }

    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn is_secure(&self) -> bool {
        self.base.scheme() == "https"
    }

    /// Whether the server is on this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        self.base.is_loopback()
    }

    /// Host and port, for messages.
    pub(crate) fn host(&self) -> String {
        let host = self.base.host();
        match self.base.port() {
            Some(port) => format!("{host}:{port}"),
            None => host,
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
    headers: &mut Headers,
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
            assert_eq!(
                Target::parse(base).unwrap().endpoint("v1/sync").as_url().as_str(),
                wanted
            );
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
            assert_eq!(target.is_origin_of(&Address::parse(url).unwrap()), same, "{url}");
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
