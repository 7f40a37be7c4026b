//! What an app has put on a synced table by itself: unique indexes and triggers.

use crate::error::SqlResult as _;
use crate::sql::quote;
use onsync_core::Result;
use rusqlite::Connection;

/// A unique index that OnSync did not make: a row inserted with `OR REPLACE` displaces others through it.
pub(crate) struct UniqueIndex {
    pub(crate) name: String,
    /// The indexed columns with their collations.
    pub(crate) columns: Vec<(String, String)>,
    /// Whether an expression is indexed, whose displaced rows the triggers cannot name.
    pub(crate) has_expression: bool,
}

/// The unique indexes of a table, but for its primary key.
pub(crate) fn unique_indexes(connection: &Connection, table: &str) -> Result<Vec<UniqueIndex>> {
    let doing = "reading the indexes of a table";
    let mut list = connection
        .prepare(&format!("PRAGMA index_list({})", quote(table)))
        .doing(doing)?;
    let names: Vec<String> = list
        .query_map([], |row| {
            let unique: bool = row.get(2)?;
            let origin: String = row.get(3)?;
            Ok((unique && origin != "pk").then_some(row.get(1)?))
        })
        .doing(doing)?
        .filter_map(rusqlite::Result::transpose)
        .collect::<rusqlite::Result<_>>()
        .doing(doing)?;
    names
        .into_iter()
        .map(|name| unique_index(connection, name))
        .collect()
}

fn unique_index(connection: &Connection, name: String) -> Result<UniqueIndex> {
    let doing = "reading the columns of an index";
    let mut columns = Vec::new();
    let mut has_expression = false;
    let mut list = connection
        .prepare(&format!("PRAGMA index_xinfo({})", quote(&name)))
        .doing(doing)?;
    let mut rows = list.query([]).doing(doing)?;
    while let Some(row) = rows.next().doing(doing)? {
        if !row.get::<_, bool>(5).doing(doing)? {
            continue;
        }
        match row.get::<_, Option<String>>(2).doing(doing)? {
            Some(column) => columns.push((column, row.get(4).doing(doing)?)),
            None => has_expression = true,
        }
    }
    Ok(UniqueIndex {
        name,
        columns,
        has_expression,
    })
}

/// The triggers on a table that OnSync did not make.
pub(crate) fn foreign_triggers(connection: &Connection, table: &str) -> Result<Vec<String>> {
    let doing = "reading the triggers of a table";
    connection
        .prepare(
            "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE \
             AND substr(name, 1, 8) <> '_onsync_' ORDER BY name",
        )
        .doing(doing)?
        .query_map([table], |row| row.get(0))
        .doing(doing)?
        .collect::<rusqlite::Result<_>>()
        .doing(doing)
}
