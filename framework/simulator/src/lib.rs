#![doc = include_str!("../README.md")]

pub mod campaign;
mod chance;
mod checks;
mod copies;
pub mod decoders;
mod deletions;
mod device;
mod device_store;
mod edits;
mod ending;
pub mod fault;
mod foreign;
mod ledger;
mod network;
mod pace;
pub mod place;
pub mod plan;
pub mod planted;
mod reach;
mod resolvers;
mod server_store;
mod service;
mod shared;
mod shrink;
pub mod sweep;
mod trace;
mod values;
mod world;

pub use place::{MakePlace, MemoryPlace, Place};
pub use plan::{Least, Patterns, Plan, PlugIns, Step};
pub use reach::Reach;
pub use shared::CrashPoint;
pub use shrink::shrink;
pub use world::{Failure, Run, run};
