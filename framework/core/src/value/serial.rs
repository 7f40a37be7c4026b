//! Serde for single values: null, or one key naming the type (`{"integer": 5}`).

use super::{Date, Decimal, LocalTimestamp, Time, Timestamp, Value};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

/// Bytes: base64 text in readable formats, raw in binary ones.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Blob(pub Vec<u8>);

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&STANDARD.encode(&self.0))
        } else {
            serializer.serialize_bytes(&self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
            STANDARD
                .decode(text.as_bytes())
                .map(Self)
                .map_err(serde::de::Error::custom)
        } else {
            serde_bytes::ByteBuf::deserialize(deserializer).map(|bytes| Self(bytes.into_vec()))
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Tagged {
    Boolean(bool),
    Integer(i64),
    Decimal(Decimal),
    Real(f64),
    Text(String),
    Date(Date),
    Time(Time),
    Timestamp(Timestamp),
    LocalTimestamp(LocalTimestamp),
    Uuid(Uuid),
    Json(String),
    Bytes(Blob),
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        macro_rules! tagged {
            ($index:literal, $name:literal, $value:expr) => {
                serializer.serialize_newtype_variant("Value", $index, $name, $value)
            };
        }
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Boolean(value) => tagged!(0, "boolean", value),
            Self::Integer(value) => tagged!(1, "integer", value),
            Self::Decimal(value) => tagged!(2, "decimal", value),
            Self::Real(value) => tagged!(3, "real", value),
            Self::Text(value) => tagged!(4, "text", value),
            Self::Date(value) => tagged!(5, "date", value),
            Self::Time(value) => tagged!(6, "time", value),
            Self::Timestamp(value) => tagged!(7, "timestamp", value),
            Self::LocalTimestamp(value) => tagged!(8, "local_timestamp", value),
            Self::Uuid(value) => tagged!(9, "uuid", value),
            Self::Json(value) => tagged!(10, "json", value),
            Self::Bytes(value) => tagged!(11, "bytes", &Blob(value.clone())),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Option::<Tagged>::deserialize(deserializer)? {
            None => Self::Null,
            Some(Tagged::Boolean(value)) => Self::Boolean(value),
            Some(Tagged::Integer(value)) => Self::Integer(value),
            Some(Tagged::Decimal(value)) => Self::Decimal(value),
            Some(Tagged::Real(value)) => Self::Real(value),
            Some(Tagged::Text(value)) => Self::Text(value),
            Some(Tagged::Date(value)) => Self::Date(value),
            Some(Tagged::Time(value)) => Self::Time(value),
            Some(Tagged::Timestamp(value)) => Self::Timestamp(value),
            Some(Tagged::LocalTimestamp(value)) => Self::LocalTimestamp(value),
            Some(Tagged::Uuid(value)) => Self::Uuid(value),
            Some(Tagged::Json(value)) => Self::Json(value),
            Some(Tagged::Bytes(value)) => Self::Bytes(value.0),
        })
    }
}

impl From<Vec<u8>> for Blob {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl Blob {
    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }
}
