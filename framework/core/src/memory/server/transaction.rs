//! One writing transaction on the memory server store.

use super::access::Access;
use super::state::State;
use super::{MemoryServerStore, Shared};
use crate::error::{Error, Result};
use crate::memory::faults::{Faults, Moment, ends_transaction, over};
use crate::memory::guard;
use crate::memory::turn::Turn;
use crate::record::{Fields, Key, Row};
use crate::schema::{EntitySchema, Ids};
use crate::store::server::ServerTransaction;
use crate::value::Value;
use onsync_macros::portable_async;
use std::sync::Arc;

pub(super) struct MemoryServerTransaction {
    shared: Arc<Shared>,
    faults: Faults,
    state: State,
    savepoint: Option<State>,
    age: u64,
    standing: Standing,
    _turn: Turn,
}

/// What may be done with a transaction.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Fine,
    /// A statement was refused: only `undo` helps.
    Refused,
    /// It is lost.
    Over,
}

impl MemoryServerTransaction {
    pub(super) fn new(store: &MemoryServerStore, turn: Turn) -> Self {
        let disk = guard(&store.shared.disk);
        Self {
            shared: store.shared.clone(),
            faults: store.faults.clone(),
            state: State::clone(&disk.state),
            savepoint: None,
            age: disk.age,
            standing: Standing::Fine,
            _turn: turn,
        }
    }

    fn usable(&self) -> Result<()> {
        match self.standing {
            Standing::Fine => Ok(()),
            Standing::Over => Err(over()),
            Standing::Refused => Err(Error::fatal(
                "transaction_failed",
                "a statement of this transaction was refused; call `undo` first, or drop the transaction",
            )),
        }
    }

    fn step(&mut self, name: &'static str, on: &str) -> Result<()> {
        self.usable()?;
        self.fault(name, on, Moment::Before)
    }

    fn fault(&mut self, name: &'static str, on: &str, moment: Moment) -> Result<()> {
        let result = self.faults.step(name, on, moment);
        self.judge(result)
    }

    /// Takes note of what an error leaves possible.
    fn judge<T>(&mut self, result: Result<T>) -> Result<T> {
        result.inspect_err(|error| {
            if ends_transaction(error) {
                self.standing = Standing::Over;
            } else if error.code() == "constraint_violated" {
                self.standing = Standing::Refused;
            }
        })
    }

    fn insert_record(&mut self, entity: &EntitySchema, fields: &Fields) -> Result<Key> {
        let access = Access::new(&self.state, entity)?;
        let mut row = access.table.blank();
        for (place, value) in access.assignments(fields)? {
            row[place] = value;
        }
        if entity.ids == Ids::Server {
            let place = access.table.key.first().copied();
            if let Some(name) = entity.key.iter().find(|name| !fields.value(name).is_null()) {
                return Err(Error::rejected(
                    "key_not_allowed",
                    format!("the database issues `{name}`; leave it out"),
                )
                .at(&entity.name));
            }
            if let Some(place) = place {
                row[place] = self
                    .state
                    .issue(&entity.source, &mut guard(&self.shared.disk).random)?;
            }
        }
        if let Some(deleted) = deleted_row(&self.state, entity, &row)? {
            return self.revive(entity, fields, deleted);
        }
        self.state.insert(&entity.source, row)
    }

    /// A row that counts as deleted is there again, with these values.
    fn revive(&mut self, entity: &EntitySchema, fields: &Fields, mut row: Row) -> Result<Key> {
        let access = Access::new(&self.state, entity)?;
        if let Some(soft) = &entity.soft_delete {
            let place = access.table.require(&soft.column)?;
            let default = &access.table.columns[place].default;
            row[place] = match &soft.value {
                Value::Boolean(deleted) => Value::Boolean(!deleted),
                deleted if default == deleted => Value::Null,
                _ => default.clone(),
            };
        }
        for (place, value) in access.assignments(fields)? {
            row[place] = value;
        }
        let key = access.table.key_of(&row);
        self.state.overwrite(&entity.source, row)?;
        Ok(key)
    }

    /// The row with that key and its place; refused where there is none.
    fn existing(&self, entity: &EntitySchema, key: &Key) -> Result<Vec<Value>> {
        let access = Access::new(&self.state, entity)?;
        access.table.check_key(key)?;
        let found = access.table.rows.get(&key.to_bytes());
        match found.filter(|row| !access.is_deleted(row)) {
            Some(row) => Ok(row.to_vec()),
            None => Err(Error::rejected(
                "record_missing",
                format!("there is no record with the key {key}; read it in the same transaction first"),
            )
            .at(&entity.name)),
        }
    }

