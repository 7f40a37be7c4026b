//! What outlives a restart, what a stall shows, and a holder of the lock that is frozen.

use super::super::Outcome;
use super::world::{Script, World, seconds, transient};
use crate::sync::Pulse;
use onsync_core::Error;
use std::sync::atomic::Ordering;
use std::time::Duration;

#[test]
fn the_budget_of_retries_outlives_a_restart_and_holds_no_call_back() {
    let world = World::new();
    world.script((0..200).map(|_| Script::Fail(Error::busy("server_busy", "busy"))));
    let _run = world.ask("Online");
    // Calls in between begin the back-off anew, so that retries are many.
    for _ in 0..70 {
        world.runtime.advance(seconds(6));
        drop(world.ask("Login"));
    }
    let noted = world.fake.notes.lock().unwrap().clone();
    assert!(noted.retries.len() >= 60, "{}", noted.retries.len());

    let restarted = World::new();
    *restarted.fake.notes.lock().unwrap() = noted;
    restarted.script([transient(), transient()]);
    let waits = restarted.ask("Online");
    restarted.runtime.advance(seconds(600));
    assert_eq!(restarted.steps().len(), 1, "the retry waits for the budget");
    let called = restarted.ask("Online");
    restarted.runtime.settle();
    assert_eq!(restarted.steps().len(), 2, "a call does not");
    restarted.network(false);
    restarted.runtime.advance(seconds(3_600));
    restarted.network(true);
    assert!(matches!(restarted.outcome(waits), Outcome::Completed(_)));
    assert!(matches!(restarted.outcome(called), Outcome::Completed(_)));
}

#[test]
fn when_each_context_ended_well_is_known_after_a_restart() {
    let world = World::new();
    let run = world.ask("Online");
    assert!(matches!(world.outcome(run), Outcome::Completed(_)));
    let before = world.hub.status();
    assert_eq!(before.completed_at.keys().collect::<Vec<_>>(), ["Online"]);
    assert_eq!(before.fetched_at.keys().collect::<Vec<_>>(), ["A", "B"]);
    let restarted = World::new();
    *restarted.fake.notes.lock().unwrap() = world.fake.notes.lock().unwrap().clone();
    let other = World::restarted(&restarted);
    other.runtime.settle();
    let after = other.hub.status();
    assert_eq!(after.completed_at, before.completed_at);
    assert_eq!(after.up_to_date_as_of, before.up_to_date_as_of);
}

#[test]
fn a_run_that_gets_no_further_shows_as_a_stall() {
    let world = World::new();
    world.counts();
    world.script([Script::Take(seconds(300))]);
    let _run = world.ask("Online");
    world.runtime.advance(seconds(30));
    assert_eq!(world.hub.status().stalled_since, None);
    world.runtime.advance(seconds(40));
    let stalled = world.hub.status();
    let since = stalled.stalled_since.unwrap();
    assert!(stalled.messages().iter().any(|message| message.key == "stalled"));
    world.runtime.advance(seconds(300));
    assert_eq!(world.hub.status().stalled_since, None, "it ended, since {since}");
}

#[test]
fn a_holder_that_is_frozen_is_taken_over() {
    let world = World::new();
    let _frozen = world
        .runtime
        .now_or_stuck(world.store.try_lock())
        .unwrap()
        .unwrap();
    let run = world.ask("Online");
    world.runtime.advance(seconds(100));
    assert!(matches!(world.outcome(run), Outcome::Completed(_)));
    assert_eq!(world.fake.taken.load(Ordering::Relaxed), 1);
}

#[test]
fn a_holder_that_works_for_long_is_waited_for() {
    let world = World::new();
    let elsewhere = world
        .runtime
        .now_or_stuck(world.store.try_lock())
        .unwrap()
        .unwrap();
    let run = world.ask("Online");
    for beats in 1..400 {
        world.runtime.advance(Duration::from_secs(5));
        *world.fake.pulse.lock().unwrap() = Pulse { fence: 1, beats };
    }
    assert!(world.steps().is_empty());
    assert_eq!(world.fake.taken.load(Ordering::Relaxed), 0);
    drop(elsewhere);
    world.runtime.advance(seconds(300));
    assert!(matches!(world.outcome(run), Outcome::Completed(_)));
}
