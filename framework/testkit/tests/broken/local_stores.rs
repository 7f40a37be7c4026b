//! Local stores with one planted fault each.

use crate::{places, refused};
use onsync_core::page::KeyRange;
use onsync_core::query::Query;
use onsync_core::rows::RowSet;
use onsync_core::schema::{EntitySchema, Schema};
use onsync_core::store::local::{Access, LocalStore, LocalTransaction, Opened, Overlay, SyncLock};
use onsync_core::{Key, Result, Row, Value, portable_async};
use onsync_testkit::local_store::LocalStorePlace;
use onsync_testkit::suite::block_on;
use std::sync::Arc;

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    LosesTheBaseOnASecondEdit,
    CommitsWhenDropped,
    TracksTheSync,
    DeletesWithoutTracking,
    RangesHoldTheirStart,
    TakesEmptyTextForNull,
    GivesTheLockToEverybody,
    SendsWhatIsHeld,
    SettlesWhatWasEdited,
}

struct Place(Fault, places::Device);

#[portable_async]
impl LocalStorePlace for Place {
    async fn store(&self) -> Result<Arc<dyn LocalStore>> {
        Ok(Arc::new(Broken {
            fault: self.0,
            inner: self.1.store().await?,
        }))
    }
}

struct Broken {
    fault: Fault,
    inner: Arc<dyn LocalStore>,
}

struct NoLock;

impl SyncLock for NoLock {}

#[portable_async]
impl LocalStore for Broken {
    async fn open(&self, schema: &Schema) -> Result<Opened> {
        self.inner.open(schema).await
    }

    async fn begin(&self, access: Access) -> Result<Box<dyn LocalTransaction>> {
        let tracks = self.fault == Fault::TracksTheSync && access != Access::Read;
        let inner = self
            .inner
            .begin(if tracks { Access::App } else { access })
            .await?;
        Ok(Box::new(BrokenTransaction {
            fault: self.fault,
            access,
            inner: Some(inner),
        }))
    }

    async fn try_lock(&self) -> Result<Option<Box<dyn SyncLock>>> {
        match self.fault {
            Fault::GivesTheLockToEverybody => Ok(Some(Box::new(NoLock))),
            _ => self.inner.try_lock().await,
        }
    }

    async fn foreign_commits(&self) -> Result<u64> {
        self.inner.foreign_commits().await
    }
}

struct BrokenTransaction {
    fault: Fault,
    access: Access,
    inner: Option<Box<dyn LocalTransaction>>,
}

impl BrokenTransaction {
    fn inner(&mut self) -> &mut dyn LocalTransaction {
        self.inner.as_mut().expect("there until the commit").as_mut()
    }

    /// Whether this fault acts on a write of the app.
    fn acts(&self, fault: Fault) -> bool {
        self.fault == fault && self.access == Access::App
    }

    fn widened(&self, range: &KeyRange) -> KeyRange {
        match self.fault {
            Fault::RangesHoldTheirStart => KeyRange {
                after: None,
                to: range.to.clone(),
            },
            _ => range.clone(),
        }
    }
}

impl Drop for BrokenTransaction {
    fn drop(&mut self) {
        if let Some(inner) = self.inner.take()
            && self.fault == Fault::CommitsWhenDropped
        {
            let _ = block_on(inner.commit());
        }
    }
}

#[portable_async]
impl LocalTransaction for BrokenTransaction {
    async fn get(&mut self, entity: &EntitySchema, keys: &[Key]) -> Result<Vec<Option<Row>>> {
        let mut rows = self.inner().get(entity, keys).await?;
        if self.fault == Fault::TakesEmptyTextForNull {
            for value in rows.iter_mut().flatten().flatten() {
                if *value == Value::Text(String::new()) {
                    *value = Value::Null;
                }
            }
        }
        Ok(rows)
    }

    async fn query(&mut self, entity: &EntitySchema, query: &Query) -> Result<Vec<Row>> {
        self.inner().query(entity, query).await
    }

    async fn count(&mut self, entity: &EntitySchema) -> Result<u64> {
        self.inner().count(entity).await
    }

    async fn keys_in(&mut self, entity: &EntitySchema, range: &KeyRange) -> Result<Vec<Key>> {
        let wide = self.widened(range);
        let mut keys = self.inner().keys_in(entity, &wide).await?;
        keys.retain(|key| range.after.as_ref().is_none_or(|after| key >= after));
        Ok(keys)
    }

    async fn insert(&mut self, entity: &EntitySchema, row: &Row) -> Result<Key> {
        self.inner().insert(entity, row).await
    }

    async fn put(&mut self, entity: &EntitySchema, attributes: &[usize], rows: &RowSet) -> Result<()> {
        if self.acts(Fault::LosesTheBaseOnASecondEdit) {
            let range = KeyRange::all();
            for overlay in self.inner().overlays_in(entity, &range, usize::MAX).await? {
                let now = self
                    .inner()
                    .get(entity, std::slice::from_ref(&overlay.key))
                    .await?;
                let base = now.into_iter().next().flatten();
                self.inner()
                    .put_overlay(entity, &Overlay { base, ..overlay })
                    .await?;
            }
        }
        self.inner().put(entity, attributes, rows).await
    }

