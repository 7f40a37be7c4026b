//! Overlays: the base copy, edit number and state of each record with unsent changes.

use crate::error::SqlResult as _;
use crate::rows::{bind_key, bind_range, read_row};
use crate::sql::{Shape, literal};
use crate::text::TextBuffer;
use crate::values::bind;
use onsync_core::page::KeyRange;
use onsync_core::schema::EntitySchema;
use onsync_core::store::check;
use onsync_core::store::local::{Overlay, RecordState};
use onsync_core::{Error, Key, Result, Value};
use rusqlite::{Connection, params};

const META: &str =
    "\"_onsync_from_server\", \"_onsync_edit\", \"_onsync_acknowledged_to\", \"_onsync_state\"";
/// [`Overlay::is_waiting`] as SQL.
pub(crate) const WAITING: &str = "\"_onsync_edit\" > \"_onsync_acknowledged_to\"";

pub(crate) fn get(
    connection: &Connection,
    entity: &EntitySchema,
    keys: &[Key],
) -> Result<Vec<Option<Overlay>>> {
    let doing = "reading what is unsent";
    if entity.local {
        return Ok(vec![None; keys.len()]);
    }
    let shape = Shape::of(entity);
    let mut statement = connection
        .prepare_cached(&format!(
            "SELECT {}, {META} FROM {} WHERE {}",
            shape.columns(),
            shape.base,
            shape.key_is_parameters()
        ))
        .doing(doing)?;
    let mut buffer = TextBuffer::new();
    let mut found = Vec::with_capacity(keys.len());
    for key in keys {
        bind_key(&mut statement, 1, entity, key, &mut buffer)?;
        let mut rows = statement.raw_query();
        found.push(match rows.next().doing(doing)? {
            Some(row) => Some(read_overlay(row, entity)?),
            None => None,
        });
    }
    Ok(found)
}

pub(crate) fn get_in(
    connection: &Connection,
    entity: &EntitySchema,
    range: &KeyRange,
    limit: usize,
) -> Result<Vec<Overlay>> {
    select(connection, entity, range, limit, "")
}

/// Only those that wait, and are neither in flight nor in a conflict: [`Overlay::may_be_sent`] as SQL.
pub(crate) fn get_to_send(
    connection: &Connection,
    entity: &EntitySchema,
    range: &KeyRange,
    limit: usize,
) -> Result<Vec<Overlay>> {
    let held = [RecordState::InFlight, RecordState::Conflicted].map(|state| literal(state.as_str()));
    let condition = format!("{WAITING} AND \"_onsync_state\" NOT IN ({})", held.join(", "));
    select(connection, entity, range, limit, &condition)
}

fn select(
    connection: &Connection,
    entity: &EntitySchema,
    range: &KeyRange,
    limit: usize,
    condition: &str,
) -> Result<Vec<Overlay>> {
    let doing = "reading what is unsent";
    if entity.local {
        return Ok(Vec::new());
    }
    let shape = Shape::of(entity);
    let bounds = [&range.after, &range.to].into_iter().flatten().count();
    let within = shape.range(range.after.is_some(), range.to.is_some());
    let joint = match (within.is_empty(), condition.is_empty()) {
        (_, true) => "",
        (true, false) => " WHERE ",
        (false, false) => " AND ",
    };
    let mut statement = connection
        .prepare_cached(&format!(
            "SELECT {}, {META} FROM {}{within}{joint}{condition} ORDER BY {} LIMIT ?{}",
            shape.columns(),
            shape.base,
            shape.key_list(),
            bounds * shape.key.len() + 1
        ))
        .doing(doing)?;
    let bound = bind_range(&mut statement, entity, range, &mut TextBuffer::new())?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    statement.raw_bind_parameter(bound + 1, limit).doing(doing)?;
    let mut rows = statement.raw_query();
    let mut found = Vec::new();
    while let Some(row) = rows.next().doing(doing)? {
        found.push(read_overlay(row, entity)?);
    }
    Ok(found)
}

pub(crate) fn count_waiting(connection: &Connection, entity: &EntitySchema) -> Result<u64> {
    if entity.local {
        return Ok(0);
    }
    let base = Shape::of(entity).base;
    connection
        .prepare_cached(&format!("SELECT count(*) FROM {base} WHERE {WAITING}"))
        .and_then(|mut statement| statement.query_row([], |row| row.get::<_, i64>(0)))
        .doing("counting what is unsent")
        .map(i64::unsigned_abs)
}

pub(crate) fn set_states(
    connection: &Connection,
    entity: &EntitySchema,
    keys: &[Key],
    state: RecordState,
) -> Result<()> {
    let doing = "storing what is unsent";
    if entity.local {
        return Ok(());
    }
    let shape = Shape::of(entity);
    let mut statement = connection
        .prepare_cached(&format!(
            "UPDATE {} SET \"_onsync_state\" = ?{} WHERE {}",
            shape.base,
            shape.key.len() + 1,
            shape.key_is_parameters()
        ))
        .doing(doing)?;
    let mut buffer = TextBuffer::new();
    statement
        .raw_bind_parameter(shape.key.len() + 1, state.as_str())
        .doing(doing)?;
    for key in keys {
        bind_key(&mut statement, 1, entity, key, &mut buffer)?;
        statement.raw_execute().doing(doing)?;
    }
    Ok(())
}

