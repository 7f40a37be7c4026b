//! Scenarios of record families on their way to the server: one atomic group each, whatever is lost on the way.

crate::scenarios! {
    a_family_made_offline_arrives_once_with_the_right_keys
    one_refused_change_undoes_its_family_and_putting_it_right_sends_all
    what_was_changed_beside_a_gone_record_is_sent_without_it
    a_family_is_one_group_in_one_request_up_to_the_limit
    a_family_that_was_cut_before_is_not_divided_either
    a_child_of_a_deleted_parent_is_listed_and_the_rest_flows
    what_is_made_under_a_refused_parent_waits_for_it
    a_pull_before_the_acknowledgement_makes_nothing_twice
    a_child_that_moves_to_another_family_survives_the_deletion_of_its_old_one
    a_tree_is_deleted_children_first
    children_of_other_patterns_bring_the_family_they_need
}

mod run {
    use crate::families::*;
    use crate::world::*;
    use onsync_core::handler::SyncDirection;
    use onsync_core::mutation::MutationKind;
    use onsync_core::schema::{Ids, OnDelete, Relation, Schema};
    use onsync_core::{Fields, Value, ValueType};
    use onsync_engine::sync::Limits;
    use onsync_testkit::fakes::Fate;

    /// Scenario 20, for all kinds of keys: an answer is lost, the process dies, another one goes on.
    pub(super) fn a_family_made_offline_arrives_once_with_the_right_keys(kind: Kind) {
        for (ids, key) in kinds() {
            for fate in [
                Fate::Arrives,
                Fate::DropRequest,
                Fate::DropAnswer,
                Fate::TruncateAfter(1),
                Fate::TruncateAfter(4),
            ] {
                let mut world = World::new(kind, schema(ids, key));
                let device = world.device();
                device.lossy.script([fate]);
                make_family(&device, 10, "a");
                let _ = device.try_sync();
                let later = make_family(&device, 50, "b");
                let device = world.device_on(device.store.clone(), Limits::default());
                device.sync();
                device.sync();
                let mut wanted = whole_family("a");
                wanted.extend(whole_family("b"));
                wanted.sort();
                assert_eq!(tree(&world), wanted, "{ids:?} {key:?} {fate:?}");
                assert_eq!(device.waiting(), 0);
                // What was made under a local key goes on living under it.
                device.update("Company", later.0, &named("c"));
                device.sync();
                assert!(
                    tree(&world).contains(&" > c".to_owned()),
                    "{ids:?} {key:?} {fate:?}"
                );
                if ids == Ids::Client {
                    assert_equal(&world, &device);
                }
            }
        }
    }

    pub(super) fn one_refused_change_undoes_its_family_and_putting_it_right_sends_all(kind: Kind) {
        for (ids, key_type) in [
            (Ids::Client, ValueType::Integer),
            (Ids::Server, ValueType::Integer),
        ] {
            let mut world = World::new(kind, schema(ids, key_type));
            unique_contact_names(&world);
            let device = world.device();
            make_family(&device, 100, "there");
            device.sync();
            make_family(&device, 10, "good");
            let (company, contacts) = make_family(&device, 50, "bad");
            device.update("Contact", contacts[2].clone(), &named("there/1"));
            let summary = device.sync();
            assert_eq!((summary.applied, summary.rejected), (7, 7));
            let mut wanted = whole_family("there");
            wanted.extend(whole_family("good"));
            wanted.sort();
            assert_eq!(tree(&world), wanted);
            let listed = device.run(device.syncer.rejected(100)).unwrap();
            let culprits: Vec<_> = listed.iter().filter(|entry| entry.cause.is_none()).collect();
            assert_eq!(culprits.len(), 1, "{listed:?}");
            assert_eq!(
                (&culprits[0].key, culprits[0].rejection.code.as_str()),
                (&contacts[2], "constraint_violated")
            );
            for entry in listed.iter().filter(|entry| entry.cause.is_some()) {
                let cause = entry.cause.as_ref().unwrap();
                assert_eq!(
                    (&cause.key, entry.rejection.code.as_str()),
                    (&contacts[2], "group_failed")
                );
            }
            assert_eq!(device.sync().requests, 1, "nothing is sent again by itself");
            assert_eq!(tree(&world), wanted);
            device.update("Contact", contacts[2].clone(), &named("bad/3"));
            assert_eq!(device.sync().applied, 7);
            wanted.extend(whole_family("bad"));
            wanted.sort();
            assert_eq!(tree(&world), wanted);
            assert_eq!(device.run(device.syncer.rejected(100)).unwrap(), []);
            assert_eq!(device.waiting(), 0);
            assert!(device.get("Company", company).is_some());
        }
    }

