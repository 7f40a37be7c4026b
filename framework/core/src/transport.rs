//! The transport seam: carries request frames to the server and answer frames back.

use crate::error::Result;
use crate::platform::{MaybeSend, MaybeSync};
use crate::wire::{AnswerFrame, Health, RequestFrame};
use onsync_macros::portable_async;
use std::time::Duration;

/// A bearer token. Never stored, never logged.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials(String);

impl Credentials {
    /// From the token's text.
    pub fn bearer(token: impl Into<String>) -> Self {
        Self(token.into())
    }

    /// The token's text, to put on the wire.
    pub fn token(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials(…)")
    }
}

/// Gives the credentials of the user who is signed in. OnSync issues none.
#[portable_async]
pub trait CredentialsProvider: MaybeSend + MaybeSync {
    /// The current credentials; none to speak without. `refused` is true when the server has just refused the last ones: fetch new
    /// ones then, or fail, which pauses syncing and drops nothing.
    ///
    /// # Errors
    /// Kind unauthorised pauses syncing; offline or transient are tried again.
    async fn credentials(&self, refused: bool) -> Result<Option<Credentials>>;
}

/// One request with everything the transport needs to send it.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The frames, from `hello` to `end`.
    pub frames: Vec<RequestFrame>,
    /// The credentials, if any.
    pub credentials: Option<Credentials>,
    /// How long to wait for the answer to begin, and between two of its pieces; the transport's default if none.
    pub time_out: Option<Duration>,
}

/// Frames of one answer as they arrive.
#[portable_async]
pub trait Answer: MaybeSend {
    /// The next frame; none after `end`.
    ///
    /// # Errors
    /// `answer_truncated` (transient) when the answer ends without `end`; `time_out`, `invalid_frame`, …
    async fn next(&mut self) -> Result<Option<AnswerFrame>>;

    /// How many bytes have arrived so far, as they were on the wire.
    fn bytes(&self) -> u64;
}

/// Carries requests to one server.
///
/// # Contract
/// - The frames arrive once, in order and unchanged, or the exchange fails; it is never repeated by the transport itself.
/// - The answer's frames come in order while the rest is still on its way; memory does not grow with the answer.
/// - An answer that ends early fails; what is no answer of an OnSync server (HTML of a captive portal, an empty body) fails with
///   `not_onsync`, and no frame of it is given.
/// - Errors have the kind that says what to do: offline without a connection, unauthorised for refused credentials,
///   transient with `retry_after` where the server asks for patience.
/// - Credentials go to the configured host only; a redirect to another one is refused (`redirect_refused`).
/// - Dropping the future or the answer ends the exchange.
#[portable_async]
pub trait Transport: MaybeSend + MaybeSync {
    /// Sends a request and returns its answer as soon as it begins.
    ///
    /// # Errors
    /// See the contract.
    async fn exchange(&self, exchange: Exchange) -> Result<Box<dyn Answer>>;

    /// Asks the server whether it is there and what its limits are; needs no credentials.
    ///
    /// # Errors
    /// As [`Transport::exchange`].
    async fn health(&self) -> Result<Health>;
}
