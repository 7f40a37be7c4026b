//! A lifecycle on scripted sync steps and a runtime whose time stands still.

use super::manual::ManualRuntime;
use crate::config::{ContextSettings, RetrySettings, TriggerSettings};
use crate::events::{Closure, Hub, Subscription};
use crate::lifecycle::{Lifecycle, Outcome, Parts, SyncHandle, SyncSteps};
use crate::observed::Changes;
use crate::sync::{Fence, Notes, OwnNotes, Pending, Progress, ProgressSink, Pulse, Step};
use onsync_core::handler::{Event, OnSync, Parameters, Phase, Selection, Summary, SyncDirection};
use onsync_core::memory::local::MemoryStore;
use onsync_core::network::{NetworkMonitor, NetworkNews, NetworkStatus};
use onsync_core::runtime::Runtime;
use onsync_core::schema::{Attribute, EntitySchema, Schema};
use onsync_core::store::local::LocalStore;
use onsync_core::value::ValueType;
use onsync_core::{Error, Result, portable_async};
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What the next step does; a step without a script ends well at once.
pub(super) enum Script {
    Fail(Error),
    Take(Duration),
}

#[derive(Default)]
pub(super) struct Fake {
    pub(super) runtime: ManualRuntime,
    scripts: Mutex<VecDeque<Script>>,
    steps: Mutex<Vec<String>>,
    pub(super) notes: Mutex<Notes>,
    pub(super) taken: AtomicU32,
    pub(super) pulse: Mutex<Pulse>,
}

#[portable_async]
impl SyncSteps for Fake {
    async fn take_over(&self) -> Result<Fence> {
        Ok(serde_json::from_str("1").unwrap())
    }

    async fn run(&self, _fence: Fence, step: &Step, sink: &dyn ProgressSink) -> Result<Summary> {
        self.steps
            .lock()
            .unwrap()
            .push(format!("{}:{}", step.context, step.entities.join(",")));
        let script = self.scripts.lock().unwrap().pop_front();
        sink.progress(Progress {
            entity: "A".into(),
            phase: Phase::Pull,
            done: 1,
            total: Some(2),
            bytes: 10,
        });
        match script {
            Some(Script::Fail(error)) => return Err(error),
            Some(Script::Take(time)) => self.runtime.sleep(time).await,
            None => {}
        }
        Ok(Summary {
            received: 1,
            requests: 1,
            ..Summary::default()
        })
    }

    async fn take_fence(&self) -> Result<Fence> {
        self.taken.fetch_add(1, Ordering::Relaxed);
        Ok(serde_json::from_str("2").unwrap())
    }

    async fn pulse(&self) -> Result<Pulse> {
        Ok(*self.pulse.lock().unwrap())
    }

    async fn beat(&self, _fence: Fence) -> Result<()> {
        Ok(())
    }

    async fn notes(&self) -> Result<Notes> {
        Ok(self.notes.lock().unwrap().clone())
    }

    async fn keep_notes(&self, notes: &Notes, own: &OwnNotes) -> Result<()> {
        let mut stored = self.notes.lock().unwrap();
        *stored = std::mem::take(&mut *stored).with(notes, own);
        Ok(())
    }

    async fn check_claim(&self, _user: &str) -> Result<()> {
        Ok(())
    }

    async fn pending(&self) -> Result<Pending> {
        Ok(Pending {
            waiting: 3,
            ..Pending::default()
        })
    }
}

/// A network monitor that sees nothing and remembers the news it got.
#[derive(Default)]
pub(super) struct Monitor {
    news: Mutex<Vec<NetworkNews>>,
    goes_by_what_is_told: AtomicBool,
}

impl Monitor {
    /// The news since the last call.
    pub(super) fn news(&self) -> Vec<NetworkNews> {
        std::mem::take(&mut self.news.lock().unwrap())
    }

    pub(super) fn go_by_what_is_told(&self) {
        self.goes_by_what_is_told.store(true, Ordering::SeqCst);
    }
}

#[portable_async]
impl NetworkMonitor for Monitor {
    fn current(&self) -> NetworkStatus {
        NetworkStatus::assumed()
    }

    async fn changed(&self, _seen: NetworkStatus) -> NetworkStatus {
        std::future::pending().await
    }

    fn note(&self, news: NetworkNews) -> bool {
        self.news.lock().unwrap().push(news);
        self.goes_by_what_is_told.load(Ordering::SeqCst)
    }
}

pub(super) struct World {
    pub(super) runtime: ManualRuntime,
    pub(super) fake: Arc<Fake>,
    pub(super) store: Arc<dyn LocalStore>,
    pub(super) hub: Arc<Hub>,
    pub(super) lifecycle: Arc<Lifecycle>,
    pub(super) monitor: Arc<Monitor>,
    pub(super) changes: Arc<Changes>,
    pub(super) events: Arc<Mutex<Vec<String>>>,
    _subscription: Subscription,
}

pub(super) fn describe(event: &Event) -> Option<String> {
    Some(match event {
        Event::OnSyncStart { context } => format!("start {context}"),
        Event::OnSyncComplete { context, .. } => format!("complete {context}"),
        Event::OnSyncError {
            context,
            error_code,
            next_try,
            ..
        } => {
            let next = next_try.map_or("never".to_owned(), |wait| {
                format!("{} s", wait.as_secs_f64().round())
            });
            format!("error {context} {error_code} next {next}")
        }
        Event::NetworkStatusChanged(network) => format!("online {}", network.online),
        _ => return None,
    })
}

