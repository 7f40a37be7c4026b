//! Conflicts: how they become durable, follow the server, and end by themselves or by their entity's resolver.

use super::areas::{self, Areas, entity_key};
use super::cut::forget_rejections;
use super::exchange::Run;
use super::open_conflicts::{Open, StoredConflict, forget, row_of, stored};
use super::resolve::Desk;
use super::revisit;
use super::settle::{Subject, as_sent, same, stored_row};
use onsync_core::conflict::Resolution;
use onsync_core::mutation::{BinReason, MutationKind, Outcome};
use onsync_core::page::PageKind;
use onsync_core::pattern::{Action, DirtyRecord, Incoming, Settlement};
use onsync_core::resolvers::MANUAL;
use onsync_core::schema::EntitySchema;
use onsync_core::store::local::{LocalTransaction, Overlay, RecordState};
use onsync_core::{Fields, Key, Result, Row};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The sides of a conflict, as they become durable.
pub(super) struct Sides {
    pub(super) base: Option<Row>,
    pub(super) mine: Option<Row>,
    pub(super) theirs: Option<Row>,
    /// Whether a change of the record is on its way: its outcome comes before any resolution.
    pub(super) awaits_outcome: bool,
}

/// The pattern answered an outcome with a conflict.
pub(super) async fn found(
    run: &mut Run<'_>,
    tx: &mut dyn LocalTransaction,
    subject: Subject<'_>,
    outcome: &Outcome,
) -> Result<()> {
    let entity = subject.entity;
    let theirs = match outcome {
        Outcome::Conflict {
            theirs: Some(stored), ..
        } => stored_row(run, tx, &subject, stored).await?,
        _ => None,
    };
    let base = match outcome {
        // What was sent took effect, so it is what both start from.
        Outcome::Applied { .. } => as_sent(&subject),
        _ => subject.base_when_cut(),
    };
    let Some(overlay) = subject.overlay else {
        return Ok(());
    };
    let sides = Sides {
        base,
        mine: subject.mine,
        theirs,
        awaits_outcome: false,
    };
    make_durable(run, tx, entity, overlay, sides).await
}

/// Stores a conflict, or what is new of it; the record keeps showing mine and is not sent until it is resolved. Equal sides are no
/// conflict. The entity's resolver is asked in the same transaction.
pub(super) async fn make_durable(
    run: &mut Run<'_>,
    tx: &mut dyn LocalTransaction,
    entity: &EntitySchema,
    mut overlay: Overlay,
    sides: Sides,
) -> Result<()> {
    let Sides {
        base,
        mine,
        theirs,
        awaits_outcome,
    } = sides;
    let key = overlay.key.clone();
    if overlay.state == RecordState::Rejected {
        forget_rejections(tx, entity, &key).await?;
    }
    let equal = match (&mine, &theirs) {
        (Some(mine), Some(theirs)) => same(entity, mine, theirs),
        (None, None) => true,
        _ => false,
    };
    if equal {
        return end_over(tx, entity, &key).await;
    }
    let known = stored(tx, entity, &key).await?;
    let is_new = known.is_none();
    if is_new {
        revisit::note(run.syncer, tx, entity).await?;
    }
    let mut stored = known.unwrap_or_else(|| StoredConflict {
        id: run.syncer.runtime.random_uuid(),
        at: run.syncer.runtime.now(),
        base: base.map(|row| entity.fields(row)),
        awaits_outcome,
    });
    stored.awaits_outcome = awaits_outcome;
    let place = entity_key(&entity.name, &key.to_bytes());
    tx.store(areas::CONFLICT, &place, &stored).await?;
    overlay.base = theirs;
    overlay.state = RecordState::Conflicted;
    overlay.acknowledged_to = overlay.edit;
    tx.put_overlay(entity, &overlay).await?;
    let open = Open {
        entity,
        stored,
        overlay,
        mine,
    };
    let left_open = ask_resolver(run, tx, open).await?;
    if is_new {
        run.summary.conflicts += 1;
        if left_open {
            run.detected.push((entity.name.clone(), key));
        }
    }
    Ok(())
}

/// Both sides have become equal: nothing is unsent, and there is no conflict.
pub(super) async fn end_over(tx: &mut dyn LocalTransaction, entity: &EntitySchema, key: &Key) -> Result<()> {
    forget(tx, entity, key).await?;
    tx.remove_overlay(entity, key).await
}

