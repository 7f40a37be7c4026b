//! Scenario 9, for the patterns that write: the server dies at a write of a push, before or after it, one write after the other.

use crate::world::*;
use onsync_core::Fields;
use onsync_core::memory::faults::{Moment, StoreStep, crashed};
use onsync_core::schema::{EntitySchema, Ids, OnPendingConflicts};
use onsync_engine::sync::Limits;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Says whether the push got as far as that write.
fn dies_at(pattern: &str, ids: Ids, moment: Moment, at: u64) -> bool {
    let entity = EntitySchema {
        on_pending_conflicts: OnPendingConflicts::Continue,
        ..item(pattern, ids)
    };
    let mut world = World::new(Kind::Memory, one(entity));
    world.fill(3);
    let device = world.device();
    device.sync();
    let created = match ids {
        Ids::Client => fields(50, "made", 1),
        Ids::Server => Fields::new().with("name", "made").with("amount", 1i64),
    };
    device.create("Item", &created);
    device.update("Item", 1i64, &Fields::new().with("name", "changed"));
    device.delete("Item", 2i64);
    let Database::Memory(store) = &world.database else {
        panic!("a world in memory")
    };
    let reached = Arc::new(AtomicBool::new(false));
    let seen = reached.clone();
    let failing = store.clone().with_faults(Arc::new(move |step: &StoreStep| {
        let dies = step.number >= at && step.moment == moment;
        seen.fetch_or(dies, Ordering::Relaxed);
        dies.then(crashed)
    }));
    let healthy = world.service.clone();
    if let Ok(dying) = world.run(serve(&world.schema, Arc::new(failing))) {
        world.service = Arc::new(dying);
    }
    let device = world.restarted(device, Limits::default());
    // Whatever this answers, the answer may be lost.
    let _ = device.try_sync();
    world.service = healthy;
    let device = world.restarted(device, Limits::default());
    device.sync();
    device.sync();
    let label = format!("{pattern} {ids:?} {moment:?} {at}");
    assert_eq!(device.conflicts(), [], "{label}");
    assert!(
        device.run(device.syncer.rejected(10)).unwrap().is_empty(),
        "{label}"
    );
    let there = world.contents("Item");
    let named = |name: &str| there.values().filter(|row| row[1] == name.into()).count();
    assert_eq!(
        (there.len(), named("made"), named("changed")),
        (3, 1, 1),
        "{label}"
    );
    assert_eq!(device.overlays("Item"), [], "{label}");
    assert_eq!(device.contents("Item").len(), 3, "{label}");
    reached.load(Ordering::Relaxed)
}

#[test]
fn a_server_that_dies_at_any_write_leaves_effect_and_receipt_or_neither() {
    for pattern in WRITING {
        for ids in [Ids::Client, Ids::Server] {
            for moment in [Moment::Before, Moment::After] {
                let writes = (1..).take_while(|at| dies_at(pattern, ids, moment, *at)).count();
                assert!(writes > 8, "{pattern}: only {writes} writes");
            }
        }
    }
}
