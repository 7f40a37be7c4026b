//! Visible rows: reading, inserting, replacing, removing.

use crate::error::{SqlResult as _, invalid_key};
use crate::sql::Shape;
use crate::text::TextBuffer;
use crate::triggers::is_row_id;
use crate::values::{bind, bind_cell, read};
use onsync_core::page::KeyRange;
use onsync_core::rows::RowSet;
use onsync_core::schema::{EntitySchema, Ids};
use onsync_core::store::check;
use onsync_core::store::local::LOCAL_TEXT_PREFIX;
use onsync_core::{Error, Key, Result, Row, Value, ValueType};
use rusqlite::{Connection, Statement};
use uuid::Uuid;

/// Binds a key to the parameters from `first` on.
pub(crate) fn bind_key(
    statement: &mut Statement<'_>,
    first: usize,
    entity: &EntitySchema,
    key: &Key,
    buffer: &mut TextBuffer,
) -> Result<()> {
    check::key(entity, key)?;
    for (index, value) in key.0.iter().enumerate() {
        bind(statement, first + index, value, buffer).doing("binding a key")?;
    }
    Ok(())
}

/// Binds the ends of a range to the parameters that [`Shape::range`] wrote; says how many there were.
pub(crate) fn bind_range(
    statement: &mut Statement<'_>,
    entity: &EntitySchema,
    range: &KeyRange,
    buffer: &mut TextBuffer,
) -> Result<usize> {
    let mut next = 1;
    for key in [&range.after, &range.to].into_iter().flatten() {
        bind_key(statement, next, entity, key, buffer)?;
        next += key.0.len();
    }
    Ok(next - 1)
}

/// Reads the columns of a statement that selected all attributes first.
pub(crate) fn read_row(row: &rusqlite::Row<'_>, entity: &EntitySchema) -> Result<Row> {
    let mut values = Vec::with_capacity(entity.attributes.len());
    for (index, attribute) in entity.attributes.iter().enumerate() {
        let stored = row.get_ref(index).doing("reading a record")?;
        let value = read(stored, attribute.value_type).map_err(|error| {
            let key = stored_key(row, entity);
            error.at(format!("{}[{key}].{}", entity.name, attribute.name))
        })?;
        values.push(value);
    }
    Ok(values)
}

/// The key of a row as it is stored, for errors.
fn stored_key(row: &rusqlite::Row<'_>, entity: &EntitySchema) -> String {
    let parts: Vec<String> = entity
        .key_indexes()
        .into_iter()
        .map(|index| {
            let stored: rusqlite::Result<rusqlite::types::Value> = row.get(index);
            match stored {
                Ok(rusqlite::types::Value::Integer(value)) => value.to_string(),
                Ok(rusqlite::types::Value::Real(value)) => value.to_string(),
                Ok(rusqlite::types::Value::Text(value)) => value,
                Ok(rusqlite::types::Value::Blob(value)) => format!("{} bytes", value.len()),
                Ok(rusqlite::types::Value::Null) | Err(_) => "?".to_owned(),
            }
        })
        .collect();
    parts.join(", ")
}

pub(crate) fn get(connection: &Connection, entity: &EntitySchema, keys: &[Key]) -> Result<Vec<Option<Row>>> {
    let doing = "reading records";
    let shape = Shape::of(entity);
    let mut statement = connection
        .prepare_cached(&format!(
            "SELECT {} FROM {} WHERE {}",
            shape.columns(),
            shape.table,
            shape.key_is_parameters()
        ))
        .doing(doing)?;
    let mut buffer = TextBuffer::new();
    let mut found = Vec::with_capacity(keys.len());
    for key in keys {
        bind_key(&mut statement, 1, entity, key, &mut buffer)?;
        let mut rows = statement.raw_query();
        found.push(match rows.next().doing(doing)? {
            Some(row) => Some(read_row(row, entity)?),
            None => None,
        });
    }
    Ok(found)
}

pub(crate) fn count(connection: &Connection, entity: &EntitySchema) -> Result<u64> {
    let sql = format!("SELECT count(*) FROM {}", Shape::of(entity).table);
    connection
        .prepare_cached(&sql)
        .and_then(|mut statement| statement.query_row([], |row| row.get::<_, i64>(0)))
        .doing("counting records")
        .map(i64::unsigned_abs)
}

pub(crate) fn keys_in(connection: &Connection, entity: &EntitySchema, range: &KeyRange) -> Result<Vec<Key>> {
    let doing = "reading keys";
    let shape = Shape::of(entity);
    let list = shape.key_list();
    let mut statement = connection
        .prepare_cached(&format!(
            "SELECT {list} FROM {}{} ORDER BY {list}",
            shape.table,
            shape.range(range.after.is_some(), range.to.is_some())
        ))
        .doing(doing)?;
    bind_range(&mut statement, entity, range, &mut TextBuffer::new())?;
    let types = entity.key_types();
    let mut rows = statement.raw_query();
    let mut keys = Vec::new();
    while let Some(row) = rows.next().doing(doing)? {
        keys.push(read_key(row, entity, &types)?);
    }
    Ok(keys)
}

