//! Queries: every row is looked at, then sorted and cut.

use crate::state::{Table, row_of};
use onsync_core::query::{Order, Query};
use onsync_core::schema::EntitySchema;
use onsync_core::store::check;
use onsync_core::{Error, Key, Result, Row};
use std::cmp::Ordering;
use std::collections::BTreeSet;

/// The rows a query selects, in its order.
pub(crate) fn run(table: &Table, entity: &EntitySchema, query: &Query) -> Result<Vec<Row>> {
    if query.entity != entity.name {
        let what = format!(
            "the query is on `{}`, the call on `{}`",
            query.entity, entity.name
        );
        return Err(Error::rejected("invalid_query", what));
    }
    let mut conditions = Vec::new();
    for condition in &query.conditions {
        let index = entity.require(&condition.attribute)?;
        let wanted = entity.attributes[index].value_type;
        if let Some(found) = condition.value.value_type().filter(|found| *found != wanted) {
            let what = format!("wanted {wanted} to compare with, found {found}");
            let place = format!("{}.{}", entity.name, condition.attribute);
            return Err(Error::rejected("invalid_value", what).at(place));
        }
        conditions.push((index, condition));
    }
    let mut order = Vec::new();
    for (attribute, direction) in &query.order {
        order.push((entity.require(attribute)?, *direction));
    }
    let keys = query
        .keys
        .as_ref()
        .map(|keys| keys.iter().collect::<BTreeSet<&Key>>());
    for key in keys.iter().flatten() {
        check::key(entity, key)?;
    }
    let wanted = |key: &Key| keys.as_ref().is_none_or(|keys| keys.contains(key));
    let rows = table.rows.iter().filter(|(key, _)| wanted(key));
    let mut found: Vec<Row> = rows
        .map(|(_, fields)| row_of(entity, fields))
        .filter(|row| {
            conditions
                .iter()
                .all(|(index, condition)| condition.holds(&row[*index]))
        })
        .collect();
    // The rows stand in key order, and the sort is stable: ties stay by key.
    found.sort_by(|a, b| {
        let compared = order.iter().map(|(index, direction)| match direction {
            Order::Ascending => a[*index].cmp(&b[*index]),
            Order::Descending => b[*index].cmp(&a[*index]),
        });
        compared.fold(Ordering::Equal, Ordering::then)
    });
    let limit = query.limit.unwrap_or(usize::MAX);
    Ok(found.into_iter().skip(query.offset).take(limit).collect())
}