    async fn remove(&mut self, entity: &EntitySchema, keys: &[Key]) -> Result<()> {
        let before = self.inner().overlays(entity, keys).await?;
        self.inner().remove(entity, keys).await?;
        if self.acts(Fault::DeletesWithoutTracking) {
            for (key, _) in keys.iter().zip(before).filter(|(_, overlay)| overlay.is_none()) {
                self.inner().remove_overlay(entity, key).await?;
            }
        }
        Ok(())
    }

    async fn overlays(&mut self, entity: &EntitySchema, keys: &[Key]) -> Result<Vec<Option<Overlay>>> {
        self.inner().overlays(entity, keys).await
    }

    async fn overlays_in(
        &mut self,
        entity: &EntitySchema,
        range: &KeyRange,
        limit: usize,
    ) -> Result<Vec<Overlay>> {
        let wide = self.widened(range);
        let mut overlays = self.inner().overlays_in(entity, &wide, usize::MAX).await?;
        overlays.retain(|overlay| range.after.as_ref().is_none_or(|after| overlay.key >= *after));
        overlays.truncate(limit);
        // An endless walk over pages that begin with their start is no way to find this out.
        if self.fault == Fault::RangesHoldTheirStart && overlays.len() == 1 {
            overlays.retain(|overlay| range.after.as_ref() != Some(&overlay.key));
        }
        Ok(overlays)
    }

    async fn overlays_to_send(
        &mut self,
        entity: &EntitySchema,
        range: &KeyRange,
        limit: usize,
    ) -> Result<Vec<Overlay>> {
        match self.fault {
            Fault::SendsWhatIsHeld => self.inner().overlays_in(entity, range, limit).await,
            _ => self.inner().overlays_to_send(entity, range, limit).await,
        }
    }

    async fn remove_unedited(&mut self, entity: &EntitySchema, records: &[(Key, u64)]) -> Result<Vec<bool>> {
        if self.fault == Fault::SettlesWhatWasEdited {
            for (key, _) in records {
                self.inner().remove_overlay(entity, key).await?;
            }
            return Ok(vec![true; records.len()]);
        }
        self.inner().remove_unedited(entity, records).await
    }

    async fn put_overlay(&mut self, entity: &EntitySchema, overlay: &Overlay) -> Result<()> {
        self.inner().put_overlay(entity, overlay).await
    }

    async fn remove_overlay(&mut self, entity: &EntitySchema, key: &Key) -> Result<()> {
        self.inner().remove_overlay(entity, key).await
    }

    async fn area_get(&mut self, area: &str, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.inner().area_get(area, key).await
    }

    async fn area_put(&mut self, area: &str, key: &[u8], value: &[u8]) -> Result<()> {
        self.inner().area_put(area, key, value).await
    }

    async fn area_remove(&mut self, area: &str, key: &[u8]) -> Result<()> {
        self.inner().area_remove(area, key).await
    }

    async fn area_scan(
        &mut self,
        area: &str,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        self.inner().area_scan(area, after, limit).await
    }

    async fn commit(mut self: Box<Self>) -> Result<()> {
        self.inner.take().expect("there until the commit").commit().await
    }
}

#[track_caller]
fn check(fault: Fault, caught_by: &[&str]) {
    let make = move || -> Box<dyn LocalStorePlace> { Box::new(Place(fault, places::Device::new())) };
    refused(
        &onsync_testkit::local_store::suite().run(make, block_on),
        caught_by,
    );
}

#[test]
fn a_store_that_loses_the_base_on_a_second_edit() {
    check(
        Fault::LosesTheBaseOnASecondEdit,
        &[
            "a_second_edit_keeps_the_first_base",
            "another_handle_sees_what_was_committed",
        ],
    );
}

#[test]
fn a_store_that_commits_when_dropped() {
    check(
        Fault::CommitsWhenDropped,
        &[
            "dropping_a_transaction_undoes_everything",
            "an_undone_edit_leaves_no_overlay",
            "what_was_not_committed_is_not_there_after_a_restart",
        ],
    );
}

#[test]
fn a_store_that_tracks_the_sync() {
    check(
        Fault::TracksTheSync,
        &["sync_writes_are_not_tracked", "sync_writes_leave_overlays_alone"],
    );
}

#[test]
fn a_store_that_deletes_without_tracking() {
    check(
        Fault::DeletesWithoutTracking,
        &[
            "a_delete_preserves_the_row_as_it_was",
            "every_row_of_a_remove_is_tracked",
        ],
    );
}

#[test]
fn a_store_whose_ranges_hold_their_start() {
    check(
        Fault::RangesHoldTheirStart,
        &[
            "keys_in_starts_behind_after_and_ends_with_to",
            "overlays_in_starts_behind_after_and_ends_with_to",
        ],
    );
}

#[test]
fn a_store_that_takes_empty_text_for_null() {
    check(
        Fault::TakesEmptyTextForNull,
        &["every_value_of_every_type_survives"],
    );
}

#[test]
fn a_store_that_gives_the_lock_to_everybody() {
    check(Fault::GivesTheLockToEverybody, &["the_sync_lock_has_one_holder"]);
}

#[test]
fn a_store_that_sends_what_is_held() {
    check(
        Fault::SendsWhatIsHeld,
        &[
            "overlays_to_send_are_those_that_may_be_sent",
            "overlays_to_send_are_found_behind_others",
        ],
    );
}

#[test]
fn a_store_that_settles_what_was_edited() {
    check(
        Fault::SettlesWhatWasEdited,
        &["remove_unedited_spares_what_was_edited_since"],
    );
}
