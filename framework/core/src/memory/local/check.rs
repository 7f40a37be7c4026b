//! What the store refuses: keys and rows that are not of their entity.

use super::state::Table;
use crate::error::{Error, Result};
use crate::record::{Key, Row};
use crate::rows::RowSet;
use crate::schema::EntitySchema;
use crate::value::{Value, ValueType};

/// Refuses an entity that is not the one the store was opened with.
pub(super) fn same_entity(opened: &EntitySchema, given: &EntitySchema) -> Result<()> {
    let columns = |entity: &EntitySchema| -> Vec<(String, ValueType)> {
        let attributes = entity.attributes.iter();
        attributes
            .map(|attribute| (attribute.name.clone(), attribute.value_type))
            .collect()
    };
    if opened.attributes == given.attributes && opened.key == given.key && opened.ids == given.ids {
        return Ok(());
    }
    Err(Error::unsupported(
        "store_schema",
        format!(
            "the store was opened with {:?} and key {:?}, and is asked for {:?} and key {:?}; open it with the schema in use",
            columns(opened),
            opened.key,
            columns(given),
            given.key
        ),
    )
    .at(&given.name))
}

fn invalid_key(entity: &EntitySchema, what: String) -> Error {
    Error::rejected("invalid_key", what).at(&entity.name)
}

/// Refuses a key that cannot name a record of the entity.
pub(super) fn key(entity: &EntitySchema, key: &Key) -> Result<()> {
    let types = entity.key_types();
    if key.0.len() != types.len() {
        return Err(invalid_key(
            entity,
            format!(
                "wanted a key of {} values ({}), found {}",
                types.len(),
                entity.key.join(", "),
                key.0.len()
            ),
        ));
    }
    for ((value, wanted), name) in key.0.iter().zip(types).zip(&entity.key) {
        if value.is_null() {
            return Err(invalid_key(
                entity,
                format!("key attribute `{name}` is null; a record needs a value there"),
            ));
        }
        value
            .check(wanted)
            .map_err(|error| error.at(format!("{}.{name}", entity.name)))?;
    }
    Ok(())
}

/// Refuses values that are not of their attributes' types.
pub(super) fn row(entity: &EntitySchema, row: &Row) -> Result<()> {
    if row.len() != entity.attributes.len() {
        return Err(Error::rejected(
            "invalid_value",
            format!(
                "wanted a row of {} values, one per attribute, found {}",
                entity.attributes.len(),
                row.len()
            ),
        )
        .at(&entity.name));
    }
    for (value, attribute) in row.iter().zip(&entity.attributes) {
        check_value(entity, &attribute.name, attribute.value_type, value)?;
    }
    Ok(())
}

fn check_value(entity: &EntitySchema, name: &str, wanted: ValueType, value: &Value) -> Result<()> {
    value
        .check(wanted)
        .map_err(|error| error.at(format!("{}.{name}", entity.name)))
}

/// The rows of a `put`, each with its key and laid out as stored.
pub(super) struct Put<'a> {
    entity: &'a EntitySchema,
    attributes: &'a [usize],
    rows: &'a RowSet,
    key_columns: Vec<usize>,
}

impl<'a> Put<'a> {
    /// Refuses columns that are not those of the attributes, or lack the key.
    pub(super) fn new(entity: &'a EntitySchema, attributes: &'a [usize], rows: &'a RowSet) -> Result<Self> {
        let refuse = |what: String| Error::rejected("invalid_columns", what).at(&entity.name);
        rows.check()?;
        if attributes.len() != rows.columns().len() {
            return Err(refuse(format!(
                "wanted one column for each of {} attributes, found {}",
                attributes.len(),
                rows.columns().len()
            )));
        }
        for (place, (index, column)) in attributes.iter().zip(rows.columns()).enumerate() {
            let Some(attribute) = entity.attributes.get(*index) else {
                return Err(refuse(format!(
                    "there is no attribute at position {index}; the entity has {}",
                    entity.attributes.len()
                )));
            };
            if attributes[..place].contains(index) {
                return Err(refuse(format!("attribute `{}` is named twice", attribute.name)));
            }
            if column.value_type() != attribute.value_type {
                return Err(Error::rejected(
                    "invalid_value",
                    format!("wanted {}, found {}", attribute.value_type, column.value_type()),
                )
                .at(format!("{}.{}", entity.name, attribute.name)));
            }
        }
        let places = entity
            .key_indexes()
            .into_iter()
            .map(|key| attributes.iter().position(|index| *index == key));
        let Some(key_columns) = places.collect::<Option<Vec<_>>>() else {
            return Err(refuse(format!(
                "the columns lack a key attribute; wanted {} among them",
                entity.key.join(", ")
            )));
        };
        Ok(Self {
            entity,
            attributes,
            rows,
            key_columns,
        })
    }

    /// The key of one row.
    pub(super) fn key(&self, row: usize) -> Result<Key> {
        let values = self
            .key_columns
            .iter()
            .map(|column| self.rows.value(row, *column));
        let found = Key(values.collect());
        key(self.entity, &found)?;
        Ok(found)
    }

    /// Refuses values that no record may hold.
    pub(super) fn check(&self, row: usize) -> Result<()> {
        for (column, index) in self.attributes.iter().enumerate() {
            let attribute = &self.entity.attributes[*index];
            check_value(
                self.entity,
                &attribute.name,
                attribute.value_type,
                &self.rows.value(row, column),
            )?;
        }
        Ok(())
    }

    /// One row over the one that is there.
    pub(super) fn over(&self, table: &Table, bytes: &[u8], row: usize) -> Row {
        let mut result = match table.rows.get(bytes) {
            Some(found) => Row::clone(found),
            None => vec![Value::Null; self.entity.attributes.len() + table.unused.len()],
        };
        for (column, index) in self.attributes.iter().enumerate() {
            result[*index] = self.rows.value(row, column);
        }
        result
    }
}
