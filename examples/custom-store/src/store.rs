//! The store: turns, states, and who commits.

use crate::file::{self, FileLock, beside};
use crate::state::State;
use crate::transaction::{Transaction, random};
use onsync_core::schema::Schema;
use onsync_core::store::local::{Access, LocalStore, LocalTransaction, Opened, SyncLock};
use onsync_core::{Error, Result, portable_async};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::OwnedMutexGuard;

/// A device store that keeps everything in one file. See the crate's page.
pub struct SnapshotStore(Arc<Shared>);

/// What the store shares with its transactions.
pub(crate) struct Shared {
    path: PathBuf,
    /// First come, first served.
    turns: Arc<tokio::sync::Mutex<()>>,
    seen: Mutex<Seen>,
}

/// The last state read or written, and how many commits were this handle's.
#[derive(Default)]
struct Seen {
    state: Arc<State>,
    own: u64,
}

/// The right to write. Fields are dropped in order: other processes first, then who waits here.
pub(crate) struct Turn {
    _everywhere: FileLock,
    _here: OwnedMutexGuard<()>,
}

impl SnapshotStore {
    /// The store in this file, which `open` makes if there is none.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(Arc::new(Shared {
            path: path.into(),
            turns: Arc::default(),
            seen: Mutex::default(),
        }))
    }
}

impl Shared {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn turn(&self) -> Result<Turn> {
        let here = self.turns.clone().lock_owned().await;
        Ok(Turn {
            _everywhere: FileLock::wait(&beside(&self.path, ".turn")).await?,
            _here: here,
        })
    }

    /// The last committed state of any process; none if the file is no database.
    fn read(&self) -> Result<Option<Arc<State>>> {
        let mut seen = self.seen();
        let found = file::read(&self.path, &seen.state)?;
        if let Some(state) = &found {
            seen.state = state.clone();
        }
        Ok(found)
    }

    fn latest(&self) -> Result<Arc<State>> {
        let damaged = "this is no snapshot; open the store again, which sets the file aside";
        self.read()?
            .ok_or_else(|| file::unavailable("reading", &self.path, damaged))
    }

    /// Makes a state the committed one; asked by whoever has the turn.
    pub(crate) fn commit(&self, mut state: Arc<State>, durable: bool) -> Result<()> {
        Arc::make_mut(&mut state).commits += 1;
        file::prepare(&self.path, &state)?;
        {
            // Both or none, for `foreign_commits`.
            let mut seen = self.seen();
            file::publish(&self.path)?;
            seen.own += 1;
            seen.state = state;
        }
        if durable { file::settle(&self.path) } else { Ok(()) }
    }
}

#[portable_async]
impl LocalStore for SnapshotStore {
    async fn open(&self, schema: &Schema) -> Result<Opened> {
        let _turn = self.0.turn().await?;
        let (state, set_aside): (Arc<State>, _) = match self.0.read()? {
            Some(state) => (state, None),
            None => (Arc::default(), Some(file::set_aside(&self.0.path)?)),
        };
        let mut coming = State::clone(&state);
        let opened = coming.adopt(schema)?;
        if opened.created {
            // A file made in the place of another never has that one's numbers, by which other processes know it.
            coming.commits = random()?.as_u64_pair().0 >> 1;
        }
        if coming != *state {
            self.0.commit(Arc::new(coming), true)?;
        }
        Ok(Opened { set_aside, ..opened })
    }

    async fn begin(&self, access: Access) -> Result<Box<dyn LocalTransaction>> {
        let turn = match access {
            Access::Read => None,
            Access::App | Access::Sync { .. } => Some(self.0.turn().await?),
        };
        // Read after the turn has come: the state another process left.
        let state = self.0.latest()?;
        if state.commits == 0 {
            let what = "this store has never been opened; call `open` with the schema first";
            return Err(Error::fatal("store_not_open", what));
        }
        Ok(Box::new(Transaction::new(self.0.clone(), access, state, turn)))
    }

    async fn try_lock(&self) -> Result<Option<Box<dyn SyncLock>>> {
        let lock = FileLock::try_at(&beside(&self.0.path, ".sync"))?;
        Ok(lock.map(|lock| -> Box<dyn SyncLock> { Box::new(lock) }))
    }

    async fn foreign_commits(&self) -> Result<u64> {
        self.0.latest()?;
        let seen = self.0.seen();
        Ok(seen.state.commits.wrapping_sub(seen.own))
    }
}
