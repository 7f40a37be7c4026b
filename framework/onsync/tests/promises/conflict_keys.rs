//! Conflicts of records whose keys the server issues, and of their relatives.

crate::scenarios! {
    a_record_deleted_there_is_made_again_under_its_local_key
    a_record_of_the_server_is_made_again_under_a_local_key
    children_made_here_wait_with_a_parent_in_conflict
    children_sent_with_a_parent_that_comes_into_conflict_wait_too
    children_cut_with_a_parent_that_comes_into_conflict_before_they_are_sent_wait_too
    a_deletion_under_a_change_on_its_way_waits_for_the_outcome
}

mod run {
    use crate::world::*;
    use onsync_core::conflict::Resolution;
    use onsync_core::handler::SyncDirection;
    use onsync_core::mutation::ConflictKind;
    use onsync_core::schema::{Ids, OnPendingConflicts, Schema};
    use onsync_core::store::local::is_local_key;
    use onsync_core::{Fields, Key};
    use onsync_engine::sync::Limits;
    use onsync_testkit::fakes::Fate;

    fn name(name: &str) -> Fields {
        Fields::new().with("name", name)
    }

    fn contested(ids: Ids) -> Schema {
        let mut schema = family(ids);
        for entity in &mut schema.entities {
            entity.pattern = DETECTION.to_owned();
            entity.on_pending_conflicts = OnPendingConflicts::Continue;
        }
        schema
    }

    fn named(world: &World, entity: &str, column: usize) -> Vec<String> {
        let rows = world.contents(entity);
        rows.values().map(|row| row[column].to_string()).collect()
    }

    pub(super) fn a_record_deleted_there_is_made_again_under_its_local_key(kind: Kind) {
        let mut world = World::new(kind, contested(Ids::Server));
        let device = world.device();
        let local = device.create("Item", &name("made here"));
        device.sync();
        let (server, _) = world.contents("Item").into_iter().next().unwrap();
        device.update("Item", local.clone(), &name("edited"));
        let Some(onsync_core::Value::Integer(id)) = server.values().first().cloned() else {
            panic!("an integer key");
        };
        world.delete("Item", id);
        device.sync();
        assert_eq!(device.conflicts()[0].kind, ConflictKind::UpdateDelete);
        assert_eq!(device.resolve("Item", local.clone(), Resolution::KeepMine), local);
        device.sync();
        device.sync();
        assert_eq!(named(&world, "Item", 1), ["edited"]);
        assert_eq!(device.overlays("Item"), []);
        // The handle stays good.
        device.update("Item", local.clone(), &name("edited again"));
        device.sync();
        assert_eq!(named(&world, "Item", 1), ["edited again"]);
        assert_eq!(device.contents("Item").len(), 1);
    }

    pub(super) fn a_record_of_the_server_is_made_again_under_a_local_key(kind: Kind) {
        let mut world = World::new(kind, contested(Ids::Server));
        world.fill(3);
        let (device, other) = (world.device(), world.device());
        device.sync();
        device.update("Item", 3i64, &name("mine"));
        // A child made here refers to it.
        device.create("Part", &Fields::new().with("item_id", 3i64).with("name", "part"));
        world.delete("Item", 3);
        device.sync();
        assert_eq!(device.conflicts().len(), 1);
        let key = device.resolve("Item", 3i64, Resolution::KeepMine);
        assert!(
            is_local_key(&key.values()[0]),
            "{key}: the server may issue the old key again"
        );
        // Somebody gets the old key, before this device syncs.
        world.put("Item", &fields(3, "another", 1));
        for _ in 0..3 {
            device.sync();
            other.sync();
        }
        let mut names = named(&world, "Item", 1);
        names.sort();
        assert_eq!(names, ["another", "mine", "name 1", "name 2"]);
        assert_eq!(device.get("Item", 3i64).unwrap().value("name"), &"another".into());
        assert_eq!(device.get("Item", key).unwrap().value("name"), &"mine".into());
        assert_equal(&world, &other);
        // The child follows its parent.
        let parts = world.contents("Part");
        let parent = parts.values().next().unwrap()[1].clone();
        let row = &world.contents("Item")[&Key(vec![parent])];
        assert_eq!(row[1], "mine".into());
    }

    /// Scenario 21, for a parent in conflict.
    pub(super) fn children_made_here_wait_with_a_parent_in_conflict(kind: Kind) {
        let mut world = World::new(kind, contested(Ids::Client));
        let device = world.device();
        device.create("Item", &fields(7, "mine", 1));
        world.put("Item", &fields(7, "theirs", 2));
        device.sync();
        assert_eq!(device.conflicts()[0].kind, ConflictKind::CreateCreate);
        let part = Fields::new()
            .with("id", 1i64)
            .with("item_id", 7i64)
            .with("name", "part");
        device.create("Part", &part);
        device.create("Item", &fields(8, "goes on", 1));
        device.sync();
        assert_eq!(world.contents("Part").len(), 0, "held");
        assert_eq!(world.contents("Item").len(), 2, "the rest flows");
        device.resolve("Item", 7i64, Resolution::KeepMine);
        device.sync();
        device.sync();
        assert_eq!(world.contents("Item")[&Key::one(7i64)][1], "mine".into());
        assert_equal(&world, &device);
    }

