//! What every store refuses before it writes: keys, rows, columns and overlays that are not of their entity.
//!
//! These errors are part of the contracts of the seams, and the conformance suites look for them. A store calls these functions instead of
//! having checks of its own.

use super::local::Overlay;
use crate::error::{Error, Result};
use crate::record::{Key, Row};
use crate::rows::{Column, RowSet};
use crate::schema::EntitySchema;
use crate::value::{Value, ValueType};

/// Refuses an entity that is not the one the store was opened with.
///
/// # Errors
/// `store_schema`.
pub fn same_entity(opened: &EntitySchema, given: &EntitySchema) -> Result<()> {
    if opened.attributes == given.attributes && opened.key == given.key && opened.ids == given.ids {
        return Ok(());
    }
    Err(Error::unsupported(
        "store_schema",
        "the store was opened with other attributes, key or ids for this entity; open it with the schema in use",
    )
    .at(&given.name))
}

/// Refuses a key that cannot name a record of the entity.
///
/// # Errors
/// `invalid_key`; `invalid_value` for a value of another type.
pub fn key(entity: &EntitySchema, key: &Key) -> Result<()> {
    let refuse = |what: String| Err(Error::rejected("invalid_key", what).at(&entity.name));
    if key.0.len() != entity.key.len() {
        return refuse(format!(
            "wanted a key of {} values ({}), found {}",
            entity.key.len(),
            entity.key.join(", "),
            key.0.len()
        ));
    }
    for (found, name) in key.0.iter().zip(&entity.key) {
        if found.is_null() {
            return refuse(format!(
                "key attribute `{name}` is null; a record needs a value there"
            ));
        }
        if let Some(index) = entity.index_of(name) {
            value(entity, name, entity.attributes[index].value_type, found)?;
        }
    }
    Ok(())
}

/// Refuses a row that has not one value for each attribute, of its type.
///
/// # Errors
/// `invalid_value`.
pub fn row(entity: &EntitySchema, row: &Row) -> Result<()> {
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
    let mut values = row.iter().zip(&entity.attributes);
    values.try_for_each(|(found, attribute)| value(entity, &attribute.name, attribute.value_type, found))
}

/// Refuses an overlay that is not of the entity, or whose base is another record's.
///
/// # Errors
/// `invalid_key`; `invalid_value`; `key_change_refused`; `invalid_overlay` for an entity that never travels.
pub fn overlay(entity: &EntitySchema, overlay: &Overlay) -> Result<()> {
    let refuse = |code: &'static str, what: String| Err(Error::rejected(code, what).at(&entity.name));
    if entity.local {
        let what = "this entity is local and never travels, so it has no overlays";
        return refuse("invalid_overlay", what.to_owned());
    }
    key(entity, &overlay.key)?;
    let Some(base) = &overlay.base else {
        return Ok(());
    };
    row(entity, base)?;
    let found = entity.key_of(base);
    if found != overlay.key {
        let what = format!("wanted a base with the key {}, found {found}", overlay.key);
        return refuse("key_change_refused", what);
    }
    Ok(())
}

/// Refuses columns that are not those of the attributes at these positions, lack the key, or hold values that no record may hold. Gives the
/// places of the key's columns, in the order of the key.
///
/// # Errors
/// `invalid_columns`; `invalid_value`.
pub fn columns(entity: &EntitySchema, attributes: &[usize], rows: &RowSet) -> Result<Vec<usize>> {
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
        values(attribute.value_type, column)
            .map_err(|error| error.at(format!("{}.{}", entity.name, attribute.name)))?;
    }
    let places = entity
        .key_indexes()
        .into_iter()
        .map(|key| attributes.iter().position(|index| *index == key));
    places.collect::<Option<Vec<_>>>().ok_or_else(|| {
        refuse(format!(
            "the columns lack a key attribute; wanted {} among them",
            entity.key.join(", ")
        ))
    })
}

/// The keys of the rows of a `put`, in their order, if all of it can be stored.
///
/// # Errors
/// As [`columns`] and [`key`].
pub fn put(entity: &EntitySchema, attributes: &[usize], rows: &RowSet) -> Result<Vec<Key>> {
    let places = columns(entity, attributes, rows)?;
    let keys = (0..rows.len()).map(|row| {
        let found = Key(places.iter().map(|column| rows.value(row, *column)).collect());
        key(entity, &found).map(|()| found)
    });
    keys.collect()
}

fn value(entity: &EntitySchema, name: &str, wanted: ValueType, value: &Value) -> Result<()> {
    value
        .check(wanted)
        .map_err(|error| error.at(format!("{}.{name}", entity.name)))
}

/// A column at a time: most types hold nothing that could be wrong.
fn values(wanted: ValueType, column: &Column) -> Result<()> {
    if column.value_type() != wanted {
        return Err(Error::rejected(
            "invalid_value",
            format!("wanted {wanted}, found {}", column.value_type()),
        ));
    }
    let suspicious = match column {
        Column::Real(values) => values.iter().flatten().any(|value| !value.is_finite()),
        Column::Text(values) => values.iter().flatten().any(|text| text.contains('\0')),
        Column::Json(_) => true,
        _ => false,
    };
    match suspicious {
        true => (0..column.len()).try_for_each(|row| column.value(row).check(wanted)),
        false => Ok(()),
    }
}
