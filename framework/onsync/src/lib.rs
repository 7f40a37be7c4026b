#![doc = include_str!("../README.md")]

pub mod metrics;
mod open;
mod plugins;
#[cfg(feature = "server")]
pub mod server;

#[cfg(feature = "native")]
pub use open::open;
pub use open::{FixedToken, anchor, builder, open_config};
pub use plugins::registries;

pub use onsync_core::conflict::{Conflict, ConflictAttribute, ConflictResolver, Resolution};
pub use onsync_core::handler::{
    Event, OnSync, Parameters, Phase, Selection, Summary, SyncDirection, SyncListener, SyncRun,
};
pub use onsync_core::mutation::{BinReason, ConflictKind, MutationKind, Rejection};
pub use onsync_core::network::{NetworkKind, NetworkMonitor, NetworkNews, NetworkStatus, OfflineReason};
pub use onsync_core::pattern::SyncPattern;
pub use onsync_core::query::{Comparison, Order, Query};
pub use onsync_core::registry::Registry;
pub use onsync_core::store::local::{LocalStore, RecordState};
pub use onsync_core::transport::{Credentials, CredentialsProvider, Transport};
pub use onsync_core::{Entity, Error, ErrorKind, Fields, Key, Result, Value, ValueType};
pub use onsync_engine::sync::{
    BinEntry, BinFilter, Discarded, DiscardedRecord, Fetched, HeldRecord, OpenConflict, RejectedChange,
    RejectedEntry,
};
pub use onsync_engine::*;

/// The vocabulary and the seams, for those who write plug-ins.
pub use onsync_core as core;
/// The transport over HTTP.
#[cfg(feature = "http")]
pub use onsync_http_transport as http_transport;
/// The network monitor that the app feeds.
#[cfg(any(feature = "browser", feature = "network"))]
pub use onsync_network_manual as network_manual;
/// The time, tasks and randomness of a browser.
#[cfg(feature = "browser")]
pub use onsync_runtime_browser as runtime_browser;
/// The device store on SQLite, with the copy of SQLite that an app must use for its own SQL.
#[cfg(feature = "sqlite")]
pub use onsync_sqlite_store as sqlite_store;

/// The examples of the guide compile, and those that may run do.
#[cfg(all(doctest, feature = "network", feature = "patterns"))]
mod guide {
    #[doc = include_str!("../../../docs/guide/experience.md")]
    mod experience {}
    #[doc = include_str!("../../../docs/guide/test.md")]
    mod test {}
}
