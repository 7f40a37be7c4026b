//! The server's store: it takes moments, fails, and tells the ledger what each commit did.

use crate::fault::{Fault, Phase};
use crate::ledger::{Author, Deed, Write};
use crate::shared::{Shared, guard};
use onsync_core::memory::faults::killed;
use onsync_core::page::KeyRange;
use onsync_core::runtime::Runtime as _;
use onsync_core::schema::{EntitySchema, Schema};
use onsync_core::store::server::{
    Attached, DeltaRows, Extent, PageLimit, ServerSnapshot, ServerStore, ServerTransaction, SnapshotRows,
};
use onsync_core::{Error, Fields, Key, Result, Value, portable_async};
use onsync_testkit::fakes::Dice;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The pattern that never decides a conflict by itself, where it is among those of a world.
const DECIDES_NOTHING: &str = "read-write-conflict-detection";

/// The database in the hands of the server's process.
pub(crate) struct SimServerStore {
    pub(crate) inner: Arc<dyn ServerStore>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) dice: Arc<Mutex<Dice>>,
}

/// Ends what the process of an earlier life still does.
fn alive(shared: &Shared, life: u64) -> Result<()> {
    if shared.server_life.load(Ordering::Relaxed) == life {
        Ok(())
    } else {
        Err(killed())
    }
}

