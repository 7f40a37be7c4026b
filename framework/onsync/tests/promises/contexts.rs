//! Contexts and triggers of whole apps: budgets, time-outs, writes that are sent by themselves.

crate::scenarios! {
    a_budget_of_rows_stops_at_pages_and_goes_on
    a_budget_of_bytes_stops_at_pages_and_goes_on
    a_budget_of_rows_bounds_what_is_sent
    a_budget_of_time_ends_a_run_that_waits
    what_the_app_writes_is_sent_by_itself
    a_trigger_without_its_context_is_refused
    a_clock_that_jumps_changes_no_result
    a_server_clock_that_goes_back_changes_no_result
}

mod run {
    use crate::world::*;
    use onsync_core::handler::Parameters;
    use onsync_core::query::Query;
    use onsync_core::runtime::Runtime as _;
    use onsync_core::schema::Ids;
    use onsync_core::store::local::Access;
    use onsync_core::value::Timestamp;
    use onsync_core::{Fields, Key};
    use onsync_engine::config::{BudgetSettings, ContextSettings};
    use onsync_testkit::fakes::Fate;
    use std::time::Duration;

    fn budget(budget: BudgetSettings) -> ContextSettings {
        ContextSettings {
            budget,
            ..ContextSettings::default()
        }
    }

    fn rows(rows: u64) -> BudgetSettings {
        BudgetSettings {
            rows: Some(rows),
            ..BudgetSettings::default()
        }
    }

    pub(super) fn a_budget_of_rows_stops_at_pages_and_goes_on(kind: Kind) {
        for pattern in [OPTIMIZED, LWW] {
            let world = World::new(kind, one(item(pattern, Ids::Client)));
            world.fill(950);
            let phone = world.phone(pattern, |config| {
                config.contexts.insert("Background".to_owned(), budget(rows(100)));
            });
            for run in 1..=9 {
                let summary = phone.sync("Background");
                assert!(summary.budget_used);
                assert_eq!((summary.received, phone.count("Item")), (100, run * 100));
                assert_eq!(phone.app.status().up_to_date_as_of, None, "there is more");
            }
            let last = phone.sync("Background");
            assert_eq!((last.received, last.budget_used), (50, false), "{last:?}");
            assert!(phone.app.status().up_to_date_as_of.is_some());
            assert_eq!(phone.count("Item"), 950);
        }
    }

    pub(super) fn a_budget_of_bytes_stops_at_pages_and_goes_on(kind: Kind) {
        let world = World::new(kind, one(item(LWW, Ids::Client)));
        world.fill(1_000);
        let phone = world.phone("bytes", |config| {
            config.store.page_rows = 100;
            let bytes = BudgetSettings {
                bytes: Some(1),
                ..BudgetSettings::default()
            };
            config.contexts.insert("Background".to_owned(), budget(bytes));
        });
        let mut runs = 0;
        while phone.sync("Background").budget_used {
            runs += 1;
            assert!(runs < 20, "each run brings a page at least");
        }
        assert!(runs >= 9, "each run brings a page at most, and there were {runs}");
        assert_eq!(phone.count("Item"), 1_000);
    }

    pub(super) fn a_budget_of_rows_bounds_what_is_sent(kind: Kind) {
        let world = World::new(kind, one(item(LWW, Ids::Client)));
        let phone = world.phone("sends", |config| {
            config.contexts.insert("Background".to_owned(), budget(rows(100)));
        });
        let many = (1..=250).map(|id| fields(id, "made here", id)).collect();
        phone.run(phone.app.create_many("Item", many)).unwrap();
        let sent: Vec<u64> = (0..4).map(|_| phone.sync("Background").sent).collect();
        assert_eq!(sent, [100, 100, 50, 0]);
        assert_eq!(world.contents("Item").len(), 250);
        assert_eq!(phone.app.status().waiting, 0);
    }

    pub(super) fn a_budget_of_time_ends_a_run_that_waits(kind: Kind) {
        let world = World::new(kind, one(item(LWW, Ids::Client)));
        world.fill(10);
        let phone = world.phone("time", |config| {
            let time = BudgetSettings {
                time: Some(Duration::from_secs(25)),
                ..BudgetSettings::default()
            };
            config.contexts.insert("Background".to_owned(), budget(time));
        });
        phone
            .run(phone.app.create("Item", fields(100, "made here", 1)))
            .unwrap();
        phone
            .lossy
            .script([Fate::DelayAnswer(Duration::from_secs(3_600))]);
        let summary = phone.sync("Background");
        assert!(summary.budget_used && summary.received == 0, "{summary:?}");
        assert_eq!(phone.app.status().waiting, 1, "no outcome arrived");
        let summary = phone.sync("Background");
        assert!(!summary.budget_used && summary.applied == 1, "{summary:?}");
        assert_eq!(phone.app.status().waiting, 0);
        assert_eq!(world.contents("Item").len(), 11);
    }

