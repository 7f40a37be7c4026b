//! Scenarios of deletion: what becomes of children, whoever deletes their parent, and whatever the database's own foreign keys say.

crate::scenarios! {
    a_cascade_reaches_children_of_any_pattern_on_every_device
    a_restricted_delete_is_listed_and_its_children_stay
    children_lose_their_reference
    a_record_made_again_after_a_cascade_is_there
}

mod run {
    use crate::world::*;
    use onsync_core::schema::{Ids, OnDelete, Relation, Schema};
    use onsync_core::store::local::RecordState;
    use onsync_core::{Fields, Key, Value};

    /// `Item` ← `Part` ← `Screw`; devices may not write screws.
    fn schema(rule: OnDelete) -> Schema {
        let mut schema = family(Ids::Client);
        schema.relations[0].on_delete = rule;
        let mut screw = schema.entities[1].clone();
        screw.name = "Screw".to_owned();
        screw.source = "Screw".to_owned();
        screw.pattern = OPTIMIZED.to_owned();
        schema.relations.push(Relation {
            name: "part".to_owned(),
            child: "Screw".to_owned(),
            attribute: "item_id".to_owned(),
            parent: "Part".to_owned(),
            on_delete: OnDelete::Cascade,
        });
        schema.entities.push(screw);
        schema
    }

    fn part(id: i64, item: i64) -> Fields {
        Fields::new()
            .with("id", id)
            .with("item_id", item)
            .with("name", format!("part {id}"))
    }

    /// Databases without foreign keys, with foreign keys that say the same, and with some that refuse.
    fn worlds(kind: Kind, rule: OnDelete) -> [World; 3] {
        let relations = schema(rule).relations;
        let strict = relations.iter().cloned().map(|relation| Relation {
            on_delete: OnDelete::Restrict,
            ..relation
        });
        let strict: Vec<Relation> = strict.collect();
        [Vec::new(), relations, strict].map(|foreign| {
            let world = World::with_foreign_keys(kind, schema(rule), &foreign);
            world.fill(2);
            for id in 1..=4 {
                world.put("Part", &part(id, 1 + id % 2));
                world.put("Screw", &part(id, id));
            }
            world
        })
    }

    fn ids(world: &World, entity: &str) -> Vec<Key> {
        world.contents(entity).into_keys().collect()
    }

    fn keys(ids: &[i64]) -> Vec<Key> {
        ids.iter().map(|id| Key::one(*id)).collect()
    }

    /// As plain SQL does it: the rules of the device do not apply, those of the server do.
    pub(super) fn a_cascade_reaches_children_of_any_pattern_on_every_device(kind: Kind) {
        for mut world in worlds(kind, OnDelete::Cascade) {
            let (a, b) = (world.device(), world.device());
            a.sync();
            b.sync();
            b.update("Part", 2i64, &Fields::new().with("name", "edited"));
            a.delete("Item", 1i64);
            assert_eq!(a.sync().applied, 1);
            assert_eq!(
                (ids(&world, "Item"), ids(&world, "Part"), ids(&world, "Screw")),
                (keys(&[2]), keys(&[1, 3]), keys(&[1, 3]))
            );
            assert_equal(&world, &a);
            b.sync();
            assert_equal(&world, &b);
            assert_eq!(
                b.run(b.syncer.bin(10)).unwrap().len(),
                1,
                "the edit of a deleted child"
            );
        }
    }

    pub(super) fn a_restricted_delete_is_listed_and_its_children_stay(kind: Kind) {
        for mut world in worlds(kind, OnDelete::Restrict) {
            let device = world.device();
            device.sync();
            device.delete("Item", 1i64);
            device.update("Item", 2i64, &Fields::new().with("name", "flows"));
            let summary = device.sync();
            assert_eq!((summary.applied, summary.rejected), (1, 1));
            assert_eq!(
                (ids(&world, "Item"), ids(&world, "Part").len()),
                (keys(&[1, 2]), 4)
            );
            let listed = device.run(device.syncer.rejected(10)).unwrap();
            assert_eq!(listed[0].rejection.code, "delete_restricted");
            assert_eq!(device.overlays("Item")[0].state, RecordState::Rejected);
            // Children deleted in the same request are no obstacle.
            device.delete("Item", 2i64);
            for id in [1i64, 3] {
                device.delete("Part", id);
            }
            assert_eq!(device.sync().applied, 3);
            assert_eq!(
                (ids(&world, "Item"), ids(&world, "Part")),
                (keys(&[1]), keys(&[2, 4]))
            );
        }
    }

    pub(super) fn children_lose_their_reference(kind: Kind) {
        for mut world in worlds(kind, OnDelete::SetNull) {
            let (a, b) = (world.device(), world.device());
            a.sync();
            b.sync();
            b.update("Part", 2i64, &Fields::new().with("name", "edited"));
            a.delete("Item", 1i64);
            a.sync();
            b.sync();
            a.sync();
            let parts = world.contents("Part");
            assert_eq!(
                (&parts[&Key::one(2i64)][1], &parts[&Key::one(1i64)][1]),
                (&Value::Null, &Value::Integer(2))
            );
            assert_eq!(parts[&Key::one(2i64)][2], "edited".into());
            assert_equal(&world, &a);
            assert_equal(&world, &b);
        }
    }

    pub(super) fn a_record_made_again_after_a_cascade_is_there(kind: Kind) {
        for mut world in worlds(kind, OnDelete::Cascade) {
            let device = world.device();
            device.sync();
            device.delete("Item", 1i64);
            device.sync();
            device.create("Item", &fields(1, "again", 1));
            device.create("Part", &part(2, 1));
            device.sync();
            assert_equal(&world, &device);
            assert_eq!(
                (ids(&world, "Item"), ids(&world, "Part")),
                (keys(&[1, 2]), keys(&[1, 2, 3]))
            );
        }
    }
}
