//! Queries over the rows of one table.

use super::state::Table;
use crate::error::{Error, Result};
use crate::ordered::BTreeSet;
use crate::query::{Condition, Order, Query};
use crate::record::Row;
use crate::schema::EntitySchema;
use crate::store::check;
use std::cmp::Ordering;
use std::sync::Arc;

/// The rows a query selects, in its order.
pub(super) fn run(table: &Table, query: &Query) -> Result<Vec<Row>> {
    let entity = &table.entity;
    if query.entity != entity.name {
        return Err(Error::rejected(
            "invalid_query",
            format!(
                "the query is on `{}`, the call on `{}`",
                query.entity, entity.name
            ),
        ));
    }
    let mut conditions = Vec::new();
    for condition in &query.conditions {
        conditions.push((place(entity, condition)?, condition));
    }
    let mut order = Vec::new();
    for (attribute, direction) in &query.order {
        order.push((entity.require(attribute)?, *direction));
    }
    let holds = |row: &Row| {
        conditions
            .iter()
            .all(|(index, condition)| row.get(*index).is_some_and(|value| condition.holds(value)))
    };
    let mut found: Vec<&Arc<Row>> = match &query.keys {
        None => table
            .rows
            .iter()
            .map(|(_, row)| row)
            .filter(|row| holds(row))
            .collect(),
        Some(keys) => {
            let mut wanted = BTreeSet::new();
            for key in keys {
                check::key(entity, key)?;
                wanted.insert(key.to_bytes());
            }
            let rows = wanted.iter().filter_map(|bytes| table.rows.get(bytes));
            rows.filter(|row| holds(row)).collect()
        }
    };
    // The rows stand in key order, and the sort is stable: ties stay by key.
    found.sort_by(|a, b| {
        order
            .iter()
            .map(|(index, direction)| {
                let ascending = a.get(*index).cmp(&b.get(*index));
                match direction {
                    Order::Ascending => ascending,
                    Order::Descending => ascending.reverse(),
                }
            })
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    });
    Ok(found
        .into_iter()
        .skip(query.offset)
        .take(query.limit.unwrap_or(usize::MAX))
        .map(|row| table.visible(row))
        .collect())
}

fn place(entity: &EntitySchema, condition: &Condition) -> Result<usize> {
    let index = entity.require(&condition.attribute)?;
    let attribute = &entity.attributes[index];
    match condition.value.value_type() {
        Some(found) if found != attribute.value_type => Err(Error::rejected(
            "invalid_value",
            format!("wanted {} to compare with, found {found}", attribute.value_type),
        )
        .at(format!("{}.{}", entity.name, attribute.name))),
        _ => Ok(index),
    }
}
