#![doc = include_str!("../README.md")]

use onsync_core::mutation::{BinReason, ConflictKind, Mutation, MutationKind, Outcome};
use onsync_core::page::PageKind;
use onsync_core::pattern::{
    Action, Change, Direction, DirtyRecord, Incoming, Progress, Selection, ServerView, Settlement,
    SyncPattern, Verdict,
};
use onsync_core::{Fields, Row};

/// The pattern's name in configuration, wire, logs and docs.
pub const NAME: &str = "read-write-conflict-detection";

/// The `read-write-conflict-detection` pattern.
#[derive(Clone, Copy, Debug, Default)]
pub struct ConflictDetection;

impl SyncPattern for ConflictDetection {
    fn name(&self) -> &'static str {
        NAME
    }

    fn direction(&self) -> Direction {
        Direction::ReadWrite
    }

    fn request(&self, dirty: &DirtyRecord<'_>) -> Option<Change> {
        dirty.difference()
    }

    fn plan(&self, dirty: &DirtyRecord<'_>, incoming: Incoming<'_>, _kind: &PageKind) -> Action {
        match dirty.in_flight.map(|sent| sent.kind) {
            None => compare(dirty, incoming),
            Some(sent) => await_outcome(dirty, sent, incoming),
        }
    }

    fn settle(&self, dirty: &DirtyRecord<'_>, outcome: &Outcome) -> Settlement {
        match outcome {
            Outcome::Applied { gone: true, .. } if is_edited_since(dirty) => {
                Settlement::Conflict(ConflictKind::UpdateDelete)
            }
            Outcome::Applied { gone: true, .. } => Settlement::Discard(BinReason::Gone),
            Outcome::Applied { .. } => Settlement::Acknowledge,
            Outcome::Gone => Settlement::Conflict(ConflictKind::UpdateDelete),
            Outcome::Rejected(rejection) => Settlement::Reject(rejection.clone()),
            Outcome::Conflict { .. } if onsync_core::mutant!("a-conflict-counts-as-done", false, true) => {
                Settlement::Acknowledge
            }
            Outcome::Conflict { kind, .. } => Settlement::Conflict(*kind),
            Outcome::Retry(_) => Settlement::Retry,
            Outcome::Renew => Settlement::Unknown,
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
        let Some(current) = view.current else {
            return match mutation.kind {
                MutationKind::Create => Verdict::Insert,
                MutationKind::Update => Verdict::Conflict(ConflictKind::UpdateDelete),
                MutationKind::Delete => Verdict::Nothing,
            };
        };
        let is_base = view.version.is_some()
            && onsync_core::mutant!(
                "changes-go-over-any-version",
                view.version == mutation.base_version,
                true
            );
        let is_as_wanted = || {
            mutation
                .values
                .iter()
                .all(|(name, value)| current.value(name) == value)
        };
        match mutation.kind {
            MutationKind::Create if is_as_wanted() => Verdict::Nothing,
            MutationKind::Create => Verdict::Conflict(ConflictKind::CreateCreate),
            MutationKind::Update if is_base => Verdict::Update(given(view, mutation)),
            MutationKind::Update if is_as_wanted() => Verdict::Nothing,
            MutationKind::Update => Verdict::Conflict(ConflictKind::UpdateUpdate),
            MutationKind::Delete if is_base => Verdict::Delete,
            MutationKind::Delete => Verdict::Conflict(ConflictKind::DeleteUpdate),
        }
    }
}

/// Nothing is on its way: what arrives is compared with what the edits are based on.
fn compare(dirty: &DirtyRecord<'_>, incoming: Incoming<'_>) -> Action {
    let agree = |a: &Row, b: &Row| dirty.entity.agree(a, b);
    match (dirty.base, dirty.mine, incoming) {
        (_, _, Incoming::Removed) => Action::Discard(BinReason::LeftScope),
        // Nothing is unsent.
        (None, None, _) => Action::Accept,
        (Some(base), Some(mine), _) if agree(base, mine) => Action::Accept,
        (Some(base), Some(mine), Incoming::Row(row)) => {
            if onsync_core::mutant!("a-page-moves-the-base-under-an-edit", agree(base, row), true) {
                Action::Rebase {
                    visible: Some(mine.clone()),
                }
            } else if agree(mine, row) {
                Action::Accept
            } else {
                Action::Conflict(ConflictKind::UpdateUpdate)
            }
        }
        (Some(base), None, Incoming::Row(row)) if agree(base, row) => Action::Rebase { visible: None },
        (Some(_), None, Incoming::Row(_)) => Action::Conflict(ConflictKind::DeleteUpdate),
        (None, Some(mine), Incoming::Row(row)) if agree(mine, row) => Action::Accept,
        (None, Some(_), Incoming::Row(_)) => Action::Conflict(ConflictKind::CreateCreate),
        (Some(_), Some(_), Incoming::Deleted) => Action::Conflict(ConflictKind::UpdateDelete),
        (Some(_), None, Incoming::Deleted) => Action::Accept,
        (None, Some(_), Incoming::Deleted) => Action::Keep,
    }
}

/// A mutation of the record is on its way, and what arrives may be its own echo: its outcome decides, not the arrival.
fn await_outcome(dirty: &DirtyRecord<'_>, sent: MutationKind, incoming: Incoming<'_>) -> Action {
    match (sent, incoming) {
        (_, Incoming::Removed) => Action::Discard(BinReason::LeftScope),
        (MutationKind::Create, Incoming::Deleted) if dirty.base.is_some() => Action::Rebase {
            visible: dirty.mine.cloned(),
        },
        (MutationKind::Create, Incoming::Deleted) => Action::Keep,
        (MutationKind::Update, Incoming::Deleted) if dirty.mine.is_none() => Action::Accept,
        (MutationKind::Update, Incoming::Deleted) => Action::Conflict(ConflictKind::UpdateDelete),
        (MutationKind::Delete, Incoming::Deleted) if dirty.mine.is_none() => Action::Accept,
        (MutationKind::Delete, Incoming::Deleted) => Action::Keep,
        // Made again while its delete is on its way: nothing of the deleted record is mixed in.
        (MutationKind::Delete, Incoming::Row(_)) => Action::Rebase {
            visible: dirty.mine.cloned(),
        },
        (MutationKind::Create | MutationKind::Update, Incoming::Row(row)) => Action::Rebase {
            visible: dirty.merged(row),
        },
    }
}

/// Whether the app has edited the record after its mutation was cut.
fn is_edited_since(dirty: &DirtyRecord<'_>) -> bool {
    let (Some(sent), Some(mine)) = (dirty.in_flight, dirty.mine) else {
        return false;
    };
    let attributes = dirty.entity.attributes.iter().enumerate();
    attributes
        .filter(|(_, attribute)| !attribute.local)
        .any(|(index, attribute)| {
            let expected = match sent.values.has(&attribute.name) {
                true => Some(sent.values.value(&attribute.name)),
                false => dirty.base.and_then(|base| base.get(index)),
            };
            // A key that the server issues is not among what was sent.
            match expected {
                Some(expected) => mine.get(index) != Some(expected),
                None => !dirty.entity.is_key(index),
            }
        })
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

#[cfg(test)]
mod tests;
