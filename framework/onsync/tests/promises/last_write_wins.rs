//! Scenarios of the patterns that merge by the attribute, where the last push wins: edits, deletes, merges, races.

crate::scenarios! {
    an_edit_travels_from_device_to_device
    different_attributes_merge
    the_last_accepted_push_wins
    an_edit_made_while_its_sync_is_in_flight_survives
    a_record_deleted_while_its_create_is_in_flight_leaves_the_server
    edited_back_while_in_flight_arrives_too
    a_remote_change_under_a_pending_edit_merges
    a_delete_beats_an_edit_and_the_edit_is_in_the_bin
    an_edit_and_undo_sends_nothing
    delete_and_create_again_is_an_update
    identical_edits_are_no_conflict
    one_bad_mutation_of_a_hundred_is_listed_and_can_be_fixed
    a_large_outbox_goes_in_bounded_requests
    two_devices_push_the_same_record
}

mod run {
    use crate::world::*;
    use onsync_core::handler::SyncDirection;
    use onsync_core::mutation::BinReason;
    use onsync_core::schema::Ids;
    use onsync_core::{Fields, Key, Value};
    use onsync_engine::sync::Limits;
    use onsync_testkit::fakes::Fate;

    fn name(name: &str) -> Fields {
        Fields::new().with("name", name)
    }

    fn two(kind: Kind, pattern: &str) -> (World, Device, Device) {
        let mut world = World::new(kind, one(item(pattern, Ids::Client)));
        world.fill(5);
        let (a, b) = (world.device(), world.device());
        a.sync();
        b.sync();
        (world, a, b)
    }

    #[track_caller]
    fn settle(world: &World, devices: [&Device; 2]) {
        for _ in 0..2 {
            for device in devices {
                device.sync();
            }
        }
        for device in devices {
            assert_equal(world, device);
        }
    }

    pub(super) fn an_edit_travels_from_device_to_device(kind: Kind) {
        for pattern in MERGING {
            let (world, a, b) = two(kind, pattern);
            a.lossy.script([Fate::Offline]);
            a.update("Item", 1i64, &name("cellar"));
            a.create("Item", &fields(100, "new", 1));
            a.delete("Item", 2i64);
            assert_eq!(a.try_sync().unwrap_err().kind(), onsync_core::ErrorKind::Offline);
            assert_eq!(a.waiting(), 3);
            let summary = a.sync();
            assert_eq!((summary.applied, summary.rejected, summary.requests), (3, 0, 1));
            b.sync();
            settle(&world, [&a, &b]);
            assert_eq!(b.get("Item", 1i64).unwrap().value("name"), &"cellar".into());
            assert_eq!(b.get("Item", 2i64), None);
        }
    }

    pub(super) fn different_attributes_merge(kind: Kind) {
        for pattern in MERGING {
            let (world, a, b) = two(kind, pattern);
            a.update("Item", 1i64, &name("a"));
            b.update("Item", 1i64, &Fields::new().with("amount", 77i64));
            settle(&world, [&a, &b]);
            let row = &world.contents("Item")[&Key::one(1i64)];
            assert_eq!((&row[1], &row[3]), (&"a".into(), &Value::Integer(77)));
        }
    }

    pub(super) fn the_last_accepted_push_wins(kind: Kind) {
        for pattern in MERGING {
            let (world, a, b) = two(kind, pattern);
            a.update("Item", 1i64, &name("a"));
            b.update("Item", 1i64, &name("b"));
            b.sync();
            a.sync();
            settle(&world, [&a, &b]);
            assert_eq!(world.contents("Item")[&Key::one(1i64)][1], "a".into());
        }
    }

    /// Scenario 10: the answer is lost, the record is edited again, the first mutation is repeated.
    pub(super) fn an_edit_made_while_its_sync_is_in_flight_survives(kind: Kind) {
        for pattern in MERGING {
            for fate in [
                Fate::DropRequest,
                Fate::DropAnswer,
                Fate::TruncateAfter(1),
                Fate::TruncateAfter(2),
            ] {
                let (world, a, b) = two(kind, pattern);
                a.update("Item", 1i64, &name("first"));
                a.lossy.script([fate]);
                assert!(a.try_sync().is_err());
                a.update("Item", 1i64, &name("second"));
                a.sync();
                a.sync();
                settle(&world, [&a, &b]);
                assert_eq!(
                    world.contents("Item")[&Key::one(1i64)][1],
                    "second".into(),
                    "{fate:?}"
                );
            }
        }
    }

