//! Open conflicts: what is stored of them, and how they are read side by side.
//!
//! A conflict stores its id, when it was noticed and what both sides started from. *Mine* is the visible row and *theirs* the overlay's base, read when
//! they are asked for: there is one truth. Sides that have become equal are no conflict; it is not shown, and the next sync forgets it.

use super::areas::{self, Areas, entity_key};
use super::settle::same;
use onsync_core::conflict::{Conflict, ConflictAttribute};
use onsync_core::mutation::ConflictKind;
use onsync_core::schema::{EntitySchema, Schema};
use onsync_core::store::local::{LocalTransaction, Overlay, RecordState};
use onsync_core::value::Timestamp;
use onsync_core::{Fields, Key, Result, Row};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Conflicts read at a time.
const CHUNK: usize = 500;

/// An open conflict as a UI draws it: no knowledge of the framework is needed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenConflict {
    /// Names the conflict.
    pub id: Uuid,
    /// The entity.
    pub entity: String,
    /// The record's local key.
    pub key: Key,
    /// Which changes met: mine, then theirs.
    pub kind: ConflictKind,
    /// When it was noticed, by the device's clock; for display only.
    pub at: Timestamp,
    /// A change of the record is on its way, and its outcome may end the conflict: it can be resolved after the next sync.
    #[serde(default)]
    pub in_flight: bool,
    /// Every attribute that travels, side by side, in the order of the entity.
    pub attributes: Vec<ConflictAttribute>,
}

/// What is stored of a conflict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredConflict {
    pub(crate) id: Uuid,
    pub(crate) at: Timestamp,
    pub(crate) base: Option<Fields>,
    /// A change of the record is on its way, and its outcome may end the conflict.
    #[serde(default)]
    pub(crate) awaits_outcome: bool,
}

/// A conflict with the record it is about, read in one transaction.
pub(super) struct Open<'a> {
    pub(super) entity: &'a EntitySchema,
    pub(super) stored: StoredConflict,
    pub(super) overlay: Overlay,
    pub(super) mine: Option<Row>,
}

impl Open<'_> {
    /// Whether both sides have become equal, and it is no conflict any more. While a change is on its way, its outcome decides.
    pub(super) fn is_over(&self) -> bool {
        !self.stored.awaits_outcome
            && match (&self.mine, &self.overlay.base) {
                (Some(mine), Some(theirs)) => same(self.entity, mine, theirs),
                (None, None) => true,
                _ => false,
            }
    }

    /// As resolvers see it.
    pub(super) fn conflict(&self) -> Conflict {
        let theirs = &self.overlay.base;
        let fields = |row: &Option<Row>| row.clone().map(|row| self.entity.fields(row));
        Conflict {
            id: self.stored.id,
            entity: self.entity.name.clone(),
            key: self.overlay.key.clone(),
            kind: ConflictKind::of(self.stored.base.is_some(), self.mine.is_some(), theirs.is_some()),
            base: self.stored.base.clone(),
            mine: fields(&self.mine),
            theirs: fields(theirs),
        }
    }

    fn shown(&self) -> OpenConflict {
        let conflict = self.conflict();
        OpenConflict {
            attributes: conflict.attributes(self.entity),
            id: conflict.id,
            entity: conflict.entity,
            key: conflict.key,
            kind: conflict.kind,
            at: self.stored.at,
            in_flight: self.stored.awaits_outcome,
        }
    }
}

/// Named fields as a row; attributes that the entity no longer has are left out.
pub(super) fn row_of(entity: &EntitySchema, fields: &Fields) -> Row {
    let attributes = entity.attributes.iter();
    attributes
        .map(|attribute| fields.value(&attribute.name).clone())
        .collect()
}

/// The stored conflict of a record.
pub(super) async fn stored(
    tx: &mut dyn LocalTransaction,
    entity: &EntitySchema,
    key: &Key,
) -> Result<Option<StoredConflict>> {
    tx.load(areas::CONFLICT, &entity_key(&entity.name, &key.to_bytes()))
        .await
}

/// The conflict is over; none there is no error.
pub(super) async fn forget(tx: &mut dyn LocalTransaction, entity: &EntitySchema, key: &Key) -> Result<()> {
    tx.area_remove(areas::CONFLICT, &entity_key(&entity.name, &key.to_bytes()))
        .await
}

