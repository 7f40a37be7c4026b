//! Looks at the tables of a schema: what an entity wants against what its table has.

use crate::catalog::{self, Affinity, Found, Table};
use crate::error::Doing;
use crate::plan::{AttributePlan, EntityPlan, SoftMark, change_table};
use crate::sql;
use crate::triggers::Tracking;
use crate::types::{detect, mappable};
use onsync_core::error::list_names;
use onsync_core::schema::{Attribute, EntitySchema, Ids, Schema, SoftDelete};
use onsync_core::{Error, Result, Value, ValueType};
use rusqlite::Connection;
use rusqlite::types::Value as Stored;
use std::collections::HashMap;
use std::sync::Arc;

/// What attaching a schema needs.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    pub(crate) entities: HashMap<String, Arc<EntityPlan>>,
    /// one for each table, in the order of the schema
    pub(crate) tracked: Vec<TrackedTable>,
    pub(crate) warnings: Vec<String>,
}

#[derive(Debug)]
pub(crate) struct TrackedTable {
    pub(crate) tracking: Tracking,
    /// names of the entities that map it
    pub(crate) entities: Vec<String>,
    /// whether every entity reads it in the table's own order
    pub(crate) native_order: bool,
    /// whether an entity leaves its keys to the database
    pub(crate) issues_keys: bool,
}

/// Looks at every entity that travels.
///
/// # Errors
/// `table_missing`, `column_missing`, `column_type`, `key_missing`.
pub(crate) fn survey(connection: &Connection, schema: &Schema) -> Result<Survey> {
    let mut survey = Survey::default();
    for entity in schema.entities.iter().filter(|entity| !entity.local) {
        look_at(connection, entity, &mut survey)
            .map_err(|error| error.at(format!("entities.{}", entity.name)))?;
    }
    Ok(survey)
}

fn look_at(connection: &Connection, entity: &EntitySchema, survey: &mut Survey) -> Result<()> {
    let table = require_table(connection, entity)?;
    let mut attributes = Vec::new();
    for attribute in &entity.attributes {
        attributes.push(if attribute.local {
            None
        } else {
            Some(plan_attribute(connection, &table, attribute)?)
        });
    }
    let mut key: Vec<AttributePlan> = entity
        .key_indexes()
        .into_iter()
        .filter_map(|index| attributes.get(index).cloned().flatten())
        .collect();
    check_key(&table, entity, &key)?;
    let native_order = native_order(connection, &table, &mut key)?;
    let tracking = Tracking {
        key: table
            .columns
            .iter()
            .filter(|column| key.iter().any(|attribute| attribute.column == column.name))
            .map(|column| column.name.clone())
            .collect(),
        table,
    };
    let (present, soft_delete) = presence(connection, &tracking.table, &key, entity.soft_delete.as_ref())?;
    warn(
        connection,
        entity,
        &tracking,
        &attributes,
        &key,
        native_order,
        &mut survey.warnings,
    )?;
    let next_key = (entity.ids == Ids::Server)
        .then(|| tracking.next_row_id())
        .flatten();
    let plan = EntityPlan {
        next_key,
        plain: is_plain(connection, &tracking.table)?,
        name: entity.name.clone(),
        table: tracking.table.name.clone(),
        change_keys: key
            .iter()
            .filter_map(|attribute| tracking.change_key(&attribute.column))
            .collect(),
        changes: change_table(&tracking.table),
        attributes,
        key,
        native_order,
        present,
        soft_delete,
    };
    survey.entities.insert(entity.name.clone(), Arc::new(plan));
    track(survey, entity, tracking, native_order)
}

/// Whether nothing makes anything else of a row than what is written to it: no computed column, and no trigger anywhere in the
/// database but OnSync's, since a trigger may be reached through others and through foreign keys. A table that refers to
/// itself may change by its own foreign keys.
fn is_plain(connection: &Connection, table: &Table) -> Result<bool> {
    let foreign: bool = connection
        .query_row(
            "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'trigger' AND name NOT LIKE '\\_onsync\\_%' ESCAPE '\\')",
            [],
            |row| row.get(0),
        )
        .doing("looking for triggers")?;
    let computed = table.columns.iter().any(|column| column.generated);
    let to_itself = table
        .references
        .iter()
        .any(|reference| reference.parent.eq_ignore_ascii_case(&table.name));
    Ok(!foreign && !computed && !to_itself)
}

