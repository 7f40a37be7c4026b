//! Resolvers: who decides a conflict, in the transaction in which it becomes durable, and what `abort` and `continue` hold back meanwhile.

crate::scenarios! {
    every_resolver_ends_a_conflict_in_its_own_way
    a_resolver_decides_about_deletions_too
    what_a_resolver_leaves_to_a_person_stays_open
    a_resolver_that_panics_or_merges_nonsense_leaves_it_to_a_person
    a_resolution_is_pushed_in_the_same_run
    abort_holds_the_entity_family_and_nothing_else
    slow_a_thousand_open_conflicts_outlive_a_restart
}

mod run {
    use crate::world::*;
    use onsync_core::conflict::{Conflict, ConflictResolver, Resolution};
    use onsync_core::handler::SyncDirection;
    use onsync_core::mutation::BinReason;
    use onsync_core::resolvers::{ClientWins, LatestWins, Manual, MergeAttributes, ServerWins};
    use onsync_core::schema::{EntitySchema, Ids, OnPendingConflicts, Schema};
    use onsync_core::{ErrorKind, Fields, Key, Value};
    use onsync_engine::sync::Limits;
    use std::sync::Arc;

    fn name(name: &str) -> Fields {
        Fields::new().with("name", name)
    }

    fn entity(pending: OnPendingConflicts) -> EntitySchema {
        EntitySchema {
            on_pending_conflicts: pending,
            latest_by: Some("amount".to_owned()),
            ..item(DETECTION, Ids::Client)
        }
    }

    fn world(kind: Kind) -> World {
        let world = World::new(kind, one(entity(OnPendingConflicts::Continue)));
        world.fill(5);
        world
    }

    fn there(world: &World, id: i64) -> Option<(String, String)> {
        let row = world.contents("Item").get(&Key::one(id))?.clone();
        Some((row[1].to_string(), row[2].to_string()))
    }

    #[track_caller]
    fn settled(world: &World, device: &Device) {
        device.sync();
        assert_eq!(device.conflicts(), []);
        assert_equal(world, device);
    }

    /// Mine: name and amount 5; theirs: note and amount as given.
    fn contested(kind: Kind, resolver: impl ConflictResolver + 'static, amount: i64) -> (World, Device) {
        let mut world = world(kind);
        let device = world.device().decided_by("Item", resolver);
        device.sync();
        device.update("Item", 1i64, &name("mine").with("amount", 5i64));
        let theirs = Fields::new()
            .with("id", 1i64)
            .with("note", "theirs")
            .with("amount", amount);
        world.put("Item", &theirs);
        let summary = device.sync();
        assert_eq!(summary.conflicts, 1);
        (world, device)
    }

    pub(super) fn every_resolver_ends_a_conflict_in_its_own_way(kind: Kind) {
        let mine = || Some(("mine".to_owned(), "NULL".to_owned()));
        let theirs = || Some(("name 1".to_owned(), "theirs".to_owned()));
        let null = Value::Null.to_string();
        let mine = || mine().map(|(name, _)| (name, null.clone()));
        let cases: [(Arc<dyn ConflictResolver>, i64, _, usize); 5] = [
            (Arc::new(ServerWins), 9, theirs(), 1),
            (Arc::new(ClientWins), 9, mine(), 0),
            (Arc::new(LatestWins), 9, theirs(), 1),
            (Arc::new(LatestWins), 2, mine(), 0),
            // The amount became the same on both sides.
            (
                Arc::new(MergeAttributes),
                5,
                Some(("mine".to_owned(), "theirs".to_owned())),
                0,
            ),
        ];
        for (resolver, amount, wanted, binned) in cases {
            let label = format!("{} against {amount}", resolver.name());
            let (world, device) = contested(kind, Shared(resolver), amount);
            assert_eq!(device.conflicts(), [], "{label}");
            settled(&world, &device);
            assert_eq!(there(&world, 1), wanted, "{label}");
            let bin = device.run(device.syncer.bin(10)).unwrap();
            assert_eq!(bin.len(), binned, "{label}");
            assert!(bin.iter().all(|entry| entry.reason == BinReason::Overwritten));
        }
    }

