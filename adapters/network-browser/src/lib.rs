#![doc = include_str!("../README.md")]

#[cfg(target_family = "wasm")]
mod browser;
mod monitor;
mod signals;

pub use monitor::BrowserMonitor;
pub use signals::Signals;

/// The name under which this monitor is registered and configured.
pub const NAME: &str = "browser";
