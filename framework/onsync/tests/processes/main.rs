//! The promises on real SQLite files, in real processes, over real HTTP. The numbers are those of `docs/reliability.md`.
//!
//! Servers and devices are this program started again: [`children::child`] plays them.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod children;
mod contested;
mod damaged;
mod families;
mod frozen;
mod full;
mod killed;
mod memory;
mod peers;
mod place;
mod proxy;
mod together;
mod triggers;
mod weather;
mod writers;
