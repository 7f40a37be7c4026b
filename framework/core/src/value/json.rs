//! Values from text and to plain JSON, as people, databases and other languages write them.

use super::{Value, ValueType};
use crate::error::{Error, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Integers beyond this are strings in JSON, since many readers of JSON numbers lose digits there: 2⁵³.
const SAFE_INTEGER: i64 = 1 << 53;

pub(super) fn parse_text(wanted: ValueType, text: &str) -> Result<Value> {
    let refuse = || Error::rejected("invalid_value", format!("wanted {wanted}, found {text:?}"));
    Ok(match wanted {
        ValueType::Boolean => match text {
            "true" | "1" => Value::Boolean(true),
            "false" | "0" => Value::Boolean(false),
            _ => return Err(refuse()),
        },
        ValueType::Integer => Value::Integer(text.parse().map_err(|_| refuse())?),
        ValueType::Decimal => Value::Decimal(text.parse()?),
        ValueType::Real => Value::Real(text.parse().map_err(|_| refuse())?),
        ValueType::Text => Value::Text(text.to_owned()),
        ValueType::Date => Value::Date(text.parse()?),
        ValueType::Time => Value::Time(text.parse()?),
        ValueType::Timestamp => Value::Timestamp(text.parse()?),
        ValueType::LocalTimestamp => Value::LocalTimestamp(text.parse()?),
        ValueType::Uuid => Value::Uuid(text.parse().map_err(|_| refuse())?),
        ValueType::Json => Value::Json(text.to_owned()),
        ValueType::Bytes => Value::Bytes(STANDARD.decode(text).map_err(|_| refuse())?),
    })
}

impl Value {
    /// Reads plain JSON as a value of the declared type; strings are accepted for every type.
    ///
    /// # Errors
    /// `invalid_value` where the JSON is not of the type.
    pub fn from_json(wanted: ValueType, json: &serde_json::Value) -> Result<Self> {
        use serde_json::Value as Json;
        let value = match (wanted, json) {
            (_, Json::Null) => Self::Null,
            (ValueType::Json, json) => Self::Json(json.to_string()),
            (ValueType::Boolean, Json::Bool(value)) => Self::Boolean(*value),
            (ValueType::Integer | ValueType::Decimal | ValueType::Real, Json::Number(number)) => {
                parse_text(wanted, &number.to_string())?
            }
            (_, Json::String(text)) => parse_text(wanted, text)?,
            (_, other) => {
                return Err(Error::rejected(
                    "invalid_value",
                    format!("wanted {wanted}, found the JSON {other}"),
                ));
            }
        };
        value.check(wanted)?;
        Ok(value)
    }

    /// Plain JSON: integers beyond 2⁵³ and decimals as strings, dates and times in ISO 8601, bytes in base64.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match self {
            Self::Null => Json::Null,
            Self::Boolean(value) => Json::Bool(*value),
            Self::Integer(value) if value.unsigned_abs() > SAFE_INTEGER.unsigned_abs() => {
                Json::String(value.to_string())
            }
            Self::Integer(value) => Json::from(*value),
            Self::Real(value) => Json::from(*value),
            Self::Json(text) => serde_json::from_str(text).unwrap_or_else(|_| Json::String(text.clone())),
            Self::Bytes(bytes) => Json::String(STANDARD.encode(bytes)),
            other => Json::String(other.to_string()),
        }
    }
}