    fn update_record(&mut self, entity: &EntitySchema, key: &Key, fields: &Fields) -> Result<()> {
        let mut row = self.existing(entity, key)?;
        let access = Access::new(&self.state, entity)?;
        for (place, value) in access.assignments(fields)? {
            if access.table.key.contains(&place) && row[place] != value {
                return Err(Error::rejected(
                    "key_change_refused",
                    format!("the record {key} cannot get another key; delete it and insert a new one"),
                )
                .at(&entity.name));
            }
            row[place] = value;
        }
        self.state.overwrite(&entity.source, row)
    }

    fn delete_record(&mut self, entity: &EntitySchema, key: &Key) -> Result<()> {
        let mut row = self.existing(entity, key)?;
        match &entity.soft_delete {
            None => self.state.delete(&entity.source, key),
            Some(soft) => {
                let place = self.state.table(&entity.source)?.require(&soft.column)?;
                row[place] = soft.value.clone();
                self.state.overwrite(&entity.source, row)
            }
        }
    }
}

/// The row with the key of this one, if it counts as deleted.
fn deleted_row(state: &State, entity: &EntitySchema, row: &Row) -> Result<Option<Row>> {
    let access = Access::new(state, entity)?;
    let found = access.table.rows.get(&access.table.key_of(row).to_bytes());
    Ok(found
        .filter(|found| access.is_deleted(found))
        .map(|found| Row::clone(found)))
}

#[portable_async]
impl ServerTransaction for MemoryServerTransaction {
    async fn get(
        &mut self,
        entity: &EntitySchema,
        attributes: &[usize],
        key: &Key,
    ) -> Result<Option<Fields>> {
        self.usable()?;
        let access = Access::new(&self.state, entity)?;
        access.table.check_key(key)?;
        for attribute in attributes {
            access.column(*attribute)?;
        }
        let row = access.table.rows.get(&key.to_bytes());
        let Some(row) = row.filter(|row| !access.is_deleted(row)) else {
            return Ok(None);
        };
        let names = attributes
            .iter()
            .map(|index| entity.attributes[*index].name.clone());
        Ok(Some(names.zip(access.values(row, attributes)?).collect()))
    }

    async fn referring(
        &mut self,
        entity: &EntitySchema,
        attribute: usize,
        value: &Value,
        limit: usize,
    ) -> Result<Vec<Key>> {
        self.usable()?;
        let access = Access::new(&self.state, entity)?;
        let (place, wanted) = access.column(attribute)?;
        value.check(wanted)?;
        let rows = access.table.rows.iter().map(|(_, row)| row);
        Ok(rows
            .filter(|row| !value.is_null() && row[place] == *value && !access.is_deleted(row))
            .take(limit)
            .map(|row| access.table.key_of(row))
            .collect())
    }

    async fn insert(&mut self, entity: &EntitySchema, fields: &Fields) -> Result<Key> {
        self.step("insert", &entity.name)?;
        let result = self.insert_record(entity, fields);
        self.judge(result)
    }

    async fn update(&mut self, entity: &EntitySchema, key: &Key, fields: &Fields) -> Result<()> {
        self.step("update", &entity.name)?;
        let result = self.update_record(entity, key, fields);
        self.judge(result)
    }

    async fn delete(&mut self, entity: &EntitySchema, key: &Key) -> Result<()> {
        self.step("delete", &entity.name)?;
        let result = self.delete_record(entity, key);
        self.judge(result)
    }

    async fn position(&mut self) -> Result<u64> {
        self.usable()?;
        Ok(self.state.position)
    }

    async fn savepoint(&mut self) -> Result<()> {
        self.step("savepoint", "")?;
        self.savepoint = Some(self.state.clone());
        Ok(())
    }

    async fn undo(&mut self) -> Result<()> {
        if self.standing == Standing::Over {
            return Err(over());
        }
        self.fault("undo", "", Moment::Before)?;
        let Some(savepoint) = self.savepoint.clone() else {
            return Err(Error::fatal(
                "no_savepoint",
                "`undo` needs a `savepoint` before it; drop the transaction to undo all of it",
            ));
        };
        // Positions that were told are not given again.
        let position = self.state.position;
        self.state = savepoint;
        self.state.position = position;
        self.standing = Standing::Fine;
        Ok(())
    }

    async fn area_get(&mut self, area: &str, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.usable()?;
        Ok(self.state.areas.get(area, key))
    }

    async fn area_insert(&mut self, area: &str, key: &[u8], value: &[u8]) -> Result<bool> {
        self.step("area_insert", area)?;
        if self.state.areas.get(area, key).is_some() {
            return Ok(false);
        }
        self.state.areas.put(area, key, value);
        Ok(true)
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

    async fn commit(mut self: Box<Self>) -> Result<()> {
        self.step("commit", "")?;
        self.state.check_deferred()?;
        self.shared.commit(std::mem::take(&mut self.state), self.age)?;
        self.fault("commit", "", Moment::After)
    }
}