    pub(super) fn what_was_changed_beside_a_gone_record_is_sent_without_it(kind: Kind) {
        let mut world = World::new(kind, plain());
        let device = world.device();
        let (company, contacts) = make_family(&device, 10, "a");
        device.sync();
        world.delete("Contact", 12);
        device.update("Company", company.clone(), &named("edited"));
        device.update("Contact", contacts[1].clone(), &named("too late"));
        device.sync();
        device.sync();
        assert_eq!(world.contents("Company")[&company][2], "edited".into());
        assert_eq!(device.get("Contact", contacts[1].clone()), None);
        assert_eq!(device.run(device.syncer.bin(10)).unwrap().len(), 1);
        assert_eq!(device.run(device.syncer.rejected(10)).unwrap(), []);
        assert_equal(&world, &device);
    }

    pub(super) fn a_family_is_one_group_in_one_request_up_to_the_limit(kind: Kind) {
        for (group_limit, grouped) in [(7, true), (6, false)] {
            let mut world = World::new(kind, plain());
            let mut device = world.device_with(Limits {
                max_mutations: 3,
                group_limit,
                ..Limits::default()
            });
            let seen = spy(&mut device);
            make_family(&device, 10, "a");
            make_family(&device, 50, "b");
            device.sync();
            let requests = seen.lock().unwrap().clone();
            let sizes: Vec<usize> = requests.iter().map(Vec::len).collect();
            for request in &requests {
                let groups: Vec<_> = request.iter().map(|mutation| mutation.group).collect();
                assert!(
                    groups.iter().all(|group| group.is_some() == grouped),
                    "{groups:?}"
                );
                assert!(
                    groups.windows(2).all(|pair| pair[0] == pair[1]),
                    "one family a request"
                );
            }
            match grouped {
                true => assert_eq!(sizes, [7, 7]),
                false => assert!(sizes.iter().all(|size| *size <= 3), "{sizes:?}"),
            }
            let mut wanted = whole_family("a");
            wanted.extend(whole_family("b"));
            wanted.sort();
            assert_eq!(tree(&world), wanted);
            device.sync();
            assert_equal(&world, &device);
        }
    }

    /// The answer is lost, and the next process sends in smaller requests.
    pub(super) fn a_family_that_was_cut_before_is_not_divided_either(kind: Kind) {
        let mut world = World::new(kind, plain());
        let device = world.device();
        make_family(&device, 10, "a");
        make_family(&device, 50, "b");
        device.lossy.script([Fate::DropRequest]);
        assert!(device.try_sync().is_err());
        let limits = Limits {
            max_mutations: 2,
            ..Limits::default()
        };
        let mut device = world.device_on(device.store.clone(), limits);
        let seen = spy(&mut device);
        device.sync();
        let sizes: Vec<usize> = seen.lock().unwrap().iter().map(Vec::len).collect();
        assert_eq!(sizes, [7, 7]);
        assert_equal(&world, &device);
    }

