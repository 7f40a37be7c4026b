//! Random histories of record families: several devices make, edit, move and delete at every level, other programs delete too, messages
//! get lost. Then everything heals and what was refused is given up: everybody ends equal, and nothing on the server is an orphan.

use crate::seeds;
use crate::world::{Device, FAMILY, Kind, World, assert_equal};
use onsync_core::schema::{Attribute, EntitySchema, OnDelete, Relation, Schema};
use onsync_core::{Fields, Key, Value, ValueType};
use onsync_engine::sync::Limits;
use onsync_testkit::fakes::Fate;
use proptest::prelude::*;

const DEVICES: usize = 3;
/// Each the child of the one before.
const LEVELS: [&str; 3] = ["Company", "Contact", "Note"];

/// One thing that happens; records, devices and levels by number.
#[derive(Clone, Debug)]
enum Act {
    /// Makes or edits a record, under this parent.
    Write(usize, usize, i64, i64),
    Edit(usize, usize, i64),
    Delete(usize, usize, i64),
    GoneThere(usize, i64),
    Sync(usize),
    Lost(usize, u8),
}

fn act() -> impl Strategy<Value = Act> {
    let (device, level, id) = (0..DEVICES, 0..LEVELS.len(), 1..4i64);
    prop_oneof![
        6 => (device.clone(), level.clone(), id.clone(), 1..4i64)
            .prop_map(|(device, level, id, up)| Act::Write(device, level, id, up)),
        3 => (device.clone(), level.clone(), id.clone()).prop_map(|(device, level, id)| Act::Edit(device, level, id)),
        2 => (device.clone(), level.clone(), id.clone()).prop_map(|(device, level, id)| Act::Delete(device, level, id)),
        1 => (level, id).prop_map(|(level, id)| Act::GoneThere(level, id)),
        4 => device.clone().prop_map(Act::Sync),
        3 => (device, 0..6u8).prop_map(|(device, fate)| Act::Lost(device, fate)),
    ]
}

fn schema(rule: OnDelete) -> Schema {
    let entity = |name: &&str| {
        let attributes = vec![
            Attribute::new("id", ValueType::Integer),
            Attribute::new("up", ValueType::Integer),
            Attribute::new("name", ValueType::Text),
        ];
        EntitySchema::new(*name, FAMILY, &["id"], attributes)
    };
    let relation = |pair: &[&str]| Relation {
        name: pair.join("-"),
        child: pair[1].to_owned(),
        attribute: "up".to_owned(),
        parent: pair[0].to_owned(),
        on_delete: rule,
    };
    Schema {
        entities: LEVELS.iter().map(entity).collect(),
        relations: LEVELS.windows(2).map(relation).collect(),
    }
}

fn write(device: &Device, level: usize, id: i64, up: i64, name: String) {
    let up = match level {
        0 => Value::Null,
        _ => Value::Integer(up),
    };
    let fields = Fields::new().with("up", up).with("name", name);
    match device.get(LEVELS[level], id) {
        Some(_) => device.update(LEVELS[level], id, &fields),
        None => drop(device.create(LEVELS[level], &fields.with("id", id))),
    }
}

/// As another program does it; where the database's foreign keys refuse, nothing happens.
fn gone_there(world: &World, level: usize, id: i64) {
    let children = LEVELS.get(level + 1).map(|child| world.contents(child));
    let referred = children.is_some_and(|rows| rows.values().any(|row| row[1] == Value::Integer(id)));
    let restricted = world.schema.relations[0].on_delete == OnDelete::Restrict;
    if !(referred && restricted) && world.contents(LEVELS[level]).contains_key(&Key::one(id)) {
        world.delete(LEVELS[level], id);
    }
}

fn live(world: &World, devices: &[Device], acts: &[Act]) {
    for (step, act) in acts.iter().enumerate() {
        match act {
            Act::Write(who, level, id, up) => {
                write(&devices[*who], *level, *id, *up, format!("d{who}s{step}"));
            }
            Act::Edit(who, level, id) => {
                if devices[*who].get(LEVELS[*level], *id).is_some() {
                    let name = Fields::new().with("name", format!("d{who}s{step}"));
                    devices[*who].update(LEVELS[*level], *id, &name);
                }
            }
            Act::Delete(who, level, id) => devices[*who].delete(LEVELS[*level], *id),
            Act::GoneThere(level, id) => gone_there(world, *level, *id),
            Act::Sync(who) => drop(devices[*who].try_sync()),
            Act::Lost(who, fate) => {
                let fate = match fate {
                    0 => Fate::DropRequest,
                    1 => Fate::DropAnswer,
                    2 => Fate::Duplicate,
                    fate => Fate::TruncateAfter(usize::from(*fate)),
                };
                devices[*who].lossy.script([fate]);
                drop(devices[*who].try_sync());
            }
        }
    }
}

/// Everything works again; what was refused is given up, one after the other.
fn heal(devices: &[Device]) {
    for _ in 0..8 {
        for device in devices {
            drop(device.try_sync());
            let listed = device.run(device.syncer.rejected(1_000)).unwrap();
            for entry in listed {
                match device.run(device.syncer.discard_rejected(entry.number, false)) {
                    Ok(_) => {}
                    Err(error) => assert_eq!(error.code(), "rejected_entry_missing"),
                }
            }
        }
    }
    for _ in 0..2 {
        for device in devices {
            device.sync();
        }
    }
}

fn history(kind: Kind, rule: OnDelete, limits: &Limits, acts: &[Act]) {
    let schema = schema(rule);
    let foreign = schema.relations.clone();
    let mut world = World::with_foreign_keys(kind, schema, &foreign);
    let devices: Vec<Device> = (0..DEVICES).map(|_| world.device_with(limits.clone())).collect();
    live(&world, &devices, acts);
    heal(&devices);
    for device in &devices {
        assert_eq!(device.run(device.syncer.rejected(10)).unwrap(), []);
        assert_equal(&world, device);
    }
    for pair in LEVELS.windows(2) {
        let parents = world.contents(pair[0]);
        for (key, row) in world.contents(pair[1]) {
            let whole = row[1].is_null() || parents.contains_key(&Key(vec![row[1].clone()]));
            assert!(whole, "{} {key} is an orphan", pair[1]);
        }
    }
}

fn check(kind: Kind, cases: u32, limits: &Limits) {
    let acts = proptest::collection::vec(act(), 1..40);
    for rule in [OnDelete::Cascade, OnDelete::Restrict, OnDelete::SetNull] {
        seeds::check(cases, &acts, |acts| history(kind, rule, limits, &acts));
    }
}

#[test]
fn slow_families_converge_after_any_history() {
    check(Kind::Memory, 60, &Limits::default());
    check(Kind::Sqlite, 4, &Limits::default());
}

/// Beyond the group limit nothing is sent as a group, and requests and pages are small.
#[test]
fn slow_families_beyond_the_limit_converge_too() {
    let limits = Limits {
        group_limit: 1,
        max_mutations: 2,
        page_rows: 2,
        ..Limits::default()
    };
    check(Kind::Memory, 60, &limits);
}
