//! The database that `onsync add` reads, as far as planning needs it.

use crate::exit::Failure;
use onsync_core::{Error, ValueType};
use onsync_sqlite_server_store::introspect::{ForeignKey, TableInfo, introspect};
use rusqlite::{Connection, OpenFlags};
use std::path::Path;

/// An existing database.
#[derive(Debug)]
pub(super) struct Source {
    path: String,
    names: Vec<String>,
    tables: Vec<SourceTable>,
}

/// One of its tables.
#[derive(Clone, Debug)]
pub(super) struct SourceTable {
    pub(super) name: String,
    pub(super) columns: Vec<Column>,
    /// The columns that name a row; empty if nothing does.
    pub(super) key: Vec<String>,
    /// Whether the database issues the key.
    pub(super) issues_keys: bool,
    pub(super) references: Vec<ForeignKey>,
}

/// One column.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) value_type: ValueType,
    /// What the user should know about that type.
    pub(super) doubt: Option<String>,
    pub(super) not_null: bool,
    /// Whether a row cannot be made without a value for it.
    pub(super) is_required: bool,
}

impl Source {
    /// Reads what there is. Changes nothing.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let shown = path.display().to_string();
        if !path.is_file() {
            return Err(Failure::usage(Error::unsupported(
                "database_missing",
                format!(
                    "--from: wanted an existing SQLite database, found no file `{shown}`; correct the path"
                ),
            )));
        }
        let tables = introspect(path).map_err(|error| error.at(shown.clone()))?;
        let defaults = defaults(path).map_err(|error| {
            Error::corrupt(
                "store_corrupt",
                format!("the defaults of columns cannot be read: {error}"),
            )
            .at(shown.clone())
        })?;
        let tables: Vec<SourceTable> = tables
            .into_iter()
            .map(|table| source_table(table, &defaults))
            .collect();
        Ok(Self {
            path: shown,
            names: tables.iter().map(|table| table.name.clone()).collect(),
            tables,
        })
    }

    /// The file.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Names of the tables.
    pub(super) fn tables(&self) -> &[String] {
        &self.names
    }

    /// One of the tables.
    pub(super) fn table(&self, name: &str) -> Option<&SourceTable> {
        self.tables
            .iter()
            .find(|table| table.name.eq_ignore_ascii_case(name))
    }
}

impl SourceTable {
    /// Whether a column is part of the key.
    pub(super) fn is_key(&self, column: &str) -> bool {
        self.key.iter().any(|key| key == column)
    }
}

/// Table and column of every column with a default.
fn defaults(path: &Path) -> rusqlite::Result<Vec<(String, String)>> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut statement = connection.prepare(
        "SELECT m.name, c.name FROM sqlite_master m, pragma_table_xinfo(m.name) c \
         WHERE m.type = 'table' AND c.dflt_value IS NOT NULL",
    )?;
    statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

fn source_table(table: TableInfo, defaults: &[(String, String)]) -> SourceTable {
    let has_default = |column: &str| {
        defaults
            .iter()
            .any(|(of, name)| *of == table.name && name == column)
    };
    let is_never_null = |name: &String| {
        table
            .columns
            .iter()
            .any(|column| column.name == *name && column.not_null)
    };
    let key = if table.primary_key.is_empty() {
        let unique = table
            .unique
            .iter()
            .find(|columns| columns.iter().all(is_never_null));
        unique.cloned().unwrap_or_default()
    } else {
        table.primary_key.clone()
    };
    let is_row_id = |name: &str| table.server_issued && key.len() == 1 && key[0] == name;
    let is_issued = |name: &str| is_row_id(name) || has_default(name);
    let columns = table.columns.iter().map(|column| Column {
        name: column.name.clone(),
        value_type: column.suggested,
        doubt: column.why.contains("check it").then(|| column.why.clone()),
        not_null: column.not_null,
        is_required: column.not_null && !column.generated && !is_issued(&column.name),
    });
    SourceTable {
        columns: columns.collect(),
        issues_keys: !key.is_empty() && key.iter().all(|name| is_issued(name)),
        key,
        references: table.foreign_keys.clone(),
        name: table.name,
    }
}
