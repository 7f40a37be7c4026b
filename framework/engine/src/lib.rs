#![doc = include_str!("../README.md")]

mod app;
mod builder;
pub mod config;
mod events;
mod lifecycle;
mod messages;
mod metrics;
mod network;
mod observed;
#[cfg(feature = "native")]
mod runtime;
mod session;
mod status;
pub mod sync;
mod time;

pub use app::{App, LiveList, LiveQuery, LiveStream, StatusWatch, Transaction, TypedRecords};
#[cfg(feature = "native")]
pub use app::{Blocking, BlockingRecords, BlockingTransaction};
pub use builder::{Factory, OnSyncBuilder, Registries};
pub use config::Config;
pub use events::Subscription;
pub use lifecycle::{Held, Outcome, SyncHandle};
pub use messages::StatusMessage;
pub use metrics::METRICS;
pub use network::{CombinedMonitor, NetworkMonitorParts, NetworkMonitors};
#[cfg(feature = "native")]
pub use runtime::BackgroundRuntime;
pub use session::{LogoutPolicy, Unsent};
pub use status::{LastError, RunProgress, RunningStatus, Status};
