//! What other programs do to the database: statements by table and column, tracked like any other.

use super::state::State;
use super::table::{Column, Table, violated};
use crate::error::Result;
use crate::memory::random::Random;
use crate::record::{Fields, Key, Row};
use crate::schema::Attribute;
use crate::value::Value;
use std::sync::Arc;

/// The database as another program sees it: tables and columns, no entities.
///
/// A statement that fails undoes only itself; the caller decides whether its transaction goes on.
pub struct Tables<'a> {
    pub(super) state: &'a mut State,
    pub(super) random: &'a mut Random,
}

impl Tables<'_> {
    /// Makes a table. `columns` are attributes whose `column` names count; `key` names key columns.
    ///
    /// # Errors
    /// `table_exists`, `column_missing`.
    pub fn create(&mut self, name: &str, columns: &[Attribute], key: &[&str]) -> Result<()> {
        if self.state.tables.contains_key(name) {
            return Err(crate::Error::rejected(
                "table_exists",
                format!("there is already a table `{name}`"),
            ));
        }
        let columns = columns.iter().map(|attribute| Column {
            name: attribute.column.clone(),
            value_type: attribute.value_type,
            default: Value::Null,
        });
        let mut table = Table::new(name, columns.collect(), Vec::new());
        for column in key {
            let place = table.require(column)?;
            Arc::make_mut(&mut table.key).push(place);
        }
        Arc::make_mut(&mut self.state.tables).insert(name.into(), Arc::new(table));
        Ok(())
    }

    /// The row with that key, by column.
    ///
    /// # Errors
    /// `table_missing`, `invalid_key`.
    pub fn get(&self, table: &str, key: &Key) -> Result<Option<Fields>> {
        let table = self.state.table(table)?;
        table.check_key(key)?;
        Ok(table.rows.get(&key.to_bytes()).map(|row| table.fields(row)))
    }

    /// All rows in key order.
    ///
    /// # Errors
    /// `table_missing`.
    pub fn all(&self, table: &str) -> Result<Vec<(Key, Fields)>> {
        let table = self.state.table(table)?;
        let rows = table.rows.iter().map(|(_, row)| row);
        Ok(rows.map(|row| (table.key_of(row), table.fields(row))).collect())
    }

    /// Inserts a row. A single key column that is left out is issued.
    ///
    /// # Errors
    /// `constraint_violated`, `column_missing`, `invalid_value`.
    pub fn insert(&mut self, table: &str, fields: &Fields) -> Result<Key> {
        let row = self.new_row(table, fields)?;
        self.state.insert(table, row)
    }

    /// `INSERT OR REPLACE`: rows with the same key or the same unique values are displaced.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub fn replace(&mut self, table: &str, fields: &Fields) -> Result<Key> {
        let before = self.state.clone();
        let row = self.new_row(table, fields)?;
        let key = self.state.table(table)?.key_of(&row);
        let bytes = key.to_bytes();
        let done = (|| {
            for displaced in self.state.table(table)?.in_the_way(&bytes, &row) {
                self.state.delete(table, &Key::from_bytes(&displaced)?)?;
            }
            if self.state.table(table)?.rows.contains(&bytes) {
                return self.state.overwrite(table, row);
            }
            self.state.insert(table, row).map(|_| ())
        })();
        done.inspect_err(|_| *self.state = before)?;
        Ok(key)
    }

    /// Writes some columns of a row; a key without a row is no error. A changed key is a delete and an insert.
    ///
    /// # Errors
    /// `constraint_violated`, `column_missing`, `invalid_value`.
    pub fn update(&mut self, table: &str, key: &Key, fields: &Fields) -> Result<()> {
        let found = self.state.table(table)?;
        found.check_key(key)?;
        let Some(row) = found.rows.get(&key.to_bytes()) else {
            return Ok(());
        };
        let row = assign(found, Row::clone(row), fields)?;
        let moved = found.key_of(&row);
        if moved == *key {
            return self.state.overwrite(table, row);
        }
        let before = self.state.clone();
        let done = self.state.check_unreferred(table, key);
        let done = done
            .and_then(|()| self.state.delete(table, key))
            .and_then(|()| self.state.insert(table, row));
        done.map(|_| ()).inspect_err(|_| *self.state = before)
    }

    /// Deletes a row, with its children as the foreign keys say; a key without a row is no error.
    ///
    /// # Errors
    /// `constraint_violated`.
    pub fn delete(&mut self, table: &str, key: &Key) -> Result<()> {
        self.state.table(table)?.check_key(key)?;
        self.state.delete(table, key)
    }

    /// Deletes all rows of a table.
    ///
    /// # Errors
    /// `constraint_violated`.
    pub fn truncate(&mut self, table: &str) -> Result<()> {
        let before = self.state.clone();
        for (key, _) in self.all(table)? {
            if let Err(error) = self.state.delete(table, &key) {
                *self.state = before;
                return Err(error);
            }
        }
        Ok(())
    }

    /// Writes any value into a column that is not part of the key, of whatever type: what a careless program leaves
    /// behind in a database that does not check.
    ///
    /// # Errors
    /// `constraint_violated`, `column_missing`; a key without a row is no error.
    pub fn write_anything(&mut self, table: &str, key: &Key, column: &str, value: Value) -> Result<()> {
        let found = self.state.table(table)?;
        let place = found.require(column)?;
        if found.key.contains(&place) {
            return Err(violated(table, format!("`{column}` is part of the key")));
        }
        let Some(row) = found.rows.get(&key.to_bytes()) else {
            return Ok(());
        };
        let mut row = Row::clone(row);
        row[place] = value;
        self.state.overwrite(table, row)
    }

    fn new_row(&mut self, name: &str, fields: &Fields) -> Result<Row> {
        let table = self.state.table(name)?;
        let mut row = assign(table, table.blank(), fields)?;
        if let [place] = table.key.as_slice()
            && row[*place].is_null()
        {
            let place = *place;
            row[place] = self.state.issue(name, self.random)?;
        }
        Ok(row)
    }
}

/// Sets columns by name.
fn assign(table: &Table, mut row: Row, fields: &Fields) -> Result<Row> {
    for (name, value) in fields.iter() {
        let place = table.require(name)?;
        let column = &table.columns[place];
        value
            .check(column.value_type)
            .map_err(|error| error.at(format!("{}.{name}", table.name)))?;
        row[place] = value.clone();
    }
    Ok(row)
}
