//! The face of the server towards whatever carries requests to it: whole requests in, frames of an answer out.

use onsync_core::error::Result;
use onsync_core::platform::{MaybeSend, MaybeSync};
use onsync_core::portable_async;
use onsync_core::transport::Answer;
use onsync_core::wire::{Health, RequestFrame};

/// Answers sync requests, whatever carried them here.
///
/// # Contract
/// - The request is complete: a carrier that saw it cut off (no `end` frame) does not hand it over, or gets
///   `request_truncated`.
/// - The answer's frames are made as they are asked for, so that a slow reader slows the server down instead of
///   filling its memory. Dropping the answer ends it; what was committed before the first frame stays committed.
#[portable_async]
pub trait SyncService: MaybeSend + MaybeSync {
    /// Handles one whole request; the answer's frames come as they are made.
    ///
    /// # Errors
    /// Everything that is wrong before the first frame: kind unauthorised for refused credentials, rejected for a request
    /// that is not as it should be or beyond a limit, unsupported for another protocol or pattern, transient or busy
    /// while the database cannot be reached.
    async fn sync(&self, token: Option<&str>, frames: Vec<RequestFrame>) -> Result<Box<dyn Answer>>;

    /// Limits and identity, without credentials.
    fn health(&self) -> Health;
}
