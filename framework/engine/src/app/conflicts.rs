//! Open conflicts as the app sees them: listed, watched, resolved.

use super::{App, LiveList, Records, within};
use crate::sync::open_conflicts;
use crate::sync::resolve::Desk;
use crate::sync::{HeldRecord, OpenConflict};
use onsync_core::conflict::Resolution;
use onsync_core::mutation::BinReason;
use onsync_core::store::local::{Access, LocalTransaction};
use onsync_core::{Key, Result};

impl Records {
    pub(super) async fn resolve(
        &self,
        tx: &mut dyn LocalTransaction,
        entity: &str,
        key: &Key,
        resolution: &Resolution,
    ) -> Result<Key> {
        let desk = Desk {
            schema: &self.schema,
            runtime: self.runtime.as_ref(),
            max_record_bytes: self.max_record_bytes,
            reason: BinReason::Discarded,
        };
        desk.resolve(tx, entity, key, resolution).await
    }
}

impl App {
    /// Open conflicts, of one entity if it is named, by entity and key, at most `limit`. Each is plain data with every attribute side by side.
    ///
    /// # Errors
    /// `unknown_entity`, and those of the store.
    pub async fn conflicts(&self, entity: Option<&str>, limit: usize) -> Result<Vec<OpenConflict>> {
        let entity = entity.map(str::to_owned);
        read!(self, |tx, records| open_conflicts::list(
            tx,
            &records.schema,
            entity.as_deref(),
            limit
        )
        .await)
    }

    /// The open conflict of a record; none if there is none.
    ///
    /// # Errors
    /// `unknown_entity`, and those of the store.
    pub async fn conflict(&self, entity: &str, key: impl Into<Key>) -> Result<Option<OpenConflict>> {
        let (entity, key) = (entity.to_owned(), key.into());
        read!(self, |tx, records| open_conflicts::show(
            tx,
            &records.schema,
            &entity,
            &key
        )
        .await)
    }

    /// Records made or changed here that are not sent as long as the record's conflict is open, because they refer to it and the server does not have it, or
    /// has another record in its place; parents before children.
    ///
    /// # Errors
    /// `unknown_entity`, and those of the store.
    pub async fn held_by_conflict(&self, entity: &str, key: impl Into<Key>) -> Result<Vec<HeldRecord>> {
        let (entity, key) = (entity.to_owned(), key.into());
        let core = self.core()?;
        let syncer = core.syncer.clone();
        core.run(async move { syncer.held_by_conflict(&entity, &key).await })
            .await
    }

    /// Ends an open conflict, in one transaction:
    ///
    /// - [`Resolution::KeepMine`]: the record waits, based on the server's. It is made again where the server deleted it, and deleted there where it was deleted here.
    /// - [`Resolution::TakeTheirs`]: the record is as the server has it; what was written here is in the bin.
    /// - [`Resolution::Merge`]: these values over the server's (over this device's, where the server deleted the record), then as `KeepMine`.
    /// - [`Resolution::Ask`]: nothing; the conflict stays open.
    ///
    /// What was resolved is sent by the next sync and checked again: if the server's record has changed meanwhile, there is another conflict instead of
    /// an overwritten change. The record's key comes back. It is the same, except for a record whose key the server issued and which is made again: that gets a local key.
    ///
    /// # Errors
    /// `conflict_missing`, `conflict_in_flight`, `unknown_entity`, for a merge `unknown_attribute`, `invalid_value`, `key_change_refused`, `record_too_large`,
    /// and those of the store.
    pub async fn resolve_conflict(
        &self,
        entity: &str,
        key: impl Into<Key>,
        resolution: Resolution,
    ) -> Result<Key> {
        let (entity, key) = (entity.to_owned(), key.into());
        write!(self, |tx, records| records
            .resolve(tx, &entity, &key, &resolution)
            .await?)
    }

    /// All open conflicts, given again whenever one came, changed or went.
    ///
    /// # Errors
    /// `signed_out`.
    pub fn watch_conflicts(&self) -> Result<LiveList<OpenConflict>> {
        Ok(LiveList::new(self.core()?, |core| {
            let syncer = core.syncer.clone();
            Box::pin(async move { syncer.conflicts(None, usize::MAX).await })
        }))
    }
}
