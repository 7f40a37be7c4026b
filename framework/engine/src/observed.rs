//! A store that tells which entities each commit touched: for live queries and the status.

use onsync_core::ordered::{BTreeMap, BTreeSet};
use onsync_core::page::KeyRange;
use onsync_core::query::Query;
use onsync_core::rows::RowSet;
use onsync_core::schema::{EntitySchema, Schema};
use onsync_core::store::local::{
    Access, CommitListener, LocalStore, LocalTransaction, Opened, Overlay, RecordState, SyncLock,
};
use onsync_core::{Key, Result, Row, portable_async};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// How often each entity was touched.
pub(crate) struct Changes {
    counts: Mutex<BTreeMap<String, u64>>,
    bell: watch::Sender<u64>,
    /// Counts commits of the app with something that travels.
    edits: watch::Sender<u64>,
}

impl Changes {
    pub(crate) fn new() -> Self {
        Self {
            counts: Mutex::default(),
            bell: watch::Sender::new(0),
            edits: watch::Sender::new(0),
        }
    }

    /// Notes a commit that touched these entities.
    pub(crate) fn note<'a>(&self, entities: impl IntoIterator<Item = &'a str>) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        for entity in entities {
            *counts.entry(entity.to_owned()).or_default() += 1;
        }
        drop(counts);
        if onsync_core::mutant!("the-status-hears-of-nothing", true, false) {
            self.bell.send_modify(|commits| *commits += 1);
        }
    }

    /// A number that changes whenever one of these entities is touched.
    pub(crate) fn count(&self, entities: &[String]) -> u64 {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        entities.iter().filter_map(|entity| counts.get(entity)).sum()
    }

    /// Notes that there is something new to send.
    pub(crate) fn note_edit(&self) {
        self.edits.send_modify(|edits| *edits += 1);
    }

    /// Rings when there is something new to send.
    pub(crate) fn edits(&self) -> watch::Receiver<u64> {
        self.edits.subscribe()
    }

    /// How many commits there were.
    pub(crate) fn commits(&self) -> u64 {
        *self.bell.borrow()
    }

    /// Rings at each commit.
    pub(crate) fn bell(&self) -> watch::Receiver<u64> {
        self.bell.subscribe()
    }
}

/// Passes everything on to a store and notes what is committed.
pub(crate) struct ObservedStore {
    pub(crate) inner: Arc<dyn LocalStore>,
    pub(crate) changes: Arc<Changes>,
}

#[portable_async]
impl LocalStore for ObservedStore {
    async fn open(&self, schema: &Schema) -> Result<Opened> {
        self.inner.open(schema).await
    }

    async fn begin(&self, access: Access) -> Result<Box<dyn LocalTransaction>> {
        let inner = self.inner.begin(access).await?;
        if access == Access::Read {
            return Ok(inner);
        }
        Ok(Box::new(ObservedTransaction {
            inner,
            changes: self.changes.clone(),
            touched: BTreeSet::new(),
            app: access == Access::App,
            travels: false,
        }))
    }

    async fn try_lock(&self) -> Result<Option<Box<dyn SyncLock>>> {
        self.inner.try_lock().await
    }

    async fn foreign_commits(&self) -> Result<u64> {
        self.inner.foreign_commits().await
    }

    fn tell_foreign_commits(&self, listener: Arc<dyn CommitListener>) -> bool {
        self.inner.tell_foreign_commits(listener)
    }
}

/// What other tabs commit rings the bell: whoever hears it looks at the count of foreign commits.
impl CommitListener for Changes {
    fn committed(&self) {
        self.note([]);
    }
}

struct ObservedTransaction {
    inner: Box<dyn LocalTransaction>,
    changes: Arc<Changes>,
    touched: BTreeSet<String>,
    app: bool,
    /// Whether an entity that travels was touched.
    travels: bool,
}

