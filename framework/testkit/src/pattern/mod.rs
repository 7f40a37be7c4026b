//! The conformance suite of [`SyncPattern`]: laws that hold for every rule by which records may travel.
//!
//! The states of a record are not picked but generated: base × mine × in flight × what arrives, over a small world
//! ([`domain`]). `convergence` runs two devices and a server made of nothing but the pattern's functions.

pub mod convergence;
pub mod device;
pub mod domain;
mod model;
pub mod purity;
pub mod reference;
pub mod server;

use crate::suite::Suite;
use onsync_core::pattern::SyncPattern;

/// Gives the list of the suite's cases to a macro.
#[doc(hidden)]
#[macro_export]
macro_rules! __pattern_cases {
    ($with:ident [$($args:tt)*]) => {
        $crate::$with! { [$($args)*]
            purity {
                the_same_input_gives_the_same_output
                no_function_panics_on_any_input
                the_name_is_one_that_configuration_can_hold
            }
            device {
                request_sends_nothing_where_nothing_differs
                request_sends_nothing_where_only_local_attributes_differ
                request_of_a_read_write_pattern_sends_every_difference
                request_names_only_attributes_that_travel
                request_sends_what_travels_together_as_one
                a_read_only_pattern_never_requests
                plan_accepts_only_where_no_attribute_is_unsent
                plan_accepts_only_where_no_delete_is_unsent
                plan_rebases_without_losing_an_unsent_attribute
                plan_rebases_without_reviving_what_was_deleted_here
                plan_rebases_attributes_not_edited_here_to_what_arrived
                plan_keeps_what_is_in_flight_visible
                plan_finds_no_conflict_in_identical_content
                plan_finds_no_conflict_with_an_own_echo
                plan_finds_a_conflict_only_with_an_unsent_edit
                plan_of_a_read_only_pattern_never_keeps_edits_for_sending
                settle_of_applied_drops_no_later_edit
                settle_of_applied_lists_no_failure
                settle_of_gone_leaves_no_edit_unaccounted
                settle_of_rejected_is_listed_or_in_the_bin
                settle_of_conflict_is_never_silent
                settle_of_retry_sends_again
                settle_of_renew_is_listed_as_unknown
            }
            server {
                select_without_progress_is_full
                select_is_not_nothing_when_something_changed
                select_is_nothing_when_nothing_changed
                a_read_only_pattern_rejects_every_mutation
                decide_inserts_only_what_is_not_there
                decide_touches_only_what_is_there
                decide_writes_only_attributes_the_mutation_names
                decide_writes_no_key
                decide_says_nothing_only_where_the_server_is_as_wanted
                decide_finds_no_conflict_with_the_version_it_is_based_on
                decide_finds_no_conflict_in_identical_content
                decide_applied_again_changes_nothing
            }
            convergence {
                an_edit_of_one_device_reaches_the_other
                a_create_and_a_delete_reach_the_other_device
                a_change_on_the_server_reaches_every_device
                an_edit_made_while_its_sync_is_in_flight_survives
                a_new_record_deleted_while_its_create_is_in_flight_is_gone_everywhere
                a_lost_answer_changes_nothing
                what_is_only_sent_arrives_once
                devices_and_server_end_equal_after_any_history
                every_edit_is_applied_in_the_bin_or_held_after_any_history
                open_conflicts_are_resolved_and_all_end_equal_after_any_history
            }
        }
    };
}

/// The suite: [`Suite::run`] it, or write one test per case with [`pattern_tests!`](crate::pattern_tests).
pub fn suite() -> Suite<dyn SyncPattern> {
    crate::__pattern_cases! { __table ["SyncPattern" dyn SyncPattern] }
}

/// Writes one `#[test]` per case of the suite for a pattern.
///
/// ```
/// use onsync_testkit::pattern::reference::LastPushWins;
/// onsync_testkit::pattern_tests!(LastPushWins);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! pattern_tests {
    ($pattern:expr) => {
        $crate::__pattern_cases! { __tests [pattern dyn ::onsync_core::pattern::SyncPattern, $pattern, $crate::suite::block_on] }
    };
}
