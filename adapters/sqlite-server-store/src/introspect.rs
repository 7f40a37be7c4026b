//! What an existing database holds, with suggestions for a configuration.

use crate::catalog::{self, Column, Found, Table};
use crate::connections::open_read_only;
use crate::error::Doing;
use crate::survey::sample;
use crate::types::{Form, Unit, detect, mappable, read};
use onsync_core::{Result, ValueType};
use rusqlite::Connection;
use rusqlite::types::{Value as Stored, ValueRef};
use serde::Serialize;
use std::path::Path;

/// One table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TableInfo {
    /// The name as the database spells it.
    pub name: String,
    /// The columns, in their order.
    pub columns: Vec<ColumnInfo>,
    /// Columns of the primary key, in its order; empty if there is none.
    pub primary_key: Vec<String>,
    /// Columns of each unique index that covers the whole table.
    pub unique: Vec<Vec<String>>,
    /// References to other tables.
    pub foreign_keys: Vec<ForeignKey>,
    /// How many rows there are.
    pub rows: u64,
    /// Whether the database issues the key: the primary key is an `INTEGER PRIMARY KEY`. Suggests `ids = "server"`.
    pub server_issued: bool,
}

/// One column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ColumnInfo {
    /// The name.
    pub name: String,
    /// The type as declared; may be empty.
    pub declared: String,
    /// Whether null is refused.
    pub not_null: bool,
    /// Whether the database computes it.
    pub generated: bool,
    /// The type to configure.
    pub suggested: ValueType,
    /// Why that one.
    pub why: String,
}

/// A reference to another table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ForeignKey {
    /// The columns that refer.
    pub columns: Vec<String>,
    /// The table referred to.
    pub parent: String,
    /// The columns referred to.
    pub parent_columns: Vec<String>,
    /// What deleting the parent does, as declared: `NO ACTION`, `CASCADE`, …
    pub on_delete: String,
}

/// Reads the application's tables of a database file, by name. Changes nothing.
///
/// # Errors
/// `store_unavailable`, `store_corrupt`.
pub fn introspect(path: impl AsRef<Path>) -> Result<Vec<TableInfo>> {
    let connection = open_read_only(path.as_ref())?;
    let mut tables = Vec::new();
    for name in catalog::table_names(&connection)? {
        if let Found::Table(table) = catalog::find(&connection, &name)? {
            tables.push(describe(&connection, &table)?);
        }
    }
    Ok(tables)
}

fn describe(connection: &Connection, table: &Table) -> Result<TableInfo> {
    let mut columns = Vec::new();
    for column in &table.columns {
        let samples = sample(connection, &table.name, &column.name)?;
        let names_records =
            column.primary > 0 || table.references.iter().any(|r| r.columns.contains(&column.name));
        let (suggested, why) = suggest(column, &samples, names_records);
        columns.push(ColumnInfo {
            name: column.name.clone(),
            declared: column.declared.clone(),
            not_null: column.not_null || table.row_id.as_ref() == Some(&column.name),
            generated: column.generated,
            suggested,
            why,
        });
    }
    let mut foreign_keys = Vec::new();
    for reference in &table.references {
        let parent = match catalog::find(connection, &reference.parent)? {
            Found::Table(parent) => Some(parent),
            _ => None,
        };
        let implied = || {
            parent
                .as_ref()
                .map(|parent| parent.primary_key())
                .unwrap_or_default()
        };
        foreign_keys.push(ForeignKey {
            columns: reference.columns.clone(),
            parent: parent
                .as_ref()
                .map_or_else(|| reference.parent.clone(), |parent| parent.name.clone()),
            parent_columns: if reference.parent_columns.is_empty() {
                implied()
            } else {
                reference.parent_columns.clone()
            },
            on_delete: reference.on_delete.clone(),
        });
    }
    let rows = connection
        .query_row(
            &format!("SELECT count(*) FROM {}", crate::sql::name(&table.name)),
            [],
            |row| row.get(0),
        )
        .doing("counting rows")?;
    Ok(TableInfo {
        name: table.name.clone(),
        columns,
        primary_key: table.primary_key(),
        unique: table
            .uniques
            .iter()
            .filter(|unique| !unique.partial)
            .map(|unique| unique.parts.iter().map(|(column, _)| column.clone()).collect())
            .collect(),
        foreign_keys,
        rows,
        server_issued: table.row_id.is_some(),
    })
}

