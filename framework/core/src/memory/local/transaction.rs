//! One transaction on the memory store.

use super::state::{State, StoredOverlay, Table};
use super::{MemoryStore, Process, Shared, query};
use crate::error::{Error, Result};
use crate::memory::faults::{Faults, Moment, ends_transaction, over};
use crate::memory::guard;
use crate::memory::map::{OrderedMap, behind};
use crate::memory::turn::Turn;
use crate::page::KeyRange;
use crate::query::Query;
use crate::record::{Key, Row};
use crate::rows::RowSet;
use crate::schema::{EntitySchema, Ids};
use crate::store::check;
use crate::store::local::{Access, FIRST_LOCAL_INTEGER, LOCAL_TEXT_PREFIX, LocalTransaction, Overlay};
use crate::value::{Value, ValueType};
use onsync_macros::portable_async;
use std::sync::Arc;
use std::sync::atomic::Ordering;

pub(super) struct MemoryTransaction {
    shared: Arc<Shared>,
    process: Arc<Process>,
    faults: Faults,
    access: Access,
    state: State,
    age: u64,
    over: bool,
    _turn: Option<Turn>,
}

impl MemoryTransaction {
    pub(super) fn new(store: &MemoryStore, access: Access, turn: Option<Turn>) -> Result<Self> {
        let disk = guard(&store.shared.disk);
        if !disk.state.opened {
            return Err(Error::fatal(
                "store_not_open",
                "this store has never been opened; call `open` with the schema first",
            ));
        }
        Ok(Self {
            shared: store.shared.clone(),
            process: store.process.clone(),
            faults: store.faults.clone(),
            access,
            state: State::clone(&disk.state),
            age: disk.age,
            over: false,
            _turn: turn,
        })
    }

    fn usable(&self) -> Result<()> {
        self.process.check()?;
        if self.over { Err(over()) } else { Ok(()) }
    }

    /// What comes before each write: refusals, then the fault hook.
    fn step(&mut self, name: &'static str, on: &str) -> Result<()> {
        self.usable()?;
        if self.access == Access::Read {
            return Err(Error::rejected(
                "read_only_transaction",
                format!("`{name}` writes, and the transaction was begun with Access::Read; begin it with App or Sync"),
            )
            .at(on));
        }
        self.fault(name, on, Moment::Before)
    }

    fn fault(&mut self, name: &'static str, on: &str, moment: Moment) -> Result<()> {
        self.faults.step(name, on, moment).inspect_err(|error| {
            self.over |= ends_transaction(error);
            if error.code() == "killed" {
                self.shared.kill(&self.process);
            }
        })
    }

    fn table(&self, entity: &EntitySchema) -> Result<&Table> {
        let Some(table) = self.state.tables.get(entity.name.as_str()) else {
            let known = self.state.tables.keys().map(AsRef::as_ref);
            return Err(crate::record::unknown_entity(&entity.name, known));
        };
        check::same_entity(&table.entity, entity)?;
        Ok(table)
    }

    /// The table, to write to; call `table` before.
    fn table_mut(&mut self, entity: &EntitySchema) -> Result<&mut Table> {
        self.table(entity)?;
        let missing = || crate::record::unknown_entity(&entity.name, std::iter::empty());
        let tables = Arc::make_mut(&mut self.state.tables);
        let table = tables.get_mut(entity.name.as_str()).ok_or_else(missing)?;
        Ok(Arc::make_mut(table))
    }

    fn checked_bytes(&self, entity: &EntitySchema, keys: &[Key]) -> Result<Vec<Vec<u8>>> {
        self.usable()?;
        self.table(entity)?;
        keys.iter()
            .map(|key| check::key(entity, key).map(|()| key.to_bytes()))
            .collect()
    }

