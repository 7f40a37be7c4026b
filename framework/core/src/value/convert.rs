//! Rust types to values and back, for typed records.

use super::{Date, Decimal, LocalTimestamp, Time, Timestamp, Value};
use crate::error::{Error, Result};
use uuid::Uuid;

/// A Rust type that an attribute can be made from.
pub trait IntoValue {
    /// The value.
    fn into_value(self) -> Value;
}

/// A Rust type that an attribute can be read as.
pub trait FromValue: Sized {
    /// Reads the value.
    ///
    /// # Errors
    /// `invalid_value` when the value is of another type.
    fn from_value(value: Value) -> Result<Self>;
}

macro_rules! conversions {
    ($($rust:ty => $variant:ident),* $(,)?) => { $(
        impl IntoValue for $rust {
            fn into_value(self) -> Value {
                Value::$variant(self.into())
            }
        }

        impl From<$rust> for Value {
            fn from(value: $rust) -> Self {
                value.into_value()
            }
        }

        impl FromValue for $rust {
            fn from_value(value: Value) -> Result<Self> {
                match value {
                    Value::$variant(inner) => inner.try_into().map_err(|_| wrong(stringify!($rust), "a number out of range")),
                    other => Err(wrong(stringify!($rust), other.value_type().map_or("null", |found| found.as_str()))),
                }
            }
        }
    )* };
}

fn wrong(wanted: &str, found: &str) -> Error {
    Error::rejected(
        "invalid_value",
        format!(
            "wanted {wanted}, found {found}; change the field's type, or use Option<…> where null may stand"
        ),
    )
}

conversions! {
    bool => Boolean,
    i64 => Integer,
    i32 => Integer,
    i16 => Integer,
    u32 => Integer,
    u16 => Integer,
    Decimal => Decimal,
    f64 => Real,
    String => Text,
    Date => Date,
    Time => Time,
    Timestamp => Timestamp,
    LocalTimestamp => LocalTimestamp,
    Uuid => Uuid,
    Vec<u8> => Bytes,
}

impl IntoValue for &str {
    fn into_value(self) -> Value {
        Value::Text(self.to_owned())
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        value.into_value()
    }
}

impl IntoValue for Value {
    fn into_value(self) -> Value {
        self
    }
}

impl FromValue for Value {
    fn from_value(value: Value) -> Result<Self> {
        Ok(value)
    }
}

impl IntoValue for serde_json::Value {
    fn into_value(self) -> Value {
        Value::Json(self.to_string())
    }
}

impl FromValue for serde_json::Value {
    fn from_value(value: Value) -> Result<Self> {
        match value {
            Value::Json(text) => {
                serde_json::from_str(&text).map_err(|_| wrong("JSON", "text that is not JSON"))
            }
            other => Err(wrong(
                "JSON",
                other.value_type().map_or("null", |found| found.as_str()),
            )),
        }
    }
}

impl<T: IntoValue> IntoValue for Option<T> {
    fn into_value(self) -> Value {
        self.map_or(Value::Null, IntoValue::into_value)
    }
}

impl<T: IntoValue> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.into_value()
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: Value) -> Result<Self> {
        if value.is_null() {
            Ok(None)
        } else {
            T::from_value(value).map(Some)
        }
    }
}
