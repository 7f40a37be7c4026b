//! Patterns with one planted fault each.

use crate::refused;
use onsync_core::mutation::{BinReason, ConflictKind, Mutation, MutationKind, Outcome};
use onsync_core::page::PageKind;
use onsync_core::pattern::{
    Action, Change, Direction, DirtyRecord, Incoming, Progress, Selection, ServerView, Settlement,
    SyncPattern, Verdict,
};
use onsync_testkit::pattern::reference::LastPushWins;
use onsync_testkit::suite::block_on;
use std::sync::atomic::{AtomicBool, Ordering};

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    OverwritesUnsentEdits,
    AcknowledgesRejections,
    RequestsEverySecondTime,
    RevivesDeletedRecords,
    SendsHalfOfAGroup,
    SkipsAChangeRightBehindTheCheckpoint,
    TakesGoneForApplied,
    IsInConflictWithItself,
    FindsAConflictInEveryResolution,
    SendsOnlyAndThrowsAwayWhatWasSent,
    SendsOnlyAndForgetsWhatWasRefused,
}

impl Fault {
    fn sends_only(self) -> bool {
        matches!(
            self,
            Self::SendsOnlyAndThrowsAwayWhatWasSent | Self::SendsOnlyAndForgetsWhatWasRefused
        )
    }
}

struct Broken {
    fault: Fault,
    asked: AtomicBool,
}

impl SyncPattern for Broken {
    fn name(&self) -> &'static str {
        "broken"
    }

    fn direction(&self) -> Direction {
        match self.fault.sends_only() {
            true => Direction::SendOnly,
            false => Direction::ReadWrite,
        }
    }

    fn request(&self, dirty: &DirtyRecord<'_>) -> Option<Change> {
        if self.fault == Fault::RequestsEverySecondTime && self.asked.fetch_xor(true, Ordering::Relaxed) {
            return None;
        }
        let mut change = LastPushWins.request(dirty)?;
        if self.fault == Fault::SendsHalfOfAGroup && change.kind == MutationKind::Update {
            change.attributes.retain(|index| *index != 3);
        }
        Some(change)
    }

    fn plan(&self, dirty: &DirtyRecord<'_>, incoming: Incoming<'_>, kind: &PageKind) -> Action {
        match (self.fault, &incoming) {
            (Fault::OverwritesUnsentEdits, Incoming::Row(_)) => Action::Accept,
            (Fault::IsInConflictWithItself, Incoming::Row(_)) if dirty.mine.is_some() => {
                Action::Conflict(ConflictKind::UpdateUpdate)
            }
            _ => LastPushWins.plan(dirty, incoming, kind),
        }
    }

    fn settle(&self, dirty: &DirtyRecord<'_>, outcome: &Outcome) -> Settlement {
        match (self.fault, outcome) {
            (Fault::AcknowledgesRejections, Outcome::Rejected(_)) => Settlement::Acknowledge,
            (Fault::TakesGoneForApplied, Outcome::Gone) => Settlement::Acknowledge,
            (Fault::SendsOnlyAndThrowsAwayWhatWasSent, Outcome::Applied { .. }) => {
                Settlement::Discard(BinReason::Overwritten)
            }
            (Fault::FindsAConflictInEveryResolution, Outcome::Conflict { kind, .. }) => {
                Settlement::Conflict(*kind)
            }
            (Fault::SendsOnlyAndForgetsWhatWasRefused, Outcome::Rejected(_)) => Settlement::Forget,
            _ => LastPushWins.settle(dirty, outcome),
        }
    }

    fn select(&self, progress: Option<Progress>) -> Selection {
        match (self.fault, progress) {
            (Fault::SkipsAChangeRightBehindTheCheckpoint, Some(progress))
                if progress.newest == progress.position + 1 =>
            {
                Selection::Nothing
            }
            _ => LastPushWins.select(progress),
        }
    }

    fn decide(&self, view: &ServerView<'_>, mutation: &Mutation) -> Verdict {
        match (self.fault, mutation.kind, view.current) {
            (Fault::RevivesDeletedRecords, MutationKind::Update, None) => Verdict::Insert,
            (Fault::FindsAConflictInEveryResolution, MutationKind::Update, Some(_)) => {
                Verdict::Conflict(ConflictKind::UpdateUpdate)
            }
            _ => LastPushWins.decide(view, mutation),
        }
    }
}

#[track_caller]
fn check(fault: Fault, caught_by: &[&str]) {
    let make = move || -> Box<dyn SyncPattern> {
        Box::new(Broken {
            fault,
            asked: AtomicBool::new(false),
        })
    };
    refused(&onsync_testkit::pattern::suite().run(make, block_on), caught_by);
}

#[test]
fn a_pattern_that_overwrites_unsent_edits() {
    check(
        Fault::OverwritesUnsentEdits,
        &[
            "plan_accepts_only_where_no_attribute_is_unsent",
            "plan_keeps_what_is_in_flight_visible",
        ],
    );
}

#[test]
fn a_pattern_that_acknowledges_rejections() {
    check(
        Fault::AcknowledgesRejections,
        &["settle_of_rejected_is_listed_or_in_the_bin"],
    );
}

#[test]
fn a_pattern_that_requests_every_second_time() {
    check(
        Fault::RequestsEverySecondTime,
        &["the_same_input_gives_the_same_output"],
    );
}

#[test]
fn a_pattern_that_revives_deleted_records() {
    check(
        Fault::RevivesDeletedRecords,
        &["decide_inserts_only_what_is_not_there"],
    );
}

#[test]
fn a_pattern_that_sends_half_of_a_group() {
    check(
        Fault::SendsHalfOfAGroup,
        &[
            "request_sends_what_travels_together_as_one",
            "devices_and_server_end_equal_after_any_history",
        ],
    );
}

#[test]
fn a_pattern_that_skips_a_change_right_behind_the_checkpoint() {
    check(
        Fault::SkipsAChangeRightBehindTheCheckpoint,
        &[
            "select_is_not_nothing_when_something_changed",
            "devices_and_server_end_equal_after_any_history",
        ],
    );
}

#[test]
fn a_pattern_that_takes_gone_for_applied() {
    check(
        Fault::TakesGoneForApplied,
        &[
            "settle_of_gone_leaves_no_edit_unaccounted",
            "every_edit_is_applied_in_the_bin_or_held_after_any_history",
        ],
    );
}

#[test]
fn a_pattern_that_is_in_conflict_with_itself() {
    check(
        Fault::IsInConflictWithItself,
        &[
            "plan_finds_no_conflict_in_identical_content",
            "plan_finds_no_conflict_with_an_own_echo",
        ],
    );
}

#[test]
fn a_pattern_that_finds_a_conflict_in_every_resolution() {
    check(
        Fault::FindsAConflictInEveryResolution,
        &[
            "decide_finds_no_conflict_with_the_version_it_is_based_on",
            "open_conflicts_are_resolved_and_all_end_equal_after_any_history",
        ],
    );
}

#[test]
fn a_pattern_that_sends_only_and_throws_away_what_was_sent() {
    check(
        Fault::SendsOnlyAndThrowsAwayWhatWasSent,
        &["what_is_only_sent_arrives_once"],
    );
}

#[test]
fn a_pattern_that_sends_only_and_forgets_what_was_refused() {
    check(
        Fault::SendsOnlyAndForgetsWhatWasRefused,
        &["settle_of_rejected_is_listed_or_in_the_bin"],
    );
}
