//! The conformance suite of [`LocalStore`] and [`LocalTransaction`](onsync_core::store::local::LocalTransaction).
//!
//! Each case gets a place of its own: a database that has never been opened.

pub mod areas;
mod device;
pub mod in_bulk;
pub mod keys;
pub mod locking;
pub mod opening;
pub mod overlays;
pub mod plain_sql;
pub mod queries;
pub mod rows;
pub mod samples;
pub mod tracking;
pub mod untracked;
pub mod visibility;

pub use samples::schema;

use crate::foreign::ForeignProgram;
use crate::suite::Suite;
use onsync_core::platform::{MaybeSend, MaybeSync};
use onsync_core::store::local::LocalStore;
use onsync_core::{Result, portable_async};
use std::sync::Arc;

/// One database for one case.
#[portable_async]
pub trait LocalStorePlace: MaybeSend + MaybeSync {
    /// Another handle on the database, not opened yet: what the next start of the app has, or, while other handles live, another
    /// process or tab. The first call makes a new database.
    ///
    /// # Errors
    /// Whatever prevents it.
    async fn store(&self) -> Result<Arc<dyn LocalStore>>;

    /// A program that writes plain SQL to the database; none where the store has no SQL.
    fn plain_sql(&self) -> Option<Arc<dyn ForeignProgram>> {
        None
    }
}

