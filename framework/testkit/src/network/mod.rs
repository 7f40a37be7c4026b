//! The conformance suite of [`NetworkMonitor`], in a world that each case turns as it needs.

pub mod knowing;
pub mod news;
pub mod scripted;
mod waiter;
pub mod waiting;

use crate::suite::Suite;
use onsync_core::network::{NetworkKind, NetworkMonitor, NetworkStatus, OfflineReason};
use onsync_core::platform::{MaybeSend, MaybeSync};
use scripted::ScriptedMonitor;
use std::sync::Arc;

/// How the world is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum World {
    /// There is a network, and the server answers.
    Online,
    /// There is no network.
    NoNetwork,
    /// There is a network, and the server does not answer.
    ServerAway,
    /// There is a network in which something else answers in the server's place.
    Portal,
}

impl World {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Online, Self::NoNetwork, Self::ServerAway, Self::Portal];

    /// The reason to be offline in this world.
    pub fn reason(self) -> Option<OfflineReason> {
        match self {
            Self::Online => None,
            Self::NoNetwork => Some(OfflineReason::NoNetwork),
            Self::ServerAway => Some(OfflineReason::ServerUnreachable),
            Self::Portal => Some(OfflineReason::CaptivePortal),
        }
    }
}

/// One monitor in a world of its own. Each case gets a fresh one, which is online.
pub trait NetworkPlace: MaybeSend + MaybeSync {
    /// The monitor.
    fn monitor(&self) -> Arc<dyn NetworkMonitor>;

    /// Whether this kind of monitor can tell that world from the others. It must see `Online` and at least one more.
    fn sees(&self, world: World) -> bool;

    /// Makes the world so.
    fn turn(&self, world: World);

    /// Lets happen whatever is due, and time pass, until the monitor can know how the world is.
    fn settle(&self);
}

/// The worlds without a network, or without the server, that the monitor can see.
fn bad_worlds(place: &dyn NetworkPlace) -> Vec<World> {
    let visible = World::ALL.into_iter().filter(|world| place.sees(*world));
    visible.filter(|world| *world != World::Online).collect()
}

/// Turns the world, and gives what the monitor makes of it.
fn after(place: &dyn NetworkPlace, monitor: &dyn NetworkMonitor, world: World) -> NetworkStatus {
    place.turn(world);
    place.settle();
    monitor.current()
}

/// The place of [`ScriptedMonitor`].
#[derive(Debug)]
pub struct ScriptedPlace(Arc<ScriptedMonitor>);

impl Default for ScriptedPlace {
    fn default() -> Self {
        Self(Arc::new(ScriptedMonitor::new(NetworkStatus::online(
            NetworkKind::Wifi,
        ))))
    }
}

impl NetworkPlace for ScriptedPlace {
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

/// The status that stands for a world, for monitors that are told theirs.
pub fn status_of(world: World) -> NetworkStatus {
    match world.reason() {
        None => NetworkStatus::online(NetworkKind::Wifi),
        Some(reason) => NetworkStatus::offline(reason),
    }
}

/// Gives the list of the suite's cases to a macro.
#[doc(hidden)]
#[macro_export]
macro_rules! __network_cases {
    ($with:ident [$($args:tt)*]) => {
        $crate::$with! { [$($args)*]
            knowing {
                the_network_is_taken_for_granted_at_first
                a_network_that_goes_is_seen
                a_network_that_comes_back_is_seen
                reasons_are_told_apart
                an_online_status_names_no_reason
                a_quiet_network_stays_as_it_is
            }
            waiting {
                changed_ends_at_once_when_the_status_differs_already
                changed_waits_while_nothing_changes
                changed_ends_when_the_status_differs
                nothing_is_lost_between_current_and_changed
                changed_never_gives_what_was_seen
                a_flap_ends_where_the_network_is
                every_waiter_hears_of_a_change
                each_waiter_waits_for_its_own
                a_dropped_waiter_disturbs_nobody
            }
            news {
                news_never_claim_what_is_not_so
                what_a_monitor_is_told_it_takes_over_or_leaves
                news_that_change_nothing_wake_nobody
            }
        }
    };
}

/// The suite: [`Suite::run`] it, or write one test per case with [`network_tests!`](crate::network_tests).
pub fn suite() -> Suite<dyn NetworkPlace> {
    crate::__network_cases! { __table ["NetworkMonitor" dyn NetworkPlace] }
}

/// Writes one `#[test]` per case of the suite. `$place` makes a [`NetworkPlace`].
///
/// ```
/// onsync_testkit::network_tests!(onsync_testkit::network::ScriptedPlace::default());
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! network_tests {
    ($place:expr) => {
        $crate::__network_cases! { __tests [network dyn $crate::network::NetworkPlace, $place, $crate::suite::block_on] }
    };
}
