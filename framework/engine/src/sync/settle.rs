//! Settle: what outcomes do to the records they are about, in one transaction.
//!
//! An outcome counts once: its outbox entry leaves in the same transaction, and an outcome without entry changes nothing.

use super::areas::{self, Areas};
use super::conflicts;
use super::cut::forget_rejections;
use super::exchange::Run;
use super::expected::{Rest, as_expected};
use super::freeze::{unnamed, version};
use super::keys::{Keys, note_issued, put_row};
use super::lists::RejectedEntry;
use super::outbox::{Cut, OutboxEntry};
use super::refused::{list_refused, unknown};
use super::release::release_children;
use super::renew;
use super::seen;
use onsync_core::mutation::{BinReason, MutationKind, Outcome, ServerRecord};
use onsync_core::ordered::BTreeMap;
use onsync_core::pattern::{DirtyRecord, Settlement};
use onsync_core::schema::{EntitySchema, Ids};
use onsync_core::store::local::{LocalTransaction, Overlay, RecordState};
use onsync_core::{Error, Key, Result, Row};
use std::collections::{HashMap, HashSet};

/// The record an outcome is about, as it stands in the transaction.
pub(super) struct Subject<'a> {
    pub(super) entity: &'a EntitySchema,
    pub(super) entry: &'a OutboxEntry,
    pub(super) overlay: Option<Overlay>,
    pub(super) mine: Option<Row>,
    /// What the mutation was based on, where a page has moved the record's base since.
    pub(super) moved: Option<Option<Row>>,
}

impl Subject<'_> {
    /// What the mutation was based on.
    pub(super) fn base_when_cut(&self) -> Option<Row> {
        match &self.moved {
            Some(base) => base.clone(),
            None => self.overlay.as_ref().and_then(|overlay| overlay.base.clone()),
        }
    }

    /// The content that the server had if it did exactly what was sent to exactly what that was based on.
    pub(super) fn as_sent_when_cut(&self) -> Option<Row> {
        sent_over(self, self.base_when_cut())
    }
}

/// Settles outcomes of mutations. An error that asks to send again later is returned beside the result.
pub(super) async fn settle(run: &mut Run<'_>, outcomes: &[(&Cut, &Outcome)]) -> Result<Option<Error>> {
    let syncer = run.syncer;
    let mut tx = syncer.begin(run.fence, true).await?;
    let listed = listed(tx.as_mut()).await?;
    run.lists_rejections = !listed.is_empty();
    let bases_moved = !tx.area_scan(areas::BASE_WHEN_CUT, None, 1).await?.is_empty();
    let outbox = run.outbox(tx.as_mut()).await?;
    let open = outcomes.iter().copied();
    let open = open.filter(|(cut, _)| outbox.holds(cut.entry.mutation.number));
    let open: Vec<(&Cut, &Outcome)> = open.collect();
    let renews = renew::is_asked_for(&open);
    let left = match renews {
        true => renew::without_outcome(tx.as_mut(), outbox, &open).await?,
        false => Vec::new(),
    };
    let (mut settled, mut rest) = as_expected(run, tx.as_mut(), open).await?;
    if renews {
        rest.retain(|(_, outcome)| !matches!(outcome, Outcome::Retry(_)));
        rest.extend(left.iter().map(|entry| (entry, &Outcome::Renew)));
    }
    let mut seen = Seen::ahead(run, tx.as_mut(), &rest).await?;
    let mut retry = None;
    for (entry, outcome) in rest {
        // A second outcome of one mutation changes nothing.
        if settled.contains(&entry.mutation.number) {
            continue;
        }
        let entity = syncer.schema.entity(&entry.mutation.entity)?;
        let (mut overlay, mine) = seen.take(tx.as_mut(), entity, &entry.key).await?;
        let conflicted = conflicts::set_aside(tx.as_mut(), entity, &mut overlay).await?;
        let base = overlay.as_ref().and_then(|overlay| overlay.base.as_ref());
        let dirty = dirty(entity, entry, base, mine.as_ref());
        let settlement = syncer.pattern(&entity.name)?.settle(&dirty, outcome);
        if let Settlement::Retry = settlement {
            if let Outcome::Retry(reason) = outcome {
                retry = Some(Error::transient("server_retry", reason.message.clone()));
            }
            continue;
        }
        settled.insert(entry.mutation.number);
        if listed.contains(&(entity.name.clone(), entry.key.clone())) {
            // The newest outcome of a record stands for it; what was listed before is settled.
            forget_rejections(tx.as_mut(), entity, &entry.key).await?;
        }
        let moved = match bases_moved {
            true => conflicts::take_base(tx.as_mut(), entity, &entry.key).await?,
            false => None,
        };
        let mut subject = Subject {
            entity,
            entry,
            overlay,
            mine,
            moved,
        };
        if conflicted && conflicts::stays(run, tx.as_mut(), &mut subject, &settlement).await? {
            continue;
        }
        perform(run, tx.as_mut(), subject, settlement, outcome).await?;
    }
    run.outbox(tx.as_mut())
        .await?
        .settle(tx.as_mut(), &settled)
        .await?;
    if renews {
        renew::renew(run, tx.as_mut()).await?;
    }
    seen::store(tx.as_mut(), run.seen.as_ref()).await?;
    tx.commit().await?;
    Ok(retry)
}

