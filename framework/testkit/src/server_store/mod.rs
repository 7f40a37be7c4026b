//! The conformance suite of [`ServerStore`], [`ServerSnapshot`](onsync_core::store::server::ServerSnapshot) and
//! [`ServerTransaction`](onsync_core::store::server::ServerTransaction).
//!
//! Each case gets a database of its own that holds the tables of an application ([`schema`]) and no data.

pub mod areas;
pub mod attaching;
pub mod deltas;
pub mod in_bulk;
pub mod positions;
pub mod referring;
mod server;
pub mod snapshots;
pub mod tracking;
pub mod writing;

use crate::foreign::ForeignProgram;
use crate::local_store::samples;
use crate::suite::Suite;
use onsync_core::platform::{MaybeSend, MaybeSync};
use onsync_core::schema::{Attribute, EntitySchema, Ids, Schema, SoftDelete};
use onsync_core::store::server::ServerStore;
use onsync_core::{Result, Value, ValueType, portable_async};
use std::sync::Arc;

/// One database for one case. It exists before OnSync comes, with the tables of [`schema`] (table and column names are
/// `source` and `column`, the primary key is the entity's key) and these constraints:
///
/// - `items.code` is unique,
/// - `lines.item_id` refers to `items.id`, `ON DELETE CASCADE`,
/// - `pins.item_id` refers to `items.id`, checked when a transaction commits,
/// - `orders.number` is issued by the database where an insert leaves it out.
#[portable_async]
pub trait ServerStorePlace: MaybeSend + MaybeSync {
    /// Another handle on the database, not attached yet, as another server process has it.
    ///
    /// # Errors
    /// Whatever prevents it.
    async fn store(&self) -> Result<Arc<dyn ServerStore>>;

    /// Another program on the same database.
    fn foreign(&self) -> Arc<dyn ForeignProgram>;
}

fn entity(name: &str, source: &str, key: &[&str], attributes: &[(&str, ValueType)]) -> EntitySchema {
    let attributes = attributes
        .iter()
        .map(|(name, value_type)| Attribute::new(*name, *value_type))
        .collect();
    let mut entity = EntitySchema::new(name, "conformance", key, attributes);
    entity.source = source.to_owned();
    entity
}

/// The schema of the suite.
pub fn schema() -> Schema {
    use ValueType::{Boolean, Integer, Text};
    let item = entity(
        "Item",
        "items",
        &["id"],
        &[("id", Integer), ("name", Text), ("code", Text), ("note", Text)],
    );
    let mut renamed = entity(
        "Member",
        "members",
        &["team", "person"],
        &[("task", Text), ("person", Integer), ("team", Text)],
    );
    renamed.attributes[0].column = "role".to_owned();
    let mut order = entity(
        "Order",
        "orders",
        &["number"],
        &[("number", Integer), ("label", Text)],
    );
    order.ids = Ids::Server;
    let mut task = entity(
        "Task",
        "tasks",
        &["id"],
        &[("id", Integer), ("title", Text), ("gone", Boolean)],
    );
    task.soft_delete = Some(SoftDelete {
        column: "gone".to_owned(),
        value: Value::Boolean(true),
    });
    let child = [("id", Integer), ("item_id", Integer), ("text", Text)];
    let mut everything = samples::everything();
    everything.source = "everything".to_owned();
    Schema {
        entities: vec![
            item,
            entity("Line", "lines", &["id"], &child),
            entity("Pin", "pins", &["id"], &child),
            order,
            renamed,
            entity("Tag", "tags", &["name"], &[("name", Text)]),
            task,
            everything,
        ],
        relations: Vec::new(),
    }
}

