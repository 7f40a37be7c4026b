//! Pages: the pieces in which an answer brings records, each applied with its checkpoint in one transaction.

use crate::record::Key;
use crate::rows::RowSet;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use uuid::Uuid;

/// How far a device has got with one entity and scope value: opaque bytes issued by the server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Checkpoint(pub Vec<u8>);

impl Serialize for Checkpoint {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        crate::value::Blob(self.0.clone()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Checkpoint {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::value::Blob::deserialize(deserializer).map(|bytes| Self(bytes.0))
    }
}

impl From<ByteBuf> for Checkpoint {
    fn from(bytes: ByteBuf) -> Self {
        Self(bytes.into_vec())
    }
}

/// A range of server keys: after `after`, up to and including `to`; open where none is given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRange {
    /// The range starts behind this key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Key>,
    /// The range ends with this key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Key>,
}

impl KeyRange {
    /// Every key.
    pub fn all() -> Self {
        Self::default()
    }

    /// Whether the key lies in the range.
    pub fn contains(&self, key: &Key) -> bool {
        self.after.as_ref().is_none_or(|after| key > after) && self.to.as_ref().is_none_or(|to| key <= to)
    }
}

/// What a page is the truth about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PageKind {
    /// All records of the scope value within a key range: what is absent here does not exist there.
    Snapshot(KeyRange),
    /// The records that changed; others are untouched.
    Delta,
}

/// One piece of an entity's answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Page {
    /// The entity.
    pub entity: String,
    /// The scope value; empty for an entity without scope.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub scope: String,
    /// What the page is the truth about.
    pub kind: PageKind,
    /// Records by columns, aligned with the request's column list.
    pub rows: RowSet,
    /// Keys of records that no longer exist.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deleted: Vec<Key>,
    /// Keys of records that exist but left the scope.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<Key>,
    /// Keys of records that unsettled creates of this device made, by mutation id: known before their rows arrive.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub created: Vec<(Uuid, Key)>,
    /// Stored with the page.
    pub checkpoint: Checkpoint,
    /// Whether the set is complete with this page; a full refresh becomes visible then.
    pub last: bool,
}
