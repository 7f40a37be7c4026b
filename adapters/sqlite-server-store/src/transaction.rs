//! Writing: one `BEGIN IMMEDIATE` on the one writing connection.

use crate::areas;
use crate::error::{Doing, record_missing, transaction_lost};
use crate::pages::read_key;
use crate::plan::{AttributePlan, EntityPlan, Plans};
use crate::sql;
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
    savepoint: bool,
}

impl Transaction {
    /// Takes over a connection on which a transaction was begun.
    pub(crate) fn new(writer: OwnedMutexGuard<Option<Connection>>, plans: Arc<Plans>) -> Self {
        Self {
            writer,
            plans,
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

/// The attributes to write, with their stored values. Key attributes are left to the caller, computed columns to the database.
fn to_write<'a>(
    entity: &EntitySchema,
    plan: &'a EntityPlan,
    fields: &Fields,
    mut wanted: impl FnMut(&AttributePlan, &Value) -> Result<bool>,
) -> Result<Vec<(&'a AttributePlan, Stored)>> {
    let mut out = Vec::with_capacity(fields.len());
    for (name, value) in fields.iter() {
        let attribute = plan.attribute(entity.require(name)?)?;
        if !attribute.generated && wanted(attribute, value)? {
            out.push((attribute, attribute.encode(value)?));
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
        let (condition, parameters) = plan.key_condition(key, 1)?;
        let mut selected = Vec::with_capacity(attributes.len());
        for index in attributes {
            selected.push(plan.attribute(*index)?);
        }
        let columns = selected.iter().map(|attribute| sql::name(&attribute.column));
        let columns = sql::join(std::iter::once("1".to_owned()).chain(columns), ", ");
        let select = format!(
            "SELECT {columns} FROM {} WHERE {condition}{}",
            sql::name(&plan.table),
            plan.and_present()
        );
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
        let mut fields = Fields::new();
        for (at, attribute) in selected.into_iter().enumerate() {
            let stored = row.get_ref(at + 1).doing("reading a record")?;
            let value = attribute
                .decode(stored)
                .map_err(|found| plan.invalid(attribute, &key.to_string(), found))?;
            fields.set(attribute.name.clone(), value);
        }
        Ok(Some(fields))
    }

    async fn insert(&mut self, entity: &EntitySchema, fields: &Fields) -> Result<Key> {
        let plan = self.plans.entity(entity)?;
        let values = to_write(entity, plan, fields, |attribute, value| {
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
        let what = if values.is_empty() {
            "DEFAULT VALUES".to_owned()
        } else {
            let columns = values.iter().map(|(attribute, _)| sql::name(&attribute.column));
            let places = (1..=values.len()).map(|place| format!("?{place}"));
            format!(
                "({}) VALUES ({})",
                sql::join(columns, ", "),
                sql::join(places, ", ")
            )
        };
        let keys = plan.key.iter().map(|attribute| sql::name(&attribute.column));
        // ABORT takes precedence over what the table's own constraints say, so that no other row is replaced.
        let insert = format!(
            "INSERT OR ABORT INTO {} {what} RETURNING {}",
            sql::name(&plan.table),
            sql::join(keys, ", ")
        );
        let doing = "inserting a record";
        let mut statement = self.connection()?.prepare_cached(&insert).doing(doing)?;
        let mut rows = statement
            .query(params_from_iter(values.into_iter().map(|(_, value)| value)))
            .doing(doing)?;
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

    async fn update(&mut self, entity: &EntitySchema, key: &Key, fields: &Fields) -> Result<()> {
        let plan = self.plans.entity(entity)?;
        let values = to_write(entity, plan, fields, |attribute, value| {
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
        let (condition, mut parameters) = plan.key_condition(key, 1)?;
        let table = sql::name(&plan.table);
        let present = plan.and_present();
        let found = if values.is_empty() {
            let select = format!("SELECT 1 FROM {table} WHERE {condition}{present}");
            let mut statement = self
                .connection()?
                .prepare_cached(&select)
                .doing("looking for a record")?;
            statement
                .exists(params_from_iter(parameters))
                .doing("looking for a record")?
        } else {
            let mut columns = Vec::with_capacity(values.len());
            for (attribute, value) in values {
                parameters.push(value);
                columns.push(format!(
                    "{} = ?{}",
                    sql::name(&attribute.column),
                    parameters.len()
                ));
            }
            let update = format!(
                "UPDATE OR ABORT {table} SET {} WHERE {condition}{present}",
                sql::join(columns, ", ")
            );
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
        let (condition, mut parameters) = plan.key_condition(key, 1)?;
        let table = sql::name(&plan.table);
        let present = plan.and_present();
        let statement = match &plan.soft_delete {
            Some((column, mark)) => {
                parameters.push(mark.clone());
                format!(
                    "UPDATE OR ABORT {table} SET {} = ?{} WHERE {condition}{present}",
                    sql::name(column),
                    parameters.len()
                )
            }
            None => format!("DELETE FROM {table} WHERE {condition}{present}"),
        };
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

    async fn area_put(&mut self, area: &str, key: &[u8], value: &[u8]) -> Result<()> {
        areas::put(self.connection()?, area, key, value)
    }

    async fn area_remove(&mut self, area: &str, key: &[u8]) -> Result<()> {
        areas::remove(self.connection()?, area, key)
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
