//! History marks: how a restored server is noticed.
//!
//! Every checkpoint carries the newest mark there was when it was issued. A checkpoint whose mark the database lacks, or
//! behind whose mark another one stands below the checkpoint's position, was issued in another history.
//!
//! A server that starts stores a mark in any case: a restore stops the server, so what was issued under the last mark of
//! the copy is told from what comes after it.

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
    /// Its place among the marks at its position.
    #[serde(default, skip_serializing_if = "is_first")]
    pub(crate) serial: u64,
}

fn is_first<N: Default + PartialEq>(serial: &N) -> bool {
    *serial == N::default()
}

impl Mark {
    /// Its place in the area: marks are in order of position, then of storing.
    fn place(&self) -> Vec<u8> {
        let mut place = self.position.to_be_bytes().to_vec();
        if self.serial > 0 {
            place.extend_from_slice(&self.serial.to_be_bytes());
        }
        place
    }
}

/// A mark as it is stored: its place begins with the position, its bytes are the number and the time.
pub(crate) struct Stored {
    /// The database's position when it was stored.
    pub(crate) position: u64,
    /// Seconds since 1970.
    pub(crate) time: u64,
    nonce: u64,
}

impl Stored {
    /// Reads one; none if its bytes are none.
    pub(crate) fn read(place: &[u8], bytes: &[u8]) -> Option<Self> {
        let (nonce, time) = bytes.split_first_chunk::<8>()?;
        Some(Self {
            position: position_of(place)?,
            time: u64::from_be_bytes(time.try_into().ok()?),
            nonce: u64::from_be_bytes(*nonce),
        })
    }

    fn bytes(&self) -> Vec<u8> {
        [self.nonce.to_be_bytes(), self.time.to_be_bytes()].concat()
    }
}

/// The position of a mark's place.
pub(crate) fn position_of(place: &[u8]) -> Option<u64> {
    place
        .first_chunk::<8>()
        .map(|position| u64::from_be_bytes(*position))
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
            add_in(transaction, self.now()).await?;
        }
        Ok(())
    }

    /// Seconds since 1970.
    pub(crate) fn now(&self) -> u64 {
        self.time().as_secs()
    }

    /// Time since 1970.
    pub(crate) fn time(&self) -> Duration {
        self.clock.now()
    }

    /// Stores a mark, unless there is one at the database's position already; returns the newest.
    pub(crate) async fn add(&self, store: &dyn ServerStore) -> Result<Mark> {
        let mut transaction = store.write().await?;
        let mark = add_in(transaction.as_mut(), self.now()).await?;
        transaction.commit().await?;
        Ok(mark)
    }

    /// Stores a mark in any case, where a server starts that has given out checkpoints before.
    pub(crate) async fn begin(&self, store: &dyn ServerStore) -> Result<()> {
        if newest(store.read().await?.as_mut()).await?.is_none() {
            return Ok(());
        }
        let mut transaction = store.write().await?;
        let position = transaction.position().await?;
        let newest = newest_in(transaction.as_mut()).await?;
        let serial = newest
            .filter(|mark| mark.position >= position)
            .map(|mark| mark.serial + 1);
        // A position below the newest mark's is one that only a loss of writes explains: the mark stands behind it then.
        let position = newest.map_or(position, |mark| position.max(mark.position));
        put(
            transaction.as_mut(),
            position,
            serial.unwrap_or_default(),
            self.now(),
        )
        .await?;
        transaction.commit().await
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
            (Some(mark), true) => self.add(store).await.or_else(|error| {
                // An older mark notices a restore a little later; a pull is not refused for that.
                tracing::warn!(code = error.code(), "no history mark could be stored");
                Ok(mark)
            }),
            (None, _) => self.add(store).await,
        }
    }
}

async fn newest_in(transaction: &mut dyn ServerTransaction) -> Result<Option<Mark>> {
    let bytes = transaction.area_get(HISTORY_NEWEST, NEWEST).await?;
    bytes.map(|bytes| decode(HISTORY_NEWEST, &bytes)).transpose()
}

async fn add_in(transaction: &mut dyn ServerTransaction, time: u64) -> Result<Mark> {
    let position = transaction.position().await?;
    match newest_in(transaction)
        .await?
        .filter(|mark| mark.position >= position)
    {
        Some(mark) => Ok(mark),
        None => put(transaction, position, 0, time).await,
    }
}

async fn put(transaction: &mut dyn ServerTransaction, position: u64, serial: u64, time: u64) -> Result<Mark> {
    let mark = Mark {
        position,
        nonce: random::number()?,
        serial,
    };
    let stored = Stored {
        position,
        time,
        nonce: mark.nonce,
    };
    transaction
        .area_put(HISTORY, &mark.place(), &stored.bytes())
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
    let place = mark.place();
    let stored = snapshot.area_get(HISTORY, &place).await?;
    let stored = stored.and_then(|bytes| Stored::read(&place, &bytes));
    if stored.is_none_or(|stored| stored.nonce != mark.nonce) {
        return Ok(false);
    }
    let next = snapshot.area_scan(HISTORY, Some(&place), 1).await?;
    let next = next.first().and_then(|(place, _)| position_of(place));
    Ok(next.is_none_or(|next| next >= position))
}

/// Whether a mark is so old that it would have been forgotten: every mark that is left is behind it.
pub(crate) async fn is_forgotten(snapshot: &mut dyn ServerSnapshot, mark: Mark) -> Result<bool> {
    let oldest = snapshot.area_scan(HISTORY, None, 1).await?;
    let oldest = oldest.first().and_then(|(place, _)| position_of(place));
    Ok(oldest.is_some_and(|oldest| oldest > mark.position))
}
