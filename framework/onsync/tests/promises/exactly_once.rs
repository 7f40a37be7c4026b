//! Scenarios of lost, repeated and late messages.

crate::scenarios! {
    every_fate_of_every_mutation_has_one_effect
    a_repetition_after_a_foreign_overwrite_converges
    push_answer_lost_pull_push_again
    gone_and_made_again_stays_and_the_edit_is_in_the_bin
    a_repeated_delete_spares_what_was_made_again
    an_outbox_of_an_entity_that_left_the_configuration_blocks_nobody
    a_late_answer_changes_nothing
}

mod run {
    use crate::world::*;
    use onsync_core::handler::SyncDirection;
    use onsync_core::schema::{EntitySchema, Ids};
    use onsync_core::{Fields, Key};
    use onsync_engine::sync::Limits;
    use onsync_sqlite_store::rusqlite::Connection;
    use onsync_sqlite_store::{SqliteStore, SqliteStoreOptions};
    use onsync_testkit::fakes::Fate;
    use std::sync::Arc;
    use std::time::Duration;

    fn name(name: &str) -> Fields {
        Fields::new().with("name", name)
    }

    /// Scenario 8: insert, update, delete × answer lost before or after the commit × retried up to five times.
    pub(super) fn every_fate_of_every_mutation_has_one_effect(kind: Kind) {
        for pattern in WRITING {
            for ids in [Ids::Client, Ids::Server] {
                for fate in [
                    Fate::DropRequest,
                    Fate::DropAnswer,
                    Fate::Duplicate,
                    Fate::TruncateAfter(1),
                    Fate::TruncateAfter(2),
                ] {
                    for times in [1, 5] {
                        one_effect(kind, item(pattern, ids), fate, times);
                    }
                }
            }
        }
    }

    fn one_effect(kind: Kind, entity: EntitySchema, fate: Fate, times: usize) {
        let label = format!("{} {:?} {fate:?} × {times}", entity.pattern, entity.ids);
        let created = match entity.ids {
            Ids::Client => fields(50, "made", 1),
            Ids::Server => Fields::new().with("name", "made").with("amount", 1i64),
        };
        let mut world = World::new(kind, one(entity));
        world.fill(3);
        let device = world.device();
        device.sync();
        device.create("Item", &created);
        device.update("Item", 1i64, &name("changed"));
        device.delete("Item", 2i64);
        for _ in 0..times {
            device.lossy.script([fate]);
            let _ = device.try_sync();
        }
        device.sync();
        device.sync();
        let there = world.contents("Item");
        assert_eq!(there.len(), 3, "{label}: {there:?}");
        assert_eq!(there[&Key::one(1i64)][1], "changed".into(), "{label}");
        assert_eq!(there.values().filter(|row| row[1] == "made".into()).count(), 1);
        assert_eq!(device.conflicts(), [], "{label}: a conflict with oneself");
        assert_eq!(device.overlays("Item"), [], "{label}");
        assert_eq!(device.contents("Item").len(), 3, "{label}");
    }

    /// The case behind decision 0004.
    pub(super) fn a_repetition_after_a_foreign_overwrite_converges(kind: Kind) {
        for pattern in MERGING {
            let mut world = World::new(kind, one(item(pattern, Ids::Client)));
            world.fill(2);
            let device = world.device();
            device.sync();
            device.update("Item", 1i64, &name("mine"));
            device.lossy.script([Fate::DropAnswer]);
            assert!(device.try_sync().is_err());
            world.put("Item", &fields(1, "theirs, later", 5));
            device.try_sync_in(SyncDirection::Pull).unwrap();
            assert_eq!(
                device.get("Item", 1i64).unwrap().value("name"),
                &"mine".into(),
                "a device reads its own writes"
            );
            device.sync();
            device.sync();
            assert_eq!(world.contents("Item")[&Key::one(1i64)][1], "theirs, later".into());
            assert_equal(&world, &device);
        }
    }

    /// Scenario 12.
    pub(super) fn push_answer_lost_pull_push_again(kind: Kind) {
        for pattern in MERGING {
            let mut world = World::new(kind, one(item(pattern, Ids::Client)));
            world.fill(2);
            let device = world.device();
            device.sync();
            device.update("Item", 1i64, &name("mine"));
            device.lossy.script([Fate::DropAnswer]);
            assert!(device.try_sync().is_err());
            device.try_sync_in(SyncDirection::Pull).unwrap();
            let summary = device.sync();
            assert_eq!(
                (summary.conflicts, summary.rejected, summary.discarded),
                (0, 0, 0)
            );
            assert_equal(&world, &device);
        }
    }

