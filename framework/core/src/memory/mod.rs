//! The reference stores, in memory: strict about every sentence of the contracts, and nothing else.
//!
//! [`local::MemoryStore`] is a device's store, [`server::MemoryServerStore`] a server's. They refuse what a real database
//! might let pass, so that code that works on them works on every store that keeps the contract. [`faults`] lets a test
//! fail or kill them at each single write.

pub mod faults;
pub mod local;
mod map;
mod random;
pub mod server;
mod turn;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a mutex that is only ever held for moments. A panic elsewhere leaves what it guards whole: every holder
/// replaces values in one assignment.
fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
