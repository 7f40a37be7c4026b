//! Apply: one page, one transaction, with its checkpoint.
//!
//! A page is applied only if it continues the checkpoint that is stored: an answer that comes late, or twice, changes
//! nothing. A pattern that refreshes as a whole has its pages staged and written by one final transaction, as long
//! as they stay within the refresh limit; beyond it they are written one by one.

use super::areas::{self, Areas, StoredCheckpoint, entity_key};
use super::exchange::Run;
use super::page_write::PageWriter;
use super::together::Arrived;
use onsync_core::page::{Checkpoint, KeyRange, Page, PageKind};
use onsync_core::schema::EntitySchema;
use onsync_core::store::local::{Access, LocalTransaction};
use onsync_core::{Error, Result};

/// Applies pages in one transaction, each of which continues the checkpoint that stands with it. True if they show a part of a set
/// that is too large to be seen at once.
pub(super) async fn apply(run: &mut Run<'_>, pages: Vec<Arrived>) -> Result<bool> {
    let syncer = run.syncer;
    for (page, _) in &pages {
        check(syncer.schema.entity(&page.entity)?, page)?;
    }
    let began = syncer.runtime.elapsed();
    let (count, rows) = (pages.len(), pages.iter().map(|(page, _)| page.rows.len()).sum());
    let mut tx = syncer.begin(run.fence, false).await?;
    let mut in_part = false;
    for (page, expected) in pages {
        in_part |= apply_in(run, tx.as_mut(), page, expected.as_ref()).await?;
    }
    tx.commit().await?;
    if count == 1 {
        syncer.adapt_page(rows, syncer.runtime.elapsed().saturating_sub(began));
    }
    Ok(in_part)
}

async fn apply_in(
    run: &mut Run<'_>,
    tx: &mut dyn LocalTransaction,
    page: Page,
    expected: Option<&Checkpoint>,
) -> Result<bool> {
    let syncer = run.syncer;
    let entity = syncer.schema.entity(&page.entity)?;
    check_continues(tx, &page, expected).await?;
    let stored = StoredCheckpoint {
        checkpoint: page.checkpoint.clone(),
        complete: page.last,
    };
    tx.store(
        areas::CHECKPOINT,
        &entity_key(&page.entity, page.scope.as_bytes()),
        &stored,
    )
    .await?;
    if syncer.pattern(&page.entity)?.whole_refresh() {
        stage_or_write(run, tx, entity, page).await
    } else {
        write(run, tx, entity, page).await?;
        Ok(false)
    }
}

/// The entity's answer was complete: the device is up to date with it. The last page has said so already, where there was one.
pub(super) async fn complete(run: &mut Run<'_>, name: &str) -> Result<()> {
    let key = entity_key(name, b"");
    let mut tx = run.syncer.store.begin(Access::Read).await?;
    let stored = tx.load::<StoredCheckpoint>(areas::CHECKPOINT, &key).await?;
    drop(tx);
    let Some(stored) = stored.filter(|stored| !stored.complete) else {
        return Ok(());
    };
    let mut tx = run.syncer.begin(run.fence, false).await?;
    let complete = StoredCheckpoint {
        complete: true,
        ..stored
    };
    tx.store(areas::CHECKPOINT, &key, &complete).await?;
    tx.commit().await
}

/// Refuses a page whose shape is not what was asked for.
fn check(entity: &EntitySchema, page: &Page) -> Result<()> {
    page.rows.check()?;
    let columns = entity.attributes.iter().filter(|attribute| !attribute.local);
    let wanted: Vec<_> = columns.map(|attribute| attribute.value_type).collect();
    let found: Vec<_> = page
        .rows
        .columns()
        .iter()
        .map(|column| column.value_type())
        .collect();
    if wanted == found || (page.rows.is_empty() && found.is_empty()) {
        return Ok(());
    }
    Err(Error::corrupt(
        "invalid_page",
        format!(
            "wanted a page of `{}` with {} columns as configured, found {} of other types",
            entity.name,
            wanted.len(),
            found.len()
        ),
    ))
}

async fn check_continues(
    tx: &mut dyn LocalTransaction,
    page: &Page,
    expected: Option<&Checkpoint>,
) -> Result<()> {
    let stored: Option<StoredCheckpoint> = tx
        .load(
            areas::CHECKPOINT,
            &entity_key(&page.entity, page.scope.as_bytes()),
        )
        .await?;
    if stored.as_ref().map(|stored| &stored.checkpoint) == expected {
        return Ok(());
    }
    Err(Error::busy(
        "stale_answer",
        format!(
            "an answer for `{}` belongs to an older checkpoint than the one stored; it is not applied",
            page.entity
        ),
    ))
}

/// Whether a snapshot begins with this page.
fn begins(page: &Page) -> bool {
    matches!(&page.kind, PageKind::Snapshot(KeyRange { after: None, .. }))
}

async fn stage_or_write(
    run: &mut Run<'_>,
    tx: &mut dyn LocalTransaction,
    entity: &EntitySchema,
    page: Page,
) -> Result<bool> {
    let prefix = entity_key(&entity.name, b"");
    let staged = if begins(&page) {
        clear_stage(tx, &prefix).await?;
        Vec::new()
    } else {
        staged_keys(tx, &prefix).await?
    };
    if page.last && staged.is_empty() {
        // The last page of a set that was seen in part before, or the only one.
        let in_part = !begins(&page);
        write(run, tx, entity, page).await?;
        return Ok(in_part);
    }
    let rows: usize = staged.iter().map(|(_, rows)| rows).sum::<usize>() + page.rows.len();
    if !page.last && rows <= run.syncer.limits.refresh_limit {
        let mut key = prefix;
        key.extend_from_slice(&(staged.len() as u64).to_be_bytes());
        key.extend_from_slice(&(page.rows.len() as u64).to_be_bytes());
        tx.store(areas::STAGE, &key, &page).await?;
        return Ok(false);
    }
    for (key, _) in staged {
        if let Some(page) = tx.load::<Page>(areas::STAGE, &key).await?
            && onsync_core::mutant!("staged-pages-are-forgotten", true, false)
        {
            write(run, tx, entity, page).await?;
        }
        tx.area_remove(areas::STAGE, &key).await?;
    }
    let in_part = !page.last;
    write(run, tx, entity, page).await?;
    Ok(in_part)
}

/// The keys of an entity's staged pages with their numbers of rows, which stand at the end of the key.
async fn staged_keys(tx: &mut dyn LocalTransaction, prefix: &[u8]) -> Result<Vec<(Vec<u8>, usize)>> {
    let mut keys = Vec::new();
    let mut after = prefix.to_vec();
    loop {
        let found = tx.area_scan(areas::STAGE, Some(&after), 1).await?;
        let Some((key, _)) = found
            .into_iter()
            .next()
            .filter(|(key, _)| key.starts_with(prefix))
        else {
            return Ok(keys);
        };
        let rows = key.last_chunk::<8>().map_or(0, |rows| u64::from_be_bytes(*rows));
        after.clone_from(&key);
        keys.push((key, usize::try_from(rows).unwrap_or(usize::MAX)));
    }
}

async fn clear_stage(tx: &mut dyn LocalTransaction, prefix: &[u8]) -> Result<()> {
    for (key, _) in staged_keys(tx, prefix).await? {
        tx.area_remove(areas::STAGE, &key).await?;
    }
    Ok(())
}

async fn write(
    run: &mut Run<'_>,
    tx: &mut dyn LocalTransaction,
    entity: &EntitySchema,
    page: Page,
) -> Result<()> {
    PageWriter::new(run, tx, entity).write(page).await
}