/// The records of which something is listed as rejected, or as perhaps applied.
async fn listed(tx: &mut dyn LocalTransaction) -> Result<HashSet<(String, Key)>> {
    let mut listed = HashSet::new();
    for area in [areas::REJECTED, areas::UNKNOWN] {
        let entries = tx.list::<RejectedEntry>(area, None, usize::MAX).await?;
        listed.extend(entries.into_iter().map(|(_, entry)| (entry.entity, entry.key)));
    }
    Ok(listed)
}

pub(super) fn dirty<'a>(
    entity: &'a EntitySchema,
    entry: &'a OutboxEntry,
    base: Option<&'a Row>,
    mine: Option<&'a Row>,
) -> DirtyRecord<'a> {
    DirtyRecord {
        entity,
        base,
        mine,
        in_flight: Some(&entry.sent),
    }
}

/// What the outcomes are about, read at once where no outcome can touch another one's record.
struct Seen(HashMap<(String, Key), (Option<Overlay>, Option<Row>)>);

impl Seen {
    async fn ahead(run: &Run<'_>, tx: &mut dyn LocalTransaction, outcomes: &Rest<'_>) -> Result<Self> {
        let mut seen = HashMap::new();
        let mut by_entity: BTreeMap<&str, Vec<Key>> = BTreeMap::new();
        let mut issues = false;
        for (entry, _) in outcomes {
            let ids = run.syncer.schema.entity(&entry.mutation.entity)?.ids;
            issues |= ids == Ids::Server && entry.mutation.kind == MutationKind::Create;
            let keys = by_entity.entry(&entry.mutation.entity).or_default();
            keys.push(entry.key.clone());
        }
        for (name, keys) in by_entity {
            let entity = run.syncer.schema.entity(name)?;
            // A key that the server issued rewrites references in other records.
            if run.lists_rejections || issues {
                continue;
            }
            let overlays = tx.overlays(entity, &keys).await?;
            let rows = tx.get(entity, &keys).await?;
            for ((key, overlay), row) in keys.into_iter().zip(overlays).zip(rows) {
                seen.insert((name.to_owned(), key), (overlay, row));
            }
        }
        Ok(Self(seen))
    }

    async fn take(
        &mut self,
        tx: &mut dyn LocalTransaction,
        entity: &EntitySchema,
        key: &Key,
    ) -> Result<(Option<Overlay>, Option<Row>)> {
        if let Some(found) = self.0.remove(&(entity.name.clone(), key.clone())) {
            return Ok(found);
        }
        let key = std::slice::from_ref(key);
        let overlay = tx.overlays(entity, key).await?.pop().flatten();
        Ok((overlay, tx.get(entity, key).await?.pop().flatten()))
    }
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
            match made_again(run, tx, &subject).await? {
                Some(base) => give_way(run, tx, subject, reason, base).await,
                None => discard(run, tx, subject, reason).await,
            }
        }
        Settlement::Forget => {
            run.summary.applied += 1;
            forget(run, tx, subject).await
        }
        Settlement::Reject(rejection) => {
            if conflicts::met_while_on_its_way(run, tx, &subject).await? {
                return Ok(());
            }
            run.lists_rejections = true;
            list_refused(run, tx, subject, areas::REJECTED, rejection).await
        }
        Settlement::Conflict(_) => conflicts::found(run, tx, subject, outcome).await,
        Settlement::Unknown => unknown(run, tx, subject).await,
        Settlement::Retry => Ok(()),
    }
}

