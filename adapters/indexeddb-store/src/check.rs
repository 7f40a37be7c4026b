//! What the store refuses: keys and rows that are not of their entity.

use onsync_core::rows::RowSet;
use onsync_core::schema::EntitySchema;
use onsync_core::{Error, Key, Result, Row, Value, ValueType};

/// Refuses an entity that is not the one the store was opened with.
pub(crate) fn same_entity(opened: &EntitySchema, given: &EntitySchema) -> Result<()> {
    if opened.attributes == given.attributes && opened.key == given.key && opened.ids == given.ids {
        return Ok(());
    }
    Err(Error::unsupported(
        "store_schema",
        "the store was opened with other attributes, key or ids for this entity; open it with the schema in use",
    )
    .at(&given.name))
}

fn value(entity: &EntitySchema, name: &str, wanted: ValueType, value: &Value) -> Result<()> {
    value
        .check(wanted)
        .map_err(|error| error.at(format!("{}.{name}", entity.name)))
}

/// Refuses a key that cannot name a record of the entity.
pub(crate) fn key(entity: &EntitySchema, key: &Key) -> Result<()> {
    let refuse = |what: String| Err(Error::rejected("invalid_key", what).at(&entity.name));
    let types = entity.key_types();
    if key.0.len() != types.len() {
        return refuse(format!(
            "wanted a key of {} values ({}), found {}",
            types.len(),
            entity.key.join(", "),
            key.0.len()
        ));
    }
    for ((found, wanted), name) in key.0.iter().zip(types).zip(&entity.key) {
        if found.is_null() {
            return refuse(format!(
                "key attribute `{name}` is null; a record needs a value there"
            ));
        }
        value(entity, name, wanted, found)?;
    }
    Ok(())
}

/// Refuses values that are not of their attributes' types.
pub(crate) fn row(entity: &EntitySchema, row: &Row) -> Result<()> {
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
    for (found, attribute) in row.iter().zip(&entity.attributes) {
        value(entity, &attribute.name, attribute.value_type, found)?;
    }
    Ok(())
}

/// The keys of the rows of a `put`, after all that can be wrong with it was looked for.
pub(crate) fn put(entity: &EntitySchema, attributes: &[usize], rows: &RowSet) -> Result<Vec<Key>> {
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
        for row in 0..rows.len() {
            value(entity, &attribute.name, attribute.value_type, &column.value(row))?;
        }
    }
    let places = entity
        .key_indexes()
        .into_iter()
        .map(|key| attributes.iter().position(|index| *index == key));
    let Some(places) = places.collect::<Option<Vec<_>>>() else {
        return Err(refuse(format!(
            "the columns lack a key attribute; wanted {} among them",
            entity.key.join(", ")
        )));
    };
    let mut keys = Vec::with_capacity(rows.len());
    for row in 0..rows.len() {
        let found = Key(places.iter().map(|column| rows.value(row, *column)).collect());
        key(entity, &found)?;
        keys.push(found);
    }
    Ok(keys)
}