fn track(survey: &mut Survey, entity: &EntitySchema, tracking: Tracking, native_order: bool) -> Result<()> {
    let known = survey
        .tracked
        .iter_mut()
        .find(|known| known.tracking.table.name == tracking.table.name);
    match known {
        Some(known) if known.tracking.key != tracking.key => Err(Error::unsupported(
            "key_missing",
            format!(
                "wanted one key for table `{}`, found {} here and {} in entity {}; give both entities the same `key`",
                tracking.table.name,
                list_names(&tracking.key),
                list_names(&known.tracking.key),
                list_names(&known.entities)
            ),
        )),
        Some(known) => {
            known.entities.push(entity.name.clone());
            known.native_order &= native_order;
            known.issues_keys |= entity.ids == Ids::Server;
            Ok(())
        }
        None => {
            survey.tracked.push(TrackedTable {
                tracking,
                entities: vec![entity.name.clone()],
                native_order,
                issues_keys: entity.ids == Ids::Server,
            });
            Ok(())
        }
    }
}

fn require_table(connection: &Connection, entity: &EntitySchema) -> Result<Table> {
    let refuse = |found: String| Err(Error::unsupported("table_missing", found).at("source"));
    let source = &entity.source;
    match catalog::find(connection, source)? {
        Found::Table(table) => Ok(*table),
        Found::View => refuse(format!(
            "wanted a table `{source}`, found a view: changes behind a view cannot be tracked; name the table behind it"
        )),
        Found::Virtual => refuse(format!(
            "wanted a table `{source}`, found a virtual table, which takes no triggers; name an ordinary table"
        )),
        Found::Nothing => refuse(format!(
            "wanted a table `{source}`, found {}; correct `source`, or create the table",
            list_names(catalog::table_names(connection)?)
        )),
    }
}

fn plan_attribute(connection: &Connection, table: &Table, attribute: &Attribute) -> Result<AttributePlan> {
    let place = || format!("attributes.{}", attribute.name);
    let Some(column) = table.column(&attribute.column) else {
        return Err(Error::unsupported(
            "column_missing",
            format!(
                "wanted a column `{}` in table `{}`, found {}; correct the attribute, or leave it out",
                attribute.column,
                table.name,
                list_names(table.columns.iter().map(|column| &column.name))
            ),
        )
        .at(place()));
    };
    if let Some(advice) = mappable(attribute.value_type, column.affinity) {
        return Err(Error::unsupported(
            "column_type",
            format!(
                "wanted a column that can hold {}, found `{}` of table `{}` declared as {}; {advice}",
                attribute.value_type,
                column.name,
                table.name,
                if column.declared.is_empty() {
                    "nothing"
                } else {
                    &column.declared
                }
            ),
        )
        .at(place()));
    }
    let mut samples = sample(connection, &table.name, &column.name)?;
    if samples.is_empty() {
        samples = referenced_samples(connection, table, &column.name)?;
    }
    let form = detect(attribute.value_type, column, &samples);
    Ok(AttributePlan::new(
        &attribute.name,
        attribute.value_type,
        column,
        form,
    ))
}

/// Some values of a column that are not null, from the first thousand rows.
pub(crate) fn sample(connection: &Connection, table: &str, column: &str) -> Result<Vec<Stored>> {
    let column = sql::name(column);
    let select = format!(
        "SELECT {column} FROM (SELECT {column} FROM {} LIMIT 1000) WHERE {column} IS NOT NULL LIMIT 50",
        sql::name(table)
    );
    let run = || {
        let mut statement = connection.prepare(&select)?;
        let mut rows = statement.query([])?;
        let mut samples = Vec::new();
        while let Some(row) = rows.next()? {
            // A text that is not UTF-8 shows no form; reading its row says so.
            samples.extend(Stored::try_from(row.get_ref(0)?));
        }
        Ok(samples)
    };
    rusqlite::Result::<Vec<Stored>>::doing(run(), "looking at a column's values")
}

