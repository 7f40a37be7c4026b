//! One transaction: the contract of the store over [`Kept`], with change tracking.

use crate::commit::commit;
use crate::kept::Kept;
use crate::layout::{AREAS, EDITS, Form, next_key, overlays_store, rows_store};
use crate::query;
use crate::request::{Bytes, Mode};
use crate::store::Shared;
use crate::values::StoredOverlay;
use onsync_core::ordered::BTreeMap;
use onsync_core::page::KeyRange;
use onsync_core::query::Query;
use onsync_core::rows::RowSet;
use onsync_core::schema::{EntitySchema, Ids};
use onsync_core::store::check;
use onsync_core::store::local::{
    Access, FIRST_LOCAL_INTEGER, LOCAL_TEXT_PREFIX, LocalTransaction, Overlay, RecordState,
};
use onsync_core::value::canonical_bytes;
use onsync_core::{Error, Key, Result, Row, Value, ValueType, portable_async};
use std::rc::Rc;
use uuid::Uuid;

pub(crate) struct IndexedDbTransaction {
    shared: Rc<Shared>,
    kept: Kept,
    access: Access,
}

/// A value of an area: the area's name, its length before it, then the key.
fn area_key(area: &str, key: &[u8]) -> Vec<u8> {
    let length = u32::try_from(area.len()).unwrap_or(u32::MAX).to_be_bytes();
    [length.as_slice(), area.as_bytes(), key].concat()
}

impl IndexedDbTransaction {
    pub(crate) fn new(shared: Rc<Shared>, kept: Kept, access: Access) -> Self {
        Self { shared, kept, access }
    }

    /// Refuses what is not the entity the store was opened with; the form of its rows.
    async fn form(&self, entity: &EntitySchema) -> Result<Form> {
        self.shared.known(entity)?;
        let connection = self.kept.database.connection().await?;
        Form::new(connection.layout.table(&entity.name)?, entity)
    }

    fn may_write(&self, what: &str, on: &str) -> Result<()> {
        if self.access == Access::Read {
            return Err(Error::rejected(
                "read_only_transaction",
                format!("`{what}` writes, and the transaction was begun with Access::Read; begin it with App or Sync"),
            )
            .at(on));
        }
        Ok(())
    }

    /// Refuses the app's writes to entities it must not write.
    fn may_edit(&self, what: &str, entity: &EntitySchema) -> Result<()> {
        self.may_write(what, &entity.name)?;
        if self.access == Access::App && self.shared.known(entity)?.refuse_local_writes {
            return Err(Error::rejected(
                "read_only_entity",
                format!(
                    "pattern `{}` takes no local writes; set `local_edits = \"keep\"` or another pattern",
                    entity.pattern
                ),
            )
            .at(&entity.name));
        }
        Ok(())
    }

    fn tracks(&self, entity: &EntitySchema) -> Result<bool> {
        Ok(self.access == Access::App && !self.shared.known(entity)?.local)
    }

    /// Makes or moves the overlays of records that are about to be written, whose rows are these now.
    async fn track(
        &mut self,
        entity: &EntitySchema,
        keys: &[Vec<u8>],
        rows: &BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    ) -> Result<()> {
        if keys.is_empty() || !self.tracks(entity)? {
            return Ok(());
        }
        let store = overlays_store(&entity.name);
        let mut edit = self.kept.number(EDITS).await?.unwrap_or_default();
        let found = self.kept.get_many(&store, keys).await?;
        for (key, found) in keys.iter().zip(found) {
            edit += 1;
            let overlay = match found {
                Some(bytes) => StoredOverlay {
                    edit,
                    ..StoredOverlay::from_bytes(&bytes)?
                },
                None => StoredOverlay {
                    base: rows.get(key).cloned().flatten(),
                    edit,
                    acknowledged_to: 0,
                    state: RecordState::Waiting,
                },
            };
            self.kept.put(&store, key.clone(), overlay.to_bytes());
        }
        self.kept.set_number(EDITS, edit);
        Ok(())
    }

