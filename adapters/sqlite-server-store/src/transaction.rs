//! Writing: one `BEGIN IMMEDIATE` on the one writing connection.

use crate::areas;
use crate::error::{Doing, record_missing, transaction_lost};
use crate::pages::read_key;
use crate::plan::{AttributePlan, EntityPlan, Plans};
use crate::texts::{Action, Texts};
use crate::tracking;
use onsync_core::schema::{EntitySchema, Ids};
use onsync_core::store::server::ServerTransaction;
use onsync_core::{Error, Fields, Key, Result, Value, portable_async};
use rusqlite::types::Value as Stored;
use rusqlite::{Connection, params_from_iter};
use std::sync::Arc;
use tokio::sync::OwnedMutexGuard;

/// A writing transaction; undone when dropped.
pub(crate) struct Transaction {
    writer: OwnedMutexGuard<Option<Connection>>,
    plans: Arc<Plans>,
    texts: Texts,
    savepoint: bool,
}

impl Transaction {
    /// Takes over a connection on which a transaction was begun.
    pub(crate) fn new(writer: OwnedMutexGuard<Option<Connection>>, plans: Arc<Plans>) -> Self {
        Self {
            writer,
            plans,
            texts: Texts::default(),
            savepoint: false,
        }
    }

    /// The connection, if the transaction still stands: some failures make SQLite roll back by itself, and what came next
    /// would be committed alone.
    fn connection(&self) -> Result<&Connection> {
        self.writer
            .as_ref()
            .filter(|connection| !connection.is_autocommit())
            .ok_or_else(transaction_lost)
    }

    fn execute(&self, statement: &str, parameters: Vec<Stored>, doing: &str) -> Result<usize> {
        self.connection()?
            .prepare_cached(statement)
            .and_then(|mut statement| statement.execute(params_from_iter(parameters)))
            .doing(doing)
    }

    /// Writes over the row with that key, if there is one that counts as deleted: it is there again.
    fn revive(
        &mut self,
        entity: &EntitySchema,
        plan: &EntityPlan,
        fields: &Fields,
        written: &Written,
    ) -> Result<Option<Key>> {
        if plan.soft_delete.is_none() || entity.ids == Ids::Server {
            return Ok(None);
        }
        let key = Key(entity.key.iter().map(|name| fields.value(name).clone()).collect());
        let mut parameters = plan.key_parameters(&key)?;
        let revive = self.texts.of(Action::Revive, plan, &written.attributes)?;
        parameters.extend(written.values.iter().cloned());
        let found = self.execute(&revive, parameters, "reviving a record")? > 0;
        Ok(found.then_some(key))
    }

    fn batch(&self, statements: &str, doing: &str) -> Result<()> {
        self.connection()?.execute_batch(statements).doing(doing)
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        let undone = self.writer.as_ref().is_none_or(|connection| {
            connection.is_autocommit() || connection.execute_batch("ROLLBACK").is_ok()
        });
        if !undone {
            // A connection that cannot roll back is closed, which rolls back; the next writer opens another.
            *self.writer = None;
        }
    }
}

/// Values on their way into columns, and those columns' attributes.
struct Written {
    attributes: Vec<usize>,
    values: Vec<Stored>,
}

/// The attributes to write, with their stored values. Key attributes are left to the caller, computed columns to the database.
fn to_write(
    entity: &EntitySchema,
    plan: &EntityPlan,
    fields: &Fields,
    mut wanted: impl FnMut(&AttributePlan, &Value) -> Result<bool>,
) -> Result<Written> {
    let mut out = Written {
        attributes: Vec::with_capacity(fields.len()),
        values: Vec::with_capacity(fields.len() + plan.key.len()),
    };
    for (name, value) in fields.iter() {
        let index = entity.require(name)?;
        let attribute = plan.attribute(index)?;
        if !attribute.generated && wanted(attribute, value)? {
            out.attributes.push(index);
            out.values.push(attribute.encode(value)?);
        }
    }
    Ok(out)
}

