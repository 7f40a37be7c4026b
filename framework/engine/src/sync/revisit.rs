//! Revisit: before a sync, open conflicts are looked at again where this device has changed something. Sides that the app's edits made equal are no
//! conflict any more; an entity's resolver is asked about what was edited, and a resolver that is new to the entity about all.

use super::Syncer;
use super::areas::{self, Areas};
use super::conflicts::{ask_resolver, end_over};
use super::exchange::{Look, Run};
use super::open_conflicts::{edited, keys, open};
use onsync_core::resolvers::MANUAL;
use onsync_core::schema::EntitySchema;
use onsync_core::store::local::LocalTransaction;
use onsync_core::{Key, Result};

/// Conflicts looked at in one transaction.
const CHUNK: usize = 100;

/// Looks at what is open again. Where nothing is to be done, which is the rule, the rest of the run goes on with the same look at the store.
pub(super) async fn revisit(run: &mut Run<'_>) -> Result<Look> {
    let syncer = run.syncer;
    let mut tx = run.look(None).await?;
    if tx.area_scan(areas::CONFLICT, None, 1).await?.is_empty() {
        return Ok(Some(tx));
    }
    let mut work: Vec<(&EntitySchema, Vec<Key>)> = Vec::new();
    for entity in syncer.schema.entities.iter().filter(|entity| !entity.local) {
        let found = match is_new(syncer, tx.as_mut(), entity).await? {
            true => keys(tx.as_mut(), entity).await?,
            false if tx.count_waiting(entity).await? > 0 => edited(tx.as_mut(), entity).await?,
            false => continue,
        };
        if !found.is_empty() {
            work.push((entity, found));
        }
    }
    if work.is_empty() {
        return Ok(Some(tx));
    }
    drop(tx);
    for (entity, keys) in work {
        for chunk in keys.chunks(CHUNK) {
            look_at(run, entity, chunk).await?;
        }
        let mut tx = syncer.begin(run.fence, false).await?;
        if is_new(syncer, tx.as_mut(), entity).await? {
            note(syncer, tx.as_mut(), entity).await?;
            tx.commit().await?;
        }
    }
    // What was decided goes with the first request of this run.
    run.resolved = false;
    Ok(None)
}

async fn look_at(run: &mut Run<'_>, entity: &EntitySchema, keys: &[Key]) -> Result<()> {
    let mut tx = run.syncer.begin(run.fence, true).await?;
    for key in keys {
        let Some(mut open) = open(tx.as_mut(), entity, key).await? else {
            continue;
        };
        if open.stored.awaits_outcome {
            continue;
        }
        if open.is_over() {
            end_over(tx.as_mut(), entity, key).await?;
            continue;
        }
        open.overlay.acknowledged_to = open.overlay.edit;
        tx.put_overlay(entity, &open.overlay).await?;
        ask_resolver(run, tx.as_mut(), open).await?;
    }
    tx.commit().await
}

fn resolver<'a>(syncer: &'a Syncer, entity: &EntitySchema) -> &'a str {
    let named = syncer.resolvers.get(&entity.name);
    named.map_or(MANUAL, |resolver| resolver.name())
}

/// Whether the entity's resolver is not the one that its open conflicts were offered to.
async fn is_new(syncer: &Syncer, tx: &mut dyn LocalTransaction, entity: &EntitySchema) -> Result<bool> {
    let asked: Option<String> = tx.load(areas::RESOLVER, entity.name.as_bytes()).await?;
    Ok(asked.as_deref() != Some(resolver(syncer, entity)))
}

/// Notes that the entity's open conflicts, all of them, were offered to its resolver. A step begins by offering what is open, so it is true
/// when a conflict is found, too.
pub(super) async fn note(
    syncer: &Syncer,
    tx: &mut dyn LocalTransaction,
    entity: &EntitySchema,
) -> Result<()> {
    if is_new(syncer, tx, entity).await? {
        let name = resolver(syncer, entity);
        tx.store(areas::RESOLVER, entity.name.as_bytes(), &name).await?;
    }
    Ok(())
}
