#![doc = include_str!("../README.md")]

#[cfg(target_family = "wasm")]
mod channel;
#[cfg(target_family = "wasm")]
#[cfg(target_family = "wasm")]
mod commit;
#[cfg(target_family = "wasm")]
mod database;
#[cfg(target_family = "wasm")]
mod error;
#[cfg(target_family = "wasm")]
mod kept;
#[cfg(target_family = "wasm")]
mod layout;
#[cfg(target_family = "wasm")]
mod locks;
mod open;
mod options;
#[cfg(target_family = "wasm")]
mod persistence;
#[cfg(target_family = "wasm")]
mod plan;
#[cfg(target_family = "wasm")]
mod query;
#[cfg(target_family = "wasm")]
mod request;
#[cfg(target_family = "wasm")]
mod store;
#[cfg(target_family = "wasm")]
mod transaction;
#[cfg(target_family = "wasm")]
mod undo;
#[cfg(target_family = "wasm")]
mod values;

pub use open::store;
pub use options::IndexedDbStoreOptions;
#[cfg(target_family = "wasm")]
pub use store::IndexedDbStore;
