//! The whole database: statements with their constraints, each done wholly or not at all.

use super::table::{Table, violated};
use crate::error::{Error, Result};
use crate::memory::map::{Areas, Named};
use crate::memory::random::Random;
use crate::record::{Key, Row};
use crate::schema::OnDelete;
use crate::value::{Value, ValueType};
use std::sync::Arc;

/// A foreign key of the database: values of `column` in `child` are keys of `parent`, or null.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignKey {
    /// The table that refers.
    pub child: String,
    /// Its column.
    pub column: String,
    /// The table referred to, whose key is one column.
    pub parent: String,
    /// What deleting a referred row does.
    pub on_delete: OnDelete,
    /// Checked at the commit, not by each statement.
    pub deferred: bool,
}

/// One committed or coming state of the database; copies share what neither changes.
#[derive(Clone, Default)]
pub(super) struct State {
    pub(super) tables: Named<Table>,
    pub(super) foreign_keys: Vec<ForeignKey>,
    pub(super) areas: Areas,
    pub(super) position: u64,
}

impl State {
    pub(super) fn table(&self, name: &str) -> Result<&Table> {
        match self.tables.get(name) {
            Some(table) => Ok(table),
            None => Err(self.table_missing(name)),
        }
    }

    fn table_missing(&self, name: &str) -> Error {
        Error::unsupported(
            "table_missing",
            format!(
                "the database has no table `{name}`; it has {}",
                crate::error::list_names(self.tables.keys())
            ),
        )
    }

    pub(super) fn table_mut(&mut self, name: &str) -> Result<&mut Table> {
        if !self.tables.contains_key(name) {
            return Err(self.table_missing(name));
        }
        let table = Arc::make_mut(&mut self.tables).get_mut(name).map(Arc::make_mut);
        table
            .ok_or_else(|| Error::unsupported("table_missing", format!("the database has no table `{name}`")))
    }

    /// Issues no key again that another state of the database has issued.
    pub(super) fn keep_sequences(&mut self, other: &Self) {
        let mine = Arc::make_mut(&mut self.tables);
        for (name, table) in other.tables.iter() {
            if let Some(mine) = mine.get_mut(name).filter(|mine| mine.issued < table.issued) {
                Arc::make_mut(mine).issued = table.issued;
            }
        }
    }

    /// A key for a new row from the database's own sequence, where the key is one integer, text or uuid.
    pub(super) fn issue(&self, name: &str, random: &mut Random) -> Result<Value> {
        let table = self.table(name)?;
        let wanted = table.key.as_slice();
        match wanted {
            [place] => match table.columns[*place].value_type {
                ValueType::Integer => match table.issued.checked_add(1) {
                    Some(next) => Ok(Value::Integer(next)),
                    None => Err(violated(name, "no integer key is left".to_owned())),
                },
                ValueType::Text => Ok(Value::Text(random.uuid().to_string())),
                ValueType::Uuid => Ok(Value::Uuid(random.uuid())),
                _ => Err(violated(name, "the key has no value".to_owned())),
            },
            _ => Err(violated(name, "the key has no value".to_owned())),
        }
    }

    fn write(&mut self, name: &str, bytes: &[u8], row: Option<Row>) -> Result<()> {
        let mut position = self.position;
        self.table_mut(name)?.set(bytes, row, &mut position);
        self.position = position;
        Ok(())
    }

    /// Inserts a row; its key must be new.
    pub(super) fn insert(&mut self, name: &str, row: Row) -> Result<Key> {
        let table = self.table(name)?;
        let key = table.key_of(&row);
        if key.0.iter().any(Value::is_null) {
            return Err(violated(name, "a key column is null".to_owned()));
        }
        table.check_key(&key)?;
        let bytes = key.to_bytes();
        if table.rows.contains(&bytes) {
            return Err(violated(
                name,
                format!("there is already a row with the key {key}"),
            ));
        }
        table.check_unique(&bytes, &row)?;
        self.check_parents(name, &row)?;
        self.write(name, &bytes, Some(row))?;
        Ok(key)
    }

    /// Writes a row over the one with its key.
    pub(super) fn overwrite(&mut self, name: &str, row: Row) -> Result<()> {
        let table = self.table(name)?;
        let bytes = table.key_of(&row).to_bytes();
        table.check_unique(&bytes, &row)?;
        self.check_parents(name, &row)?;
        self.write(name, &bytes, Some(row))
    }

