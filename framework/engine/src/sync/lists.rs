//! The durable lists of what a person may want to see, as they are stored: rejected changes, conflicts, and how far each entity is.

use super::OpenConflict;
use super::Syncer;
use super::areas::{self, Areas, StoredCheckpoint};
use super::resolve::Desk;
use onsync_core::conflict::Resolution;
use onsync_core::mutation::BinReason;
use onsync_core::ordered::BTreeMap;
use onsync_core::pattern::Direction;
use onsync_core::store::local::Access;
use onsync_core::{Key, Result};
use serde::{Deserialize, Serialize};

pub use super::bin::{BinEntry, BinFilter};
pub use super::dependents::HeldRecord;
pub use super::rejected::{Discarded, DiscardedRecord, RecordRef, RejectedChange, RejectedEntry};

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
                None if self.pattern(&entity.name)?.direction() == Direction::SendOnly => Fetched::Complete,
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

    /// Open conflicts, of one entity if it is named, at most `limit`.
    ///
    /// # Errors
    /// `unknown_entity`, and those of the store.
    pub async fn conflicts(&self, entity: Option<&str>, limit: usize) -> Result<Vec<OpenConflict>> {
        let mut tx = self.store.begin(Access::Read).await?;
        super::open_conflicts::list(tx.as_mut(), &self.schema, entity, limit).await
    }

    /// Ends an open conflict in a transaction of its own, as [`App::resolve_conflict`](crate::App::resolve_conflict).
    ///
    /// # Errors
    /// As there.
    pub async fn resolve_conflict(&self, entity: &str, key: &Key, resolution: &Resolution) -> Result<Key> {
        let desk = Desk {
            schema: &self.schema,
            runtime: self.runtime.as_ref(),
            max_record_bytes: self.limits.max_record_bytes,
            reason: BinReason::Discarded,
        };
        let mut tx = self.store.begin(Access::App).await?;
        let key = desk.resolve(tx.as_mut(), entity, key, resolution).await?;
        tx.commit().await?;
        Ok(key)
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
}
