//! [`MemoryServerStore`]: the reference [`ServerStore`].
//!
//! Tables by their *source* name, holding the columns of all entities mapped onto them. One transaction writes at a time
//! on a copy that shares all it does not change; positions are counted under that turn, one for each touched key. Other
//! programs are played by [`foreign_write`](MemoryServerStore::foreign_write).
//!
//! It is as strict as the strictest database: after a refused statement only `undo` is possible, a soft-deleted row keeps
//! its place until its key is made again, a delta below the horizon is refused, and an inserted record whose key the database issues must come
//! without one.
//!
//! ```
//! use onsync_core::memory::server::MemoryServerStore;
//! use onsync_core::page::KeyRange;
//! use onsync_core::schema::{Attribute, EntitySchema, Schema};
//! use onsync_core::store::server::{Extent, PageLimit, ServerStore};
//! use onsync_core::{Fields, Key, ValueType};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> onsync_core::Result<()> {
//! let attributes = vec![
//!     Attribute::new("id", ValueType::Integer),
//!     Attribute::new("name", ValueType::Text),
//! ];
//! let company = EntitySchema::new("Company", "read-only-optimized", &["id"], attributes);
//! let store = MemoryServerStore::new(7);
//! store.attach(&Schema { entities: vec![company.clone()], relations: vec![] }).await?;
//!
//! // Another program writes; the database issues the key.
//! let acme = Fields::new().with("name", "Acme");
//! let key = store.foreign_write(|tables| tables.insert("Company", &acme)).await?;
//! assert_eq!(key, Key::one(1i64));
//!
//! // A device that knows everything up to position 0 gets it.
//! let mut view = store.read().await?;
//! let extent = Extent { entity: &company, attributes: &[0, 1], scope: "" };
//! let limit = PageLimit { rows: 100, bytes: 1 << 20 };
//! let delta = view.delta(&extent, 0, limit).await?;
//! assert_eq!((delta.rows.len(), delta.up_to, delta.more), (1, 1, false));
//! assert_eq!(view.snapshot(&extent, &KeyRange::all(), limit).await?.rows.len(), 1);
//! # Ok(())
//! # }
//! ```

mod access;
mod attach;
mod foreign;
mod snapshot;
mod state;
mod table;
#[cfg(test)]
mod tests;
mod transaction;

pub use foreign::Tables;
pub use state::ForeignKey;

use super::faults::{FaultHook, Faults};
use super::guard;
use super::random::Random;
use super::turn::{Turn, Turns};
use crate::error::{Error, Result};
use crate::record::{Fields, Key};
use crate::schema::Schema;
use crate::store::server::{Attached, ServerSnapshot, ServerStore, ServerTransaction};
use onsync_macros::portable_async;
use snapshot::MemorySnapshot;
use state::State;
use std::sync::{Arc, Mutex};
use transaction::MemoryServerTransaction;

/// A server database in memory, strict about the contract. See the [module](self).
///
/// A clone is another server process on the same database.
#[derive(Clone)]
pub struct MemoryServerStore {
    shared: Arc<Shared>,
    faults: Faults,
    create: bool,
}

struct Shared {
    turns: Turns,
    disk: Mutex<Disk>,
}

struct Disk {
    state: Arc<State>,
    /// Raised by a restore: transactions of another age are void.
    age: u64,
    random: Random,
}

impl Shared {
    fn commit(&self, state: State, age: u64) -> Result<()> {
        let mut disk = guard(&self.disk);
        if disk.age != age {
            return Err(Error::transient(
                "store_unavailable",
                "the database was restored since this transaction began; begin another one",
            ));
        }
        disk.state = Arc::new(state);
        Ok(())
    }
}

/// The whole database at one moment; see [`MemoryServerStore::backup`].
#[derive(Clone)]
pub struct Backup(Arc<State>);

impl MemoryServerStore {
    /// An empty database. All random keys follow from the seed. `attach` makes the tables and columns it misses.
    pub fn new(seed: u64) -> Self {
        let disk = Disk {
            state: Arc::default(),
            age: 0,
            random: Random::new(seed),
        };
        Self {
            shared: Arc::new(Shared {
                turns: Turns::default(),
                disk: Mutex::new(disk),
            }),
            faults: Faults::default(),
            create: true,
        }
    }

    /// The same database, but `attach` makes nothing: tables and columns must have been made by
    /// [`Tables::create`], as those of an existing database were.
    #[must_use]
    pub fn existing_tables_only(self) -> Self {
        Self {
            create: false,
            ..self
        }
    }

    /// The same database with a hook that is asked before every write and around every commit. An error with the code
    /// `crashed`, `killed`, `disk_full` or `store_unavailable` ends the transaction; `constraint_violated` needs an
    /// `undo`; any other fails only the call.
    #[must_use]
    pub fn with_faults(self, hook: FaultHook) -> Self {
        Self {
            faults: Faults::new(hook),
            ..self
        }
    }

    /// The same database without a fault hook.
    #[must_use]
    pub fn without_faults(self) -> Self {
        Self {
            faults: Faults::default(),
            ..self
        }
    }

