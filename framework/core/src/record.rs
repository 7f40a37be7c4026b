//! Keys, rows and named fields: one record in the three shapes the code needs.

mod fields;

pub use fields::Fields;

use crate::error::{Error, Result};
use crate::value::{IntoValue, Value, canonical_bytes, decode_canonical};
use serde::{Deserialize, Serialize};
use std::fmt;
use uuid::Uuid;

/// The values of a record's key attributes, in the order the schema lists them.
///
/// Keys sort as their canonical bytes do, which is the order of snapshot pages.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(pub Vec<Value>);

impl Key {
    /// A key of one attribute.
    pub fn one(value: impl IntoValue) -> Self {
        Self(vec![value.into_value()])
    }

    /// The canonical bytes of the key: what stores and orderings use.
    pub fn to_bytes(&self) -> Vec<u8> {
        canonical_bytes(&self.0)
    }

    /// Reads canonical bytes back.
    ///
    /// # Errors
    /// `corrupt_key` when the bytes are not canonical.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        decode_canonical(bytes).map(Self)
    }

    /// The values.
    pub fn values(&self) -> &[Value] {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, value) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{value}")?;
        }
        Ok(())
    }
}

impl<T: IntoValue> From<T> for Key {
    fn from(value: T) -> Self {
        Self::one(value)
    }
}

/// The values of one record, aligned with the attributes of its [`EntitySchema`](crate::schema::EntitySchema).
pub type Row = Vec<Value>;

/// A Rust struct that stands for the records of one entity; derived with `#[derive(Entity)]`.
pub trait Entity: Sized {
    /// The entity's name in the configuration.
    const ENTITY: &'static str;

    /// The record's values by attribute name.
    fn into_fields(self) -> Fields;

    /// Reads the struct from a record's values.
    ///
    /// # Errors
    /// `invalid_value`, saying which attribute, when a value is not of the field's type.
    fn from_fields(fields: Fields) -> Result<Self>;
}

/// How a mutation names its record: by the server's key, or by the id of the mutation that creates it
/// (where the server issues keys). Local keys never travel.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordName {
    /// The server knows the record by this key.
    Key(Key),
    /// The record made by the create mutation with this id.
    Created(Uuid),
}

/// A 128-bit hash of a record's content over a list of columns: equal content, equal version.
///
/// The first 16 bytes of SHA-256 over, for each column in list order, the column's name, a zero byte and the
/// canonical bytes of the value.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(Uuid);

impl Version {
    /// The version of a record with these columns.
    pub fn of<'a>(columns: impl IntoIterator<Item = (&'a str, &'a Value)>) -> Self {
        use sha2::Digest as _;
        let mut hash = sha2::Sha256::new();
        let mut bytes = Vec::with_capacity(64);
        for (name, value) in columns {
            bytes.clear();
            bytes.extend_from_slice(name.as_bytes());
            bytes.push(0);
            crate::value::write_canonical(value, &mut bytes);
            hash.update(&bytes);
        }
        let digest = hash.finalize();
        let mut head = [0; 16];
        head.copy_from_slice(&digest[..16]);
        Self(Uuid::from_bytes(head))
    }

    /// The 16 bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.simple())
    }
}

/// An error that names an entity which is not in the schema.
pub(crate) fn unknown_entity<'a>(found: &str, known: impl Iterator<Item = &'a str>) -> Error {
    Error::rejected(
        "unknown_entity",
        format!(
            "there is no entity `{found}`; configured: {}",
            crate::error::list_names(known)
        ),
    )
}
