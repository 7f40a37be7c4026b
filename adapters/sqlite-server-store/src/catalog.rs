//! What SQLite says about a table: columns, keys, unique indexes, references.

use crate::error::Doing;
use crate::sql;
use onsync_core::Result;
use rusqlite::{Connection, OptionalExtension, Row};

/// How SQLite converts values written to a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Affinity {
    Integer,
    Text,
    /// no conversion; `declared` tells a column declared as BLOB from one without a type
    Blob {
        declared: bool,
    },
    Real,
    Numeric,
}

impl Affinity {
    /// By the rules of SQLite's documentation, in their order.
    fn of(declared: &str, strict: bool) -> Self {
        let declared = declared.to_ascii_uppercase();
        let has = |word: &str| declared.contains(word);
        if has("INT") {
            Self::Integer
        } else if has("CHAR") || has("CLOB") || has("TEXT") {
            Self::Text
        } else if declared.trim().is_empty() || (strict && declared == "ANY") {
            Self::Blob { declared: false }
        } else if has("BLOB") {
            Self::Blob { declared: true }
        } else if has("REAL") || has("FLOA") || has("DOUB") {
            Self::Real
        } else {
            Self::Numeric
        }
    }

    /// A type name that gives a column this affinity.
    pub(crate) fn declaration(self) -> &'static str {
        match self {
            Self::Integer => "INTEGER",
            Self::Text => "TEXT",
            Self::Blob { .. } => "BLOB",
            Self::Real => "REAL",
            Self::Numeric => "NUMERIC",
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) declared: String,
    pub(crate) affinity: Affinity,
    pub(crate) not_null: bool,
    pub(crate) default: Option<String>,
    /// place in the primary key, from 1; 0 if it is not part of it
    pub(crate) primary: usize,
    pub(crate) generated: bool,
    pub(crate) collation: String,
}

/// A unique index whose parts are columns. `predicate` is the `WHERE` of a partial one, where it could be read.
#[derive(Clone, Debug)]
pub(crate) struct Unique {
    /// column name and collation
    pub(crate) parts: Vec<(String, String)>,
    pub(crate) partial: bool,
    pub(crate) predicate: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct Reference {
    pub(crate) columns: Vec<String>,
    pub(crate) parent: String,
    /// empty: the parent's primary key
    pub(crate) parent_columns: Vec<String>,
    pub(crate) on_delete: String,
}

#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) name: String,
    pub(crate) columns: Vec<Column>,
    pub(crate) uniques: Vec<Unique>,
    /// unique indexes over expressions, by name
    pub(crate) expression_indexes: Vec<String>,
    pub(crate) references: Vec<Reference>,
    /// the column that is the row id
    pub(crate) row_id: Option<String>,
    /// whether the database never gives a row id a second time
    pub(crate) autoincrement: bool,
    pub(crate) without_row_id: bool,
}

/// What stands under a name.
#[derive(Debug)]
pub(crate) enum Found {
    Nothing,
    View,
    Virtual,
    Table(Box<Table>),
}