/// Values of the column that this one refers to: a reference is written as what it refers to.
fn referenced_samples(connection: &Connection, table: &Table, column: &str) -> Result<Vec<Stored>> {
    for reference in &table.references {
        let Some(place) = reference
            .columns
            .iter()
            .position(|from| from.eq_ignore_ascii_case(column))
        else {
            continue;
        };
        let Found::Table(parent) = catalog::find(connection, &reference.parent)? else {
            continue;
        };
        let wanted = reference.parent_columns.get(place).cloned();
        let wanted = wanted.or_else(|| parent.primary_key().get(place).cloned());
        if let Some(found) = wanted.and_then(|wanted| parent.column(&wanted)) {
            return sample(connection, &parent.name, &found.name);
        }
    }
    Ok(Vec::new())
}

fn check_key(table: &Table, entity: &EntitySchema, key: &[AttributePlan]) -> Result<()> {
    let columns: Vec<&str> = key.iter().map(|attribute| attribute.column.as_str()).collect();
    let refuse = |found: String| Err(Error::unsupported("key_missing", found).at("key"));
    if !table.is_unique(&columns) {
        let primary = table.primary_key();
        let advice = if primary.is_empty() {
            "give the table a primary key or a unique index over these columns".to_owned()
        } else {
            format!("use its primary key {}", list_names(primary))
        };
        return refuse(format!(
            "wanted a key that names one row of table `{}`, found {} without a unique index; {advice}",
            table.name,
            list_names(&columns)
        ));
    }
    let nullable = columns
        .iter()
        .filter_map(|name| table.column(name))
        .find(|column| !column.not_null && column.primary == 0);
    if let Some(column) = nullable {
        return refuse(format!(
            "wanted a key that is never null, found column `{}` of table `{}`, which may be; declare it NOT NULL, or use \
             the primary key",
            column.name, table.name
        ));
    }
    let issued = |column: &catalog::Column| {
        table.row_id.as_ref() == Some(&column.name) || column.default.is_some() || column.generated
    };
    let issues = columns.iter().filter_map(|name| table.column(name)).all(issued);
    if entity.ids == Ids::Server && !issues {
        return refuse(format!(
            "wanted a key that the database issues (`ids = \"server\"`), found {} of table `{}` without INTEGER PRIMARY KEY or \
             default; use `ids = \"client\"`",
            list_names(&columns),
            table.name
        ));
    }
    Ok(())
}

/// Whether the table sorts these columns as canonical bytes sort. Notes which columns hold several forms.
fn native_order(connection: &Connection, table: &Table, key: &mut [AttributePlan]) -> Result<bool> {
    let encoding: String = connection
        .pragma_query_value(None, "encoding", |row| row.get(0))
        .doing("reading the encoding")?;
    let mut native = true;
    for attribute in key {
        let Some(column) = table.column(&attribute.column) else {
            continue;
        };
        let plain_text = column.affinity == Affinity::Text && !attribute.loose_text && encoding == "UTF-8";
        native &= match attribute.value_type {
            ValueType::Integer | ValueType::Bytes => true,
            ValueType::Text => plain_text,
            _ => {
                attribute.mixed = !is_uniform(connection, table, attribute)?;
                !attribute.mixed && (column.affinity != Affinity::Text || !attribute.loose_text)
            }
        };
    }
    Ok(native)
}

/// Whether every value of the column is written in the column's form. Values that are not of the type are left to reading.
fn is_uniform(connection: &Connection, table: &Table, attribute: &AttributePlan) -> Result<bool> {
    let select = format!(
        "SELECT {} FROM {}",
        sql::name(&attribute.column),
        sql::name(&table.name)
    );
    let run = || {
        let mut statement = connection.prepare(&select)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let stored = row.get_ref(0)?;
            if attribute
                .decode(stored)
                .is_ok_and(|value| !attribute.conforms(&value, stored))
            {
                return Ok(false);
            }
        }
        Ok(true)
    };
    rusqlite::Result::<bool>::doing(run(), "looking at the keys of a table")
}

type Presence = (Option<String>, Option<SoftMark>);

