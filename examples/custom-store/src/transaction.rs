//! One transaction: a state of its own from the first write on.

use crate::query;
use crate::state::{Kept, State, Table, row_of, set_row, within};
use crate::store::{Shared, Turn};
use onsync_core::page::KeyRange;
use onsync_core::query::Query;
use onsync_core::rows::RowSet;
use onsync_core::schema::{EntitySchema, Ids};
use onsync_core::store::check;
use onsync_core::store::local::{Access, LOCAL_TEXT_PREFIX, LocalTransaction, Overlay};
use onsync_core::{Error, Fields, Key, Result, Row, Value, ValueType, portable_async};
use serde_bytes::{ByteBuf, Bytes};
use std::ops::Bound;
use std::sync::Arc;
use uuid::Uuid;

/// Dropping it gives the turn back and forgets its state: that is the whole roll-back.
pub(crate) struct Transaction {
    shared: Arc<Shared>,
    access: Access,
    state: Arc<State>,
    written: bool,
    _turn: Option<Turn>,
}

fn unknown(entity: &EntitySchema) -> Error {
    let what = format!("the store was not opened with the entity `{}`", entity.name);
    Error::rejected("unknown_entity", what)
}

/// Random bits, as a uuid.
pub(crate) fn random() -> Result<Uuid> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        let what = format!("no random bytes for a key: {error}; see to the system's random source");
        Error::fatal("store_unavailable", what)
    })?;
    Ok(uuid::Builder::from_random_bytes(bytes).into_uuid())
}

/// The key of a new row: its own, or one made here in place of null.
fn new_key(entity: &EntitySchema, row: &Row, next: i64) -> Result<Key> {
    let found = entity.key_of(row);
    let key = match (found.0.as_slice(), entity.key_types().as_slice(), entity.ids) {
        ([Value::Null], [ValueType::Uuid], _) => Key::one(random()?),
        ([Value::Null], [ValueType::Text], Ids::Server) => {
            Key::one(format!("{LOCAL_TEXT_PREFIX}{}", random()?))
        }
        ([Value::Null], [ValueType::Integer], Ids::Server) if next == i64::MAX => {
            let what = "no local integer key is left; use another entity name";
            return Err(Error::fatal("keys_exhausted", what).at(&entity.name));
        }
        ([Value::Null], [ValueType::Integer], Ids::Server) => Key::one(next),
        _ => found,
    };
    check::key(entity, &key)?;
    Ok(key)
}

impl Table {
    /// Takes note of an integer key in use, so that it is never made here.
    fn note(&mut self, key: &Key) {
        if let [Value::Integer(used)] = key.0.as_slice() {
            self.next_integer = self.next_integer.max(used.saturating_add(1));
        }
    }
}

impl Transaction {
    pub(crate) fn new(shared: Arc<Shared>, access: Access, state: Arc<State>, turn: Option<Turn>) -> Self {
        Self {
            shared,
            access,
            state,
            written: false,
            _turn: turn,
        }
    }

    fn table(&self, entity: &EntitySchema) -> Result<&Table> {
        let table = self
            .state
            .tables
            .get(&entity.name)
            .ok_or_else(|| unknown(entity))?;
        table.check(entity)?;
        Ok(table)
    }

    /// The state, to write to. The first call copies it: the committed one has other owners.
    fn write(&mut self, step: &str) -> Result<&mut State> {
        if self.access == Access::Read {
            let what = format!("`{step}` writes; begin the transaction with Access::App or Access::Sync");
            return Err(Error::rejected("read_only_transaction", what));
        }
        self.written = true;
        Ok(Arc::make_mut(&mut self.state))
    }

    /// The table, to write overlays to.
    fn table_mut(&mut self, step: &str, entity: &EntitySchema) -> Result<&mut Table> {
        self.table(entity)?;
        let tables = &mut self.write(step)?.tables;
        tables.get_mut(&entity.name).ok_or_else(|| unknown(entity))
    }

    /// Tracks the records whose rows are about to be written, and gives the table to write them to.
    fn rows_mut(&mut self, step: &str, entity: &EntitySchema, keys: &[Key]) -> Result<&mut Table> {
        let app = self.access == Access::App;
        if app && entity.refuse_local_writes {
            let what = format!(
                "pattern `{}` takes no local writes; use another pattern",
                entity.pattern
            );
            return Err(Error::rejected("read_only_entity", what).at(&entity.name));
        }
        self.table(entity)?;
        let state = self.write(step)?;
        let table = state
            .tables
            .get_mut(&entity.name)
            .ok_or_else(|| unknown(entity))?;
        if app && !entity.local {
            for key in keys {
                state.edits += 1;
                table.track(key, state.edits);
            }
        }
        Ok(table)
    }
}

#[portable_async]
impl LocalTransaction for Transaction {
    async fn get(&mut self, entity: &EntitySchema, keys: &[Key]) -> Result<Vec<Option<Row>>> {
        keys.iter().try_for_each(|key| check::key(entity, key))?;
        let table = self.table(entity)?;
        let found = keys.iter().map(|key| table.rows.get(key));
        Ok(found
            .map(|fields| fields.map(|fields| row_of(entity, fields)))
            .collect())
    }

    async fn query(&mut self, entity: &EntitySchema, query: &Query) -> Result<Vec<Row>> {
        query::run(self.table(entity)?, entity, query)
    }

    async fn count(&mut self, entity: &EntitySchema) -> Result<u64> {
        Ok(self.table(entity)?.rows.len() as u64)
    }

    async fn keys_in(&mut self, entity: &EntitySchema, range: &KeyRange) -> Result<Vec<Key>> {
        let rows = within(&self.table(entity)?.rows, range);
        Ok(rows.map(|(key, _)| key.clone()).collect())
    }

