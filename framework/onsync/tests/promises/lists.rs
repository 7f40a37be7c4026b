//! Scenarios of rejected changes and what depends on them: sent again, fixed, discarded.

crate::scenarios! {
    a_rejected_change_is_sent_again_once_the_reason_has_gone
    a_discarded_change_is_in_the_bin_and_comes_back
    a_discarded_delete_brings_the_record_back
    a_discarded_create_takes_what_cannot_be_without_it
    a_change_on_its_way_is_neither_discarded_nor_sent_again
    a_rejection_that_a_later_outcome_settles_is_not_listed
    what_may_have_been_applied_is_sent_again_or_discarded
    an_edit_of_what_may_have_been_applied_waits_for_the_decision
}

mod run {
    use crate::world::*;
    use onsync_core::mutation::{BinReason, MutationKind};
    use onsync_core::schema::{Attribute, EntitySchema, Ids, OnDelete, Relation, Schema};
    use onsync_core::store::local::Access;
    use onsync_core::wire::{Hello, RequestFrame};
    use onsync_core::{Fields, Key, Value, ValueType};
    use onsync_engine::sync::{BinFilter, Discarded, RejectedChange};
    use onsync_testkit::fakes::Fate;

    fn name(name: &str) -> Fields {
        Fields::new().with("name", name)
    }

    /// Names are unique on the server from now on.
    fn unique_names(world: &World) {
        match &world.database {
            Database::Memory(store) => world.run(store.add_unique("Item", &["name"])).unwrap(),
            Database::Sqlite(path) => onsync_sqlite_store::rusqlite::Connection::open(path)
                .unwrap()
                .execute_batch("CREATE UNIQUE INDEX item_name ON Item (name)")
                .unwrap(),
        }
    }

    fn items(kind: Kind) -> (World, Device) {
        let mut world = World::new(kind, one(item(LWW, Ids::Client)));
        world.fill(3);
        unique_names(&world);
        let device = world.device();
        device.sync();
        (world, device)
    }

    fn rejected(device: &Device) -> Vec<RejectedChange> {
        device.run(device.syncer.rejected_changes(100)).unwrap()
    }

    fn bin(device: &Device) -> Vec<onsync_engine::sync::BinEntry> {
        device.run(device.syncer.bin(BinFilter::all())).unwrap()
    }

    fn code<T: std::fmt::Debug>(result: onsync_core::Result<T>) -> String {
        result.unwrap_err().code().to_owned()
    }

    pub(super) fn a_rejected_change_is_sent_again_once_the_reason_has_gone(kind: Kind) {
        let (world, device) = items(kind);
        device.update("Item", 1i64, &name("name 2"));
        device.sync();
        let listed = rejected(&device);
        assert_eq!(listed.len(), 1);
        let change = &listed[0];
        assert_eq!(
            (
                change.entry.kind,
                &change.entry.values,
                change.entry.rejection.code.as_str()
            ),
            (MutationKind::Update, &name("name 2"), "constraint_violated")
        );
        assert!(change.entry.at.is_some() && !change.fixed && !change.may_have_been_applied);
        let number = change.entry.number;
        assert_eq!(device.sync().rejected, 0, "it is not sent again by itself");

        world.put("Item", &Fields::new().with("id", 2i64).with("name", "another"));
        assert!(device.run(device.syncer.retry_rejected(number)).unwrap());
        assert!(rejected(&device).is_empty());
        assert_eq!(device.sync().applied, 1);
        device.sync();
        assert_equal(&world, &device);
        assert_eq!(device.get("Item", 1i64).unwrap().value("name"), &"name 2".into());
        assert_eq!(
            code(device.run(device.syncer.retry_rejected(number))),
            "rejected_entry_missing"
        );
        assert_eq!(
            code(device.run(device.syncer.discard_rejected(number, false))),
            "rejected_entry_missing"
        );
    }

