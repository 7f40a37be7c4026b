//! Conflict detection with two server processes on one database: of two devices that push the same record in the same instant one is applied and
//! one has a conflict, never both and never neither (scenario 35).

use crate::children::ServerProcess;
use crate::place::{DETECTION, Device, Place, settings, wait};
use onsync_core::conflict::Resolution;
use onsync_core::mutation::ConflictKind;
use onsync_core::{Fields, Key};
use onsync_engine::sync::OpenConflict;
use serde_json::json;
use std::sync::Barrier;

struct Contest {
    place: Place,
    _servers: [ServerProcess; 2],
    devices: [Device; 2],
}

impl Contest {
    fn new() -> Self {
        let place = Place::new(80, 5);
        let servers = [0; 2].map(|_| ServerProcess::of_pattern(&place.server(), "client", DETECTION));
        let devices = [0, 1].map(|at| {
            let store = place.path(["one.sqlite", "two.sqlite"][at]);
            let mut settings = settings(&store, &servers[at].url());
            settings["pattern"] = json!(DETECTION);
            Device::of_role(&settings)
        });
        for device in &devices {
            device.sync();
        }
        Self {
            place,
            _servers: servers,
            devices,
        }
    }

    /// Both sync in the same instant, each with its own server.
    fn meet(&self) {
        let barrier = Barrier::new(2);
        std::thread::scope(|scope| {
            for device in &self.devices {
                let barrier = &barrier;
                scope.spawn(move || {
                    barrier.wait();
                    device.sync();
                });
            }
        });
    }

    /// The one open conflict, and whose it is.
    #[track_caller]
    fn one_conflict(&self) -> (usize, OpenConflict) {
        let open = self.devices.each_ref().map(conflicts);
        let mut all: Vec<(usize, OpenConflict)> = open
            .into_iter()
            .enumerate()
            .flat_map(|(at, open)| open.into_iter().map(move |conflict| (at, conflict)))
            .collect();
        assert_eq!(all.len(), 1, "one of both has one conflict: {all:?}");
        all.remove(0)
    }

    /// Both come to rest, equal to the server.
    #[track_caller]
    fn settle(&self) {
        for _ in 0..2 {
            self.devices.iter().for_each(Device::settle);
        }
        for (at, device) in self.devices.iter().enumerate() {
            assert_eq!(conflicts(device), []);
            self.place
                .assert_equal(&self.place.path(["one.sqlite", "two.sqlite"][at]));
        }
    }
}

fn conflicts(device: &Device) -> Vec<OpenConflict> {
    wait(device.app.conflicts(None, 10)).unwrap()
}

fn resolve(device: &Device, conflict: &OpenConflict, how: Resolution) {
    let key = conflict.key.clone();
    wait(device.app.resolve_conflict(&conflict.entity, key, how)).unwrap();
}

#[test]
fn of_two_updates_in_one_instant_one_is_a_conflict() {
    let contest = Contest::new();
    for round in 0..12i64 {
        let names = [0, 1].map(|at| format!("round {round} device {at}"));
        for (device, name) in contest.devices.iter().zip(&names) {
            let edit = Fields::new().with("name", name.as_str());
            device
                .app
                .blocking()
                .update("Item", Key::one(1i64), edit)
                .unwrap();
        }
        contest.meet();
        let (loser, conflict) = contest.one_conflict();
        assert_eq!(conflict.kind, ConflictKind::UpdateUpdate);
        let name = &conflict.attributes[1];
        assert_eq!(name.mine, Some(names[loser].as_str().into()));
        assert_eq!(name.theirs, Some(names[1 - loser].as_str().into()));
        let effects = contest.place.effects();
        assert!(effects.contains_key(&format!("name {}", names[1 - loser])));
        assert!(
            !effects.contains_key(&format!("name {}", names[loser])),
            "nothing is overwritten"
        );
        let mine = round % 2 == 0;
        let how = match mine {
            true => Resolution::KeepMine,
            false => Resolution::TakeTheirs,
        };
        resolve(&contest.devices[loser], &conflict, how);
        contest.settle();
        contest.place.assert_effects([]);
        let effects = contest.place.effects();
        assert_eq!(effects.contains_key(&format!("name {}", names[loser])), mine);
    }
}

#[test]
fn of_two_creates_and_of_a_delete_and_an_update_in_one_instant_one_is_a_conflict() {
    let contest = Contest::new();
    for round in 0..8i64 {
        let [one, two] = contest.devices.each_ref().map(|device| device.app.blocking());
        let (key, kinds) = match round % 2 {
            0 => {
                let made = |who: &str| {
                    Fields::new()
                        .with("id", 500 + round)
                        .with("name", format!("{who} {round}"))
                };
                one.create("Item", made("one")).unwrap();
                two.create("Item", made("two")).unwrap();
                (500 + round, [ConflictKind::CreateCreate; 2])
            }
            _ => {
                one.delete("Item", Key::one(10 + round)).unwrap();
                let edit = Fields::new().with("name", format!("two {round}"));
                two.update("Item", Key::one(10 + round), edit).unwrap();
                (
                    10 + round,
                    [ConflictKind::DeleteUpdate, ConflictKind::UpdateDelete],
                )
            }
        };
        contest.meet();
        let (loser, conflict) = contest.one_conflict();
        assert_eq!((conflict.kind, &conflict.key), (kinds[loser], &Key::one(key)));
        resolve(&contest.devices[loser], &conflict, Resolution::TakeTheirs);
        contest.settle();
        contest.place.assert_effects([]);
    }
}
