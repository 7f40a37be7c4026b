#![doc = include_str!("../README.md")]

use onsync_core::mutation::Mutation;
use onsync_core::one_way;
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
        one_way::plan(dirty, &incoming, kind)
    }

    fn select(&self, progress: Option<Progress>) -> Selection {
        match progress {
            None => Selection::Full,
            Some(Progress { position, newest })
                if onsync_core::mutant!(
                    "a-single-change-is-not-noticed",
                    newest <= position,
                    newest <= position + 1
                ) =>
            {
                Selection::Nothing
            }
            Some(_) => Selection::Delta,
        }
    }

    fn decide(&self, view: &ServerView<'_>, mutation: &Mutation) -> Verdict {
        one_way::refuse(view, mutation)
    }
}

#[cfg(test)]
mod tests;
