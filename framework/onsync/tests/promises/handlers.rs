//! Handlers and listeners that misbehave: no run is harmed, nothing is lost, nothing loops (scenario 26).

crate::scenarios! {
    a_handler_that_edits_what_it_syncs_ends_equal
    a_handler_that_fails_or_panics_leaves_what_was_synced
    a_handler_that_hangs_is_ended_by_the_time_out_and_blocks_no_writes
    listeners_that_panic_edit_and_ask_harm_nobody
}

mod run {
    use crate::apps::Phone;
    use crate::world::*;
    use onsync_core::handler::{Event, OnSync, Parameters, Selection, SyncDirection, SyncRun};
    use onsync_core::schema::Ids;
    use onsync_core::{Error, Fields, Key, Result, portable_async};
    use onsync_engine::config::ContextSettings;
    use onsync_engine::{App, Outcome};
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    #[derive(Clone, Default)]
    struct Naughty {
        app: Arc<Mutex<Option<App>>>,
        edits: Arc<AtomicU32>,
        refused: Arc<Mutex<Vec<String>>>,
    }

    #[portable_async]
    impl OnSync for Naughty {
        async fn on_sync(&self, run: &dyn SyncRun, context: &str, parameters: &Parameters) -> Result<()> {
            match context {
                "fails" => {
                    run.sync(Selection::All, SyncDirection::Both).await?;
                    Err(Error::rejected("app_error", "the app does not like it"))
                }
                "panics" => {
                    run.sync(Selection::All, SyncDirection::Both).await?;
                    panic!("on purpose")
                }
                "hangs" => {
                    run.sync(Selection::All, SyncDirection::Push).await?;
                    std::future::pending().await
                }
                "again" => {
                    if let Err(error) = run.on_sync("again", parameters) {
                        self.refused.lock().unwrap().push(error.code().to_owned());
                    }
                    run.on_sync("plain", parameters)
                }
                "edits" => {
                    let app = self.app.lock().unwrap().clone().expect("an app");
                    let number = self.edits.fetch_add(1, Ordering::SeqCst);
                    let edit =
                        |name: String| app.update("Item", Key::one(1i64), Fields::new().with("name", name));
                    edit(format!("before {number}")).await?;
                    run.sync(Selection::All, SyncDirection::Push).await?;
                    edit(format!("between {number}")).await?;
                    run.sync(Selection::All, SyncDirection::Both).await?;
                    edit(format!("after {number}")).await
                }
                _ => run.sync(Selection::All, SyncDirection::Both).await.map(drop),
            }
        }
    }

    fn phone(world: &World, name: &str) -> (Phone, Naughty) {
        let naughty = Naughty::default();
        let (builder, lossy) = world.builder(|config| {
            let bounded = ContextSettings {
                time_out: Some(Duration::from_secs(30)),
                ..ContextSettings::default()
            };
            config.contexts.insert("hangs".to_owned(), bounded);
            config.triggers.on_write = Some("edits".to_owned());
        });
        let builder = builder
            .store(world.store(name))
            .handler(Arc::new(naughty.clone()));
        let app = world.run(builder.build()).unwrap();
        *naughty.app.lock().unwrap() = Some(app.clone());
        (Phone::new(app, lossy, world.runtime.clone()), naughty)
    }

    fn world(kind: Kind) -> World {
        let world = World::new(kind, one(item(LWW, Ids::Client)));
        world.fill(5);
        world
    }

    pub(super) fn a_handler_that_edits_what_it_syncs_ends_equal(kind: Kind) {
        let world = world(kind);
        let (phone, naughty) = phone(&world, "edits");
        phone.sync("plain");
        phone.sync("edits");
        phone.pass(600);
        let runs = naughty.edits.load(Ordering::SeqCst);
        assert!(
            runs <= 150,
            "each run writes, which starts the next; that is bounded: {runs} in ten minutes"
        );
        assert_eq!(phone.app.status().last_error.unwrap().code, "sync_loop");
        let last = phone.run(phone.app.get("Item", Key::one(1i64))).unwrap().unwrap();
        phone.sync("plain");
        assert_eq!(world.contents("Item")[&Key::one(1i64)][1], *last.value("name"));
        let asked = phone.outcome("again");
        assert!(matches!(asked, Outcome::Completed(_)));
        assert_eq!(*naughty.refused.lock().unwrap(), ["sync_within_itself"]);
        *naughty.app.lock().unwrap() = None;
    }

    pub(super) fn a_handler_that_fails_or_panics_leaves_what_was_synced(kind: Kind) {
        let world = world(kind);
        let (phone, naughty) = phone(&world, "fails");
        assert!(matches!(phone.outcome("fails"), Outcome::Failed(error) if error.code() == "app_error"));
        assert_eq!(phone.count("Item"), 5);
        assert!(
            matches!(phone.outcome("panics"), Outcome::Failed(error) if error.code() == "handler_panicked")
        );
        phone.sync("plain");
        assert_eq!(
            phone.events(),
            [
                "start fails",
                "error fails app_error",
                "start panics",
                "error panics handler_panicked",
                "start plain",
                "complete plain"
            ]
        );
        *naughty.app.lock().unwrap() = None;
    }

    pub(super) fn a_handler_that_hangs_is_ended_by_the_time_out_and_blocks_no_writes(kind: Kind) {
        let world = world(kind);
        let (phone, naughty) = phone(&world, "hangs");
        let handle = phone.app.on_sync("hangs", &Parameters::new()).unwrap();
        phone.runtime.run_until_idle();
        phone
            .run(phone.app.create("Item", fields(100, "written meanwhile", 1)))
            .unwrap();
        assert_eq!(phone.count("Item"), 1, "read meanwhile");
        assert!(matches!(phone.run(handle.outcome()), Outcome::TimedOut));
        phone.sync("plain");
        assert_eq!(world.contents("Item").len(), 6);
        *naughty.app.lock().unwrap() = None;
    }

    pub(super) fn listeners_that_panic_edit_and_ask_harm_nobody(kind: Kind) {
        let world = world(kind);
        let phone = world.phone("listeners", |_| {});
        let _panics = phone.app.on_event(|_, _| panic!("on purpose"));
        let app = phone.app.clone();
        let _asks = phone.app.on_event(move |_, event| {
            if matches!(event, Event::OnSyncComplete { .. }) {
                drop(app.on_sync("", &Parameters::new()));
            }
        });
        phone.sync("");
        phone.pass(50);
        let starts = phone
            .events()
            .iter()
            .filter(|event| event.starts_with("start"))
            .count();
        assert_eq!(
            starts, 12,
            "the first, ten that it caused, and the one that shows the loop"
        );
        assert_eq!(phone.app.status().last_error.unwrap().code, "sync_loop");
        phone.pass(20);
        phone.sync("");
        assert_eq!(phone.count("Item"), 5);
    }
}
