//! A small correct pattern: the fakes' own, and what the planted faults are planted in.

use onsync_core::mutation::{BinReason, ConflictKind, Mutation, MutationKind};
use onsync_core::page::PageKind;
use onsync_core::pattern::{
    Action, Change, Direction, DirtyRecord, Incoming, Progress, Selection, ServerView, SyncPattern, Verdict,
};
use onsync_core::{Fields, Row};

/// Both ways; per attribute the last push wins, and a delete wins over everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct LastPushWins;

impl SyncPattern for LastPushWins {
    fn name(&self) -> &'static str {
        "last-push-wins"
    }

    fn direction(&self) -> Direction {
        Direction::ReadWrite
    }

    fn request(&self, dirty: &DirtyRecord<'_>) -> Option<Change> {
        dirty.difference()
    }

    fn plan(&self, dirty: &DirtyRecord<'_>, incoming: Incoming<'_>, _kind: &PageKind) -> Action {
        match (incoming, dirty.mine) {
            (Incoming::Row(row), Some(_)) => keep_edits(dirty, row),
            (Incoming::Row(_), None) => Action::Rebase { visible: None },
            (Incoming::Deleted, _) if dirty.base.is_none() || is_made_again(dirty) => Action::Keep,
            (Incoming::Deleted, None) => Action::Accept,
            (Incoming::Deleted, Some(_)) => Action::Discard(BinReason::Gone),
            (Incoming::Removed, _) => Action::Discard(BinReason::LeftScope),
        }
    }

    fn select(&self, progress: Option<Progress>) -> Selection {
        match progress {
            None => Selection::Full,
            Some(progress) if progress.newest > progress.position => Selection::Delta,
            Some(_) => Selection::Nothing,
        }
    }

    fn decide(&self, view: &ServerView<'_>, mutation: &Mutation) -> Verdict {
        match (mutation.kind, view.current) {
            (MutationKind::Create, None) => Verdict::Insert,
            (MutationKind::Create, Some(current)) if differs(&mutation.values, current) => {
                Verdict::Conflict(ConflictKind::CreateCreate)
            }
            (MutationKind::Update, Some(current)) if differs(&mutation.values, current) => {
                Verdict::Update(mutation.values.clone())
            }
            (MutationKind::Create | MutationKind::Update, Some(_)) | (MutationKind::Delete, None) => {
                Verdict::Nothing
            }
            (MutationKind::Update, None) => Verdict::Gone,
            (MutationKind::Delete, Some(_)) => Verdict::Delete,
        }
    }
}

fn keep_edits(dirty: &DirtyRecord<'_>, row: &Row) -> Action {
    if is_made_again(dirty) {
        return Action::Rebase {
            visible: dirty.mine.cloned(),
        };
    }
    match dirty.merged(row) {
        Some(merged) if merged == *row && dirty.in_flight.is_none() => Action::Accept,
        visible => Action::Rebase { visible },
    }
}

/// Deleted here, and made again while the delete is on its way.
fn is_made_again(dirty: &DirtyRecord<'_>) -> bool {
    dirty.mine.is_some()
        && dirty
            .in_flight
            .is_some_and(|sent| sent.kind == MutationKind::Delete)
}

fn differs(values: &Fields, current: &Fields) -> bool {
    values.iter().any(|(name, value)| current.value(name) != value)
}