pub(super) fn settings(entities: &[&str], time_out: Option<u64>, discard_pending: bool) -> ContextSettings {
    ContextSettings {
        entities: Selection::Entities(entities.iter().map(|name| (*name).to_owned()).collect()),
        direction: SyncDirection::Both,
        time_out: time_out.map(Duration::from_secs),
        discard_pending,
        ..ContextSettings::default()
    }
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(None)
    }

    pub(super) fn with(handler: Option<Arc<dyn OnSync>>) -> Self {
        Self::triggered(handler, TriggerSettings::default())
    }

    pub(super) fn triggered(handler: Option<Arc<dyn OnSync>>, triggers: TriggerSettings) -> Self {
        let runtime = ManualRuntime::default();
        let shared: Arc<dyn Runtime> = Arc::new(runtime.clone());
        let entity =
            |name| EntitySchema::new(name, "p", &["id"], vec![Attribute::new("id", ValueType::Uuid)]);
        let schema = Arc::new(Schema {
            entities: vec![entity("A"), entity("B")],
            relations: Vec::new(),
        });
        let store: Arc<dyn LocalStore> = Arc::new(MemoryStore::new(1));
        runtime.now_or_stuck(store.open(&schema)).unwrap();
        let hub = Arc::new(Hub::new(shared.clone(), NetworkStatus::assumed()));
        let events: Arc<Mutex<Vec<String>>> = Arc::default();
        let heard = events.clone();
        let listener = Closure(move |_, event: &Event| heard.lock().unwrap().extend(describe(event)));
        let subscription = hub.listen(Arc::new(listener));
        let fake = Arc::new(Fake {
            runtime: runtime.clone(),
            ..Fake::default()
        });
        let contexts = BTreeMap::from([
            ("Online".to_owned(), settings(&["A", "B"], None, false)),
            ("Login".to_owned(), settings(&["B"], Some(60), false)),
            ("Fresh".to_owned(), settings(&["A"], None, true)),
            (
                "Photos".to_owned(),
                ContextSettings {
                    not_on_metered: true,
                    ..settings(&["A"], None, false)
                },
            ),
        ]);
        let retry = RetrySettings {
            enabled: true,
            interval: Duration::from_secs(5),
            factor: 2.0,
            cap: Duration::from_secs(300),
            attempts_per_hour: 60,
        };
        let monitor = Arc::new(Monitor::default());
        let changes = Arc::new(Changes::new());
        let lifecycle = Lifecycle::new(Parts {
            runtime: shared.clone(),
            hub: hub.clone(),
            store: store.clone(),
            changes: changes.clone(),
            steps: fake.clone(),
            schema,
            contexts,
            retry,
            triggers,
            transport_time_out: Duration::from_secs(30),
            queue_limit: 4,
            handler,
            monitor: Some(monitor.clone()),
            user: None,
        })
        .unwrap();
        let driven = lifecycle.clone();
        shared.spawn(Box::pin(async move {
            driven.remember().await;
            driven.drive().await;
        }));
        shared.spawn(Box::pin(lifecycle.clone().watch_triggers(changes.edits())));
        Self {
            runtime,
            fake,
            store,
            hub,
            lifecycle,
            monitor,
            changes,
            events,
            _subscription: subscription,
        }
    }

    pub(super) fn ask(&self, context: &str) -> SyncHandle {
        self.lifecycle.ask(context, &Parameters::new(), &[]).unwrap()
    }

    pub(super) fn script(&self, scripts: impl IntoIterator<Item = Script>) {
        self.fake.scripts.lock().unwrap().extend(scripts);
    }

    pub(super) fn steps(&self) -> Vec<String> {
        self.fake.steps.lock().unwrap().clone()
    }

    pub(super) fn events(&self) -> Vec<String> {
        self.runtime.settle();
        std::mem::take(&mut *self.events.lock().unwrap())
    }

    /// A lifecycle that starts with what another one has noted.
    pub(super) fn restarted(noted: &Self) -> Self {
        let world = Self::new();
        *world.fake.notes.lock().unwrap() = noted.fake.notes.lock().unwrap().clone();
        world
    }

    /// Keeps the status' counts right, as an app does.
    pub(super) fn counts(&self) {
        let counts = self.lifecycle.clone().watch_counts();
        self.runtime.spawn(Box::pin(counts));
    }

    /// The app writes something that travels.
    pub(super) fn write(&self) {
        self.lifecycle.writing();
        self.changes.note_edit();
        self.runtime.settle();
    }

    pub(super) fn network(&self, online: bool) {
        self.lifecycle.network_changed(NetworkStatus {
            online,
            ..NetworkStatus::assumed()
        });
        self.runtime.settle();
    }

    pub(super) fn outcome(&self, handle: SyncHandle) -> Outcome {
        self.runtime.now_or_stuck(handle.outcome())
    }
}

pub(super) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(super) fn transient() -> Script {
    Script::Fail(Error::transient("server_busy", "busy"))
}
