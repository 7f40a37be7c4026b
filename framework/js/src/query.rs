//! Queries as plain objects.

use crate::error::wanted;
use crate::values::{entries, from_js, key};
use js_sys::{Array, Date, Reflect, Uint8Array};
use onsync::core::schema::Schema;
use onsync::{Comparison, Error, Order, Query, Result, ValueType};
use wasm_bindgen::{JsCast, JsValue};

const COMPARISONS: [(&str, Comparison); 7] = [
    ("equal", Comparison::Equal),
    ("notEqual", Comparison::NotEqual),
    ("less", Comparison::Less),
    ("atMost", Comparison::AtMost),
    ("greater", Comparison::Greater),
    ("atLeast", Comparison::AtLeast),
    ("contains", Comparison::Contains),
];

const KEYS: [&str; 7] = ["entity", "where", "order", "limit", "offset", "join", "keys"];

fn refuse(what: String) -> Error {
    Error::rejected("invalid_query", what)
}

/// The type of an attribute, of the entity or, as `relation.attribute`, of its parent.
fn type_of(schema: &Schema, entity: &str, name: &str) -> Result<ValueType> {
    let own = schema.entity(entity)?;
    let (entity, name) = match name.split_once('.') {
        None => (own, name),
        Some((relation, attribute)) => {
            let found = schema.parents_of(entity).find(|found| found.name == relation);
            let relation = found.ok_or_else(|| {
                Error::rejected(
                    "unknown_relation",
                    format!("`{entity}` has no relation `{relation}`"),
                )
            })?;
            (schema.entity(&relation.parent)?, attribute)
        }
    };
    let index = entity.require(name)?;
    Ok(entity.attributes[index].value_type)
}

/// Reads `{ entity, where, order, limit, offset, join, keys }`.
pub(crate) fn query(schema: &Schema, object: &JsValue) -> Result<Query> {
    if let Some(entity) = object.as_string() {
        schema.entity(&entity)?;
        return Ok(Query::entity(entity));
    }
    for (name, _) in entries(object)? {
        if !KEYS.contains(&name.as_str()) {
            return Err(refuse(format!(
                "a query has no `{name}`; it has: {}",
                KEYS.join(", ")
            )));
        }
    }
    let get = |name: &str| Reflect::get(object, &name.into()).unwrap_or(JsValue::UNDEFINED);
    let name = get("entity");
    let name = name
        .as_string()
        .ok_or_else(|| wanted("the entity's name", &name).at("query.entity"))?;
    let entity = schema.entity(&name)?;
    let mut query = Query::entity(&name);
    if let Some(conditions) = given(get("where")) {
        for (attribute, condition) in entries(&conditions)? {
            query = filter(schema, query, &attribute, &condition)?;
        }
    }
    if let Some(order) = given(get("order")) {
        let order = if order.is_string() {
            Array::of1(&order)
        } else {
            Array::from(&order)
        };
        for attribute in order.iter() {
            let text = attribute
                .as_string()
                .ok_or_else(|| wanted("an attribute's name", &attribute).at("query.order"))?;
            query = match text.strip_prefix('-') {
                Some(name) => query.order_by(name, Order::Descending),
                None => query.order_by(text, Order::Ascending),
            };
        }
    }
    if let Some(limit) = given(get("limit")) {
        query = query.limit(count(&limit, "limit")?);
    }
    if let Some(offset) = given(get("offset")) {
        query = query.offset(count(&offset, "offset")?);
    }
    if let Some(join) = given(get("join")) {
        query = query.join(
            join.as_string()
                .ok_or_else(|| wanted("a relation's name", &join).at("query.join"))?,
        );
    }
    if let Some(keys) = given(get("keys")) {
        let keys: Result<Vec<_>> = Array::from(&keys).iter().map(|one| key(entity, &one)).collect();
        query.keys = Some(keys?);
    }
    Ok(query)
}

fn given(value: JsValue) -> Option<JsValue> {
    (!value.is_undefined() && !value.is_null()).then_some(value)
}

fn count(value: &JsValue, name: &str) -> Result<usize> {
    let number = value
        .as_f64()
        .filter(|number| *number >= 0.0 && number.fract() == 0.0);
    number
        .map(|number| number as usize)
        .ok_or_else(|| wanted("a whole number from 0", value).at(format!("query.{name}")))
}

/// One attribute's condition: a value it equals, or `{ less, atLeast, contains, … }`.
fn filter(schema: &Schema, mut query: Query, attribute: &str, condition: &JsValue) -> Result<Query> {
    let value_type = type_of(schema, &query.entity, attribute)?;
    let place = |error: Error| error.at(format!("query.where.{attribute}"));
    let is_value = condition.is_instance_of::<Uint8Array>() || condition.is_instance_of::<Date>();
    if !condition.is_object() || is_value || value_type == ValueType::Json {
        let value = from_js(value_type, condition).map_err(place)?;
        return Ok(query.filter(attribute, Comparison::Equal, value));
    }
    for (name, value) in entries(condition)? {
        let Some((_, comparison)) = COMPARISONS.iter().find(|(known, _)| *known == name) else {
            let known: Vec<&str> = COMPARISONS.iter().map(|(name, _)| *name).collect();
            return Err(place(refuse(format!(
                "there is no comparison `{name}`; there are: {}",
                known.join(", ")
            ))));
        };
        let value = from_js(value_type, &value).map_err(place)?;
        query = query.filter(attribute, *comparison, value);
    }
    Ok(query)
}
