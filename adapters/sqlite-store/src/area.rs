//! Areas: ordered maps from bytes to bytes.

use crate::error::SqlResult as _;
use onsync_core::Result;
use rusqlite::{Connection, OptionalExtension as _, params};

pub(crate) fn get(connection: &Connection, area: &str, key: &[u8]) -> Result<Option<Vec<u8>>> {
    connection
        .prepare_cached("SELECT value FROM _onsync_area WHERE area = ?1 AND key = ?2")
        .and_then(|mut statement| {
            statement
                .query_row(params![area, key], |row| row.get(0))
                .optional()
        })
        .doing("reading an area")
}

pub(crate) fn put(connection: &Connection, area: &str, key: &[u8], value: &[u8]) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO _onsync_area (area, key, value) VALUES (?1, ?2, ?3) \
             ON CONFLICT (area, key) DO UPDATE SET value = excluded.value",
        )
        .and_then(|mut statement| statement.execute(params![area, key, value]))
        .doing("writing an area")
        .map(|_| ())
}

pub(crate) fn remove(connection: &Connection, area: &str, key: &[u8]) -> Result<()> {
    connection
        .prepare_cached("DELETE FROM _onsync_area WHERE area = ?1 AND key = ?2")
        .and_then(|mut statement| statement.execute(params![area, key]))
        .doing("writing an area")
        .map(|_| ())
}

pub(crate) fn scan(
    connection: &Connection,
    area: &str,
    after: Option<&[u8]>,
    limit: usize,
) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let doing = "reading an area";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let condition = if after.is_some() { " AND key > ?3" } else { "" };
    let mut statement = connection
        .prepare_cached(&format!(
            "SELECT key, value FROM _onsync_area WHERE area = ?1{condition} ORDER BY key LIMIT ?2"
        ))
        .doing(doing)?;
    statement.raw_bind_parameter(1, area).doing(doing)?;
    statement.raw_bind_parameter(2, limit).doing(doing)?;
    if let Some(after) = after {
        statement.raw_bind_parameter(3, after).doing(doing)?;
    }
    let mut rows = statement.raw_query();
    let mut found = Vec::new();
    while let Some(row) = rows.next().doing(doing)? {
        found.push((row.get(0).doing(doing)?, row.get(1).doing(doing)?));
    }
    Ok(found)
}

pub(crate) fn count(connection: &Connection, area: &str) -> Result<u64> {
    connection
        .prepare_cached("SELECT count(*) FROM _onsync_area WHERE area = ?1")
        .and_then(|mut statement| statement.query_row([area], |row| row.get::<_, i64>(0)))
        .doing("reading an area")
        .map(i64::unsigned_abs)
}
