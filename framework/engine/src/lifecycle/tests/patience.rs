//! How long a server that asks for patience is left alone, and what still ends the wait.

use super::super::Outcome;
use super::world::{Script, World, seconds};
use onsync_core::{Error, ErrorKind};
use std::time::Duration;

fn asks_for(wait: Duration) -> Script {
    Script::Fail(Error::transient("server_busy", "busy").with_retry_after(wait))
}

/// After how many seconds the run was tried again.
fn tried_again_after(wait: Duration) -> u64 {
    let world = World::new();
    world.script([asks_for(wait)]);
    let run = world.ask("Online");
    world.runtime.settle();
    let mut waited = 0;
    while world.steps().len() == 1 {
        assert!(waited <= 7_200, "it never is");
        world.runtime.advance(seconds(1));
        waited += 1;
    }
    assert!(matches!(world.outcome(run), Outcome::Completed(_)));
    waited
}

#[test]
fn a_server_that_asks_for_patience_gets_it_up_to_an_hour() {
    for (asked, least, most) in [
        (0, 0, 5),
        (1, 1, 5),
        (30, 30, 30),
        (600, 600, 600),
        (3_600, 3_600, 3_600),
        (86_400, 3_600, 3_600),
        (u64::MAX, 3_600, 3_600),
    ] {
        let waited = tried_again_after(seconds(asked));
        assert!(
            (least..=most + 1).contains(&waited),
            "asked for {asked} s, waited {waited} s"
        );
    }
}

#[test]
fn what_next_try_says_is_what_happens() {
    let world = World::new();
    world.script([asks_for(seconds(120))]);
    let _run = world.ask("Online");
    world.runtime.settle();
    assert!(
        world
            .events()
            .contains(&"error Online server_busy next 120 s".to_owned()),
        "{:?}",
        world.events()
    );
    let error = world.hub.status().last_error.unwrap();
    assert_eq!(error.next_try, Some(seconds(120)));
    world.runtime.advance(seconds(119));
    assert_eq!(world.steps().len(), 1);
    world.runtime.advance(seconds(2));
    assert_eq!(world.steps().len(), 2);
}

#[test]
fn a_call_of_the_app_does_not_wait_for_a_busy_server() {
    let world = World::new();
    world.script([asks_for(seconds(3_600))]);
    let first = world.ask("Online");
    world.runtime.settle();
    let called = world.ask("Online");
    world.runtime.settle();
    assert_eq!(world.steps().len(), 2);
    assert!(matches!(world.outcome(first), Outcome::Completed(_)));
    assert!(matches!(world.outcome(called), Outcome::Completed(_)));
}

#[test]
fn patience_is_not_asked_of_errors_that_do_not_pass() {
    for kind in [ErrorKind::Fatal, ErrorKind::Rejected, ErrorKind::Unsupported] {
        let world = World::new();
        let error = Error::new(kind, "x", "x").with_retry_after(seconds(1));
        world.script([Script::Fail(error)]);
        let run = world.ask("Online");
        assert!(matches!(world.outcome(run), Outcome::Failed(_)), "{kind:?}");
        world.runtime.advance(seconds(7_200));
        assert_eq!(world.steps().len(), 1, "{kind:?}");
    }
}
