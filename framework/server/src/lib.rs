#![doc = include_str!("../README.md")]

mod answer;
mod apply;
mod authenticate;
mod authorise;
mod batch;
mod bin;
mod builder;
mod catalog;
mod checkpoint;
mod echo;
mod encoding;
mod entity;
mod family;
mod held;
mod history;
mod limits;
mod maintenance;
mod metrics;
mod order;
mod prepare;
mod random;
mod receipt;
mod repeat;
mod request;
mod server;
mod service;
mod standing;
mod together;

pub use authenticate::{NoAuthentication, StaticTokens};
pub use authorise::EveryoneMayEverything;
pub use bin::{ServerBinEntry, ServerBinFilter};
pub use builder::ServerBuilder;
pub use limits::{Clock, Limits, SystemClock};
pub use metrics::METRICS;
pub use server::Server;
pub use service::SyncService;
