//! Queries as SQL with bound parameters.
//!
//! Conditions and order compare what is stored. OnSync stores every value in one form, which sorts as the values do; a
//! value that plain SQL wrote in another form (`2026-01-01 10:00:00`) is read like any other but sorts as its text.

use crate::error::SqlResult as _;
use crate::rows::read_row;
use crate::sql::{Shape, quote};
use crate::text::TextBuffer;
use crate::values::bind;
use onsync_core::query::{Comparison, Condition, Order, Query};
use onsync_core::schema::EntitySchema;
use onsync_core::store::check;
use onsync_core::{Error, Key, Result, Row, Value};
use rusqlite::Connection;
use std::collections::HashSet;

/// Key values that are listed in the statement; beyond, keys are compared here.
const MOST_PARAMETERS: usize = 20_000;

#[derive(Default)]
struct Text {
    conditions: Vec<String>,
    parameters: Vec<Value>,
}

impl Text {
    fn parameter(&mut self, value: Value) -> String {
        self.parameters.push(value);
        format!("?{}", self.parameters.len())
    }
}

pub(crate) fn select(connection: &Connection, entity: &EntitySchema, query: &Query) -> Result<Vec<Row>> {
    if query.entity != entity.name {
        return Err(Error::rejected(
            "invalid_query",
            format!(
                "the query is on `{}`, the call on `{}`",
                query.entity, entity.name
            ),
        ));
    }
    let shape = Shape::of(entity);
    let mut text = Text::default();
    for condition in &query.conditions {
        let sql = condition_text(entity, condition, &mut text)?;
        text.conditions.push(sql);
    }
    let keys = query.keys.as_deref();
    for key in keys.unwrap_or_default() {
        check::key(entity, key)?;
    }
    let listed = keys.is_some_and(|keys| keys.len() * shape.key.len() <= MOST_PARAMETERS);
    let mut among: Option<HashSet<&Key>> = None;
    match keys {
        Some(keys) if listed => {
            let sql = keys_text(&shape, keys, &mut text);
            text.conditions.push(sql);
        }
        Some(keys) => among = Some(keys.iter().collect()),
        None => {}
    }
    let mut sql = format!("SELECT {} FROM {}", shape.columns(), shape.table);
    if !text.conditions.is_empty() {
        sql.push_str(" WHERE ");
        sql.push_str(&text.conditions.join(" AND "));
    }
    sql.push_str(&order_text(entity, query)?);
    let mut skip = query.offset;
    let mut most = query.limit.unwrap_or(usize::MAX);
    if among.is_none() && (query.limit.is_some() || query.offset > 0) {
        let number = |number: usize| Value::Integer(i64::try_from(number).unwrap_or(i64::MAX));
        let limit = text.parameter(query.limit.map_or(Value::Integer(-1), number));
        let offset = text.parameter(number(query.offset));
        sql.push_str(&format!(" LIMIT {limit} OFFSET {offset}"));
        (skip, most) = (0, usize::MAX);
    }
    let page = Page { among, skip, most };
    run(connection, entity, &sql, &text.parameters, page, listed)
}

/// What is left to do while reading.
struct Page<'a> {
    /// Only these keys, if they were too many for the statement.
    among: Option<HashSet<&'a Key>>,
    skip: usize,
    most: usize,
}

fn run(
    connection: &Connection,
    entity: &EntitySchema,
    sql: &str,
    parameters: &[Value],
    mut page: Page<'_>,
    once: bool,
) -> Result<Vec<Row>> {
    let doing = "querying records";
    let mut statement = connection.prepare_cached(sql).doing(doing)?;
    let mut buffer = TextBuffer::new();
    for (index, value) in parameters.iter().enumerate() {
        bind(&mut statement, index + 1, value, &mut buffer).doing(doing)?;
    }
    let mut rows = statement.raw_query();
    let mut found = Vec::new();
    while found.len() < page.most
        && let Some(row) = rows.next().doing(doing)?
    {
        let row = read_row(row, entity)?;
        let left_out = |keys: &HashSet<&Key>| !keys.contains(&entity.key_of(&row));
        if page.among.as_ref().is_some_and(left_out) {
            continue;
        }
        if page.skip > 0 {
            page.skip -= 1;
            continue;
        }
        found.push(row);
    }
    drop(rows);
    if once {
        // Its text depends on how many keys there are: not worth a place among the prepared ones.
        statement.discard();
    }
    Ok(found)
}

fn keys_text(shape: &Shape<'_>, keys: &[Key], text: &mut Text) -> String {
    if keys.is_empty() {
        return "0".to_owned();
    }
    let single = shape.key.len() == 1;
    let tuples: Vec<String> = keys
        .iter()
        .map(|key| {
            let places: Vec<String> = key.0.iter().map(|value| text.parameter(value.clone())).collect();
            let places = places.join(", ");
            if single { places } else { format!("({places})") }
        })
        .collect();
    if single {
        format!("{} IN ({})", shape.key[0], tuples.join(", "))
    } else {
        format!("({}) IN (VALUES {})", shape.key_list(), tuples.join(", "))
    }
}

fn condition_text(entity: &EntitySchema, condition: &Condition, text: &mut Text) -> Result<String> {
    let index = entity.require(&condition.attribute)?;
    let value_type = entity.attributes[index].value_type;
    let column = quote(&condition.attribute);
    let null = condition.value.is_null();
    if condition.comparison == Comparison::Contains {
        return Ok(match &condition.value {
            Value::Text(part) if value_type == onsync_core::ValueType::Text => {
                let part = text.parameter(Value::Text(part.to_ascii_lowercase()));
                format!("instr(lower({column}), {part}) > 0")
            }
            _ => "0".to_owned(),
        });
    }
    condition
        .value
        .check(value_type)
        .map_err(|error| error.at(format!("{}.{}", entity.name, condition.attribute)))?;
    let operator = match condition.comparison {
        Comparison::Equal if null => "IS",
        Comparison::Equal => "=",
        Comparison::NotEqual => "IS NOT",
        Comparison::Less => "<",
        Comparison::AtMost => "<=",
        Comparison::Greater => ">",
        Comparison::AtLeast | Comparison::Contains => ">=",
    };
    let value = text.parameter(condition.value.clone());
    Ok(format!("{column} {operator} {value}"))
}

fn order_text(entity: &EntitySchema, query: &Query) -> Result<String> {
    let mut parts = Vec::new();
    for (attribute, order) in &query.order {
        entity.require(attribute)?;
        let direction = match order {
            Order::Ascending => "ASC",
            Order::Descending => "DESC",
        };
        parts.push(format!("{} {direction}", quote(attribute)));
    }
    parts.extend(entity.key.iter().map(|name| quote(name)));
    Ok(format!(" ORDER BY {}", parts.join(", ")))
}
