//! Scenarios of kills, cancellation and failing stores.

use crate::world::*;
use onsync_core::handler::SyncDirection;
use onsync_core::memory::faults::{StoreStep, crashed};
use onsync_core::memory::local::MemoryStore;
use onsync_core::schema::Ids;
use onsync_core::{Error, Fields, Key};
use onsync_engine::sync::Limits;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

fn small_pages() -> Limits {
    Limits {
        page_rows: 10,
        max_mutations: 7,
        ..Limits::default()
    }
}

/// Edits of all kinds on a device that has ten pages of records.
fn prepare(world: &World, device: &Device) {
    device.sync();
    for id in 1..=12 {
        device.update("Item", id, &Fields::new().with("name", format!("mine {id}")));
    }
    for id in 13..=18 {
        device.delete("Item", id);
    }
    for id in 500..=505 {
        device.create("Item", &fields(id, "made", id));
    }
    for id in 10..=40 {
        world.put("Item", &fields(id, &format!("theirs {id}"), -id));
    }
    for id in 60..=70 {
        world.delete("Item", id);
    }
}

/// Runs the scenario with a failure at the `at`th write of the device's store, and says whether that step was reached.
fn run_with_fault(pattern: &str, at: u64, error: fn() -> Error) -> bool {
    let mut world = World::new(Kind::Memory, one(item(pattern, Ids::Client)));
    world.fill(100);
    let clean = world.device_with(small_pages());
    let plain = MemoryStore::new(5);
    let device = world.device_on(Arc::new(plain.clone()), small_pages());
    if pattern == LWW {
        prepare(&world, &device);
    }
    let reached = Arc::new(AtomicU64::new(0));
    let seen = reached.clone();
    let faulty = plain.clone().with_faults(Arc::new(move |step: &StoreStep| {
        seen.store(step.number, Ordering::Relaxed);
        (step.number == at).then(error)
    }));
    let broken = world.device_on(Arc::new(faulty), small_pages());
    let result = broken.try_sync();
    let hit = reached.load(Ordering::Relaxed) >= at;
    assert_eq!(result.is_err(), hit, "a store that fails makes the sync fail");
    let again = world.device_on(Arc::new(plain.reopen()), small_pages());
    again.sync();
    again.sync();
    assert_equal(&world, &again);
    clean.sync();
    assert_equal(&world, &clean);
    if pattern == LWW {
        let there = world.contents("Item");
        assert_eq!(there[&Key::one(1i64)][1], "mine 1".into());
        assert_eq!(there[&Key::one(12i64)][1], "mine 12".into());
        assert!((13..=18i64).all(|id| !there.contains_key(&Key::one(id))));
        assert!((500..=505i64).all(|id| there.contains_key(&Key::one(id))));
    }
    hit
}

/// Scenario 3, 4 and 28: every store write of a sync fails once, one by one, before and after commits.
#[test]
fn a_failure_at_every_store_write_is_survived() {
    for pattern in [READ_ONLY, OPTIMIZED, LWW] {
        let mut at = 1;
        while run_with_fault(pattern, at, crashed) {
            at += 1;
        }
        assert!(at > 20, "{pattern}: only {at} steps were reached");
    }
}

/// Scenario 27 in one process: a sync that lost its lock changes nothing when it goes on.
#[test]
fn a_sync_that_was_taken_over_changes_nothing() {
    for kind in [Kind::Memory, Kind::Sqlite] {
        let mut world = World::new(kind, one(item(LWW, Ids::Client)));
        world.fill(5);
        let device = world.device();
        let frozen = device.run(device.take_over()).unwrap();
        let other = world.device_on(device.store.clone(), Limits::default());
        other.sync();
        device.update("Item", 1i64, &Fields::new().with("name", "mine"));
        let step = device.step(SyncDirection::Both);
        let error = device.run(device.syncer.run(frozen, &step, &|_| {})).unwrap_err();
        assert_eq!(error.code(), "another_process_syncs");
        assert_eq!(device.waiting(), 1);
        device.sync();
        assert_equal(&world, &device);
    }
}
