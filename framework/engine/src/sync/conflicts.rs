//! Conflicts: how they become durable. Resolving them is a later version's.

use super::areas::{self, Areas, entity_key};
use super::exchange::Run;
use super::settle::{Subject, stored_row};
use onsync_core::conflict::Conflict;
use onsync_core::mutation::{ConflictKind, Outcome};
use onsync_core::schema::EntitySchema;
use onsync_core::store::local::{LocalTransaction, Overlay, RecordState};
use onsync_core::{Fields, Result, Row};

/// The server answered with a conflict.
pub(super) async fn found(
    run: &mut Run<'_>,
    tx: &mut dyn LocalTransaction,
    subject: Subject<'_>,
    kind: ConflictKind,
    outcome: &Outcome,
) -> Result<()> {
    let entity = subject.entity;
    let theirs = match outcome {
        Outcome::Conflict {
            theirs: Some(stored), ..
        } => Some(stored_row(run, tx, entity, stored, subject.mine.as_ref()).await?),
        _ => None,
    };
    let Some(overlay) = subject.overlay else {
        return Ok(());
    };
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
    tx.store(
        areas::CONFLICT,
        &entity_key(&entity.name, &overlay.key.to_bytes()),
        &conflict,
    )
    .await?;
    overlay.base = theirs;
    overlay.state = RecordState::Conflicted;
    tx.put_overlay(entity, &overlay).await
}
