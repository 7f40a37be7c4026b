//! The lifecycle under virtual time, on scripted sync steps.

#![expect(clippy::unwrap_used, reason = "the helpers of a test fail by panicking, as the test does")]

#[path = "../../tests/support/manual.rs"]
mod manual;

use super::*;
use crate::events::{Closure, Subscription};
use crate::sync::{Fence, Pending, Progress, ProgressSink, Step};
use manual::ManualRuntime;
use onsync_core::handler::Phase;
use onsync_core::memory::local::MemoryStore;
use onsync_core::portable_async;
use onsync_core::schema::{Attribute, EntitySchema};
use onsync_core::value::ValueType;
use std::collections::VecDeque;

/// What the next step does; a step without a script ends well at once.
enum Script {
    Fail(Error),
    Take(Duration),
}

#[derive(Default)]
struct Fake {
    runtime: ManualRuntime,
    scripts: Mutex<VecDeque<Script>>,
    steps: Mutex<Vec<String>>,
}

#[portable_async]
impl SyncSteps for Fake {
    async fn take_over(&self) -> Result<Fence> {
        Ok(serde_json::from_str("1").unwrap())
    }

    async fn run(&self, _fence: Fence, step: &Step, sink: &dyn ProgressSink) -> Result<Summary> {
        self.steps.lock().unwrap().push(format!("{}:{}", step.context, step.entities.join(",")));
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
        Ok(Summary { received: 1, requests: 1, ..Summary::default() })
    }

    async fn pending(&self) -> Result<Pending> {
        Ok(Pending { waiting: 3, ..Pending::default() })
    }
}

struct World {
    runtime: ManualRuntime,
    fake: Arc<Fake>,
    store: Arc<dyn LocalStore>,
    hub: Arc<Hub>,
    lifecycle: Arc<Lifecycle>,
    events: Arc<Mutex<Vec<String>>>,
    _subscription: Subscription,
}

fn describe(event: &Event) -> Option<String> {
    Some(match event {
        Event::OnSyncStart { context } => format!("start {context}"),
        Event::OnSyncComplete { context, .. } => format!("complete {context}"),
        Event::OnSyncError { context, error_code, next_try, .. } => {
            let next = next_try.map_or("never".to_owned(), |wait| format!("{} s", wait.as_secs_f64().round()));
            format!("error {context} {error_code} next {next}")
        }
        Event::NetworkStatusChanged(network) => format!("online {}", network.online),
        _ => return None,
    })
}

fn settings(entities: &[&str], time_out: Option<u64>, discard_pending: bool) -> ContextSettings {
    ContextSettings {
        entities: Selection::Entities(entities.iter().map(|name| (*name).to_owned()).collect()),
        direction: SyncDirection::Both,
        time_out: time_out.map(Duration::from_secs),
        discard_pending,
    }
}

impl World {
    fn new() -> Self {
        Self::with(None)
    }

    fn with(handler: Option<Arc<dyn OnSync>>) -> Self {
        let runtime = ManualRuntime::default();
        let shared: Arc<dyn Runtime> = Arc::new(runtime.clone());
        let entity = |name| EntitySchema::new(name, "p", &["id"], vec![Attribute::new("id", ValueType::Uuid)]);
        let schema = Arc::new(Schema { entities: vec![entity("A"), entity("B")], relations: Vec::new() });
        let store: Arc<dyn LocalStore> = Arc::new(MemoryStore::new(1));
        runtime.now_or_stuck(store.open(&schema)).unwrap();
        let hub = Arc::new(Hub::new(shared.clone(), NetworkStatus::assumed()));
        let events: Arc<Mutex<Vec<String>>> = Arc::default();
        let heard = events.clone();
        let listener = Closure(move |_, event: &Event| heard.lock().unwrap().extend(describe(event)));
        let subscription = hub.listen(Arc::new(listener));
        let fake = Arc::new(Fake { runtime: runtime.clone(), ..Fake::default() });
        let contexts = BTreeMap::from([
            ("Online".to_owned(), settings(&["A", "B"], None, false)),
            ("Login".to_owned(), settings(&["B"], Some(60), false)),
            ("Fresh".to_owned(), settings(&["A"], None, true)),
        ]);
        let retry = RetrySettings {
            enabled: true,
            interval: Duration::from_secs(5),
            factor: 2.0,
            cap: Duration::from_secs(300),
            attempts_per_hour: 60,
        };
        let lifecycle = Lifecycle::new(Parts {
            runtime: shared.clone(),
            hub: hub.clone(),
            store: store.clone(),
            steps: fake.clone(),
            schema,
            contexts,
            retry,
            queue_limit: 4,
            handler,
        })
        .unwrap();
        shared.spawn(Box::pin(lifecycle.clone().drive()));
        Self { runtime, fake, store, hub, lifecycle, events, _subscription: subscription }
    }

