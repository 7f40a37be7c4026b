//! Scenario 30: the future of a sync is dropped at every call it makes of its store and its transport, before and after.

use crate::world::*;
use onsync_core::conflict::Resolution;
use onsync_core::handler::SyncDirection;
use onsync_core::page::KeyRange;
use onsync_core::query::Query;
use onsync_core::rows::RowSet;
use onsync_core::schema::{EntitySchema, Ids, Schema};
use onsync_core::store::local::{Access, LocalStore, LocalTransaction, Opened, Overlay, SyncLock};
use onsync_core::transport::{Answer, Exchange, Transport};
use onsync_core::wire::{AnswerFrame, Health};
use onsync_core::{Fields, Key, Result, Row, portable_async};
use onsync_engine::sync::Limits;
use onsync_testkit::fakes::InProcess;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Waker};

/// Counts the points at which a sync waits, and never lets it get past one of them.
struct Gate {
    closed_at: u64,
    passed: AtomicU64,
}

impl Gate {
    async fn pass(&self) {
        if self.passed.fetch_add(1, Ordering::Relaxed) + 1 == self.closed_at {
            std::future::pending::<()>().await;
        }
    }

    /// Around one call: before it is made, and when it is done but not told.
    async fn around<T>(&self, call: impl Future<Output = T>) -> T {
        self.pass().await;
        let done = call.await;
        self.pass().await;
        done
    }
}

struct GatedStore(Arc<dyn LocalStore>, Arc<Gate>);

#[portable_async]
impl LocalStore for GatedStore {
    async fn open(&self, schema: &Schema) -> Result<Opened> {
        self.0.open(schema).await
    }

    async fn begin(&self, access: Access) -> Result<Box<dyn LocalTransaction>> {
        let inner = self.1.around(self.0.begin(access)).await?;
        Ok(Box::new(GatedTransaction(inner, self.1.clone())))
    }

    async fn try_lock(&self) -> Result<Option<Box<dyn SyncLock>>> {
        self.1.around(self.0.try_lock()).await
    }

    async fn foreign_commits(&self) -> Result<u64> {
        self.0.foreign_commits().await
    }
}

/// What a store may answer by itself goes through what it must answer: that makes more points to stop at.
struct GatedTransaction(Box<dyn LocalTransaction>, Arc<Gate>);

#[portable_async]
impl LocalTransaction for GatedTransaction {
    async fn get(&mut self, entity: &EntitySchema, keys: &[Key]) -> Result<Vec<Option<Row>>> {
        self.1.around(self.0.get(entity, keys)).await
    }

    async fn query(&mut self, entity: &EntitySchema, query: &Query) -> Result<Vec<Row>> {
        self.1.around(self.0.query(entity, query)).await
    }

    async fn count(&mut self, entity: &EntitySchema) -> Result<u64> {
        self.1.around(self.0.count(entity)).await
    }

    async fn keys_in(&mut self, entity: &EntitySchema, range: &KeyRange) -> Result<Vec<Key>> {
        self.1.around(self.0.keys_in(entity, range)).await
    }

    async fn insert(&mut self, entity: &EntitySchema, row: &Row) -> Result<Key> {
        self.1.around(self.0.insert(entity, row)).await
    }

    async fn put(&mut self, entity: &EntitySchema, attributes: &[usize], rows: &RowSet) -> Result<()> {
        self.1.around(self.0.put(entity, attributes, rows)).await
    }

    async fn remove(&mut self, entity: &EntitySchema, keys: &[Key]) -> Result<()> {
        self.1.around(self.0.remove(entity, keys)).await
    }

    async fn overlays(&mut self, entity: &EntitySchema, keys: &[Key]) -> Result<Vec<Option<Overlay>>> {
        self.1.around(self.0.overlays(entity, keys)).await
    }

    async fn overlays_in(
        &mut self,
        entity: &EntitySchema,
        range: &KeyRange,
        limit: usize,
    ) -> Result<Vec<Overlay>> {
        self.1.around(self.0.overlays_in(entity, range, limit)).await
    }

    async fn put_overlay(&mut self, entity: &EntitySchema, overlay: &Overlay) -> Result<()> {
        self.1.around(self.0.put_overlay(entity, overlay)).await
    }

    async fn remove_overlay(&mut self, entity: &EntitySchema, key: &Key) -> Result<()> {
        self.1.around(self.0.remove_overlay(entity, key)).await
    }

    async fn area_get(&mut self, area: &str, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.1.around(self.0.area_get(area, key)).await
    }

    async fn area_put(&mut self, area: &str, key: &[u8], value: &[u8]) -> Result<()> {
        self.1.around(self.0.area_put(area, key, value)).await
    }

    async fn area_remove(&mut self, area: &str, key: &[u8]) -> Result<()> {
        self.1.around(self.0.area_remove(area, key)).await
    }

    async fn area_scan(
        &mut self,
        area: &str,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        self.1.around(self.0.area_scan(area, after, limit)).await
    }