    /// Refuses the app's writes to entities it must not write.
    fn may_write(&self, entity: &EntitySchema) -> Result<()> {
        if self.access == Access::App && self.table(entity)?.entity.refuse_local_writes {
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

    /// Makes or moves the overlay of a record that is about to be written.
    fn track(&mut self, entity: &EntitySchema, bytes: &[u8], key: &Key) -> Result<()> {
        if self.access == Access::App && !self.table(entity)?.entity.local {
            let edit = self.state.edits + 1;
            self.table_mut(entity)?.track(bytes, key, edit);
            self.state.edits = edit;
        }
        Ok(())
    }

    /// The key under which a new row is inserted: its own, or one made here in place of null.
    fn new_key(&self, entity: &EntitySchema, row: &Row) -> Result<Key> {
        let found = entity.key_of(row);
        let mut disk = guard(&self.shared.disk);
        let key = match (found.0.as_slice(), entity.key_types().as_slice()) {
            ([Value::Null], [ValueType::Uuid]) => Key::one(disk.random.uuid()),
            ([Value::Null], [ValueType::Text]) if entity.ids == Ids::Server => {
                Key::one(format!("{LOCAL_TEXT_PREFIX}{}", disk.random.uuid()))
            }
            ([Value::Null], [ValueType::Integer]) if entity.ids == Ids::Server => {
                let next = disk.next_integers.get(&entity.name).copied();
                if next == Some(i64::MAX) {
                    return Err(Error::fatal(
                        "keys_exhausted",
                        "no local integer key is left behind the greatest one ever used; use another entity name",
                    )
                    .at(&entity.name));
                }
                Key::one(next.unwrap_or(FIRST_LOCAL_INTEGER))
            }
            _ => found,
        };
        check::key(entity, &key)?;
        Ok(key)
    }

    /// Takes note of a local integer key in use, so that it is never issued.
    fn note_key(&self, entity: &EntitySchema, key: &Key) {
        if let ([Value::Integer(used)], Ids::Server) = (key.0.as_slice(), entity.ids) {
            let mut disk = guard(&self.shared.disk);
            let next = disk
                .next_integers
                .entry(entity.name.clone())
                .or_insert(FIRST_LOCAL_INTEGER);
            *next = (*next).max(used.saturating_add(1));
        }
    }
}

/// A range of local keys as canonical bytes.
struct Bounds {
    after: Option<Vec<u8>>,
    to: Option<Vec<u8>>,
}

impl Bounds {
    fn new(entity: &EntitySchema, range: &KeyRange) -> Result<Self> {
        for key in range.after.iter().chain(&range.to) {
            check::key(entity, key)?;
        }
        Ok(Self {
            after: range.after.as_ref().map(Key::to_bytes),
            to: range.to.as_ref().map(Key::to_bytes),
        })
    }

    /// The entries within, in key order.
    fn of<'a, V: Clone>(&'a self, map: &'a OrderedMap<V>) -> impl Iterator<Item = &'a V> {
        map.scan(behind(self.after.as_deref()))
            .take_while(|(bytes, _)| self.to.as_deref().is_none_or(|to| bytes.as_ref() <= to))
            .map(|(_, value)| value)
    }
}

#[portable_async]
impl LocalTransaction for MemoryTransaction {
    async fn get(&mut self, entity: &EntitySchema, keys: &[Key]) -> Result<Vec<Option<Row>>> {
        let keys = self.checked_bytes(entity, keys)?;
        let table = self.table(entity)?;
        let rows = keys.iter().map(|bytes| table.rows.get(bytes));
        Ok(rows.map(|row| row.map(|row| table.visible(row))).collect())
    }

    async fn query(&mut self, entity: &EntitySchema, query: &Query) -> Result<Vec<Row>> {
        self.usable()?;
        query::run(self.table(entity)?, query)
    }

    async fn count(&mut self, entity: &EntitySchema) -> Result<u64> {
        self.usable()?;
        Ok(self.table(entity)?.rows.len() as u64)
    }

    async fn keys_in(&mut self, entity: &EntitySchema, range: &KeyRange) -> Result<Vec<Key>> {
        self.usable()?;
        let table = self.table(entity)?;
        let bounds = Bounds::new(entity, range)?;
        Ok(bounds.of(&table.rows).map(|row| entity.key_of(row)).collect())
    }

    async fn insert(&mut self, entity: &EntitySchema, row: &Row) -> Result<Key> {
        self.step("insert", &entity.name)?;
        self.table(entity)?;
        self.may_write(entity)?;
        check::row(entity, row)?;
        let key = self.new_key(entity, row)?;
        let bytes = key.to_bytes();
        if self.table(entity)?.rows.contains(&bytes) {
            return Err(Error::rejected(
                "record_exists",
                format!("there is already a record with the key {key}; update it, or use another key"),
            )
            .at(&entity.name));
        }
        let mut row = row.clone();
        for (index, value) in entity.key_indexes().into_iter().zip(key.0.iter()) {
            row[index] = value.clone();
        }
        self.note_key(entity, &key);
        self.track(entity, &bytes, &key)?;
        let table = self.table_mut(entity)?;
        let stored = table.stored(&row, None);
        table.rows.insert(&bytes, stored);
        Ok(key)
    }

    async fn put(&mut self, entity: &EntitySchema, attributes: &[usize], rows: &RowSet) -> Result<()> {
        self.step("put", &entity.name)?;
        self.table(entity)?;
        self.may_write(entity)?;
        let keys = check::put(entity, attributes, rows)?;
        for (row, key) in keys.iter().enumerate() {
            let bytes = key.to_bytes();
            self.note_key(entity, key);
            self.track(entity, &bytes, key)?;
            let table = self.table_mut(entity)?;
            let mut stored = table.row_over(&bytes);
            for (column, index) in attributes.iter().enumerate() {
                stored[*index] = rows.value(row, column);
            }
            table.rows.insert(&bytes, Arc::new(stored));
        }
        Ok(())
    }

    async fn remove(&mut self, entity: &EntitySchema, keys: &[Key]) -> Result<()> {
        self.step("remove", &entity.name)?;
        self.may_write(entity)?;
        let all = self.checked_bytes(entity, keys)?;
        for (bytes, key) in all.iter().zip(keys) {
            if self.table(entity)?.rows.contains(bytes) {
                self.track(entity, bytes, key)?;
                self.table_mut(entity)?.rows.remove(bytes);
            }
        }
        Ok(())
    }

    async fn overlays(&mut self, entity: &EntitySchema, keys: &[Key]) -> Result<Vec<Option<Overlay>>> {
        let keys = self.checked_bytes(entity, keys)?;
        let table = self.table(entity)?;
        let found = keys.iter().map(|bytes| table.overlays.get(bytes));
        Ok(found
            .map(|overlay| overlay.map(|overlay| table.overlay(overlay)))
            .collect())
    }

    async fn overlays_in(
        &mut self,
        entity: &EntitySchema,
        range: &KeyRange,
        limit: usize,
    ) -> Result<Vec<Overlay>> {
        self.usable()?;
        let table = self.table(entity)?;
        let bounds = Bounds::new(entity, range)?;
        let overlays = bounds.of(&table.overlays).take(limit);
        Ok(overlays.map(|overlay| table.overlay(overlay)).collect())
    }

    async fn overlays_to_send(
        &mut self,
        entity: &EntitySchema,
        range: &KeyRange,
        limit: usize,
    ) -> Result<Vec<Overlay>> {
        self.usable()?;
        let table = self.table(entity)?;
        let bounds = Bounds::new(entity, range)?;
        let found = bounds
            .of(&table.overlays)
            .filter(|overlay| overlay.may_be_sent())
            .take(limit);
        Ok(found.map(|overlay| table.overlay(overlay)).collect())
    }

    async fn count_waiting(&mut self, entity: &EntitySchema) -> Result<u64> {
        self.usable()?;
        let overlays = self.table(entity)?.overlays.iter();
        Ok(overlays.filter(|(_, overlay)| overlay.is_waiting()).count() as u64)
    }

    async fn put_overlay(&mut self, entity: &EntitySchema, overlay: &Overlay) -> Result<()> {
        self.step("put_overlay", &entity.name)?;
        check::overlay(entity, overlay)?;
        let bytes = overlay.key.to_bytes();
        let table = self.table(entity)?;
        let before = table.overlays.get(&bytes);
        if let Some(before) = before.filter(|before| before.edit > overlay.edit) {
            let what = format!(
                "edit numbers only grow: wanted {} or more, found {}",
                before.edit, overlay.edit
            );
            return Err(Error::rejected("edit_number_refused", what).at(&entity.name));
        }
        let place = before
            .and_then(|before| before.base.as_ref())
            .or(table.rows.get(&bytes));
        let stored = StoredOverlay {
            key: overlay.key.clone(),
            base: overlay.base.as_ref().map(|base| table.stored(base, place)),
            edit: overlay.edit,
            acknowledged_to: overlay.acknowledged_to,
            state: overlay.state,
        };
        self.state.edits = self.state.edits.max(overlay.edit);
        self.table_mut(entity)?.overlays.insert(&bytes, Arc::new(stored));
        Ok(())
    }

    async fn remove_overlay(&mut self, entity: &EntitySchema, key: &Key) -> Result<()> {
        self.step("remove_overlay", &entity.name)?;
        check::key(entity, key)?;
        self.table_mut(entity)?.overlays.remove(&key.to_bytes());
        Ok(())
    }

    async fn area_get(&mut self, area: &str, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.usable()?;
        Ok(self.state.areas.get(area, key))
    }

    async fn area_put(&mut self, area: &str, key: &[u8], value: &[u8]) -> Result<()> {
        self.step("area_put", area)?;
        self.state.areas.put(area, key, value);
        Ok(())
    }

    async fn area_remove(&mut self, area: &str, key: &[u8]) -> Result<()> {
        self.step("area_remove", area)?;
        self.state.areas.remove(area, key);
        Ok(())
    }

    async fn area_scan(
        &mut self,
        area: &str,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        self.usable()?;
        Ok(self.state.areas.scan(area, after, limit))
    }

    async fn area_count(&mut self, area: &str) -> Result<u64> {
        self.usable()?;
        Ok(self.state.areas.count(area))
    }

    async fn commit(mut self: Box<Self>) -> Result<()> {
        self.usable()?;
        if self.access == Access::Read {
            return Ok(());
        }
        self.fault("commit", "", Moment::Before)?;
        {
            let mut disk = guard(&self.shared.disk);
            self.process.check()?;
            if disk.age != self.age {
                return Err(Error::fatal(
                    "store_unavailable",
                    "the database lost its power since this transaction began; begin another one",
                ));
            }
            disk.state = Arc::new(std::mem::take(&mut self.state));
            if self.access != (Access::Sync { durable: false }) {
                disk.durable = disk.state.clone();
            }
            disk.commits += 1;
            self.process.commits.fetch_add(1, Ordering::AcqRel);
        }
        self.fault("commit", "", Moment::After)
    }
}