impl SimServerStore {
    async fn moment(&self) {
        let wait = {
            let mut dice = guard(&self.dice);
            if self.shared.jitter && dice.chance(300) {
                dice.below(8)
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
impl ServerStore for SimServerStore {
    async fn attach(&self, schema: &Schema) -> Result<Attached> {
        self.inner.attach(schema).await
    }

    async fn read(&self) -> Result<Box<dyn ServerSnapshot>> {
        let life = self.shared.server_life.load(Ordering::Relaxed);
        self.moment().await;
        alive(&self.shared, life)?;
        Ok(Box::new(SimSnapshot {
            inner: self.inner.read().await?,
            shared: self.shared.clone(),
            life,
        }))
    }

    async fn write(&self) -> Result<Box<dyn ServerTransaction>> {
        let life = self.shared.server_life.load(Ordering::Relaxed);
        self.moment().await;
        alive(&self.shared, life)?;
        let drawn = self
            .shared
            .mischief
            .draw(&mut guard(&self.dice), &[Fault::ServerBusy]);
        if let Some(fault) = drawn {
            self.shared.struck(fault, Phase::Bookkeeping, "server");
            return Err(Error::transient(
                "store_busy",
                "somebody else holds the server's database; try again",
            ));
        }
        let inner = self.inner.write().await?;
        alive(&self.shared, life)?;
        Ok(Box::new(SimServerTransaction {
            inner: Some(inner),
            shared: self.shared.clone(),
            dice: self.dice.clone(),
            life,
            phase: Phase::Bookkeeping,
            writes: Vec::new(),
            mark: 0,
        }))
    }

    async fn prune(&self, up_to: u64) -> Result<u64> {
        self.inner.prune(up_to).await
    }
}

struct SimSnapshot {
    inner: Box<dyn ServerSnapshot>,
    shared: Arc<Shared>,
    life: u64,
}

#[portable_async]
impl ServerSnapshot for SimSnapshot {
    async fn position(&mut self) -> Result<u64> {
        alive(&self.shared, self.life)?;
        self.inner.position().await
    }

    async fn newest(&mut self, entity: &EntitySchema) -> Result<u64> {
        alive(&self.shared, self.life)?;
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
        alive(&self.shared, self.life)?;
        self.inner.snapshot(extent, range, limit).await
    }

    async fn delta(&mut self, extent: &Extent<'_>, after: u64, limit: PageLimit) -> Result<DeltaRows> {
        alive(&self.shared, self.life)?;
        self.inner.delta(extent, after, limit).await
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

struct SimServerTransaction {
    inner: Option<Box<dyn ServerTransaction>>,
    shared: Arc<Shared>,
    dice: Arc<Mutex<Dice>>,
    life: u64,
    phase: Phase,
    /// What the ledger is told at the commit.
    writes: Vec<Write>,
    mark: usize,
}

impl SimServerTransaction {
    fn inner(&mut self) -> Result<&mut dyn ServerTransaction> {
        let lives = alive(&self.shared, self.life);
        if lives.is_err() {
            self.inner = None;
        }
        lives?;
        match &mut self.inner {
            Some(inner) => Ok(inner.as_mut()),
            None => Err(Error::fatal(
                "transaction_over",
                "this transaction failed before and is undone; drop it and begin another one",
            )),
        }
    }

    fn step(&mut self, area: &str) -> Result<&mut dyn ServerTransaction> {
        self.inner()?;
        if matches!(area, "receipt" | "receipt_by_instance" | "") {
            self.phase = Phase::Effect;
        }
        self.fail(&[Fault::ServerCrashBefore, Fault::ServerFull])?;
        self.inner()
    }

    fn fail(&mut self, among: &[Fault]) -> Result<()> {
        let swept = self.shared.dies_here(true).then(|| among[0]);
        let drawn = swept.or_else(|| self.shared.mischief.draw(&mut guard(&self.dice), among));
        let Some(fault) = drawn else { return Ok(()) };
        self.shared.struck(fault, self.phase, "server");
        self.inner = None;
        if fault == Fault::ServerFull {
            return Err(Error::transient(
                "disk_full",
                "the disk of this world's server is full; make room and try again",
            ));
        }
        self.shared.server_dies();
        Err(killed())
    }

    fn note(&mut self, entity: &EntitySchema, key: &Key, deed: Deed) {
        self.writes.push(Write {
            entity: entity.name.clone(),
            key: key.clone(),
            deed,
        });
    }
}

#[portable_async]
impl ServerTransaction for SimServerTransaction {
    async fn get(
        &mut self,
        entity: &EntitySchema,
        attributes: &[usize],
        key: &Key,
    ) -> Result<Option<Fields>> {
        self.inner()?.get(entity, attributes, key).await
    }

    async fn insert(&mut self, entity: &EntitySchema, fields: &Fields) -> Result<Key> {
        let key = self.step("")?.insert(entity, fields).await?;
        self.note(entity, &key, Deed::Insert(fields.clone()));
        Ok(key)
    }

    async fn update(&mut self, entity: &EntitySchema, key: &Key, fields: &Fields) -> Result<()> {
        if entity.pattern == DECIDES_NOTHING {
            let all: Vec<usize> = (0..entity.attributes.len())
                .filter(|index| !entity.attributes[*index].local)
                .collect();
            let before = self.inner()?.get(entity, &all, key).await?.unwrap_or_default();
            let write = Write {
                entity: entity.name.clone(),
                key: key.clone(),
                deed: Deed::Update(fields.clone()),
            };
            self.shared.ledger().goes_over(&write, &before);
        }
        self.step("")?.update(entity, key, fields).await?;
        self.note(entity, key, Deed::Update(fields.clone()));
        Ok(())
    }

    async fn delete(&mut self, entity: &EntitySchema, key: &Key) -> Result<()> {
        let all: Vec<usize> = (0..entity.attributes.len())
            .filter(|index| !entity.attributes[*index].local)
            .collect();
        let before = self.inner()?.get(entity, &all, key).await?;
        self.step("")?.delete(entity, key).await?;
        self.note(entity, key, Deed::Delete(before.unwrap_or_default()));
        Ok(())
    }

    async fn referring(
        &mut self,
        entity: &EntitySchema,
        attribute: usize,
        value: &Value,
        limit: usize,
    ) -> Result<Vec<Key>> {
        self.inner()?.referring(entity, attribute, value, limit).await
    }

    async fn position(&mut self) -> Result<u64> {
        self.inner()?.position().await
    }

    async fn savepoint(&mut self) -> Result<()> {
        self.mark = self.writes.len();
        self.inner()?.savepoint().await
    }

    async fn undo(&mut self) -> Result<()> {
        self.inner()?.undo().await?;
        self.writes.truncate(self.mark);
        Ok(())
    }

    async fn area_get(&mut self, area: &str, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.inner()?.area_get(area, key).await
    }

    async fn area_insert(&mut self, area: &str, key: &[u8], value: &[u8]) -> Result<bool> {
        self.step(area)?.area_insert(area, key, value).await
    }

    async fn area_put(&mut self, area: &str, key: &[u8], value: &[u8]) -> Result<()> {
        self.step(area)?.area_put(area, key, value).await
    }

    async fn area_remove(&mut self, area: &str, key: &[u8]) -> Result<()> {
        self.step(area)?.area_remove(area, key).await
    }

    async fn area_scan(
        &mut self,
        area: &str,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        self.inner()?.area_scan(area, after, limit).await
    }

    async fn commit(mut self: Box<Self>) -> Result<()> {
        self.inner()?;
        self.fail(&[Fault::ServerCrashBefore, Fault::ServerFull])?;
        let writes = std::mem::take(&mut self.writes);
        if let Some(inner) = self.inner.take() {
            inner.commit().await?;
        }
        for write in &writes {
            self.shared.trace.say(|| format!("server: {write}"));
        }
        self.shared.ledger().committed(Author::Sync, writes);
        self.fail(&[Fault::ServerCrashAfter])
    }
}
