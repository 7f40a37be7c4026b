//! Scenarios of keys that the server issues, and of references to them.

crate::scenarios! {
    a_created_record_keeps_its_local_key
    a_child_of_a_new_parent_gets_the_right_key
    a_lost_answer_makes_no_second_parent
    a_fetch_before_the_acknowledgement_brings_no_second_record
    a_child_is_held_while_its_parent_is_rejected
    parents_outside_the_context_are_pushed_too
    a_child_without_parent_is_legal_here
}

mod run {
    use crate::world::*;
    use onsync_core::handler::SyncDirection;
    use onsync_core::schema::Ids;
    use onsync_core::store::local::is_local_key;
    use onsync_core::{Fields, Key, Value};
    use onsync_testkit::fakes::Fate;

    fn named(name: &str) -> Fields {
        Fields::new().with("name", name)
    }

    fn part(item: &Key, name: &str) -> Fields {
        Fields::new()
            .with("item_id", item.0[0].clone())
            .with("name", name)
    }

    /// The name of each part's item, in the server's database.
    fn families(world: &World) -> Vec<(String, String)> {
        let items = world.contents("Item");
        let mut found: Vec<(String, String)> = world
            .contents("Part")
            .values()
            .map(|part| {
                (
                    items[&Key(vec![part[1].clone()])][1].to_string(),
                    part[2].to_string(),
                )
            })
            .collect();
        found.sort();
        found
    }

    pub(super) fn a_created_record_keeps_its_local_key(kind: Kind) {
        for pattern in WRITING {
            let mut world = World::new(kind, one(item(pattern, Ids::Server)));
            world.fill(3);
            let device = world.device();
            device.sync();
            let key = device.create("Item", &named("made here"));
            assert!(is_local_key(&key.0[0]));
            device.sync();
            device.sync();
            assert!(device.get("Item", key.clone()).is_some() && device.contents("Item").len() == 4);
            let there = world.contents("Item");
            let issued = there
                .iter()
                .find(|(_, row)| row[1] == "made here".into())
                .unwrap()
                .0
                .clone();
            assert_eq!(issued, Key::one(4i64));
            device.update("Item", key.clone(), &named("changed here"));
            device.sync();
            assert_eq!(world.contents("Item")[&issued][1], "changed here".into());
            world.put("Item", &fields(4, "changed there", 1));
            device.sync();
            assert_eq!(
                device.get("Item", key.clone()).unwrap().value("name"),
                &"changed there".into()
            );
            device.delete("Item", key);
            device.sync();
            assert_eq!(world.contents("Item").len(), 3);
            assert_eq!(device.overlays("Item"), []);
        }
    }

    pub(super) fn a_child_of_a_new_parent_gets_the_right_key(kind: Kind) {
        for pattern in WRITING {
            let mut world = World::new(kind, family_under(pattern, Ids::Server));
            world.fill(3);
            let (device, other) = (world.device(), world.device());
            device.sync();
            let item = device.create("Item", &named("new item"));
            device.create("Part", &part(&item, "one"));
            device.create("Part", &part(&item, "two"));
            device.create("Part", &part(&Key::one(2i64), "of an old item"));
            let summary = device.sync();
            assert_eq!((summary.applied, summary.rejected), (4, 0));
            let wanted = [
                ("name 2", "of an old item"),
                ("new item", "one"),
                ("new item", "two"),
            ];
            assert_eq!(
                families(&world),
                wanted.map(|(item, part)| (item.to_owned(), part.to_owned()))
            );
            other.sync();
            assert_equal(&world, &other);
            // The handles of the device that made them stay valid.
            let parts = device.contents("Part");
            assert_eq!(parts.values().filter(|row| row[1] == item.0[0]).count(), 2);
            device.sync();
            assert_eq!(
                (device.contents("Item").len(), device.contents("Part").len()),
                (4, 3)
            );
        }
    }