    pub(super) fn a_discarded_change_is_in_the_bin_and_comes_back(kind: Kind) {
        let (world, device) = items(kind);
        device.update("Item", 1i64, &name("name 2"));
        device.sync();
        let number = rejected(&device)[0].entry.number;
        // Edited since: the edit is discarded with it, and nothing of it is lost.
        device.update("Item", 1i64, &Fields::new().with("note", "mine"));
        assert!(rejected(&device)[0].fixed);
        let shown = device.run(device.syncer.discard_rejected(number, true)).unwrap();
        assert_eq!(rejected(&device).len(), 1, "showing discards nothing");
        let discarded = device.run(device.syncer.discard_rejected(number, false)).unwrap();
        assert_eq!(shown, discarded);
        assert_eq!((discarded.len(), discarded[0].what), (1, Discarded::Reverted));
        assert!(rejected(&device).is_empty());
        assert_equal(&world, &device);
        device.sync();
        assert_equal(&world, &device);

        let lost = bin(&device);
        assert_eq!((lost.len(), lost[0].reason), (1, BinReason::Discarded));
        assert_eq!(lost[0].values.value("name"), &"name 2".into());
        assert_eq!(device.run(device.syncer.bin_entry(lost[0].id)).unwrap(), lost[0]);
        world.put("Item", &Fields::new().with("id", 2i64).with("name", "another"));
        device.sync();
        assert_eq!(
            device.run(device.syncer.restore(lost[0].id)).unwrap(),
            Key::one(1i64)
        );
        assert!(bin(&device).is_empty());
        assert_eq!(device.waiting(), 1, "what is restored is an edit like any other");
        device.sync();
        device.sync();
        assert_equal(&world, &device);
        let back = device.get("Item", 1i64).unwrap();
        assert_eq!(
            (back.value("name"), back.value("note")),
            (&"name 2".into(), &"mine".into())
        );
        assert_eq!(
            code(device.run(device.syncer.restore(lost[0].id))),
            "bin_entry_missing"
        );
    }

    pub(super) fn a_discarded_delete_brings_the_record_back(kind: Kind) {
        let mut world = World::new(kind, family(Ids::Client));
        world.fill(1);
        let device = world.device();
        device.sync();
        // Somebody makes a part of it: the relation restricts.
        let part = Fields::new()
            .with("id", 7i64)
            .with("item_id", 1i64)
            .with("name", "theirs");
        world.put("Part", &part);
        device.delete("Item", 1i64);
        device.sync();
        let listed = rejected(&device);
        assert_eq!((listed.len(), listed[0].entry.kind), (1, MutationKind::Delete));
        let number = listed[0].entry.number;
        let discarded = device.run(device.syncer.discard_rejected(number, false)).unwrap();
        assert_eq!(discarded[0].what, Discarded::Reverted);
        device.sync();
        assert_equal(&world, &device);
        assert!(bin(&device).is_empty(), "a delete holds no values");
    }

    /// `Item` ← `Part` ← `Part` of it, and `Tag(item_id)` that can be without an item.
    fn chain(ids: Ids) -> Schema {
        let mut schema = family(ids);
        schema.entities[1]
            .attributes
            .push(Attribute::new("part_id", ValueType::Integer));
        let attributes = vec![
            Attribute::new("id", ValueType::Integer),
            Attribute::new("item_id", ValueType::Integer),
            Attribute::new("text", ValueType::Text),
        ];
        schema.entities.push(EntitySchema {
            ids,
            ..EntitySchema::new("Tag", LWW, &["id"], attributes)
        });
        for (name, child, attribute, parent, on_delete) in [
            ("part", "Part", "part_id", "Part", OnDelete::Cascade),
            ("tagged", "Tag", "item_id", "Item", OnDelete::SetNull),
        ] {
            schema.relations.push(Relation {
                name: name.into(),
                child: child.into(),
                attribute: attribute.into(),
                parent: parent.into(),
                on_delete,
            });
        }
        schema
    }

