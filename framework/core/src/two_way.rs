//! What patterns have in common that carry changes both ways and let the last push accepted win, attribute by attribute.

use crate::mutation::{BinReason, Mutation, MutationKind};
use crate::pattern::{Action, DirtyRecord, Incoming, Progress, Selection, ServerView, Verdict};
use crate::record::{Fields, Row};

/// Edited attributes stay and will be sent, all others take what arrives; a deletion takes edits to the bin and leaves own creates.
pub fn plan(dirty: &DirtyRecord<'_>, incoming: &Incoming<'_>) -> Action {
    match (incoming, Local::of(dirty)) {
        (Incoming::Row(_), Local::Edited | Local::Made)
            if crate::mutant!("what-arrives-wins-over-edits", false, true) =>
        {
            Action::Accept
        }
        (Incoming::Row(row), Local::Edited | Local::Made) => merge(dirty, row),
        (Incoming::Row(_), Local::MadeAgain(mine)) => Action::Rebase {
            visible: Some(mine.clone()),
        },
        (Incoming::Row(_), Local::Deleted | Local::Unmade) => Action::Rebase { visible: None },
        (Incoming::Deleted, Local::Edited) if crate::mutant!("edits-of-what-is-gone-vanish", false, true) => {
            Action::Accept
        }
        (Incoming::Deleted, Local::Edited) => Action::Discard(BinReason::Gone),
        (Incoming::Deleted, Local::Deleted) => Action::Accept,
        (Incoming::Deleted, Local::Made | Local::MadeAgain(_) | Local::Unmade) => Action::Keep,
        (Incoming::Removed, _) => Action::Discard(BinReason::LeftScope),
    }
}

/// All that is in scope for a device without a usable checkpoint, else what changed since.
pub fn select(progress: Option<Progress>) -> Selection {
    match progress {
        None => Selection::Full,
        Some(Progress { position, newest }) if newest <= position => Selection::Nothing,
        Some(_) => Selection::Delta,
    }
}

/// What is given is written over what is there; nothing brings back what is gone but a create.
pub fn decide(view: &ServerView<'_>, mutation: &Mutation) -> Verdict {
    match (mutation.kind, view.current) {
        (MutationKind::Create, None) => Verdict::Insert,
        (MutationKind::Create | MutationKind::Update, Some(_)) => Verdict::Update(given(view, mutation)),
        (MutationKind::Update, None) if crate::mutant!("an-update-brings-back-what-is-gone", false, true) => {
            Verdict::Insert
        }
        (MutationKind::Update, None) => Verdict::Gone,
        (MutationKind::Delete, None) => Verdict::Nothing,
        (MutationKind::Delete, Some(_)) => Verdict::Delete,
    }
}

/// Where a dirty record stands here.
enum Local<'a> {
    /// The server has it; changed here.
    Edited,
    /// The server has it; deleted here.
    Deleted,
    /// Made here; the server does not have it, or has not said so yet.
    Made,
    /// Deleted, and made again while the delete is on its way.
    MadeAgain(&'a Row),
    /// Made here and deleted again while the create is on its way.
    Unmade,
}

impl<'a> Local<'a> {
    fn of(dirty: &DirtyRecord<'a>) -> Self {
        let sent = dirty.in_flight.map(|sent| sent.kind);
        match (dirty.base, dirty.mine, sent) {
            (Some(_), Some(mine), Some(MutationKind::Delete)) => Self::MadeAgain(mine),
            (Some(_), Some(_), None | Some(MutationKind::Create | MutationKind::Update)) => Self::Edited,
            (Some(_), None, _) => Self::Deleted,
            (None, Some(_), _) => Self::Made,
            (None, None, _) => Self::Unmade,
        }
    }
}

/// Edited attributes stay, all others take what arrives; an overlay without a difference ends, unless an outcome is awaited.
fn merge(dirty: &DirtyRecord<'_>, row: &Row) -> Action {
    let visible = dirty.merged(row);
    match visible.as_ref() == Some(row) && dirty.in_flight.is_none() {
        true => Action::Accept,
        false => Action::Rebase { visible },
    }
}

/// What the mutation gives, without the key, which names the record and never changes.
fn given(view: &ServerView<'_>, mutation: &Mutation) -> Fields {
    mutation
        .values
        .iter()
        .filter(|(name, _)| !view.entity.key.iter().any(|key| key == name))
        .map(|(name, value)| (name, value.clone()))
        .collect()
}
