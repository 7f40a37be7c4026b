//! Server stores with one planted fault each.

use crate::{places, refused};
use onsync_core::page::KeyRange;
use onsync_core::schema::{EntitySchema, Schema};
use onsync_core::store::server::{
    Attached, DeltaRows, Extent, PageLimit, ServerSnapshot, ServerStore, ServerTransaction, SnapshotRows,
};
use onsync_core::{Error, Fields, Key, Result, Value, portable_async};
use onsync_testkit::foreign::ForeignProgram;
use onsync_testkit::server_store::ServerStorePlace;
use onsync_testkit::suite::block_on;
use std::sync::Arc;

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    ForgetsDeletions,
    ClaimsAPositionBeyondItsView,
    DropsTheLastPage,
    UndoesNothing,
    OverwritesReceipts,
    GivesKeysMoreThanOnce,
    ResetsWhenAttachedAgain,
    FindsNobodyWhoRefers,
    RevivesNothing,
    TakesEveryKeyForNew,
    IsCertainOfEverything,
}

struct Place(Fault, places::Database);

#[portable_async]
impl ServerStorePlace for Place {
    async fn store(&self) -> Result<Arc<dyn ServerStore>> {
        Ok(Arc::new(Broken {
            fault: self.0,
            inner: self.1.store().await?,
        }))
    }

    fn foreign(&self) -> Arc<dyn ForeignProgram> {
        self.1.foreign()
    }
}

struct Broken {
    fault: Fault,
    inner: Arc<dyn ServerStore>,
}

#[portable_async]
impl ServerStore for Broken {
    async fn attach(&self, schema: &Schema) -> Result<Attached> {
        let mut attached = self.inner.attach(schema).await?;
        if self.fault == Fault::ResetsWhenAttachedAgain {
            attached.reset = schema.entities.iter().map(|entity| entity.name.clone()).collect();
        }
        Ok(attached)
    }

    async fn prune(&self, up_to: u64) -> Result<u64> {
        self.inner.prune(up_to).await
    }

    async fn read(&self) -> Result<Box<dyn ServerSnapshot>> {
        Ok(Box::new(BrokenSnapshot {
            fault: self.fault,
            inner: self.inner.read().await?,
        }))
    }

    async fn write(&self) -> Result<Box<dyn ServerTransaction>> {
        Ok(Box::new(BrokenTransaction {
            fault: self.fault,
            inner: self.inner.write().await?,
        }))
    }
}

struct BrokenSnapshot {
    fault: Fault,
    inner: Box<dyn ServerSnapshot>,
}

#[portable_async]
impl ServerSnapshot for BrokenSnapshot {
    async fn position(&mut self) -> Result<u64> {
        let beyond = u64::from(self.fault == Fault::ClaimsAPositionBeyondItsView);
        Ok(self.inner.position().await? + beyond)
    }

    async fn newest(&mut self, entity: &EntitySchema) -> Result<u64> {
        self.inner.newest(entity).await
    }

    async fn horizon(&mut self, entity: &EntitySchema) -> Result<u64> {
        self.inner.horizon(entity).await
    }

    async fn snapshot(
        &mut self,
        extent: &Extent<'_>,
        range: &KeyRange,
        limit: PageLimit,
    ) -> Result<SnapshotRows> {
        let mut page = self.inner.snapshot(extent, range, limit).await?;
        if self.fault == Fault::DropsTheLastPage && page.rows.len() > 1 && page.rows.len() == limit.rows {
            page.more_after = None;
        }
        Ok(page)
    }

    async fn delta(&mut self, extent: &Extent<'_>, after: u64, limit: PageLimit) -> Result<DeltaRows> {
        let mut page = self.inner.delta(extent, after, limit).await?;
        match self.fault {
            Fault::ForgetsDeletions => page.deleted.clear(),
            Fault::GivesKeysMoreThanOnce if !page.rows.is_empty() => {
                let first = page.rows.row(0);
                page.rows.push(first)?;
            }
            _ => {}
        }
        Ok(page)
    }

    async fn count(&mut self, extent: &Extent<'_>) -> Result<Option<u64>> {
        self.inner.count(extent).await
    }

    async fn area_get(&mut self, area: &str, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.inner.area_get(area, key).await
    }

    async fn area_scan(
        &mut self,
        area: &str,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        self.inner.area_scan(area, after, limit).await
    }
}

struct BrokenTransaction {
    fault: Fault,
    inner: Box<dyn ServerTransaction>,
}

#[portable_async]
impl ServerTransaction for BrokenTransaction {
    async fn get(
        &mut self,
        entity: &EntitySchema,
        attributes: &[usize],
        key: &Key,
    ) -> Result<Option<Fields>> {
        self.inner.get(entity, attributes, key).await
    }

    async fn referring(
        &mut self,
        entity: &EntitySchema,
        attribute: usize,
        value: &Value,
        limit: usize,
    ) -> Result<Vec<Key>> {
        if self.fault == Fault::FindsNobodyWhoRefers {
            return Ok(Vec::new());
        }
        self.inner.referring(entity, attribute, value, limit).await
    }