    /// Scenario 21.
    pub(super) fn a_child_of_a_deleted_parent_is_listed_and_the_rest_flows(kind: Kind) {
        let mut world = World::new(kind, plain());
        let device = world.device();
        let (_, contacts) = make_family(&device, 10, "a");
        device.sync();
        device.create("Note", &record(Value::Integer(90), up(&contacts[1]), "orphan"));
        make_family(&device, 50, "b");
        world.delete("Contact", 12);
        let summary = device.sync();
        assert_eq!((summary.applied, summary.rejected), (7, 1));
        let listed = device.run(device.syncer.rejected(10)).unwrap();
        assert_eq!(listed[0].rejection.code, "parent_missing");
        assert!(!tree(&world).iter().any(|record| record.contains("orphan")));
        // Under another parent it arrives.
        device.update(
            "Note",
            90i64,
            &Fields::new().with("up", up(&contacts[2])).with("name", "found"),
        );
        device.sync();
        device.sync();
        assert!(tree(&world).contains(&"a/3 > found".to_owned()));
        assert_equal(&world, &device);
    }

    /// Scenario 21: held, not sent and not refused, while others flow.
    pub(super) fn what_is_made_under_a_refused_parent_waits_for_it(kind: Kind) {
        let mut world = World::new(kind, plain());
        unique_contact_names(&world);
        let device = world.device();
        make_family(&device, 100, "there");
        let (_, contacts) = make_family(&device, 10, "a");
        device.sync();
        let contact = record(Value::Integer(90), Value::Integer(10), "there/1");
        let contact = device.create("Contact", &contact);
        device.sync();
        let note = device.create("Note", &record(Value::Integer(91), up(&contact), "held"));
        device.create("Line", &record(Value::Integer(92), up(&note), "held too"));
        device.update("Contact", contacts[1].clone(), &named("flows"));
        let summary = device.sync();
        assert_eq!((summary.applied, summary.rejected, device.waiting()), (1, 0, 2));
        assert!(tree(&world).contains(&"a > flows".to_owned()));
        device.update("Contact", contact, &named("put right"));
        assert_eq!(device.sync().applied, 3);
        assert!(tree(&world).contains(&"held > held too".to_owned()));
        device.sync();
        assert_equal(&world, &device);
    }

    /// Scenario 22.
    pub(super) fn a_pull_before_the_acknowledgement_makes_nothing_twice(kind: Kind) {
        for (ids, key) in kinds() {
            let mut world = World::new(kind, schema(ids, key));
            let device = world.device();
            make_family(&device, 10, "a");
            device.lossy.script([Fate::DropAnswer]);
            assert!(device.try_sync().is_err());
            device.try_sync_in(SyncDirection::Pull).unwrap();
            device.sync();
            assert_eq!(tree(&world), whole_family("a"));
            let here = ["Company", "Contact", "Note", "Line", "Tag"].map(|name| device.contents(name).len());
            assert_eq!(here, [1, 3, 1, 1, 1], "{ids:?} {key:?}");
            assert_eq!(device.waiting(), 0);
        }
    }

    /// Sent apart, the deletion would take the child with it.
    pub(super) fn a_child_that_moves_to_another_family_survives_the_deletion_of_its_old_one(kind: Kind) {
        let mut world = World::new(kind, plain());
        let (a, b) = (world.device(), world.device());
        let (old, contacts) = make_family(&a, 10, "old");
        let (new, _) = make_family(&a, 50, "new");
        a.sync();
        b.sync();
        a.update(
            "Contact",
            contacts[0].clone(),
            &Fields::new().with("up", up(&new)),
        );
        for contact in &contacts[1..] {
            a.delete("Contact", contact.clone());
        }
        a.delete("Company", old);
        a.sync();
        let tree = tree(&world);
        assert!(tree.contains(&"new > old/1".to_owned()), "{tree:?}");
        assert!(tree.contains(&"old/1 > old/1/note".to_owned()), "{tree:?}");
        a.sync();
        b.sync();
        assert_equal(&world, &a);
        assert_equal(&world, &b);
    }