pub(crate) fn remove_unedited(
    connection: &Connection,
    entity: &EntitySchema,
    records: &[(Key, u64)],
) -> Result<Vec<bool>> {
    let doing = "removing what was unsent";
    if entity.local {
        return Ok(vec![false; records.len()]);
    }
    let shape = Shape::of(entity);
    let place = shape.key.len() + 1;
    let mut statement = connection
        .prepare_cached(&format!(
            "DELETE FROM {} WHERE {} AND \"_onsync_edit\" = ?{place}",
            shape.base,
            shape.key_is_parameters(),
        ))
        .doing(doing)?;
    let mut buffer = TextBuffer::new();
    let mut removed = Vec::with_capacity(records.len());
    for (key, edit) in records {
        bind_key(&mut statement, 1, entity, key, &mut buffer)?;
        let edit = i64::try_from(*edit).unwrap_or(i64::MAX);
        statement.raw_bind_parameter(place, edit).doing(doing)?;
        removed.push(statement.raw_execute().doing(doing)? > 0);
    }
    Ok(removed)
}

fn read_overlay(row: &rusqlite::Row<'_>, entity: &EntitySchema) -> Result<Overlay> {
    let doing = "reading what is unsent";
    let width = entity.attributes.len();
    let base = read_row(row, entity)?;
    let state: String = row.get(width + 3).doing(doing)?;
    Ok(Overlay {
        key: entity.key_of(&base),
        base: row.get::<_, bool>(width).doing(doing)?.then_some(base),
        edit: row.get::<_, i64>(width + 1).doing(doing)?.unsigned_abs(),
        acknowledged_to: row.get::<_, i64>(width + 2).doing(doing)?.unsigned_abs(),
        state: RecordState::from_name(&state).ok_or_else(|| {
            Error::corrupt(
                "store_corrupt",
                format!("wanted the state of a record, found {state:?}"),
            )
            .at(&entity.name)
        })?,
    })
}

pub(crate) fn put(connection: &Connection, entity: &EntitySchema, overlay: &Overlay) -> Result<()> {
    let doing = "storing what is unsent";
    check::overlay(entity, overlay)?;
    let shape = Shape::of(entity);
    let width = entity.attributes.len();
    let places: Vec<String> = (1..=width + 4).map(|place| format!("?{place}")).collect();
    // No trigger and no other constraint is on this table, so replacing is storing.
    refuse_lower_edit(connection, entity, overlay)?;
    let mut statement = connection
        .prepare_cached(&format!(
            "INSERT OR REPLACE INTO {} ({}, {META}) VALUES ({})",
            shape.base,
            shape.columns(),
            places.join(", ")
        ))
        .doing(doing)?;
    let mut buffer = TextBuffer::new();
    for index in 0..width {
        let value = overlay.base.as_ref().map_or(&Value::Null, |base| &base[index]);
        bind(&mut statement, index + 1, value, &mut buffer).doing(doing)?;
    }
    for (index, value) in entity.key_indexes().into_iter().zip(&overlay.key.0) {
        bind(&mut statement, index + 1, value, &mut buffer).doing(doing)?;
    }
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    statement
        .raw_bind_parameter(width + 1, overlay.base.is_some())
        .and_then(|()| statement.raw_bind_parameter(width + 2, number(overlay.edit)))
        .and_then(|()| statement.raw_bind_parameter(width + 3, number(overlay.acknowledged_to)))
        .and_then(|()| statement.raw_bind_parameter(width + 4, overlay.state.as_str()))
        .and_then(|()| statement.raw_execute())
        .doing(doing)?;
    // Edit numbers only grow, over the whole store.
    connection
        .prepare_cached("UPDATE _onsync_sequence SET edit = ?1 WHERE edit < ?1")
        .and_then(|mut statement| statement.execute(params![number(overlay.edit)]))
        .doing(doing)?;
    Ok(())
}

fn refuse_lower_edit(connection: &Connection, entity: &EntitySchema, overlay: &Overlay) -> Result<()> {
    let doing = "storing what is unsent";
    let shape = Shape::of(entity);
    let mut statement = connection
        .prepare_cached(&format!(
            "SELECT \"_onsync_edit\" FROM {} WHERE {}",
            shape.base,
            shape.key_is_parameters()
        ))
        .doing(doing)?;
    bind_key(&mut statement, 1, entity, &overlay.key, &mut TextBuffer::new())?;
    let mut rows = statement.raw_query();
    let Some(row) = rows.next().doing(doing)? else {
        return Ok(());
    };
    let stored = row.get::<_, i64>(0).doing(doing)?.unsigned_abs();
    if stored <= overlay.edit {
        return Ok(());
    }
    Err(Error::rejected(
        "edit_number_refused",
        format!(
            "edit numbers only grow: wanted {stored} or more, found {}; read the overlay in the transaction that stores it",
            overlay.edit
        ),
    )
    .at(&entity.name))
}

pub(crate) fn remove(connection: &Connection, entity: &EntitySchema, key: &Key) -> Result<()> {
    let doing = "removing what was unsent";
    if entity.local {
        return Ok(());
    }
    let shape = Shape::of(entity);
    let mut statement = connection
        .prepare_cached(&format!(
            "DELETE FROM {} WHERE {}",
            shape.base,
            shape.key_is_parameters()
        ))
        .doing(doing)?;
    bind_key(&mut statement, 1, entity, key, &mut TextBuffer::new())?;
    statement.raw_execute().doing(doing).map(|_| ())
}