/// Gives the list of the suite's cases to a macro.
#[doc(hidden)]
#[macro_export]
macro_rules! __local_store_cases {
    ($with:ident [$($args:tt)*]) => {
        $crate::$with! { [$($args)*]
            visibility {
                reads_see_the_transactions_own_writes
                a_reader_sees_one_state_throughout
                readers_see_only_committed_states
                readers_are_not_blocked_by_a_writer
                dropping_a_transaction_undoes_everything
                a_commit_makes_everything_visible_at_once
                writes_are_refused_under_read
                a_second_writer_waits_for_its_turn
                turns_are_given_in_order_of_asking
                a_waiting_writer_that_gives_up_does_not_stop_the_next
                a_failed_statement_undoes_only_itself
                a_failed_statement_leaves_the_transaction_usable
            }
            rows {
                get_gives_rows_in_the_order_of_the_keys
                insert_refuses_an_existing_key
                put_inserts_and_replaces
                put_keeps_attributes_that_are_not_named
                put_makes_attributes_that_are_not_named_null_in_new_rows
                put_takes_attributes_in_any_order
                put_never_deletes_and_creates_again
                remove_ignores_keys_without_a_row
                count_counts_visible_rows
                every_value_of_every_type_survives
                null_survives_in_every_type
                a_row_of_a_mebibyte_survives
                nothing_but_the_key_is_constrained
            }
            keys {
                a_null_uuid_key_becomes_a_random_one
                server_integer_keys_come_from_the_local_range
                server_integer_keys_are_never_reused
                server_text_keys_are_local_texts
                server_uuid_keys_are_random
                a_key_that_is_given_is_kept
                keys_in_gives_keys_in_canonical_order
                keys_in_starts_behind_after_and_ends_with_to
                keys_in_orders_composite_keys
            }
            tracking {
                an_insert_makes_an_overlay_without_base
                an_update_preserves_the_row_as_it_was
                a_delete_preserves_the_row_as_it_was
                a_second_edit_keeps_the_first_base
                a_partial_put_preserves_the_whole_row
                delete_and_insert_again_keep_the_first_base
                an_edit_and_its_undo_keep_the_base_and_raise_the_edit_number
                a_record_made_and_deleted_here_keeps_an_overlay_without_base
                every_row_of_a_put_is_tracked
                every_row_of_a_remove_is_tracked
                removing_what_is_not_there_tracks_nothing
                an_edit_number_is_greater_than_any_before
                edit_numbers_grow_across_restarts_and_removed_overlays
                edit_numbers_grow_beyond_those_the_sync_stored
                an_edit_changes_nothing_of_an_overlay_but_its_edit_number
                key_only_records_are_tracked
                composite_keys_are_tracked
                every_type_is_preserved_in_the_base
            }
            untracked {
                sync_writes_are_not_tracked
                sync_writes_leave_overlays_alone
                a_local_entity_is_not_tracked
                a_read_only_entity_refuses_the_apps_writes
                a_read_only_entity_takes_the_syncs_writes
                a_refused_write_is_not_tracked
                an_undone_edit_leaves_no_overlay
            }
            overlays {
                an_overlay_is_stored_as_it_is
                overlays_come_in_the_order_of_the_keys
                put_overlay_replaces
                remove_overlay_makes_the_record_clean
                overlays_of_entities_are_apart
                overlays_in_starts_behind_after_and_ends_with_to
                overlays_in_gives_at_most_the_limit_in_key_order
                an_overlay_does_not_need_a_visible_row
            }
            in_bulk {
                overlays_to_send_are_those_that_may_be_sent
                overlays_to_send_are_found_behind_others
                count_waiting_counts_every_state
                set_states_changes_nothing_but_the_state
                remove_unedited_spares_what_was_edited_since
                writes_in_bulk_are_refused_under_read
                area_count_counts_keys
            }
            queries {
                a_query_without_order_is_in_key_order
                conditions_all_hold
                comparisons_hold_as_they_say
                null_equals_null_and_nothing_else
                contains_ignores_ascii_case_and_knows_no_wildcards
                order_puts_null_first_and_breaks_ties_by_key
                order_by_several_attributes
                limit_and_offset_cut_what_is_ordered
                keys_restrict_a_query
                a_query_sees_the_transactions_own_writes
                an_unknown_attribute_is_refused
                text_orders_by_its_bytes
                every_type_is_compared_as_its_values_are
            }
            areas {
                an_area_keeps_bytes_under_keys
                area_put_replaces_and_area_remove_forgets
                area_scan_is_in_byte_order
                area_scan_starts_behind_after_and_gives_at_most_the_limit
                areas_are_apart
                areas_take_any_bytes
            }
            opening {
                opening_says_whether_there_was_nothing_before
                what_was_committed_is_there_after_a_restart
                what_was_not_committed_is_not_there_after_a_restart
                a_new_attribute_is_null_and_reported
                an_overlay_from_before_a_new_attribute_is_aligned
                a_new_entity_is_added
                what_is_not_configured_any_more_is_not_touched
                edits_under_a_smaller_schema_keep_unconfigured_values
                opening_again_changes_nothing
            }
            locking {
                the_sync_lock_has_one_holder
                the_sync_lock_is_free_when_dropped
                the_sync_lock_does_not_hold_up_transactions
                foreign_commits_changes_when_another_handle_commits
                another_handle_sees_what_was_committed
            }
            plain_sql {
                sql_insert_is_tracked
                sql_update_is_tracked
                sql_delete_is_tracked
                sql_multi_row_update_is_tracked
                sql_delete_of_all_rows_is_tracked
                sql_upsert_is_tracked
                sql_insert_or_replace_on_the_key_is_tracked
                sql_replace_of_a_displaced_row_is_tracked
                sql_update_or_replace_of_a_displaced_row_is_tracked
                an_outer_conflict_clause_keeps_the_first_base
                sql_change_of_a_key_is_refused
                sql_delete_and_insert_again_keeps_the_first_base
                sql_edit_of_a_key_only_record_is_tracked
                sql_write_to_a_read_only_entity_is_refused
                sql_write_to_a_local_entity_is_not_tracked
            }
        }
    };
}

/// The suite: [`Suite::run`] it, or write one test per case with [`local_store_tests!`](crate::local_store_tests).
pub fn suite() -> Suite<dyn LocalStorePlace> {
    crate::__local_store_cases! { __table ["LocalStore" dyn LocalStorePlace] }
}

/// Writes one `#[test]` per case of the suite. `$place` makes a [`LocalStorePlace`]; `$execute` runs a boxed future to its end,
/// without it [`block_on`](crate::suite::block_on).
#[macro_export]
macro_rules! local_store_tests {
    ($place:expr) => {
        $crate::local_store_tests!($place, $crate::suite::block_on);
    };
    ($place:expr, $execute:expr) => {
        $crate::__local_store_cases! { __tests [local_store dyn $crate::local_store::LocalStorePlace, $place, $execute] }
    };
}

/// Writes one async test per case of the suite for a platform without threads, such as a browser. `$attribute` is what marks a test
/// there; `$place` makes a [`LocalStorePlace`].
#[macro_export]
macro_rules! local_store_tests_here {
    ($place:expr, $attribute:meta) => {
        $crate::__local_store_cases! { __tests_here [local_store dyn $crate::local_store::LocalStorePlace, $place, $attribute] }
    };
}
