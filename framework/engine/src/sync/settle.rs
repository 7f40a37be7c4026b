//! Settle: what outcomes do to the records they are about, in one transaction.
//!
//! An outcome counts once: its outbox entry leaves in the same transaction, and an outcome without entry changes nothing.

use super::areas::{self, Areas, OutboxEntry, entity_key};
use super::cut::forget_rejections;
use super::exchange::Run;
use super::keys::{Keys, note_issued, put_row};
use super::lists::RejectedEntry;
use onsync_core::conflict::Conflict;
use onsync_core::mutation::{BinReason, ConflictKind, MutationKind, Outcome, Rejection, ServerRecord};
use onsync_core::pattern::{DirtyRecord, InFlight, Settlement};
use onsync_core::query::{Comparison, Query};
use onsync_core::schema::EntitySchema;
use onsync_core::store::local::{LocalTransaction, Overlay, RecordState};
use onsync_core::{Error, Fields, Result, Row, Value};

/// The record an outcome is about, as it stands in the transaction.
struct Subject<'a> {
    entity: &'a EntitySchema,
    entry: OutboxEntry,
    overlay: Option<Overlay>,
    mine: Option<Row>,
}

/// Settles outcomes by mutation number. An error that asks to send again later is returned beside the result.
pub(super) async fn settle(run: &mut Run<'_>, outcomes: &[(u64, &Outcome)]) -> Result<Option<Error>> {
    let syncer = run.syncer;
    let mut tx = syncer.begin(run.fence, true).await?;
    let mut retry = None;
    for (number, outcome) in outcomes {
        let number = number.to_be_bytes();
        let Some(entry) = tx.load::<OutboxEntry>(areas::OUTBOX, &number).await? else { continue };
        let entity = syncer.schema.entity(&entry.mutation.entity)?;
        let key = std::slice::from_ref(&entry.key);
        let overlay = tx.overlays(entity, key).await?.pop().flatten();
        let mine = tx.get(entity, key).await?.pop().flatten();
        let in_flight = InFlight { kind: entry.mutation.kind, values: entry.values.clone() };
        let base = overlay.as_ref().and_then(|overlay| overlay.base.as_ref());
        let dirty = DirtyRecord { entity, base, mine: mine.as_ref(), in_flight: Some(&in_flight) };
        let settlement = syncer.pattern(&entity.name)?.settle(&dirty, outcome);
        if let Settlement::Retry = settlement {
            if let Outcome::Retry(reason) = outcome {
                retry = Some(Error::transient("server_retry", reason.message.clone()));
            }
            continue;
        }
        tx.area_remove(areas::OUTBOX, &number).await?;
        tx.area_remove(areas::IN_FLIGHT, &entity_key(&entity.name, &entry.key.to_bytes())).await?;
        let subject = Subject { entity, entry, overlay, mine };
        if let Settlement::Unknown = settlement {
            unknown(run, tx.as_mut(), subject).await?;
            continue;
        }
        perform(run, tx.as_mut(), subject, settlement, outcome).await?;
    }
    tx.commit().await?;
    Ok(retry)
}

async fn perform(
    run: &mut Run<'_>,
    tx: &mut dyn LocalTransaction,
    subject: Subject<'_>,
    settlement: Settlement,
    outcome: &Outcome,
) -> Result<()> {
    match settlement {
        Settlement::Acknowledge => acknowledge(run, tx, subject, outcome).await,
        Settlement::Discard(reason) if matches!(outcome, Outcome::Applied { .. }) => {
            run.summary.applied += 1;
            discard_later_edits(run, tx, subject, reason).await
        }
        Settlement::Discard(reason) => {
            run.summary.discarded += 1;
            discard(run, tx, subject, reason).await
        }
        Settlement::Forget => {
            run.summary.applied += 1;
            forget(run, tx, subject).await
        }
        Settlement::Reject(rejection) => {
            run.summary.rejected += 1;
            reject(tx, subject, areas::REJECTED, rejection).await
        }
        Settlement::Conflict(kind) => {
            run.summary.conflicts += 1;
            conflict(run, tx, subject, kind, outcome).await
        }
        Settlement::Retry | Settlement::Unknown => Ok(()),
    }
}

