//! Ordered maps and sets: the standard library's, and in browsers ones of less code.
//!
//! Each type of key and value brings its own copy of a B-tree, 6 kB of a module that every visitor loads, and the engine has sixty of
//! them. In browsers they are sorted vectors of boxes instead, which behave the same; a decision record of the book says more.

#[cfg(not(target_family = "wasm"))]
pub use std::collections::{BTreeMap, BTreeSet};

#[cfg(any(target_family = "wasm", test))]
mod map;
#[cfg(any(target_family = "wasm", test))]
mod set;
#[cfg(target_family = "wasm")]
pub use map::BTreeMap;
#[cfg(target_family = "wasm")]
pub use set::BTreeSet;

#[cfg(test)]
mod tests;
