//! Runs that start by themselves.

use super::super::Occasion;
use super::world::{Script, World, seconds, transient};
use crate::config::TriggerSettings;
use crate::events::Closure;
use onsync_core::Error;
use onsync_core::handler::{Event, Parameters};
use std::sync::Arc;
use std::time::Duration;

fn on(context: &str) -> Option<String> {
    Some(context.to_owned())
}

fn world() -> World {
    World::triggered(
        None,
        TriggerSettings {
            on_start: None,
            on_login: on("Login"),
            on_online: on("Online"),
            on_resume: on("Fresh"),
            on_write: on("Login"),
            every: None,
        },
    )
}

#[test]
fn a_network_that_flaps_starts_one_run() {
    let world = world();
    for _ in 0..30 {
        world.network(false);
        world.runtime.advance(Duration::from_millis(700));
        world.network(true);
        world.runtime.advance(Duration::from_millis(700));
    }
    assert!(
        world.steps().is_empty(),
        "it has not stayed yet: {:?}",
        world.steps()
    );
    world.runtime.advance(seconds(60));
    assert_eq!(world.steps(), ["Online:A,B"]);
}

#[test]
fn a_run_that_the_network_woke_is_not_started_a_second_time() {
    let world = world();
    world.network(false);
    world.script([Script::Fail(Error::offline("server_unreachable", "unreachable"))]);
    let waits = world.ask("Online");
    world.runtime.settle();
    world.network(true);
    world.runtime.advance(seconds(60));
    assert!(world.outcome(waits).into_result().is_ok());
    assert_eq!(
        world.steps(),
        ["Online:A,B", "Online:A,B"],
        "the failed one and one more"
    );
}

#[test]
fn writes_start_one_run_once_they_pause_and_merge_with_what_waits() {
    let world = world();
    for _ in 0..5 {
        world.write();
        world.runtime.advance(Duration::from_millis(500));
    }
    assert!(world.steps().is_empty());
    world.runtime.advance(seconds(1));
    assert_eq!(world.steps(), ["Login:B"]);

    world.script([Script::Take(seconds(30))]);
    let _running = world.ask("Online");
    world.runtime.settle();
    let waits = world.ask("Login");
    world.write();
    world.runtime.advance(seconds(60));
    assert!(world.outcome(waits).into_result().is_ok());
    assert_eq!(world.steps(), ["Login:B", "Online:A,B", "Login:B"]);
}

#[test]
fn a_write_during_a_run_is_sent_by_one_after_it() {
    let world = world();
    world.script([Script::Take(seconds(30))]);
    let _running = world.ask("Login");
    world.runtime.settle();
    world.write();
    world.runtime.advance(seconds(60));
    assert_eq!(world.steps(), ["Login:B", "Login:B"]);
}

#[test]
fn a_write_does_not_end_a_back_off_but_a_resuming_app_does() {
    let triggers = TriggerSettings {
        on_resume: on("Online"),
        on_write: on("Online"),
        ..TriggerSettings::default()
    };
    let world = World::triggered(None, triggers);
    world.script((0..6).map(|_| transient()));
    let _waits = world.ask("Online");
    world.runtime.advance(seconds(40));
    assert_eq!(
        world.steps().len(),
        4,
        "at once, after 5, 10 and 20 s; the next wait is of 40 s"
    );
    world.write();
    world.runtime.advance(seconds(3));
    assert_eq!(world.steps().len(), 4, "the wait goes on");
    world.lifecycle.happened(Occasion::Resume);
    world.runtime.settle();
    assert_eq!(world.steps().len(), 5);
}

#[test]
fn what_the_queue_refuses_is_asked_for_again() {
    let world = World::triggered(
        Some(Arc::new(super::Plain)),
        TriggerSettings {
            on_write: on("Send"),
            ..TriggerSettings::default()
        },
    );
    world.script([Script::Take(seconds(30))]);
    let _runs = world.ask("0");
    world.runtime.settle();
    let _full: Vec<_> = (1..5).map(|number| world.ask(&number.to_string())).collect();
    world.write();
    world.runtime.advance(seconds(20));
    assert!(!world.steps().iter().any(|step| step.starts_with("Send")));
    world.runtime.advance(seconds(20));
    assert!(
        world.steps().iter().any(|step| step.starts_with("Send")),
        "{:?}",
        world.steps()
    );
}

#[test]
fn a_listener_that_writes_at_each_end_is_stopped_and_goes_on_later() {
    let world = world();
    let (lifecycle, changes) = (world.lifecycle.clone(), world.changes.clone());
    let edits = Closure(move |_, event: &Event| {
        if matches!(event, Event::OnSyncComplete { .. }) {
            lifecycle.writing();
            changes.note_edit();
        }
    });
    let _subscription = world.hub.listen(Arc::new(edits));
    world.write();
    world.runtime.advance(seconds(59));
    assert_eq!(
        world.steps().len(),
        12,
        "the first, ten that it caused, and the one that shows the loop"
    );
    assert_eq!(world.hub.status().last_error.unwrap().code, "sync_loop");
    world.runtime.advance(seconds(60));
    assert!(world.steps().len() > 12, "what it wrote is sent after the pause");
}

#[test]
fn an_app_that_writes_all_the_time_is_no_loop() {
    let world = world();
    for _ in 0..300 {
        world.write();
        world.runtime.advance(Duration::from_millis(1_900));
    }
    assert_eq!(world.steps().len(), 300);
    assert!(world.hub.status().last_error.is_none());
}

#[test]
fn the_start_and_the_interval_each_run_their_context() {
    let world = World::triggered(
        None,
        TriggerSettings {
            on_start: on("Fresh"),
            every: Some(("Online".to_owned(), seconds(900))),
            ..TriggerSettings::default()
        },
    );
    world.lifecycle.happened(Occasion::Start);
    world.runtime.settle();
    assert_eq!(world.steps(), ["Fresh:A"]);
    world.runtime.advance(seconds(3_600));
    let runs = world.steps().len() - 1;
    assert!((4..=4).contains(&runs), "every 810 to 900 s: {runs}");
}

#[test]
fn hints_run_their_context_and_unknown_ones_are_refused() {
    let world = world();
    for _ in 0..100 {
        world.lifecycle.hint("Online").unwrap();
        world.runtime.settle();
    }
    world.runtime.advance(seconds(10));
    assert_eq!(
        world.steps(),
        ["Online:A,B", "Online:A,B"],
        "the first and what was gathered"
    );
    assert_eq!(
        world.lifecycle.hint("Onlin").unwrap_err().code(),
        "unknown_context"
    );
    assert!(world.lifecycle.ask("Online", &Parameters::new(), &[]).is_ok());
}
