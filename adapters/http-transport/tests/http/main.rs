//! The transport against peers of every kind.
#![expect(
    clippy::unwrap_used,
    reason = "the helpers of a test fail by panicking, as the test does"
)]

mod peer;
mod peers;
mod requests;
mod tls;
