//! A device's store as one process sees it: it takes moments, it fails, and it ends with its process.

use crate::fault::{Fault, Phase};
use crate::shared::{Shared, guard};
use futures_util::future::{AbortHandle, abortable};
use onsync_core::memory::faults::killed;
use onsync_core::page::KeyRange;
use onsync_core::platform::BoxFuture;
use onsync_core::query::Query;
use onsync_core::rows::RowSet;
use onsync_core::runtime::Runtime;
use onsync_core::schema::{EntitySchema, Schema};
use onsync_core::store::local::{Access, LocalStore, LocalTransaction, Opened, Overlay, SyncLock};
use onsync_core::value::Timestamp;
use onsync_core::{Error, Key, Result, Row, portable_async};
use onsync_testkit::fakes::{Dice, ManualRuntime};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// One process of a device. When it dies, its store answers nothing any more, its locks are free and its tasks are gone.
pub(crate) struct Process {
    pub(crate) name: String,
    dead: AtomicBool,
    lock: Mutex<Option<Box<dyn SyncLock>>>,
    dice: Mutex<Dice>,
    tasks: Mutex<Vec<AbortHandle>>,
}

impl Process {
    pub(crate) fn new(name: String, dice: Dice) -> Self {
        Self {
            name,
            dead: AtomicBool::new(false),
            lock: Mutex::default(),
            dice: Mutex::new(dice),
            tasks: Mutex::default(),
        }
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed)
    }

    /// Ends it here and now.
    pub(crate) fn die(&self, shared: &Shared) {
        if !self.dead.swap(true, Ordering::Relaxed) {
            shared.reach().crashes += 1;
            *guard(&self.lock) = None;
            for task in guard(&self.tasks).drain(..) {
                task.abort();
            }
        }
    }

    fn alive(&self) -> Result<()> {
        if self.is_dead() { Err(killed()) } else { Ok(()) }
    }
}

/// The world's time and chance in the hands of one process: what it spawns ends with it.
pub(crate) struct ProcessRuntime {
    pub(crate) inner: ManualRuntime,
    pub(crate) process: Arc<Process>,
}

impl Runtime for ProcessRuntime {
    fn now(&self) -> Timestamp {
        self.inner.now()
    }

    fn elapsed(&self) -> Duration {
        self.inner.elapsed()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.inner.sleep(duration)
    }

    fn spawn(&self, future: BoxFuture<'static, ()>) {
        if self.process.is_dead() {
            return;
        }
        let (task, handle) = abortable(future);
        let mut tasks = guard(&self.process.tasks);
        tasks.push(handle);
        drop(tasks);
        self.inner.spawn(Box::pin(async move {
            // Aborted is dead.
            let _ = task.await;
        }));
    }

    fn random(&self, bytes: &mut [u8]) {
        self.inner.random(bytes);
    }
}

/// A store in the hands of one process.
pub(crate) struct SimStore {
    pub(crate) inner: Arc<dyn LocalStore>,
    pub(crate) process: Arc<Process>,
    pub(crate) shared: Arc<Shared>,
}

/// Keeps the lock in the process' hands.
struct SimLock(Arc<Process>);

impl SyncLock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        *guard(&self.0.lock) = None;
    }
}

impl SimStore {
    async fn moment(&self) {
        let wait = {
            let mut dice = guard(&self.process.dice);
            if self.shared.jitter && dice.chance(300) {
                dice.below(5)
            } else {
                0
            }
        };
        if wait > 0 {
            self.shared.runtime.sleep(Duration::from_millis(wait)).await;
        }
    }
}

#[portable_async]
impl LocalStore for SimStore {
    async fn open(&self, schema: &Schema) -> Result<Opened> {
        self.process.alive()?;
        self.inner.open(schema).await
    }

    async fn begin(&self, access: Access) -> Result<Box<dyn LocalTransaction>> {
        self.process.alive()?;
        let phase = match access {
            Access::App => Phase::Edit,
            Access::Read | Access::Sync { .. } => Phase::Upkeep,
        };
        if access != Access::Read {
            self.moment().await;
            self.process.alive()?;
            let drawn = self
                .shared
                .mischief
                .draw(&mut guard(&self.process.dice), &[Fault::Busy]);
            if let Some(fault) = drawn {
                self.shared.struck(fault, phase, &self.process.name);
                return Err(Error::transient(
                    "store_busy",
                    "another process of this world holds the database; try again",
                ));
            }
        }
        let inner = self.inner.begin(access).await?;
        self.process.alive()?;
        Ok(Box::new(SimTransaction {
            inner: Some(inner),
            writes: access != Access::Read,
            phase,
            process: self.process.clone(),
            shared: self.shared.clone(),
        }))
    }

    async fn try_lock(&self) -> Result<Option<Box<dyn SyncLock>>> {
        self.process.alive()?;
        let Some(lock) = self.inner.try_lock().await? else {
            return Ok(None);
        };
        *guard(&self.process.lock) = Some(lock);
        Ok(Some(Box::new(SimLock(self.process.clone()))))
    }

    async fn foreign_commits(&self) -> Result<u64> {
        self.process.alive()?;
        self.inner.foreign_commits().await
    }
}

struct SimTransaction {
    /// None once it is over.
    inner: Option<Box<dyn LocalTransaction>>,
    writes: bool,
    phase: Phase,
    process: Arc<Process>,
    shared: Arc<Shared>,
}

