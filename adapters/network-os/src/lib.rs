#![doc = include_str!("../README.md")]

mod facts;
mod interface;
mod monitor;
mod options;

pub use interface::Interface;
pub use monitor::OsMonitor;
pub use options::OsMonitorOptions;

/// The name under which this monitor is registered and configured.
pub const NAME: &str = "os";
