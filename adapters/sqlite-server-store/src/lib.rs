#![doc = include_str!("../README.md")]

mod areas;
mod catalog;
mod connections;
mod error;
pub mod introspect;
mod key_function;
mod options;
mod pages;
mod plan;
mod snapshot;
mod sql;
mod store;
mod survey;
mod texts;
mod tracking;
mod transaction;
mod triggers;
mod types;

pub use options::SqliteServerStoreOptions;
pub use store::SqliteServerStore;
