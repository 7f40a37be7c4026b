//! In the browser: `fetch` with its own connections, TLS, compression and redirects.

use crate::options::HttpTransportOptions;
use crate::request::Target;
use bytes::Bytes;
use futures_util::future::{Either, select};
use futures_util::stream::{LocalBoxStream, StreamExt};
use onsync_core::error::{Error, Result};
use reqwest::Response;
use reqwest::header::HeaderMap;
use std::pin::pin;
use std::time::{Duration, SystemTime};

/// The body of a response as it arrives.
pub(crate) type ByteStream = LocalBoxStream<'static, reqwest::Result<Bytes>>;

pub(crate) fn byte_stream(response: Response) -> ByteStream {
    response.bytes_stream().boxed_local()
}

pub(crate) fn client(_options: &HttpTransportOptions, _target: &Target) -> Result<reqwest::Client> {
    reqwest::Client::builder().build().map_err(|cause| {
        Error::fatal(
            "fetch_unavailable",
            "wanted the browser's fetch, found that it cannot be set up",
        )
        .with_source(cause)
    })
}

/// The browser asks for what it can undo.
pub(crate) fn accept_compression(_options: &HttpTransportOptions, _headers: &mut HeaderMap) {}

/// Requests are small and zstd is not: they travel as they are.
pub(crate) fn compress(body: Vec<u8>, _headers: &mut HeaderMap) -> Result<Bytes> {
    Ok(Bytes::from(body))
}

/// The future's output, or none when it takes longer.
pub(crate) async fn time_out<F: Future>(wait: Duration, future: F) -> Option<F::Output> {
    let sleep = pin!(gloo_timers::future::sleep(wait));
    match select(pin!(future), sleep).await {
        Either::Left((output, _)) => Some(output),
        Either::Right(_) => None,
    }
}

/// The standard library has no clock here; the server's `Date` is used alone.
pub(crate) fn now() -> Option<SystemTime> {
    None
}

pub(crate) fn is_tls_failure(_error: &reqwest::Error) -> bool {
    false
}

/// `fetch` tells no reasons: every failure is taken for a missing connection.
pub(crate) fn is_connection_failure(_error: &reqwest::Error) -> bool {
    true
}
