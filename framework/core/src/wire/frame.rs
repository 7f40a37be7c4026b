//! The frames.

use super::PROTOCOL;
use crate::error::{Error, ErrorKind};
use crate::mutation::{Mutation, Outcome};
use crate::page::{Checkpoint, Page};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use uuid::Uuid;

/// One frame of a request, in this order: `hello`, `entity`…, `mutation`…, `end`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestFrame {
    /// Who speaks.
    Hello(Hello),
    /// An entity that mutations name or that is pulled.
    Entity(EntityRequest),
    /// A change to apply.
    Mutation(Mutation),
    /// Nothing follows.
    End {},
}

/// The first frame of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`PROTOCOL`].
    pub protocol: u32,
    /// This device's store, as a random id that a wiped or restored store does not keep.
    pub instance: Uuid,
    /// The device has durably stored the outcomes of all its mutations up to this number, and refers to none of them any more.
    pub settled_to: u64,
    /// The context that is synced, for logs and hooks.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub context: String,
    /// The highest number that this store has given to a mutation: the server may know that it was once greater, and so that the store
    /// is an older copy of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut_to: Option<u64>,
    /// What the server told last in [`Welcome::seen`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Checkpoint>,
}

impl Hello {
    /// Of a device that tells no more than it must.
    pub fn new(instance: Uuid, settled_to: u64) -> Self {
        Self {
            protocol: PROTOCOL,
            instance,
            settled_to,
            context: String::new(),
            cut_to: None,
            seen: None,
        }
    }
}

/// An entity of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntityRequest {
    /// The entity.
    pub entity: String,
    /// The pattern the device has configured; another one on the server is refused.
    pub pattern: String,
    /// The device's own column list. Rows, versions and mutations of this entity mean these columns.
    pub columns: Vec<String>,
    /// The scope value; empty for an entity without scope.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub scope: String,
    /// Whether the answer shall hold what the device lacks.
    pub pull: bool,
    /// The checkpoint stored on the device; absent: everything is wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<Checkpoint>,
    /// At most so many rows a page.
    pub page_rows: u32,
    /// At most about so many bytes a page.
    pub page_bytes: u32,
}

/// One frame of an answer, in this order: `welcome`, `outcome`…, then for each pulled entity `entity` (started), `page`…,
/// `entity` (complete, not modified or failed), then `end`. `failed` may stand in place of anything and ends the answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerFrame {
    /// Who answers.
    Welcome(Welcome),
    /// What became of a mutation.
    Outcome(OutcomeFrame),
    /// Where an entity's answer stands.
    Entity(EntityAnswer),
    /// Records.
    Page(Page),
    /// Reserved for ready-made images of a store; not sent in protocol 1.
    Image {},
    /// The answer ends here with an error.
    Failed(WireError),
    /// The answer is complete.
    End {},
}

/// The first frame of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// [`PROTOCOL`].
    pub protocol: u32,
    /// Up to where the outcomes of this answer let the device know the database. Opaque: stored with the outcomes, sent back in
    /// [`Hello::seen`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Checkpoint>,
    /// What the device has seen is not in the database, which was restored: its checkpoints are void, for every entity.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub restored: bool,
}

impl Welcome {
    /// Of a server that tells no more than it must.
    pub fn new() -> Self {
        Self {
            protocol: PROTOCOL,
            seen: None,
            restored: false,
        }
    }
}

impl Default for Welcome {
    fn default() -> Self {
        Self::new()
    }
}

/// What became of one mutation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutcomeFrame {
    /// The mutation.
    pub id: Uuid,
    /// What became of it.
    pub outcome: Outcome,
}

/// Where an entity's answer stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntityAnswer {
    /// The entity.
    pub entity: String,
    /// The scope value.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub scope: String,
    /// Where it stands.
    pub state: AnswerState,
}

/// Where an entity's answer stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerState {
    /// Pages follow; with the number of records if the server knows it cheaply.
    Started {
        /// How many records will come, if known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        total: Option<u64>,
    },
    /// Nothing changed since the checkpoint.
    NotModified,
    /// Everything there was when the answer began has been sent.
    Complete,
    /// This entity could not be answered; others go on.
    Failed(WireError),
}

/// An error as it travels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireError {
    /// The kind's name; unknown ones count as fatal.
    pub kind: String,
    /// The stable code.
    pub code: String,
    /// The sentence.
    pub message: String,
    /// Seconds the server asks to be left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

impl From<&Error> for WireError {
    fn from(error: &Error) -> Self {
        Self {
            kind: error.kind().as_str().to_owned(),
            code: error.code().to_owned(),
            message: error.message().to_owned(),
            retry_after: error.retry_after().map(|wait| wait.as_secs()),
        }
    }
}

impl From<WireError> for Error {
    fn from(wire: WireError) -> Self {
        let error = Self::new(ErrorKind::from_name(&wire.kind), wire.code, wire.message);
        match wire.retry_after {
            Some(seconds) => error.with_retry_after(Duration::from_secs(seconds)),
            None => error,
        }
    }
}

/// What `GET /v1/health` tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Always `onsync`: tells the server from a captive portal.
    pub service: String,
    /// The newest protocol version the server speaks.
    pub protocol: u32,
    /// The largest request body, decoded, the server takes, in bytes.
    pub max_request_bytes: u64,
    /// The largest number of mutations in one request.
    pub max_mutations: u32,
}
