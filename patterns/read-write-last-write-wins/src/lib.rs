#![doc = include_str!("../README.md")]

use onsync_core::mutation::Mutation;
use onsync_core::page::PageKind;
use onsync_core::pattern::{
    Action, Change, Direction, DirtyRecord, Incoming, Progress, Selection, ServerView, SyncPattern, Verdict,
};
use onsync_core::two_way;

/// The pattern's name in configuration, wire, logs and docs.
pub const NAME: &str = "read-write-last-write-wins";

/// The `read-write-last-write-wins` pattern.
#[derive(Clone, Copy, Debug, Default)]
pub struct LastWriteWins;

impl SyncPattern for LastWriteWins {
    fn name(&self) -> &'static str {
        NAME
    }

    fn direction(&self) -> Direction {
        Direction::ReadWrite
    }

    fn request(&self, dirty: &DirtyRecord<'_>) -> Option<Change> {
        onsync_core::mutant!(
            "unchanged-attributes-are-sent-too",
            dirty.difference(),
            dirty.difference().map(|change| Change {
                attributes: (0..dirty.entity.attributes.len()).collect(),
                ..change
            })
        )
    }

    fn plan(&self, dirty: &DirtyRecord<'_>, incoming: Incoming<'_>, _kind: &PageKind) -> Action {
        two_way::plan(dirty, &incoming)
    }

    fn select(&self, progress: Option<Progress>) -> Selection {
        two_way::select(progress)
    }

    fn decide(&self, view: &ServerView<'_>, mutation: &Mutation) -> Verdict {
        two_way::decide(view, mutation)
    }
}

#[cfg(test)]
mod tests;
