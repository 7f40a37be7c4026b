//! Release: what was refused because of a record it refers to is sent again as soon as the server has that record, or its conflict is decided.

use super::Syncer;
use super::areas::{self, Areas};
use super::exchange::Run;
use super::lists::RejectedEntry;
use super::open_conflicts::stored;
use super::outbox::Outbox;
use super::search::release;
use super::settle::Subject;
use onsync_core::mutation::Rejection;
use onsync_core::ordered::BTreeSet;
use onsync_core::platform::{MaybeSend, MaybeSync};
use onsync_core::query::{Comparison, Query};
use onsync_core::schema::EntitySchema;
use onsync_core::store::local::LocalTransaction;
use onsync_core::{Key, Result, Row, Value};

/// A change was refused because it refers to a record made here that is in conflict.
const IN_CONFLICT: &str = "parent_in_conflict";

/// Children that were refused because this record was missing are sent again.
pub(super) async fn release_children(
    run: &Run<'_>,
    tx: &mut dyn LocalTransaction,
    subject: &Subject<'_>,
) -> Result<()> {
    let listed = tx
        .list::<RejectedEntry>(areas::REJECTED, None, usize::MAX)
        .await?;
    if !listed.iter().any(|(_, entry)| waits_for_parent(&entry.rejection)) {
        return Ok(());
    }
    let schema = &run.syncer.schema;
    for relation in schema.children_of(&subject.entity.name) {
        let child = schema.entity(&relation.child)?;
        let value = subject.entry.key.0.first().cloned().unwrap_or_default();
        let query = Query::entity(&child.name).filter(&relation.attribute, Comparison::Equal, value);
        for row in tx.query(child, &query).await? {
            let key = child.key_of(&row);
            let Some((number, entry)) = listed.iter().find(|(_, entry)| {
                waits_for_parent(&entry.rejection) && entry.entity == child.name && entry.key == key
            }) else {
                continue;
            };
            // One that was edited since may be on its way, or in a conflict, and its outcome or decision sends it again.
            release(tx, child, entry, number).await?;
        }
    }
    Ok(())
}

/// Whether a change was refused because it refers to a record in conflict, and does not any more.
pub(super) async fn is_decided(
    syncer: &Syncer,
    tx: &mut dyn LocalTransaction,
    entry: &RejectedEntry,
) -> Result<bool> {
    if entry.rejection.code != IN_CONFLICT {
        return Ok(false);
    }
    let Ok(entity) = syncer.schema.entity(&entry.entity) else {
        return Ok(false);
    };
    let row = tx.get(entity, std::slice::from_ref(&entry.key)).await?.pop();
    match row.flatten() {
        Some(row) => Ok(!refers_to_conflict(syncer, tx, entity, |name| value_of(entity, &row, name)).await?),
        None => Ok(true),
    }
}

/// What was cut and must not be sent now: it refers to a record made here that came into conflict since.
pub(super) async fn held_by_conflicts(
    syncer: &Syncer,
    tx: &mut dyn LocalTransaction,
    outbox: &mut Outbox,
) -> Result<BTreeSet<u64>> {
    let mut held = BTreeSet::new();
    for first in outbox.rows() {
        for entry in outbox.row(tx, first).await?.to_vec() {
            let Ok(entity) = syncer.schema.entity(&entry.mutation.entity) else {
                continue;
            };
            let value = |name: &str| entry.sent.values.value(name).clone();
            if refers_to_conflict(syncer, tx, entity, value).await? {
                held.insert(entry.mutation.number);
            }
        }
    }
    Ok(held)
}

/// Whether a record with these values refers to one that was made here and is in conflict with one of the same key. A conflict that awaits the
/// outcome of a change on its way may not be one.
async fn refers_to_conflict(
    syncer: &Syncer,
    tx: &mut dyn LocalTransaction,
    entity: &EntitySchema,
    value: impl Fn(&str) -> Value + MaybeSend + MaybeSync,
) -> Result<bool> {
    for relation in syncer.schema.parents_of(&entity.name) {
        let value = value(&relation.attribute);
        if value.is_null() {
            continue;
        }
        let parent = syncer.schema.entity(&relation.parent)?;
        let conflict = stored(tx, parent, &Key(vec![value])).await?;
        if conflict.is_some_and(|conflict| conflict.base.is_none() && !conflict.awaits_outcome) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn value_of(entity: &EntitySchema, row: &Row, name: &str) -> Value {
    let index = entity.index_of(name);
    index
        .and_then(|index| row.get(index))
        .cloned()
        .unwrap_or_default()
}

pub(super) fn waits_for_parent(rejection: &Rejection) -> bool {
    matches!(
        rejection.code.as_str(),
        "parent_missing" | "parent_rejected" | IN_CONFLICT
    )
}
