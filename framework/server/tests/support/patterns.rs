//! Patterns of the tests' own: the server works with whatever is registered.

use onsync_core::mutation::{BinReason, Mutation, MutationKind, Rejection};
use onsync_core::page::PageKind;
use onsync_core::pattern::{
    Action, Change, Direction, DirtyRecord, Incoming, Progress, Selection, ServerView, SyncPattern, Verdict,
};

pub(crate) const WHOLE: &str = "whole";
pub(crate) const CHANGES: &str = "changes";
pub(crate) const MERGE: &str = "merge";

/// Sends the whole set whenever something changed; takes nothing.
pub(crate) struct Whole;
/// Sends what changed; takes nothing.
pub(crate) struct Changes;
/// Sends what changed; takes everything, attribute by attribute.
pub(crate) struct Merge;

fn select(progress: Option<Progress>, changed: Selection) -> Selection {
    match progress {
        None => Selection::Full,
        Some(Progress { position, newest }) if newest <= position => Selection::Nothing,
        Some(_) => changed,
    }
}

fn refuse() -> Verdict {
    Verdict::Reject(Rejection {
        code: "read_only".to_owned(),
        message: "nothing is taken".to_owned(),
    })
}

macro_rules! device_half {
    ($name:expr, $direction:expr) => {
        fn name(&self) -> &'static str {
            $name
        }

        fn direction(&self) -> Direction {
            $direction
        }

        fn request(&self, dirty: &DirtyRecord<'_>) -> Option<Change> {
            dirty.difference()
        }

        fn plan(&self, _: &DirtyRecord<'_>, _: Incoming<'_>, _: &PageKind) -> Action {
            Action::Discard(BinReason::Overwritten)
        }
    };
}

impl SyncPattern for Whole {
    device_half!(WHOLE, Direction::ReadOnly);

    fn select(&self, progress: Option<Progress>) -> Selection {
        select(progress, Selection::Full)
    }

    fn decide(&self, _: &ServerView<'_>, _: &Mutation) -> Verdict {
        refuse()
    }
}

impl SyncPattern for Changes {
    device_half!(CHANGES, Direction::ReadOnly);

    fn select(&self, progress: Option<Progress>) -> Selection {
        select(progress, Selection::Delta)
    }

    fn decide(&self, _: &ServerView<'_>, _: &Mutation) -> Verdict {
        refuse()
    }
}

impl SyncPattern for Merge {
    device_half!(MERGE, Direction::ReadWrite);

    fn select(&self, progress: Option<Progress>) -> Selection {
        select(progress, Selection::Delta)
    }

    fn decide(&self, view: &ServerView<'_>, mutation: &Mutation) -> Verdict {
        match (mutation.kind, view.current) {
            (MutationKind::Create, None) => Verdict::Insert,
            (MutationKind::Update, None) => Verdict::Gone,
            (MutationKind::Create | MutationKind::Update, Some(_)) => {
                Verdict::Update(mutation.values.clone())
            }
            (MutationKind::Delete, None) => Verdict::Nothing,
            (MutationKind::Delete, Some(_)) => Verdict::Delete,
        }
    }
}