#[portable_async]
impl ServerTransaction for Transaction {
    async fn get(
        &mut self,
        entity: &EntitySchema,
        attributes: &[usize],
        key: &Key,
    ) -> Result<Option<Fields>> {
        let plan = self.plans.entity(entity)?;
        let parameters = plan.key_parameters(key)?;
        let select = self.texts.of(Action::Get, plan, attributes)?;
        let mut statement = self
            .connection()?
            .prepare_cached(&select)
            .doing("reading a record")?;
        let mut rows = statement
            .query(params_from_iter(parameters))
            .doing("reading a record")?;
        let Some(row) = rows.next().doing("reading a record")? else {
            return Ok(None);
        };
        let mut fields = Vec::with_capacity(attributes.len());
        for (at, index) in attributes.iter().enumerate() {
            let attribute = plan.attribute(*index)?;
            let stored = row.get_ref(at + 1).doing("reading a record")?;
            let value = attribute
                .decode(stored)
                .map_err(|found| plan.invalid(attribute, &key.to_string(), found))?;
            fields.push((attribute.name.as_str(), value));
        }
        Ok(Some(fields.into_iter().collect()))
    }

    async fn referring(
        &mut self,
        entity: &EntitySchema,
        attribute: usize,
        value: &Value,
        limit: usize,
    ) -> Result<Vec<Key>> {
        let plan = self.plans.entity(entity)?;
        let doing = "looking for records that refer to one";
        let mut parameters = plan.value_parameters(attribute, value)?;
        parameters.push(Stored::Integer(i64::try_from(limit).unwrap_or(i64::MAX)));
        let select = self.texts.of(Action::Referring, plan, &[attribute])?;
        let mut statement = self.connection()?.prepare_cached(&select).doing(doing)?;
        let mut rows = statement.query(params_from_iter(parameters)).doing(doing)?;
        let mut keys = Vec::new();
        while let Some(row) = rows.next().doing(doing)? {
            keys.push(read_key(plan, row, 0)?);
        }
        Ok(keys)
    }

    async fn insert(&mut self, entity: &EntitySchema, fields: &Fields) -> Result<Key> {
        let plan = Arc::clone(self.plans.entity(entity)?);
        let plan = plan.as_ref();
        let written = to_write(entity, plan, fields, |attribute, value| {
            let issued = entity.ids == Ids::Server && plan.key.iter().any(|key| key.name == attribute.name);
            if issued && !value.is_null() {
                return Err(Error::rejected(
                    "key_not_allowed",
                    format!(
                        "the database issues `{}` of `{}`; leave it out",
                        attribute.name, entity.name
                    ),
                ));
            }
            Ok(!issued)
        })?;
        if let Some(key) = self.revive(entity, plan, fields, &written)? {
            return Ok(key);
        }
        let insert = self.texts.of(Action::Insert, plan, &written.attributes)?;
        let doing = "inserting a record";
        let mut statement = self.connection()?.prepare_cached(&insert).doing(doing)?;
        let mut rows = statement.query(params_from_iter(written.values)).doing(doing)?;
        let key = match rows.next().doing(doing)? {
            Some(row) => read_key(plan, row, 0)?,
            None => {
                return Err(Error::rejected(
                    "constraint_violated",
                    "the server's database ignored it (a trigger with RAISE(IGNORE)); change the record and save it again",
                ));
            }
        };
        // Some constraints are checked only when the statement ends.
        while rows.next().doing(doing)?.is_some() {}
        if key.values().iter().any(Value::is_null) {
            return Err(Error::rejected(
                "key_not_issued",
                format!(
                    "wanted the database to issue a key for a record of `{}`, found none; give it one on the device (`ids = \"client\"`)",
                    entity.name
                ),
            ));
        }
        Ok(key)
    }

    async fn stores_exactly(&mut self, entity: &EntitySchema, fields: &Fields) -> Result<bool> {
        self.plans.entity(entity)?.keeps(entity, fields)
    }