/// Reads the columns of a statement that selected the key attributes first.
fn read_key(row: &rusqlite::Row<'_>, entity: &EntitySchema, types: &[ValueType]) -> Result<Key> {
    let mut values = Vec::with_capacity(types.len());
    for (index, wanted) in types.iter().enumerate() {
        let stored = row.get_ref(index).doing("reading a key")?;
        let value = read(stored, *wanted)
            .map_err(|error| error.at(format!("{}.{}", entity.name, entity.key[index])))?;
        values.push(value);
    }
    Ok(Key(values))
}

pub(crate) fn insert(connection: &Connection, entity: &EntitySchema, row: &Row) -> Result<Key> {
    let doing = "inserting a record";
    if row.len() != entity.attributes.len() {
        return Err(Error::rejected(
            "invalid_value",
            format!(
                "wanted a row of {} values, found {}",
                entity.attributes.len(),
                row.len()
            ),
        )
        .at(&entity.name));
    }
    for (value, attribute) in row.iter().zip(&entity.attributes) {
        value
            .check(attribute.value_type)
            .map_err(|error| error.at(format!("{}.{}", entity.name, attribute.name)))?;
    }
    let mut key = entity.key_of(row);
    let by_table = complete_key(entity, &mut key);
    if !by_table {
        check::key(entity, &key)?;
    }
    let shape = Shape::of(entity);
    let places: Vec<String> = (1..=row.len()).map(|place| format!("?{place}")).collect();
    let mut statement = connection
        .prepare_cached(&format!(
            "INSERT INTO {} ({}) VALUES ({})",
            shape.table,
            shape.columns(),
            places.join(", ")
        ))
        .doing(doing)?;
    let mut buffer = TextBuffer::new();
    for (index, value) in row.iter().enumerate() {
        bind(&mut statement, index + 1, value, &mut buffer).doing(doing)?;
    }
    for (index, value) in entity.key_indexes().into_iter().zip(&key.0) {
        bind(&mut statement, index + 1, value, &mut buffer).doing(doing)?;
    }
    statement
        .raw_execute()
        .doing(doing)
        .map_err(|error| error.at(&entity.name))?;
    if by_table {
        key = Key::one(connection.last_insert_rowid());
    }
    Ok(key)
}

/// Fills in a key that is left to the device; says whether the table itself will make it.
fn complete_key(entity: &EntitySchema, key: &mut Key) -> bool {
    let server = entity.ids == Ids::Server;
    let [value @ Value::Null] = key.0.as_mut_slice() else {
        return false;
    };
    match entity.key_types().first() {
        Some(ValueType::Uuid) => *value = Value::Uuid(Uuid::new_v4()),
        Some(ValueType::Text) if server => {
            *value = Value::Text(format!("{LOCAL_TEXT_PREFIX}{}", Uuid::new_v4()));
        }
        _ => return server && is_row_id(entity),
    }
    false
}

pub(crate) fn put(
    connection: &Connection,
    entity: &EntitySchema,
    attributes: &[usize],
    rows: &RowSet,
) -> Result<()> {
    let doing = "storing records";
    check::columns(entity, attributes, rows)?;
    let is_key: Vec<bool> = attributes.iter().map(|index| entity.is_key(*index)).collect();
    let mut statement = connection
        .prepare_cached(&put_statement(entity, attributes))
        .doing(doing)?;
    let mut buffer = TextBuffer::new();
    let columns = rows.columns();
    for row in 0..rows.len() {
        for (place, column) in columns.iter().enumerate() {
            let null = bind_cell(&mut statement, place + 1, column, row, &mut buffer).doing(doing)?;
            if null && is_key[place] {
                return Err(invalid_key(
                    &entity.name,
                    format!("wanted a key in every row, found null in row {row}"),
                ));
            }
        }
        statement
            .raw_execute()
            .doing(doing)
            .map_err(|error| error.at(&entity.name))?;
    }
    Ok(())
}

fn put_statement(entity: &EntitySchema, attributes: &[usize]) -> String {
    let shape = Shape::of(entity);
    let names: Vec<String> = attributes
        .iter()
        .map(|index| crate::sql::quote(&entity.attributes[*index].name))
        .collect();
    let places: Vec<String> = (1..=names.len()).map(|place| format!("?{place}")).collect();
    let set: Vec<String> = attributes
        .iter()
        .zip(&names)
        .filter(|(index, _)| !entity.is_key(**index))
        .map(|(_, name)| format!("{name} = excluded.{name}"))
        .collect();
    let action = if set.is_empty() {
        "NOTHING".to_owned()
    } else {
        format!("UPDATE SET {}", set.join(", "))
    };
    format!(
        "INSERT INTO {} ({}) VALUES ({}) ON CONFLICT ({}) DO {action}",
        shape.table,
        names.join(", "),
        places.join(", "),
        shape.key_list()
    )
}

pub(crate) fn remove(connection: &Connection, entity: &EntitySchema, keys: &[Key]) -> Result<()> {
    let doing = "removing records";
    let shape = Shape::of(entity);
    let mut statement = connection
        .prepare_cached(&format!(
            "DELETE FROM {} WHERE {}",
            shape.table,
            shape.key_is_parameters()
        ))
        .doing(doing)?;
    let mut buffer = TextBuffer::new();
    for key in keys {
        bind_key(&mut statement, 1, entity, key, &mut buffer)?;
        statement
            .raw_execute()
            .doing(doing)
            .map_err(|error| error.at(&entity.name))?;
    }
    Ok(())
}