    fn ask(&self, context: &str) -> SyncHandle {
        self.lifecycle.ask(context, &Parameters::new(), &[]).unwrap()
    }

    fn script(&self, scripts: impl IntoIterator<Item = Script>) {
        self.fake.scripts.lock().unwrap().extend(scripts);
    }

    fn steps(&self) -> Vec<String> {
        self.fake.steps.lock().unwrap().clone()
    }

    fn events(&self) -> Vec<String> {
        self.runtime.settle();
        std::mem::take(&mut *self.events.lock().unwrap())
    }

    fn outcome(&self, handle: SyncHandle) -> Outcome {
        self.runtime.now_or_stuck(handle.outcome())
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn transient() -> Script {
    Script::Fail(Error::transient("server_busy", "busy"))
}

#[test]
fn a_run_starts_once_and_ends_once() {
    let world = World::new();
    let handle = world.ask("Online");
    assert!(matches!(world.outcome(handle), Outcome::Completed(summary) if summary.received == 1));
    assert_eq!(world.events(), ["online true", "start Online", "complete Online"]);
    assert_eq!(world.steps(), ["Online:A,B"]);
    let status = world.hub.status();
    assert_eq!((status.waiting, status.running, status.last_error), (3, None, None));
    assert!(status.up_to_date_as_of.is_some());
}

#[test]
fn equal_waiting_requests_are_merged_and_none_joins_the_running_one() {
    let world = World::new();
    world.script([Script::Take(seconds(10))]);
    let first = world.ask("Online");
    world.runtime.settle();
    let others: Vec<SyncHandle> = (0..100).map(|_| world.ask("Online")).collect();
    world.runtime.advance(seconds(20));
    assert!(matches!(world.outcome(first), Outcome::Completed(_)));
    for other in others {
        assert!(matches!(world.outcome(other), Outcome::Completed(_)));
    }
    assert_eq!(world.steps().len(), 2);
}

#[test]
fn discard_pending_empties_the_queue_but_leaves_the_running_run() {
    let world = World::new();
    world.script([Script::Take(seconds(10))]);
    let running = world.ask("Online");
    world.runtime.settle();
    let waiting = world.ask("Login");
    let fresh = world.ask("Fresh");
    assert!(matches!(world.outcome(waiting), Outcome::Discarded));
    world.runtime.advance(seconds(20));
    assert!(matches!(world.outcome(running), Outcome::Completed(_)));
    assert!(matches!(world.outcome(fresh), Outcome::Completed(_)));
    assert_eq!(world.steps(), ["Online:A,B", "Fresh:A"]);
}

#[test]
fn a_full_queue_refuses_more() {
    let handler: Arc<dyn OnSync> = Arc::new(Plain);
    let world = World::with(Some(handler));
    world.script([Script::Take(seconds(10))]);
    let _running = world.ask("0");
    world.runtime.settle();
    let _waiting: Vec<SyncHandle> = (1..5).map(|number| world.ask(&number.to_string())).collect();
    let refused = world.lifecycle.ask("5", &Parameters::new(), &[]).err().unwrap();
    assert_eq!(refused.code(), "queue_full");
}

#[test]
fn an_unknown_context_lists_the_known_ones() {
    let error = World::new().lifecycle.ask("Onlin", &Parameters::new(), &[]).err().unwrap();
    assert_eq!(error.code(), "unknown_context");
    assert!(error.message().contains("`Fresh`, `Login`, `Online`"), "{error}");
}

#[test]
fn a_passing_error_is_tried_again_with_growing_waits() {
    let world = World::new();
    world.script([transient(), transient(), transient()]);
    let handle = world.ask("Online");
    world.runtime.settle();
    assert_eq!(world.hub.status().last_error.unwrap().next_try.unwrap().as_secs_f64().round(), 5.0);
    world.runtime.advance(seconds(5));
    world.runtime.advance(seconds(10));
    world.runtime.advance(seconds(19));
    assert_eq!(world.steps().len(), 3);
    world.runtime.advance(seconds(2));
    assert!(matches!(world.outcome(handle), Outcome::Completed(_)));
    assert_eq!(
        world.events(),
        [
            "online true",
            "start Online",
            "error Online server_busy next 5 s",
            "start Online",
            "error Online server_busy next 10 s",
            "start Online",
            "error Online server_busy next 20 s",
            "start Online",
            "complete Online"
        ]
    );
    assert_eq!(world.hub.status().last_error, None);
}

#[test]
fn a_run_in_back_off_gives_up_its_place_and_a_manual_call_ends_its_wait() {
    let world = World::new();
    world.script([transient()]);
    let first = world.ask("Online");
    world.runtime.settle();
    let other = world.ask("Login");
    assert!(matches!(world.outcome(other), Outcome::Completed(_)));
    let again = world.ask("Online");
    assert!(matches!(world.outcome(again), Outcome::Completed(_)));
    assert!(matches!(world.outcome(first), Outcome::Completed(_)));
    assert_eq!(world.steps(), ["Online:A,B", "Login:B", "Online:A,B"]);
    assert_eq!(world.runtime.elapsed(), Duration::ZERO);
}

#[test]
fn a_permanent_error_ends_the_run() {
    let world = World::new();
    world.script([Script::Fail(Error::fatal("broken", "broken"))]);
    let handle = world.ask("Online");
    assert!(matches!(world.outcome(handle), Outcome::Failed(error) if error.code() == "broken"));
    world.runtime.advance(seconds(3_600));
    assert_eq!(world.steps().len(), 1);
    assert!(world.hub.status().message().starts_with("sync failed: broken"));
}

#[test]
fn an_offline_run_waits_for_the_network() {
    let world = World::new();
    let offline = NetworkStatus { online: false, ..NetworkStatus::assumed() };
    world.lifecycle.network_changed(offline);
    world.script([Script::Fail(Error::offline("server_unreachable", "unreachable"))]);
    let handle = world.ask("Online");
    world.runtime.advance(seconds(3_600));
    assert_eq!(world.steps().len(), 1);
    assert!(world.hub.status().message().starts_with("you are offline · 3 changes waiting"));
    world.lifecycle.network_changed(NetworkStatus::assumed());
    assert!(matches!(world.outcome(handle), Outcome::Completed(_)));
}

#[test]
fn refused_credentials_pause_syncing_until_there_are_new_ones() {
    let world = World::new();
    world.script([Script::Fail(Error::new(ErrorKind::Unauthorised, "unauthorised", "refused"))]);
    let handle = world.ask("Online");
    assert!(matches!(world.outcome(handle), Outcome::Failed(error) if error.code() == "unauthorised"));
    let waits = world.ask("Login");
    world.runtime.advance(seconds(30));
    assert_eq!(world.steps().len(), 1);
    assert!(world.hub.status().needs_credentials);
    world.lifecycle.credentials_changed();
    assert!(matches!(world.outcome(waits), Outcome::Completed(_)));
    world.runtime.settle();
    assert_eq!(world.steps(), ["Online:A,B", "Login:B", "Online:A,B"]);
    assert!(!world.hub.status().needs_credentials);
}

#[test]
fn a_context_s_time_out_bounds_waiting_and_running() {
    let world = World::new();
    world.script([Script::Take(seconds(100)), Script::Take(seconds(100))]);
    let _long = world.ask("Online");
    world.runtime.settle();
    let waits = world.ask("Login");
    world.runtime.advance(seconds(61));
    assert!(matches!(world.outcome(waits), Outcome::TimedOut));
    world.runtime.advance(seconds(60));
    assert_eq!(world.steps(), ["Online:A,B"]);
    let runs = world.ask("Login");
    world.runtime.advance(seconds(61));
    assert!(matches!(world.outcome(runs), Outcome::TimedOut));
    assert_eq!(world.events().last().unwrap(), "error Login sync_timed_out next never");
}

#[test]
fn another_process_that_syncs_is_waited_for() {
    let world = World::new();
    let elsewhere = world.runtime.now_or_stuck(world.store.try_lock()).unwrap().unwrap();
    let handle = world.ask("Online");
    world.runtime.settle();
    assert!(world.steps().is_empty());
    assert_eq!(world.events().last().unwrap(), "error Online another_process_syncs next 5 s");
    drop(elsewhere);
    world.runtime.advance(seconds(6));
    assert!(matches!(world.outcome(handle), Outcome::Completed(_)));
}

struct Plain;

#[portable_async]
impl OnSync for Plain {
    async fn on_sync(
        &self,
        run: &dyn onsync_core::handler::SyncRun,
        _context: &str,
        _parameters: &Parameters,
    ) -> Result<()> {
        run.sync(Selection::All, SyncDirection::Both).await.map(drop)
    }
}

/// Asks for A in B and for B in A, panics in P.
struct Loops;

#[portable_async]
impl OnSync for Loops {
    async fn on_sync(
        &self,
        run: &dyn onsync_core::handler::SyncRun,
        context: &str,
        parameters: &Parameters,
    ) -> Result<()> {
        assert_ne!(context, "P");
        run.on_sync(if context == "A" { "B" } else { "A" }, parameters)
    }
}

#[test]
fn a_handler_cannot_ask_for_its_own_run_within_itself() {
    let world = World::with(Some(Arc::new(Loops)));
    let handle = world.ask("A");
    assert!(matches!(world.outcome(handle), Outcome::Completed(_)));
    world.runtime.settle();
    assert_eq!(
        world.events(),
        ["online true", "start A", "complete A", "start B", "error B sync_within_itself next never"]
    );
}

#[test]
fn a_handler_that_panics_harms_nobody() {
    let world = World::with(Some(Arc::new(Loops)));
    let handle = world.ask("P");
    assert!(matches!(world.outcome(handle), Outcome::Failed(error) if error.code() == "handler_panicked"));
}

#[test]
fn a_listener_that_starts_a_sync_at_each_end_is_stopped() {
    let world = World::new();
    let lifecycle = world.lifecycle.clone();
    let again = Closure(move |_, event: &Event| {
        if matches!(event, Event::OnSyncComplete { .. }) {
            drop(lifecycle.ask("Online", &Parameters::new(), &[]));
        }
    });
    let _subscription = world.hub.listen(Arc::new(again));
    drop(world.ask("Online"));
    world.runtime.settle();
    assert_eq!(world.steps().len(), 12);
    assert_eq!(world.hub.status().last_error.unwrap().code, "sync_loop");
    let refused = world.lifecycle.ask("Online", &Parameters::new(), &[]).err().unwrap();
    assert_eq!(refused.code(), "sync_loop");
    world.runtime.advance(seconds(61));
    assert!(world.lifecycle.ask("Login", &Parameters::new(), &[]).is_ok());
    assert!(world.lifecycle.ask("Online", &Parameters::new(), &[]).is_ok());
}

#[test]
fn a_new_listener_hears_how_things_stand_and_none_that_panics_harms_others() {
    let world = World::new();
    world.script([Script::Take(seconds(10))]);
    drop(world.ask("Online"));
    world.runtime.settle();
    let _panics = world.hub.listen(Arc::new(Closure(|_, event: &Event| {
        assert!(!matches!(event, Event::OnSyncComplete { .. }), "on purpose");
    })));
    let late: Arc<Mutex<Vec<String>>> = Arc::default();
    let heard = late.clone();
    let subscription =
        world.hub.listen(Arc::new(Closure(move |_, event: &Event| heard.lock().unwrap().extend(describe(event)))));
    world.runtime.advance(seconds(11));
    assert_eq!(*late.lock().unwrap(), ["online true", "start Online", "complete Online"]);
    drop(subscription);
    drop(world.ask("Login"));
    world.runtime.settle();
    assert_eq!(late.lock().unwrap().len(), 3);
}

#[test]
fn closing_ends_what_runs_and_what_waits() {
    let world = World::new();
    world.script([Script::Take(seconds(10))]);
    let running = world.ask("Online");
    world.runtime.settle();
    let waiting = world.ask("Login");
    world.lifecycle.close();
    assert!(matches!(world.outcome(running), Outcome::Discarded));
    assert!(matches!(world.outcome(waiting), Outcome::Discarded));
    let refused = world.lifecycle.ask("Login", &Parameters::new(), &[]).err().unwrap();
    assert_eq!(refused.code(), "app_closed");
}
