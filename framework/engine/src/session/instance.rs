//! The name of a store, by which the server knows it: given before anything is written, so that each copy of the store carries it.
//!
//! A store that was copied before it had a name would be another device, and what is in both would be sent by both.

use crate::sync::areas::Areas as _;
use onsync_core::Result;
use onsync_core::store::local::{Access, LocalStore};
use uuid::Uuid;

/// How often a store that another process holds is asked.
const TRIES: u32 = 5;

/// Names an open store, unless it has a name. A store with no room for it is named with its first sync.
pub(crate) async fn name(store: &dyn LocalStore, new: Uuid) {
    for _ in 0..TRIES {
        let Err(error) = try_name(store, new).await else {
            return;
        };
        tracing::debug!(code = error.code(), "the store could not be named yet");
        if error.code() != "store_busy" {
            return;
        }
    }
}

async fn try_name(store: &dyn LocalStore, new: Uuid) -> Result<()> {
    if store.begin(Access::Read).await?.known_instance().await?.is_some() {
        return Ok(());
    }
    let mut tx = store.begin(Access::Sync { durable: true }).await?;
    tx.instance(new).await?;
    tx.commit().await
}