    /// Scenario 20 for two levels.
    pub(super) fn a_lost_answer_makes_no_second_parent(kind: Kind) {
        for pattern in WRITING {
            for fate in [
                Fate::DropRequest,
                Fate::DropAnswer,
                Fate::TruncateAfter(2),
                Fate::TruncateAfter(3),
                Fate::Duplicate,
            ] {
                let mut world = World::new(kind, family_under(pattern, Ids::Server));
                let device = world.device();
                device.sync();
                let item = device.create("Item", &named("p"));
                device.create("Part", &part(&item, "c1"));
                device.lossy.script([fate]);
                let _ = device.try_sync();
                device.create("Part", &part(&item, "c2"));
                device.sync();
                device.sync();
                assert_eq!(world.contents("Item").len(), 1, "{fate:?}");
                let wanted = [("p", "c1"), ("p", "c2")];
                assert_eq!(
                    families(&world),
                    wanted.map(|(item, part)| (item.to_owned(), part.to_owned())),
                    "{fate:?}"
                );
                assert_eq!(
                    (device.contents("Item").len(), device.contents("Part").len()),
                    (1, 2),
                    "{fate:?}"
                );
            }
        }
    }

    /// Scenario 22.
    pub(super) fn a_fetch_before_the_acknowledgement_brings_no_second_record(kind: Kind) {
        for pattern in WRITING {
            let mut world = World::new(kind, family_under(pattern, Ids::Server));
            let device = world.device();
            device.sync();
            let item = device.create("Item", &named("p"));
            device.create("Part", &part(&item, "c"));
            device.lossy.script([Fate::DropAnswer]);
            assert!(device.try_sync().is_err());
            device.try_sync_in(SyncDirection::Pull).unwrap();
            assert_eq!(
                (device.contents("Item").len(), device.contents("Part").len()),
                (1, 1)
            );
            device.sync();
            assert_eq!(
                (device.contents("Item").len(), device.contents("Part").len()),
                (1, 1)
            );
            assert_eq!(
                (world.contents("Item").len(), world.contents("Part").len()),
                (1, 1)
            );
            assert!(device.contents("Item").contains_key(&item));
            assert_eq!(
                (device.overlays("Item"), device.overlays("Part")),
                (vec![], vec![])
            );
        }
    }

    /// Scenario 21.
    pub(super) fn a_child_is_held_while_its_parent_is_rejected(kind: Kind) {
        for pattern in [LWW, DETECTION] {
            let mut world = World::new(kind, family_under(pattern, Ids::Server));
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
            let item = device.create("Item", &named("name 1"));
            device.create("Part", &part(&item, "held"));
            device.create("Part", &part(&Key::one(1i64), "flows"));
            device.sync();
            device.sync();
            assert_eq!(families(&world), [("name 1".to_owned(), "flows".to_owned())]);
            let listed = device.run(device.syncer.rejected(10)).unwrap();
            assert!(listed.iter().any(|entry| entry.entity == "Item"), "{listed:?}");
            device.update("Item", item, &named("fixed"));
            device.sync();
            device.sync();
            let wanted = [("fixed", "held"), ("name 1", "flows")];
            assert_eq!(
                families(&world),
                wanted.map(|(item, part)| (item.to_owned(), part.to_owned()))
            );
            assert_eq!(device.waiting(), 0);
        }
    }

    pub(super) fn parents_outside_the_context_are_pushed_too(kind: Kind) {
        for pattern in WRITING {
            let mut world = World::new(kind, family_under(pattern, Ids::Server));
            let device = world.device();
            device.sync();
            let item = device.create("Item", &named("p"));
            device.create("Part", &part(&item, "c"));
            let mut step = device.step(SyncDirection::Both);
            step.entities = vec!["Part".into()];
            device.run(async {
                let fence = device.take_over().await.unwrap();
                device.syncer.run(fence, &step, &|_| {}).await.unwrap()
            });
            assert_eq!(families(&world), [("p".to_owned(), "c".to_owned())]);
        }
    }

    /// Scenario 36.
    pub(super) fn a_child_without_parent_is_legal_here(kind: Kind) {
        for pattern in [READ_ONLY, OPTIMIZED, LWW, DETECTION, FAMILY] {
            let mut world = World::new(kind, family_under(pattern, Ids::Client));
            world.put("Item", &fields(1, "p", 0));
            let orphan = Fields::new()
                .with("id", 1i64)
                .with("item_id", 99i64)
                .with("name", "orphan");
            world.put("Part", &orphan);
            let device = world.device();
            device.sync();
            assert_equal(&world, &device);
            world.put("Item", &fields(1, "refreshed", 0));
            device.sync();
            assert_eq!(
                device.get("Part", 1i64).unwrap().value("item_id"),
                &Value::Integer(99)
            );
            assert_equal(&world, &device);
        }
    }
}
