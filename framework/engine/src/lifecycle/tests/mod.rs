//! The lifecycle under virtual time, on scripted sync steps.

mod automatic;
#[path = "../../../tests/support/manual.rs"]
mod manual;
mod network;
mod patience;
mod remembered;
mod world;

use super::*;
use crate::events::Closure;
use onsync_core::handler::{Parameters, Selection, SyncDirection, SyncRun};
use onsync_core::network::NetworkStatus;
use onsync_core::{ErrorKind, portable_async};
use world::{Script, World, describe, seconds, transient};

#[test]
fn a_run_starts_once_and_ends_once() {
    let world = World::new();
    let handle = world.ask("Online");
    assert!(matches!(world.outcome(handle), Outcome::Completed(summary) if summary.received == 1));
    assert_eq!(world.events(), ["online true", "start Online", "complete Online"]);
    assert_eq!(world.steps(), ["Online:A,B"]);
    let status = world.hub.status();
    assert_eq!(
        (status.waiting, status.running, status.last_error),
        (3, None, None)
    );
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
    let error = World::new()
        .lifecycle
        .ask("Onlin", &Parameters::new(), &[])
        .err()
        .unwrap();
    assert_eq!(error.code(), "unknown_context");
    assert!(error.message().contains("`Fresh`, `Login`, `Online`"), "{error}");
}

#[test]
fn a_passing_error_is_tried_again_with_growing_waits() {
    let world = World::new();
    world.script([transient(), transient(), transient()]);
    let handle = world.ask("Online");
    world.runtime.settle();
    assert_eq!(
        world
            .hub
            .status()
            .last_error
            .unwrap()
            .next_try
            .unwrap()
            .as_secs_f64()
            .round(),
        5.0
    );
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
    let offline = NetworkStatus {
        online: false,
        ..NetworkStatus::assumed()
    };
    world.lifecycle.network_changed(offline);
    world.script([Script::Fail(Error::offline("server_unreachable", "unreachable"))]);
    let handle = world.ask("Online");
    world.runtime.advance(seconds(3_600));
    assert_eq!(world.steps().len(), 1);
    assert!(
        world
            .hub
            .status()
            .message()
            .starts_with("you are offline · 3 changes waiting")
    );
    world.lifecycle.network_changed(NetworkStatus::assumed());
    assert!(matches!(world.outcome(handle), Outcome::Completed(_)));
}

#[test]
fn refused_credentials_pause_syncing_until_there_are_new_ones() {
    let world = World::new();
    world.script([Script::Fail(Error::new(
        ErrorKind::Unauthorised,
        "unauthorised",
        "refused",
    ))]);
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
    assert_eq!(
        world.events().last().unwrap(),
        "error Login sync_timed_out next never"
    );
}

#[test]
fn another_process_that_syncs_is_waited_for() {
    let world = World::new();
    let elsewhere = world
        .runtime
        .now_or_stuck(world.store.try_lock())
        .unwrap()
        .unwrap();
    let handle = world.ask("Online");
    world.runtime.settle();
    assert!(world.steps().is_empty());
    assert_eq!(
        world.events().last().unwrap(),
        "error Online another_process_syncs next 5 s"
    );
    drop(elsewhere);
    world.runtime.advance(seconds(6));
    assert!(matches!(world.outcome(handle), Outcome::Completed(_)));
}

struct Plain;

#[portable_async]
impl OnSync for Plain {
    async fn on_sync(&self, run: &dyn SyncRun, _context: &str, _parameters: &Parameters) -> Result<()> {
        run.sync(Selection::All, SyncDirection::Both).await.map(drop)
    }
}

/// Asks for A in B and for B in A, panics in P.
struct Loops;

#[portable_async]
impl OnSync for Loops {
    async fn on_sync(&self, run: &dyn SyncRun, context: &str, parameters: &Parameters) -> Result<()> {
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
        [
            "online true",
            "start A",
            "complete A",
            "start B",
            "error B sync_within_itself next never"
        ]
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
    let refused = world
        .lifecycle
        .ask("Online", &Parameters::new(), &[])
        .err()
        .unwrap();
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
    let subscription = world.hub.listen(Arc::new(Closure(move |_, event: &Event| {
        heard.lock().unwrap().extend(describe(event))
    })));
    world.runtime.advance(seconds(11));
    assert_eq!(
        *late.lock().unwrap(),
        ["online true", "start Online", "complete Online"]
    );
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
    let refused = world
        .lifecycle
        .ask("Login", &Parameters::new(), &[])
        .err()
        .unwrap();
    assert_eq!(refused.code(), "app_closed");
}
