#![doc = include_str!("../README.md")]

use onsync_core::mutation::{BinReason, Mutation, Rejection};
use onsync_core::page::PageKind;
use onsync_core::pattern::{
    Action, Change, Direction, DirtyRecord, Incoming, Progress, Selection, ServerView, SyncPattern, Verdict,
};

/// The pattern's name in configuration, wire, logs and docs.
pub const NAME: &str = "read-only-optimized";

/// The `read-only-optimized` pattern.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReadOnlyOptimized;

impl SyncPattern for ReadOnlyOptimized {
    fn name(&self) -> &'static str {
        NAME
    }

    fn direction(&self) -> Direction {
        Direction::ReadOnly
    }

    fn whole_refresh(&self) -> bool {
        false
    }

    fn request(&self, _dirty: &DirtyRecord<'_>) -> Option<Change> {
        None
    }

    fn plan(&self, dirty: &DirtyRecord<'_>, incoming: Incoming<'_>, kind: &PageKind) -> Action {
        match (incoming, kind, dirty.base, dirty.mine) {
            (Incoming::Row(row), _, _, Some(mine)) if mine == row => Action::Accept,
            (Incoming::Row(_), _, _, _) => Action::Discard(BinReason::ReadOnly),
            // The server never had it: a range that lacks it says nothing about it.
            (Incoming::Deleted | Incoming::Removed, PageKind::Snapshot(_), None, _) => Action::Keep,
            (Incoming::Deleted, _, _, None) => Action::Accept,
            (Incoming::Deleted | Incoming::Removed, _, _, _) => Action::Discard(BinReason::ReadOnly),
        }
    }

    fn select(&self, progress: Option<Progress>) -> Selection {
        match progress {
            None => Selection::Full,
            Some(Progress { position, newest }) if newest <= position => Selection::Nothing,
            Some(_) => Selection::Delta,
        }
    }

    fn decide(&self, view: &ServerView<'_>, mutation: &Mutation) -> Verdict {
        Verdict::Reject(Rejection {
            code: "read_only".to_owned(),
            message: format!(
                "a {} of `{}` was sent, but the entity is read-only (pattern `{NAME}`); discard the change",
                mutation.kind.as_str(),
                view.entity.name
            ),
        })
    }
}

#[cfg(test)]
mod tests;
