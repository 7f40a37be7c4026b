//! Values and their types: what one attribute of one record holds.
//!
//! [`ValueType`] is the declared type of an attribute, [`Value`] what a record holds there. Every value of every type
//! survives every encoding unchanged; NaN, infinities and NUL characters in text are refused where values enter
//! ([`Value::check`]).

mod canonical;
mod convert;
mod decimal;
mod json;
mod serial;
pub use serial::Blob;
mod temporal;

pub use canonical::{canonical_bytes, decode_canonical, write_canonical};
pub use convert::{FromValue, IntoValue};
pub use decimal::Decimal;
pub use temporal::{Date, LocalTimestamp, Time, Timestamp};

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use uuid::Uuid;

/// The declared type of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueType {
    /// true or false
    Boolean,
    /// a signed 64-bit integer
    Integer,
    /// an exact decimal number of any length
    Decimal,
    /// a 64-bit floating point number, never NaN or infinite
    Real,
    /// Unicode text without NUL
    Text,
    /// a calendar date
    Date,
    /// a time of day, microseconds
    Time,
    /// a moment in UTC, microseconds
    Timestamp,
    /// a date and time of day without a zone, microseconds
    LocalTimestamp,
    /// a UUID
    Uuid,
    /// a JSON text, kept as written
    Json,
    /// bytes, up to the configured record size
    Bytes,
}

impl ValueType {
    /// Every type, in the order of the documentation's table.
    pub const ALL: [Self; 12] = [
        Self::Boolean,
        Self::Integer,
        Self::Decimal,
        Self::Real,
        Self::Text,
        Self::Date,
        Self::Time,
        Self::Timestamp,
        Self::LocalTimestamp,
        Self::Uuid,
        Self::Json,
        Self::Bytes,
    ];

    /// The name in configuration, wire and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Decimal => "decimal",
            Self::Real => "real",
            Self::Text => "text",
            Self::Date => "date",
            Self::Time => "time",
            Self::Timestamp => "timestamp",
            Self::LocalTimestamp => "local_timestamp",
            Self::Uuid => "uuid",
            Self::Json => "json",
            Self::Bytes => "bytes",
        }
    }

    /// The type with that name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|value_type| value_type.as_str() == name)
    }

    /// Whether records may be named by an attribute of this type: types whose canonical bytes sort as databases sort them.
    pub fn may_be_key(self) -> bool {
        matches!(
            self,
            Self::Boolean
                | Self::Integer
                | Self::Text
                | Self::Date
                | Self::Timestamp
                | Self::Uuid
                | Self::Bytes
        )
    }

    /// Reads a text as a value of this type, as a person, a database or JSON writes it.
    pub fn parse(self, text: &str) -> Result<Value> {
        json::parse_text(self, text)
    }
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What one attribute of one record holds.
#[derive(Clone, Debug, Default)]
pub enum Value {
    /// nothing
    #[default]
    Null,
    /// see [`ValueType::Boolean`]
    Boolean(bool),
    /// see [`ValueType::Integer`]
    Integer(i64),
    /// see [`ValueType::Decimal`]
    Decimal(Decimal),
    /// see [`ValueType::Real`]
    Real(f64),
    /// see [`ValueType::Text`]
    Text(String),
    /// see [`ValueType::Date`]
    Date(Date),
    /// see [`ValueType::Time`]
    Time(Time),
    /// see [`ValueType::Timestamp`]
    Timestamp(Timestamp),
    /// see [`ValueType::LocalTimestamp`]
    LocalTimestamp(LocalTimestamp),
    /// see [`ValueType::Uuid`]
    Uuid(Uuid),
    /// see [`ValueType::Json`]; the text as written
    Json(String),
    /// see [`ValueType::Bytes`]
    Bytes(Vec<u8>),
}

