#![doc = include_str!("../README.md")]

#[cfg(target_family = "wasm")]
mod app;
#[cfg(target_family = "wasm")]
mod error;
#[cfg(target_family = "wasm")]
mod forms;
#[cfg(target_family = "wasm")]
mod lists;
#[cfg(target_family = "wasm")]
mod live;
#[cfg(target_family = "wasm")]
mod log;
#[cfg(target_family = "wasm")]
mod own;
#[cfg(target_family = "wasm")]
mod plugins;
#[cfg(target_family = "wasm")]
mod query;
#[cfg(target_family = "wasm")]
mod storage;
#[cfg(target_family = "wasm")]
mod sync;
#[cfg(target_family = "wasm")]
mod transaction;
#[cfg(target_family = "wasm")]
mod types;
#[cfg(target_family = "wasm")]
mod users;
#[cfg(target_family = "wasm")]
mod values;
#[cfg(target_family = "wasm")]
mod work;

#[cfg(target_family = "wasm")]
pub use app::OnSync;
#[cfg(target_family = "wasm")]
pub use live::LiveQuery;
#[cfg(target_family = "wasm")]
pub use own::register;
#[cfg(target_family = "wasm")]
pub use sync::{SyncHandle, SyncRun};
#[cfg(target_family = "wasm")]
pub use transaction::Transaction;
