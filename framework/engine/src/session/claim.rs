//! Whose store this is, as it says itself.

use super::signed_out;
use crate::sync::areas::{self, Areas as _};
use onsync_core::Result;
use onsync_core::store::local::{Access, LocalStore};
use serde::{Deserialize, Serialize};

/// A user's claim to a store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claim {
    pub(crate) user: String,
    /// Whether the user has not signed out.
    pub(crate) signed_in: bool,
    /// Whether what the store holds was given up, and is still to be wiped.
    pub(crate) discarded: bool,
}

/// The claim to an open store, if somebody ever signed in.
pub(crate) async fn read(store: &dyn LocalStore) -> Result<Option<Claim>> {
    let mut tx = store.begin(Access::Read).await?;
    tx.load(areas::STATE, areas::CLAIM).await
}

/// Writes the claim; it is on disk when this returns.
pub(crate) async fn write(store: &dyn LocalStore, claim: &Claim) -> Result<()> {
    let mut tx = store.begin(Access::Sync { durable: true }).await?;
    tx.store(areas::STATE, areas::CLAIM, claim).await?;
    tx.commit().await
}

/// As [`write`], and takes syncing over: a run of another process that is still at work writes nothing more.
pub(crate) async fn write_alone(store: &dyn LocalStore, claim: &Claim) -> Result<()> {
    let mut tx = store.begin(Access::Sync { durable: true }).await?;
    tx.next_fence().await?;
    tx.store(areas::STATE, areas::CLAIM, claim).await?;
    tx.commit().await
}

/// Refuses to sync a store that is not this user's any more.
///
/// # Errors
/// `signed_out`.
pub(crate) async fn check_claim(store: &dyn LocalStore, user: &str) -> Result<()> {
    match read(store).await? {
        Some(claim) if claim.user == user && claim.signed_in => Ok(()),
        _ => Err(signed_out()),
    }
}