    pub(super) fn a_record_deleted_while_its_create_is_in_flight_leaves_the_server(kind: Kind) {
        for pattern in MERGING {
            for fate in [Fate::DropRequest, Fate::DropAnswer, Fate::TruncateAfter(2)] {
                let (world, a, b) = two(kind, pattern);
                a.create("Item", &fields(100, "short life", 0));
                a.lossy.script([fate]);
                assert!(a.try_sync().is_err());
                a.delete("Item", 100i64);
                a.sync();
                a.sync();
                settle(&world, [&a, &b]);
                assert!(
                    !world.contents("Item").contains_key(&Key::one(100i64)),
                    "{fate:?}"
                );
            }
        }
    }

    /// Back to the base while the edit is on the wire: the server must not keep the edit.
    pub(super) fn edited_back_while_in_flight_arrives_too(kind: Kind) {
        for pattern in MERGING {
            let (world, a, b) = two(kind, pattern);
            a.update("Item", 1i64, &name("typo"));
            a.lossy.script([Fate::DropAnswer]);
            assert!(a.try_sync().is_err());
            a.update("Item", 1i64, &name("name 1"));
            a.sync_in_parts();
            settle(&world, [&a, &b]);
            assert_eq!(world.contents("Item")[&Key::one(1i64)][1], "name 1".into());
        }
    }

    impl Device {
        /// Fetches first, so that the own echo arrives under the pending edit, then both ways.
        fn sync_in_parts(&self) {
            self.try_sync_in(SyncDirection::Pull).unwrap();
            self.sync();
            self.sync();
        }
    }

    /// Scenario 11.
    pub(super) fn a_remote_change_under_a_pending_edit_merges(kind: Kind) {
        for pattern in MERGING {
            let (world, a, b) = two(kind, pattern);
            a.update("Item", 1i64, &name("mine"));
            world.put("Item", &fields(1, "theirs", 55));
            a.try_sync_in(SyncDirection::Pull).unwrap();
            let seen = a.get("Item", 1i64).unwrap();
            assert_eq!(
                (seen.value("name"), seen.value("amount")),
                (&"mine".into(), &Value::Integer(55))
            );
            settle(&world, [&a, &b]);
            assert_eq!(world.contents("Item")[&Key::one(1i64)][1], "mine".into());
        }
    }

    pub(super) fn a_delete_beats_an_edit_and_the_edit_is_in_the_bin(kind: Kind) {
        for pattern in MERGING {
            for pull_first in [false, true] {
                let (world, a, b) = two(kind, pattern);
                a.update("Item", 1i64, &name("too late"));
                b.delete("Item", 1i64);
                b.sync();
                if pull_first {
                    a.try_sync_in(SyncDirection::Pull).unwrap();
                }
                settle(&world, [&a, &b]);
                assert_eq!(a.get("Item", 1i64), None);
                let bin = a.run(a.syncer.bin(10)).unwrap();
                assert_eq!(bin.len(), 1, "{bin:?}");
                assert_eq!(
                    (bin[0].reason, bin[0].values.value("name")),
                    (BinReason::Gone, &"too late".into())
                );
            }
        }
    }

    pub(super) fn an_edit_and_undo_sends_nothing(kind: Kind) {
        for pattern in MERGING {
            let (world, a, b) = two(kind, pattern);
            a.update("Item", 1i64, &name("x"));
            a.update("Item", 1i64, &name("name 1"));
            a.create("Item", &fields(100, "x", 0));
            a.delete("Item", 100i64);
            assert_eq!(a.sync().applied, 0);
            settle(&world, [&a, &b]);
        }
    }

    pub(super) fn delete_and_create_again_is_an_update(kind: Kind) {
        for pattern in MERGING {
            let (world, a, b) = two(kind, pattern);
            a.delete("Item", 1i64);
            a.create("Item", &fields(1, "phoenix", 1));
            settle(&world, [&a, &b]);
            assert_eq!(world.contents("Item")[&Key::one(1i64)][1], "phoenix".into());
        }
    }

    /// Scenario 13.
    pub(super) fn identical_edits_are_no_conflict(kind: Kind) {
        for pattern in MERGING {
            let (world, a, b) = two(kind, pattern);
            a.update("Item", 1i64, &name("same"));
            b.update("Item", 1i64, &name("same"));
            settle(&world, [&a, &b]);
            assert!(
                a.run(a.syncer.bin(10)).unwrap().is_empty() && b.run(b.syncer.bin(10)).unwrap().is_empty()
            );
        }
    }

