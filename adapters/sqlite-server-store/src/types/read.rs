//! Stored values as OnSync's values.

use super::form::BOOLEAN_WORDS;
use super::moment::{DAY, from_integer, from_real, quick};
use super::{Form, Unit};
use onsync_core::rows::Column;
use onsync_core::value::{Date, Decimal, LocalTimestamp, Timestamp};
use onsync_core::{Value, ValueType};
use rusqlite::types::{Type, ValueRef};
use std::str::from_utf8;
use uuid::Uuid;

/// A stored value is not of its declared type. What it is stored as, without the value itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Invalid(pub(crate) Type);

/// Reads a stored value of any form of the type; `unit` says what numbers that stand for moments count.
pub(crate) fn decode(wanted: ValueType, unit: Unit, stored: ValueRef<'_>) -> Result<Value, Invalid> {
    if matches!(stored, ValueRef::Null) {
        return Ok(Value::Null);
    }
    let value = match wanted {
        ValueType::Boolean => boolean(stored).map(Value::Boolean),
        ValueType::Integer => integer(stored).map(Value::Integer),
        ValueType::Decimal => decimal(stored).map(Value::Decimal),
        ValueType::Real => real(stored).map(Value::Real),
        ValueType::Text => text_of(stored).map(Value::Text),
        ValueType::Json => json(stored).map(Value::Json),
        ValueType::Date => date(stored, unit).map(Value::Date),
        ValueType::Time => text(stored).and_then(|text| text.parse().ok()).map(Value::Time),
        ValueType::Timestamp => timestamp(stored, unit).map(Value::Timestamp),
        ValueType::LocalTimestamp => local_timestamp(stored, unit).map(Value::LocalTimestamp),
        ValueType::Uuid => uuid(stored).map(Value::Uuid),
        ValueType::Bytes => match stored {
            ValueRef::Blob(bytes) => Some(Value::Bytes(bytes.to_vec())),
            _ => None,
        },
    };
    value.ok_or(Invalid(stored.data_type()))
}

/// Appends a stored value to a column without a detour where its form is the usual one. Returns its size.
pub(crate) fn push(column: &mut Column, unit: Unit, stored: ValueRef<'_>) -> Result<usize, Invalid> {
    let invalid = Invalid(stored.data_type());
    let size = match (&mut *column, stored) {
        (Column::Integer(values), ValueRef::Integer(value)) => {
            values.push(Some(value));
            8
        }
        (Column::Text(values), ValueRef::Text(_)) => {
            let value = text(stored).ok_or(invalid)?;
            values.push(Some(value.to_owned()));
            value.len()
        }
        (Column::Real(values), ValueRef::Real(_)) => {
            values.push(Some(real(stored).ok_or(invalid)?));
            8
        }
        (Column::Boolean(values), ValueRef::Integer(value @ (0 | 1))) => {
            values.push(Some(value == 1));
            1
        }
        (Column::Timestamp(values), ValueRef::Text(_)) => {
            values.push(Some(timestamp(stored, unit).ok_or(invalid)?));
            8
        }
        (Column::Uuid(values), _) if !matches!(stored, ValueRef::Null) => {
            values.push(Some(uuid(stored).ok_or(invalid)?));
            16
        }
        (Column::Bytes(values), ValueRef::Blob(bytes)) => {
            values.push(Some(bytes.to_vec().into()));
            bytes.len()
        }
        (column, stored) => {
            let value = decode(column.value_type(), unit, stored)?;
            let size = value.size();
            // A decoded value is of the type it was decoded for, so that the column takes it.
            column.push(value).map_err(|_| invalid)?;
            size
        }
    };
    Ok(size)
}

/// Whether the stored value is exactly what the form writes for it, so that the table's order is the order of keys.
pub(crate) fn conforms(form: Form, numbers_are_real: bool, value: &Value, stored: ValueRef<'_>) -> bool {
    super::write::encode(value, form, numbers_are_real).is_ok_and(|wanted| ValueRef::from(&wanted) == stored)
}

fn text(stored: ValueRef<'_>) -> Option<&str> {
    match stored {
        ValueRef::Text(bytes) if !bytes.contains(&0) => from_utf8(bytes).ok(),
        _ => None,
    }
}

