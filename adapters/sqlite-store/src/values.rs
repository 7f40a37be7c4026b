//! Values to SQLite and back: strict when writing, generous with what a person's shell plausibly wrote when reading.

use crate::text::TextBuffer;
use onsync_core::rows::Column;
use onsync_core::value::Decimal;
use onsync_core::{Error, Result, Value, ValueType};
use rusqlite::Statement;
use rusqlite::types::{Null, ValueRef};

/// The declared type of a column for a value type.
pub(crate) fn declared(value_type: ValueType) -> &'static str {
    match value_type {
        ValueType::Boolean | ValueType::Integer => "INTEGER",
        ValueType::Real => "REAL",
        ValueType::Bytes => "BLOB",
        _ => "TEXT",
    }
}

/// What follows the declared type: UUIDs compare without case, since people write both.
pub(crate) fn collation(value_type: ValueType) -> &'static str {
    if value_type == ValueType::Uuid {
        " COLLATE NOCASE"
    } else {
        ""
    }
}

/// Binds one value.
pub(crate) fn bind(
    statement: &mut Statement<'_>,
    index: usize,
    value: &Value,
    buffer: &mut TextBuffer,
) -> rusqlite::Result<()> {
    match value {
        Value::Null => statement.raw_bind_parameter(index, Null),
        Value::Boolean(value) => statement.raw_bind_parameter(index, *value),
        Value::Integer(value) => statement.raw_bind_parameter(index, *value),
        Value::Real(value) => statement.raw_bind_parameter(index, *value),
        Value::Decimal(value) => statement.raw_bind_parameter(index, value.as_str()),
        Value::Text(value) | Value::Json(value) => statement.raw_bind_parameter(index, value.as_str()),
        Value::Date(value) => statement.raw_bind_parameter(index, buffer.date(*value)),
        Value::Time(value) => statement.raw_bind_parameter(index, buffer.time(*value)),
        Value::Timestamp(value) => statement.raw_bind_parameter(index, buffer.timestamp(*value)),
        Value::LocalTimestamp(value) => statement.raw_bind_parameter(index, buffer.local_timestamp(*value)),
        Value::Uuid(value) => statement.raw_bind_parameter(index, buffer.uuid(*value)),
        Value::Bytes(value) => statement.raw_bind_parameter(index, value.as_slice()),
    }
}

/// Binds one cell of a column; says whether it was null.
pub(crate) fn bind_cell(
    statement: &mut Statement<'_>,
    index: usize,
    column: &Column,
    row: usize,
    buffer: &mut TextBuffer,
) -> rusqlite::Result<bool> {
    macro_rules! cell {
        ($values:expr, $value:ident => $bound:expr) => {
            match $values.get(row) {
                Some(Some($value)) => {
                    statement.raw_bind_parameter(index, $bound)?;
                    Ok(false)
                }
                _ => {
                    statement.raw_bind_parameter(index, Null)?;
                    Ok(true)
                }
            }
        };
    }
    match column {
        Column::Boolean(values) => cell!(values, value => *value),
        Column::Integer(values) => cell!(values, value => *value),
        Column::Decimal(values) => cell!(values, value => value.as_str()),
        Column::Real(values) => cell!(values, value => *value),
        Column::Text(values) | Column::Json(values) => cell!(values, value => value.as_str()),
        Column::Date(values) => cell!(values, value => buffer.date(*value)),
        Column::Time(values) => cell!(values, value => buffer.time(*value)),
        Column::Timestamp(values) => cell!(values, value => buffer.timestamp(*value)),
        Column::LocalTimestamp(values) => cell!(values, value => buffer.local_timestamp(*value)),
        Column::Uuid(values) => cell!(values, value => buffer.uuid(*value)),
        Column::Bytes(values) => cell!(values, value => value.as_slice()),
    }
}

/// Reads a stored value as its declared type, normalised.
///
/// # Errors
/// `stored_value_invalid` when it cannot be that type.
pub(crate) fn read(stored: ValueRef<'_>, wanted: ValueType) -> Result<Value> {
    let value = match (wanted, stored) {
        (_, ValueRef::Null) => return Ok(Value::Null),
        (ValueType::Integer, ValueRef::Integer(integer)) => return Ok(Value::Integer(integer)),
        (ValueType::Boolean, ValueRef::Integer(0)) => return Ok(Value::Boolean(false)),
        (ValueType::Boolean, ValueRef::Integer(1)) => return Ok(Value::Boolean(true)),
        (ValueType::Real, ValueRef::Real(real)) => Some(Value::Real(real)),
        (ValueType::Real, ValueRef::Integer(integer)) => Some(Value::Real(integer as f64)),
        (ValueType::Integer, ValueRef::Real(real)) => whole(real).map(Value::Integer),
        (ValueType::Boolean, ValueRef::Real(real)) => match whole(real) {
            Some(0) => Some(Value::Boolean(false)),
            Some(1) => Some(Value::Boolean(true)),
            _ => None,
        },
        (ValueType::Decimal | ValueType::Text, ValueRef::Integer(integer)) => {
            wanted.parse(&integer.to_string()).ok()
        }
        (ValueType::Decimal, ValueRef::Real(real)) => Decimal::from_real(real).ok().map(Value::Decimal),
        (ValueType::Bytes, ValueRef::Blob(bytes) | ValueRef::Text(bytes)) => {
            return Ok(Value::Bytes(bytes.to_vec()));
        }
        (ValueType::Uuid, ValueRef::Blob(bytes)) => uuid::Uuid::from_slice(bytes).ok().map(Value::Uuid),
        (_, ValueRef::Text(bytes)) => std::str::from_utf8(bytes)
            .ok()
            .and_then(|text| read_text(text, wanted)),
        _ => None,
    };
    value
        .filter(|value| value.check(wanted).is_ok())
        .ok_or_else(|| invalid(stored, wanted))
}