    async fn update(&mut self, entity: &EntitySchema, key: &Key, fields: &Fields) -> Result<()> {
        let plan = self.plans.entity(entity)?;
        let written = to_write(entity, plan, fields, |attribute, value| {
            match plan.key.iter().position(|part| part.name == attribute.name) {
                None => Ok(true),
                Some(place) if key.values().get(place) == Some(value) => Ok(false),
                Some(_) => Err(Error::rejected(
                    "key_change_refused",
                    format!(
                        "`{}` is part of the key of `{}` and stays as it is; delete the record and create another",
                        attribute.name, entity.name
                    ),
                )),
            }
        })?;
        let mut parameters = plan.key_parameters(key)?;
        let update = self.texts.of(Action::Update, plan, &written.attributes)?;
        let found = if written.values.is_empty() {
            let mut statement = self
                .connection()?
                .prepare_cached(&update)
                .doing("looking for a record")?;
            statement
                .exists(params_from_iter(parameters))
                .doing("looking for a record")?
        } else {
            parameters.extend(written.values);
            self.execute(&update, parameters, "updating a record")? > 0
        };
        if found {
            Ok(())
        } else {
            Err(record_missing(&entity.name))
        }
    }

    async fn delete(&mut self, entity: &EntitySchema, key: &Key) -> Result<()> {
        let plan = self.plans.entity(entity)?;
        let mut parameters = plan.key_parameters(key)?;
        let statement = self.texts.of(Action::Delete, plan, &[])?;
        parameters.extend(plan.soft_delete.iter().map(|mark| mark.deleted.clone()));
        match self.execute(&statement, parameters, "deleting a record")? {
            0 => Err(record_missing(&entity.name)),
            _ => Ok(()),
        }
    }

    async fn position(&mut self) -> Result<u64> {
        tracking::position(self.connection()?)
    }

    async fn savepoint(&mut self) -> Result<()> {
        if self.savepoint {
            self.batch("RELEASE onsync", "replacing a savepoint")?;
            self.savepoint = false;
        }
        self.batch("SAVEPOINT onsync", "setting a savepoint")?;
        self.savepoint = true;
        Ok(())
    }

    async fn undo(&mut self) -> Result<()> {
        if !self.savepoint {
            return Err(Error::fatal(
                "no_savepoint",
                "wanted a savepoint to go back to, found none; call `savepoint` first, or drop the transaction",
            ));
        }
        let told = tracking::position(self.connection()?)?;
        self.batch("ROLLBACK TO onsync", "going back to a savepoint")?;
        // A position that was told is not given to another change.
        if tracking::position(self.connection()?)? < told {
            let raise = "UPDATE \"_onsync_position\" SET position = ?1";
            self.execute(
                raise,
                vec![Stored::Integer(i64::try_from(told).unwrap_or(i64::MAX))],
                "going back to a savepoint",
            )?;
        }
        Ok(())
    }

    async fn area_get(&mut self, area: &str, key: &[u8]) -> Result<Option<Vec<u8>>> {
        areas::get(self.connection()?, area, key)
    }

    async fn area_insert(&mut self, area: &str, key: &[u8], value: &[u8]) -> Result<bool> {
        areas::insert(self.connection()?, area, key, value)
    }

    async fn area_insert_all(&mut self, area: &str, entries: &[(Vec<u8>, Vec<u8>)]) -> Result<Vec<bool>> {
        areas::insert_all(self.connection()?, area, entries)
    }

    async fn area_put(&mut self, area: &str, key: &[u8], value: &[u8]) -> Result<()> {
        areas::put(self.connection()?, area, key, value)
    }

    async fn area_remove(&mut self, area: &str, key: &[u8]) -> Result<()> {
        areas::remove(self.connection()?, area, key)
    }

    async fn area_remove_all(&mut self, area: &str, keys: &[Vec<u8>]) -> Result<()> {
        areas::remove_all(self.connection()?, area, keys)
    }

    async fn area_scan(
        &mut self,
        area: &str,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        areas::scan(self.connection()?, area, after, limit)
    }

    async fn commit(self: Box<Self>) -> Result<()> {
        self.connection()?.execute_batch("COMMIT").doing("committing")
    }
}
