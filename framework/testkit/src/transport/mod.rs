//! The conformance suite of [`Transport`], against a server that says what each case writes down.

pub mod answers;
pub mod faults;
pub mod memory;
pub mod requests;
mod samples;
pub mod script;

use crate::suite::Suite;
use onsync_core::platform::{MaybeSend, MaybeSync};
use onsync_core::transport::Transport;
use onsync_core::{Result, portable_async};
use script::ScriptedServer;
use std::sync::Arc;

/// Where a case finds transports and carriers for its servers.
#[portable_async]
pub trait TransportPlace: MaybeSend + MaybeSync {
    /// Makes this server reachable and gives a transport that reaches it.
    ///
    /// # Errors
    /// Whatever prevents it.
    async fn connect(&self, server: Arc<ScriptedServer>) -> Result<Arc<dyn Transport>>;

    /// A transport to an address where nobody listens.
    ///
    /// # Errors
    /// Whatever prevents it.
    async fn to_nobody(&self) -> Result<Arc<dyn Transport>>;

    /// The server that [`Reply::Elsewhere`](script::Reply::Elsewhere) sends to, on another host; none where the transport knows no
    /// redirects.
    fn elsewhere(&self) -> Option<Arc<ScriptedServer>> {
        None
    }
}

/// The place of [`MemoryTransport`](memory::MemoryTransport).
#[derive(Clone, Copy, Debug, Default)]
pub struct MemoryPlace;

#[portable_async]
impl TransportPlace for MemoryPlace {
    async fn connect(&self, server: Arc<ScriptedServer>) -> Result<Arc<dyn Transport>> {
        Ok(Arc::new(memory::MemoryTransport::new(server)))
    }

    async fn to_nobody(&self) -> Result<Arc<dyn Transport>> {
        Ok(Arc::new(memory::MemoryTransport::to_nobody()))
    }
}

/// Gives the list of the suite's cases to a macro.
#[doc(hidden)]
#[macro_export]
macro_rules! __transport_cases {
    ($with:ident [$($args:tt)*]) => {
        $crate::$with! { [$($args)*]
            requests {
                request_frames_arrive_once_in_order_and_unchanged
                a_large_request_arrives_unchanged
                credentials_travel_with_their_exchange
                without_credentials_none_are_sent
                credentials_do_not_follow_a_redirect
                exchanges_at_the_same_time_do_not_mix
                health_tells_what_the_server_says
                health_needs_no_credentials
            }
            answers {
                answer_frames_come_in_order_and_unchanged
                every_value_survives
                the_answer_begins_while_the_rest_is_on_its_way
                memory_does_not_grow_with_the_answer
                nothing_comes_after_end
                a_failed_frame_is_given_and_ends_the_answer
                bytes_grow_with_what_arrives
                dropping_the_answer_ends_the_exchange
                dropping_the_future_ends_the_exchange
            }
            faults {
                an_answer_that_ends_early_fails
                an_answer_cut_within_a_frame_fails
                an_answer_cut_before_its_first_frame_fails
                a_page_for_people_is_not_onsync
                an_empty_body_is_not_onsync
                health_of_a_captive_portal_is_not_onsync
                bytes_that_are_no_frame_fail
                refused_credentials_are_unauthorised
                a_busy_server_is_transient_with_its_wish
                a_broken_server_is_transient
                nobody_listening_is_offline
                silence_before_the_answer_times_out
                silence_within_the_answer_times_out
                a_failed_exchange_is_not_repeated
                a_failure_does_not_spoil_the_next_exchange
            }
        }
    };
}

/// The suite: [`Suite::run`] it, or write one test per case with [`transport_tests!`](crate::transport_tests).
pub fn suite() -> Suite<dyn TransportPlace> {
    crate::__transport_cases! { __table ["Transport" dyn TransportPlace] }
}

/// Writes one `#[test]` per case of the suite. `$place` makes a [`TransportPlace`]; `$execute` runs a boxed future to its end,
/// without it [`block_on`](crate::suite::block_on).
///
/// ```
/// onsync_testkit::transport_tests!(onsync_testkit::transport::MemoryPlace);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! transport_tests {
    ($place:expr) => {
        $crate::transport_tests!($place, $crate::suite::block_on);
    };
    ($place:expr, $execute:expr) => {
        $crate::__transport_cases! { __tests [transport dyn $crate::transport::TransportPlace, $place, $execute] }
    };
}