    async fn commit(self: Box<Self>) -> Result<()> {
        let Self(inner, gate) = *self;
        gate.around(inner.commit()).await
    }
}

struct GatedTransport(InProcess, Arc<Gate>);

#[portable_async]
impl Transport for GatedTransport {
    async fn exchange(&self, exchange: Exchange) -> Result<Box<dyn Answer>> {
        let inner = self.1.around(self.0.exchange(exchange)).await?;
        Ok(Box::new(GatedAnswer(inner, self.1.clone())))
    }

    async fn health(&self) -> Result<Health> {
        self.0.health().await
    }
}

struct GatedAnswer(Box<dyn Answer>, Arc<Gate>);

#[portable_async]
impl Answer for GatedAnswer {
    async fn next(&mut self) -> Result<Option<AnswerFrame>> {
        self.1.around(self.0.next()).await
    }

    fn bytes(&self) -> u64 {
        self.0.bytes()
    }
}

fn small_pages() -> Limits {
    Limits {
        page_rows: 10,
        max_mutations: 4,
        ..Limits::default()
    }
}

const ALL: [&str; 5] = [READ_ONLY, OPTIMIZED, LWW, DETECTION, FAMILY];
const TWO_WAY: [&str; 3] = [LWW, DETECTION, FAMILY];

/// A device with 24 records, edits of its own, and changes by others: one conflict under conflict detection.
fn prepare(kind: Kind, pattern: &str) -> (World, Device) {
    let mut world = World::new(kind, one(item(pattern, Ids::Client)));
    world.fill(24);
    let device = world.device_with(small_pages());
    device.sync();
    if TWO_WAY.contains(&pattern) {
        for id in 1..=4 {
            device.update("Item", id, &Fields::new().with("name", format!("mine {id}")));
        }
        device.delete("Item", 5i64);
        device.create("Item", &fields(50, "made", 50));
    }
    for id in [4, 10, 11, 12] {
        world.put("Item", &fields(id, &format!("theirs {id}"), -id));
    }
    world.delete("Item", 13);
    world.put("Item", &fields(60, "made there", 60));
    (world, device)
}

/// Drops a sync at the `at`th point, and says whether there was one.
fn drop_at(kind: Kind, pattern: &str, at: u64) -> bool {
    let (world, device) = prepare(kind, pattern);
    let gate = Arc::new(Gate {
        closed_at: at,
        passed: AtomicU64::new(0),
    });
    let mut gated = device.syncer.clone();
    gated.store = Arc::new(GatedStore(device.store.clone(), gate.clone()));
    gated.transport = Arc::new(GatedTransport(InProcess::new(world.service.clone()), gate));
    let dropped = {
        let step = device.step(SyncDirection::Both);
        let sink = |_| {};
        let sync = pin!(async {
            let fence = gated.take_over().await?;
            gated.run(fence, &step, &sink).await
        });
        // Nothing but the gate ever keeps it waiting.
        sync.poll(&mut Context::from_waker(Waker::noop())).is_pending()
    };
    drop(gated);
    // Half of them as the process goes on, half as it is started again.
    let device = match at % 2 {
        0 => device,
        _ => world.restarted(device, small_pages()),
    };
    let place = format!("{pattern}, dropped at {at}");
    let settle = || {
        for _ in 0..2 {
            if let Err(error) = device.try_sync() {
                assert_eq!(error.code(), "conflicts_pending", "{place}");
            }
        }
    };
    settle();
    let conflicts = device.conflicts();
    assert_eq!(conflicts.len(), usize::from(pattern == DETECTION), "{place}");
    for conflict in conflicts {
        device.resolve("Item", conflict.key, Resolution::KeepMine);
        settle();
    }
    assert_equal(&world, &device);
    let there = world.contents("Item");
    let name = |id: i64| there.get(&Key::one(id)).map(|row| row[1].clone());
    assert_eq!(name(10), Some("theirs 10".into()), "{place}");
    assert_eq!(name(13), None, "{place}");
    if TWO_WAY.contains(&pattern) {
        for id in 1..=4 {
            assert_eq!(name(id), Some(format!("mine {id}").into()), "{place}");
        }
        assert_eq!((name(5), name(50)), (None, Some("made".into())), "{place}");
    }
    dropped
}

#[test]
fn a_sync_dropped_at_every_point_leaves_a_valid_state() {
    for pattern in ALL {
        let points = (1..).take_while(|at| drop_at(Kind::Memory, pattern, *at)).count();
        println!("{pattern}: dropped at {points} points");
        assert!(points > 40, "{pattern}: only {points} points were reached");
    }
}

/// On files every seventh of the same points.
#[test]
fn slow_a_sync_dropped_at_many_points_leaves_a_valid_file() {
    for pattern in ALL {
        let points = (3..)
            .step_by(7)
            .take_while(|at| drop_at(Kind::Sqlite, pattern, *at))
            .count();
        println!("{pattern}: dropped at {points} points");
        assert!(points > 6, "{pattern}: only {points} points were reached");
    }
}