fn read_text(text: &str, wanted: ValueType) -> Option<Value> {
    match wanted {
        ValueType::Text | ValueType::Json => wanted.parse(text).ok(),
        ValueType::Boolean => wanted.parse(&text.trim().to_ascii_lowercase()).ok(),
        ValueType::Decimal => wanted
            .parse(text.trim())
            .ok()
            .or_else(|| decimal_with_exponent(text.trim())),
        _ => wanted.parse(text.trim()).ok(),
    }
}

/// SQLite writes large and small numbers with an exponent when it makes them text.
fn decimal_with_exponent(text: &str) -> Option<Value> {
    let looks_so = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    let real: f64 = looks_so.then(|| text.parse().ok())??;
    Decimal::from_real(real).ok().map(Value::Decimal)
}

/// A floating point number without a fraction, within the range in which it is exact or at least an integer.
fn whole(real: f64) -> Option<i64> {
    let limit = 9_223_372_036_854_775_808.0;
    (real.fract() == 0.0 && real >= -limit && real < limit).then_some(real as i64)
}

fn invalid(stored: ValueRef<'_>, wanted: ValueType) -> Error {
    let found = match stored {
        ValueRef::Null => "null",
        ValueRef::Integer(_) => "an integer that is none",
        ValueRef::Real(_) => "a floating point number that is none",
        ValueRef::Text(_) => "text that is none",
        ValueRef::Blob(_) => "bytes that are none",
    };
    Error::rejected(
        "stored_value_invalid",
        format!("wanted {wanted}, found {found}; correct the value in this record, or delete the record"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_writes_is_read() {
        let text = |text: &'static str| ValueRef::Text(text.as_bytes());
        for (stored, wanted, read_as) in [
            (
                text("2026-01-01 10:00:00"),
                ValueType::Timestamp,
                "2026-01-01T10:00:00.000000Z",
            ),
            (
                text("2026-01-01T10:00"),
                ValueType::LocalTimestamp,
                "2026-01-01T10:00:00.000000",
            ),
            (text("10:30"), ValueType::Time, "10:30:00.000000"),
            (text("2026-01-01"), ValueType::Date, "2026-01-01"),
            (ValueRef::Integer(3), ValueType::Real, "3"),
            (ValueRef::Real(3.0), ValueType::Integer, "3"),
            (text("12"), ValueType::Integer, "12"),
            (ValueRef::Integer(12), ValueType::Decimal, "12"),
            (ValueRef::Real(12.5), ValueType::Decimal, "12.5"),
            (text("1.0e+20"), ValueType::Decimal, "100000000000000000000"),
            (text("TRUE"), ValueType::Boolean, "true"),
            (
                text("A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"),
                ValueType::Uuid,
                "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
            ),
        ] {
            assert_eq!(read(stored, wanted).unwrap().to_string(), read_as, "{wanted}");
        }
    }

    #[test]
    fn what_is_no_value_is_an_error() {
        let text = |text: &'static str| ValueRef::Text(text.as_bytes());
        for (stored, wanted) in [
            (text("yesterday"), ValueType::Timestamp),
            (text("{"), ValueType::Json),
            (text("a\0b"), ValueType::Text),
            (ValueRef::Text(&[0xff]), ValueType::Text),
            (ValueRef::Blob(&[1, 2]), ValueType::Text),
            (ValueRef::Integer(2), ValueType::Boolean),
            (ValueRef::Real(1.5), ValueType::Integer),
            (ValueRef::Real(f64::INFINITY), ValueType::Real),
            (ValueRef::Real(1e300), ValueType::Integer),
            (text("1,5"), ValueType::Decimal),
            (ValueRef::Blob(&[1, 2]), ValueType::Uuid),
        ] {
            let error = read(stored, wanted).unwrap_err();
            assert_eq!(error.code(), "stored_value_invalid", "{wanted}");
        }
    }
}
