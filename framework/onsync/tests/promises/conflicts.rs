//! Scenarios of conflict detection: nothing is overwritten unseen, and every conflict can be ended.

crate::scenarios! {
    an_edit_that_nobody_contests_travels
    two_edits_of_one_record_are_one_conflict
    a_remote_change_under_a_pending_edit_is_one_conflict
    identical_edits_are_no_conflict
    an_edit_based_on_an_identical_one_is_no_conflict
    push_answer_lost_pull_push_again
    an_edit_made_while_its_sync_is_in_flight_survives
    a_later_edit_never_overwrites_what_it_did_not_see
    a_later_remote_change_refreshes_theirs
    a_conflict_ends_by_itself_where_both_become_equal
    mine_is_kept_taken_back_or_merged
    a_record_deleted_on_both_sides_is_made_anew_by_a_merge
    a_stale_resolution_is_a_conflict_again
    an_edit_of_a_conflicted_record_goes_to_mine
    what_a_merge_may_not_hold_is_refused
    two_devices_push_the_same_record
}

mod run {
    use crate::world::*;
    use onsync_core::conflict::Resolution;
    use onsync_core::handler::SyncDirection;
    use onsync_core::mutation::{BinReason, ConflictKind};
    use onsync_core::schema::{Ids, OnPendingConflicts};
    use onsync_core::{Fields, Key, Value};
    use onsync_testkit::fakes::Fate;

    fn name(name: &str) -> Fields {
        Fields::new().with("name", name)
    }

    fn note(note: &str) -> Fields {
        Fields::new().with("note", note)
    }

    fn detected() -> onsync_core::schema::EntitySchema {
        onsync_core::schema::EntitySchema {
            on_pending_conflicts: OnPendingConflicts::Continue,
            ..item(DETECTION, Ids::Client)
        }
    }

