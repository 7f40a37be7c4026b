//! Renew: the server has shown that this store is an older copy of itself, or that it has forgotten this device.
//!
//! What the store was when it was newer may have cut and sent everything that waits here, under other ids. So nothing that waits is sent by itself
//! again: all of it is listed as *may have been applied*, in the transaction that takes the new instance.

use super::areas::{self, Areas, Instance};
use super::exchange::Run;
use super::lists::RejectedEntry;
use super::outbox::{Cut, Outbox, OutboxEntry};
use super::release::waits_for_parent;
use super::search::forget_member;
use onsync_core::mutation::{Outcome, Rejection};
use onsync_core::ordered::{BTreeMap, BTreeSet};
use onsync_core::page::KeyRange;
use onsync_core::pattern::{Direction, DirtyRecord};
use onsync_core::schema::EntitySchema;
use onsync_core::store::local::{LocalTransaction, Overlay, RecordState};
use onsync_core::{Key, Result};

/// Overlays read at a time.
const CHUNK: usize = 500;

/// Whether these outcomes show it.
pub(super) fn is_asked_for(outcomes: &[(&Cut, &Outcome)]) -> bool {
    outcomes.iter().any(|(_, outcome)| **outcome == Outcome::Renew)
}

/// What is on its way and has no outcome here: under the new instance the server would take it for new.
pub(super) async fn without_outcome(
    tx: &mut dyn LocalTransaction,
    outbox: &Outbox,
    outcomes: &[(&Cut, &Outcome)],
) -> Result<Vec<OutboxEntry>> {
    let decided = outcomes
        .iter()
        .filter(|(_, outcome)| !matches!(outcome, Outcome::Retry(_)));
    let decided: BTreeSet<u64> = decided.map(|(cut, _)| cut.entry.mutation.number).collect();
    let mut entries = outbox.all(tx).await?;
    entries.retain(|entry| !decided.contains(&entry.mutation.number));
    Ok(entries)
}

/// Takes a new instance and lists what waits. What was on its way has been listed before.
pub(super) async fn renew(run: &mut Run<'_>, tx: &mut dyn LocalTransaction) -> Result<()> {
    let syncer = run.syncer;
    let mut instance = tx.instance(syncer.runtime.random_uuid()).await?;
    instance.id = syncer.runtime.random_uuid();
    doubt_rejected(tx).await?;
    let listed = listed(tx).await?;
    for entity in syncer.schema.entities.iter().filter(|entity| !entity.local) {
        if syncer.pattern(&entity.name)?.direction() != Direction::ReadOnly {
            list_waiting(run, tx, entity, &listed, &mut instance).await?;
        }
    }
    tx.set_instance(&instance).await
}

/// Where records are listed as perhaps applied, by entity and key.
type Listed = BTreeMap<(String, Key), Vec<Vec<u8>>>;

async fn listed(tx: &mut dyn LocalTransaction) -> Result<Listed> {
    let mut listed = Listed::new();
    for (number, entry) in tx.list::<RejectedEntry>(areas::UNKNOWN, None, usize::MAX).await? {
        listed.entry((entry.entity, entry.key)).or_default().push(number);
    }
    Ok(listed)
}

/// The records of which something may have been applied.
pub(super) async fn doubted(tx: &mut dyn LocalTransaction) -> Result<BTreeSet<(String, Key)>> {
    Ok(listed(tx).await?.into_keys().collect())
}

/// A refused change that waits for its parent is not sent again when that is there.
async fn doubt_rejected(tx: &mut dyn LocalTransaction) -> Result<()> {
    let listed = tx
        .list::<RejectedEntry>(areas::REJECTED, None, usize::MAX)
        .await?;
    for (number, mut entry) in listed {
        if waits_for_parent(&entry.rejection) {
            entry.rejection = may_have_been_applied();
            tx.area_remove(areas::REJECTED, &number).await?;
            tx.store(areas::UNKNOWN, &number, &entry).await?;
        }
    }
    Ok(())
}

async fn list_waiting(
    run: &mut Run<'_>,
    tx: &mut dyn LocalTransaction,
    entity: &EntitySchema,
    listed: &Listed,
    instance: &mut Instance,
) -> Result<()> {
    let mut range = KeyRange::all();
    loop {
        let waiting = tx.overlays_to_send(entity, &range, CHUNK).await?;
        let Some(last) = waiting.last() else {
            return Ok(());
        };
        range.after = Some(last.key.clone());
        for overlay in waiting {
            list_one(run, tx, entity, overlay, listed, instance).await?;
        }
    }
}

async fn list_one(
    run: &mut Run<'_>,
    tx: &mut dyn LocalTransaction,
    entity: &EntitySchema,
    overlay: Overlay,
    listed: &Listed,
    instance: &mut Instance,
) -> Result<()> {
    // What cannot be read is listed with its own reason when it is to be cut.
    let Ok(mut rows) = tx.get(entity, std::slice::from_ref(&overlay.key)).await else {
        return Ok(());
    };
    let mine = rows.pop().flatten();
    let dirty = DirtyRecord {
        entity,
        base: overlay.base.as_ref(),
        mine: mine.as_ref(),
        in_flight: None,
    };
    let before = listed.get(&(entity.name.clone(), overlay.key.clone()));
    let Some(change) = dirty.difference() else {
        // Made here, perhaps applied, and deleted since: what is listed stands for it.
        return match before {
            Some(_) => hold(tx, entity, overlay).await,
            None => Ok(()),
        };
    };
    // One entry stands for all of a record.
    for number in before.into_iter().flatten() {
        tx.area_remove(areas::UNKNOWN, number).await?;
    }
    let number = instance.next_number;
    instance.next_number += 1;
    let attributes = change.attributes.iter();
    let values = mine.iter().flat_map(|mine| {
        let named = |index: &usize| (entity.attributes[*index].name.as_str(), mine[*index].clone());
        attributes.clone().map(named)
    });
    let entry = RejectedEntry {
        number,
        entity: entity.name.clone(),
        key: overlay.key.clone(),
        kind: change.kind,
        values: values.collect(),
        rejection: may_have_been_applied(),
        at: Some(run.syncer.runtime.now()),
        cause: None,
    };
    tx.store(areas::UNKNOWN, &number.to_be_bytes(), &entry).await?;
    run.summary.rejected += 1;
    run.lists_rejections = true;
    forget_member(tx, entity, &overlay.key).await?;
    hold(tx, entity, overlay).await
}

/// A record waits for a person.
async fn hold(tx: &mut dyn LocalTransaction, entity: &EntitySchema, mut overlay: Overlay) -> Result<()> {
    overlay.acknowledged_to = overlay.edit;
    overlay.state = RecordState::Rejected;
    tx.put_overlay(entity, &overlay).await
}

/// Why it is listed.
pub(super) fn may_have_been_applied() -> Rejection {
    Rejection {
        code: "may_have_been_applied".to_owned(),
        message: "the server no longer knows whether it applied this change; compare with what it has now, then retry or discard".to_owned(),
    }
}
