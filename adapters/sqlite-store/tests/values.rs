//! Every type through the file and back, ranges and queries included.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first failure"
)]

mod common;

use common::{SYNC, fixture, wait, ways};
use onsync_core::page::KeyRange;
use onsync_core::query::{Comparison, Order, Query};
use onsync_core::schema::{Attribute, EntitySchema};
use onsync_core::store::local::Access;
use onsync_core::value::{Date, LocalTimestamp, Time, Timestamp};
use onsync_core::{Key, Row, Value, ValueType};

fn samples(value_type: ValueType) -> Vec<Value> {
    let parsed =
        |texts: &[&str]| -> Vec<Value> { texts.iter().map(|text| value_type.parse(text).unwrap()).collect() };
    let first = -719_528i64 * 86_400_000_000;
    let last = 2_932_897i64 * 86_400_000_000 - 1;
    match value_type {
        ValueType::Boolean => vec![Value::Boolean(true), Value::Boolean(false)],
        ValueType::Integer => [i64::MIN, -1, 0, 1 << 53, i64::MAX].map(Value::Integer).to_vec(),
        ValueType::Decimal => parsed(&[
            "0",
            "-12.50",
            "1.50",
            "123456789012345678901234567890.000000000000000000001",
        ]),
        ValueType::Real => [0.0, -1.5, 1e300, 5e-324, 0.1, 3.0, 9_007_199_254_740_993.0]
            .map(Value::Real)
            .to_vec(),
        ValueType::Text => parsed(&["", "a", "it's \"quoted\"", "Ünïcödé 🌍", "1.50", "\u{1}\n"]),
        ValueType::Date => [-719_528, -1, 0, 2_932_896]
            .map(|days| Value::Date(Date::from_count(days).unwrap()))
            .to_vec(),
        ValueType::Time => [0, 1, 86_399_999_999]
            .map(|micros| Value::Time(Time::from_count(micros).unwrap()))
            .to_vec(),
        ValueType::Timestamp => [first, -1, 0, last]
            .map(|micros| Value::Timestamp(Timestamp::from_count(micros).unwrap()))
            .to_vec(),
        ValueType::LocalTimestamp => [first, -1, 0, last]
            .map(|micros| Value::LocalTimestamp(LocalTimestamp::from_count(micros).unwrap()))
            .to_vec(),
        ValueType::Uuid => parsed(&[
            "00000000-0000-0000-0000-000000000000",
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
        ]),
        ValueType::Json => parsed(&["null", "{ \"a\" : [1, 2.50] }", "\"x\"", "12"]),
        ValueType::Bytes => [vec![], vec![0, 255, 0], vec![1; 5000]]
            .map(Value::Bytes)
            .to_vec(),
    }
}

fn entity_of(key: ValueType, value: ValueType) -> EntitySchema {
    EntitySchema::new(
        "Sample",
        "read-write-last-write-wins",
        &["id"],
        vec![Attribute::new("id", key), Attribute::new("value", value)],
    )
}

#[test]
fn every_value_survives_visible_and_as_base() {
    for value_type in ValueType::ALL {
        let fixture = fixture(vec![entity_of(ValueType::Integer, value_type)]);
        let mut values = samples(value_type);
        values.push(Value::Null);
        let rows: Vec<Row> = values
            .into_iter()
            .enumerate()
            .map(|(id, value)| vec![Value::Integer(id as i64), value])
            .collect();
        fixture.put(SYNC, &rows);
        fixture
            .connection()
            .execute_batch("UPDATE Sample SET value = NULL")
            .unwrap();
        for row in &rows {
            let key = Key(vec![row[0].clone()]);
            assert_eq!(fixture.overlay(key.clone()).unwrap().base.as_ref(), Some(row));
            assert_eq!(fixture.row(key).unwrap()[1], Value::Null);
        }
        fixture.put(Access::App, &rows);
        let mut transaction = fixture.begin(Access::Read);
        let found = wait(transaction.query(fixture.entity(), &Query::entity("Sample"))).unwrap();
        assert_eq!(found, rows, "{value_type}");
    }
}

#[test]
fn keys_of_every_type_sort_as_their_canonical_bytes() {
    for key_type in ValueType::ALL
        .into_iter()
        .filter(|value_type| value_type.may_be_key())
    {
        let fixture = fixture(vec![entity_of(key_type, ValueType::Text)]);
        let mut keys: Vec<Key> = samples(key_type)
            .into_iter()
            .map(|value| Key(vec![value]))
            .collect();
        let rows: Vec<Row> = keys
            .iter()
            .map(|key| vec![key.0[0].clone(), "x".into()])
            .collect();
        fixture.put(Access::App, &rows);
        keys.sort();
        let mut transaction = fixture.begin(Access::Read);
        for after in [None, Some(keys[0].clone())] {
            for to in [None, Some(keys[keys.len() - 1].clone()), Some(keys[0].clone())] {
                let range = KeyRange {
                    after: after.clone(),
                    to,
                };
                let wanted: Vec<Key> = keys.iter().filter(|key| range.contains(key)).cloned().collect();
                assert_eq!(
                    wait(transaction.keys_in(fixture.entity(), &range)).unwrap(),
                    wanted
                );
                let overlays = wait(transaction.overlays_in(fixture.entity(), &range, 99)).unwrap();
                assert_eq!(
                    overlays
                        .into_iter()
                        .map(|overlay| overlay.key)
                        .collect::<Vec<_>>(),
                    wanted
                );
            }
        }
        for key in &keys {
            assert!(wait(transaction.get(fixture.entity(), std::slice::from_ref(key))).unwrap()[0].is_some());
        }
    }
}

