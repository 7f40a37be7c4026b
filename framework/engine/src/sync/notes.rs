//! What the lifecycle remembers over a restart: for politeness and for display, never for a decision about records.

use super::Syncer;
use super::areas::{self, Areas as _};
use onsync_core::Result;
use onsync_core::store::local::Access;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// In the area of single values.
const NOTES: &[u8] = b"notes";

/// Times are of the device's clock, in microseconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Notes {
    /// When retries of the last hour were made, or are to be.
    pub(crate) retries: Vec<i64>,
    /// When a run of each context last ended well.
    pub(crate) completed: BTreeMap<String, i64>,
    /// When each entity was last fetched, as long as no push came after.
    pub(crate) fetched: BTreeMap<String, i64>,
    /// Since when, without a break, there has been something the server does not have.
    pub(crate) waiting_since: Option<i64>,
}

/// Who holds syncing, and a number that grows while it is alive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pulse {
    pub(crate) fence: u64,
    pub(crate) beats: u64,
}

impl Syncer {
    pub(crate) async fn notes(&self) -> Result<Notes> {
        let mut tx = self.store.begin(Access::Read).await?;
        Ok(tx.load(areas::STATE, NOTES).await?.unwrap_or_default())
    }

    /// Keeps them; a loss of power may take the last ones.
    pub(crate) async fn keep_notes(&self, notes: &Notes) -> Result<()> {
        let mut tx = self.store.begin(Access::Sync { durable: false }).await?;
        tx.store(areas::STATE, NOTES, notes).await?;
        tx.commit().await
    }
}