    /// Deleted there before the update arrived, the answer lost, and made again there before it is repeated.
    pub(super) fn gone_and_made_again_stays_and_the_edit_is_in_the_bin(kind: Kind) {
        for pattern in MERGING {
            let mut world = World::new(kind, one(item(pattern, Ids::Client)));
            world.fill(2);
            let device = world.device();
            device.sync();
            device.update("Item", 1i64, &name("mine"));
            world.delete("Item", 1);
            device.lossy.script([Fate::DropAnswer]);
            assert!(device.try_sync().is_err());
            world.put("Item", &fields(1, "made again", 5));
            device.try_sync_in(SyncDirection::Pull).unwrap();
            device.sync();
            device.sync();
            assert_equal(&world, &device);
            let bin = device.run(device.syncer.bin(10)).unwrap();
            assert_eq!(bin.len(), 1, "{bin:?}");
            assert_eq!(bin[0].values.value("name"), &"mine".into());
        }
    }

    /// A delete that was applied, the answer lost; somebody makes the record again; the repetition must not delete that one.
    pub(super) fn a_repeated_delete_spares_what_was_made_again(kind: Kind) {
        for pattern in MERGING {
            for pull_first in [false, true] {
                let mut world = World::new(kind, one(item(pattern, Ids::Client)));
                world.fill(2);
                let device = world.device();
                device.sync();
                device.delete("Item", 1i64);
                device.lossy.script([Fate::DropAnswer]);
                assert!(device.try_sync().is_err());
                world.put("Item", &fields(1, "made again", 5));
                if pull_first {
                    device.try_sync_in(SyncDirection::Pull).unwrap();
                }
                device.sync();
                device.sync();
                assert_eq!(
                    world.contents("Item").len(),
                    2,
                    "somebody else's record was deleted"
                );
                assert_equal(&world, &device);
            }
        }
    }

    pub(super) fn an_outbox_of_an_entity_that_left_the_configuration_blocks_nobody(kind: Kind) {
        let mut world = World::new(kind, family(Ids::Client));
        let mut device = world.device();
        device.sync();
        device.create(
            "Part",
            &Fields::new().with("id", 1i64).with("name", "left behind"),
        );
        device.lossy.script([Fate::DropRequest]);
        assert!(device.try_sync().is_err());
        let mut narrower = (*device.schema).clone();
        narrower.entities.retain(|entity| entity.name == "Item");
        narrower.relations.clear();
        device.schema = std::sync::Arc::new(narrower);
        device.syncer.schema = device.schema.clone();
        device.create("Item", &fields(1, "goes on", 0));
        device.sync();
        assert_eq!(world.contents("Item").len(), 1);
    }

    /// Scenario 5: an answer that arrives after a newer one was applied.
    pub(super) fn a_late_answer_changes_nothing(kind: Kind) {
        let mut world = World::new(kind, one(item(OPTIMIZED, Ids::Client)));
        world.fill(3);
        let device = world.device();
        device.sync();
        world.put("Item", &fields(1, "older", 1));
        let step = device.step(SyncDirection::Pull);
        let (late, _) = device.run(async {
            let fence = device.take_over().await.unwrap();
            device
                .lossy
                .script([Fate::DelayAnswer(Duration::from_secs(90)), Fate::Arrives]);
            let late = device.syncer.run(fence, &step, &|_| {});
            let newer = async {
                use onsync_core::runtime::Runtime as _;
                world.runtime.sleep(Duration::from_secs(10)).await;
                overwrite(&world);
                device.syncer.run(fence, &step, &|_| {}).await.unwrap()
            };
            futures_util::future::join(late, newer).await
        });
        assert_eq!(late.unwrap_err().code(), "stale_answer");
        device.sync();
        assert_equal(&world, &device);
        assert_eq!(device.get("Item", 1i64).unwrap().value("name"), &"newer".into());
    }

    /// A foreign write from within a running scenario.
    fn overwrite(world: &World) {
        match &world.database {
            Database::Memory(store) => {
                let write =
                    store.foreign_write(|tables| tables.update("Item", &Key::one(1i64), &name("newer")));
                futures_util::FutureExt::now_or_never(write).unwrap().unwrap();
            }
            Database::Sqlite(path) => {
                let connection = onsync_sqlite_store::rusqlite::Connection::open(path).unwrap();
                connection
                    .execute("UPDATE Item SET name = 'newer' WHERE id = 1", [])
                    .unwrap();
            }
        }
    }

    /// A device's store file, and a copy of it.
    struct Files(tempfile::TempDir);

    impl Files {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn store(&self, name: &str) -> Arc<SqliteStore> {
            Arc::new(SqliteStore::new(
                self.0.path().join(name),
                SqliteStoreOptions::default(),
            ))
        }

        fn live(&self) -> Arc<SqliteStore> {
            self.store("live.sqlite")
        }

        fn copied(&self) -> Arc<SqliteStore> {
            self.store("copy.sqlite")
        }