    /// The key under which a new row is inserted: its own, or one made here in place of null.
    async fn new_key(&mut self, entity: &EntitySchema, row: &Row) -> Result<Key> {
        let found = entity.key_of(row);
        let key = match (found.0.as_slice(), entity.key_types().as_slice()) {
            ([Value::Null], [ValueType::Uuid]) => Key::one(Uuid::new_v4()),
            ([Value::Null], [ValueType::Text]) if entity.ids == Ids::Server => {
                Key::one(format!("{LOCAL_TEXT_PREFIX}{}", Uuid::new_v4()))
            }
            ([Value::Null], [ValueType::Integer]) if entity.ids == Ids::Server => {
                let next = self.next_integer(entity).await?;
                if next == i64::MAX {
                    return Err(Error::fatal(
                        "keys_exhausted",
                        "no local integer key is left behind the greatest one ever used; use another entity name",
                    )
                    .at(&entity.name));
                }
                Key::one(next)
            }
            _ => found,
        };
        check::key(entity, &key)?;
        Ok(key)
    }

    /// The next local integer key; none that was given in this tab is given again, though its transaction was undone.
    async fn next_integer(&mut self, entity: &EntitySchema) -> Result<i64> {
        let stored = self.kept.number(&next_key(&entity.name)).await?;
        let stored = stored.map_or(FIRST_LOCAL_INTEGER, |next| next as i64);
        Ok(stored.max(self.shared.next_integer(&entity.name)))
    }

    /// Takes note of local integer keys in use, so that none is issued again.
    async fn note_keys(&mut self, entity: &EntitySchema, keys: &[Key]) -> Result<()> {
        if entity.ids != Ids::Server {
            return Ok(());
        }
        let used = keys.iter().filter_map(|key| match key.0.as_slice() {
            [Value::Integer(used)] if *used >= FIRST_LOCAL_INTEGER => Some(*used),
            _ => None,
        });
        let Some(greatest) = used.max() else { return Ok(()) };
        let next = self.next_integer(entity).await?.max(greatest.saturating_add(1));
        self.shared.set_next_integer(&entity.name, next);
        // Local integers are positive.
        self.kept.set_number(&next_key(&entity.name), next as u64);
        Ok(())
    }

    fn checked_bytes(entity: &EntitySchema, keys: &[Key]) -> Result<Vec<Vec<u8>>> {
        keys.iter()
            .map(|key| check::key(entity, key).map(|()| key.to_bytes()))
            .collect()
    }

    fn range(entity: &EntitySchema, range: &KeyRange) -> Result<Bytes> {
        for key in range.after.iter().chain(&range.to) {
            check::key(entity, key)?;
        }
        Ok(Bytes {
            after: range.after.as_ref().map(Key::to_bytes),
            to: range.to.as_ref().map(Key::to_bytes),
            ..Bytes::default()
        })
    }

    /// The rows under keys as they are stored now.
    async fn stored(
        &mut self,
        entity: &EntitySchema,
        keys: &[Vec<u8>],
    ) -> Result<BTreeMap<Vec<u8>, Option<Vec<u8>>>> {
        let found = self.kept.get_many(&rows_store(&entity.name), keys).await?;
        Ok(keys.iter().cloned().zip(found).collect())
    }
}

#[portable_async]
impl LocalTransaction for IndexedDbTransaction {
    async fn get(&mut self, entity: &EntitySchema, keys: &[Key]) -> Result<Vec<Option<Row>>> {
        let form = self.form(entity).await?;
        let keys = Self::checked_bytes(entity, keys)?;
        let found = self.kept.get_many(&rows_store(&entity.name), &keys).await?;
        found
            .iter()
            .map(|bytes| bytes.as_deref().map(|bytes| form.visible(bytes)).transpose())
            .collect()
    }

    async fn query(&mut self, entity: &EntitySchema, query: &Query) -> Result<Vec<Row>> {
        self.shared.known(entity)?;
        query::run(&mut self.kept, entity, query).await
    }