    /// Scenario 21: everything that is held is named with its cause, and goes with what is discarded; the rest flows.
    pub(super) fn a_discarded_create_takes_what_cannot_be_without_it(kind: Kind) {
        let mut world = World::new(kind, chain(Ids::Server));
        world.fill(2);
        unique_names(&world);
        world.put(
            "Part",
            &Fields::new()
                .with("id", 50i64)
                .with("item_id", 2i64)
                .with("name", "known"),
        );
        let device = world.device();
        device.sync();
        let item = device.create("Item", &name("name 1"));
        let of = |item: &Key, name: &str| {
            Fields::new()
                .with("item_id", item.0[0].clone())
                .with("name", name)
        };
        let part = device.create("Part", &of(&item, "part"));
        let below = device.create(
            "Part",
            &of(&item, "below")
                .with("item_id", Value::Null)
                .with("part_id", part.0[0].clone()),
        );
        let tag = device.create(
            "Tag",
            &Fields::new()
                .with("item_id", item.0[0].clone())
                .with("text", "tag"),
        );
        device.update("Part", 50i64, &Fields::new().with("item_id", item.0[0].clone()));
        device.create("Part", &of(&Key::one(1i64), "flows"));
        device.sync();
        device.sync();
        let listed = rejected(&device);
        let change = listed
            .iter()
            .find(|change| change.entry.entity == "Item")
            .unwrap();
        let mut held: Vec<(&str, &Key, MutationKind, &str, &Key)> = change
            .dependents
            .iter()
            .map(|held| {
                let relation = held.relation.as_str();
                (held.entity.as_str(), &held.key, held.kind, relation, &held.parent)
            })
            .collect();
        held.sort_by_key(|held| (held.0, held.1));
        let known = Key::one(50i64);
        let mut wanted = vec![
            ("Part", &part, MutationKind::Create, "item", &item),
            ("Part", &below, MutationKind::Create, "part", &part),
            ("Part", &known, MutationKind::Update, "item", &item),
            ("Tag", &tag, MutationKind::Create, "tagged", &item),
        ];
        wanted.sort_by_key(|held| (held.0, held.1));
        assert_eq!(held, wanted);
        assert!(
            world
                .contents("Part")
                .values()
                .any(|row| row[2] == "flows".into())
        );

        let number = change.entry.number;
        let discarded = device.run(device.syncer.discard_rejected(number, false)).unwrap();
        let of = |what: Discarded| discarded.iter().filter(|record| record.what == what).count();
        assert_eq!(discarded[0].entity, "Item", "{discarded:?}");
        assert_eq!(
            (of(Discarded::Removed), of(Discarded::Detached)),
            (3, 2),
            "{discarded:?}"
        );
        assert_eq!(bin(&device).len(), 5, "no value is lost");
        assert!(rejected(&device).is_empty(), "{:?}", rejected(&device));
        device.sync();
        device.sync();
        assert_eq!(device.waiting(), 0);
        let tags = world.contents("Tag");
        let there: Vec<_> = tags.values().map(|row| row[1..].to_vec()).collect();
        assert_eq!(
            there,
            [vec![Value::Null, "tag".into()]],
            "it is sent without its item"
        );
        assert_eq!(world.contents("Part")[&Key::one(50i64)][1], 2i64.into());
        assert_eq!(world.contents("Part").len(), 2);
        assert_eq!(world.contents("Item").len(), 2);
        for entity in ["Item", "Part", "Tag"] {
            assert_eq!(device.contents(entity).len(), world.contents(entity).len());
        }
    }

    pub(super) fn a_change_on_its_way_is_neither_discarded_nor_sent_again(kind: Kind) {
        let (world, device) = items(kind);
        device.update("Item", 1i64, &name("name 2"));
        device.sync();
        let number = rejected(&device)[0].entry.number;
        device.update("Item", 1i64, &name("fixed"));
        device.lossy.script([Fate::DropAnswer]);
        device.try_sync().unwrap_err();
        // The server has it; the device does not know. Taking it back would not be honest.
        for refused in [
            code(device.run(device.syncer.retry_rejected(number))),
            code(device.run(device.syncer.discard_rejected(number, true))),
            code(device.run(device.syncer.discard_rejected(number, false))),
        ] {
            assert_eq!(refused, "record_in_flight");
        }
        assert_eq!(rejected(&device).len(), 1);
        device.sync();
        assert!(rejected(&device).is_empty());
        device.sync();
        assert_equal(&world, &device);
        assert_eq!(world.contents("Item")[&Key::one(1i64)][1], "fixed".into());

        // Discarded between two steps of a sync that runs: its other changes go on, and nothing comes back.
        device.update("Item", 2i64, &name("name 3"));
        device.sync();
        let number = rejected(&device)[0].entry.number;
        device.update("Item", 3i64, &Fields::new().with("amount", 33i64));
        device
            .lossy
            .script([Fate::DelayAnswer(std::time::Duration::from_secs(5))]);
        let discarded = device.run(async {
            let fence = device.take_over().await.unwrap();
            let step = device.step(onsync_core::handler::SyncDirection::Both);
            let syncing = device.syncer.run(fence, &step, &|_| {});
            let deciding = async {
                onsync_core::runtime::Runtime::sleep(&device.world, std::time::Duration::from_secs(2)).await;
                device.syncer.discard_rejected(number, false).await
            };
            let (synced, discarded) = futures_util::future::join(syncing, deciding).await;
            assert_eq!(synced.unwrap().applied, 1);
            discarded.unwrap()
        });
        assert_eq!(discarded.len(), 1);
        device.sync();
        assert_equal(&world, &device);
    }

