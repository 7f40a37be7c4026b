//! Scenarios of what readers see of record families: all of what changed at once, or nothing.

crate::scenarios! {
    a_family_that_arrives_is_seen_at_once
    an_answer_that_is_cut_off_shows_nothing_of_a_family
    beyond_the_limit_parents_come_first
    what_appears_piece_by_piece_is_said_to_catch_up
    a_tree_in_one_entity_is_seen_at_once
    a_first_sync_brings_parents_first_and_ends_complete
    what_is_made_while_an_answer_is_under_way_does_not_come_in_part
}

mod run {
    use crate::world::*;
    use onsync_core::handler::{Phase, SyncDirection};
    use onsync_core::query::Query;
    use onsync_core::schema::{Attribute, EntitySchema, OnDelete, Relation, Schema};
    use onsync_core::store::local::{Access, LocalStore};
    use onsync_core::transport::{Answer, Exchange, Transport};
    use onsync_core::wire::{AnswerFrame, Health};
    use onsync_core::{Fields, Key, Result, Value, ValueType, portable_async};
    use onsync_engine::sync::{Limits, Progress};
    use onsync_testkit::fakes::Fate;
    use std::collections::BTreeMap;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
    use std::sync::{Arc, Mutex};

    fn entity(name: &str, attributes: &[(&str, ValueType)]) -> EntitySchema {
        let attributes = attributes
            .iter()
            .map(|(name, value_type)| Attribute::new(*name, *value_type));
        EntitySchema::new(name, FAMILY, &["id"], attributes.collect())
    }

    fn relation(child: &str, attribute: &str, parent: &str) -> Relation {
        Relation {
            name: format!("{child}_{attribute}"),
            child: child.to_owned(),
            attribute: attribute.to_owned(),
            parent: parent.to_owned(),
            on_delete: OnDelete::Cascade,
        }
    }

    /// `Company` ← `Contact` ← `Note`, the child first on purpose. A company says how many contacts it has.
    fn schema() -> Schema {
        use ValueType::{Integer, Text};
        Schema {
            entities: vec![
                entity(
                    "Note",
                    &[("id", Integer), ("contact_id", Integer), ("text", Text)],
                ),
                entity(
                    "Contact",
                    &[("id", Integer), ("company_id", Integer), ("name", Text)],
                ),
                entity("Company", &[("id", Integer), ("size", Integer), ("name", Text)]),
            ],
            relations: vec![
                relation("Note", "contact_id", "Contact"),
                relation("Contact", "company_id", "Company"),
            ],
        }
    }

    fn limits() -> Limits {
        Limits {
            page_rows: 3,
            ..Limits::default()
        }
    }

    /// A company with this many contacts, each with a note.
    fn put_family(world: &World, id: i64, size: i64) {
        let company = Fields::new()
            .with("id", id)
            .with("size", size)
            .with("name", "new");
        let mut rows = vec![("Company", company)];
        for number in 0..size {
            let contact = id * 10_000 + number;
            let person = Fields::new()
                .with("id", contact)
                .with("company_id", id)
                .with("name", "new");
            let note = Fields::new()
                .with("id", contact)
                .with("contact_id", contact)
                .with("text", "new");
            rows.extend([("Contact", person), ("Note", note)]);
        }
        world.put_each(&rows);
    }

    /// How many families a reader sees whole. None where one is there in part.
    async fn whole_families(store: &dyn LocalStore, schema: &Schema) -> Option<usize> {
        let mut tx = store.begin(Access::Read).await.unwrap();
        let mut parents = BTreeMap::new();
        for name in ["Company", "Contact", "Note"] {
            let entity = schema.entity(name).unwrap();
            let mut children: BTreeMap<Value, i64> = BTreeMap::new();
            let mut found: BTreeMap<Value, i64> = BTreeMap::new();
            for row in tx.query(entity, &Query::entity(name)).await.unwrap() {
                let size = match (name, &row[1]) {
                    ("Company", Value::Integer(size)) => *size,
                    ("Contact", _) => 1,
                    _ => 0,
                };
                found.insert(row[0].clone(), size);
                *children.entry(row[1].clone()).or_default() += 1;
            }
            if name != "Company" {
                let wanted: BTreeMap<Value, i64> = parents;
                if wanted != children {
                    return None;
                }
            }
            parents = found;
        }
        Some(tx.count(schema.entity("Company").unwrap()).await.unwrap() as usize)
    }

