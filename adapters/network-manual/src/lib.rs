#![doc = include_str!("../README.md")]

mod monitor;
mod options;

pub use monitor::ManualMonitor;
pub use options::ManualMonitorOptions;

/// The name under which this monitor is registered and configured.
pub const NAME: &str = "manual";
