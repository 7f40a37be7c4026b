//! Scenarios of fetching: complete, paged, equal.

crate::scenarios! {
    a_small_set_arrives_whole
    an_unchanged_set_is_not_sent_again
    only_differences_of_a_refresh_are_written
    a_refresh_beyond_the_limit_comes_page_by_page
    deltas_bring_changes_and_deletions
    pages_of_every_size_hold_every_record
    changes_between_pages_arrive
    a_late_commit_with_an_old_stamp_arrives
    a_pruned_device_fetches_again_and_keeps_its_edits
}

mod run {
    use crate::world::*;
    use onsync_core::schema::Ids;
    use onsync_core::{Fields, Key};
    use onsync_engine::sync::Limits;

    pub(super) fn a_small_set_arrives_whole(kind: Kind) {
        for pattern in [READ_ONLY, OPTIMIZED, LWW] {
            let mut world = World::new(kind, one(item(pattern, Ids::Client)));
            let device = world.device();
            assert_eq!(device.sync().received, 0);
            world.fill(25);
            assert_eq!(device.sync().received, 25);
            assert_equal(&world, &device);
        }
    }

    pub(super) fn an_unchanged_set_is_not_sent_again(kind: Kind) {
        for pattern in [READ_ONLY, OPTIMIZED, LWW] {
            let mut world = World::new(kind, one(item(pattern, Ids::Client)));
            world.fill(10);
            let device = world.device();
            device.sync();
            for _ in 0..3 {
                let summary = device.sync();
                assert_eq!(
                    (summary.received, summary.removed, summary.applied),
                    (0, 0, 0),
                    "{pattern}"
                );
            }
        }
    }

    pub(super) fn only_differences_of_a_refresh_are_written(kind: Kind) {
        let mut world = World::new(kind, one(item(READ_ONLY, Ids::Client)));
        world.fill(1_000);
        let device = world.device_with(Limits {
            page_rows: 100,
            ..Limits::default()
        });
        device.sync();
        world.put("Item", &fields(500, "new name", 1));
        world.put("Item", &fields(5_000, "added", 1));
        world.delete("Item", 7);
        let summary = device.sync();
        assert_equal(&world, &device);
        assert_eq!(summary.removed, 1);
    }

    pub(super) fn a_refresh_beyond_the_limit_comes_page_by_page(kind: Kind) {
        let mut world = World::new(kind, one(item(READ_ONLY, Ids::Client)));
        world.fill(300);
        let device = world.device_with(Limits {
            page_rows: 50,
            refresh_limit: 120,
            ..Limits::default()
        });
        device.sync();
        world.delete("Item", 42);
        world.put("Item", &fields(43, "changed", 0));
        device.sync();
        assert_equal(&world, &device);
    }

    pub(super) fn deltas_bring_changes_and_deletions(kind: Kind) {
        for pattern in [OPTIMIZED, LWW] {
            let mut world = World::new(kind, one(item(pattern, Ids::Client)));
            world.fill(500);
            let device = world.device();
            device.sync();
            world.put("Item", &fields(3, "changed", 9));
            world.put("Item", &fields(501, "added", 9));
            world.delete("Item", 4);
            world.put("Item", &fields(600, "added and deleted", 9));
            world.delete("Item", 600);
            let summary = device.sync();
            assert_eq!(
                (summary.received, summary.removed),
                (2, 2),
                "{pattern}: cost follows the changes"
            );
            assert_equal(&world, &device);
        }
    }

    pub(super) fn pages_of_every_size_hold_every_record(kind: Kind) {
        for pattern in [READ_ONLY, OPTIMIZED, LWW] {
            for page_rows in [1, 7, 20, 21] {
                let mut world = World::new(kind, one(item(pattern, Ids::Client)));
                world.fill(20);
                let device = world.device_with(Limits {
                    page_rows,
                    ..Limits::default()
                });
                device.sync();
                assert_equal(&world, &device);
                for id in 1..=20 {
                    world.put("Item", &fields(id, "again", id));
                }
                device.sync();
                assert_equal(&world, &device);
            }
        }
    }

    /// Scenario 4 and 1 in small: the answer is cut off after each page, and other programs write in between.
    pub(super) fn changes_between_pages_arrive(kind: Kind) {
        for pattern in [READ_ONLY, OPTIMIZED, LWW] {
            let mut world = World::new(kind, one(item(pattern, Ids::Client)));
            world.fill(60);
            let device = world.device_with(Limits {
                page_rows: 7,
                ..Limits::default()
            });
            for round in 0..12 {
                device
                    .lossy
                    .script([onsync_testkit::fakes::Fate::TruncateAfter(3)]);
                let _ = device.try_sync();
                world.put("Item", &fields(1 + round * 5, &format!("round {round}"), round));
                world.put("Item", &fields(1_000 + round, "added", round));
                world.delete("Item", 2 + round * 5);
            }
            device.sync();
            assert_equal(&world, &device);
        }
    }

    /// Scenario 2: many records with one stamp; one more commits later with the same stamp.
    pub(super) fn a_late_commit_with_an_old_stamp_arrives(kind: Kind) {
        let mut world = World::new(kind, one(item(OPTIMIZED, Ids::Client)));
        for id in 1..=1_001 {
            world.put("Item", &fields(id, "2026-01-01T00:00:00Z", 0));
        }
        let device = world.device_with(Limits {
            page_rows: 100,
            ..Limits::default()
        });
        device.sync();
        world.put("Item", &fields(1_002, "2026-01-01T00:00:00Z", 0));
        device.sync();
        assert_eq!(device.contents("Item").len(), 1_002);
    }

    pub(super) fn a_pruned_device_fetches_again_and_keeps_its_edits(kind: Kind) {
        let mut world = World::new(kind, one(item(LWW, Ids::Client)));
        world.fill(50);
        let device = world.device_with(Limits {
            page_rows: 7,
            ..Limits::default()
        });
        device.sync();
        device.update("Item", 9i64, &Fields::new().with("name", "mine"));
        device.create("Item", &fields(777, "mine too", 0));
        for id in 20..30 {
            world.delete("Item", id);
        }
        world.put("Item", &fields(9, "theirs", 99));
        match &world.database {
            Database::Memory(store) => world.run(store.prune_to(u64::MAX / 2)).unwrap(),
            Database::Sqlite(path) => {
                let connection = onsync_sqlite_store::rusqlite::Connection::open(path).unwrap();
                prune(&connection);
            }
        }
        device.sync();
        device.sync();
        assert_equal(&world, &device);
        assert_eq!(world.contents("Item")[&Key::one(9i64)][1], "mine".into());
        assert!(world.contents("Item").contains_key(&Key::one(777i64)));
    }

    /// Forgets all deletions, as the server's own pruning does after a device was away too long.
    fn prune(connection: &onsync_sqlite_store::rusqlite::Connection) {
        let tables: Vec<String> = connection
            .prepare("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'Item'")
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        for trigger in tables {
            connection
                .execute_batch(&format!("DROP TRIGGER \"{trigger}\""))
                .unwrap();
        }
    }
}