    pub(super) fn a_rejection_that_a_later_outcome_settles_is_not_listed(kind: Kind) {
        let (world, device) = items(kind);
        device.update("Item", 1i64, &name("name 2"));
        device.sync();
        assert_eq!(rejected(&device).len(), 1);
        // Somebody else writes the very same: there is nothing to decide any more.
        world.put("Item", &Fields::new().with("id", 2i64).with("name", "another"));
        world.put("Item", &Fields::new().with("id", 1i64).with("name", "name 2"));
        device.sync();
        assert!(rejected(&device).is_empty());
        assert_equal(&world, &device);
        // Edited to what the database takes; then the record is deleted by somebody else.
        device.update("Item", 1i64, &name("name 3"));
        device.sync();
        assert_eq!(rejected(&device).len(), 1);
        device.update("Item", 1i64, &name("free"));
        world.delete("Item", 1);
        device.sync();
        assert!(rejected(&device).is_empty());
        device.sync();
        assert_equal(&world, &device);
    }

    /// A device's instance, as its store keeps it.
    #[derive(serde::Deserialize)]
    struct Instance {
        id: uuid::Uuid,
    }

    /// A device whose server forgot it: one create and one update may have been applied.
    fn forgotten(kind: Kind) -> (World, Device) {
        let mut world = World::new(kind, one(item(LWW, Ids::Client)));
        world.fill(2);
        let device = world.device();
        device.sync();
        device.create("Item", &fields(9, "made here", 9));
        device.update("Item", 1i64, &name("changed here"));
        device.lossy.script([Fate::DropRequest]);
        device.try_sync().unwrap_err();
        // The server believes that the device has settled everything: an honest one that was restored from a copy says so.
        let bytes = device.run(async {
            let mut tx = device.store.begin(Access::Read).await.unwrap();
            tx.area_get("state", b"instance").await.unwrap().unwrap()
        });
        let instance: Instance = rmp_serde::from_slice(&bytes).unwrap();
        let hello = RequestFrame::Hello(Hello::new(instance.id, 1_000));
        let request = vec![hello, RequestFrame::End {}];
        world.run(world.service.sync(None, request)).unwrap();
        device.sync();
        (world, device)
    }

    pub(super) fn what_may_have_been_applied_is_sent_again_or_discarded(kind: Kind) {
        let (world, device) = forgotten(kind);
        let listed = rejected(&device);
        assert_eq!(listed.len(), 2, "{listed:?}");
        assert!(listed.iter().all(|change| change.may_have_been_applied));
        assert_eq!(listed[0].entry.rejection.code, "may_have_been_applied");
        let numbers: Vec<u64> = listed.iter().map(|change| change.entry.number).collect();
        let of = |kind: MutationKind| {
            let found = listed.iter().find(|change| change.entry.kind == kind).unwrap();
            found.entry.number
        };
        assert_eq!(
            device.run(device.syncer.rejected_change(numbers[1])).unwrap(),
            listed[1]
        );
        device
            .run(device.syncer.discard_rejected(of(MutationKind::Update), false))
            .unwrap();
        assert_eq!(bin(&device)[0].values.value("name"), &"changed here".into());
        assert!(
            device
                .run(device.syncer.retry_rejected(of(MutationKind::Create)))
                .unwrap()
        );
        assert!(rejected(&device).is_empty());
        device.sync();
        device.sync();
        assert_equal(&world, &device);
        assert_eq!(world.contents("Item")[&Key::one(9i64)][1], "made here".into());
        assert_eq!(world.contents("Item")[&Key::one(1i64)][1], "name 1".into());
    }
    pub(super) fn an_edit_of_what_may_have_been_applied_waits_for_the_decision(kind: Kind) {
        let (world, device) = forgotten(kind);
        device.update("Item", 1i64, &name("edited since"));
        device.update("Item", 2i64, &name("of no matter"));
        device.sync();
        device.sync();
        assert_eq!(
            world.contents("Item")[&Key::one(1i64)][1],
            "name 1".into(),
            "an edit is no decision"
        );
        assert_eq!(world.contents("Item")[&Key::one(2i64)][1], "of no matter".into());
        let listed = rejected(&device);
        assert_eq!(listed.len(), 2);
        assert!(listed.iter().all(|change| !change.fixed));
        let of_update = |change: &&RejectedChange| change.entry.kind == MutationKind::Update;
        let number = listed.iter().find(of_update).unwrap().entry.number;
        assert!(device.run(device.syncer.retry_rejected(number)).unwrap());
        device.sync();
        assert_eq!(world.contents("Item")[&Key::one(1i64)][1], "edited since".into());
    }
}
