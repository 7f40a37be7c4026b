//! What differs between native platforms and the browser, behind the same names: `Client`, `Response`, `Address`, time-outs and
//! compression.

#[cfg(target_family = "wasm")]
mod browser;
#[cfg(not(target_family = "wasm"))]
mod native;

#[cfg(target_family = "wasm")]
pub(crate) use browser::*;
#[cfg(not(target_family = "wasm"))]
pub(crate) use native::*;

use bytes::Bytes;
use std::error::Error as StdError;
use std::fmt::{self, Display};

/// Headers by their lower-case names, in order.
pub(crate) type Headers = Vec<(&'static str, String)>;

/// One request, ready to be sent and, after a redirect, sent again: a POST with a body, else a GET.
pub(crate) struct Sending {
    pub(crate) url: Address,
    pub(crate) headers: Headers,
    pub(crate) body: Option<Bytes>,
}

/// Why there is no response, or no more of its body.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) reason: Reason,
    pub(crate) chain: Chain,
}

/// What a failure means for the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// No connection in time.
    TimedOut,
    /// A certificate or handshake is not acceptable.
    Untrusted,
    /// No connection.
    Unreachable,
    /// A connection that broke.
    Lost,
}

macro_rules! failures {
    ($($name:ident $reason:ident)*) => {$(
        #[cfg_attr(
            target_family = "wasm",
            allow(dead_code, reason = "the browser tells no reasons: of these it needs two")
        )]
        pub(crate) fn $name(cause: &dyn StdError) -> Self {
            Self {
                reason: Reason::$reason,
                chain: Chain::of(cause),
            }
        }
    )*};
}

impl Failure {
    failures! { timed_out TimedOut untrusted Untrusted unreachable Unreachable lost Lost }
}

/// An error with all its causes in one line, as HTTP clients hide the telling one deep below.
#[derive(Debug)]
pub(crate) struct Chain(String);

impl Chain {
    pub(crate) fn of(error: &dyn StdError) -> Self {
        let mut parts = vec![error.to_string()];
        let mut next = error.source();
        while let Some(cause) = next {
            let text = cause.to_string();
            if parts.last().is_none_or(|last| !last.contains(&text)) {
                parts.push(text);
            }
            next = cause.source();
        }
        Self(parts.join(": "))
    }
}

impl Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Chain {}
