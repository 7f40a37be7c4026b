//! The seams for an app's own sync logic and for those who listen: handler, run, events.

use crate::error::Result;
use crate::network::NetworkStatus;
use crate::ordered::BTreeMap;
use crate::platform::{MaybeSend, MaybeSync};
use crate::value::{Timestamp, Value};
use onsync_macros::portable_async;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The parameters of `on_sync`, by name.
pub type Parameters = BTreeMap<String, Value>;

/// Which entities a step of a run syncs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Selection {
    /// Every entity, parents first.
    #[default]
    All,
    /// These, in this order.
    Entities(Vec<String>),
}

/// In which direction a step of a run syncs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SyncDirection {
    /// Send, then fetch.
    #[default]
    Both,
    /// Send only.
    Push,
    /// Fetch only.
    Pull,
}

/// What a run did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Mutations that were applied on the server.
    pub applied: u64,
    /// Mutations the server refused; they are listed.
    pub rejected: u64,
    /// Conflicts that were found.
    pub conflicts: u64,
    /// Edits that went to the bin.
    pub discarded: u64,
    /// Records that were written here.
    pub received: u64,
    /// Records that were removed here.
    pub removed: u64,
    /// Requests sent.
    pub requests: u64,
    /// Bytes received, as on the wire.
    pub bytes_received: u64,
    /// Mutations sent.
    #[serde(default)]
    pub sent: u64,
    /// The context's budget was used up before everything was done: the next run goes on there.
    #[serde(default)]
    pub budget_used: bool,
}

/// The run that a handler drives.
#[portable_async]
pub trait SyncRun: MaybeSend + MaybeSync {
    /// Syncs a selection in a direction: one request, more for a large outbox.
    ///
    /// # Errors
    /// Those of transport, store and server.
    async fn sync(&self, selection: Selection, direction: SyncDirection) -> Result<Summary>;

    /// Asks for another run after this one. It knows which runs it was asked for in.
    ///
    /// # Errors
    /// `sync_within_itself` for the context and parameters of this run, or of one it was asked for in; otherwise as the app's `on_sync`.
    fn on_sync(&self, context: &str, parameters: &Parameters) -> Result<()>;
}

/// The app's own sync handler; it replaces the default run, which syncs the context's entities.
#[portable_async]
pub trait OnSync: MaybeSend + MaybeSync {
    /// Called for every run with its context and parameters; calls `run` as it likes.
    ///
    /// # Errors
    /// Whatever stops the run; it ends as `OnSyncError`.
    async fn on_sync(&self, run: &dyn SyncRun, context: &str, parameters: &Parameters) -> Result<()>;
}

/// What a run is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// sending local changes
    Push,
    /// receiving records
    Pull,
    /// receiving records of what belongs together and is too large to become visible in one step: it appears piece by piece
    CatchUp,
}

/// Something that happened, for listeners.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event")]
pub enum Event {
    /// An attempt began.
    OnSyncStart {
        /// its context
        context: String,
    },
    /// An attempt got on.
    OnSyncProgress {
        /// its context
        context: String,
        /// the entity at work
        entity: String,
        /// what is done
        phase: Phase,
        /// records so far
        done: u64,
        /// records in all, where known
        total: Option<u64>,
        /// bytes received so far in this run
        bytes: u64,
    },
    /// An attempt ended well.
    OnSyncComplete {
        /// its context
        context: String,
        /// what it did
        summary: Summary,
    },
    /// An attempt ended badly.
    OnSyncError {
        /// its context
        context: String,
        /// stable code
        error_code: String,
        /// sentence for people
        error_message: String,
        /// when it is tried again, if by itself
        next_try: Option<Duration>,
    },
    /// The network came, went or changed its kind.
    NetworkStatusChanged(NetworkStatus),
    /// A conflict was found.
    ConflictDetected {
        /// the entity
        entity: String,
        /// the record's local key, as text
        key: String,
    },
}

/// Listens to events. Called in order, one event at a time, on a task of its own: it can neither block nor harm a run.
pub trait SyncListener: MaybeSend + MaybeSync {
    /// Something happened, at this time of the device's clock.
    fn on_event(&self, at: Timestamp, event: &Event);
}
