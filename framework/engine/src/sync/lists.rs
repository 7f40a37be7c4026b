//! The durable lists of what a person may want to see: rejected changes, values in the bin, conflicts.

use super::areas::{self, Areas, StoredCheckpoint};
use super::outbox::OutboxEntry;
use super::{Fence, Limits, Syncer};
use onsync_core::conflict::Conflict;
use onsync_core::mutation::{BinReason, MutationKind, Rejection};
use onsync_core::store::local::{Access, LocalTransaction};
use onsync_core::value::Timestamp;
use onsync_core::{Fields, Key, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use uuid::Uuid;

/// A change the server refused, or one that may have been applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectedEntry {
    /// The mutation's number on this device; names the entry.
    pub number: u64,
    /// The entity.
    pub entity: String,
    /// The record's local key.
    pub key: Key,
    /// What was asked.
    pub kind: MutationKind,
    /// The values that were sent.
    pub values: Fields,
    /// Why it was refused.
    pub rejection: Rejection,
}

/// Values that lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BinEntry {
    /// Names the entry; sorts by time.
    pub id: Uuid,
    /// When it was put there, by the device's clock (for display and expiry only).
    pub at: Timestamp,
    /// The entity.
    pub entity: String,
    /// The record's local key.
    pub key: Key,
    /// Why.
    pub reason: BinReason,
    /// The record's values as the app last saw them.
    pub values: Fields,
}

/// How much of an entity has been fetched to this device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fetched {
    /// Nothing yet.
    Never,
    /// A part: the next sync goes on behind it.
    Partly,
    /// Everything there was at the last sync.
    Complete,
}

impl RejectedEntry {
    pub(crate) fn of(entry: &OutboxEntry, rejection: Rejection) -> Self {
        Self {
            number: entry.mutation.number,
            entity: entry.mutation.entity.clone(),
            key: entry.key.clone(),
            kind: entry.mutation.kind,
            values: entry.sent.values.clone(),
            rejection,
        }
    }
}

impl Syncer {
    /// Changes the server refused, oldest first, at most `limit`.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn rejected(&self, limit: usize) -> Result<Vec<RejectedEntry>> {
        self.list(areas::REJECTED, limit).await
    }

    /// How much of each entity that travels is here.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn fetched(&self) -> Result<BTreeMap<String, Fetched>> {
        let mut tx = self.store.begin(Access::Read).await?;
        let mut fetched = BTreeMap::new();
        for entity in self.schema.entities.iter().filter(|entity| !entity.local) {
            let key = areas::entity_key(&entity.name, b"");
            let stored: Option<StoredCheckpoint> = tx.load(areas::CHECKPOINT, &key).await?;
            let state = match stored {
                None => Fetched::Never,
                Some(stored) if stored.complete => Fetched::Complete,
                Some(_) => Fetched::Partly,
            };
            fetched.insert(entity.name.clone(), state);
        }
        Ok(fetched)
    }

    /// Changes that may have been applied, oldest first, at most `limit`.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn may_have_been_applied(&self, limit: usize) -> Result<Vec<RejectedEntry>> {
        self.list(areas::UNKNOWN, limit).await
    }

    /// Open conflicts, at most `limit`.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn conflicts(&self, limit: usize) -> Result<Vec<Conflict>> {
        self.list(areas::CONFLICT, limit).await
    }

    /// Values in the bin, oldest first, at most `limit`.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn bin(&self, limit: usize) -> Result<Vec<BinEntry>> {
        self.list(areas::BIN, limit).await
    }

    async fn list<T: serde::de::DeserializeOwned>(&self, area: &str, limit: usize) -> Result<Vec<T>> {
        let mut tx = self.store.begin(Access::Read).await?;
        Ok(tx
            .list(area, None, limit)
            .await?
            .into_iter()
            .map(|(_, entry)| entry)
            .collect())
    }

    /// Puts values into the bin.
    pub(crate) async fn discard(
        &self,
        tx: &mut dyn LocalTransaction,
        entity: &str,
        key: &Key,
        reason: BinReason,
        values: Fields,
    ) -> Result<()> {
        let id = self.runtime.sortable_uuid();
        let entry = BinEntry {
            id,
            at: self.runtime.now(),
            entity: entity.to_owned(),
            key: key.clone(),
            reason,
            values,
        };
        tx.store(areas::BIN, id.as_bytes(), &entry).await
    }

    /// Empties the bin of what is older or more than the limits allow, oldest first: when something was put there (`grown`), and
    /// once an hour.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn trim_bin(&self, fence: Fence, grown: bool) -> Result<()> {
        let Limits {
            bin_days, bin_bytes, ..
        } = self.limits;
        let oldest = self
            .runtime
            .now()
            .count()
            .saturating_sub(i64::from(bin_days) * 86_400_000_000);
        if !grown && !self.trim_is_due() {
            return Ok(());
        }
        let mut tx = self.store.begin(Access::Read).await?;
        let first = tx.list::<BinEntry>(areas::BIN, None, 1).await?;
        if first
            .first()
            .is_none_or(|(_, entry)| !grown && entry.at.count() >= oldest)
        {
            return Ok(());
        }
        drop(tx);
        let mut tx = self.begin(fence, false).await?;
        let entries = tx.area_scan(areas::BIN, None, usize::MAX).await?;
        let mut size: u64 = entries.iter().map(|(_, bytes)| bytes.len() as u64).sum();
        for (key, bytes) in entries {
            let entry: BinEntry = areas::decode(areas::BIN, &bytes)?;
            if entry.at.count() >= oldest && size <= bin_bytes {
                break;
            }
            size -= bytes.len() as u64;
            tx.area_remove(areas::BIN, &key).await?;
        }
        tx.commit().await
    }
}
