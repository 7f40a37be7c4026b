#![doc = include_str!("../README.md")]

#[cfg(target_family = "wasm")]
#[path = "../../custom-pattern/src/append_only.rs"]
mod append_only;

/// All that JavaScript sees of OnSync: `OnSync`, `LiveQuery`, and the rest of the npm package.
#[cfg(target_family = "wasm")]
pub use onsync_js::*;

/// Runs when the page calls `init()`.
#[cfg(target_family = "wasm")]
#[wasm_bindgen::prelude::wasm_bindgen(start)]
pub fn start() {
    onsync_js::register(|registries| registries.pattern(append_only::AppendOnly));
}