/// The content the server has if it did exactly what was sent.
fn as_sent(subject: &Subject<'_>) -> Option<Row> {
    let entity = subject.entity;
    if subject.entry.mutation.kind == MutationKind::Delete {
        return None;
    }
    let base = subject.overlay.as_ref().and_then(|overlay| overlay.base.clone());
    let mut row = base.or_else(|| subject.mine.clone()).unwrap_or_else(|| vec![Value::Null; entity.attributes.len()]);
    for (index, value) in entity.key_indexes().into_iter().zip(&subject.entry.key.0) {
        row[index] = value.clone();
    }
    for (name, value) in subject.entry.values.iter() {
        if let Some(index) = entity.index_of(name) {
            row[index] = value.clone();
        }
    }
    Some(row)
}

/// Whether two rows agree in everything that travels.
pub(super) fn same(entity: &EntitySchema, a: &Row, b: &Row) -> bool {
    entity.attributes.iter().enumerate().all(|(index, attribute)| attribute.local || a.get(index) == b.get(index))
}

/// A record as the server has it, as a full local row; attributes that do not travel keep their local value.
async fn stored_row(
    tx: &mut dyn LocalTransaction,
    keys: &Keys<'_>,
    entity: &EntitySchema,
    stored: &ServerRecord,
    local: Option<&Row>,
) -> Result<Row> {
    let row = entity.row(&stored.fields)?;
    let mut row = keys.row_to_local(tx, row).await?;
    for (index, _) in entity.attributes.iter().enumerate().filter(|(_, attribute)| attribute.local) {
        row[index] = local.and_then(|local| local.get(index)).cloned().unwrap_or_default();
    }
    Ok(row)
}

async fn acknowledge(run: &mut Run<'_>, tx: &mut dyn LocalTransaction, subject: Subject<'_>, outcome: &Outcome) -> Result<()> {
    run.summary.applied += 1;
    let (schema, entity) = (&run.syncer.schema, subject.entity);
    let Outcome::Applied { key, stored, gone } = outcome else { return Ok(()) };
    let created = subject.entry.mutation.kind == MutationKind::Create;
    if let Some(server) = key.as_ref().filter(|_| created) {
        note_issued(tx, schema, subject.entry.mutation.id, server).await?;
    }
    if created {
        release_children(run, tx, &subject).await?;
    }
    forget_rejections(tx, entity, &subject.entry.key).await?;
    if *gone && subject.entry.mutation.kind != MutationKind::Delete {
        return discard_later_edits(run, tx, subject, BinReason::Gone).await;
    }
    let sent = as_sent(&subject);
    let keys = Keys::of(tx, schema, entity).await?;
    let base = match stored {
        Some(stored) => Some(stored_row(tx, &keys, entity, stored, subject.mine.as_ref()).await?),
        None => sent.clone(),
    };
    let Some(mut overlay) = subject.overlay else {
        // The overlay left by a page meanwhile; what the server has now replaces what is here.
        return match (stored, base) {
            (Some(_), Some(row)) if subject.mine.is_some() => put_row(tx, entity, row).await,
            _ => Ok(()),
        };
    };
    let visible = adopt(entity, subject.mine.as_ref(), sent.as_ref(), base.as_ref());
    if let Some(visible) = visible.as_ref().filter(|visible| Some(*visible) != subject.mine.as_ref()) {
        put_row(tx, entity, visible.clone()).await?;
    }
    let clean = match (&visible, &base) {
        (Some(visible), Some(base)) => same(entity, visible, base),
        (None, None) => true,
        _ => false,
    };
    if clean {
        return tx.remove_overlay(entity, &overlay.key).await;
    }
    overlay.acknowledged_to = overlay.acknowledged_to.max(subject.entry.edit).min(overlay.edit.saturating_sub(1));
    overlay.base = base;
    overlay.state = RecordState::Waiting;
    tx.put_overlay(entity, &overlay).await
}

