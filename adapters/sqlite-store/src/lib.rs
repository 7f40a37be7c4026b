#![doc = include_str!("../README.md")]

mod area;
mod connections;
mod error;
mod lock;
mod options;
mod overlay;
mod query;
mod recovery;
mod rows;
mod schema;
mod sql;
mod store;
mod tables;
mod text;
mod transaction;
mod triggers;
mod values;
mod verify;

pub use options::SqliteStoreOptions;
pub use store::SqliteStore;

/// The SQLite that OnSync uses. An app that opens the store's file itself must use this copy: two copies of SQLite in one
/// process on one file lose committed data.
pub use rusqlite;
