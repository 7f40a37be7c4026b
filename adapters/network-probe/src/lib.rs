#![doc = include_str!("../README.md")]

mod monitor;
mod options;
mod schedule;
mod verdict;

pub use monitor::ProbeMonitor;
pub use options::ProbeMonitorOptions;

/// The name under which this monitor is registered and configured.
pub const NAME: &str = "probe";