/// The condition for rows that devices see, and how a row is marked as deleted.
fn presence(
    connection: &Connection,
    table: &Table,
    key: &[AttributePlan],
    soft_delete: Option<&SoftDelete>,
) -> Result<Presence> {
    let quoted = |column: &str| format!("{}.{}", sql::name(&table.name), sql::name(column));
    let mut conditions: Vec<String> = key
        .iter()
        .filter_map(|attribute| table.column(&attribute.column))
        .filter(|column| !column.not_null && table.row_id.as_ref() != Some(&column.name))
        .map(|column| format!("{} IS NOT NULL", quoted(&column.name)))
        .collect();
    let mut mark = None;
    if let Some(soft) = soft_delete {
        let value_type = soft.value.value_type().unwrap_or(ValueType::Boolean);
        let attribute = Attribute::new(&soft.column, value_type);
        let plan = plan_attribute(connection, table, &attribute).map_err(|error| error.at("delete"))?;
        let column = quoted(&plan.column);
        conditions.push(match &soft.value {
            Value::Boolean(value) => {
                let words = if *value {
                    "'1', '1.0', 'true', 't', 'yes', 'y'"
                } else {
                    "'0', '0.0', 'false', 'f', 'no', 'n'"
                };
                format!("coalesce(lower(CAST({column} AS TEXT)) NOT IN ({words}), 1)")
            }
            Value::Integer(value) => format!("{column} IS NOT {value}"),
            Value::Text(value) => format!("{column} IS NOT {}", sql::text(value)),
            _ => {
                return Err(Error::unsupported(
                    "column_type",
                    "wanted a boolean, integer or text as the value that means deleted; change `delete`",
                )
                .at("delete"));
            }
        });
        mark = Some(SoftMark {
            deleted: plan.encode(&soft.value)?,
            alive: alive(&plan, table, &soft.value)?,
            column: plan.column,
        });
    }
    let present = (!conditions.is_empty()).then(|| format!("({})", sql::join(conditions, " AND ")));
    Ok((present, mark))
}

/// A value for the mark that does not mean deleted: the other boolean, else the column's default, else null.
fn alive(plan: &AttributePlan, table: &Table, deleted: &Value) -> Result<String> {
    let literal = |value: &Value| {
        Ok::<_, Error>(match plan.encode(value)? {
            Stored::Integer(value) => value.to_string(),
            Stored::Text(text) => sql::text(&text),
            _ => "NULL".to_owned(),
        })
    };
    if let Value::Boolean(deleted) = deleted {
        return literal(&Value::Boolean(!deleted));
    }
    let default = table
        .column(&plan.column)
        .and_then(|column| column.default.as_deref());
    match default {
        Some(default) => Ok(format!("nullif(({default}), {})", literal(deleted)?)),
        None => Ok("NULL".to_owned()),
    }
}

fn warn(
    connection: &Connection,
    entity: &EntitySchema,
    tracking: &Tracking,
    attributes: &[Option<AttributePlan>],
    key: &[AttributePlan],
    native_order: bool,
    warnings: &mut Vec<String>,
) -> Result<()> {
    let table = &tracking.table;
    let name = &entity.name;
    for index in &table.expression_indexes {
        warnings.push(format!(
            "{name}: the unique index `{index}` of table `{}` is over an expression; a row that `REPLACE` removes through it is not \
             noticed: delete such rows by name, or reconcile",
            table.name
        ));
    }
    if !native_order {
        warnings.push(format!(
            "{name}: the keys of table `{}` are not stored in the order of their values; first syncs sort them, which is slow on \
             large tables: store keys in one form, with collation BINARY",
            table.name
        ));
    }
    for attribute in attributes
        .iter()
        .flatten()
        .filter(|attribute| attribute.generated)
    {
        warnings.push(format!(
            "{name}: the database computes column `{}`; what devices write to it is left out",
            attribute.column
        ));
    }
    for attribute in key {
        let nullable = table
            .column(&attribute.column)
            .is_some_and(|column| !column.not_null)
            && table.row_id.as_ref() != Some(&attribute.column);
        if !nullable {
            continue;
        }
        let (table, column) = (sql::name(&table.name), sql::name(&attribute.column));
        let missing: bool = connection
            .query_row(
                &format!("SELECT EXISTS (SELECT 1 FROM {table} WHERE {column} IS NULL)"),
                [],
                |row| row.get(0),
            )
            .doing("looking for rows without a key")?;
        if missing {
            warnings.push(format!(
                "{name}: table {table} has rows with NULL in its key {column}; they cannot be named and do not sync"
            ));
        }
    }
    Ok(())
}
