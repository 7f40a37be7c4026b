//! Random histories on the real engine, server and stores: several devices edit, delete, sync and lose messages. Then everything heals, and everybody
//! ends equal, with each value accounted for. A history that failed once is replayed for ever.

use crate::seeds;
use crate::world::{DETECTION, Device, FAMILY, Kind, LWW, World, assert_equal, fields, item, one};
use onsync_core::conflict::Resolution;
use onsync_core::handler::SyncDirection;
use onsync_core::schema::{EntitySchema, Ids, OnPendingConflicts};
use onsync_core::{Fields, Key, Value};
use onsync_testkit::fakes::Fate;
use proptest::prelude::*;
use std::collections::BTreeSet;

const DEVICES: usize = 3;

/// One thing that happens; records and devices by number.
#[derive(Clone, Debug)]
enum Act {
    Edit(usize, i64, bool),
    Delete(usize, i64),
    There(i64, bool),
    GoneThere(i64),
    Sync(usize),
    Part(usize, bool),
    Lost(usize, u8),
    Decide(usize, u8),
}

fn act() -> impl Strategy<Value = Act> {
    let device = 0..DEVICES;
    let id = 1..4i64;
    prop_oneof![
        5 => (device.clone(), id.clone(), any::<bool>()).prop_map(|(device, id, name)| Act::Edit(device, id, name)),
        1 => (device.clone(), id.clone()).prop_map(|(device, id)| Act::Delete(device, id)),
        1 => (id.clone(), any::<bool>()).prop_map(|(id, name)| Act::There(id, name)),
        1 => id.prop_map(Act::GoneThere),
        4 => device.clone().prop_map(Act::Sync),
        2 => (device.clone(), any::<bool>()).prop_map(|(device, push)| Act::Part(device, push)),
        3 => (device.clone(), 0..5u8).prop_map(|(device, fate)| Act::Lost(device, fate)),
        2 => (device, 0..3u8).prop_map(|(device, how)| Act::Decide(device, how)),
    ]
}

/// What a history leaves behind beside the world: the values devices wrote, and those the server ever held.
struct Told {
    written: BTreeSet<(usize, String)>,
    there: BTreeSet<String>,
}

impl Told {
    fn look(&mut self, world: &World) {
        let rows = world.contents("Item");
        self.there
            .extend(rows.values().flatten().map(ToString::to_string));
    }
}

fn value(name: bool, text: String) -> Fields {
    Fields::new().with(if name { "name" } else { "note" }, text)
}

/// The app writes: what it wrote before into this attribute of this record is replaced by its own later edit.
fn edit(device: &Device, who: usize, id: i64, name: bool, step: usize, told: &mut Told) {
    let text = format!("d{who}s{step}");
    let attribute = if name { "name" } else { "note" };
    match device.get("Item", id) {
        Some(before) => {
            told.written.remove(&(who, before.value(attribute).to_string()));
            device.update("Item", id, &value(name, text.clone()));
        }
        None => {
            let new = fields(id, "made", 1).with(attribute, text.clone());
            device.create("Item", &new);
        }
    }
    told.written.insert((who, text));
}

/// A person decides the first conflict that is not in flight; false if there is none.
fn decide(device: &Device, how: u8, step: usize) -> bool {
    device.conflicts().into_iter().any(|conflict| {
        let resolution = match how {
            0 => Resolution::KeepMine,
            1 => Resolution::TakeTheirs,
            _ => Resolution::Merge(value(true, format!("merged {step}"))),
        };
        match device.try_resolve("Item", conflict.key, resolution) {
            Ok(_) => true,
            Err(error) => {
                assert_eq!(error.code(), "conflict_in_flight");
                false
            }
        }
    })
}

fn live(world: &World, devices: &[Device], acts: &[Act], told: &mut Told) {
    for (step, act) in acts.iter().enumerate() {
        match act {
            Act::Edit(who, id, name) => edit(&devices[*who], *who, *id, *name, step, told),
            Act::Delete(who, id) => {
                if let Some(before) = devices[*who].get("Item", *id) {
                    for attribute in ["name", "note"] {
                        told.written.remove(&(*who, before.value(attribute).to_string()));
                    }
                    devices[*who].delete("Item", *id);
                }
            }
            Act::There(id, name) => {
                let written = value(*name, format!("there {step}")).with("id", *id);
                world.put("Item", &written);
            }
            Act::GoneThere(id) => world.delete("Item", *id),
            Act::Sync(who) => drop(devices[*who].try_sync()),
            Act::Part(who, push) => {
                let direction = if *push {
                    SyncDirection::Push
                } else {
                    SyncDirection::Pull
                };
                drop(devices[*who].try_sync_in(direction));
            }
            Act::Lost(who, fate) => {
                let fate = match fate {
                    0 => Fate::DropRequest,
                    1 => Fate::DropAnswer,
                    2 => Fate::Duplicate,
                    3 => Fate::TruncateAfter(1),
                    _ => Fate::TruncateAfter(2),
                };
                devices[*who].lossy.script([fate]);
                drop(devices[*who].try_sync());
            }
            Act::Decide(who, how) => drop(decide(&devices[*who], *how, step)),
        }
        told.look(world);
    }
}