    /// Deletes a row, and does to its children what the foreign keys say.
    pub(super) fn delete(&mut self, name: &str, key: &Key) -> Result<()> {
        let before = self.clone();
        self.delete_tree(name, key).inspect_err(|_| *self = before)
    }

    fn delete_tree(&mut self, name: &str, key: &Key) -> Result<()> {
        let bytes = key.to_bytes();
        if !self.table(name)?.rows.contains(&bytes) {
            return Ok(());
        }
        self.write(name, &bytes, None)?;
        for foreign_key in self.foreign_keys.clone() {
            if foreign_key.parent != name {
                continue;
            }
            let (place, children) = self.children(&foreign_key, key)?;
            for mut row in children {
                let child = &foreign_key.child;
                match foreign_key.on_delete {
                    OnDelete::Restrict if foreign_key.deferred => {}
                    OnDelete::Restrict => {
                        return Err(violated(
                            name,
                            format!("rows of `{child}` refer to the row {key}"),
                        ));
                    }
                    OnDelete::Cascade => {
                        let key = self.table(child)?.key_of(&row);
                        self.delete_tree(child, &key)?;
                    }
                    OnDelete::SetNull => {
                        row[place] = Value::Null;
                        if self.table(child)?.key.contains(&place) {
                            return Err(violated(child, "a key column cannot become null".to_owned()));
                        }
                        self.overwrite(child, row)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The rows that refer to a key, and the place of the column by which they do.
    fn children(&self, foreign_key: &ForeignKey, key: &Key) -> Result<(usize, Vec<Row>)> {
        let child = self.table(&foreign_key.child)?;
        let place = child.require(&foreign_key.column)?;
        let rows = child.rows.iter().map(|(_, row)| row);
        let referring = rows.filter(|row| key.values() == std::slice::from_ref(&row[place]));
        Ok((place, referring.map(|row| Row::clone(row)).collect()))
    }

    /// Refuses to let a key vanish that other rows refer to, whatever the rule for deletes.
    pub(super) fn check_unreferred(&self, name: &str, key: &Key) -> Result<()> {
        for foreign_key in self
            .foreign_keys
            .iter()
            .filter(|foreign_key| foreign_key.parent == name)
        {
            if !foreign_key.deferred && !self.children(foreign_key, key)?.1.is_empty() {
                return Err(violated(
                    name,
                    format!("rows of `{}` refer to the row {key}", foreign_key.child),
                ));
            }
        }
        Ok(())
    }

    /// Refuses a row that refers to a missing parent.
    fn check_parents(&self, name: &str, row: &Row) -> Result<()> {
        let foreign_keys = self.foreign_keys.iter();
        for foreign_key in
            foreign_keys.filter(|foreign_key| foreign_key.child == name && !foreign_key.deferred)
        {
            self.check_parent(foreign_key, row)?;
        }
        Ok(())
    }

    fn check_parent(&self, foreign_key: &ForeignKey, row: &Row) -> Result<()> {
        let child = self.table(&foreign_key.child)?;
        let value = &row[child.require(&foreign_key.column)?];
        let wanted = Key(vec![value.clone()]);
        let itself = foreign_key.child == foreign_key.parent && child.key_of(row) == wanted;
        if value.is_null() || itself || self.table(&foreign_key.parent)?.rows.contains(&wanted.to_bytes()) {
            return Ok(());
        }
        Err(violated(
            &foreign_key.child,
            format!(
                "`{}` refers to {value}, which is not in `{}`",
                foreign_key.column, foreign_key.parent
            ),
        ))
    }

    /// The constraints that are checked at the commit.
    pub(super) fn check_deferred(&self) -> Result<()> {
        for foreign_key in self
            .foreign_keys
            .iter()
            .filter(|foreign_key| foreign_key.deferred)
        {
            self.check_all(foreign_key)?;
        }
        Ok(())
    }

    /// Refuses a foreign key that some row breaks.
    pub(super) fn check_all(&self, foreign_key: &ForeignKey) -> Result<()> {
        let child = self.table(&foreign_key.child)?;
        child
            .rows
            .iter()
            .try_for_each(|(_, row)| self.check_parent(foreign_key, row))
    }
}
