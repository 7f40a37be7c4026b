#![doc = include_str!("../README.md")]

mod open;
#[cfg(target_family = "wasm")]
mod resumes;
#[cfg(target_family = "wasm")]
mod runtime;

pub use open::runtime;
#[cfg(target_family = "wasm")]
pub use resumes::Resumes;
#[cfg(target_family = "wasm")]
pub use runtime::BrowserRuntime;