fn query<T>(
    connection: &Connection,
    sql: &str,
    parameter: &str,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>> {
    let run = || {
        let mut statement = connection.prepare_cached(sql)?;
        statement.query_map([parameter], read)?.collect()
    };
    rusqlite::Result::<Vec<T>>::doing(run(), "reading the database's schema")
}

/// Names of the application's tables.
pub(crate) fn table_names(connection: &Connection) -> Result<Vec<String>> {
    query(
        connection,
        "SELECT name FROM sqlite_master WHERE type = ?1 AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
         AND name NOT LIKE '\\_onsync\\_%' ESCAPE '\\' ORDER BY name",
        "table",
        |row| row.get(0),
    )
}

/// Looks a table up; names match as SQLite matches them, without case.
pub(crate) fn find(connection: &Connection, wanted: &str) -> Result<Found> {
    let found: Option<(String, String, String)> = connection
        .prepare_cached(
            "SELECT type, name, coalesce(sql, '') FROM sqlite_master \
             WHERE type IN ('table', 'view') AND name = ?1 COLLATE NOCASE",
        )
        .and_then(|mut statement| {
            statement
                .query_row([wanted], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
                .optional()
        })
        .doing("looking for a table")?;
    let Some((kind, name, create)) = found else {
        return Ok(Found::Nothing);
    };
    if kind == "view" {
        return Ok(Found::View);
    }
    let is_virtual = create
        .split_whitespace()
        .nth(1)
        .is_some_and(|word| word.eq_ignore_ascii_case("virtual"));
    if is_virtual {
        return Ok(Found::Virtual);
    }
    describe(connection, name).map(|table| Found::Table(Box::new(table)))
}

fn describe(connection: &Connection, name: String) -> Result<Table> {
    let (without_row_id, strict) = query(
        connection,
        "SELECT wr, strict FROM pragma_table_list WHERE schema = 'main' AND name = ?1",
        &name,
        |row| Ok((row.get::<_, bool>(0)?, row.get::<_, bool>(1)?)),
    )?
    .into_iter()
    .next()
    .unwrap_or_default();
    let mut columns = query(
        connection,
        "SELECT name, type, \"notnull\", dflt_value, pk, hidden FROM pragma_table_xinfo(?1) WHERE hidden <> 1",
        &name,
        |row| {
            let declared: String = row.get(1)?;
            let declared = declared.trim_end_matches("GENERATED ALWAYS").trim().to_owned();
            Ok(Column {
                name: row.get(0)?,
                affinity: Affinity::of(&declared, strict),
                declared,
                not_null: row.get(2)?,
                default: row.get(3)?,
                primary: row.get(4)?,
                generated: row.get::<_, i64>(5)? >= 2,
                collation: "BINARY".to_owned(),
            })
        },
    )?;
    let mut autoincrement = false;
    for column in &mut columns {
        let (_, collation, _, _, issued_once) = connection
            .column_metadata(None, name.as_str(), column.name.as_str())
            .doing("reading a column's collation")?;
        if let Some(collation) = collation {
            column.collation = collation.to_string_lossy().into_owned();
        }
        autoincrement |= issued_once;
    }
    let (uniques, expression_indexes, primary_index) = read_uniques(connection, &name)?;
    let primary: Vec<&Column> = columns.iter().filter(|column| column.primary > 0).collect();
    let row_id = match primary.as_slice() {
        [only] if !without_row_id && !primary_index && only.declared.eq_ignore_ascii_case("INTEGER") => {
            Some(only.name.clone())
        }
        _ => None,
    };
    Ok(Table {
        references: read_references(connection, &name)?,
        name,
        columns,
        uniques,
        expression_indexes,
        row_id,
        autoincrement,
        without_row_id,
    })
}

/// Unique indexes over columns, names of those over expressions, and whether the primary key is an index.
fn read_uniques(connection: &Connection, table: &str) -> Result<(Vec<Unique>, Vec<String>, bool)> {
    let indexes = query(
        connection,
        "SELECT l.name, l.origin, l.partial, coalesce(m.sql, '') FROM pragma_index_list(?1) l \
         LEFT JOIN sqlite_master m ON m.type = 'index' AND m.name = l.name WHERE l.\"unique\" ORDER BY l.name",
        table,
        |row| {
            Ok((
                row.get::<_, String>(0)?,
                row.get::<_, String>(1)?,
                row.get::<_, bool>(2)?,
                row.get::<_, String>(3)?,
            ))
        },
    )?;
    let primary_index = indexes.iter().any(|(_, origin, ..)| origin == "pk");
    let mut uniques = Vec::new();
    let mut expressions = Vec::new();
    for (name, _, partial, create) in indexes {
        let parts = query(
            connection,
            "SELECT name, coll FROM pragma_index_xinfo(?1) WHERE key = 1 ORDER BY seqno",
            &name,
            |row| Ok((row.get::<_, Option<String>>(0)?, row.get::<_, String>(1)?)),
        )?;
        let parts: Option<Vec<(String, String)>> = parts
            .into_iter()
            .map(|(column, collation)| column.map(|column| (column, collation)))
            .collect();
        match parts {
            Some(parts) => uniques.push(Unique {
                predicate: if partial {
                    sql::index_predicate(&create)
                } else {
                    None
                },
                parts,
                partial,
            }),
            None => expressions.push(name),
        }
    }
    Ok((uniques, expressions, primary_index))
}

fn read_references(connection: &Connection, table: &str) -> Result<Vec<Reference>> {
    let rows = query(
        connection,
        "SELECT id, \"table\", \"from\", \"to\", on_delete FROM pragma_foreign_key_list(?1) ORDER BY id, seq",
        table,
        |row| {
            Ok((
                row.get::<_, i64>(0)?,
                row.get::<_, String>(1)?,
                row.get::<_, String>(2)?,
                row.get::<_, Option<String>>(3)?,
                row.get::<_, String>(4)?,
            ))
        },
    )?;
    let mut references: Vec<(i64, Reference)> = Vec::new();
    for (id, parent, from, to, on_delete) in rows {
        if references.last().is_none_or(|(last, _)| *last != id) {
            references.push((
                id,
                Reference {
                    columns: Vec::new(),
                    parent,
                    parent_columns: Vec::new(),
                    on_delete,
                },
            ));
        }
        if let Some((_, reference)) = references.last_mut() {
            reference.columns.push(from);
            reference.parent_columns.extend(to);
        }
    }
    Ok(references.into_iter().map(|(_, reference)| reference).collect())
}

impl Table {
    /// The column with that name, without case.
    pub(crate) fn column(&self, name: &str) -> Option<&Column> {
        self.columns
            .iter()
            .find(|column| column.name.eq_ignore_ascii_case(name))
    }

    /// The columns of the primary key, in its order.
    pub(crate) fn primary_key(&self) -> Vec<String> {
        let mut columns: Vec<&Column> = self.columns.iter().filter(|column| column.primary > 0).collect();
        columns.sort_by_key(|column| column.primary);
        columns.into_iter().map(|column| column.name.clone()).collect()
    }

    /// A name of the hidden row id that no column hides, if the table has one.
    pub(crate) fn hidden_row_id(&self) -> Option<&'static str> {
        if self.without_row_id || self.row_id.is_some() {
            return None;
        }
        ["rowid", "_rowid_", "oid"]
            .into_iter()
            .find(|name| self.column(name).is_none())
    }

    /// Whether these columns name at most one row.
    pub(crate) fn is_unique(&self, columns: &[&str]) -> bool {
        let has = |wanted: &str| columns.iter().any(|column| column.eq_ignore_ascii_case(wanted));
        self.row_id.as_deref().is_some_and(has)
            || self
                .uniques
                .iter()
                .any(|unique| !unique.partial && unique.parts.iter().all(|(column, _)| has(column)))
    }
}