    /// A resolver behind a pointer.
    struct Shared(Arc<dyn ConflictResolver>);

    impl ConflictResolver for Shared {
        fn name(&self) -> &'static str {
            self.0.name()
        }

        fn resolve(&self, entity: &EntitySchema, conflict: &Conflict) -> Resolution {
            self.0.resolve(entity, conflict)
        }
    }

    pub(super) fn a_resolver_decides_about_deletions_too(kind: Kind) {
        let resolvers: [Arc<dyn ConflictResolver>; 3] =
            [Arc::new(ServerWins), Arc::new(ClientWins), Arc::new(LatestWins)];
        for resolver in resolvers {
            for deleted_here in [false, true] {
                let mut world = world(kind);
                let keeps_mine = resolver.name() == "client-wins";
                let device = world.device().decided_by("Item", Shared(resolver.clone()));
                device.sync();
                match deleted_here {
                    true => {
                        device.delete("Item", 1i64);
                        world.put("Item", &fields(1, "theirs", 9));
                    }
                    false => {
                        device.update("Item", 1i64, &name("mine"));
                        world.delete("Item", 1);
                    }
                }
                device.sync();
                settled(&world, &device);
                let left = there(&world, 1).map(|(name, _)| name);
                let wanted = match (keeps_mine, deleted_here) {
                    (true, false) => Some("mine".to_owned()),
                    (false, true) => Some("theirs".to_owned()),
                    _ => None,
                };
                assert_eq!(left, wanted, "{} {deleted_here}", resolver.name());
            }
        }
    }

    pub(super) fn what_a_resolver_leaves_to_a_person_stays_open(kind: Kind) {
        for resolver in [Shared(Arc::new(Manual)), Shared(Arc::new(MergeAttributes))] {
            // The amount was changed on both sides.
            let (world, device) = contested(kind, resolver, 9);
            assert_eq!(device.conflicts().len(), 1);
            let agreed = name("mine").with("amount", 14i64);
            device.resolve("Item", 1i64, Resolution::Merge(agreed));
            settled(&world, &device);
            assert_eq!(there(&world, 1), Some(("mine".to_owned(), "theirs".to_owned())));
        }
    }

    struct Bad(&'static str);

    impl ConflictResolver for Bad {
        fn name(&self) -> &'static str {
            "bad"
        }

        fn resolve(&self, _: &EntitySchema, _: &Conflict) -> Resolution {
            match self.0 {
                "panics" => panic!("a resolver that panics"),
                "invents" => Resolution::Merge(Fields::new().with("colour", "red")),
                _ => Resolution::Merge(Fields::new().with("id", 7i64)),
            }
        }
    }

    pub(super) fn a_resolver_that_panics_or_merges_nonsense_leaves_it_to_a_person(kind: Kind) {
        for how in ["panics", "invents", "renames"] {
            let (world, device) = contested(kind, Bad(how), 9);
            assert_eq!(device.conflicts().len(), 1, "{how}");
            device.resolve("Item", 1i64, Resolution::TakeTheirs);
            settled(&world, &device);
        }
    }

    pub(super) fn a_resolution_is_pushed_in_the_same_run(kind: Kind) {
        let (world, device) = contested(kind, ClientWins, 9);
        assert_eq!(
            there(&world, 1).unwrap().0,
            "mine",
            "one run found, decided and sent"
        );
        assert_equal(&world, &device);
    }

    /// Scenario 15's rule: the family stops, other entities go on.
    pub(super) fn abort_holds_the_entity_family_and_nothing_else(kind: Kind) {
        for pending in [OnPendingConflicts::Abort, OnPendingConflicts::Continue] {
            let Schema { entities, relations } = family(Ids::Client);
            let mut other = item(LWW, Ids::Client);
            other.name = "Other".to_owned();
            other.source = "Other".to_owned();
            let part = entities[1].clone();
            let schema = Schema {
                entities: vec![entity(pending), part, other],
                relations,
            };
            let mut world = World::new(kind, schema);
            world.fill(5);
            let device = world.device();
            device.sync();
            device.update("Item", 1i64, &name("mine"));
            world.put("Item", &fields(1, "theirs", 9));
            assert_eq!(device.sync().conflicts, 1, "the run that finds them ends well");
            device.update("Item", 2i64, &name("waits"));
            device.create("Part", &Fields::new().with("id", 1i64).with("item_id", 3i64));
            device.create("Other", &fields(1, "goes on", 1));
            world.put("Item", &fields(3, "newer", 9));
            world.put("Other", &fields(2, "arrives", 1));
            let ended = device.try_sync();
            assert_eq!(world.contents("Other").len(), 2);
            assert_eq!(device.contents("Other").len(), 2);
            let newer = device.get("Item", 3i64).unwrap().value("name").to_string();
            match pending {
                OnPendingConflicts::Abort => {
                    let error = ended.unwrap_err();
                    assert_eq!(
                        (error.kind(), error.code()),
                        (ErrorKind::ConflictsPending, "conflicts_pending")
                    );
                    assert!(error.message().contains("1 of `Item`"), "{error}");
                    assert_eq!(there(&world, 2).unwrap().0, "name 2", "nothing of it is pushed");
                    assert_eq!(world.contents("Part").len(), 0, "nor of its family");
                    assert_eq!(newer, "name 3", "nothing of it is pulled");
                    device.try_sync_in(SyncDirection::Push).unwrap_err();
                    device.try_sync_in(SyncDirection::Pull).unwrap_err();
                }
                OnPendingConflicts::Continue => {
                    ended.unwrap();
                    assert_eq!(there(&world, 2).unwrap().0, "waits");
                    assert_eq!(world.contents("Part").len(), 1);
                    assert_eq!(newer, "newer");
                }
            }
            device.resolve("Item", 1i64, Resolution::KeepMine);
            device.sync();
            settled(&world, &device);
            assert_eq!(world.contents("Part").len(), 1);
        }
    }

    /// Scenario 15.
    pub(super) fn slow_a_thousand_open_conflicts_outlive_a_restart(kind: Kind) {
        for pending in [OnPendingConflicts::Abort, OnPendingConflicts::Continue] {
            let mut world = World::new(kind, one(entity(pending)));
            let all: Vec<Fields> = (1..=1_001).map(|id| fields(id, "first", id)).collect();
            world.put_all("Item", &all);
            let device = world.device();
            device.sync();
            for id in 1..=1_000i64 {
                device.update("Item", id, &name("mine"));
            }
            let all: Vec<Fields> = (1..=1_000).map(|id| fields(id, "theirs", id)).collect();
            world.put_all("Item", &all);
            assert_eq!(device.sync().conflicts, 1_000);
            let before = device.conflicts();
            assert_eq!(before.len(), 1_000);
            let device = world.restarted(device, Limits::default());
            assert_eq!(device.conflicts(), before, "all there");
            device.update("Item", 1_001i64, &name("goes on"));
            let ended = device.try_sync();
            let sent = there(&world, 1_001).unwrap().0 == "goes on";
            match pending {
                OnPendingConflicts::Abort => {
                    assert_eq!(ended.unwrap_err().code(), "conflicts_pending");
                    assert!(!sent);
                }
                OnPendingConflicts::Continue => {
                    assert_eq!(ended.unwrap().applied, 1);
                    assert!(sent);
                }
            }
            for conflict in &before {
                device.resolve("Item", conflict.key.clone(), Resolution::TakeTheirs);
            }
            settled(&world, &device);
        }
    }
}