fn over() -> Error {
    Error::fatal(
        "transaction_over",
        "this transaction failed before and is undone; drop it and begin another one",
    )
}

impl SimTransaction {
    fn inner(&mut self) -> Result<&mut dyn LocalTransaction> {
        self.shared.called();
        if self.process.is_dead() {
            self.inner = None;
        }
        self.process.alive()?;
        match &mut self.inner {
            Some(inner) => Ok(inner.as_mut()),
            None => Err(over()),
        }
    }

    /// Comes before each write.
    fn step(&mut self, name: &str, on: &str) -> Result<&mut dyn LocalTransaction> {
        self.inner()?;
        if self.writes {
            self.phase = match (self.phase, name, on) {
                (Phase::Edit, _, _) => Phase::Edit,
                (_, "area_put", "outbox") => Phase::Cut,
                (_, "area_remove", "outbox") => Phase::Settle,
                (_, "area_put", "checkpoint") => Phase::Apply,
                (phase, _, _) => phase,
            };
            self.fail(&[Fault::CrashBefore, Fault::Full])?;
        }
        self.inner()
    }

    fn fail(&mut self, among: &[Fault]) -> Result<()> {
        let swept = self.shared.dies_here(false).then(|| among[0]);
        let drawn = swept.or_else(|| self.shared.mischief.draw(&mut guard(&self.process.dice), among));
        let Some(fault) = drawn else { return Ok(()) };
        self.shared.struck(fault, self.phase, &self.process.name);
        self.inner = None;
        if fault == Fault::Full {
            return Err(Error::transient(
                "disk_full",
                "the disk of this world is full; make room and try again",
            ));
        }
        self.process.die(&self.shared);
        Err(killed())
    }
}

#[portable_async]
impl LocalTransaction for SimTransaction {
    async fn get(&mut self, entity: &EntitySchema, keys: &[Key]) -> Result<Vec<Option<Row>>> {
        self.inner()?.get(entity, keys).await
    }

    async fn query(&mut self, entity: &EntitySchema, query: &Query) -> Result<Vec<Row>> {
        self.inner()?.query(entity, query).await
    }

    async fn count(&mut self, entity: &EntitySchema) -> Result<u64> {
        self.inner()?.count(entity).await
    }

    async fn keys_in(&mut self, entity: &EntitySchema, range: &KeyRange) -> Result<Vec<Key>> {
        self.inner()?.keys_in(entity, range).await
    }

    async fn insert(&mut self, entity: &EntitySchema, row: &Row) -> Result<Key> {
        self.step("insert", &entity.name)?.insert(entity, row).await
    }

    async fn put(&mut self, entity: &EntitySchema, attributes: &[usize], rows: &RowSet) -> Result<()> {
        self.step("put", &entity.name)?
            .put(entity, attributes, rows)
            .await
    }

    async fn remove(&mut self, entity: &EntitySchema, keys: &[Key]) -> Result<()> {
        self.step("remove", &entity.name)?.remove(entity, keys).await
    }

    async fn overlays(&mut self, entity: &EntitySchema, keys: &[Key]) -> Result<Vec<Option<Overlay>>> {
        self.inner()?.overlays(entity, keys).await
    }

    async fn overlays_in(
        &mut self,
        entity: &EntitySchema,
        range: &KeyRange,
        limit: usize,
    ) -> Result<Vec<Overlay>> {
        self.inner()?.overlays_in(entity, range, limit).await
    }

    async fn overlays_to_send(
        &mut self,
        entity: &EntitySchema,
        range: &KeyRange,
        limit: usize,
    ) -> Result<Vec<Overlay>> {
        self.inner()?.overlays_to_send(entity, range, limit).await
    }

    async fn count_waiting(&mut self, entity: &EntitySchema) -> Result<u64> {
        self.inner()?.count_waiting(entity).await
    }

    async fn put_overlay(&mut self, entity: &EntitySchema, overlay: &Overlay) -> Result<()> {
        self.step("put_overlay", &entity.name)?
            .put_overlay(entity, overlay)
            .await
    }

    async fn remove_overlay(&mut self, entity: &EntitySchema, key: &Key) -> Result<()> {
        self.step("remove_overlay", &entity.name)?
            .remove_overlay(entity, key)
            .await
    }

    async fn area_get(&mut self, area: &str, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.inner()?.area_get(area, key).await
    }

    async fn area_put(&mut self, area: &str, key: &[u8], value: &[u8]) -> Result<()> {
        self.step("area_put", area)?.area_put(area, key, value).await
    }

    async fn area_remove(&mut self, area: &str, key: &[u8]) -> Result<()> {
        self.step("area_remove", area)?.area_remove(area, key).await
    }

    async fn area_scan(
        &mut self,
        area: &str,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        self.inner()?.area_scan(area, after, limit).await
    }

    async fn area_count(&mut self, area: &str) -> Result<u64> {
        self.inner()?.area_count(area).await
    }

    async fn commit(mut self: Box<Self>) -> Result<()> {
        self.inner()?;
        if !self.writes {
            return Ok(());
        }
        self.fail(&[Fault::CrashBefore, Fault::Full])?;
        let Some(inner) = self.inner.take() else {
            return Err(over());
        };
        inner.commit().await?;
        self.fail(&[Fault::CrashAfter])
    }
}