    async fn insert(&mut self, entity: &EntitySchema, row: &Row) -> Result<Key> {
        check::row(entity, row)?;
        let table = self.table(entity)?;
        let key = new_key(entity, row, table.next_integer)?;
        if table.rows.contains_key(&key) {
            let what = format!("there is already a record with the key {key}; update it, or use another key");
            return Err(Error::rejected("record_exists", what).at(&entity.name));
        }
        let mut fields = Fields::new();
        set_row(entity, &mut fields, row);
        for (name, value) in entity.key.iter().zip(&key.0) {
            fields.set(name, value.clone());
        }
        let table = self.rows_mut("insert", entity, std::slice::from_ref(&key))?;
        table.note(&key);
        table.rows.insert(key.clone(), fields);
        Ok(key)
    }

    async fn put(&mut self, entity: &EntitySchema, attributes: &[usize], rows: &RowSet) -> Result<()> {
        let keys = check::put(entity, attributes, rows)?;
        let table = self.rows_mut("put", entity, &keys)?;
        for (key, values) in keys.into_iter().zip(rows.iter()) {
            table.note(&key);
            let fields = table.rows.entry(key).or_default();
            for (index, value) in attributes.iter().zip(values) {
                fields.set(&entity.attributes[*index].name, value);
            }
        }
        Ok(())
    }

    async fn remove(&mut self, entity: &EntitySchema, keys: &[Key]) -> Result<()> {
        keys.iter().try_for_each(|key| check::key(entity, key))?;
        let rows = &self.table(entity)?.rows;
        let there: Vec<Key> = keys
            .iter()
            .filter(|key| rows.contains_key(key))
            .cloned()
            .collect();
        let table = self.rows_mut("remove", entity, &there)?;
        for key in &there {
            table.rows.remove(key);
        }
        Ok(())
    }

    async fn overlays(&mut self, entity: &EntitySchema, keys: &[Key]) -> Result<Vec<Option<Overlay>>> {
        keys.iter().try_for_each(|key| check::key(entity, key))?;
        let overlays = &self.table(entity)?.overlays;
        let found = keys.iter().map(|key| (key, overlays.get(key)));
        Ok(found
            .map(|(key, kept)| kept.map(|kept| kept.overlay(entity, key)))
            .collect())
    }

    async fn overlays_in(
        &mut self,
        entity: &EntitySchema,
        range: &KeyRange,
        limit: usize,
    ) -> Result<Vec<Overlay>> {
        let found = within(&self.table(entity)?.overlays, range).take(limit);
        Ok(found.map(|(key, kept)| kept.overlay(entity, key)).collect())
    }

    async fn put_overlay(&mut self, entity: &EntitySchema, overlay: &Overlay) -> Result<()> {
        check::overlay(entity, overlay)?;
        let table = self.table_mut("put_overlay", entity)?;
        let before = table.overlays.get(&overlay.key);
        if let Some(before) = before.filter(|before| before.edit > overlay.edit) {
            let what = format!(
                "wanted an edit number from {} on, found {}",
                before.edit, overlay.edit
            );
            return Err(Error::rejected("edit_number_refused", what).at(&entity.name));
        }
        // What the schema does not name any more stays in the base as well.
        let old = before.and_then(|before| before.base.as_ref());
        let under = old.or(table.rows.get(&overlay.key)).cloned().unwrap_or_default();
        let kept = Kept {
            base: overlay.base.as_ref().map(|base| {
                let mut fields = under;
                set_row(entity, &mut fields, base);
                fields
            }),
            edit: overlay.edit,
            acknowledged_to: overlay.acknowledged_to,
            state: overlay.state.as_str().to_owned(),
        };
        table.overlays.insert(overlay.key.clone(), kept);
        let state = self.write("put_overlay")?;
        state.edits = state.edits.max(overlay.edit);
        Ok(())
    }

    async fn remove_overlay(&mut self, entity: &EntitySchema, key: &Key) -> Result<()> {
        check::key(entity, key)?;
        self.table_mut("remove_overlay", entity)?.overlays.remove(key);
        Ok(())
    }

    async fn area_get(&mut self, area: &str, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let found = self
            .state
            .areas
            .get(area)
            .and_then(|area| area.get(Bytes::new(key)));
        Ok(found.map(|value| value.to_vec()))
    }

    async fn area_put(&mut self, area: &str, key: &[u8], value: &[u8]) -> Result<()> {
        let areas = &mut self.write("area_put")?.areas;
        let area = areas.entry(area.to_owned()).or_default();
        area.insert(ByteBuf::from(key), ByteBuf::from(value));
        Ok(())
    }

    async fn area_remove(&mut self, area: &str, key: &[u8]) -> Result<()> {
        if let Some(area) = self.write("area_remove")?.areas.get_mut(area) {
            area.remove(Bytes::new(key));
        }
        Ok(())
    }

    async fn area_scan(
        &mut self,
        area: &str,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let behind = after.map_or(Bound::Unbounded, |after| Bound::Excluded(Bytes::new(after)));
        let area = self.state.areas.get(area).into_iter();
        let found = area.flat_map(|area| area.range::<Bytes, _>((behind, Bound::Unbounded)));
        Ok(found
            .take(limit)
            .map(|(key, value)| (key.to_vec(), value.to_vec()))
            .collect())
    }

    async fn commit(self: Box<Self>) -> Result<()> {
        // The turn is kept to the end of this function.
        let this = *self;
        if !this.written {
            return Ok(());
        }
        let durable = this.access != (Access::Sync { durable: false });
        this.shared.commit(this.state, durable)
    }
}