/// Open conflicts, of one entity if it is named, by entity and key.
pub(crate) async fn list(
    tx: &mut dyn LocalTransaction,
    schema: &Schema,
    entity: Option<&str>,
    limit: usize,
) -> Result<Vec<OpenConflict>> {
    let prefix = match entity {
        Some(name) => Some(entity_key(&schema.entity(name)?.name, b"")),
        None => None,
    };
    let (mut found, mut after) = (Vec::new(), prefix.clone());
    loop {
        let wanted = CHUNK.min(limit - found.len());
        let page = tx
            .list::<StoredConflict>(areas::CONFLICT, after.as_deref(), wanted)
            .await?;
        let Some((last, _)) = page.last() else {
            return Ok(found);
        };
        after = Some(last.clone());
        for (name, group) in by_entity(page)? {
            if entity.is_some_and(|wanted| wanted != name) {
                return Ok(found);
            }
            // An entity that is not configured any more keeps its conflicts for the day it is again.
            let Ok(entity) = schema.entity(&name) else {
                continue;
            };
            let opens = open_all(tx, entity, group).await?;
            found.extend(opens.iter().filter(|open| !open.is_over()).map(Open::shown));
        }
        if found.len() >= limit {
            return Ok(found);
        }
    }
}

/// Neighbours of one entity, with their keys.
type Group = Vec<(Key, StoredConflict)>;

fn by_entity(page: Vec<(Vec<u8>, StoredConflict)>) -> Result<Vec<(String, Group)>> {
    let mut groups: Vec<(String, Group)> = Vec::new();
    for (key, stored) in page {
        let end = key.iter().position(|byte| *byte == 0).unwrap_or(key.len());
        let name = String::from_utf8_lossy(&key[..end]).into_owned();
        let key = Key::from_bytes(key.get(end + 1..).unwrap_or_default())?;
        match groups.last_mut().filter(|(last, _)| *last == name) {
            Some((_, group)) => group.push((key, stored)),
            None => groups.push((name, vec![(key, stored)])),
        }
    }
    Ok(groups)
}

async fn open_all<'a>(
    tx: &mut dyn LocalTransaction,
    entity: &'a EntitySchema,
    group: Group,
) -> Result<Vec<Open<'a>>> {
    let keys: Vec<Key> = group.iter().map(|(key, _)| key.clone()).collect();
    let overlays = tx.overlays(entity, &keys).await?;
    let rows = tx.get(entity, &keys).await?;
    let both = group.into_iter().zip(overlays).zip(rows);
    Ok(both
        .filter_map(|(((_, stored), overlay), mine)| {
            let overlay = overlay.filter(|overlay| overlay.state == RecordState::Conflicted)?;
            Some(Open {
                entity,
                stored,
                overlay,
                mine,
            })
        })
        .collect())
}

/// The open conflict of a record; none if there is none.
pub(super) async fn open<'a>(
    tx: &mut dyn LocalTransaction,
    entity: &'a EntitySchema,
    key: &Key,
) -> Result<Option<Open<'a>>> {
    match stored(tx, entity, key).await? {
        Some(stored) => Ok(open_all(tx, entity, vec![(key.clone(), stored)]).await?.pop()),
        None => Ok(None),
    }
}

/// The open conflict of a record, as a UI draws it.
pub(crate) async fn show(
    tx: &mut dyn LocalTransaction,
    schema: &Schema,
    entity: &str,
    key: &Key,
) -> Result<Option<OpenConflict>> {
    let found = open(tx, schema.entity(entity)?, key).await?;
    Ok(found.filter(|open| !open.is_over()).as_ref().map(Open::shown))
}

/// The records of an entity in an open conflict.
pub(super) async fn keys(tx: &mut dyn LocalTransaction, entity: &EntitySchema) -> Result<Vec<Key>> {
    let prefix = entity_key(&entity.name, b"");
    let (mut keys, mut after) = (Vec::new(), prefix.clone());
    loop {
        let page = tx.area_scan(areas::CONFLICT, Some(&after), CHUNK).await?;
        for (place, _) in &page {
            match place.strip_prefix(prefix.as_slice()) {
                Some(key) => keys.push(Key::from_bytes(key)?),
                None => return Ok(keys),
            }
        }
        match page.into_iter().next_back() {
            Some((last, _)) => after = last,
            None => return Ok(keys),
        }
    }
}

/// Those of them that the app has edited since the conflict was last looked at.
pub(super) async fn edited(tx: &mut dyn LocalTransaction, entity: &EntitySchema) -> Result<Vec<Key>> {
    let mut edited = Vec::new();
    for chunk in keys(tx, entity).await?.chunks(CHUNK) {
        let overlays = tx.overlays(entity, chunk).await?.into_iter().flatten();
        let since =
            overlays.filter(|overlay| overlay.state == RecordState::Conflicted && overlay.is_waiting());
        edited.extend(since.map(|overlay| overlay.key));
    }
    Ok(edited)
}

/// How many of an entity's conflicts are none any more since the app's edits: they are stored until the next sync.
pub(super) async fn count_over(tx: &mut dyn LocalTransaction, entity: &EntitySchema) -> Result<u64> {
    let mut over = 0;
    for key in edited(tx, entity).await? {
        over += u64::from(open(tx, entity, &key).await?.is_some_and(|open| open.is_over()));
    }
    Ok(over)
}
