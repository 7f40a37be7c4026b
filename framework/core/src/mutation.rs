//! Mutations and their outcomes: what a device asks for and what became of it.

use crate::record::{Fields, Key, RecordName, Version};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What a mutation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MutationKind {
    /// Makes a record the server does not have from this device.
    Create,
    /// Changes attributes of a record the server has.
    Update,
    /// Removes a record the server has.
    Delete,
}

impl MutationKind {
    /// The name in logs and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

/// An attribute that refers to a record whose key only the server can tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// The attribute; its value in the mutation (or in the key) is null until the server fills it.
    pub attribute: String,
    /// The id of the mutation that creates the record referred to.
    pub created: Uuid,
}

/// One durable local change, as it is sent. Once cut it never changes: a repetition is recognised by its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mutation {
    /// Random; names the mutation for ever.
    pub id: Uuid,
    /// Counts the mutations of this device instance from 1.
    pub number: u64,
    /// The entity.
    pub entity: String,
    /// The record.
    pub record: RecordName,
    /// What to do.
    pub kind: MutationKind,
    /// The new values: all that travel for a create, the changed ones for an update, none for a delete.
    #[serde(default, skip_serializing_if = "Fields::is_empty")]
    pub values: Fields,
    /// The values the changed attributes had in the copy this change is based on; for updates.
    #[serde(default, skip_serializing_if = "Fields::is_empty")]
    pub base: Fields,
    /// The content version of the copy this change is based on, over the request's column list; not for creates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_version: Option<Version>,
    /// Attributes that refer to records created by other mutations of this device.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<Reference>,
    /// Mutations with the same group succeed or fail together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Uuid>,
}

/// Why the server refused a mutation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    /// A stable code, for example `constraint_violated`, `not_allowed`, `invalid_value`, `parent_missing`.
    pub code: String,
    /// A sentence a person can act on, without values of other people's records.
    pub message: String,
}

/// The values of a record as the server has them, aligned with the request's column list by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerRecord {
    /// The server's key.
    pub key: Key,
    /// All columns the device asked for.
    pub fields: Fields,
}

/// Which two changes met in a conflict: mine, then theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConflictKind {
    /// both changed the record
    UpdateUpdate,
    /// changed here, deleted there
    UpdateDelete,
    /// deleted here, changed there
    DeleteUpdate,
    /// both made a record with this key
    CreateCreate,
}

impl ConflictKind {
    /// The kind that follows from which sides have the record. With neither side there is nothing to decide; the answer is that of a
    /// record deleted there.
    pub fn of(base: bool, mine: bool, theirs: bool) -> Self {
        match (base, mine, theirs) {
            (_, false, true) => Self::DeleteUpdate,
            (_, _, false) => Self::UpdateDelete,
            (true, true, true) => Self::UpdateUpdate,
            (false, true, true) => Self::CreateCreate,
        }
    }

    /// The name in logs and for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UpdateUpdate => "update/update",
            Self::UpdateDelete => "update/delete",
            Self::DeleteUpdate => "delete/update",
            Self::CreateCreate => "create/create",
        }
    }
}

/// What became of one mutation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It took effect, now or when it was first sent.
    Applied {
        /// The key the server issued; only for creates of entities with server ids.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<Key>,
        /// The record as it is stored, where that is not what the device would expect; always for a repetition.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stored: Option<ServerRecord>,
        /// For a repetition of a create or update: the record has been deleted since.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        gone: bool,
    },
    /// The server's record was changed in between; nothing was overwritten.
    Conflict {
        /// Which changes met.
        kind: ConflictKind,
        /// The server's record; none if it is deleted.
        theirs: Option<ServerRecord>,
    },
    /// The record no longer exists on the server; nothing was done.
    Gone,
    /// Refused for good; nothing was done.
    Rejected(Rejection),
    /// Could not be done this time; nothing was done and nothing is remembered: send it again later.
    Retry(Rejection),
    /// The server no longer knows this device instance: take a new one; this mutation may have been applied before.
    Renew,
}

impl Outcome {
    /// A rejection.
    pub fn rejected(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Rejected(Rejection {
            code: code.into(),
            message: message.into(),
        })
    }

    /// The name in logs.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Applied { .. } => "applied",
            Self::Conflict { .. } => "conflict",
            Self::Gone => "gone",
            Self::Rejected(_) => "rejected",
            Self::Retry(_) => "retry",
            Self::Renew => "renew",
        }
    }
}

/// Why values are in the bin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BinReason {
    /// A change from the server, or a later push, replaced them.
    Overwritten,
    /// The app or a person discarded them.
    Discarded,
    /// The record was deleted on the server.
    Gone,
    /// The record left the device's scope.
    LeftScope,
    /// A read-only entity was edited, and the record arrived again.
    ReadOnly,
}
