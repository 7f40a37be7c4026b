//! What the store refuses before it writes anything: keys, rows and columns that are not of their entity.

use onsync_core::rows::RowSet;
use onsync_core::schema::EntitySchema;
use onsync_core::store::local::Overlay;
use onsync_core::{Error, Key, Result, Row, Value};

/// Refuses a key that cannot name a record of the entity.
pub(crate) fn key(entity: &EntitySchema, key: &Key) -> Result<()> {
    let types = entity.key_types();
    if key.0.len() != types.len() || key.0.iter().any(Value::is_null) {
        let what = format!(
            "wanted a value for each of {}, found {key}",
            entity.key.join(", ")
        );
        return Err(Error::rejected("invalid_key", what).at(&entity.name));
    }
    for (value, wanted) in key.0.iter().zip(types) {
        value.check(wanted).map_err(|error| error.at(&entity.name))?;
    }
    Ok(())
}

/// Refuses a row whose values are not of the attributes' types.
pub(crate) fn row(entity: &EntitySchema, row: &Row) -> Result<()> {
    if row.len() != entity.attributes.len() {
        let what = format!("wanted {} values, found {}", entity.attributes.len(), row.len());
        return Err(Error::rejected("invalid_value", what).at(&entity.name));
    }
    let mut values = row.iter().zip(&entity.attributes);
    values.try_for_each(|(value, attribute)| {
        value
            .check(attribute.value_type)
            .map_err(|error| error.at(format!("{}.{}", entity.name, attribute.name)))
    })
}

/// The keys of the rows of a `put`, if all of it can be stored.
pub(crate) fn put(entity: &EntitySchema, attributes: &[usize], rows: &RowSet) -> Result<Vec<Key>> {
    let refuse = |what: String| Err(Error::rejected("invalid_columns", what).at(&entity.name));
    rows.check()?;
    if attributes.len() != rows.columns().len() {
        let (wanted, found) = (attributes.len(), rows.columns().len());
        return refuse(format!(
            "wanted {wanted} columns, one per attribute, found {found}"
        ));
    }
    for (place, index) in attributes.iter().enumerate() {
        if *index >= entity.attributes.len() || attributes[..place].contains(index) {
            return refuse(format!("position {index} is no attribute, or named twice"));
        }
    }
    let column_of = |key: usize| attributes.iter().position(|index| *index == key);
    let columns: Option<Vec<usize>> = entity.key_indexes().into_iter().map(column_of).collect();
    let Some(columns) = columns else {
        return refuse(format!(
            "wanted the key {} among the columns",
            entity.key.join(", ")
        ));
    };
    let mut keys = Vec::with_capacity(rows.len());
    for values in rows.iter() {
        for (value, index) in values.iter().zip(attributes) {
            let attribute = &entity.attributes[*index];
            value
                .check(attribute.value_type)
                .map_err(|error| error.at(format!("{}.{}", entity.name, attribute.name)))?;
        }
        let found = Key(columns.iter().map(|column| values[*column].clone()).collect());
        key(entity, &found)?;
        keys.push(found);
    }
    Ok(keys)
}

/// Refuses an overlay that is not of the entity.
pub(crate) fn overlay(entity: &EntitySchema, overlay: &Overlay) -> Result<()> {
    key(entity, &overlay.key)?;
    let Some(base) = &overlay.base else {
        return Ok(());
    };
    row(entity, base)?;
    let found = entity.key_of(base);
    if found == overlay.key {
        return Ok(());
    }
    let what = format!("wanted a base with the key {}, found {found}", overlay.key);
    Err(Error::rejected("key_change_refused", what).at(&entity.name))
}
