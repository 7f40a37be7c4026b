#![doc = include_str!("../README.md")]

use onsync_core::mutation::Mutation;
use onsync_core::page::PageKind;
use onsync_core::pattern::{
    Action, Change, Direction, DirtyRecord, Incoming, Progress, Selection, ServerView, SyncPattern, Unit,
    Verdict,
};
use onsync_core::two_way;

/// The pattern's name in configuration, wire, logs and docs.
pub const NAME: &str = "read-write-one-to-many";

/// The `read-write-one-to-many` pattern.
#[derive(Clone, Copy, Debug, Default)]
pub struct OneToMany;

impl SyncPattern for OneToMany {
    fn name(&self) -> &'static str {
        NAME
    }

    fn direction(&self) -> Direction {
        Direction::ReadWrite
    }

    fn unit(&self) -> Unit {
        Unit::Family
    }

    fn request(&self, dirty: &DirtyRecord<'_>) -> Option<Change> {
        dirty.difference()
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
