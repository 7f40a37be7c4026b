//! [`MemoryStore`]: the reference [`LocalStore`].
//!
//! Writers work on a copy that shares all it does not change, and a commit swaps it in; readers keep the state they began
//! with. Every [`MemoryStore`] value stands for one *process* on the same database: a clone is another process,
//! [`reopen`](MemoryStore::reopen) kills this one and starts the next.
//!
//! ```
//! use onsync_core::memory::local::MemoryStore;
//! use onsync_core::query::{Comparison, Query};
//! use onsync_core::schema::{Attribute, EntitySchema, Schema};
//! use onsync_core::store::local::{Access, LocalStore};
//! use onsync_core::{Value, ValueType};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> onsync_core::Result<()> {
//! let attributes = vec![
//!     Attribute::new("id", ValueType::Uuid),
//!     Attribute::new("name", ValueType::Text),
//! ];
//! let company = EntitySchema::new("Company", "read-write-last-write-wins", &["id"], attributes);
//! let store = MemoryStore::new(7);
//! store.open(&Schema { entities: vec![company.clone()], relations: vec![] }).await?;
//!
//! // The app writes: the record gets a key, and an overlay with no base, because the server does not have it.
//! let mut app = store.begin(Access::App).await?;
//! let key = app.insert(&company, &vec![Value::Null, "Acme".into()]).await?;
//! app.commit().await?;
//!
//! // After a restart it is all there.
//! let store = store.reopen();
//! let mut reader = store.begin(Access::Read).await?;
//! let query = Query::entity("Company").filter("name", Comparison::Equal, "Acme");
//! assert_eq!(reader.query(&company, &query).await?.len(), 1);
//! let overlays = reader.overlays(&company, &[key]).await?;
//! assert!(overlays[0].as_ref().is_some_and(|overlay| overlay.is_waiting() && overlay.base.is_none()));
//! # Ok(())
//! # }
//! ```

mod query;
mod state;
#[cfg(test)]
mod tests;
mod transaction;

use super::faults::{FaultHook, Faults};
use super::guard;
use super::random::Random;
use super::turn::{Turn, Turns};
use crate::error::{Error, Result};
use crate::ordered::BTreeMap;
use crate::schema::Schema;
use crate::store::local::{Access, LocalStore, LocalTransaction, Opened, SyncLock};
use onsync_macros::portable_async;
use state::State;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use transaction::MemoryTransaction;

/// A device store in memory, strict about the contract. See the [module](self).
///
/// Each value is one process on the database: `clone()` makes another process, which sees what this one commits, counts
/// it as foreign and competes for the sync lock. To share one process between owners, put it into an `Arc`.
pub struct MemoryStore {
    shared: Arc<Shared>,
    process: Arc<Process>,
    faults: Faults,
}

/// The whole database at one moment; see [`MemoryStore::image`].
#[derive(Clone)]
pub struct Image {
    state: Arc<State>,
    next_integers: BTreeMap<String, i64>,
}

/// One process on the database.
struct Process {
    id: u64,
    dead: AtomicBool,
    commits: AtomicU64,
}

impl Process {
    fn check(&self) -> Result<()> {
        if self.dead.load(Ordering::Acquire) {
            return Err(ended());
        }
        Ok(())
    }
}

fn ended() -> Error {
    Error::fatal(
        "store_unavailable",
        "this handle's process was ended; go on with the handle that `reopen()` returned",
    )
}

/// The database.
struct Shared {
    turns: Turns,
    disk: Mutex<Disk>,
}

/// What outlives processes.
struct Disk {
    state: Arc<State>,
    /// What a loss of power leaves.
    durable: Arc<State>,
    /// Raised when the power is lost: transactions of another age are void.
    age: u64,
    commits: u64,
    processes: u64,
    /// Who syncs.
    lock: Weak<Holder>,
    /// The next local integer key of each entity; survives undone transactions, so that none is used twice.
    next_integers: BTreeMap<String, i64>,
    random: Random,
}

impl Shared {
    fn process(&self) -> Arc<Process> {
        let mut disk = guard(&self.disk);
        disk.processes += 1;
        Arc::new(Process {
            id: disk.processes,
            dead: AtomicBool::new(false),
            commits: AtomicU64::new(0),
        })
    }

    fn kill(&self, process: &Process) {
        {
            // Under the lock, so that no commit of a process comes after its end.
            let _disk = guard(&self.disk);
            process.dead.store(true, Ordering::Release);
        }
        self.turns.evict(process.id);
    }
}

