//! OnSync's values in the form of a column.

use super::Form;
use super::form::{BOOLEAN_WORDS, UuidForm};
use super::moment::{DAY, to_number};
use onsync_core::value::Decimal;
use onsync_core::{Error, Result, Value};
use rusqlite::types::Value as Stored;
use uuid::Uuid;

/// The stored form of a value. `numbers_are_real` tells a column whose numbers have a fraction.
///
/// # Errors
/// `value_not_storable` when the column cannot hold the value exactly.
pub(crate) fn encode(value: &Value, form: Form, numbers_are_real: bool) -> Result<Stored> {
    Ok(match (value, form) {
        (Value::Null, _) => Stored::Null,
        (Value::Boolean(value), Form::BooleanWord(index)) => {
            let (yes, no) = BOOLEAN_WORDS.get(index).copied().unwrap_or(BOOLEAN_WORDS[0]);
            Stored::Text((if *value { yes } else { no }).to_owned())
        }
        (Value::Boolean(value), _) => Stored::Integer(i64::from(*value)),
        (Value::Integer(value), _) => Stored::Integer(*value),
        (Value::Real(value), _) => Stored::Real(*value),
        (Value::Decimal(value), Form::DecimalNumber) => decimal_number(value)?,
        (Value::Decimal(value), _) => Stored::Text(value.as_str().to_owned()),
        (Value::Text(value) | Value::Json(value), _) => Stored::Text(value.clone()),
        (Value::Bytes(value), _) => Stored::Blob(value.clone()),
        (Value::Date(value), Form::Number(unit)) => {
            to_number(i64::from(value.count()) * DAY, unit, numbers_are_real)
        }
        (Value::Date(value), Form::Moment(form)) => Stored::Text(form.write(&value.to_string())),
        (Value::Date(value), _) => Stored::Text(value.to_string()),
        (Value::Time(value), Form::Time(form)) => Stored::Text(form.write(&value.to_string())),
        (Value::Time(value), _) => Stored::Text(value.to_string()),
        (Value::Timestamp(value), Form::Number(unit)) => to_number(value.count(), unit, numbers_are_real),
        (Value::Timestamp(value), Form::Moment(form)) => Stored::Text(form.write(&value.to_string())),
        (Value::Timestamp(value), _) => Stored::Text(value.to_string()),
        (Value::LocalTimestamp(value), Form::Number(unit)) => {
            to_number(value.count(), unit, numbers_are_real)
        }
        (Value::LocalTimestamp(value), Form::Moment(form)) => Stored::Text(form.write(&value.to_string())),
        (Value::LocalTimestamp(value), _) => Stored::Text(value.to_string()),
        (Value::Uuid(value), Form::Uuid(form)) => uuid(*value, form),
        (Value::Uuid(value), _) => uuid(*value, UuidForm::Lower),
    })
}

/// Whether a column that makes numbers of texts would make an infinite one of this.
pub(crate) fn is_beyond_reals(text: &str) -> bool {
    let number = text.trim_ascii();
    let digits = number.trim_start_matches(['-', '+']);
    digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && number.parse::<f64>().is_ok_and(f64::is_infinite)
}

/// A UUID in a form.
pub(crate) fn uuid(value: Uuid, form: UuidForm) -> Stored {
    match form {
        UuidForm::Lower => Stored::Text(value.hyphenated().to_string()),
        UuidForm::Upper => Stored::Text(format!("{:X}", value.hyphenated())),
        UuidForm::SimpleLower => Stored::Text(value.simple().to_string()),
        UuidForm::SimpleUpper => Stored::Text(format!("{:X}", value.simple())),
        UuidForm::Blob => Stored::Blob(value.as_bytes().to_vec()),
    }
}

/// A decimal as the number that reads back as the same decimal.
fn decimal_number(value: &Decimal) -> Result<Stored> {
    let plain = shortest(value.as_str());
    if let Ok(number) = plain.parse::<i64>() {
        return Ok(Stored::Integer(number));
    }
    let real: f64 = plain.parse().unwrap_or(f64::NAN);
    if Decimal::from_real(real).is_ok_and(|back| shortest(back.as_str()) == plain) {
        return Ok(Stored::Real(real));
    }
    Err(Error::rejected(
        "value_not_storable",
        "the column keeps floating point numbers and cannot hold this decimal exactly; use fewer digits, or a TEXT column",
    ))
}

/// Without zeros at the end of the fraction.
fn shortest(decimal: &str) -> &str {
    if decimal.contains('.') {
        decimal.trim_end_matches('0').trim_end_matches('.')
    } else {
        decimal
    }
}
