//! Seen: what a device knows of the database from the outcomes of its own changes.
//!
//! A change that was applied leaves the device's record clean before any checkpoint says so. If the server is then restored to a copy made
//! before the change, and the device's checkpoints are older than the copy, nothing else would tell. So an answer with outcomes gives
//! the device a token of how far the database was, under the newest history mark, and the device shows it with each request.

use crate::checkpoint::{Seals, State, Subject, Token};
use crate::history;
use crate::request::Request;
use crate::server::Inner;
use onsync_core::error::Result;
use onsync_core::page::Checkpoint;
use onsync_core::policy::Principal;
use onsync_core::store::server::ServerSnapshot;
use std::sync::Arc;
use uuid::Uuid;

/// What is to be told of it.
#[derive(Default)]
pub(crate) struct Seen {
    /// How far the database is, for a device that hears outcomes now.
    pub(crate) token: Option<Checkpoint>,
    /// What the device has seen is not in this database.
    pub(crate) restored: bool,
    /// What tokens are sealed with, where it was read.
    pub(crate) seals: Option<Arc<Seals>>,
}

/// Of no entity: a token is for all of a device.
fn subject(principal: &Principal) -> Subject {
    Subject {
        user: principal.user.clone(),
        entity: String::new(),
        scope: String::new(),
    }
}

/// Looks at what the device has seen, after its mutations are done.
///
/// # Errors
/// `store_unavailable`, `store_busy`.
pub(crate) async fn seen(server: &Inner, principal: &Principal, request: &Request) -> Result<Seen> {
    let shown = request.hello.seen.as_ref();
    if shown.is_none() && request.items.is_empty() {
        return Ok(Seen::default());
    }
    let store = server.store.as_ref();
    let seals = Arc::new(Seals::load(store).await?);
    let mut snapshot = store.read().await?;
    let position = snapshot.position().await?;
    let restored = match shown {
        Some(shown) => {
            let is_known = is_known(snapshot.as_mut(), &seals, principal, shown, position).await?;
            onsync_core::mutant!("a-restored-server-is-taken-for-the-old-one", !is_known, false)
        }
        None => false,
    };
    if restored {
        tracing::warn!(
            "a device has seen changes that are not in this database: it was restored, and the device fetches again"
        );
    }
    let newest = history::newest(snapshot.as_mut()).await?;
    let tells = restored || !request.items.is_empty();
    let token = match newest.filter(|_| tells) {
        Some(mark) => Some(seals.seal(&Token {
            subject: subject(principal),
            columns: Uuid::nil(),
            mark,
            state: State::Delta { position },
        })?),
        None => None,
    };
    Ok(Seen {
        token,
        restored,
        seals: Some(seals),
    })
}

/// Whether a token is of this history. One of another user is of no matter. One that cannot be read was sealed with a key that this database
/// does not have, or not any more.
async fn is_known(
    snapshot: &mut dyn ServerSnapshot,
    seals: &Seals,
    principal: &Principal,
    shown: &Checkpoint,
    position: u64,
) -> Result<bool> {
    let Some(token) = seals.open(shown) else {
        return Ok(false);
    };
    if token.subject != subject(principal) {
        return Ok(true);
    }
    let reached = token.state.position();
    if reached > position {
        return Ok(false);
    }
    Ok(history::knows(snapshot, token.mark, reached).await?
        || history::is_forgotten(snapshot, token.mark).await?)
}