impl Clone for MemoryStore {
    /// Another process on the same database, with the same fault hook.
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
            process: self.shared.process(),
            faults: self.faults.clone(),
        }
    }
}

impl MemoryStore {
    /// An empty database. All random keys follow from the seed.
    pub fn new(seed: u64) -> Self {
        let empty = Arc::new(State::default());
        let shared = Arc::new(Shared {
            turns: Turns::default(),
            disk: Mutex::new(Disk {
                state: empty.clone(),
                durable: empty,
                age: 0,
                commits: 0,
                processes: 0,
                lock: Weak::new(),
                next_integers: BTreeMap::new(),
                random: Random::new(seed),
            }),
        });
        Self {
            process: shared.process(),
            shared,
            faults: Faults::default(),
        }
    }

    /// The same process with a hook that is asked before every write and around every commit. An error with the code
    /// `crashed`, `disk_full` or `store_unavailable` ends the transaction, `killed` the process, any other only the call.
    #[must_use]
    pub fn with_faults(self, hook: FaultHook) -> Self {
        Self {
            faults: Faults::new(hook),
            ..self
        }
    }

    /// The same process without a fault hook.
    #[must_use]
    pub fn without_faults(self) -> Self {
        Self {
            faults: Faults::default(),
            ..self
        }
    }

    /// Kills this process and starts the next one: what was committed is there, open transactions are undone, the sync lock
    /// is free, even where its guard was never dropped. Every later call on this handle fails. The fault hook stays.
    #[must_use]
    pub fn reopen(&self) -> Self {
        self.shared.kill(&self.process);
        self.clone()
    }

    /// Takes the database back to its last durable commit, as a loss of power may: commits under
    /// `Access::Sync { durable: false }` made since are gone. Transactions that are open in any process can no longer commit.
    pub fn lose_power(&self) {
        let mut disk = guard(&self.shared.disk);
        disk.state = disk.durable.clone();
        disk.age += 1;
        disk.commits += 1;
    }

    /// The whole database as it is now.
    pub fn image(&self) -> Image {
        let disk = guard(&self.shared.disk);
        Image {
            state: disk.state.clone(),
            next_integers: disk.next_integers.clone(),
        }
    }

    /// Puts an image in the place of the database, as who restores a device from a copy does. Transactions that are open in any
    /// process can no longer commit.
    pub fn restore(&self, image: &Image) {
        let mut disk = guard(&self.shared.disk);
        disk.state = image.state.clone();
        disk.durable = image.state.clone();
        disk.next_integers = image.next_integers.clone();
        disk.age += 1;
        disk.commits += 1;
    }

    async fn turn(&self) -> Result<Turn> {
        self.process.check()?;
        match self.shared.turns.take(self.process.id).await {
            Some(turn) => Ok(turn),
            None => Err(ended()),
        }
    }
}

/// The sync lock: held while the guard lives and its process does.
struct MemoryLock {
    _holder: Arc<Holder>,
}

/// What the database's place for the lock points to.
struct Holder(Arc<Process>);

impl SyncLock for MemoryLock {}

#[portable_async]
impl LocalStore for MemoryStore {
    async fn open(&self, schema: &Schema) -> Result<Opened> {
        let _turn = self.turn().await?;
        let mut disk = guard(&self.shared.disk);
        let mut state = State::clone(&disk.state);
        let opened = state.open(schema)?;
        disk.state = Arc::new(state);
        disk.durable = disk.state.clone();
        Ok(opened)
    }

    async fn begin(&self, access: Access) -> Result<Box<dyn LocalTransaction>> {
        self.process.check()?;
        let turn = match access {
            Access::Read => None,
            Access::App | Access::Sync { .. } => Some(self.turn().await?),
        };
        Ok(Box::new(MemoryTransaction::new(self, access, turn)?))
    }

    async fn try_lock(&self) -> Result<Option<Box<dyn SyncLock>>> {
        self.process.check()?;
        let mut disk = guard(&self.shared.disk);
        if disk.lock.upgrade().is_some_and(|holder| holder.0.check().is_ok()) {
            return Ok(None);
        }
        let holder = Arc::new(Holder(self.process.clone()));
        disk.lock = Arc::downgrade(&holder);
        Ok(Some(Box::new(MemoryLock { _holder: holder })))
    }

    async fn foreign_commits(&self) -> Result<u64> {
        self.process.check()?;
        // Both counts under one lock: a commit raises both.
        let disk = guard(&self.shared.disk);
        Ok(disk.commits - self.process.commits.load(Ordering::Acquire))
    }
}