/// What the app sees after an acknowledgement: attributes it has not edited since take what the server stored.
fn adopt(entity: &EntitySchema, mine: Option<&Row>, sent: Option<&Row>, stored: Option<&Row>) -> Option<Row> {
    let mine = mine?;
    let (Some(sent), Some(stored)) = (sent, stored) else { return Some(mine.clone()) };
    let mut visible = stored.clone();
    for index in (0..visible.len()).filter(|index| mine[*index] != sent[*index]) {
        for member in entity.together_with(index) {
            visible[member] = mine[member].clone();
        }
    }
    Some(visible)
}

/// The record no longer exists on the server, though what was sent was applied: only edits made since lose.
async fn discard_later_edits(
    run: &mut Run<'_>,
    tx: &mut dyn LocalTransaction,
    subject: Subject<'_>,
    reason: BinReason,
) -> Result<()> {
    let sent = as_sent(&subject);
    let edited = match (&subject.mine, &sent) {
        (Some(mine), Some(sent)) => !same(subject.entity, mine, sent),
        _ => false,
    };
    if edited {
        run.summary.discarded += 1;
        return discard(run, tx, subject, reason).await;
    }
    remove(tx, &subject).await
}

async fn discard(run: &Run<'_>, tx: &mut dyn LocalTransaction, subject: Subject<'_>, reason: BinReason) -> Result<()> {
    let entity = subject.entity;
    if subject.overlay.is_none() {
        // A page has taken the edits to the bin already, and what is here is the server's.
        return Ok(());
    }
    let values = match &subject.mine {
        Some(mine) => Some(entity.fields(mine.clone())),
        None if subject.entry.mutation.kind != MutationKind::Delete => Some(subject.entry.values.clone()),
        None => None,
    };
    if let Some(values) = values {
        run.syncer.discard(tx, &entity.name, &subject.entry.key, reason, values).await?;
    }
    forget_rejections(tx, entity, &subject.entry.key).await?;
    remove(tx, &subject).await
}

async fn remove(tx: &mut dyn LocalTransaction, subject: &Subject<'_>) -> Result<()> {
    tx.remove(subject.entity, std::slice::from_ref(&subject.entry.key)).await?;
    tx.remove_overlay(subject.entity, &subject.entry.key).await
}

/// The record leaves without a trace, unless it was edited since.
async fn forget(run: &mut Run<'_>, tx: &mut dyn LocalTransaction, subject: Subject<'_>) -> Result<()> {
    let sent = as_sent(&subject);
    let edited = match (&subject.mine, &sent) {
        (Some(mine), Some(sent)) => !same(subject.entity, mine, sent),
        _ => false,
    };
    if edited {
        let outcome = Outcome::Applied { key: None, stored: None, gone: false };
        run.summary.applied -= 1;
        return acknowledge(run, tx, subject, &outcome).await;
    }
    remove(tx, &subject).await
}

async fn reject(tx: &mut dyn LocalTransaction, subject: Subject<'_>, area: &str, rejection: Rejection) -> Result<()> {
    let entry = RejectedEntry::of(&subject.entry, rejection);
    forget_rejections(tx, subject.entity, &subject.entry.key).await?;
    tx.store(area, &entry.number.to_be_bytes(), &entry).await?;
    let Some(mut overlay) = subject.overlay else { return Ok(()) };
    overlay.acknowledged_to = overlay.acknowledged_to.max(subject.entry.edit);
    overlay.state = if overlay.is_waiting() { RecordState::Waiting } else { RecordState::Rejected };
    tx.put_overlay(subject.entity, &overlay).await
}

