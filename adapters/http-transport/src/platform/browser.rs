//! In the browser: `fetch` and `URL`, which are there, instead of crates that every visitor would load.

mod address;
mod client;

pub(crate) use address::Address;
pub(crate) use client::{Client, Response};

use crate::options::HttpTransportOptions;
use crate::platform::{Failure, Headers};
use bytes::Bytes;
use futures_util::future::{Either, select};
use futures_util::stream::LocalBoxStream;
use std::pin::pin;
use std::time::{Duration, SystemTime};

/// The body of a response as it arrives.
pub(crate) type ByteStream = LocalBoxStream<'static, Result<Bytes, Failure>>;

/// The browser asks for what it can undo.
pub(crate) fn accept_compression(_options: &HttpTransportOptions, _headers: &mut Headers) {}

/// Requests are small and zstd is not: they travel as they are.
pub(crate) fn compress(body: Vec<u8>, _headers: &mut Headers) -> onsync_core::Result<Bytes> {
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
