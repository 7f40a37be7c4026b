//! Stand-ins for the outside world that do what a test says: time, randomness, a server, a network that loses things.

mod dice;
mod in_process;
mod lossy;
// Its wakers hold tasks, which may not move between threads where there is one thread. A browser's tests use the browser's time.
#[cfg(not(target_family = "wasm"))]
mod runtime;

pub use crate::network::scripted::ScriptedMonitor;
pub use crate::transport::memory::MemoryTransport;
pub use crate::transport::script::{Piece, Received, Reply, ScriptedServer};
pub use dice::Dice;
pub use in_process::InProcess;
pub use lossy::{Fate, Lossy, Rates};
#[cfg(not(target_family = "wasm"))]
pub use runtime::ManualRuntime;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a mutex that is held for moments only; what it guards is whole even if a holder panicked.
pub(crate) fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
