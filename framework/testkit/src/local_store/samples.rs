//! Values and schemas the cases are made of.

use onsync_core::schema::{Attribute, EntitySchema, Ids, OnDelete, Relation, Schema};
use onsync_core::{Row, Value, ValueType};
use uuid::Uuid;

/// The attribute of that type in the entity `Everything`.
pub fn attribute_of(value_type: ValueType) -> String {
    format!("a_{}", value_type.as_str())
}

fn parsed(value_type: ValueType, text: &str) -> Value {
    // The texts are constants of this file, and a test of this crate reads them all.
    value_type.parse(text).unwrap_or_default()
}

/// Values of one type: plain ones, and those at which storage forms break.
pub fn values_of(value_type: ValueType) -> Vec<Value> {
    let texts: &[&str] = match value_type {
        ValueType::Boolean => return vec![false.into(), true.into()],
        ValueType::Integer => {
            return [
                0,
                1,
                -1,
                1 << 53,
                (1 << 53) + 1,
                -(1 << 53) - 1,
                i64::MAX,
                i64::MIN,
            ]
            .map(Value::Integer)
            .to_vec();
        }
        ValueType::Real => {
            return [
                0.0,
                1.0,
                -1.5,
                0.1,
                f64::MAX,
                f64::MIN,
                f64::MIN_POSITIVE,
                5e-324,
                1e21,
                9_007_199_254_740_993.0,
            ]
            .map(Value::Real)
            .to_vec();
        }
        ValueType::Decimal => &[
            "0",
            "1.50",
            "-12.5",
            "0.10",
            "100",
            "1.000",
            "123456789012345678901234567890.123456789",
            "-0.00000000000000000000000001",
            "9007199254740993",
            "9223372036854775808",
        ],
        ValueType::Text => {
            let mut long = "x".repeat(70_000);
            long.push('\u{1F4E6}');
            return [
                "",
                "plain",
                "1",
                "01",
                "1.0",
                "1e3",
                "NULL",
                "null",
                "it's \"quoted\"",
                "line\nbreak\r\ttab",
                "Å\u{30a}\u{1F4E6}",
                "\u{feff}mark",
                "a\u{1}b",
                " space ",
                "x'00'",
                &long,
                "true",
                "2026-11-22",
            ]
            .map(|text| Value::Text(text.to_owned()))
            .to_vec();
        }
        ValueType::Date => &[
            "0000-01-01",
            "1969-12-31",
            "1970-01-01",
            "2024-02-29",
            "9999-12-31",
        ],
        ValueType::Time => &["00:00:00", "13:45:00.5", "23:59:59.999999"],
        ValueType::Timestamp => &[
            "0000-01-01T00:00:00Z",
            "1969-12-31T23:59:59.999999Z",
            "1970-01-01T00:00:00Z",
            "2026-11-22T13:45:00.000001Z",
            "9999-12-31T23:59:59.999999Z",
        ],
        ValueType::LocalTimestamp => &[
            "0000-01-01T00:00:00",
            "1969-12-31T23:59:59.999999",
            "2026-11-22T13:45:00.000001",
            "9999-12-31T23:59:59.999999",
        ],
        ValueType::Uuid => {
            return [0, 1, u128::MAX, 0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10]
                .map(|number| Value::Uuid(Uuid::from_u128(number)))
                .to_vec();
        }
        ValueType::Json => {
            return [
                "null",
                "1",
                "\"text\"",
                "{\"a\" : [1,2.50,{}] , \"b\":null}",
                " [ ] ",
                "1e400",
                "\"\\u0041\"",
            ]
            .map(|text| Value::Json(text.to_owned()))
            .to_vec();
        }
        ValueType::Bytes => {
            return vec![
                Value::Bytes(Vec::new()),
                Value::Bytes(vec![0]),
                Value::Bytes(vec![0, 0xff, 1, 0]),
                Value::Bytes(b"text".to_vec()),
                Value::Bytes((0..=255).cycle().take(70_000).collect()),
            ];
        }
    };
    texts.iter().map(|text| parsed(value_type, text)).collect()
}

