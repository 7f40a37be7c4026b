//! Refused: what becomes of changes that the server did not take, and of those that wait for them.

use super::areas::{self, Areas};
use super::exchange::Run;
use super::lists::RejectedEntry;
use super::outbox::{Cut, OutboxEntry};
use super::rejected::RecordRef;
use super::renew::may_have_been_applied;
use super::settle::Subject;
use onsync_core::Result;
use onsync_core::mutation::{Outcome, Rejection};
use onsync_core::ordered::BTreeMap;
use onsync_core::store::local::{LocalTransaction, Overlay, RecordState};
use uuid::Uuid;

/// For each atomic group that was undone, the record for whose sake, and whether it is gone.
pub(super) type Culprits = BTreeMap<Uuid, (RecordRef, bool)>;

/// Finds them among the outcomes of a request.
pub(super) fn culprits<'a>(outcomes: impl Iterator<Item = (&'a Cut, &'a Outcome)>) -> Culprits {
    let mut culprits = Culprits::new();
    for (cut, outcome) in outcomes {
        let undone = match outcome {
            Outcome::Rejected(rejection) => rejection.code != GROUP_FAILED,
            Outcome::Gone | Outcome::Conflict { .. } => true,
            Outcome::Applied { .. } | Outcome::Retry(_) | Outcome::Renew => false,
        };
        if let Some(group) = cut.entry.mutation.group.filter(|_| undone) {
            let record = RecordRef {
                entity: cut.entry.mutation.entity.clone(),
                key: cut.entry.key.clone(),
            };
            culprits.insert(group, (record, *outcome == Outcome::Gone));
        }
    }
    culprits
}

/// What the server says of changes that were refused for the sake of another one of their group.
const GROUP_FAILED: &str = "group_failed";

pub(super) async fn list_refused(
    run: &mut Run<'_>,
    tx: &mut dyn LocalTransaction,
    subject: Subject<'_>,
    area: &str,
    rejection: Rejection,
) -> Result<()> {
    let group = subject.entry.mutation.group;
    let culprit = group.and_then(|group| run.culprits.get(&group));
    let culprit = culprit.filter(|_| rejection.code == GROUP_FAILED);
    if let (Some((_, true)), Some(overlay)) = (culprit, &subject.overlay) {
        // The culprit is gone from here too: the others are sent without it.
        let overlay = Overlay {
            state: RecordState::Waiting,
            ..overlay.clone()
        };
        return tx.put_overlay(subject.entity, &overlay).await;
    }
    let mut entry = RejectedEntry::of(subject.entry, rejection, run.syncer.runtime.now());
    entry.cause = culprit.map(|(record, _)| record.clone());
    run.summary.rejected += 1;
    if onsync_core::mutant!("what-is-refused-is-not-listed", true, false) {
        tx.store(area, &entry.number.to_be_bytes(), &entry).await?;
    }
    let Some(mut overlay) = subject.overlay else {
        return Ok(());
    };
    overlay.acknowledged_to = overlay.acknowledged_to.max(subject.entry.edit);
    overlay.state = if overlay.is_waiting() {
        RecordState::Waiting
    } else {
        RecordState::Rejected
    };
    tx.put_overlay(subject.entity, &overlay).await
}

/// Nobody knows whether the mutation was applied.
pub(super) async fn unknown(
    run: &mut Run<'_>,
    tx: &mut dyn LocalTransaction,
    subject: Subject<'_>,
) -> Result<()> {
    list_refused(run, tx, subject, areas::UNKNOWN, may_have_been_applied()).await
}

/// As [`unknown`], for a record that an open conflict holds.
pub(super) async fn list_unknown(
    run: &Run<'_>,
    tx: &mut dyn LocalTransaction,
    entry: &OutboxEntry,
) -> Result<()> {
    let entry = RejectedEntry::of(entry, may_have_been_applied(), run.syncer.runtime.now());
    tx.store(areas::UNKNOWN, &entry.number.to_be_bytes(), &entry)
        .await
}