/// Everything works again: conflicts are decided until none is left.
fn heal(world: &World, devices: &[Device], told: &mut Told) {
    for round in 0..12 {
        for (who, device) in devices.iter().enumerate() {
            drop(device.try_sync());
            told.look(world);
            let how = u8::try_from((round + who) % 3).unwrap_or(0);
            while round > 0 && decide(device, how, 1_000 + round) {}
        }
    }
    for device in devices {
        device.sync();
        told.look(world);
    }
}

fn history(kind: Kind, entity: EntitySchema, acts: &[Act]) {
    let mut world = World::new(kind, one(entity));
    world.fill(2);
    let devices: Vec<Device> = (0..DEVICES).map(|_| world.device()).collect();
    let mut told = Told {
        written: BTreeSet::new(),
        there: BTreeSet::new(),
    };
    for device in &devices {
        device.sync();
    }
    live(&world, &devices, acts, &mut told);
    heal(&world, &devices, &mut told);
    for device in &devices {
        assert_eq!(device.conflicts(), []);
        assert_equal(&world, device);
    }
    for (who, text) in told.written {
        let bin = devices[who].run(devices[who].syncer.bin(1_000)).unwrap();
        let binned = bin.iter().any(|entry| {
            entry
                .values
                .iter()
                .any(|(_, value)| *value == Value::Text(text.clone()))
        });
        assert!(
            told.there.contains(&text) || binned,
            "{text}, written by device {who}, is nowhere: {:?}",
            world.contents("Item").get(&Key::one(1i64))
        );
    }
}

fn entity(pattern: &str, pending: OnPendingConflicts) -> EntitySchema {
    EntitySchema {
        on_pending_conflicts: pending,
        ..item(pattern, Ids::Client)
    }
}

/// Histories that failed once, shrunk.
fn failed_once() -> Vec<Vec<Act>> {
    use Act::{Decide, Delete, Edit, GoneThere, Lost, Part, Sync};
    vec![
        vec![
            Edit(2, 1, false),
            Delete(0, 1),
            Sync(0),
            Lost(2, 0),
            Part(2, false),
        ],
        vec![
            GoneThere(2),
            Edit(2, 2, false),
            Sync(2),
            Delete(2, 2),
            Decide(2, 2),
        ],
    ]
}

#[test]
fn histories_that_failed_once_converge() {
    for kind in [Kind::Memory, Kind::Sqlite] {
        for (pattern, pending) in [
            (LWW, OnPendingConflicts::Abort),
            (FAMILY, OnPendingConflicts::Abort),
            (DETECTION, OnPendingConflicts::Continue),
            (DETECTION, OnPendingConflicts::Abort),
        ] {
            for acts in failed_once() {
                history(kind, entity(pattern, pending), &acts);
            }
        }
    }
}

fn check(kind: Kind, cases: u32, entity: &EntitySchema) {
    let acts = proptest::collection::vec(act(), 1..40);
    seeds::check(cases, &acts, |acts| history(kind, entity.clone(), &acts));
}

#[test]
fn slow_last_write_wins_converges_after_any_history() {
    let entity = entity(LWW, OnPendingConflicts::Abort);
    check(Kind::Memory, 100, &entity);
    check(Kind::Sqlite, 6, &entity);
}

#[test]
fn slow_one_to_many_converges_after_any_history() {
    check(Kind::Memory, 100, &entity(FAMILY, OnPendingConflicts::Abort));
}

#[test]
fn slow_conflict_detection_converges_after_any_history() {
    let entity = entity(DETECTION, OnPendingConflicts::Continue);
    check(Kind::Memory, 100, &entity);
    check(Kind::Sqlite, 6, &entity);
}

#[test]
fn slow_conflict_detection_that_aborts_converges_after_any_history() {
    check(Kind::Memory, 100, &entity(DETECTION, OnPendingConflicts::Abort));
}