fn boolean(stored: ValueRef<'_>) -> Option<bool> {
    match stored {
        ValueRef::Integer(number) => match number {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        },
        ValueRef::Real(0.0) => Some(false),
        ValueRef::Real(1.0) => Some(true),
        _ => {
            let word = text(stored)?;
            BOOLEAN_WORDS.iter().find_map(|(yes, no)| match word {
                word if word.eq_ignore_ascii_case(yes) => Some(true),
                word if word.eq_ignore_ascii_case(no) => Some(false),
                _ => None,
            })
        }
    }
}

/// The greatest integer up to which reals hold every integer: 2⁵³.
const SAFE: f64 = 9_007_199_254_740_992.0;

fn integer(stored: ValueRef<'_>) -> Option<i64> {
    match stored {
        ValueRef::Integer(number) => Some(number),
        ValueRef::Real(number) if number.fract() == 0.0 && number.abs() <= SAFE => Some(number as i64),
        _ => None,
    }
}

fn decimal(stored: ValueRef<'_>) -> Option<Decimal> {
    match stored {
        ValueRef::Integer(number) => number.to_string().parse().ok(),
        ValueRef::Real(number) => Decimal::from_real(number).ok(),
        _ => text(stored)?.parse().ok(),
    }
}

fn real(stored: ValueRef<'_>) -> Option<f64> {
    match stored {
        ValueRef::Integer(number) => Some(number as f64),
        ValueRef::Real(number) if number.is_finite() => Some(number),
        _ => None,
    }
}

/// Text, or a number as text: `type = "text"` is the way out for columns that hold both.
fn text_of(stored: ValueRef<'_>) -> Option<String> {
    match stored {
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Real(number) if number.is_finite() => Some(format!("{number:?}")),
        _ => text(stored).map(str::to_owned),
    }
}

/// JSON text; a JSON number may have become a number in a column declared as JSON.
fn json(stored: ValueRef<'_>) -> Option<String> {
    let json = text_of(stored)?;
    serde_json::from_str::<serde::de::IgnoredAny>(&json)
        .is_ok()
        .then_some(json)
}

/// Microseconds since 1970 that a number stands for.
fn counted(stored: ValueRef<'_>, unit: Unit) -> Option<i64> {
    match stored {
        ValueRef::Integer(number) => from_integer(number, unit),
        ValueRef::Real(number) => from_real(number, unit),
        _ => None,
    }
}

fn date(stored: ValueRef<'_>, unit: Unit) -> Option<Date> {
    let micros = match stored {
        ValueRef::Text(bytes) => match quick(bytes) {
            Some((micros, _)) => micros,
            None => {
                let text = text(stored)?;
                match text.parse::<Date>() {
                    Ok(date) if text.len() <= 10 => return Some(date),
                    _ => text.parse::<Timestamp>().ok()?.count(),
                }
            }
        },
        _ => counted(stored, unit)?,
    };
    (micros.rem_euclid(DAY) == 0)
        .then(|| i32::try_from(micros.div_euclid(DAY)).ok())
        .flatten()
        .and_then(|days| Date::from_count(days).ok())
}

fn timestamp(stored: ValueRef<'_>, unit: Unit) -> Option<Timestamp> {
    match stored {
        ValueRef::Text(bytes) => match quick(bytes) {
            Some((micros, _)) => Timestamp::from_count(micros).ok(),
            None => text(stored)?.parse().ok(),
        },
        _ => Timestamp::from_count(counted(stored, unit)?).ok(),
    }
}

fn local_timestamp(stored: ValueRef<'_>, unit: Unit) -> Option<LocalTimestamp> {
    match stored {
        ValueRef::Text(bytes) => match quick(bytes) {
            Some((micros, false)) => LocalTimestamp::from_count(micros).ok(),
            Some((_, true)) => None,
            None => text(stored)?.parse().ok(),
        },
        _ => LocalTimestamp::from_count(counted(stored, unit)?).ok(),
    }
}

fn uuid(stored: ValueRef<'_>) -> Option<Uuid> {
    match stored {
        ValueRef::Blob(bytes) => Uuid::from_slice(bytes).ok(),
        _ => Uuid::try_parse(text(stored)?).ok(),
    }
}
