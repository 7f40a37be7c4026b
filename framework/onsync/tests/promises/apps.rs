//! Whole apps in a scenario: queue, triggers, retries and listeners, in virtual time.

use crate::world::{DETECTION, FAMILY, Kind, LWW, OPTIMIZED, READ_ONLY, World};
use onsync_core::handler::{Event, Parameters, Summary};
use onsync_core::memory::local::MemoryStore;
use onsync_core::query::Query;
use onsync_core::store::local::LocalStore;
use onsync_engine::{App, Config, OnSyncBuilder, Outcome, Subscription};
use onsync_pattern_read_only::ReadOnly;
use onsync_pattern_read_only_optimized::ReadOnlyOptimized;
use onsync_pattern_read_write_conflict_detection::ConflictDetection;
use onsync_pattern_read_write_last_write_wins::LastWriteWins;
use onsync_pattern_read_write_one_to_many::OneToMany;
use onsync_sqlite_store::{SqliteStore, SqliteStoreOptions};
use onsync_testkit::fakes::{InProcess, Lossy, ManualRuntime};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// An app that runs, with its network on a string.
pub(crate) struct Phone {
    pub(crate) app: App,
    pub(crate) lossy: Arc<Lossy>,
    pub(crate) runtime: ManualRuntime,
    heard: Arc<Mutex<Vec<String>>>,
    _listening: Subscription,
}

impl World {
    /// A store for an app, not opened yet.
    pub(crate) fn store(&self, name: &str) -> Arc<dyn LocalStore> {
        match self.kind {
            Kind::Memory => Arc::new(MemoryStore::new(200 + name.len() as u64)),
            Kind::Sqlite => {
                let path = self.folder.path().join(format!("{name}.sqlite"));
                Arc::new(SqliteStore::new(path, SqliteStoreOptions::default()))
            }
        }
    }

    /// A builder with everything but a store, and its network.
    pub(crate) fn builder(&self, configure: impl FnOnce(&mut Config)) -> (OnSyncBuilder, Arc<Lossy>) {
        let lossy = Arc::new(Lossy::new(
            Arc::new(InProcess::new(self.service.clone())),
            Arc::new(self.runtime.clone()),
        ));
        let mut builder = OnSyncBuilder::by_hand((*self.schema).clone()).unwrap();
        configure(builder.config_mut());
        let named = |name: &str| self.schema.entities.iter().any(|entity| entity.pattern == name);
        for (name, add) in [
            (
                READ_ONLY,
                (|builder| builder.pattern(ReadOnly)) as fn(OnSyncBuilder) -> _,
            ),
            (OPTIMIZED, |builder| builder.pattern(ReadOnlyOptimized)),
            (LWW, |builder| builder.pattern(LastWriteWins)),
            (FAMILY, |builder| builder.pattern(OneToMany)),
            (DETECTION, |builder| builder.pattern(ConflictDetection)),
        ] {
            if named(name) {
                builder = add(builder).unwrap();
            }
        }
        let builder = builder
            .transport(lossy.clone())
            .runtime(Arc::new(self.runtime.clone()));
        (builder, lossy)
    }

    /// An app on a store of its own.
    pub(crate) fn phone(&self, name: &str, configure: impl FnOnce(&mut Config)) -> Phone {
        let (builder, lossy) = self.builder(configure);
        let app = self.run(builder.store(self.store(name)).build()).unwrap();
        Phone::new(app, lossy, self.runtime.clone())
    }
}

fn describe(event: &Event) -> Option<String> {
    Some(match event {
        Event::OnSyncStart { context } => format!("start {context}"),
        Event::OnSyncComplete { context, .. } => format!("complete {context}"),
        Event::OnSyncError {
            context, error_code, ..
        } => format!("error {context} {error_code}"),
        _ => return None,
    })
}

impl Phone {
    pub(crate) fn new(app: App, lossy: Arc<Lossy>, runtime: ManualRuntime) -> Self {
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let hears = heard.clone();
        let listening = app.on_event(move |_, event| hears.lock().unwrap().extend(describe(event)));
        Self {
            app,
            lossy,
            runtime,
            heard,
            _listening: listening,
        }
    }

    pub(crate) fn run<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime
            .run(future)
            .expect("the app waits for something that never happens")
    }

    /// Starts, completions and errors since the last call.
    pub(crate) fn events(&self) -> Vec<String> {
        self.runtime.run_until_idle();
        std::mem::take(&mut *self.heard.lock().unwrap())
    }

    pub(crate) fn outcome(&self, context: &str) -> Outcome {
        let handle = self.app.on_sync(context, &Parameters::new()).unwrap();
        self.run(handle.outcome())
    }

    pub(crate) fn sync(&self, context: &str) -> Summary {
        self.outcome(context).into_result().unwrap()
    }

    pub(crate) fn count(&self, entity: &str) -> usize {
        self.run(self.app.query(Query::entity(entity))).unwrap().len()
    }

    pub(crate) fn pass(&self, seconds: u64) {
        self.runtime.advance(Duration::from_secs(seconds));
    }
}
