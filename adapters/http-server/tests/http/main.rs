//! The HTTP face over a scripted service: by single requests to the router, and over a real socket with the real transport.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of a test fail by panicking, as the test does"
)]

mod answers;
mod fake;
mod refusals;