    /// What another program does, in one transaction: all of it or, where the closure fails, nothing. It is not seen by the
    /// fault hook.
    ///
    /// # Errors
    /// What the closure answers; `constraint_violated` for constraints checked at the commit.
    pub async fn foreign_write<T>(&self, write: impl FnOnce(&mut Tables<'_>) -> Result<T>) -> Result<T> {
        let _turn = self.turn().await?;
        let (mut state, age, seed) = {
            let mut disk = guard(&self.shared.disk);
            (
                State::clone(&disk.state),
                disk.age,
                disk.random.uuid().as_u64_pair().1,
            )
        };
        let result = write(&mut Tables {
            state: &mut state,
            random: &mut Random::new(seed),
        })?;
        state.check_deferred()?;
        self.shared.commit(state, age)?;
        Ok(result)
    }

    /// All rows of a table in key order, as committed.
    ///
    /// # Errors
    /// `table_missing`.
    pub fn contents(&self, table: &str) -> Result<Vec<(Key, Fields)>> {
        let state = guard(&self.shared.disk).state.clone();
        let table = state.table(table)?;
        let rows = table.rows.iter().map(|(_, row)| row);
        Ok(rows.map(|row| (table.key_of(row), table.fields(row))).collect())
    }

    /// Declares that no two rows have the same values in these columns.
    ///
    /// # Errors
    /// `table_missing`, `column_missing`, `constraint_violated` where rows break it already.
    pub async fn add_unique(&self, table: &str, columns: &[&str]) -> Result<()> {
        self.change(|state| {
            let table = state.table_mut(table)?;
            let places: Result<Vec<usize>> = columns.iter().map(|column| table.require(column)).collect();
            table.add_unique(places?)
        })
        .await
    }

    /// Declares a foreign key.
    ///
    /// # Errors
    /// `table_missing`, `column_missing`, `key_missing` where the parent's key is not one column, `constraint_violated`
    /// where rows break it already.
    pub async fn add_foreign_key(&self, foreign_key: ForeignKey) -> Result<()> {
        self.change(|state| {
            state.table(&foreign_key.child)?.require(&foreign_key.column)?;
            if state.table(&foreign_key.parent)?.key.len() != 1 {
                return Err(Error::unsupported(
                    "key_missing",
                    format!(
                        "a foreign key needs a parent with one key column; `{}` has more",
                        foreign_key.parent
                    ),
                ));
            }
            state.check_all(&foreign_key)?;
            state.foreign_keys.push(foreign_key);
            Ok(())
        })
        .await
    }

    /// Declares that the values of a column are the table's scope values. Every row is in the empty scope too.
    ///
    /// # Errors
    /// `table_missing`, `column_missing`.
    pub async fn set_scope(&self, table: &str, column: &str) -> Result<()> {
        self.change(|state| {
            let table = state.table_mut(table)?;
            table.scope = Some(table.require(column)?);
            Ok(())
        })
        .await
    }

    /// Forgets all changes up to a position, deletions among them: every table's horizon is there then.
    ///
    /// # Errors
    /// `store_unavailable`.
    pub async fn prune_to(&self, position: u64) -> Result<()> {
        self.prune(position).await.map(drop)
    }

    /// Takes a table's tracking away, as an operator may who drops triggers: writes are unseen until the next `attach`, which
    /// resets its entities.
    ///
    /// # Errors
    /// `table_missing`.
    pub async fn drop_tracking(&self, table: &str) -> Result<()> {
        self.change(|state| {
            state.table_mut(table)?.tracking.installed = false;
            Ok(())
        })
        .await
    }

    /// The whole database as it is now, OnSync's own data included.
    pub fn backup(&self) -> Backup {
        Backup(guard(&self.shared.disk).state.clone())
    }

    /// Puts a backup in the place of the database. Open transactions can no longer commit. The sequences that issue keys stay where they
    /// are, as somebody who restores a database sees to: a key issued again would name two records.
    pub fn restore(&self, backup: &Backup) {
        let mut disk = guard(&self.shared.disk);
        let mut state = State::clone(&backup.0);
        state.keep_sequences(&disk.state);
        disk.state = state.into();
        disk.age += 1;
    }

    async fn change<T>(&self, change: impl FnOnce(&mut State) -> Result<T>) -> Result<T> {
        let _turn = self.turn().await?;
        let (mut state, age) = {
            let disk = guard(&self.shared.disk);
            (State::clone(&disk.state), disk.age)
        };
        let result = change(&mut state)?;
        self.shared.commit(state, age)?;
        Ok(result)
    }

    async fn turn(&self) -> Result<Turn> {
        self.shared
            .turns
            .take(0)
            .await
            .ok_or_else(|| Error::transient("store_unavailable", "the database was taken away; try again"))
    }
}

#[portable_async]
impl ServerStore for MemoryServerStore {
    async fn attach(&self, schema: &Schema) -> Result<Attached> {
        self.change(|state| state.attach(schema, self.create)).await
    }

    async fn read(&self) -> Result<Box<dyn ServerSnapshot>> {
        let state = guard(&self.shared.disk).state.clone();
        Ok(Box::new(MemorySnapshot { state }))
    }

    async fn write(&self) -> Result<Box<dyn ServerTransaction>> {
        let turn = self.turn().await?;
        Ok(Box::new(MemoryServerTransaction::new(self, turn)))
    }

    async fn prune(&self, up_to: u64) -> Result<u64> {
        self.change(|state| {
            let up_to = up_to.min(state.position);
            let mut forgotten = 0;
            for table in Arc::make_mut(&mut state.tables).values_mut() {
                forgotten += Arc::make_mut(table).tracking.prune(up_to);
            }
            Ok(forgotten)
        })
        .await
    }
}