#[test]
fn conditions_hold_as_in_memory() {
    use Comparison::{AtLeast, AtMost, Contains, Equal, Greater, Less, NotEqual};
    for value_type in ValueType::ALL {
        let fixture = fixture(vec![entity_of(ValueType::Integer, value_type)]);
        let mut values = samples(value_type);
        values.push(Value::Null);
        let rows: Vec<Row> = values
            .iter()
            .enumerate()
            .map(|(id, value)| vec![Value::Integer(id as i64), value.clone()])
            .collect();
        fixture.put(SYNC, &rows);
        let mut transaction = fixture.begin(Access::Read);
        for comparison in [Equal, NotEqual, Less, AtMost, Greater, AtLeast, Contains] {
            for value in &values {
                let query = Query::entity("Sample").filter("value", comparison, value.clone());
                let found = wait(transaction.query(fixture.entity(), &query)).unwrap();
                let wanted: Vec<Row> = rows
                    .iter()
                    .filter(|row| query.conditions[0].holds(&row[1]))
                    .cloned()
                    .collect();
                assert_eq!(found, wanted, "{value_type} {comparison:?} {value}");
            }
        }
        for order in [Order::Ascending, Order::Descending] {
            let query = Query::entity("Sample")
                .order_by("value", order)
                .offset(1)
                .limit(3);
            let mut wanted = rows.clone();
            wanted.sort_by(|a, b| match order {
                Order::Ascending => a[1].cmp(&b[1]),
                Order::Descending => b[1].cmp(&a[1]),
            });
            let wanted: Vec<Row> = wanted.into_iter().skip(1).take(3).collect();
            assert_eq!(
                wait(transaction.query(fixture.entity(), &query)).unwrap(),
                wanted,
                "{value_type}"
            );
        }
    }
}

#[test]
fn a_query_of_keys_takes_few_and_many() {
    let fixture = fixture(vec![entity_of(ValueType::Integer, ValueType::Text)]);
    let rows: Vec<Row> = (0..30i64)
        .map(|id| vec![Value::Integer(id), "x".into()])
        .collect();
    fixture.put(SYNC, &rows);
    let mut transaction = fixture.begin(Access::Read);
    for many in [10i64, 25_000] {
        let mut query = Query::entity("Sample")
            .order_by("id", Order::Descending)
            .offset(2)
            .limit(3);
        query.keys = Some((0..many).map(Key::one).collect());
        let found = wait(transaction.query(fixture.entity(), &query)).unwrap();
        let top = many.min(30);
        let wanted: Vec<Row> = (top - 5..top - 2)
            .rev()
            .map(|id| rows[id as usize].clone())
            .collect();
        assert_eq!(found, wanted);
        query.keys = Some(vec![]);
        assert!(
            wait(transaction.query(fixture.entity(), &query))
                .unwrap()
                .is_empty()
        );
    }
}

#[test]
fn a_part_of_the_attributes_leaves_the_others() {
    let fixture = fixture(vec![common::note()]);
    fixture.put(SYNC, &[common::note_row(1, "a", "e")]);
    let mut rows = onsync_core::rows::RowSet::new([ValueType::Text, ValueType::Integer], 2);
    rows.push(vec!["A".into(), Value::Integer(1)]).unwrap();
    rows.push(vec!["B".into(), Value::Integer(2)]).unwrap();
    let mut transaction = fixture.begin(SYNC);
    wait(transaction.put(fixture.entity(), &[1, 0], &rows)).unwrap();
    assert_eq!(
        wait(transaction.put(fixture.entity(), &[1, 2], &rows))
            .unwrap_err()
            .code(),
        "invalid_value"
    );
    wait(transaction.commit()).unwrap();
    assert_eq!(fixture.row(1i64), Some(common::note_row(1, "A", "e")));
    assert_eq!(
        fixture.row(2i64),
        Some(vec![Value::Integer(2), "B".into(), Value::Null])
    );
}

#[test]
fn a_stored_value_that_is_none_is_named() {
    for way in ways() {
        let fixture = fixture(vec![entity_of(ValueType::Integer, ValueType::Timestamp)]);
        fixture
            .sql(
                way,
                "INSERT INTO Sample VALUES (1, 'yesterday'), (2, '2026-01-01 10:00:00')",
            )
            .unwrap();
        assert_eq!(
            fixture.row(2i64).unwrap()[1].to_string(),
            "2026-01-01T10:00:00.000000Z"
        );
        let mut transaction = fixture.begin(Access::Read);
        let error = wait(transaction.get(fixture.entity(), &[Key::one(1i64)])).unwrap_err();
        assert_eq!(error.code(), "stored_value_invalid");
        assert_eq!(error.place(), Some("Sample[1].value"));
        assert_eq!(wait(transaction.count(fixture.entity())).unwrap(), 2, "{way:?}");
    }
}