    fn part(id: i64, item: i64) -> Fields {
        Fields::new()
            .with("id", id)
            .with("item_id", item)
            .with("name", "part")
    }

    /// Scenario 21, for a parent whose conflict is found by the request that its child travels in.
    pub(super) fn children_sent_with_a_parent_that_comes_into_conflict_wait_too(kind: Kind) {
        for fate in [None, Some(Fate::DropAnswer), Some(Fate::Duplicate)] {
            for resolution in [Resolution::KeepMine, Resolution::TakeTheirs] {
                let mut world = World::new(kind, contested(Ids::Client));
                let device = world.device();
                device.create("Item", &fields(7, "mine", 1));
                device.create("Part", &part(1, 7));
                device.create("Item", &fields(8, "goes on", 1));
                device.create("Part", &part(2, 8));
                world.put("Item", &fields(7, "theirs", 2));
                device.lossy.script(fate);
                let _ = device.try_sync();
                device.sync();
                assert_eq!(device.conflicts()[0].kind, ConflictKind::CreateCreate);
                let parts = world.contents("Part");
                let parts: Vec<&Key> = parts.keys().collect();
                assert_eq!(parts, [&Key::one(2i64)], "one is held, the rest flows");
                let listed = world.run(device.syncer.rejected(9)).unwrap();
                assert_eq!(listed.len(), 1);
                assert_eq!(listed[0].key, Key::one(1i64));
                assert_eq!(listed[0].rejection.code, "parent_in_conflict");
                device.sync();
                assert_eq!(world.contents("Part").len(), 1, "still held");
                device.resolve("Item", 7i64, resolution.clone());
                device.sync();
                device.sync();
                assert_eq!(world.contents("Part").len(), 2);
                assert_eq!(world.run(device.syncer.rejected(9)).unwrap(), []);
                let name = if resolution == Resolution::KeepMine {
                    "mine"
                } else {
                    "theirs"
                };
                assert_eq!(world.contents("Item")[&Key::one(7i64)][1], name.into());
                assert_equal(&world, &device);
            }
        }
    }

    /// The same where parent and child were cut for one request, and are sent in two.
    pub(super) fn children_cut_with_a_parent_that_comes_into_conflict_before_they_are_sent_wait_too(
        kind: Kind,
    ) {
        let mut world = World::new(kind, contested(Ids::Client));
        let device = world.device();
        device.create("Item", &fields(7, "mine", 1));
        for id in 1..=3 {
            device.create("Part", &part(id, 7));
        }
        device.create("Item", &fields(8, "goes on", 1));
        world.put("Item", &fields(7, "theirs", 2));
        device.lossy.script([Fate::DropRequest]);
        assert!(device.try_sync().is_err());
        let limits = Limits {
            max_mutations: 1,
            ..Limits::default()
        };
        let device = world.restarted(device, limits);
        device.sync();
        device.sync();
        assert_eq!(device.conflicts()[0].kind, ConflictKind::CreateCreate);
        assert_eq!(world.contents("Part").len(), 0, "held");
        assert_eq!(world.contents("Item").len(), 2, "the rest flows");
        device.resolve("Item", 7i64, Resolution::KeepMine);
        device.sync();
        device.sync();
        assert_eq!(world.contents("Part").len(), 3);
        assert_equal(&world, &device);
    }

    pub(super) fn a_deletion_under_a_change_on_its_way_waits_for_the_outcome(kind: Kind) {
        for applied in [false, true] {
            for edited_since in [false, true] {
                let mut world = World::new(kind, contested(Ids::Client));
                world.fill(2);
                let device = world.device();
                device.sync();
                device.update("Item", 1i64, &name("mine"));
                let fate = if applied {
                    Fate::DropAnswer
                } else {
                    Fate::DropRequest
                };
                device.lossy.script([fate]);
                assert!(device.try_sync().is_err());
                world.delete("Item", 1);
                if edited_since {
                    device.update("Item", 1i64, &Fields::new().with("note", "since"));
                }
                device.try_sync_in(SyncDirection::Pull).unwrap();
                assert_eq!(device.conflicts().len(), 1);
                assert!(device.conflicts()[0].in_flight);
                let early = device
                    .try_resolve("Item", 1i64, Resolution::KeepMine)
                    .unwrap_err();
                assert_eq!(early.code(), "conflict_in_flight");
                device.sync();
                // Applied and deleted by somebody else since: nothing is lost, unless it was edited since.
                let open = device.conflicts().len();
                assert_eq!(
                    open,
                    usize::from(!applied || edited_since),
                    "{applied} {edited_since}"
                );
                if open > 0 {
                    assert!(!device.conflicts()[0].in_flight);
                    device.resolve("Item", 1i64, Resolution::KeepMine);
                    device.sync();
                    assert_eq!(world.contents("Item")[&Key::one(1i64)][1], "mine".into());
                }
                device.sync();
                assert_equal(&world, &device);
            }
        }
    }
}
