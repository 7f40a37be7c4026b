//! Any value of any type, for properties.

use onsync_core::value::{Date, LocalTimestamp, Time, Timestamp};
use onsync_core::{Value, ValueType};
use proptest::prelude::*;
use uuid::Uuid;

const DAY: i64 = 86_400_000_000;
/// Days from 1970 to the first day of the year 0, and to the last one of 9999.
const DAYS: std::ops::RangeInclusive<i32> = -719_528..=2_932_896;
const MOMENTS: std::ops::Range<i64> = -719_528 * DAY..2_932_897 * DAY;

/// Text of any characters but NUL: whole planes, controls, marks and quotes.
fn text() -> impl Strategy<Value = String> {
    let character = prop_oneof![
        4 => any::<char>(),
        2 => proptest::char::range('\u{1}', '\u{7f}'),
        1 => Just('\''),
        1 => Just('\u{feff}'),
    ];
    proptest::collection::vec(character, 0..24).prop_map(|characters| {
        characters
            .into_iter()
            .filter(|character| *character != '\0')
            .collect()
    })
}

fn decimal() -> impl Strategy<Value = Value> {
    ("-?", "[0-9]{1,40}", proptest::option::of("[0-9]{1,30}")).prop_map(|(sign, whole, fraction)| {
        let fraction = fraction.map_or(String::new(), |digits| format!(".{digits}"));
        Value::Decimal(format!("{sign}{whole}{fraction}").parse().unwrap())
    })
}

fn real() -> impl Strategy<Value = Value> {
    use proptest::num::f64::{NEGATIVE, NORMAL, POSITIVE, SUBNORMAL, ZERO};
    prop_oneof![
        POSITIVE | NEGATIVE | NORMAL | SUBNORMAL | ZERO,
        any::<i32>().prop_map(f64::from)
    ]
    .prop_map(Value::Real)
}

/// JSON texts, as written: with spaces, with numbers that no float holds, with doubled keys.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,30})?([eE][+-]?[0-9]{1,2})?",
        text().prop_map(|text| serde_json::to_string(&text).unwrap()),
    ];
    let tree = leaf.prop_recursive(3, 12, 4, |inner| {
        let list = proptest::collection::vec(inner.clone(), 0..4)
            .prop_map(|items| format!("[ {} ]", items.join(" ,")));
        let pairs = proptest::collection::vec((text(), inner), 0..4).prop_map(|pairs| {
            let pairs: Vec<String> = pairs
                .iter()
                .map(|(name, value)| format!("{}:\t{value}", serde_json::to_string(name).unwrap()))
                .collect();
            format!("{{{}\n}}", pairs.join(","))
        });
        prop_oneof![list, pairs]
    });
    tree.prop_map(Value::Json)
}

/// Any value of a type that a record may hold.
pub(crate) fn any_value(value_type: ValueType) -> BoxedStrategy<Value> {
    let integer = prop_oneof![
        any::<i64>(),
        -2i64..3,
        Just(i64::MIN),
        Just(i64::MAX),
        ((1i64 << 53) - 2)..((1 << 53) + 3)
    ];
    match value_type {
        ValueType::Boolean => any::<bool>().prop_map(Value::Boolean).boxed(),
        ValueType::Integer => integer.prop_map(Value::Integer).boxed(),
        ValueType::Decimal => decimal().boxed(),
        ValueType::Real => real().boxed(),
        ValueType::Text => text().prop_map(Value::Text).boxed(),
        ValueType::Date => DAYS
            .prop_map(|days| Value::Date(Date::from_count(days).unwrap()))
            .boxed(),
        ValueType::Time => (0..DAY)
            .prop_map(|micros| Value::Time(Time::from_count(micros).unwrap()))
            .boxed(),
        ValueType::Timestamp => MOMENTS
            .prop_map(|micros| Value::Timestamp(Timestamp::from_count(micros).unwrap()))
            .boxed(),
        ValueType::LocalTimestamp => MOMENTS
            .prop_map(|micros| Value::LocalTimestamp(LocalTimestamp::from_count(micros).unwrap()))
            .boxed(),
        ValueType::Uuid => any::<u128>()
            .prop_map(|number| Value::Uuid(Uuid::from_u128(number)))
            .boxed(),
        ValueType::Json => json().boxed(),
        ValueType::Bytes => proptest::collection::vec(prop_oneof![any::<u8>(), Just(0), Just(255)], 0..40)
            .prop_map(Value::Bytes)
            .boxed(),
    }
}

/// A value of each type in the order of [`ValueType::ALL`], some of them null.
pub(crate) fn any_values() -> impl Strategy<Value = Vec<Value>> {
    let each = |value_type| prop_oneof![1 => Just(Value::Null), 6 => any_value(value_type)];
    ValueType::ALL.map(each).to_vec()
}