    pub(super) fn what_the_app_writes_is_sent_by_itself(kind: Kind) {
        let world = World::new(kind, one(item(LWW, Ids::Client)));
        let phone = world.phone("writes", |config| {
            config
                .contexts
                .insert("Send".to_owned(), ContextSettings::default());
            config.triggers.on_write = Some("Send".to_owned());
        });
        phone
            .run(phone.app.create("Item", fields(1, "made here", 1)))
            .unwrap();
        assert_eq!(world.contents("Item").len(), 0);
        phone.pass(5);
        assert_eq!(world.contents("Item").len(), 1);
        assert_eq!(phone.events(), ["start Send", "complete Send"]);
        // What a sync writes starts nothing.
        world.fill(50);
        phone.sync("");
        phone.events();
        phone.pass(600);
        assert_eq!(phone.events(), [""; 0]);
        if kind == Kind::Sqlite {
            // Another program's write does.
            let entity = world.schema.entity("Item").unwrap();
            let other = world.store("writes");
            world.run(async {
                other.open(&world.schema).await.unwrap();
                let mut tx = other.begin(Access::App).await.unwrap();
                let row = entity.row(&fields(2_000, "another process", 1)).unwrap();
                tx.insert(entity, &row).await.unwrap();
                tx.commit().await.unwrap();
            });
            phone.pass(10);
            assert_eq!(phone.events(), ["start Send", "complete Send"]);
            assert_eq!(world.contents("Item").len(), 51);
        }
    }

    pub(super) fn a_trigger_without_its_context_is_refused(kind: Kind) {
        let world = World::new(kind, one(item(LWW, Ids::Client)));
        let (builder, _) = world.builder(|config| config.triggers.on_online = Some("Onlin".to_owned()));
        let error = world.run(builder.store(world.store("x")).build()).err().unwrap();
        assert_eq!(error.code(), "unknown_context");
        assert!(
            error.place().unwrap().contains("triggers.synchronize_on_online"),
            "{error}"
        );
    }

    pub(super) fn a_clock_that_jumps_changes_no_result(kind: Kind) {
        const YEAR: i64 = 365 * 86_400 * 1_000_000;
        const HOUR: i64 = 3_600 * 1_000_000;
        for pattern in [READ_ONLY, OPTIMIZED, LWW, DETECTION, FAMILY] {
            let world = World::new(kind, one(item(pattern, Ids::Client)));
            world.fill(50);
            let phone = world.phone(pattern, |config| config.store.page_rows = 10);
            phone.sync("");
            let set = |by: i64| {
                let now = world.runtime.now().count();
                world.runtime.set_clock(Timestamp::from_count(now + by).unwrap());
            };
            for by in [10 * YEAR, -20 * YEAR, 10 * YEAR] {
                set(by);
                world.put("Item", &fields(1, &format!("after {by}"), by));
                if WRITING.contains(&pattern) {
                    let edit = Fields::new().with("amount", by);
                    phone.run(phone.app.update("Item", Key::one(2i64), edit)).unwrap();
                }
                phone.lossy.script([Fate::DelayAnswer(Duration::from_secs(20))]);
                let handle = phone.app.on_sync("", &Parameters::new()).unwrap();
                phone.pass(10);
                set(-HOUR);
                assert!(phone.run(handle.outcome()).into_result().is_ok());
                let mut here = phone.run(phone.app.query(Query::entity("Item"))).unwrap();
                here.sort_by_key(|record| record.value("id").to_string());
                let mut there: Vec<Fields> = world
                    .contents("Item")
                    .into_values()
                    .map(|row| world.schema.entity("Item").unwrap().fields(row))
                    .collect();
                there.sort_by_key(|record| record.value("id").to_string());
                assert_eq!(here, there, "{pattern} after {by}");
                assert_eq!(phone.app.status().waiting, 0);
            }
        }
    }

    /// What a server with this clock holds and a phone ends with, after commits between which it is put.
    fn with_clock_of_the_server(kind: Kind, pattern: &str, jumps: [i64; 3]) -> Vec<Vec<onsync_core::Row>> {
        const HOUR: i64 = 3_600;
        let mut world = World::new(kind, one(item(pattern, Ids::Client)));
        world.fill(30);
        let clock = world.put_clock_of_server();
        let phone = world.phone(pattern, |config| config.store.page_rows = 10);
        let mut seen = Vec::new();
        for (round, hours) in (0..).zip(jumps) {
            phone.sync("");
            clock.fetch_add(hours * HOUR, std::sync::atomic::Ordering::Relaxed);
            world.put("Item", &fields(1, &format!("theirs {round}"), round));
            world.delete("Item", 20 + round);
            if WRITING.contains(&pattern) {
                let edit = Fields::new().with("name", format!("mine {round}"));
                phone.run(phone.app.update("Item", Key::one(2i64), edit)).unwrap();
                phone.run(phone.app.delete("Item", Key::one(10 + round))).unwrap();
                phone
                    .run(phone.app.create("Item", fields(100 + round, "made here", round)))
                    .unwrap();
            }
            phone.sync("");
            phone.sync("");
            world
                .run(world.server.maintain(Duration::from_secs(86_400)))
                .unwrap();
            assert_eq!(phone.app.status().waiting, 0, "{pattern}");
            let there: Vec<_> = world.contents("Item").into_values().collect();
            let entity = world.schema.entity("Item").unwrap();
            let here = phone.run(phone.app.query(Query::entity("Item"))).unwrap();
            let mut here: Vec<_> = here.iter().map(|record| entity.row(record).unwrap()).collect();
            here.sort_by_key(|row| entity.key_of(row));
            assert_eq!(here, there, "{pattern}, round {round}");
            seen.push(there);
        }
        seen
    }

    /// Scenario 7: the server's clock goes back two hours between two commits, and forward again.
    pub(super) fn a_server_clock_that_goes_back_changes_no_result(kind: Kind) {
        for pattern in [READ_ONLY, OPTIMIZED, LWW, DETECTION, FAMILY] {
            let right = with_clock_of_the_server(kind, pattern, [0, 0, 0]);
            let wrong = with_clock_of_the_server(kind, pattern, [-2, -2, 24 * 365]);
            assert_eq!(right, wrong, "{pattern}");
        }
    }
}
