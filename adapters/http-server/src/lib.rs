#![doc = include_str!("../README.md")]

mod body;
mod compress;
mod error;
mod metrics;
mod negotiate;
mod options;
mod pipeline;
mod router;
mod serve;
mod trace;

pub use crate::metrics::{METRICS, Metrics};
pub use crate::options::{Compression, HttpServerOptions};
pub use crate::router::router;
pub use crate::serve::serve;

/// The name under which this adapter is configured.
pub const NAME: &str = "http";