/// The content the server has if it did exactly what was sent.
pub(super) fn as_sent(subject: &Subject<'_>) -> Option<Row> {
    let base = subject.overlay.as_ref().and_then(|overlay| overlay.base.clone());
    sent_over(subject, base)
}

fn sent_over(subject: &Subject<'_>, base: Option<Row>) -> Option<Row> {
    let entity = subject.entity;
    if subject.entry.mutation.kind == MutationKind::Delete {
        return None;
    }
    let mut row = base.unwrap_or_else(|| unnamed(entity, subject.mine.as_ref()));
    for (index, value) in entity.key_indexes().into_iter().zip(&subject.entry.key.0) {
        row[index] = value.clone();
    }
    for (name, value) in subject.entry.sent.values.iter() {
        if let Some(index) = entity.index_of(name) {
            row[index] = value.clone();
        }
    }
    Some(row)
}

/// Whether two rows agree in everything that travels.
pub(super) fn same(entity: &EntitySchema, a: &Row, b: &Row) -> bool {
    entity.agree(a, b)
}

/// A record as the server has it, as a full local row; attributes that do not travel keep their local value. None where the server means
/// another record: a database that was restored may issue a key again that this device knows from before.
pub(super) async fn stored_row(
    run: &Run<'_>,
    tx: &mut dyn LocalTransaction,
    subject: &Subject<'_>,
    stored: &ServerRecord,
) -> Result<Option<Row>> {
    let (entity, local) = (subject.entity, subject.mine.as_ref());
    let keys = Keys::of(tx, &run.syncer.schema, entity).await?;
    let mut row = keys.row_to_local(tx, entity.row(&stored.fields)?).await?;
    if entity.key_of(&row) != subject.entry.key {
        return Ok(None);
    }
    for (index, _) in entity
        .attributes
        .iter()
        .enumerate()
        .filter(|(_, attribute)| attribute.local)
    {
        row[index] = local
            .and_then(|local| local.get(index))
            .cloned()
            .unwrap_or_default();
    }
    Ok(Some(row))
}

async fn acknowledge(
    run: &mut Run<'_>,
    tx: &mut dyn LocalTransaction,
    subject: Subject<'_>,
    outcome: &Outcome,
) -> Result<()> {
    run.summary.applied += 1;
    let (schema, entity) = (&run.syncer.schema, subject.entity);
    let Outcome::Applied { key, stored, gone } = outcome else {
        return Ok(());
    };
    let created = subject.entry.mutation.kind == MutationKind::Create;
    if let Some(server) = key.as_ref().filter(|_| created) {
        note_issued(tx, schema, subject.entry.mutation.id, server).await?;
    }
    if created && run.lists_rejections {
        release_children(run, tx, &subject).await?;
    }
    if *gone && subject.entry.mutation.kind != MutationKind::Delete {
        return discard_later_edits(run, tx, subject, BinReason::Gone).await;
    }
    let sent = as_sent(&subject);
    let base = match stored {
        Some(stored) => match stored_row(run, tx, &subject, stored).await? {
            Some(row) => Some(row),
            None => return discard_later_edits(run, tx, subject, BinReason::Gone).await,
        },
        None => sent.clone(),
    };
    if let (Some(_), Some(base)) = (stored, &base)
        && conflicts::meets_unseen(run, tx, &subject, base).await?
    {
        return Ok(());
    }
    let Some(mut overlay) = subject.overlay else {
        // The overlay left by a page meanwhile; what the server has now replaces what is here.
        return match (stored, base) {
            (Some(_), Some(row)) if subject.mine.is_some() => put_row(tx, entity, row).await,
            _ => Ok(()),
        };
    };
    let visible = adopt(entity, subject.mine.as_ref(), sent.as_ref(), base.as_ref());
    if let Some(visible) = visible
        .as_ref()
        .filter(|visible| Some(*visible) != subject.mine.as_ref())
    {
        put_row(tx, entity, visible.clone()).await?;
    }
    let clean = match (&visible, &base) {
        (Some(visible), Some(base)) => same(entity, visible, base),
        (None, None) => true,
        _ => false,
    };
    if onsync_core::mutant!("an-acknowledgement-cleans-later-edits", clean, true) {
        return tx.remove_overlay(entity, &overlay.key).await;
    }
    overlay.acknowledged_to = overlay
        .acknowledged_to
        .max(subject.entry.edit)
        .min(overlay.edit.saturating_sub(1));
    overlay.base = base;
    overlay.state = RecordState::Waiting;
    tx.put_overlay(entity, &overlay).await
}