    async fn count(&mut self, entity: &EntitySchema) -> Result<u64> {
        self.shared.known(entity)?;
        self.kept.count(&rows_store(&entity.name)).await
    }

    async fn keys_in(&mut self, entity: &EntitySchema, range: &KeyRange) -> Result<Vec<Key>> {
        self.shared.known(entity)?;
        let range = Self::range(entity, range)?;
        let found = self.kept.keys(&rows_store(&entity.name), &range).await?;
        found.iter().map(|bytes| Key::from_bytes(bytes)).collect()
    }

    async fn insert(&mut self, entity: &EntitySchema, row: &Row) -> Result<Key> {
        self.may_edit("insert", entity)?;
        let form = self.form(entity).await?;
        check::row(entity, row)?;
        let key = self.new_key(entity, row).await?;
        let bytes = key.to_bytes();
        let here = self.stored(entity, std::slice::from_ref(&bytes)).await?;
        if here.values().any(Option::is_some) {
            return Err(Error::rejected(
                "record_exists",
                format!("there is already a record with the key {key}; update it, or use another key"),
            )
            .at(&entity.name));
        }
        let mut row = row.clone();
        for (index, value) in entity.key_indexes().into_iter().zip(&key.0) {
            row[index] = value.clone();
        }
        self.note_keys(entity, std::slice::from_ref(&key)).await?;
        self.track(entity, std::slice::from_ref(&bytes), &here).await?;
        let stored = form.bytes(&row, None)?;
        self.kept.put(&rows_store(&entity.name), bytes, stored);
        Ok(key)
    }

    async fn put(&mut self, entity: &EntitySchema, attributes: &[usize], rows: &RowSet) -> Result<()> {
        self.may_edit("put", entity)?;
        let form = self.form(entity).await?;
        let keys = check::put(entity, attributes, rows)?;
        let bytes: Vec<Vec<u8>> = keys.iter().map(Key::to_bytes).collect();
        let store = rows_store(&entity.name);
        // Rows that are written whole and untracked are not read before.
        let blind = form.is_whole(attributes.len()) && !self.tracks(entity)?;
        let mut here = if blind {
            BTreeMap::new()
        } else {
            self.stored(entity, &bytes).await?
        };
        self.note_keys(entity, &keys).await?;
        self.track(entity, &bytes, &here).await?;
        for (row, key) in bytes.into_iter().enumerate() {
            let mut stored = match here.get(&key).and_then(Option::as_deref) {
                Some(before) => form.stored(before)?,
                None => form.empty(),
            };
            for (column, attribute) in attributes.iter().enumerate() {
                stored[form.place(*attribute)] = rows.value(row, column);
            }
            let stored = canonical_bytes(&stored);
            if !blind {
                here.insert(key.clone(), Some(stored.clone()));
            }
            self.kept.put(&store, key, stored);
        }
        Ok(())
    }

    async fn remove(&mut self, entity: &EntitySchema, keys: &[Key]) -> Result<()> {
        self.may_edit("remove", entity)?;
        self.shared.known(entity)?;
        let keys = Self::checked_bytes(entity, keys)?;
        let here = self.stored(entity, &keys).await?;
        let there: Vec<Vec<u8>> = here
            .iter()
            .filter(|(_, row)| row.is_some())
            .map(|(key, _)| key.clone())
            .collect();
        self.track(entity, &there, &here).await?;
        for key in there {
            self.kept.remove(&rows_store(&entity.name), key);
        }
        Ok(())
    }

    async fn overlays(&mut self, entity: &EntitySchema, keys: &[Key]) -> Result<Vec<Option<Overlay>>> {
        let form = self.form(entity).await?;
        let bytes = Self::checked_bytes(entity, keys)?;
        let found = self.kept.get_many(&overlays_store(&entity.name), &bytes).await?;
        keys.iter()
            .zip(found)
            .map(|(key, found)| match found {
                Some(bytes) => StoredOverlay::from_bytes(&bytes)?
                    .visible(&form, key.clone())
                    .map(Some),
                None => Ok(None),
            })
            .collect()
    }

