//! The server's own ordered bytes.

use crate::error::Doing;
use onsync_core::Result;
use rusqlite::{Connection, OptionalExtension, params};

pub(crate) fn get(connection: &Connection, area: &str, key: &[u8]) -> Result<Option<Vec<u8>>> {
    connection
        .prepare_cached("SELECT value FROM \"_onsync_area\" WHERE area = ?1 AND key = ?2")
        .and_then(|mut statement| {
            statement
                .query_row(params![area, key], |row| row.get(0))
                .optional()
        })
        .doing("reading an area")
}

pub(crate) fn scan(
    connection: &Connection,
    area: &str,
    after: Option<&[u8]>,
    limit: usize,
) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let run = || {
        let mut statement = connection.prepare_cached(
            "SELECT key, value FROM \"_onsync_area\" WHERE area = ?1 AND (?2 IS NULL OR key > ?2) ORDER BY key LIMIT ?3",
        )?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        statement
            .query_map(params![area, after, limit], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect()
    };
    rusqlite::Result::<Vec<_>>::doing(run(), "reading an area")
}

/// Whether the key was new and is stored now.
pub(crate) fn insert(connection: &Connection, area: &str, key: &[u8], value: &[u8]) -> Result<bool> {
    connection
        .prepare_cached(
            "INSERT INTO \"_onsync_area\" (area, key, value) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
        )
        .and_then(|mut statement| statement.execute(params![area, key, value]))
        .doing("writing an area")
        .map(|rows| rows == 1)
}

pub(crate) fn put(connection: &Connection, area: &str, key: &[u8], value: &[u8]) -> Result<()> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO \"_onsync_area\" (area, key, value) VALUES (?1, ?2, ?3)")
        .and_then(|mut statement| statement.execute(params![area, key, value]))
        .doing("writing an area")
        .map(|_| ())
}

pub(crate) fn remove(connection: &Connection, area: &str, key: &[u8]) -> Result<()> {
    connection
        .prepare_cached("DELETE FROM \"_onsync_area\" WHERE area = ?1 AND key = ?2")
        .and_then(|mut statement| statement.execute(params![area, key]))
        .doing("writing an area")
        .map(|_| ())
}

/// For each key whether it was new and is stored now.
pub(crate) fn insert_all(
    connection: &Connection,
    area: &str,
    entries: &[(Vec<u8>, Vec<u8>)],
) -> Result<Vec<bool>> {
    let run = || {
        let mut statement = connection.prepare_cached(
            "INSERT INTO \"_onsync_area\" (area, key, value) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
        )?;
        statement.raw_bind_parameter(1, area)?;
        entries
            .iter()
            .map(|(key, value)| {
                statement.raw_bind_parameter(2, key.as_slice())?;
                statement.raw_bind_parameter(3, value.as_slice())?;
                statement.raw_execute().map(|rows| rows == 1)
            })
            .collect()
    };
    rusqlite::Result::<Vec<_>>::doing(run(), "writing an area")
}

pub(crate) fn remove_all(connection: &Connection, area: &str, keys: &[Vec<u8>]) -> Result<()> {
    let run = || {
        let mut statement =
            connection.prepare_cached("DELETE FROM \"_onsync_area\" WHERE area = ?1 AND key = ?2")?;
        statement.raw_bind_parameter(1, area)?;
        for key in keys {
            statement.raw_bind_parameter(2, key.as_slice())?;
            statement.raw_execute()?;
        }
        Ok(())
    };
    rusqlite::Result::<()>::doing(run(), "writing an area")
}