/// The type to configure for a column, and why.
fn suggest(column: &Column, samples: &[Stored], names_records: bool) -> (ValueType, String) {
    let declared = column.declared.to_ascii_uppercase();
    let says = if declared.is_empty() {
        "declared without a type".to_owned()
    } else {
        format!("declared {}", column.declared)
    };
    for wanted in candidates(&declared, samples, names_records) {
        if mappable(wanted, column.affinity).is_some() {
            continue;
        }
        let form = detect(wanted, column, samples);
        let fits = samples
            .iter()
            .all(|stored| read::decode(wanted, form.unit(), ValueRef::from(stored)).is_ok());
        if fits {
            return (wanted, why(&says, wanted, form, samples));
        }
    }
    (
        ValueType::Text,
        format!("{says}; its values are of several kinds: check it"),
    )
}

fn why(says: &str, wanted: ValueType, form: Form, samples: &[Stored]) -> String {
    let stored = match form {
        _ if samples.is_empty() => "no values yet",
        Form::Number(Unit::Seconds) => "stored as seconds since 1970",
        Form::Number(Unit::Millis) => "stored as milliseconds since 1970",
        Form::Number(Unit::Micros) => "stored as microseconds since 1970",
        Form::Number(Unit::Julian) => "stored as julian days",
        Form::Moment(moment) if wanted == ValueType::Timestamp && moment.suffix.is_empty() => {
            "stored without a zone and read as UTC; use local_timestamp for the time on a clock"
        }
        Form::Moment(_) | Form::DateText | Form::Time(_) => "stored as ISO text",
        Form::Uuid(_) => "its values are UUIDs",
        Form::BooleanNumber => "stored as 0 and 1",
        Form::BooleanWord(_) => "stored as words",
        Form::DecimalNumber => "stored as numbers",
        Form::DecimalText => "stored as numbers in text",
        Form::Plain => "stored as such",
    };
    format!("{says}, {stored}")
}

/// Types that may fit, the likeliest first.
fn candidates(declared: &str, samples: &[Stored], names_records: bool) -> Vec<ValueType> {
    use ValueType as T;
    let has = |word: &str| declared.contains(word);
    let texts = !samples.is_empty() && samples.iter().all(|sample| matches!(sample, Stored::Text(_)));
    let length = |wanted: usize| {
        samples
            .iter()
            .all(|s| matches!(s, Stored::Text(text) if text.len() == wanted))
    };
    let mut out = Vec::new();
    if has("BOOL") || declared.starts_with("TINYINT(1)") || declared == "BIT" {
        out.push(T::Boolean);
    } else if has("TIMESTAMP") || has("DATETIME") {
        out.push(T::Timestamp);
    } else if has("DATE") {
        out.extend([T::Date, T::Timestamp]);
    } else if has("TIME") {
        out.extend([T::Time, T::Timestamp]);
    } else if has("UUID") || has("GUID") || has("UNIQUEIDENTIFIER") {
        out.push(T::Uuid);
    } else if has("JSON") {
        out.push(T::Json);
    } else if has("DEC") || has("NUMERIC") || has("MONEY") || has("CURRENCY") {
        out.push(T::Decimal);
    } else if has("INT") {
        out.push(T::Integer);
    } else if has("REAL") || has("FLOA") || has("DOUB") {
        out.push(T::Real);
    } else if has("BLOB") || has("BINARY") {
        let short = !samples.is_empty()
            && samples
                .iter()
                .all(|s| matches!(s, Stored::Blob(bytes) if bytes.len() == 16));
        out.extend((short && names_records).then_some(T::Uuid));
        out.push(T::Bytes);
    }
    if out.is_empty() && texts {
        out.extend(length(36).then_some(T::Uuid));
        out.extend(length(10).then_some(T::Date));
        let dated = samples
            .iter()
            .all(|s| matches!(s, Stored::Text(text) if text.len() >= 19));
        out.extend(dated.then_some(T::Timestamp));
        out.push(T::Text);
    } else if out.is_empty() && (has("CHAR") || has("TEXT") || has("CLOB")) {
        out.push(T::Text);
    }
    out.extend([T::Integer, T::Decimal, T::Text, T::Bytes]);
    out
}