    pub(super) fn a_family_that_arrives_is_seen_at_once(kind: Kind) {
        let mut world = World::new(kind, schema());
        let device = world.device_with(Limits {
            page_rows: 100,
            ..Limits::default()
        });
        device.sync();
        let (stop, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let reader = {
            let (store, stop, seen) = (device.store.clone(), stop.clone(), seen.clone());
            std::thread::spawn(move || {
                let schema = schema();
                while !stop.load(Ordering::SeqCst) {
                    let whole =
                        futures_util::FutureExt::now_or_never(whole_families(store.as_ref(), &schema));
                    let whole = whole.unwrap_or_else(|| panic!("a reader waits for nobody"));
                    assert!(whole.is_some(), "a family in part");
                    seen.fetch_add(1, Ordering::SeqCst);
                }
            })
        };
        for id in 1..=4 {
            put_family(&world, id, 300);
            device.sync();
        }
        stop.store(true, Ordering::SeqCst);
        reader.join().unwrap();
        assert!(seen.load(Ordering::SeqCst) > 0);
        assert_equal(&world, &device);
    }

    pub(super) fn an_answer_that_is_cut_off_shows_nothing_of_a_family(kind: Kind) {
        for (group_limit, in_part_wanted) in [(5_000, false), (4, true)] {
            let (mut in_part, mut nothing, mut cut) = (false, 0, 0);
            loop {
                let mut world = World::new(kind, schema());
                let device = world.device_with(Limits {
                    group_limit,
                    ..limits()
                });
                put_family(&world, 1, 2);
                device.sync();
                put_family(&world, 2, 7);
                device.lossy.script([Fate::TruncateAfter(cut)]);
                let whole = device.try_sync().is_ok();
                let seen = device.run(whole_families(device.store.as_ref(), &world.schema));
                in_part |= seen.is_none();
                nothing += u32::from(seen == Some(1));
                device.sync();
                assert_eq!(
                    device.run(whole_families(device.store.as_ref(), &world.schema)),
                    Some(2)
                );
                assert_equal(&world, &device);
                if whole {
                    break;
                }
                cut += 1;
            }
            assert!(cut > 10, "only {cut} places to cut it off");
            assert!(
                in_part_wanted || nothing > 10,
                "nothing was seen of it only {nothing} times"
            );
            assert_eq!(
                in_part, in_part_wanted,
                "a family in part, with at most {group_limit} at once"
            );
        }
    }

    /// However it is cut off, no child is there without its parent.
    pub(super) fn beyond_the_limit_parents_come_first(kind: Kind) {
        for cut in 0..40 {
            let mut world = World::new(kind, schema());
            let device = world.device_with(Limits {
                group_limit: 4,
                ..limits()
            });
            device.sync();
            put_family(&world, 1, 9);
            device.lossy.script([Fate::TruncateAfter(cut)]);
            let _ = device.try_sync();
            let (companies, contacts) = (device.contents("Company"), device.contents("Contact"));
            let orphans = contacts
                .values()
                .filter(|row| !companies.contains_key(&Key(vec![row[1].clone()])));
            assert_eq!(orphans.count(), 0, "cut off after {cut} frames");
            let notes = device.contents("Note");
            let orphans = notes
                .values()
                .filter(|row| !contacts.contains_key(&Key(vec![row[1].clone()])));
            assert_eq!(orphans.count(), 0, "cut off after {cut} frames");
            device.sync();
            assert_equal(&world, &device);
        }
    }

    /// The status says so while what belongs together appears piece by piece.
    pub(super) fn what_appears_piece_by_piece_is_said_to_catch_up(kind: Kind) {
        for (group_limit, wanted) in [(5_000, vec![Phase::Pull]), (4, vec![Phase::Pull, Phase::CatchUp])] {
            let mut world = World::new(kind, schema());
            let device = world.device_with(Limits {
                group_limit,
                ..limits()
            });
            device.sync();
            put_family(&world, 1, 9);
            let phases = Mutex::new(Vec::new());
            device.run(async {
                let fence = device.take_over().await.unwrap();
                let step = device.step(SyncDirection::Pull);
                let sink = |progress: Progress| phases.lock().unwrap().push(progress.phase);
                device.syncer.run(fence, &step, &sink).await.unwrap()
            });
            let mut phases = phases.into_inner().unwrap();
            phases.dedup();
            assert_eq!(phases, wanted);
        }
    }

    pub(super) fn a_tree_in_one_entity_is_seen_at_once(kind: Kind) {
        let tree = Schema {
            entities: vec![entity(
                "Node",
                &[("id", ValueType::Integer), ("up", ValueType::Integer)],
            )],
            relations: vec![relation("Node", "up", "Node")],
        };
        for cut in 0..8 {
            let mut world = World::new(kind, tree.clone());
            let device = world.device_with(limits());
            device.sync();
            // Each node refers to one with a greater key.
            let node = |id: i64| {
                Fields::new()
                    .with("id", id)
                    .with("up", (id < 9).then_some(id + 1))
            };
            for id in (1..=9).rev() {
                world.put("Node", &node(id));
            }
            device.lossy.script([Fate::TruncateAfter(cut)]);
            if device.try_sync().is_err() {
                let seen = device.contents("Node").len();
                assert!([0, 9].contains(&seen), "{seen} seen, cut off after {cut} frames");
            }
            device.sync();
            assert_equal(&world, &device);
        }
    }

    pub(super) fn a_first_sync_brings_parents_first_and_ends_complete(kind: Kind) {
        for cut in 0..40 {
            let mut world = World::new(kind, schema());
            put_family(&world, 1, 7);
            put_family(&world, 2, 2);
            let device = world.device_with(limits());
            device.lossy.script([Fate::TruncateAfter(cut)]);
            let _ = device.try_sync();
            let (companies, contacts) = (device.contents("Company"), device.contents("Contact"));
            let orphans = contacts
                .values()
                .filter(|row| !companies.contains_key(&Key(vec![row[1].clone()])));
            assert_eq!(orphans.count(), 0, "cut off after {cut} frames");
            device.sync();
            assert_equal(&world, &device);
            let idle = device.sync();
            assert_eq!((idle.received, idle.removed), (0, 0));
        }
    }

    /// A transport that does something before each of the first frames of an answer.
    struct Interrupted {
        inner: Arc<dyn Transport>,
        then: Arc<dyn Fn(i64) + Send + Sync>,
        frames: Arc<AtomicU64>,
    }

    struct InterruptedAnswer {
        inner: Box<dyn Answer>,
        then: Arc<dyn Fn(i64) + Send + Sync>,
        frames: Arc<AtomicU64>,
    }

    #[portable_async]
    impl Transport for Interrupted {
        async fn exchange(&self, exchange: Exchange) -> Result<Box<dyn Answer>> {
            Ok(Box::new(InterruptedAnswer {
                inner: self.inner.exchange(exchange).await?,
                then: self.then.clone(),
                frames: self.frames.clone(),
            }))
        }

        async fn health(&self) -> Result<Health> {
            self.inner.health().await
        }
    }

    #[portable_async]
    impl Answer for InterruptedAnswer {
        async fn next(&mut self) -> Result<Option<AnswerFrame>> {
            let number = self.frames.fetch_add(1, Ordering::SeqCst);
            if number < 15 {
                (self.then)(i64::try_from(number).unwrap());
            }
            self.inner.next().await
        }

        fn bytes(&self) -> u64 {
            self.inner.bytes()
        }
    }

    /// Another program writes between any two frames of the answer.
    pub(super) fn what_is_made_while_an_answer_is_under_way_does_not_come_in_part(kind: Kind) {
        for first in [false, true] {
            let mut world = World::new(kind, schema());
            put_family(&world, 1, 2);
            let mut device = world.device_with(limits());
            if !first {
                device.sync();
                put_family(&world, 2, 5);
            }
            let (world, frames) = (Arc::new(world), Arc::new(AtomicU64::new(0)));
            let inner = device.syncer.transport.clone();
            let there = world.clone();
            device.syncer.transport = Arc::new(Interrupted {
                inner: inner.clone(),
                then: Arc::new(move |number| put_family(&there, 100 + number, 2)),
                frames: frames.clone(),
            });
            device.sync();
            device.syncer.transport = inner;
            let frames = frames.load(Ordering::SeqCst);
            assert!(frames > 8, "{frames} frames");
            let seen = device.run(whole_families(device.store.as_ref(), &world.schema));
            assert!(seen.is_some(), "a family in part, first sync: {first}");
            device.sync();
            assert_equal(&world, &device);
        }
    }
}
