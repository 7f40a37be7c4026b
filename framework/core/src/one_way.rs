//! What patterns that only fetch have in common: local edits give way, and nothing is ever sent.

use crate::mutation::{BinReason, Mutation, Rejection};
use crate::page::PageKind;
use crate::pattern::{Action, DirtyRecord, Incoming, ServerView, Verdict};

/// An edited record takes what arrives, and the edit goes to the bin; a record made here stays until the server has its key.
pub fn plan(dirty: &DirtyRecord<'_>, incoming: &Incoming<'_>, kind: &PageKind) -> Action {
    match (incoming, kind, dirty.base, dirty.mine) {
        (Incoming::Row(row), _, _, Some(mine)) if mine == *row => Action::Accept,
        (Incoming::Row(_), _, _, _) => Action::Discard(BinReason::ReadOnly),
        // The server never had it: a range that lacks it says nothing about it.
        (Incoming::Deleted | Incoming::Removed, PageKind::Snapshot(_), None, _) => Action::Keep,
        (Incoming::Deleted, _, _, None) => Action::Accept,
        (Incoming::Deleted | Incoming::Removed, _, _, _) => Action::Discard(BinReason::ReadOnly),
    }
}

/// No mutation is taken.
pub fn refuse(view: &ServerView<'_>, mutation: &Mutation) -> Verdict {
    Verdict::Reject(Rejection {
        code: "read_only".to_owned(),
        message: format!(
            "a {} of `{}` was sent, but the entity is read-only (pattern `{}`); discard the change",
            mutation.kind.as_str(),
            view.entity.name,
            view.entity.pattern
        ),
    })
}

#[cfg(test)]
mod tests;