/// Gives the list of the suite's cases to a macro.
#[doc(hidden)]
#[macro_export]
macro_rules! __server_store_cases {
    ($with:ident [$($args:tt)*]) => {
        $crate::$with! { [$($args)*]
            attaching {
                attaching_again_changes_nothing
                attaching_in_another_process_changes_nothing
                rows_from_before_attach_are_in_the_snapshot
                attaching_changes_no_row
                a_missing_table_is_named
                a_missing_column_is_named
                another_key_than_the_tables_is_refused
            }
            positions {
                the_position_grows_with_every_commit
                the_position_grows_with_foreign_writes
                an_undone_transaction_changes_nothing
                newest_is_of_one_entity
                a_change_after_a_snapshot_has_a_greater_position
                the_position_in_a_transaction_is_not_below_earlier_commits
                nothing_is_below_the_horizon_at_first
            }
            snapshots {
                a_snapshot_is_consistent_while_others_write
                a_snapshot_is_in_canonical_key_order
                a_snapshot_in_pages_is_complete
                a_page_holds_at_least_one_row_whatever_its_bytes
                a_page_ends_at_its_byte_limit
                a_snapshot_keeps_to_its_range
                a_snapshot_gives_the_attributes_asked_for_in_their_order
                a_snapshot_leaves_out_what_counts_as_deleted
                every_value_of_every_type_survives
                a_snapshot_of_nothing_is_empty
                count_is_the_number_of_records
            }
            deltas {
                nothing_comes_after_the_own_position
                a_delta_gives_what_changed_and_nothing_else
                each_key_comes_once_with_what_is_there_now
                forgotten_deletions_are_told_by_the_horizon
                a_deleted_record_comes_as_deleted
                a_record_deleted_and_made_again_comes_as_a_row
                a_delta_in_pages_is_complete
                a_delta_goes_on_while_others_write
                a_page_of_a_delta_keeps_its_byte_limit
                up_to_covers_what_was_given
                a_soft_deleted_record_comes_as_deleted
                a_soft_deleted_record_that_returns_comes_as_a_row
            }
            tracking {
                a_foreign_insert_is_tracked
                a_foreign_update_is_tracked
                a_foreign_multi_row_update_is_tracked
                a_foreign_delete_is_tracked
                a_foreign_delete_of_all_rows_is_tracked
                a_foreign_upsert_is_tracked
                a_foreign_replace_is_tracked
                a_row_displaced_by_a_foreign_replace_is_deleted
                a_row_displaced_by_update_or_replace_is_deleted
                a_foreign_change_of_a_key_is_a_delete_and_a_create
                a_cascade_is_tracked
                composite_keys_are_tracked
                key_only_records_are_tracked
            }
            writing {
                get_sees_the_transactions_own_writes
                get_gives_none_where_there_is_nothing
                get_gives_the_attributes_asked_for
                insert_returns_the_key
                the_database_issues_server_keys
                an_update_writes_the_attributes_it_names
                a_delete_removes_the_row
                a_soft_delete_marks_the_row
                a_soft_deleted_row_is_revived
                nothing_is_seen_before_the_commit
                dropping_a_transaction_undoes_everything
                undo_takes_back_everything_since_the_savepoint
                a_new_savepoint_replaces_the_last
                a_broken_constraint_is_rejected
                a_broken_constraint_leaves_the_transaction_usable
                a_constraint_checked_at_the_commit_is_rejected
                no_update_is_lost_between_two_writers
                every_value_is_written_as_it_is
            }
            referring {
                referring_gives_the_keys_of_the_records_that_hold_a_value
                referring_sees_what_is_there_now
            }
            areas {
                an_area_keeps_bytes_under_keys
                area_insert_is_false_for_an_existing_key
                a_second_sender_of_a_key_waits_for_the_first
                a_second_sender_goes_on_when_the_first_gives_up
                area_put_replaces_and_area_remove_forgets
                area_scan_is_in_byte_order
                undo_takes_back_areas
                a_snapshot_reads_committed_areas
            }
            in_bulk {
                area_insert_all_says_which_keys_were_new
                two_senders_of_some_equal_keys_wait_for_each_other
                area_remove_all_forgets_these_keys
                what_is_stored_exactly_is_read_back_as_it_was_written
            }
        }
    };
}

/// The suite: [`Suite::run`] it, or write one test per case with [`server_store_tests!`](crate::server_store_tests).
pub fn suite() -> Suite<dyn ServerStorePlace> {
    crate::__server_store_cases! { __table ["ServerStore" dyn ServerStorePlace] }
}

/// Writes one `#[test]` per case of the suite. `$place` makes a [`ServerStorePlace`]; `$execute` runs a boxed future to its end,
/// without it [`block_on`](crate::suite::block_on).
#[macro_export]
macro_rules! server_store_tests {
    ($place:expr) => {
        $crate::server_store_tests!($place, $crate::suite::block_on);
    };
    ($place:expr, $execute:expr) => {
        $crate::__server_store_cases! { __tests [server_store dyn $crate::server_store::ServerStorePlace, $place, $execute] }
    };
}
