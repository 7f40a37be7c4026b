//! History marks: how a restored server is noticed.
//!
//! Every checkpoint carries the newest mark there was when it was issued. A checkpoint whose mark the database lacks, or
//! behind whose mark another one stands below the checkpoint's position, was issued in another history.

use crate::encoding::{HISTORY, HISTORY_NEWEST, NEWEST, decode, encode};
use crate::limits::Clock;
use crate::random;
use onsync_core::error::Result;
use onsync_core::store::server::{ServerSnapshot, ServerStore, ServerTransaction};
use serde::{Deserialize, Serialize};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A random number at a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    /// The database's position when it was stored.
    pub(crate) position: u64,
    /// What tells it from marks of other histories.
    pub(crate) nonce: u64,
}

/// At most one mark a second.
const PACE: Duration = Duration::from_secs(1);

/// Stores marks.
pub(crate) struct History {
    clock: Box<dyn Clock>,
    last: Mutex<Option<Duration>>,
}

impl History {
    /// Paced by that clock.
    pub(crate) fn new(clock: Box<dyn Clock>) -> Self {
        Self {
            clock,
            last: Mutex::new(None),
        }
    }

    /// Whether it is time for another mark; if so, the next one is a second away.
    fn is_due(&self) -> bool {
        // A poisoned lock holds a plain time: nothing can be half done.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.elapsed();
        let due = last.is_none_or(|last| now.saturating_sub(last) >= PACE);
        if due {
            *last = Some(now);
        }
        due
    }

    /// Stores a mark within a transaction that is about to commit, if it is time.
    pub(crate) async fn ride_along(&self, transaction: &mut dyn ServerTransaction) -> Result<()> {
        if self.is_due() {
            add_in(transaction).await?;
        }
        Ok(())
    }

    /// The mark for checkpoints up to `position`, given the newest one: a new one if that is below and it is time.
    pub(crate) async fn mark(
        &self,
        store: &dyn ServerStore,
        newest: Option<Mark>,
        position: u64,
    ) -> Result<Mark> {
        if let Some(mark) = newest.filter(|mark| mark.position >= position) {
            return Ok(mark);
        }
        match (newest, self.is_due()) {
            (Some(mark), false) => Ok(mark),
            (Some(mark), true) => add(store).await.or_else(|error| {
                // An older mark notices a restore a little later; a pull is not refused for that.
                tracing::warn!(code = error.code(), "no history mark could be stored");
                Ok(mark)
            }),
            (None, _) => add(store).await,
        }
    }
}

async fn add(store: &dyn ServerStore) -> Result<Mark> {
    let mut transaction = store.write().await?;
    let mark = add_in(transaction.as_mut()).await?;
    transaction.commit().await?;
    Ok(mark)
}

async fn add_in(transaction: &mut dyn ServerTransaction) -> Result<Mark> {
    let position = transaction.position().await?;
    let newest = transaction.area_get(HISTORY_NEWEST, NEWEST).await?;
    if let Some(bytes) = newest {
        let mark: Mark = decode(HISTORY_NEWEST, &bytes)?;
        if mark.position >= position {
            return Ok(mark);
        }
    }
    let mark = Mark {
        position,
        nonce: random::number()?,
    };
    transaction
        .area_put(HISTORY, &position.to_be_bytes(), &mark.nonce.to_be_bytes())
        .await?;
    transaction
        .area_put(HISTORY_NEWEST, NEWEST, &encode(&mark)?)
        .await?;
    Ok(mark)
}

/// The newest mark.
pub(crate) async fn newest(snapshot: &mut dyn ServerSnapshot) -> Result<Option<Mark>> {
    let bytes = snapshot.area_get(HISTORY_NEWEST, NEWEST).await?;
    bytes.map(|bytes| decode(HISTORY_NEWEST, &bytes)).transpose()
}

/// Whether a checkpoint at `position` that carries this mark belongs to the history of this database.
pub(crate) async fn knows(snapshot: &mut dyn ServerSnapshot, mark: Mark, position: u64) -> Result<bool> {
    let place = mark.position.to_be_bytes();
    let stored = snapshot.area_get(HISTORY, &place).await?;
    if stored.as_deref() != Some(mark.nonce.to_be_bytes().as_slice()) {
        return Ok(false);
    }
    let next = snapshot.area_scan(HISTORY, Some(&place), 1).await?;
    let next = next
        .first()
        .and_then(|(place, _)| place.as_slice().try_into().ok());
    Ok(next.is_none_or(|next| u64::from_be_bytes(next) >= position))
}