    async fn overlays_in(
        &mut self,
        entity: &EntitySchema,
        range: &KeyRange,
        limit: usize,
    ) -> Result<Vec<Overlay>> {
        let form = self.form(entity).await?;
        let range = Self::range(entity, range)?;
        let found = self
            .kept
            .scan(&overlays_store(&entity.name), &range, limit)
            .await?;
        found
            .iter()
            .map(|(key, bytes)| StoredOverlay::from_bytes(bytes)?.visible(&form, Key::from_bytes(key)?))
            .collect()
    }

    async fn put_overlay(&mut self, entity: &EntitySchema, overlay: &Overlay) -> Result<()> {
        self.may_write("put_overlay", &entity.name)?;
        let form = self.form(entity).await?;
        check::overlay(entity, overlay)?;
        let key = overlay.key.to_bytes();
        let store = overlays_store(&entity.name);
        let before = self.kept.get(&store, &key).await?;
        let before = before.as_deref().map(StoredOverlay::from_bytes).transpose()?;
        if let Some(before) = before.as_ref().filter(|before| before.edit > overlay.edit) {
            let what = format!(
                "edit numbers only grow: wanted {} or more, found {}",
                before.edit, overlay.edit
            );
            return Err(Error::rejected("edit_number_refused", what).at(&entity.name));
        }
        let base = match &overlay.base {
            None => None,
            Some(base) if form.is_whole(base.len()) => Some(form.bytes(base, None)?),
            // Columns that are not configured come from what the record was.
            Some(base) => {
                let mut place = before.and_then(|before| before.base);
                if place.is_none() {
                    place = self.kept.get(&rows_store(&entity.name), &key).await?;
                }
                Some(form.bytes(base, place.as_deref())?)
            }
        };
        let stored = StoredOverlay {
            base,
            edit: overlay.edit,
            acknowledged_to: overlay.acknowledged_to,
            state: overlay.state,
        };
        let edits = self.kept.number(EDITS).await?.unwrap_or_default();
        if overlay.edit > edits {
            self.kept.set_number(EDITS, overlay.edit);
        }
        self.kept.put(&store, key, stored.to_bytes());
        Ok(())
    }

    async fn remove_overlay(&mut self, entity: &EntitySchema, key: &Key) -> Result<()> {
        self.may_write("remove_overlay", &entity.name)?;
        self.shared.known(entity)?;
        check::key(entity, key)?;
        self.kept.remove(&overlays_store(&entity.name), key.to_bytes());
        Ok(())
    }

    async fn area_get(&mut self, area: &str, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.kept.get(AREAS, &area_key(area, key)).await
    }

    async fn area_put(&mut self, area: &str, key: &[u8], value: &[u8]) -> Result<()> {
        self.may_write("area_put", area)?;
        self.kept.put(AREAS, area_key(area, key), value.to_vec());
        Ok(())
    }

    async fn area_remove(&mut self, area: &str, key: &[u8]) -> Result<()> {
        self.may_write("area_remove", area)?;
        self.kept.remove(AREAS, area_key(area, key));
        Ok(())
    }

    async fn area_scan(
        &mut self,
        area: &str,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let prefix = area_key(area, &[]);
        let range = Bytes {
            from: after.is_none().then(|| prefix.clone()),
            after: after.map(|after| area_key(area, after)),
            before: crate::plan::after_all(&prefix),
            ..Bytes::default()
        };
        let found = self.kept.scan(AREAS, &range, limit).await?;
        Ok(found
            .into_iter()
            .map(|(key, value)| (key[prefix.len()..].to_vec(), value))
            .collect())
    }

    async fn commit(self: Box<Self>) -> Result<()> {
        let mode = match self.access {
            Access::Read => return Ok(()),
            Access::App | Access::Sync { durable: true } => Mode::Strict,
            Access::Sync { durable: false } => Mode::Relaxed,
        };
        if commit(&self.kept, mode).await? {
            self.shared.committed();
        }
        Ok(())
    }
}
