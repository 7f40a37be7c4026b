//! Signing in and out.

use super::claim::{self, Claim};
use super::{Stage, Stores, signed_out, wipe};
use crate::app::Core;
use crate::lifecycle::Occasion;
use onsync_core::store::local::LocalStore;
use onsync_core::transport::{CredentialsProvider, Exchange};
use onsync_core::wire::{AnswerFrame, Hello, RequestFrame};
use onsync_core::{Error, ErrorKind, Result};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The longest id of a user, in bytes: it becomes part of a file name.
const LONGEST_USER: usize = 64;

/// What happens to changes that were not sent when a user signs out. It has to be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LogoutPolicy {
    /// Syncs once; signs out only if nothing is left that the server does not have.
    Send,
    /// Keeps the user's store on the device as it is: the next time this user signs in, everything goes on.
    Keep,
    /// Wipes the user's store: what was not sent is lost for good.
    Discard,
}

/// What had not reached the server when a user signed out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unsent {
    /// Records with changes the server does not have.
    pub waiting: u64,
    /// Changes the server refused.
    pub rejected: u64,
    /// Open conflicts.
    pub conflicts: u64,
}

impl Unsent {
    /// Whether there is anything.
    pub fn is_nothing(self) -> bool {
        self == Self::default()
    }
}

impl Stage {
    pub(crate) async fn login(
        self: Arc<Self>,
        user: &str,
        provider: Arc<dyn CredentialsProvider>,
    ) -> Result<()> {
        if user.is_empty() || user.len() > LONGEST_USER || user.chars().any(char::is_control) {
            return Err(Error::rejected(
                "invalid_user",
                format!(
                    "wanted the id of a user of 1 to {LONGEST_USER} bytes without control characters, found one of {} bytes",
                    user.len()
                ),
            ));
        }
        let _alone = self.changing.lock().await;
        let core = match self.session() {
            Some(core) if core.user.as_deref() == Some(user) => {
                self.keyring.set(Some(provider));
                core.lifecycle.credentials_changed();
                core
            }
            Some(core) => match &core.user {
                Some(_) => return Err(another_user()),
                // The app was used before anybody signed in: what it holds becomes this user's.
                None => {
                    let store = core.store.clone();
                    self.admit(store.as_ref(), user, provider.clone()).await?;
                    self.end(&core).await;
                    self.enter(user, provider).await?
                }
            },
            None => self.enter(user, provider).await?,
        };
        core.lifecycle.happened(Occasion::Login);
        Ok(())
    }

    /// Opens the user's store and begins a session on it.
    async fn enter(
        self: &Arc<Self>,
        user: &str,
        provider: Arc<dyn CredentialsProvider>,
    ) -> Result<Arc<Core>> {
        let store = match &self.made.stores {
            Stores::One(store) => store.clone(),
            Stores::PerUser(factory) => factory.make(&self.made.config.store.of_user(user))?,
        };
        let (store, opened) = self.open(store).await?;
        self.admit(store.inner.as_ref(), user, provider.clone()).await?;
        self.keyring.set(Some(provider));
        self.start(store, opened, Some(user.to_owned())).await
    }

    /// Writes the user's claim to a store: at once where it is theirs already, else if the server knows the user.
    async fn admit(
        &self,
        store: &dyn LocalStore,
        user: &str,
        provider: Arc<dyn CredentialsProvider>,
    ) -> Result<()> {
        match claim::read(store).await? {
            Some(claim) if claim.user != user => return Err(other_store()),
            Some(claim) if claim.signed_in => return Ok(()),
            Some(_) => {}
            None => self.confirm(provider).await.map_err(|error| match error.kind() {
                ErrorKind::Offline => first_login_offline(&error),
                _ => error,
            })?,
        }
        let claim = Claim {
            user: user.to_owned(),
            signed_in: true,
            discarded: false,
        };
        claim::write(store, &claim).await
    }