    /// Whatever the order of keys, and whatever the pattern: `restrict` holds on the server.
    pub(super) fn a_tree_is_deleted_children_first(kind: Kind) {
        for pattern in [FAMILY, LWW] {
            let mut schema = Schema {
                entities: vec![plain().entities.remove(4)],
                relations: vec![Relation {
                    name: "tree".to_owned(),
                    child: "Company".to_owned(),
                    attribute: "up".to_owned(),
                    parent: "Company".to_owned(),
                    on_delete: OnDelete::Restrict,
                }],
            };
            schema.entities[0].pattern = pattern.to_owned();
            let relations = schema.relations.clone();
            let mut world = World::with_foreign_keys(kind, schema, &relations);
            let device = world.device();
            let above = |id: i64| (id > 1).then_some(id / 2).map_or(Value::Null, Value::Integer);
            for id in 1..=15i64 {
                device.create("Company", &record(Value::Integer(id), above(id), "node"));
            }
            device.sync();
            assert_eq!(world.contents("Company").len(), 15);
            for id in 1..=15i64 {
                device.delete("Company", id);
            }
            let summary = device.sync();
            assert_eq!((summary.applied, summary.rejected), (15, 0), "{pattern}");
            device.sync();
            assert_equal(&world, &device);
        }
    }

    /// A context names the child alone.
    pub(super) fn children_of_other_patterns_bring_the_family_they_need(kind: Kind) {
        let mut schema = plain();
        let mut visit = schema.entities[4].clone();
        visit.name = "Visit".to_owned();
        visit.source = "Visit".to_owned();
        visit.pattern = LWW.to_owned();
        schema.relations.push(Relation {
            name: "visited".to_owned(),
            child: "Visit".to_owned(),
            attribute: "up".to_owned(),
            parent: "Contact".to_owned(),
            on_delete: OnDelete::Restrict,
        });
        schema.entities.push(visit);
        let mut world = World::new(kind, schema);
        let mut device = world.device();
        let (_, contacts) = make_family(&device, 10, "a");
        make_family(&device, 50, "b");
        device.create("Visit", &record(Value::Integer(1), up(&contacts[1]), "visit"));
        let seen = spy(&mut device);
        let mut step = device.step(SyncDirection::Push);
        step.entities = vec!["Visit".into()];
        device.run(async {
            let fence = device.take_over().await.unwrap();
            device.syncer.run(fence, &step, &|_| {}).await.unwrap()
        });
        assert_eq!(tree(&world), whole_family("a"));
        assert_eq!(world.contents("Visit").len(), 1);
        let request = seen.lock().unwrap()[0].clone();
        let grouped = request.iter().filter(|mutation| mutation.group.is_some());
        assert_eq!((grouped.count(), request.len()), (7, 8));
        assert!(
            request
                .iter()
                .all(|mutation| mutation.kind == MutationKind::Create)
        );
        device.sync();
        assert_equal(&world, &device);
    }

    /// Five thousand records stand and fall together.
    #[test]
    fn slow_a_family_of_the_largest_size_is_refused_and_put_right() {
        for kind in [Kind::Memory, Kind::Sqlite] {
            let mut world = World::new(kind, plain());
            unique_contact_names(&world);
            world.put("Contact", &record(Value::Integer(1), Value::Null, "taken"));
            let device = world.device();
            device.sync();
            device.create("Company", &record(Value::Integer(1), Value::Null, "large"));
            for id in 2..=5_000i64 {
                let name = if id == 5_000 {
                    "taken".to_owned()
                } else {
                    format!("contact {id}")
                };
                device.create("Contact", &record(Value::Integer(id), Value::Integer(1), &name));
            }
            let summary = device.sync();
            assert_eq!(
                (summary.applied, summary.rejected, summary.requests),
                (0, 5_000, 1)
            );
            assert_eq!(world.contents("Company").len(), 0);
            device.update("Contact", 5_000i64, &named("free"));
            let summary = device.sync();
            assert_eq!(
                (summary.applied, summary.rejected, summary.requests),
                (5_000, 0, 1)
            );
            assert_eq!(world.contents("Contact").len(), 5_000);
            device.sync();
            assert_equal(&world, &device);
        }
    }
}
