//! Two devices and a server, made of the pattern's functions alone, end equal, and every edit is accounted for.

use super::model::{Device, Server};
use crate::fakes::Dice;
use crate::suite::CaseResult;
use crate::{check, check_eq};
use onsync_core::pattern::{Direction, SyncPattern};
use onsync_core::{Fields, Row};
use std::collections::BTreeMap;

/// How many random histories are tried.
const HISTORIES: u64 = 300;

fn row(id: i64, a: &str, b: &str) -> Row {
    vec![id.into(), a.into(), b.into(), b.into(), "here".into()]
}

fn fields(id: i64, a: &str, b: &str) -> Fields {
    Fields::new()
        .with("id", id)
        .with("a", a)
        .with("b", b)
        .with("c", b)
}

struct World<'a> {
    pattern: &'a dyn SyncPattern,
    server: Server,
    devices: [Device; 2],
}

impl<'a> World<'a> {
    fn new(pattern: &'a dyn SyncPattern) -> Self {
        let mut server = Server::new();
        for id in 1..=3 {
            server.set(id, Some(fields(id, "first", "first")));
        }
        let mut world = Self {
            pattern,
            server,
            devices: [Device::new(pattern, 1), Device::new(pattern, 2)],
        };
        world.settle_down();
        world
    }

    fn writes(&self) -> bool {
        self.pattern.direction() == Direction::ReadWrite
    }

    fn fetches(&self) -> bool {
        self.pattern.direction() != Direction::SendOnly
    }

    /// Whether the app's edits are sent.
    fn sends(&self) -> bool {
        self.pattern.direction() != Direction::ReadOnly
    }

    fn sync(&mut self, device: usize) {
        self.devices[device].sync(self.pattern, &mut self.server);
    }

    fn settle_down(&mut self) {
        for _ in 0..4 {
            self.sync(0);
            self.sync(1);
        }
    }

    /// Devices equal the server, but for what is held and listed.
    fn check_equal(&self, history: u64) -> CaseResult {
        for (number, device) in self.devices.iter().enumerate() {
            check!(
                device.is_settled() || !self.sends(),
                "history {history}: device {number} never comes to rest: {:?}",
                device.dirty
            );
            if !self.fetches() {
                continue;
            }
            let skip =
                |id: &i64| device.held.contains(id) || (!self.writes() && device.dirty.contains_key(id));
            let here: BTreeMap<i64, Vec<String>> = device
                .visible
                .iter()
                .filter(|(id, _)| !skip(id))
                .map(|(id, row)| (*id, row.iter().take(4).map(ToString::to_string).collect()))
                .collect();
            let there: BTreeMap<i64, Vec<String>> = self
                .server
                .rows
                .iter()
                .filter(|(id, _)| !skip(id))
                .map(|(id, fields)| {
                    let value = |name: &&str| fields.value(name).to_string();
                    (*id, ["id", "a", "b", "c"].iter().map(value).collect())
                })
                .collect();
            check_eq!(
                here,
                there,
                "history {history}: device {number} against the server"
            );
        }
        Ok(())
    }
}

/// The simplest journey.
pub async fn an_edit_of_one_device_reaches_the_other(pattern: &dyn SyncPattern) -> CaseResult {
    let mut world = World::new(pattern);
    if !world.writes() {
        return Ok(());
    }
    world.devices[0].edit(1, Some(row(1, "edited", "first")));
    world.settle_down();
    check_eq!(
        world.devices[1].visible.get(&1),
        Some(&row(1, "edited", "first"))
            .map(|row| {
                let mut row = row.clone();
                row[4] = onsync_core::Value::Null;
                row
            })
            .as_ref(),
        "the other device after both synced"
    );
    world.check_equal(0)
}

/// Making and removing records.
pub async fn a_create_and_a_delete_reach_the_other_device(pattern: &dyn SyncPattern) -> CaseResult {
    let mut world = World::new(pattern);
    if !world.writes() {
        return Ok(());
    }
    world.devices[0].edit(7, Some(row(7, "new", "new")));
    world.devices[0].edit(2, None);
    world.settle_down();
    check!(
        world.devices[1].visible.contains_key(&7),
        "the new record did not arrive"
    );
    check!(
        !world.devices[1].visible.contains_key(&2),
        "the deleted record is still there"
    );
    world.check_equal(0)
}