/// Lets the entity's resolver decide; true if the conflict stays open. While a change of the record is on its way its outcome decides.
pub(super) async fn ask_resolver(
    run: &mut Run<'_>,
    tx: &mut dyn LocalTransaction,
    open: Open<'_>,
) -> Result<bool> {
    let entity = open.entity;
    let Some(resolver) = run.syncer.resolvers.get(&entity.name) else {
        return Ok(true);
    };
    if resolver.name() == MANUAL || open.stored.awaits_outcome {
        return Ok(true);
    }
    let conflict = open.conflict();
    let answer = catch_unwind(AssertUnwindSafe(|| resolver.resolve(entity, &conflict)));
    let Ok(resolution) = answer else {
        tracing::warn!(
            entity = entity.name,
            resolver = resolver.name(),
            "a conflict resolver panicked; the conflict stays open"
        );
        return Ok(true);
    };
    if resolution == Resolution::Ask {
        return Ok(true);
    }
    let desk = Desk {
        schema: &run.syncer.schema,
        runtime: run.syncer.runtime.as_ref(),
        max_record_bytes: run.syncer.limits.max_record_bytes,
        reason: BinReason::Overwritten,
    };
    if let Resolution::Merge(fields) = &resolution
        && let Err(error) = desk.check_merge(&open, fields)
    {
        tracing::warn!(
            entity = entity.name,
            resolver = resolver.name(),
            code = error.code(),
            "a conflict resolver merged what cannot be; the conflict stays open"
        );
        tracing::debug!(%error, "a conflict resolver merged what cannot be");
        return Ok(true);
    }
    desk.end(tx, open, &resolution).await?;
    run.resolved = true;
    Ok(false)
}

/// The base of a record's edits as a page is to be planned on it: a conflict's own, where one is open.
pub(super) async fn planning_base(
    tx: &mut dyn LocalTransaction,
    entity: &EntitySchema,
    overlay: &Overlay,
) -> Result<Option<Row>> {
    if overlay.state != RecordState::Conflicted {
        return Ok(overlay.base.clone());
    }
    let stored = stored(tx, entity, &overlay.key).await?;
    Ok(stored
        .and_then(|stored| stored.base)
        .map(|base| row_of(entity, &base)))
}

/// The conflict is over and the record waits again, or for the outcome of what is on its way. The caller stores the overlay.
pub(super) async fn reopen(
    tx: &mut dyn LocalTransaction,
    entity: &EntitySchema,
    overlay: &mut Overlay,
    in_flight: bool,
) -> Result<()> {
    if overlay.state != RecordState::Conflicted {
        return Ok(());
    }
    forget(tx, entity, &overlay.key).await?;
    overlay.state = match in_flight {
        true => RecordState::InFlight,
        false => RecordState::Waiting,
    };
    overlay.acknowledged_to = overlay.edit.saturating_sub(1);
    Ok(())
}

/// Keeps what a mutation on its way was based on, when a page moves the record's base under it.
pub(super) async fn keep_base(
    tx: &mut dyn LocalTransaction,
    entity: &EntitySchema,
    key: &Key,
    base: Option<&Row>,
) -> Result<()> {
    let place = entity_key(&entity.name, &key.to_bytes());
    if tx.area_get(areas::BASE_WHEN_CUT, &place).await?.is_some() {
        return Ok(());
    }
    let base = base.map(|row| entity.fields(row.clone()));
    tx.store(areas::BASE_WHEN_CUT, &place, &base).await
}

/// What a mutation that is settled now was based on, where a page has moved the record's base since; it is forgotten then.
pub(super) async fn take_base(
    tx: &mut dyn LocalTransaction,
    entity: &EntitySchema,
    key: &Key,
) -> Result<Option<Option<Row>>> {
    let place = entity_key(&entity.name, &key.to_bytes());
    let kept = tx.load::<Option<Fields>>(areas::BASE_WHEN_CUT, &place).await?;
    if kept.is_some() {
        tx.area_remove(areas::BASE_WHEN_CUT, &place).await?;
    }
    Ok(kept.map(|base| base.map(|base| row_of(entity, &base))))
}

/// Whether an edit made after its record's mutation was cut meets a change of the server that it was made without knowing: then the pattern
/// plans the server's record on that edit as it would a page. The base for that, if so.
pub(super) fn unseen(run: &Run<'_>, subject: &Subject<'_>, stored: &Row) -> Option<Option<Row>> {
    let entity = subject.entity;
    let may_be_repeated = run.repeated.contains(&subject.entry.mutation.number);
    let (now, then) = (as_sent(subject), subject.as_sent_when_cut());
    let travelling = || (0..entity.attributes.len()).filter(|index| !entity.attributes[*index].local);
    let meets = match (&subject.mine, &now, &then) {
        // Made again after its delete was cut, and by somebody else too.
        (Some(_), None, _) => subject.entry.mutation.kind == MutationKind::Delete,
        // Deleted since: what the server only wrote in another form is no change.
        (None, _, Some(then)) => may_be_repeated && !same(entity, then, stored),
        // What travels together is edited, and changed there, as one.
        (Some(mine), Some(now), Some(then)) => travelling().any(|index| {
            let members = entity.together_with(index);
            let edited = |index: usize| mine[index] != now[index] && mine[index] != stored[index];
            let changed = |index: usize| {
                let name = &entity.attributes[index].name;
                let normalised = subject.entry.sent.values.has(name) && !may_be_repeated;
                stored[index] != then[index] && !normalised
            };
            members.iter().any(|member| edited(*member)) && members.iter().any(|member| changed(*member))
        }),
        _ => false,
    };
    meets.then_some(then)
}