    fn two(kind: Kind) -> (World, Device, Device) {
        let mut world = World::new(kind, one(detected()));
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
            assert_eq!(device.conflicts(), []);
            assert_equal(world, device);
        }
    }

    fn there(world: &World, id: i64) -> Option<String> {
        let row = world.contents("Item").get(&Key::one(id))?.clone();
        Some(row[1].to_string())
    }

    pub(super) fn an_edit_that_nobody_contests_travels(kind: Kind) {
        let (world, a, b) = two(kind);
        a.update("Item", 1i64, &name("cellar"));
        a.create("Item", &fields(100, "new", 1));
        a.delete("Item", 2i64);
        let summary = a.sync();
        assert_eq!((summary.applied, summary.conflicts, summary.requests), (3, 0, 1));
        b.sync();
        settle(&world, [&a, &b]);
        assert_eq!(there(&world, 1).as_deref(), Some("cellar"));
        assert_eq!(there(&world, 2), None);
    }

    /// Scenario 11, by the push.
    pub(super) fn two_edits_of_one_record_are_one_conflict(kind: Kind) {
        let (world, a, b) = two(kind);
        a.update("Item", 1i64, &name("a"));
        b.update("Item", 1i64, &note("b"));
        a.sync();
        let summary = b.sync();
        assert_eq!((summary.conflicts, summary.applied, summary.rejected), (1, 0, 0));
        assert_eq!(there(&world, 1).as_deref(), Some("a"), "nothing is overwritten");
        assert_eq!(
            b.get("Item", 1i64).unwrap().value("note"),
            &"b".into(),
            "mine stays visible"
        );
        let [conflict] = b.conflicts().try_into().unwrap();
        assert_eq!(
            (conflict.kind, conflict.entity.as_str(), &conflict.key),
            (ConflictKind::UpdateUpdate, "Item", &Key::one(1i64))
        );
        let changed: Vec<(&str, bool, bool)> = conflict
            .attributes
            .iter()
            .map(|attribute| {
                (
                    attribute.name.as_str(),
                    attribute.changed_here,
                    attribute.changed_there,
                )
            })
            .collect();
        let wanted = [
            ("id", false, false),
            ("name", false, true),
            ("note", true, false),
            ("amount", false, false),
        ];
        assert_eq!(changed, wanted);
        assert_eq!(conflict.attributes[1].base, Some("name 1".into()));
        assert_eq!(conflict.attributes[1].theirs, Some("a".into()));
        assert_eq!(conflict.attributes[2].mine, Some("b".into()));
        // It is found once, and nothing of it is sent.
        let summary = b.sync();
        assert_eq!((summary.conflicts, summary.applied), (0, 0));
        assert_eq!(b.conflicts(), [conflict]);
    }

    /// Scenario 11, by the pull.
    pub(super) fn a_remote_change_under_a_pending_edit_is_one_conflict(kind: Kind) {
        let (world, a, _) = two(kind);
        a.update("Item", 1i64, &name("mine"));
        world.put("Item", &fields(1, "theirs", 9));
        let summary = a.try_sync_in(SyncDirection::Pull).unwrap();
        assert_eq!(summary.conflicts, 1);
        assert_eq!(a.get("Item", 1i64).unwrap().value("name"), &"mine".into());
        let [conflict] = a.conflicts().try_into().unwrap();
        let name = &conflict.attributes[1];
        assert_eq!(
            (&name.base, &name.mine, &name.theirs),
            (
                &Some("name 1".into()),
                &Some("mine".into()),
                &Some("theirs".into())
            )
        );
        assert_eq!(a.sync().conflicts, 0);
        assert_eq!(a.conflicts().len(), 1);
    }

    /// Scenario 13.
    pub(super) fn identical_edits_are_no_conflict(kind: Kind) {
        let (world, a, b) = two(kind);
        for device in [&a, &b] {
            device.update("Item", 1i64, &name("same"));
            device.create("Item", &fields(100, "same", 1));
            device.delete("Item", 2i64);
        }
        assert_eq!(a.sync().conflicts + b.sync().conflicts, 0);
        settle(&world, [&a, &b]);
    }

    /// Nothing was written, and still the device learns what else is there.
    pub(super) fn an_edit_based_on_an_identical_one_is_no_conflict(kind: Kind) {
        let (world, a, b) = two(kind);
        a.update("Item", 1i64, &name("same"));
        a.sync();
        a.update("Item", 1i64, &note("more"));
        a.sync();
        b.update("Item", 1i64, &name("same"));
        assert_eq!(b.try_sync_in(SyncDirection::Push).unwrap().conflicts, 0);
        b.update("Item", 1i64, &Fields::new().with("amount", 7i64));
        assert_eq!(b.try_sync_in(SyncDirection::Push).unwrap().conflicts, 0);
        settle(&world, [&a, &b]);
        assert_eq!(world.contents("Item")[&Key::one(1i64)][3], Value::Integer(7));
    }

    /// Scenario 12.
    pub(super) fn push_answer_lost_pull_push_again(kind: Kind) {
        let (world, a, b) = two(kind);
        a.update("Item", 1i64, &name("mine"));
        a.delete("Item", 2i64);
        a.create("Item", &fields(100, "made", 1));
        for _ in 0..3 {
            a.lossy.script([Fate::DropAnswer]);
            assert!(a.try_sync_in(SyncDirection::Push).is_err());
            a.try_sync_in(SyncDirection::Pull).unwrap();
            assert_eq!(a.conflicts(), [], "an echo is no conflict with oneself");
        }
        let summary = a.sync();
        assert_eq!(
            (summary.conflicts, summary.rejected, summary.discarded),
            (0, 0, 0)
        );
        settle(&world, [&a, &b]);
    }

    /// Scenario 10.
    pub(super) fn an_edit_made_while_its_sync_is_in_flight_survives(kind: Kind) {
        for fate in [
            Fate::DropRequest,
            Fate::DropAnswer,
            Fate::TruncateAfter(1),
            Fate::TruncateAfter(2),
        ] {
            for pulls in [false, true] {
                let (world, a, b) = two(kind);
                a.update("Item", 1i64, &name("first"));
                a.lossy.script([fate]);
                assert!(a.try_sync().is_err());
                a.update("Item", 1i64, &name("second"));
                if pulls {
                    a.try_sync_in(SyncDirection::Pull).unwrap();
                }
                a.sync();
                a.sync();
                settle(&world, [&a, &b]);
                assert_eq!(there(&world, 1).as_deref(), Some("second"), "{fate:?}");
            }
        }
    }

    /// The first edit was applied and its answer lost; somebody writes, and so does the app, who has not seen that.
    pub(super) fn a_later_edit_never_overwrites_what_it_did_not_see(kind: Kind) {
        for pulls in [false, true] {
            let (world, a, _) = two(kind);
            a.update("Item", 1i64, &name("first"));
            a.lossy.script([Fate::DropAnswer]);
            assert!(a.try_sync().is_err());
            let theirs = Fields::new().with("id", 1i64).with("note", "theirs");
            world.put("Item", &theirs);
            a.update("Item", 1i64, &note("mine"));
            if pulls {
                a.try_sync_in(SyncDirection::Pull).unwrap();
            }
            a.sync();
            a.sync();
            let row = &world.contents("Item")[&Key::one(1i64)];
            assert_eq!(
                (&row[1], &row[2]),
                (&"first".into(), &"theirs".into()),
                "pulls first: {pulls}"
            );
            let [conflict] = a.conflicts().try_into().unwrap();
            let note = &conflict.attributes[2];
            assert_eq!(
                (&note.base, &note.mine, &note.theirs),
                (&Some(Value::Null), &Some("mine".into()), &Some("theirs".into()))
            );
        }
    }

    pub(super) fn a_later_remote_change_refreshes_theirs(kind: Kind) {
        let (world, a, b) = two(kind);
        a.update("Item", 1i64, &name("mine"));
        world.put("Item", &fields(1, "theirs", 9));
        a.sync();
        let [before] = a.conflicts().try_into().unwrap();
        world.put("Item", &fields(1, "theirs, later", 9));
        assert_eq!(a.sync().conflicts, 0, "it is the same conflict");
        let [after] = a.conflicts().try_into().unwrap();
        assert_eq!((after.id, after.at), (before.id, before.at));
        assert_eq!(after.attributes[1].theirs, Some("theirs, later".into()));
        assert_eq!(after.attributes[1].base, Some("name 1".into()));
        world.delete("Item", 1);
        a.sync();
        let [deleted] = a.conflicts().try_into().unwrap();
        assert_eq!(
            (deleted.kind, &deleted.attributes[1].theirs),
            (ConflictKind::UpdateDelete, &None)
        );
        a.resolve("Item", 1i64, Resolution::KeepMine);
        settle(&world, [&a, &b]);
        assert_eq!(there(&world, 1).as_deref(), Some("mine"));
    }

    pub(super) fn a_conflict_ends_by_itself_where_both_become_equal(kind: Kind) {
        for ends in ["there", "base", "deleted"] {
            let (world, a, b) = two(kind);
            match ends {
                "deleted" => a.delete("Item", 1i64),
                _ => a.update("Item", 1i64, &name("mine")),
            }
            world.put("Item", &fields(1, "theirs", 1));
            a.sync();
            assert_eq!(a.conflicts().len(), 1);
            match ends {
                // Somebody writes the same.
                "there" => world.put("Item", &fields(1, "mine", 1)),
                // Somebody takes the other change back: nothing stands against mine.
                "base" => world.put("Item", &fields(1, "name 1", 1)),
                _ => world.delete("Item", 1),
            }
            a.sync();
            assert_eq!(a.conflicts(), [], "{ends}");
            settle(&world, [&a, &b]);
            let left = (ends != "deleted").then(|| "mine".to_owned());
            assert_eq!(there(&world, 1), left);
        }
    }

    pub(super) fn mine_is_kept_taken_back_or_merged(kind: Kind) {
        // What each side did to the record: edited it, or deleted it.
        for (mine, theirs) in [(true, true), (true, false), (false, true)] {
            for choice in ["mine", "theirs", "merge"] {
                let (world, a, b) = two(kind);
                match mine {
                    true => a.update("Item", 1i64, &name("mine")),
                    false => a.delete("Item", 1i64),
                }
                match theirs {
                    true => world.put("Item", &fields(1, "theirs", 9)),
                    false => world.delete("Item", 1),
                }
                a.sync();
                assert_eq!(a.conflicts().len(), 1);
                let resolution = match choice {
                    "mine" => Resolution::KeepMine,
                    "theirs" => Resolution::TakeTheirs,
                    _ => Resolution::Merge(name("merged")),
                };
                assert_eq!(a.resolve("Item", 1i64, resolution), Key::one(1i64));
                assert_eq!(a.conflicts(), []);
                settle(&world, [&a, &b]);
                let left = match (choice, mine, theirs) {
                    ("mine", true, _) => Some("mine"),
                    ("mine", false, _) | ("theirs", _, false) => None,
                    ("theirs", _, true) => Some("theirs"),
                    _ => Some("merged"),
                };
                assert_eq!(there(&world, 1).as_deref(), left, "{choice} {mine} {theirs}");
                let bin = a.run(a.syncer.bin(10)).unwrap();
                let lost = mine && choice != "mine";
                assert_eq!(bin.len(), usize::from(lost), "{choice} {mine} {theirs}: {bin:?}");
                if lost {
                    assert_eq!(bin[0].reason, BinReason::Discarded);
                    assert_eq!(bin[0].values.value("name"), &"mine".into());
                }
            }
        }
    }

    /// Deleted there, then here while the conflict was open: any decision ends it.
    pub(super) fn a_record_deleted_on_both_sides_is_made_anew_by_a_merge(kind: Kind) {
        for resolution in [
            Resolution::KeepMine,
            Resolution::TakeTheirs,
            Resolution::Merge(name("anew")),
        ] {
            let (world, a, b) = two(kind);
            a.update("Item", 1i64, &name("mine"));
            world.delete("Item", 1);
            a.sync();
            a.delete("Item", 1i64);
            let merges = matches!(resolution, Resolution::Merge(_));
            a.resolve("Item", 1i64, resolution);
            settle(&world, [&a, &b]);
            assert_eq!(there(&world, 1), merges.then(|| "anew".to_owned()));
        }
    }

    pub(super) fn a_stale_resolution_is_a_conflict_again(kind: Kind) {
        let (world, a, b) = two(kind);
        a.update("Item", 1i64, &name("mine"));
        world.put("Item", &fields(1, "theirs", 9));
        a.sync();
        a.resolve("Item", 1i64, Resolution::KeepMine);
        world.put("Item", &fields(1, "newer", 9));
        assert_eq!(a.sync().conflicts, 1);
        assert_eq!(
            there(&world, 1).as_deref(),
            Some("newer"),
            "nothing is overwritten"
        );
        let [again] = a.conflicts().try_into().unwrap();
        assert_eq!(again.attributes[1].base, Some("theirs".into()));
        a.resolve("Item", 1i64, Resolution::KeepMine);
        settle(&world, [&a, &b]);
        assert_eq!(there(&world, 1).as_deref(), Some("mine"));
    }

    pub(super) fn an_edit_of_a_conflicted_record_goes_to_mine(kind: Kind) {
        let (world, a, b) = two(kind);
        a.update("Item", 1i64, &name("mine"));
        world.put("Item", &fields(1, "theirs", 9));
        a.sync();
        a.update("Item", 1i64, &note("more of mine"));
        assert_eq!(a.sync().applied, 0, "nothing of a conflict is sent");
        let [edited] = a.conflicts().try_into().unwrap();
        assert_eq!(edited.attributes[2].mine, Some("more of mine".into()));
        a.delete("Item", 1i64);
        a.sync();
        let [deleted] = a.conflicts().try_into().unwrap();
        assert_eq!(deleted.kind, ConflictKind::DeleteUpdate);
        assert_eq!(deleted.attributes[1].mine, None);
        a.resolve("Item", 1i64, Resolution::KeepMine);
        settle(&world, [&a, &b]);
        assert_eq!(there(&world, 1), None);
    }

    pub(super) fn what_a_merge_may_not_hold_is_refused(kind: Kind) {
        let (world, a, _) = two(kind);
        a.update("Item", 1i64, &name("mine"));
        world.put("Item", &fields(1, "theirs", 9));
        a.sync();
        let refused = |fields: Fields| {
            let error = a
                .try_resolve("Item", 1i64, Resolution::Merge(fields))
                .unwrap_err();
            error.code().to_owned()
        };
        assert_eq!(refused(Fields::new().with("colour", "red")), "unknown_attribute");
        assert_eq!(refused(Fields::new().with("amount", "many")), "invalid_value");
        assert_eq!(refused(Fields::new().with("id", 2i64)), "key_change_refused");
        assert_eq!(refused(name(&"x".repeat(2 << 20))), "record_too_large");
        assert_eq!(a.conflicts().len(), 1, "it stays open");
        let error = a.try_resolve("Item", 3i64, Resolution::KeepMine).unwrap_err();
        assert_eq!(error.code(), "conflict_missing");
        assert_eq!(a.resolve("Item", 1i64, Resolution::Ask), Key::one(1i64));
        assert_eq!(a.conflicts().len(), 1, "asking changes nothing");
    }

    /// Scenario 35, in one process.
    pub(super) fn two_devices_push_the_same_record(kind: Kind) {
        let (world, a, b) = two(kind);
        a.update("Item", 1i64, &name("a"));
        b.update("Item", 1i64, &name("b"));
        let (one, other) = a.run(async {
            let (first, second) = (a.take_over().await.unwrap(), b.take_over().await.unwrap());
            let (both, step) = (SyncDirection::Both, Device::step);
            let (a_step, b_step) = (step(&a, both), step(&b, both));
            futures_util::join!(
                a.syncer.run(first, &a_step, &|_| {}),
                b.syncer.run(second, &b_step, &|_| {})
            )
        });
        let (one, other) = (one.unwrap(), other.unwrap());
        assert_eq!(one.applied + other.applied, 1);
        assert_eq!(one.conflicts + other.conflicts, 1);
        assert_eq!(a.conflicts().len() + b.conflicts().len(), 1);
        for device in [&a, &b] {
            for conflict in device.conflicts() {
                device.resolve("Item", conflict.key, Resolution::TakeTheirs);
            }
        }
        settle(&world, [&a, &b]);
    }
}
