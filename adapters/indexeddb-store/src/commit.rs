//! Commit: everything a transaction wrote, in one transaction of IndexedDB.

use crate::error::from_js;
use crate::kept::{Kept, commits, read_many, readers_lock};
use crate::layout::{COMMITS, META, UNDO, rows_store};
use crate::locks::{self, Want};
use crate::request::{Mode, Raw, to_js};
use crate::undo;
use crate::values::row_value;
use onsync_core::ordered::BTreeSet;
use onsync_core::{Error, Result};

/// Writes what a transaction kept; whether there was anything.
pub(crate) async fn commit(kept: &Kept, mode: Mode) -> Result<bool> {
    let written = kept.written();
    if written.values().all(|patch| patch.is_empty()) {
        return Ok(false);
    }
    // While it is held nobody begins to read. If somebody reads already, what they see is kept.
    let alone = locks::request(&readers_lock(&kept.database.name), Want::ExclusiveNow).await?;
    let mut stores: BTreeSet<&str> = written.keys().map(String::as_str).collect();
    stores.extend([META, UNDO]);
    let stores: Vec<&str> = stores.into_iter().collect();
    let (connection, raw) = kept.database.begin(&stores, mode).await?;
    let number = commits(&raw).await? + 1;
    if kept.began().is_some_and(|began| began + 1 != number) {
        return Err(Error::transient(
            "store_busy",
            "another tab wrote to the database within this transaction, because the browser took its lock away; do it again",
        ));
    }
    let failed = |exception| from_js("writing", &exception);
    if alone.is_some() {
        raw.store(UNDO)?.clear().map_err(failed)?;
    } else {
        keep_for_readers(kept, &raw, number).await?;
    }
    for (entity, table) in &connection.layout.entities {
        let name = rows_store(entity);
        let Some(patch) = written.get(&name) else { continue };
        let rows = raw.store(&name)?;
        for (key, value) in patch {
            match value {
                Some(bytes) => rows.put_with_key(&row_value(table, bytes)?, &to_js(key)),
                None => rows.delete(&to_js(key)),
            }
            .map_err(failed)?;
        }
    }
    for (name, patch) in written
        .iter()
        .filter(|(name, _)| !name.starts_with(&rows_store("")))
    {
        let store = raw.store(name)?;
        for (key, value) in patch {
            match value {
                Some(bytes) => store.put_with_key(&to_js(bytes), &to_js(key)),
                None => store.delete(&to_js(key)),
            }
            .map_err(failed)?;
        }
    }
    raw.store(META)?
        .put_with_key(&to_js(&number.to_be_bytes()), &to_js(COMMITS))
        .map_err(failed)?;
    raw.complete().await?;
    drop(alone);
    Ok(true)
}

async fn keep_for_readers(kept: &Kept, raw: &Raw, number: u64) -> Result<()> {
    for (name, patch) in kept.written().iter().filter(|(name, _)| *name != META) {
        let keys: BTreeSet<&[u8]> = patch.keys().map(Vec::as_slice).collect();
        let before = read_many(&raw.store(name)?, &keys).await?;
        undo::write(raw, name, number, patch.keys(), &before)?;
    }
    Ok(())
}