/// Rows over [`ValueType::ALL`] that together hold every value of [`values_of`].
pub fn rows_of_every_type() -> Vec<Row> {
    let columns = ValueType::ALL.map(values_of);
    let longest = columns.iter().map(Vec::len).max().unwrap_or_default();
    let pick = |row: usize| {
        columns
            .iter()
            .map(|column| column[row % column.len()].clone())
            .collect()
    };
    (0..longest).map(pick).collect()
}

fn attribute(name: &str, value_type: ValueType) -> Attribute {
    Attribute::new(name, value_type)
}

fn entity(name: &str, key: &[&str], attributes: &[(&str, ValueType)]) -> EntitySchema {
    let attributes = attributes
        .iter()
        .map(|(name, value_type)| attribute(name, *value_type))
        .collect();
    EntitySchema::new(name, "conformance", key, attributes)
}

/// The schema most cases use.
pub fn schema() -> Schema {
    use ValueType::{Integer, Text, Uuid};
    let mut note = entity(
        "Note",
        &["id"],
        &[("id", Uuid), ("title", Text), ("body", Text), ("rank", Integer)],
    );
    note.indexes = vec![
        vec!["rank".to_owned()],
        vec!["title".to_owned(), "rank".to_owned()],
    ];
    let member = entity(
        "Member",
        &["team", "person"],
        &[("role", Text), ("person", Integer), ("team", Text)],
    );
    let mut catalogue = entity("Catalogue", &["id"], &[("id", Integer), ("name", Text)]);
    catalogue.refuse_local_writes = true;
    let mut draft = entity("Draft", &["id"], &[("id", Integer), ("text", Text)]);
    draft.local = true;
    let mut server = [
        entity("Order", &["number"], &[("number", Integer), ("label", Text)]),
        entity("Label", &["code"], &[("code", Text), ("label", Text)]),
        entity("Ticket", &["id"], &[("id", Uuid), ("label", Text)]),
    ];
    server.iter_mut().for_each(|entity| entity.ids = Ids::Server);
    let [order, label, ticket] = server;
    let mut entities = vec![
        note,
        member,
        entity("Tag", &["name"], &[("name", Text)]),
        entity(
            "Remark",
            &["id"],
            &[("id", Integer), ("note", Uuid), ("text", Text)],
        ),
        everything(),
        catalogue,
        draft,
    ];
    entities.extend([order, label, ticket]);
    Schema {
        entities,
        relations: vec![Relation {
            name: "remark_of".to_owned(),
            child: "Remark".to_owned(),
            attribute: "note".to_owned(),
            parent: "Note".to_owned(),
            on_delete: OnDelete::Cascade,
        }],
    }
}

/// An entity with an attribute of every type, named by [`attribute_of`].
pub fn everything() -> EntitySchema {
    let mut attributes = vec![attribute("id", ValueType::Integer)];
    attributes.extend(ValueType::ALL.map(|value_type| attribute(&attribute_of(value_type), value_type)));
    EntitySchema::new("Everything", "conformance", &["id"], attributes)
}

/// A note.
pub fn note(id: u128, title: &str, rank: i64) -> Row {
    vec![
        Uuid::from_u128(id).into(),
        title.into(),
        format!("body of {title}").into(),
        rank.into(),
    ]
}

/// A member of a team.
pub fn member(team: &str, person: i64, role: &str) -> Row {
    vec![role.into(), person.into(), team.into()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_is_a_value_of_its_type() {
        for value_type in ValueType::ALL {
            for value in values_of(value_type) {
                assert_eq!(value.value_type(), Some(value_type));
                value.check(value_type).unwrap();
            }
        }
        schema().check().unwrap();
    }
}
