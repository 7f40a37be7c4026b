//! Open conflicts are looked at again when this device has changed something: sides made equal are no conflict, and a new resolver is asked.

crate::scenarios! {
    sides_that_the_app_made_equal_are_no_conflict
    a_conflict_that_is_none_any_more_holds_no_family
    a_new_resolver_is_offered_what_is_open
    a_resolver_is_asked_again_about_an_edit
}

mod run {
    use crate::world::*;
    use onsync_core::conflict::Resolution;
    use onsync_core::resolvers::{MergeAttributes, ServerWins};
    use onsync_core::schema::{EntitySchema, Ids, OnPendingConflicts, Schema};
    use onsync_core::{Fields, Key};
    use onsync_engine::sync::Limits;

    const BOTH: [OnPendingConflicts; 2] = [OnPendingConflicts::Abort, OnPendingConflicts::Continue];

    fn name(name: &str) -> Fields {
        Fields::new().with("name", name)
    }

    fn entity(pending: OnPendingConflicts) -> EntitySchema {
        EntitySchema {
            on_pending_conflicts: pending,
            ..item(DETECTION, Ids::Client)
        }
    }

    /// A conflict about the name of record 1, or a deletion there, and one more edit that waits.
    fn contested(kind: Kind, pending: OnPendingConflicts, theirs: Option<&str>) -> (World, Device) {
        let mut world = World::new(kind, one(entity(pending)));
        world.fill(5);
        let device = world.device();
        device.sync();
        device.update("Item", 1i64, &name("mine"));
        match theirs {
            Some(theirs) => world.put("Item", &name(theirs).with("id", 1i64)),
            None => world.delete("Item", 1),
        }
        device.sync();
        assert_eq!(device.conflicts().len(), 1);
        device.update("Item", 2i64, &name("waits"));
        (world, device)
    }

    fn pending(device: &Device) -> (u64, u64) {
        let pending = device.run(device.syncer.pending()).unwrap();
        (pending.waiting, pending.conflicts)
    }

    pub(super) fn sides_that_the_app_made_equal_are_no_conflict(kind: Kind) {
        for how in BOTH {
            for theirs in [Some("theirs"), None] {
                let (world, device) = contested(kind, how, theirs);
                match theirs {
                    Some(theirs) => device.update("Item", 1i64, &name(theirs)),
                    None => device.delete("Item", 1i64),
                }
                assert_eq!(device.conflicts(), [], "{how:?}: it is not shown any more");
                assert_eq!(pending(&device).1, 0, "{how:?}: nor counted");
                let summary = device.sync();
                assert_eq!((summary.applied, summary.conflicts), (1, 0), "{how:?}");
                assert_eq!(pending(&device), (0, 0));
                assert_equal(&world, &device);
                let gone = device.try_resolve("Item", 1i64, Resolution::KeepMine);
                assert_eq!(gone.unwrap_err().code(), "conflict_missing");
            }
        }
    }

    pub(super) fn a_conflict_that_is_none_any_more_holds_no_family(kind: Kind) {
        let Schema { entities, relations } = family(Ids::Client);
        let [_, part] = entities.try_into().unwrap();
        let entities = vec![entity(OnPendingConflicts::Abort), part];
        let mut world = World::new(kind, Schema { entities, relations });
        world.fill(2);
        let device = world.device();
        device.sync();
        device.update("Item", 1i64, &name("mine"));
        world.delete("Item", 1);
        let _ = device.try_sync();
        let part = Fields::new()
            .with("id", 7i64)
            .with("item_id", 2i64)
            .with("name", "part");
        device.create("Part", &part);
        assert_eq!(device.try_sync().unwrap_err().code(), "conflicts_pending");
        assert!(world.contents("Part").is_empty());
        device.delete("Item", 1i64);
        device.sync();
        assert!(world.contents("Part").contains_key(&Key::one(7i64)));
        assert_equal(&world, &device);
    }

    pub(super) fn a_new_resolver_is_offered_what_is_open(kind: Kind) {
        for how in BOTH {
            let (world, device) = contested(kind, how, Some("theirs"));
            // The same attribute on both sides: left to a person.
            let device = world
                .restarted(device, Limits::default())
                .decided_by("Item", MergeAttributes);
            let _ = device.try_sync();
            assert_eq!(device.conflicts().len(), 1, "{how:?}");
            let device = world
                .restarted(device, Limits::default())
                .decided_by("Item", ServerWins);
            assert_eq!(device.conflicts().len(), 1, "{how:?}: until it syncs");
            device.sync();
            assert_eq!(device.conflicts(), [], "{how:?}");
            assert_equal(&world, &device);
            let row = device.get("Item", 1i64).unwrap();
            assert_eq!(row.value("name"), &"theirs".into(), "{how:?}");
            assert_eq!(device.run(device.syncer.bin(10)).unwrap().len(), 1);
        }
    }

    pub(super) fn a_resolver_is_asked_again_about_an_edit(kind: Kind) {
        let (world, device) = contested(kind, OnPendingConflicts::Continue, Some("theirs"));
        let device = world
            .restarted(device, Limits::default())
            .decided_by("Item", MergeAttributes);
        device.sync();
        assert_eq!(device.conflicts().len(), 1);
        // The contested attribute is given up, another one was changed here alone.
        let given_up = name("theirs").with("note", "mine");
        device.update("Item", 1i64, &given_up);
        device.sync();
        assert_eq!(device.conflicts(), []);
        assert_equal(&world, &device);
        let row = world.contents("Item")[&Key::one(1i64)].clone();
        assert_eq!(row[1..3], ["theirs".into(), "mine".into()]);
    }
}