/// The server has forgotten this device: nobody knows whether the mutation was applied. A new instance is taken.
async fn unknown(run: &mut Run<'_>, tx: &mut dyn LocalTransaction, subject: Subject<'_>) -> Result<()> {
    let mut instance = tx.instance(run.syncer.runtime.random_uuid()).await?;
    instance.id = run.syncer.runtime.random_uuid();
    tx.set_instance(&instance).await?;
    run.summary.rejected += 1;
    let rejection = Rejection {
        code: "may_have_been_applied".to_owned(),
        message: "the server no longer knows whether it applied this change; compare with what it has now, then retry or discard".to_owned(),
    };
    reject(tx, subject, areas::UNKNOWN, rejection).await
}

async fn conflict(
    run: &mut Run<'_>,
    tx: &mut dyn LocalTransaction,
    subject: Subject<'_>,
    kind: ConflictKind,
    outcome: &Outcome,
) -> Result<()> {
    let entity = subject.entity;
    let keys = Keys::of(tx, &run.syncer.schema, entity).await?;
    let theirs = match outcome {
        Outcome::Conflict { theirs: Some(stored), .. } => {
            Some(stored_row(tx, &keys, entity, stored, subject.mine.as_ref()).await?)
        }
        _ => None,
    };
    let Some(overlay) = subject.overlay else { return Ok(()) };
    let mine = subject.mine.map(|row| entity.fields(row));
    record_conflict(run, tx, entity, overlay, kind, mine, theirs).await
}

/// Stores a conflict; the record keeps showing mine and is not sent until it is resolved.
pub(super) async fn record_conflict(
    run: &Run<'_>,
    tx: &mut dyn LocalTransaction,
    entity: &EntitySchema,
    mut overlay: Overlay,
    kind: ConflictKind,
    mine: Option<Fields>,
    theirs: Option<Row>,
) -> Result<()> {
    let conflict = Conflict {
        id: run.syncer.runtime.random_uuid(),
        entity: entity.name.clone(),
        key: overlay.key.clone(),
        kind,
        base: overlay.base.take().map(|row| entity.fields(row)),
        mine,
        theirs: theirs.clone().map(|row| entity.fields(row)),
    };
    tx.store(areas::CONFLICT, &entity_key(&entity.name, &overlay.key.to_bytes()), &conflict).await?;
    overlay.base = theirs;
    overlay.state = RecordState::Conflicted;
    tx.put_overlay(entity, &overlay).await
}

/// Children that were refused because this record was missing are sent again.
async fn release_children(run: &Run<'_>, tx: &mut dyn LocalTransaction, subject: &Subject<'_>) -> Result<()> {
    let listed = tx.list::<RejectedEntry>(areas::REJECTED, None, usize::MAX).await?;
    if !listed.iter().any(|(_, entry)| waits_for_parent(entry)) {
        return Ok(());
    }
    let schema = &run.syncer.schema;
    for relation in schema.children_of(&subject.entity.name) {
        let child = schema.entity(&relation.child)?;
        let value = subject.entry.key.0.first().cloned().unwrap_or_default();
        let query = Query::entity(&child.name).filter(&relation.attribute, Comparison::Equal, value);
        for row in tx.query(child, &query).await? {
            let key = child.key_of(&row);
            let Some((number, _)) =
                listed.iter().find(|(_, entry)| waits_for_parent(entry) && entry.entity == child.name && entry.key == key)
            else {
                continue;
            };
            tx.area_remove(areas::REJECTED, number).await?;
            if let Some(mut overlay) = tx.overlays(child, std::slice::from_ref(&key)).await?.pop().flatten() {
                overlay.acknowledged_to = 0;
                overlay.state = RecordState::Waiting;
                tx.put_overlay(child, &overlay).await?;
            }
        }
    }
    Ok(())
}

fn waits_for_parent(entry: &RejectedEntry) -> bool {
    matches!(entry.rejection.code.as_str(), "parent_missing" | "parent_rejected")
}