    async fn insert(&mut self, entity: &EntitySchema, fields: &Fields) -> Result<Key> {
        let key = entity.key_of(&entity.row(fields)?);
        let hidden = EntitySchema {
            soft_delete: None,
            ..entity.clone()
        };
        if self.fault == Fault::RevivesNothing
            && entity.soft_delete.is_some()
            && self.inner.get(&hidden, &[0], &key).await?.is_some()
        {
            return Err(Error::rejected("constraint_violated", "the key exists"));
        }
        self.inner.insert(entity, fields).await
    }

    async fn stores_exactly(&mut self, entity: &EntitySchema, fields: &Fields) -> Result<bool> {
        let certain = self.fault == Fault::IsCertainOfEverything;
        Ok(certain || self.inner.stores_exactly(entity, fields).await?)
    }

    async fn update(&mut self, entity: &EntitySchema, key: &Key, fields: &Fields) -> Result<()> {
        self.inner.update(entity, key, fields).await
    }

    async fn delete(&mut self, entity: &EntitySchema, key: &Key) -> Result<()> {
        self.inner.delete(entity, key).await
    }

    async fn position(&mut self) -> Result<u64> {
        self.inner.position().await
    }

    async fn savepoint(&mut self) -> Result<()> {
        self.inner.savepoint().await
    }

    async fn undo(&mut self) -> Result<()> {
        match self.fault {
            Fault::UndoesNothing => Ok(()),
            _ => self.inner.undo().await,
        }
    }

    async fn area_get(&mut self, area: &str, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.inner.area_get(area, key).await
    }

    async fn area_insert(&mut self, area: &str, key: &[u8], value: &[u8]) -> Result<bool> {
        if self.fault == Fault::OverwritesReceipts {
            self.inner.area_put(area, key, value).await?;
            return Ok(true);
        }
        self.inner.area_insert(area, key, value).await
    }

    async fn area_insert_all(&mut self, area: &str, entries: &[(Vec<u8>, Vec<u8>)]) -> Result<Vec<bool>> {
        let new = self.inner.area_insert_all(area, entries).await?;
        Ok(match self.fault {
            Fault::TakesEveryKeyForNew => vec![true; new.len()],
            _ => new,
        })
    }

    async fn area_put(&mut self, area: &str, key: &[u8], value: &[u8]) -> Result<()> {
        self.inner.area_put(area, key, value).await
    }

    async fn area_remove(&mut self, area: &str, key: &[u8]) -> Result<()> {
        self.inner.area_remove(area, key).await
    }

    async fn area_scan(
        &mut self,
        area: &str,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        self.inner.area_scan(area, after, limit).await
    }

    async fn commit(self: Box<Self>) -> Result<()> {
        self.inner.commit().await
    }
}

#[track_caller]
fn check(fault: Fault, caught_by: &[&str]) {
    let make = move || -> Box<dyn ServerStorePlace> { Box::new(Place(fault, places::Database::new())) };
    refused(
        &onsync_testkit::server_store::suite().run(make, block_on),
        caught_by,
    );
}

#[test]
fn a_store_that_forgets_deletions() {
    check(
        Fault::ForgetsDeletions,
        &[
            "a_deleted_record_comes_as_deleted",
            "a_foreign_delete_is_tracked",
            "a_cascade_is_tracked",
        ],
    );
}

#[test]
fn a_store_that_claims_a_position_beyond_its_view() {
    check(
        Fault::ClaimsAPositionBeyondItsView,
        &["a_change_after_a_snapshot_has_a_greater_position"],
    );
}

#[test]
fn a_store_that_drops_the_last_page() {
    check(Fault::DropsTheLastPage, &["a_snapshot_in_pages_is_complete"]);
}

#[test]
fn a_store_that_undoes_nothing() {
    check(
        Fault::UndoesNothing,
        &[
            "undo_takes_back_everything_since_the_savepoint",
            "a_broken_constraint_leaves_the_transaction_usable",
            "undo_takes_back_areas",
        ],
    );
}

#[test]
fn a_store_that_overwrites_receipts() {
    check(
        Fault::OverwritesReceipts,
        &[
            "area_insert_is_false_for_an_existing_key",
            "a_second_sender_of_a_key_waits_for_the_first",
        ],
    );
}

#[test]
fn a_store_that_gives_keys_more_than_once() {
    check(
        Fault::GivesKeysMoreThanOnce,
        &["each_key_comes_once_with_what_is_there_now"],
    );
}

#[test]
fn a_store_that_resets_when_attached_again() {
    check(
        Fault::ResetsWhenAttachedAgain,
        &["attaching_again_changes_nothing"],
    );
}

#[test]
fn a_store_that_finds_nobody_who_refers() {
    check(
        Fault::FindsNobodyWhoRefers,
        &[
            "referring_gives_the_keys_of_the_records_that_hold_a_value",
            "referring_sees_what_is_there_now",
        ],
    );
}

#[test]
fn a_store_that_revives_nothing() {
    check(Fault::RevivesNothing, &["a_soft_deleted_row_is_revived"]);
}

#[test]
fn a_store_that_takes_every_key_for_new() {
    check(
        Fault::TakesEveryKeyForNew,
        &[
            "area_insert_all_says_which_keys_were_new",
            "two_senders_of_some_equal_keys_wait_for_each_other",
        ],
    );
}

#[test]
fn a_store_that_is_certain_of_everything() {
    check(
        Fault::IsCertainOfEverything,
        &["what_is_stored_exactly_is_read_back_as_it_was_written"],
    );
}
