//! Wipes a store whose user gave up what it holds. The claim says so before it begins and goes with the last of it, so that a wipe
//! that is interrupted is finished when the store is opened again.

use crate::sync::areas;
use onsync_core::page::KeyRange;
use onsync_core::query::Query;
use onsync_core::schema::{EntitySchema, Schema};
use onsync_core::store::local::{Access, LocalStore, LocalTransaction};
use onsync_core::{Key, Result};

/// Rows a transaction: readers and writers wait no longer than for these.
const CHUNK: usize = 2_000;

/// Removes every record, overlay and note of the framework, except the fence: whoever held it before must stay refused.
pub(crate) async fn wipe(store: &dyn LocalStore, schema: &Schema) -> Result<()> {
    for entity in &schema.entities {
        while wipe_some(store, entity).await? {}
    }
    let mut names: Vec<String> = areas::WIPED.iter().map(|name| (*name).to_owned()).collect();
    for entity in &schema.entities {
        names.push(areas::local_keys(&entity.name));
        names.push(areas::server_keys(&entity.name));
    }
    for name in &names {
        while wipe_area(store, name).await? {}
    }
    let mut tx = store.begin(Access::Sync { durable: true }).await?;
    for (key, _) in tx.area_scan(areas::STATE, None, CHUNK).await? {
        if !areas::is_fence(&key) {
            tx.area_remove(areas::STATE, &key).await?;
        }
    }
    tx.commit().await
}

/// Whether there may be more.
async fn wipe_some(store: &dyn LocalStore, entity: &EntitySchema) -> Result<bool> {
    let mut tx = store.begin(Access::Sync { durable: false }).await?;
    let rows = tx
        .query(entity, &Query::entity(&entity.name).limit(CHUNK))
        .await?;
    let keys: Vec<Key> = rows.iter().map(|row| entity.key_of(row)).collect();
    if !keys.is_empty() {
        tx.remove(entity, &keys).await?;
    }
    let overlays = wipe_overlays(tx.as_mut(), entity).await?;
    tx.commit().await?;
    Ok(keys.len() == CHUNK || overlays == CHUNK)
}

async fn wipe_overlays(tx: &mut dyn LocalTransaction, entity: &EntitySchema) -> Result<usize> {
    if entity.local {
        return Ok(0);
    }
    let overlays = tx.overlays_in(entity, &KeyRange::all(), CHUNK).await?;
    for overlay in &overlays {
        tx.remove_overlay(entity, &overlay.key).await?;
    }
    Ok(overlays.len())
}

async fn wipe_area(store: &dyn LocalStore, area: &str) -> Result<bool> {
    let mut tx = store.begin(Access::Sync { durable: false }).await?;
    let found = tx.area_scan(area, None, CHUNK).await?;
    if found.is_empty() {
        return Ok(false);
    }
    for (key, _) in &found {
        tx.area_remove(area, key).await?;
    }
    tx.commit().await?;
    Ok(found.len() == CHUNK)
}