    /// Scenario 25: the database changes what is written; the device ends with what is stored, and idle syncs write nothing.
    #[test]
    fn what_the_server_normalises_comes_back() {
        let (world, a, b) = two(Kind::Sqlite, LWW);
        let Database::Sqlite(path) = &world.database else {
            return;
        };
        onsync_sqlite_store::rusqlite::Connection::open(path)
            .unwrap()
            .execute_batch("CREATE TRIGGER trim AFTER UPDATE OF name ON Item BEGIN UPDATE Item SET name = trim(NEW.name) WHERE id = NEW.id AND name <> trim(NEW.name); END")
            .unwrap();
        a.update("Item", 1i64, &name("  padded  "));
        a.sync();
        assert_eq!(a.get("Item", 1i64).unwrap().value("name"), &"padded".into());
        settle(&world, [&a, &b]);
        let idle = a.sync();
        assert_eq!((idle.applied, idle.received), (0, 0));
    }

    /// Scenario 16.
    pub(super) fn one_bad_mutation_of_a_hundred_is_listed_and_can_be_fixed(kind: Kind) {
        for pattern in WRITING {
            let mut world = World::new(kind, one(item(pattern, Ids::Client)));
            world.fill(1);
            match &world.database {
                Database::Memory(store) => world.run(store.add_unique("Item", &["name"])).unwrap(),
                Database::Sqlite(path) => onsync_sqlite_store::rusqlite::Connection::open(path)
                    .unwrap()
                    .execute_batch("CREATE UNIQUE INDEX item_name ON Item (name)")
                    .unwrap(),
            }
            let device = world.device();
            device.sync();
            for id in 101..=200 {
                let text = if id == 150 {
                    "name 1".to_owned()
                } else {
                    format!("made {id}")
                };
                device.create("Item", &fields(id, &text, id));
            }
            let summary = device.sync();
            assert_eq!((summary.applied, summary.rejected), (99, 1));
            let rejected = device.run(device.syncer.rejected(10)).unwrap();
            assert_eq!(rejected.len(), 1);
            assert_eq!(
                (&rejected[0].key, rejected[0].rejection.code.as_str()),
                (&Key::one(150i64), "constraint_violated")
            );
            assert_eq!(
                device.sync().rejected,
                0,
                "a rejected change is not sent again by itself"
            );
            device.update("Item", 150i64, &name("fixed"));
            assert_eq!(device.sync().applied, 1);
            assert!(device.run(device.syncer.rejected(10)).unwrap().is_empty());
            device.sync();
            assert_equal(&world, &device);
        }
    }

    pub(super) fn a_large_outbox_goes_in_bounded_requests(kind: Kind) {
        for pattern in MERGING {
            let mut world = World::new(kind, one(item(pattern, Ids::Client)));
            let device = world.device_with(Limits {
                max_mutations: 30,
                ..Limits::default()
            });
            for id in 1..=100 {
                device.create("Item", &fields(id, "x", id));
            }
            let summary = device.sync();
            assert_eq!((summary.applied, summary.requests), (100, 4));
            device.sync();
            assert_equal(&world, &device);
        }
    }

    /// Scenario 35, one after the other in the same instant: one effect each, merged by attribute.
    pub(super) fn two_devices_push_the_same_record(kind: Kind) {
        for pattern in MERGING {
            let (world, a, b) = two(kind, pattern);
            a.update(
                "Item",
                3i64,
                &Fields::new().with("name", "a").with("amount", 1i64),
            );
            b.update("Item", 3i64, &Fields::new().with("name", "b").with("note", "b"));
            let (first, second) = a.run(async {
                let (one, two) = (a.take_over().await.unwrap(), b.take_over().await.unwrap());
                let (step_a, step_b) = (a.step(SyncDirection::Both), b.step(SyncDirection::Both));
                let sink = |_| {};
                let both = (
                    a.syncer.run(one, &step_a, &sink),
                    b.syncer.run(two, &step_b, &sink),
                );
                futures_util::future::join(both.0, both.1).await
            });
            assert_eq!((first.unwrap().applied, second.unwrap().applied), (1, 1));
            settle(&world, [&a, &b]);
            let row = &world.contents("Item")[&Key::one(3i64)];
            assert_eq!((&row[2], &row[3]), (&"b".into(), &Value::Integer(1)));
        }
    }
}
