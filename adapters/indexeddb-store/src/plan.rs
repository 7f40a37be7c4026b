//! Which index a query reads, and which range of it.

use crate::layout::Table;
use crate::request::Bytes;
use onsync_core::query::{Comparison, Condition, Order, Query};
use onsync_core::schema::EntitySchema;
use onsync_core::value::write_canonical;
use onsync_core::{Error, Result};

/// What is read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan {
    /// The index; none for the table in key order.
    pub(crate) index: Option<usize>,
    /// The range of index keys, or of keys.
    pub(crate) range: Bytes,
    /// Whether rows come in the query's order, or against it.
    pub(crate) ordered: Option<Order>,
    /// Whether every row in the range fulfils the conditions.
    pub(crate) exact: bool,
    /// Whether the whole table is read to find some of it.
    pub(crate) scan: bool,
}

/// The positions of a query's attributes, after what is wrong with it was looked for.
pub(crate) struct Checked<'a> {
    pub(crate) conditions: Vec<(usize, &'a Condition)>,
    pub(crate) order: Vec<(usize, Order)>,
}

pub(crate) fn check<'a>(entity: &EntitySchema, query: &'a Query) -> Result<Checked<'a>> {
    if query.entity != entity.name {
        return Err(Error::rejected(
            "invalid_query",
            format!(
                "the query is on `{}`, the call on `{}`",
                query.entity, entity.name
            ),
        ));
    }
    let mut checked = Checked {
        conditions: Vec::new(),
        order: Vec::new(),
    };
    for condition in &query.conditions {
        let index = entity.require(&condition.attribute)?;
        let wanted = entity.attributes[index].value_type;
        if let Some(found) = condition.value.value_type().filter(|found| *found != wanted) {
            return Err(Error::rejected(
                "invalid_value",
                format!("wanted {wanted} to compare with, found {found}"),
            )
            .at(format!("{}.{}", entity.name, condition.attribute)));
        }
        checked.conditions.push((index, condition));
    }
    for (attribute, order) in &query.order {
        checked.order.push((entity.require(attribute)?, *order));
    }
    Ok(checked)
}

/// The best way to read a query: by the longest prefix of an index that conditions fix, then one that gives the order.
pub(crate) fn plan(entity: &EntitySchema, table: &Table, query: &Query) -> Plan {
    let mut best = candidate(None, &entity.key, query);
    for (index, attributes) in table.indexes.iter().enumerate() {
        let (score, plan) = candidate(Some(index), attributes, query);
        if score > best.0 {
            best = (score, plan);
        }
    }
    best.1
}

/// How good a way is: attributes fixed by equality, whether the next one is within bounds, whether the order is given.
type Score = (usize, bool, bool);

fn candidate(index: Option<usize>, attributes: &[String], query: &Query) -> (Score, Plan) {
    let on = |name: &str, comparison: Comparison| {
        query
            .conditions
            .iter()
            .position(|condition| condition.attribute == name && condition.comparison == comparison)
    };
    let mut used = Vec::new();
    let mut prefix = Vec::new();
    let mut fixed = 0;
    for name in attributes {
        let Some(place) = on(name, Comparison::Equal) else {
            break;
        };
        write_canonical(&query.conditions[place].value, &mut prefix);
        used.push(place);
        fixed += 1;
    }
    let (range, bounded) = match attributes.get(fixed) {
        Some(name) => bounds(query, name, &prefix, &mut used),
        None => (within(&prefix), false),
    };
    let ordered = order_of(query, attributes, fixed, index.is_none());
    let score = (fixed, bounded, ordered.is_some() && !query.order.is_empty());
    let all = fixed == 0 && !bounded;
    let exact = used.len() == query.conditions.len();
    let plan = Plan {
        index,
        range,
        ordered,
        exact,
        scan: all && (!query.conditions.is_empty() || ordered.is_none()),
    };
    (score, plan)
}

/// All keys that begin with these bytes.
fn within(prefix: &[u8]) -> Bytes {
    if prefix.is_empty() {
        return Bytes::default();
    }
    Bytes {
        from: Some(prefix.to_vec()),
        before: after_all(prefix),
        ..Bytes::default()
    }
}

/// The first bytes behind all that begin with these.
pub(crate) fn after_all(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut next = prefix.to_vec();
    while let Some(last) = next.pop() {
        if last < u8::MAX {
            next.push(last + 1);
            return Some(next);
        }
    }
    None
}

/// The range that comparisons with one attribute leave behind a prefix. Null fulfils none.
fn bounds(query: &Query, name: &str, prefix: &[u8], used: &mut Vec<usize>) -> (Bytes, bool) {
    let mut range = within(prefix);
    let mut bounded = false;
    for (place, condition) in query.conditions.iter().enumerate() {
        if condition.attribute != name || condition.value.is_null() {
            continue;
        }
        let mut edge = prefix.to_vec();
        write_canonical(&condition.value, &mut edge);
        // Index keys go on behind the value, with further attributes: "greater" begins behind all of them.
        match condition.comparison {
            Comparison::Less => lower_end(&mut range, Some(edge)),
            Comparison::AtMost => lower_end(&mut range, after_all(&edge)),
            Comparison::Greater => raise_start(&mut range, after_all(&edge)),
            Comparison::AtLeast => raise_start(&mut range, Some(edge)),
            Comparison::Equal | Comparison::NotEqual | Comparison::Contains => continue,
        }
        bounded = true;
        used.push(place);
    }
    if bounded {
        // Behind null, whose byte is the smallest.
        raise_start(&mut range, Some([prefix, &[1]].concat()));
    }
    (range, bounded)
}

fn lower_end(range: &mut Bytes, end: Option<Vec<u8>>) {
    if let Some(end) = end {
        range.before = Some(match range.before.take() {
            Some(before) => before.min(end),
            None => end,
        });
    }
}

fn raise_start(range: &mut Bytes, start: Option<Vec<u8>>) {
    if let Some(start) = start {
        range.from = Some(match range.from.take() {
            Some(from) => from.max(start),
            None => start,
        });
    }
}

/// Whether an index gives the query's order, once its first attributes are fixed: forwards or backwards.
fn order_of(query: &Query, attributes: &[String], fixed: usize, by_key: bool) -> Option<Order> {
    let rest = &attributes[fixed..];
    let wanted: Vec<&(String, Order)> = query
        .order
        .iter()
        .filter(|(name, _)| !attributes[..fixed].contains(name))
        .collect();
    let Some((_, direction)) = wanted.first() else {
        // By key: the table is so, and an index whose attributes are all fixed.
        return (by_key || rest.is_empty()).then_some(Order::Ascending);
    };
    let names = wanted.iter().map(|(name, _)| name);
    let alike =
        wanted.iter().all(|(_, other)| other == direction) && names.eq(rest.iter().take(wanted.len()));
    // Ties are by key, ascending: an index must not order them by further attributes.
    let ties = rest.len() == wanted.len() || (by_key && *direction == Order::Ascending);
    (alike && ties).then_some(*direction)
}