/// Asks the pattern about such an edit; true if it is a conflict, which is durable then.
pub(super) async fn meets_unseen(
    run: &mut Run<'_>,
    tx: &mut dyn LocalTransaction,
    subject: &Subject<'_>,
    stored: &Row,
) -> Result<bool> {
    let (entity, Some(overlay)) = (subject.entity, &subject.overlay) else {
        return Ok(false);
    };
    let Some(base) = unseen(run, subject, stored) else {
        return Ok(false);
    };
    let dirty = DirtyRecord {
        entity,
        base: base.as_ref(),
        mine: subject.mine.as_ref(),
        in_flight: None,
    };
    let pattern = run.syncer.pattern(&entity.name)?;
    let Action::Conflict(_) = pattern.plan(&dirty, Incoming::Row(stored), &PageKind::Delta) else {
        return Ok(false);
    };
    let sides = Sides {
        base,
        mine: subject.mine.clone(),
        theirs: Some(stored.clone()),
        awaits_outcome: false,
    };
    make_durable(run, tx, entity, overlay.clone(), sides).await?;
    Ok(true)
}

/// A change that was refused had met a page on its way, and its outcome was to decide: nothing of it is on the server, so the pattern
/// compares what arrived then with what the change was based on. True if that is a conflict, which is durable then.
pub(super) async fn met_while_on_its_way(
    run: &mut Run<'_>,
    tx: &mut dyn LocalTransaction,
    subject: &Subject<'_>,
) -> Result<bool> {
    let (entity, Some(base), Some(overlay)) = (subject.entity, &subject.moved, &subject.overlay) else {
        return Ok(false);
    };
    let Some(theirs) = &overlay.base else {
        return Ok(false);
    };
    let dirty = DirtyRecord {
        entity,
        base: base.as_ref(),
        mine: subject.mine.as_ref(),
        in_flight: None,
    };
    let pattern = run.syncer.pattern(&entity.name)?;
    let Action::Conflict(_) = pattern.plan(&dirty, Incoming::Row(theirs), &PageKind::Delta) else {
        return Ok(false);
    };
    let sides = Sides {
        base: base.clone(),
        mine: subject.mine.clone(),
        theirs: Some(theirs.clone()),
        awaits_outcome: false,
    };
    make_durable(run, tx, entity, overlay.clone(), sides).await?;
    Ok(true)
}

/// A deletion arrives for a record in conflict that is an own create: there is nothing to be in conflict with any more.
pub(super) async fn end_by_deletion(
    tx: &mut dyn LocalTransaction,
    entity: &EntitySchema,
    mut overlay: Overlay,
    in_flight: bool,
) -> Result<()> {
    reopen(tx, entity, &mut overlay, in_flight).await?;
    overlay.base = None;
    tx.put_overlay(entity, &overlay).await
}

/// What an outcome does to a conflict that a page had noticed before: true if it stays open, and all is done.
pub(super) async fn stays(
    run: &mut Run<'_>,
    tx: &mut dyn LocalTransaction,
    subject: &mut Subject<'_>,
    settlement: &Settlement,
) -> Result<bool> {
    match settlement {
        // Made durable anew, with theirs as the outcome tells.
        Settlement::Conflict(_) | Settlement::Retry => return Ok(false),
        // The refused edit is one side of the conflict, which holds it.
        Settlement::Reject(_) => {}
        Settlement::Unknown => super::refused::list_unknown(run, tx, subject.entry).await?,
        Settlement::Acknowledge | Settlement::Discard(_) | Settlement::Forget => {
            if let Some(overlay) = &mut subject.overlay {
                reopen(tx, subject.entity, overlay, false).await?;
            }
            return Ok(false);
        }
    }
    if let Some(overlay) = subject.overlay.take() {
        let sides = Sides {
            base: None,
            mine: subject.mine.take(),
            theirs: None,
            awaits_outcome: false,
        };
        make_durable(run, tx, subject.entity, overlay, sides).await?;
    }
    Ok(true)
}

/// Takes a conflicted record back to where it was before its outcome is known: a page noticed a deletion while its change was on its way.
pub(super) async fn set_aside(
    tx: &mut dyn LocalTransaction,
    entity: &EntitySchema,
    overlay: &mut Option<Overlay>,
) -> Result<bool> {
    let Some(overlay) = overlay
        .as_mut()
        .filter(|overlay| overlay.state == RecordState::Conflicted)
    else {
        return Ok(false);
    };
    overlay.base = planning_base(tx, entity, overlay).await?;
    Ok(true)
}
