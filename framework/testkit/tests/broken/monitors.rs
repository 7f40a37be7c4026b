//! Network monitors with one planted fault each.

use crate::refused;
use onsync_core::network::{NetworkMonitor, NetworkNews, NetworkStatus, OfflineReason};
use onsync_core::portable_async;
use onsync_testkit::network::{NetworkPlace, World, status_of};
use onsync_testkit::suite::block_on;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Poll, Waker};

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    StartsOffline,
    WaitsForTheNextChange,
    EndsWithoutAChange,
    WakesOnlyOne,
    ForgetsTheReason,
    KeepsTheReason,
    BelievesAnyNews,
    ClaimsToGoByWhatItIsTold,
}

struct State {
    status: NetworkStatus,
    changes: u64,
    waiting: Vec<Waker>,
}

struct Broken {
    fault: Fault,
    state: Mutex<State>,
}

impl Broken {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder panics")
    }

    fn set(&self, mut status: NetworkStatus) {
        let mut state = self.state();
        match self.fault {
            Fault::ForgetsTheReason => status.reason = None,
            Fault::KeepsTheReason => status.reason = status.reason.or(state.status.reason),
            _ => {}
        }
        if state.status == status {
            return;
        }
        state.status = status;
        state.changes += 1;
        let mut woken = std::mem::take(&mut state.waiting);
        drop(state);
        if self.fault == Fault::WakesOnlyOne {
            woken.truncate(1);
        }
        woken.into_iter().for_each(Waker::wake);
    }
}

#[portable_async]
impl NetworkMonitor for Broken {
    fn current(&self) -> NetworkStatus {
        self.state().status
    }

    async fn changed(&self, seen: NetworkStatus) -> NetworkStatus {
        let began = self.state().changes;
        poll_fn(|context| {
            let mut state = self.state();
            let over = match self.fault {
                Fault::WaitsForTheNextChange => state.changes != began,
                Fault::EndsWithoutAChange => true,
                _ => state.status != seen,
            };
            if over {
                return Poll::Ready(state.status);
            }
            state.waiting.push(context.waker().clone());
            Poll::Pending
        })
        .await
    }

    fn note(&self, news: NetworkNews) -> bool {
        if self.fault == Fault::BelievesAnyNews && news == NetworkNews::ServerMissed {
            self.set(NetworkStatus::offline(OfflineReason::ServerUnreachable));
        }
        self.fault == Fault::ClaimsToGoByWhatItIsTold && matches!(news, NetworkNews::Told(_))
    }
}

struct Place(Arc<Broken>);

impl NetworkPlace for Place {
    fn monitor(&self) -> Arc<dyn NetworkMonitor> {
        self.0.clone()
    }

    fn sees(&self, _: World) -> bool {
        true
    }

    fn turn(&self, world: World) {
        self.0.set(status_of(world));
    }

    fn settle(&self) {}
}

#[track_caller]
fn check(fault: Fault, caught_by: &[&str]) {
    let make = move || -> Box<dyn NetworkPlace> {
        let world = match fault {
            Fault::StartsOffline => World::NoNetwork,
            _ => World::Online,
        };
        let state = State {
            status: status_of(world),
            changes: 0,
            waiting: Vec::new(),
        };
        Box::new(Place(Arc::new(Broken {
            fault,
            state: Mutex::new(state),
        })))
    };
    refused(&onsync_testkit::network::suite().run(make, block_on), caught_by);
}

#[test]
fn a_monitor_that_starts_offline() {
    check(
        Fault::StartsOffline,
        &["the_network_is_taken_for_granted_at_first"],
    );
}

#[test]
fn a_monitor_that_waits_for_the_next_change() {
    check(
        Fault::WaitsForTheNextChange,
        &[
            "changed_ends_at_once_when_the_status_differs_already",
            "nothing_is_lost_between_current_and_changed",
        ],
    );
}

#[test]
fn a_monitor_that_ends_without_a_change() {
    check(
        Fault::EndsWithoutAChange,
        &[
            "changed_waits_while_nothing_changes",
            "changed_never_gives_what_was_seen",
        ],
    );
}

#[test]
fn a_monitor_that_wakes_only_one() {
    check(
        Fault::WakesOnlyOne,
        &[
            "every_waiter_hears_of_a_change",
            "a_dropped_waiter_disturbs_nobody",
        ],
    );
}

#[test]
fn a_monitor_that_forgets_the_reason() {
    check(Fault::ForgetsTheReason, &["reasons_are_told_apart"]);
}

#[test]
fn a_monitor_that_keeps_the_reason() {
    check(Fault::KeepsTheReason, &["an_online_status_names_no_reason"]);
}

#[test]
fn a_monitor_that_believes_any_news() {
    check(Fault::BelievesAnyNews, &["news_never_claim_what_is_not_so"]);
}

#[test]
fn a_monitor_that_claims_to_go_by_what_it_is_told() {
    check(
        Fault::ClaimsToGoByWhatItIsTold,
        &["what_a_monitor_is_told_it_takes_over_or_leaves"],
    );
}