impl ObservedTransaction {
    /// What the app resolves is to be sent.
    fn touch_area(&mut self, area: &str) {
        self.travels |= area == crate::sync::CONFLICT_AREA;
    }

    fn touch(&mut self, entity: &EntitySchema) {
        if !self.touched.contains(&entity.name) {
            self.touched.insert(entity.name.clone());
            self.travels |= !entity.local;
        }
    }
}

#[portable_async]
impl LocalTransaction for ObservedTransaction {
    async fn get(&mut self, entity: &EntitySchema, keys: &[Key]) -> Result<Vec<Option<Row>>> {
        self.inner.get(entity, keys).await
    }

    async fn query(&mut self, entity: &EntitySchema, query: &Query) -> Result<Vec<Row>> {
        self.inner.query(entity, query).await
    }

    async fn count(&mut self, entity: &EntitySchema) -> Result<u64> {
        self.inner.count(entity).await
    }

    async fn keys_in(&mut self, entity: &EntitySchema, range: &KeyRange) -> Result<Vec<Key>> {
        self.inner.keys_in(entity, range).await
    }

    async fn insert(&mut self, entity: &EntitySchema, row: &Row) -> Result<Key> {
        self.touch(entity);
        self.inner.insert(entity, row).await
    }

    async fn put(&mut self, entity: &EntitySchema, attributes: &[usize], rows: &RowSet) -> Result<()> {
        self.touch(entity);
        self.inner.put(entity, attributes, rows).await
    }

    async fn remove(&mut self, entity: &EntitySchema, keys: &[Key]) -> Result<()> {
        self.touch(entity);
        self.inner.remove(entity, keys).await
    }

    async fn overlays(&mut self, entity: &EntitySchema, keys: &[Key]) -> Result<Vec<Option<Overlay>>> {
        self.inner.overlays(entity, keys).await
    }

    async fn overlays_in(
        &mut self,
        entity: &EntitySchema,
        range: &KeyRange,
        limit: usize,
    ) -> Result<Vec<Overlay>> {
        self.inner.overlays_in(entity, range, limit).await
    }

    async fn overlays_to_send(
        &mut self,
        entity: &EntitySchema,
        range: &KeyRange,
        limit: usize,
    ) -> Result<Vec<Overlay>> {
        self.inner.overlays_to_send(entity, range, limit).await
    }

    async fn count_waiting(&mut self, entity: &EntitySchema) -> Result<u64> {
        self.inner.count_waiting(entity).await
    }

    async fn set_states(&mut self, entity: &EntitySchema, keys: &[Key], state: RecordState) -> Result<()> {
        self.inner.set_states(entity, keys, state).await
    }

    async fn remove_unedited(&mut self, entity: &EntitySchema, records: &[(Key, u64)]) -> Result<Vec<bool>> {
        self.inner.remove_unedited(entity, records).await
    }

    async fn put_overlay(&mut self, entity: &EntitySchema, overlay: &Overlay) -> Result<()> {
        self.inner.put_overlay(entity, overlay).await
    }

    async fn remove_overlay(&mut self, entity: &EntitySchema, key: &Key) -> Result<()> {
        self.inner.remove_overlay(entity, key).await
    }

    async fn area_get(&mut self, area: &str, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.inner.area_get(area, key).await
    }

    async fn area_put(&mut self, area: &str, key: &[u8], value: &[u8]) -> Result<()> {
        self.touch_area(area);
        self.inner.area_put(area, key, value).await
    }

    async fn area_remove(&mut self, area: &str, key: &[u8]) -> Result<()> {
        self.touch_area(area);
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

    async fn area_count(&mut self, area: &str) -> Result<u64> {
        self.inner.area_count(area).await
    }

    async fn commit(self: Box<Self>) -> Result<()> {
        let Self {
            inner,
            changes,
            touched,
            app,
            travels,
        } = *self;
        inner.commit().await?;
        changes.note(touched.iter().map(String::as_str));
        if app && travels {
            changes.note_edit();
        }
        Ok(())
    }
}