        /// Copies the file, which may be in use.
        fn copy(&self) {
            let copy = self.0.path().join("copy.sqlite");
            Connection::open(self.0.path().join("live.sqlite"))
                .unwrap()
                .execute("VACUUM INTO ?", [copy.to_str().unwrap()])
                .unwrap();
        }
    }

    /// Scenario 32: the store is a copy made when an edit was not even cut; the edit was sent and applied, with others before it.
    #[test]
    fn a_device_put_back_to_before_the_cut_repeats_nothing() {
        for pattern in WRITING {
            let world = World::new(Kind::Sqlite, one(item(pattern, Ids::Server)));
            let files = Files::new();
            let device = world.device_on(files.live(), Limits::default());
            device.sync();
            device.create("Item", &Fields::new().with("name", "once"));
            files.copy();
            device.sync();
            assert_eq!(world.contents("Item").len(), 1);
            let put_back = world.device_on(files.copied(), Limits::default());
            put_back.create("Item", &Fields::new().with("name", "after the copy"));
            let _ = put_back.try_sync();
            let _ = put_back.try_sync();
            assert_eq!(world.contents("Item").len(), 1, "nothing is applied twice");
            let unknown = put_back.run(put_back.syncer.may_have_been_applied(10)).unwrap();
            assert_eq!(unknown.len(), 2, "what may have been applied is listed");
            let new = unknown.iter().max_by_key(|entry| entry.number).unwrap();
            assert!(put_back.run(put_back.syncer.retry_rejected(new.number)).unwrap());
            put_back.sync();
            assert_eq!(
                world.contents("Item").len(),
                2,
                "and is sent when a person says so"
            );
        }
    }

    /// Scenario 32: the store is a copy made before edits were cut, and they do not fit into one request. What a later request would
    /// bring is not sent again by itself either.
    #[test]
    fn a_device_put_back_sends_nothing_that_waits_again_by_itself() {
        let world = World::new(Kind::Sqlite, one(item(LWW, Ids::Server)));
        let files = Files::new();
        let limits = Limits {
            max_mutations: 1,
            ..Default::default()
        };
        let device = world.device_on(files.live(), limits.clone());
        device.sync();
        for number in 1..=3 {
            device.create("Item", &Fields::new().with("name", format!("once {number}")));
        }
        files.copy();
        device.sync();
        assert_eq!(world.contents("Item").len(), 3);
        let put_back = world.device_on(files.copied(), limits);
        put_back.create("Item", &Fields::new().with("name", "after the copy"));
        for _ in 0..5 {
            let _ = put_back.try_sync();
        }
        assert_eq!(world.contents("Item").len(), 3, "nothing is applied twice");
        let unknown = put_back.run(put_back.syncer.may_have_been_applied(10)).unwrap();
        assert_eq!(unknown.len(), 4, "all that waited is listed");
        let named = |name: &str| {
            let found = unknown
                .iter()
                .find(|entry| entry.values.value("name") == &name.into());
            found.unwrap().number
        };
        assert!(
            put_back
                .run(put_back.syncer.retry_rejected(named("after the copy")))
                .unwrap()
        );
        for number in 1..=3 {
            let discarded = put_back
                .syncer
                .discard_rejected(named(&format!("once {number}")), false);
            put_back.run(discarded).unwrap();
        }
        put_back.sync();
        let names = |rows: &std::collections::BTreeMap<Key, onsync_core::Row>| {
            let mut names: Vec<_> = rows.values().map(|row| row[1].clone()).collect();
            names.sort();
            names
        };
        assert_eq!(names(&world.contents("Item")), names(&put_back.contents("Item")));
        assert_eq!(
            world.contents("Item").len(),
            4,
            "and is sent when a person says so"
        );
    }

    /// Scenario 32: the store is a copy made before the send; the server has purged the receipts meanwhile.
    #[test]
    fn a_restored_device_repeats_nothing() {
        for pattern in WRITING {
            let world = World::new(Kind::Sqlite, one(item(pattern, Ids::Server)));
            let files = Files::new();
            let device = world.device_on(files.live(), Limits::default());
            device.sync();
            device.create("Item", &Fields::new().with("name", "once"));
            device.lossy.script([Fate::DropRequest]);
            assert!(device.try_sync().is_err());
            files.copy();
            device.sync();
            for round in 0..3 {
                device.create("Item", &Fields::new().with("name", format!("later {round}")));
                device.sync();
            }
            let there = world.contents("Item").len();
            let restored = world.device_on(files.copied(), Limits::default());
            let _ = restored.try_sync();
            let _ = restored.try_sync();
            assert_eq!(world.contents("Item").len(), there, "nothing is applied twice");
            let unknown = restored.run(restored.syncer.may_have_been_applied(10)).unwrap();
            assert_eq!(unknown.len(), 1, "it is listed where it is unknown");
        }
    }
}