impl Value {
    /// The type of this value; none for [`Value::Null`].
    pub fn value_type(&self) -> Option<ValueType> {
        Some(match self {
            Self::Null => return None,
            Self::Boolean(_) => ValueType::Boolean,
            Self::Integer(_) => ValueType::Integer,
            Self::Decimal(_) => ValueType::Decimal,
            Self::Real(_) => ValueType::Real,
            Self::Text(_) => ValueType::Text,
            Self::Date(_) => ValueType::Date,
            Self::Time(_) => ValueType::Time,
            Self::Timestamp(_) => ValueType::Timestamp,
            Self::LocalTimestamp(_) => ValueType::LocalTimestamp,
            Self::Uuid(_) => ValueType::Uuid,
            Self::Json(_) => ValueType::Json,
            Self::Bytes(_) => ValueType::Bytes,
        })
    }

    /// Whether this is [`Value::Null`].
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// How many bytes it takes in memory and, roughly, on the wire: for limits, not for accounting.
    pub fn size(&self) -> usize {
        match self {
            Self::Null | Self::Boolean(_) => 1,
            Self::Decimal(decimal) => decimal.as_str().len(),
            Self::Text(text) | Self::Json(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
            Self::Uuid(_) => 16,
            _ => 8,
        }
    }

    /// Refuses what no record may hold: a value of another type, NaN, infinities, NUL in text, text that is not JSON in `json`.
    ///
    /// # Errors
    /// `invalid_value`, of kind rejected.
    pub fn check(&self, wanted: ValueType) -> Result<()> {
        let refuse = |found: &str| {
            Err(Error::rejected(
                "invalid_value",
                format!("wanted {wanted}, found {found}"),
            ))
        };
        match self {
            Self::Null => Ok(()),
            value if value.value_type() != Some(wanted) => {
                refuse(value.value_type().map_or("null", ValueType::as_str))
            }
            Self::Real(real) if !real.is_finite() => refuse("NaN or an infinity, which cannot be synced"),
            Self::Text(text) | Self::Json(text) if text.contains('\0') => {
                refuse("a NUL character, which databases cut text at; remove it")
            }
            Self::Json(text) if serde_json::from_str::<serde::de::IgnoredAny>(text).is_err() => {
                refuse("text that is not JSON")
            }
            _ => Ok(()),
        }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Value {}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Value {
    /// Null first, then by type, then as the canonical bytes sort; decimals by their text.
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Boolean(a), Self::Boolean(b)) => a.cmp(b),
            (Self::Integer(a), Self::Integer(b)) => a.cmp(b),
            (Self::Decimal(a), Self::Decimal(b)) => a.cmp(b),
            (Self::Real(a), Self::Real(b)) => canonical::plain_zero(*a).total_cmp(&canonical::plain_zero(*b)),
            (Self::Text(a), Self::Text(b)) | (Self::Json(a), Self::Json(b)) => a.cmp(b),
            (Self::Date(a), Self::Date(b)) => a.cmp(b),
            (Self::Time(a), Self::Time(b)) => a.cmp(b),
            (Self::Timestamp(a), Self::Timestamp(b)) => a.cmp(b),
            (Self::LocalTimestamp(a), Self::LocalTimestamp(b)) => a.cmp(b),
            (Self::Uuid(a), Self::Uuid(b)) => a.cmp(b),
            (Self::Bytes(a), Self::Bytes(b)) => a.cmp(b),
            (a, b) => a.value_type().cmp(&b.value_type()),
        }
    }
}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        canonical_bytes(std::slice::from_ref(self)).hash(state);
    }
}

impl fmt::Display for Value {
    /// As a person reads it; bytes as their number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Boolean(value) => write!(f, "{value}"),
            Self::Integer(value) => write!(f, "{value}"),
            Self::Decimal(value) => write!(f, "{value}"),
            Self::Real(value) => write!(f, "{value}"),
            Self::Text(value) | Self::Json(value) => f.write_str(value),
            Self::Date(value) => write!(f, "{value}"),
            Self::Time(value) => write!(f, "{value}"),
            Self::Timestamp(value) => write!(f, "{value}"),
            Self::LocalTimestamp(value) => write!(f, "{value}"),
            Self::Uuid(value) => write!(f, "{value}"),
            Self::Bytes(value) => write!(f, "{} bytes", value.len()),
        }
    }
}