/// Inserts, updates and deletes by somebody at the server.
pub async fn a_change_on_the_server_reaches_every_device(pattern: &dyn SyncPattern) -> CaseResult {
    let mut world = World::new(pattern);
    if !world.fetches() {
        return Ok(());
    }
    world.server.set(1, Some(fields(1, "changed", "first")));
    world.server.set(2, None);
    world.server.set(9, Some(fields(9, "new", "new")));
    world.settle_down();
    check!(
        world.devices.iter().all(|device| device.visible.contains_key(&9)),
        "the new record did not arrive"
    );
    world.check_equal(0)
}

/// The first of the two races that break naive loops.
pub async fn an_edit_made_while_its_sync_is_in_flight_survives(pattern: &dyn SyncPattern) -> CaseResult {
    let mut world = World::new(pattern);
    if !world.writes() {
        return Ok(());
    }
    for second in [row(1, "second", "first"), row(1, "one", "second")] {
        world.devices[0].edit(1, Some(row(1, "one", "first")));
        world.devices[0].cut(pattern);
        let outcomes = world.devices[0].send(pattern, &mut world.server);
        world.devices[0].edit(1, Some(second.clone()));
        world.devices[0].settle(pattern, outcomes);
        world.devices[0].pull(pattern, &world.server);
        check_eq!(
            world.devices[0].visible.get(&1),
            Some(&second),
            "the device reads its own write"
        );
        world.settle_down();
        let there = world.server.rows.get(&1);
        check_eq!(
            there,
            Some(&fields(1, &second[1].to_string(), &second[2].to_string())),
            "the server at the end"
        );
        world.check_equal(0)?;
    }
    Ok(())
}

/// The second of the two races.
pub async fn a_new_record_deleted_while_its_create_is_in_flight_is_gone_everywhere(
    pattern: &dyn SyncPattern,
) -> CaseResult {
    for lost in [false, true] {
        let mut world = World::new(pattern);
        if !world.writes() {
            return Ok(());
        }
        world.devices[0].edit(7, Some(row(7, "new", "new")));
        world.devices[0].cut(pattern);
        let outcomes = world.devices[0].send(pattern, &mut world.server);
        world.devices[0].edit(7, None);
        if !lost {
            world.devices[0].settle(pattern, outcomes);
        }
        world.devices[0].pull(pattern, &world.server);
        check!(
            !world.devices[0].visible.contains_key(&7),
            "the deleted record is visible again"
        );
        world.settle_down();
        check!(
            !world.server.rows.contains_key(&7),
            "the server still has the record (answer lost: {lost})"
        );
        world.check_equal(0)?;
    }
    Ok(())
}

/// Sent, applied, not heard of, pulled, sent again.
pub async fn a_lost_answer_changes_nothing(pattern: &dyn SyncPattern) -> CaseResult {
    let mut world = World::new(pattern);
    if !world.writes() {
        return Ok(());
    }
    world.devices[0].edit(1, Some(row(1, "edited", "first")));
    world.devices[0].edit(2, None);
    world.devices[0].edit(7, Some(row(7, "new", "new")));
    world.devices[0].cut(pattern);
    for _ in 0..3 {
        world.devices[0].send(pattern, &mut world.server);
        world.devices[0].pull(pattern, &world.server);
    }
    world.settle_down();
    check!(
        world.devices[0].held.is_empty(),
        "a conflict with oneself: {:?}",
        world.devices[0].held
    );
    check!(
        world.devices[0].bin.is_empty(),
        "something was thrown away: {:?}",
        world.devices[0].bin
    );
    check_eq!(
        world.server.rows.get(&1),
        Some(&fields(1, "edited", "first")),
        "the edited record"
    );
    check!(!world.server.rows.contains_key(&2), "the deleted record is there");
    world.check_equal(0)
}

/// What is only sent arrives once, however often its answer is lost, and is thrown away nowhere.
pub async fn what_is_only_sent_arrives_once(pattern: &dyn SyncPattern) -> CaseResult {
    let mut world = World::new(pattern);
    if world.fetches() {
        return Ok(());
    }
    world.devices[0].edit(7, Some(row(7, "new", "new")));
    world.devices[0].cut(pattern);
    for _ in 0..3 {
        world.devices[0].send(pattern, &mut world.server);
    }
    let before = world.server.position;
    world.settle_down();
    check_eq!(
        world.server.rows.get(&7),
        Some(&fields(7, "new", "new")),
        "the server's record"
    );
    check_eq!(world.server.position, before, "repetitions changed the server");
    let device = &world.devices[0];
    check!(
        device.held.is_empty() && device.bin.is_empty(),
        "something was refused or thrown away"
    );
    world.check_equal(0)
}