    /// Asks the server for nothing: it answers those whose credentials are good.
    async fn confirm(&self, provider: Arc<dyn CredentialsProvider>) -> Result<()> {
        let hello = Hello::new(self.made.runtime.random_uuid(), 0);
        let exchange = Exchange {
            frames: vec![RequestFrame::Hello(hello), RequestFrame::End {}],
            credentials: provider.credentials(false).await?,
            time_out: Some(self.made.config.transport.time_out),
        };
        let mut answer = self.made.transport.exchange(exchange).await?;
        match answer.next().await? {
            Some(AnswerFrame::Failed(error)) => Err(error.into()),
            _ => Ok(()),
        }
    }

    pub(crate) async fn logout(self: Arc<Self>, policy: LogoutPolicy) -> Result<Unsent> {
        let _alone = self.changing.lock().await;
        let core = self.session().ok_or_else(signed_out)?;
        let Some(user) = core.user.clone() else {
            return Err(Error::rejected(
                "not_signed_in",
                "nobody signed in to this app by `login`, so that nobody can sign out",
            ));
        };
        let cause = match policy {
            LogoutPolicy::Send => core.lifecycle.sync_once().await.err(),
            LogoutPolicy::Keep | LogoutPolicy::Discard => None,
        };
        let pending = core.syncer.pending().await?;
        let unsent = Unsent {
            waiting: pending.waiting,
            rejected: pending.rejected,
            conflicts: pending.conflicts,
        };
        if policy == LogoutPolicy::Send && !unsent.is_nothing() {
            return Err(still_unsent(unsent, cause.as_ref()));
        }
        self.end(&core).await;
        let is_ours = claim::read(core.store.as_ref())
            .await?
            .is_some_and(|claim| claim.user == user);
        if !is_ours {
            // Another process signed this user out, and perhaps another one in: the store is none of ours any more.
            return Ok(Unsent::default());
        }
        let claim = Claim {
            user,
            signed_in: false,
            discarded: policy == LogoutPolicy::Discard,
        };
        claim::write_alone(core.store.as_ref(), &claim).await?;
        if claim.discarded {
            wipe::wipe(core.store.as_ref(), &self.made.schema).await?;
        }
        Ok(unsent)
    }

    /// Ends a session: handles are refused, runs and triggers have stopped when this returns.
    async fn end(&self, core: &Core) {
        core.ended.store(true, Ordering::Release);
        self.set_session(None);
        core.lifecycle.close();
        core.lifecycle.until_stopped().await;
        self.keyring.set(self.made.credentials.clone());
        let network = self.hub.status().network;
        self.hub.update(|status| {
            *status = crate::status::Status::new(network);
            status.signed_out = true;
        });
    }
}

fn another_user() -> Error {
    Error::rejected(
        "another_user_signed_in",
        "another user is signed in; call `logout` first, and choose what happens to what was not sent",
    )
}

fn other_store() -> Error {
    Error::rejected(
        "store_of_another_user",
        "the store holds what belongs to another user; put `{user}` into `store.path` so that each user has a store, or let that \
         user sign in and sign out with `discard`",
    )
}

fn first_login_offline(error: &Error) -> Error {
    Error::offline(
        "first_login_offline",
        format!(
            "this user has not been signed in on this device before, and the server cannot be reached to confirm it ({}); sign in \
             once with a network",
            error.message()
        ),
    )
}

fn still_unsent(unsent: Unsent, cause: Option<&Error>) -> Error {
    let because = cause
        .map(|error| format!(" ({})", error.message()))
        .unwrap_or_default();
    Error::rejected(
        "unsent_changes",
        format!(
            "not everything was sent: {} waiting, {} refused, {} in conflict{because}; the user is still signed in: sign out with \
             `keep` to send it another time, or with `discard` to give it up",
            unsent.waiting, unsent.rejected, unsent.conflicts
        ),
    )
}