/// What the app sees after an acknowledgement: attributes it has not edited since take what the server stored. A record whose
/// delete was applied, and that somebody has made again since, is there again.
fn adopt(entity: &EntitySchema, mine: Option<&Row>, sent: Option<&Row>, stored: Option<&Row>) -> Option<Row> {
    let Some(mine) = mine else {
        return stored.filter(|_| sent.is_none()).cloned();
    };
    let (Some(sent), Some(stored)) = (sent, stored) else {
        return Some(mine.clone());
    };
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

/// The record's content on the server, where the mutation is answered *gone* and a page has brought the record since it was cut: it
/// was deleted, and made again. Had it been deleted after that page, the deletion would lie behind the checkpoint and arrive.
async fn made_again(
    run: &Run<'_>,
    tx: &mut dyn LocalTransaction,
    subject: &Subject<'_>,
) -> Result<Option<Row>> {
    let Some(base) = subject.overlay.as_ref().and_then(|overlay| overlay.base.as_ref()) else {
        return Ok(None);
    };
    let keys = Keys::of(tx, &run.syncer.schema, subject.entity).await?;
    let row = keys.whole_row_to_server(tx, base).await?;
    let now = version(subject.entity, &subject.entry.columns, &row);
    Ok((subject.entry.mutation.base_version != Some(now)).then(|| base.clone()))
}

/// The record takes the server's content; the edits go to the bin.
async fn give_way(
    run: &Run<'_>,
    tx: &mut dyn LocalTransaction,
    subject: Subject<'_>,
    reason: BinReason,
    base: Row,
) -> Result<()> {
    let (entity, key) = (subject.entity, &subject.entry.key);
    if let Some(mine) = subject.mine {
        run.syncer
            .discard(tx, &entity.name, key, reason, entity.fields(mine))
            .await?;
    }
    put_row(tx, entity, base).await?;
    tx.remove_overlay(entity, key).await
}

async fn discard(
    run: &Run<'_>,
    tx: &mut dyn LocalTransaction,
    subject: Subject<'_>,
    reason: BinReason,
) -> Result<()> {
    let entity = subject.entity;
    if subject.overlay.is_none() {
        // A page has taken the edits to the bin already, and what is here is the server's.
        return Ok(());
    }
    let values = match &subject.mine {
        Some(mine) => Some(entity.fields(mine.clone())),
        None if subject.entry.mutation.kind != MutationKind::Delete => {
            Some(subject.entry.sent.values.clone())
        }
        None => None,
    };
    if let Some(values) = values {
        run.syncer
            .discard(tx, &entity.name, &subject.entry.key, reason, values)
            .await?;
    }
    remove(tx, &subject).await
}

async fn remove(tx: &mut dyn LocalTransaction, subject: &Subject<'_>) -> Result<()> {
    if onsync_core::mutant!("what-is-gone-stays-here", true, false) {
        tx.remove(subject.entity, std::slice::from_ref(&subject.entry.key))
            .await?;
    }
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
        let outcome = Outcome::Applied {
            key: None,
            stored: None,
            gone: false,
        };
        run.summary.applied -= 1;
        return acknowledge(run, tx, subject, &outcome).await;
    }
    remove(tx, &subject).await
}