/// What each device last wrote into each attribute, until something of its own replaced it.
type Written = BTreeMap<(usize, i64, usize), String>;

/// One random history; what the devices wrote last comes back.
fn live(world: &mut World<'_>, dice: &mut Dice) -> Written {
    let mut written = Written::new();
    for step in 0..dice.below(24) + 6 {
        let device = dice.below(2) as usize;
        let id = dice.below(5) as i64 + 1;
        let value = format!("d{device}s{step}");
        match dice.below(9) {
            0..=2 if world.sends() => edit(world, &mut written, (device, id), dice.below(3) as usize, &value),
            3 if world.sends() => {
                world.devices[device].edit(id, None);
                written.retain(|(who, record, _), _| (*who, *record) != (device, id));
            }
            4 => {
                let row = (dice.below(3) > 0).then(|| fields(id, &format!("s{step}"), "server"));
                world.server.set(id, row);
            }
            5 => {
                // The answer is lost.
                let pattern = world.pattern;
                world.devices[device].cut(pattern);
                world.devices[device].send(pattern, &mut world.server);
            }
            6 => {
                // An edit comes between sending and answer.
                let pattern = world.pattern;
                world.devices[device].cut(pattern);
                let outcomes = world.devices[device].send(pattern, &mut world.server);
                if world.sends() {
                    edit(world, &mut written, (device, id), dice.below(3) as usize, &value);
                }
                world.devices[device].settle(pattern, outcomes);
                world.devices[device].pull(pattern, &world.server);
            }
            7 => world.devices[device].pull(world.pattern, &world.server),
            _ => world.sync(device),
        }
    }
    written
}

fn edit(world: &mut World<'_>, written: &mut Written, who: (usize, i64), which: usize, value: &str) {
    let (device, id) = who;
    if world.devices[device].held.contains(&id) {
        return;
    }
    let old = world.devices[device].visible.get(&id).cloned();
    let mut new = old.clone().unwrap_or_else(|| row(id, value, value));
    let touched: &[usize] = match (which, &old) {
        (_, None) => &[1, 2, 3],
        (0, _) => &[1],
        _ => &[2, 3],
    };
    for index in touched {
        new[*index] = value.into();
        written.insert((device, id, *index), value.to_owned());
    }
    world.devices[device].edit(id, Some(new));
}

/// Edits, deletes, foreign writes, lost answers, pulls and edits in between, in 300 random histories.
pub async fn devices_and_server_end_equal_after_any_history(pattern: &dyn SyncPattern) -> CaseResult {
    for history in 0..HISTORIES {
        let mut world = World::new(pattern);
        live(&mut world, &mut Dice::new(history));
        world.settle_down();
        world.check_equal(history)?;
    }
    Ok(())
}

/// What a device wrote last has been on the server, is in its bin, or is held and visible.
pub async fn every_edit_is_applied_in_the_bin_or_held_after_any_history(
    pattern: &dyn SyncPattern,
) -> CaseResult {
    for history in 0..HISTORIES {
        let mut world = World::new(pattern);
        let written = live(&mut world, &mut Dice::new(history));
        world.settle_down();
        for ((number, id, index), value) in written {
            let device = &world.devices[number];
            let shown = device.visible.get(&id).map(|row| row[index].to_string());
            let held = device.held.contains(&id) && shown.as_ref() == Some(&value);
            check!(
                world.server.seen.contains(&value) || device.bin.contains(&value) || held,
                "history {history}: {value:?}, written by device {number} into attribute {index} of record {id}, is nowhere"
            );
        }
    }
    Ok(())
}

/// Open conflicts are a legal end; once they are decided, one way or the other, everybody ends equal.
pub async fn open_conflicts_are_resolved_and_all_end_equal_after_any_history(
    pattern: &dyn SyncPattern,
) -> CaseResult {
    for history in 0..HISTORIES {
        let mut world = World::new(pattern);
        let mut dice = Dice::new(history);
        live(&mut world, &mut dice);
        world.settle_down();
        for _ in 0..10 {
            for device in &mut world.devices {
                for id in device.open_conflicts() {
                    // Whoever insists goes on insisting: what is sent again must get through.
                    device.resolve(id, (i64::try_from(history).unwrap_or_default() + id) % 2 == 0);
                }
            }
            world.settle_down();
        }
        let open = world
            .devices
            .iter()
            .any(|device| !device.open_conflicts().is_empty());
        check!(!open, "history {history}: conflicts come back for ever");
        world.check_equal(history)?;
    }
    Ok(())
}
