//! What went wrong and what was lost, for a person to decide: rejected changes and the bin, as calls and as live lists. And how far each
//! entity is.

use super::{App, Core, within};
use crate::sync::{BinEntry, BinFilter, DiscardedRecord, Fetched, RejectedChange};
use crate::time::sleep_until;
use futures_util::future::select;
use onsync_core::ordered::BTreeMap;
use onsync_core::platform::{BoxFuture, MaybeSend, MaybeSync};
use onsync_core::{Key, Result};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use uuid::Uuid;

/// How often commits of other processes and tabs are looked for.
const FOREIGN: Duration = Duration::from_secs(1);

/// Runs a call of the syncer on the background runtime.
macro_rules! call {
    ($app:expr, |$syncer:ident| $work:expr) => {{
        let core = $app.core()?;
        let $syncer = core.syncer.clone();
        core.run(async move { $work.await }).await
    }};
}

impl App {
    /// How much of each entity that travels has been fetched to this device.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn fetched(&self) -> Result<BTreeMap<String, Fetched>> {
        let core = self.core()?;
        let syncer = core.syncer.clone();
        core.run(async move { syncer.fetched().await }).await
    }

    /// Changes the server refused and changes that may have been applied (after a store or server was restored from a copy), oldest
    /// first, at most `limit` of each: with the reason, the values that were sent, and every record held because of them.
    ///
    /// Each ends in one of three ways: edit the record, and the edit is sent in its place; [`App::retry_rejected`]; or
    /// [`App::discard_rejected`].
    ///
    /// # Errors
    /// Those of the store.
    pub async fn rejected(&self, limit: usize) -> Result<Vec<RejectedChange>> {
        call!(self, |syncer| syncer.rejected_changes(limit))
    }

    /// One of [`App::rejected`], by its number.
    ///
    /// # Errors
    /// `rejected_entry_missing`, and those of the store.
    pub async fn rejected_change(&self, number: u64) -> Result<RejectedChange> {
        call!(self, |syncer| syncer.rejected_change(number))
    }

    /// As [`App::rejected`], given again whenever it has changed.
    ///
    /// # Errors
    /// `signed_out`.
    pub fn watch_rejected(&self, limit: usize) -> Result<LiveList<RejectedChange>> {
        Ok(LiveList::new(self.core()?, move |core| {
            let syncer = core.syncer.clone();
            Box::pin(async move { syncer.rejected_changes(limit).await })
        }))
    }

    /// Lets the next sync send a rejected change again as it is, because the reason has gone; the entry leaves the list. False if
    /// nothing is left to send. For one that may have been applied, compare with the server first: a record whose key the
    /// server issues is made a second time if it was.
    ///
    /// # Errors
    /// `rejected_entry_missing`; `record_in_flight` while an answer about the record is missing; `record_conflicted`;
    /// `unknown_entity`, and those of the store.
    pub async fn retry_rejected(&self, number: u64) -> Result<bool> {
        within::check()?;
        call!(self, |syncer| syncer.retry_rejected(number))
    }

    /// Gives a rejected change up: its record is as the server has it, or leaves if it was made here, and with it what was made
    /// here and cannot be without it. All lost values go to the bin. Returns what was discarded; [`App::show_discard`] tells
    /// it before.
    ///
    /// # Errors
    /// As [`App::retry_rejected`].
    pub async fn discard_rejected(&self, number: u64) -> Result<Vec<DiscardedRecord>> {
        within::check()?;
        call!(self, |syncer| syncer.discard_rejected(number, false))
    }

    /// What [`App::discard_rejected`] would discard; nothing is done.
    ///
    /// # Errors
    /// As there.
    pub async fn show_discard(&self, number: u64) -> Result<Vec<DiscardedRecord>> {
        call!(self, |syncer| syncer.discard_rejected(number, true))
    }

    /// Values that were overwritten, discarded, or left the device while edited, oldest first. A number is a filter, too: at most
    /// so many.
    ///
    /// ```no_run
    /// # use onsync_core::Result;
    /// # use onsync_engine::{App, sync::BinFilter};
    /// # async fn example(app: App) -> Result<()> {
    /// for entry in app.bin(BinFilter::all().entity("Visit")).await? {
    ///     println!("{} {}: {:?}", entry.at, entry.key, entry.reason);
    ///     app.restore(entry.id).await?;
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Those of the store.
    pub async fn bin(&self, filter: impl Into<BinFilter>) -> Result<Vec<BinEntry>> {
        let filter = filter.into();
        call!(self, |syncer| syncer.bin(filter))
    }

    /// One entry of the bin.
    ///
    /// # Errors
    /// `bin_entry_missing`, and those of the store.
    pub async fn bin_entry(&self, id: Uuid) -> Result<BinEntry> {
        call!(self, |syncer| syncer.bin_entry(id))
    }

    /// As [`App::bin`], given again whenever it has changed.
    ///
    /// # Errors
    /// `signed_out`.
    pub fn watch_bin(&self, filter: impl Into<BinFilter>) -> Result<LiveList<BinEntry>> {
        let filter = filter.into();
        Ok(LiveList::new(self.core()?, move |core| {
            let (syncer, filter) = (core.syncer.clone(), filter.clone());
            Box::pin(async move { syncer.bin(filter).await })
        }))
    }

    /// Writes values from the bin back as an edit, in one transaction with taking them out of the bin. Where the record is here, the
    /// attributes that differ are written; where it is not, it is created under its old local key, or under a new one where the
    /// server had issued the key. Returns the record's key.
    ///
    /// # Errors
    /// `bin_entry_missing`; `read_only_entity`; `left_scope` for a record that is not here because it left its scope;
    /// `bin_entry_incomplete` where the record is gone and the entry holds a part of it; `unknown_entity`, and those of the store.
    pub async fn restore(&self, id: Uuid) -> Result<Key> {
        within::check()?;
        call!(self, |syncer| syncer.restore(id))
    }

    /// Removes entries from the bin for good, and says how many.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn empty_bin(&self, filter: impl Into<BinFilter>) -> Result<u64> {
        within::check()?;
        let filter = filter.into();
        call!(self, |syncer| syncer.empty_bin(filter))
    }
}

/// Reads a list anew.
trait Read<T>: MaybeSend + MaybeSync {
    fn read(&self, core: &Core) -> BoxFuture<'static, Result<Vec<T>>>;
}

impl<T, F: Fn(&Core) -> BoxFuture<'static, Result<Vec<T>>> + MaybeSend + MaybeSync> Read<T> for F {
    fn read(&self, core: &Core) -> BoxFuture<'static, Result<Vec<T>>> {
        self(core)
    }
}

/// A list that is given again whenever it has changed, whoever changed it: the present one first. Changes that come faster than
/// they are asked for arrive as one.
pub struct LiveList<T> {
    core: Arc<Core>,
    read: Box<dyn Read<T>>,
    bell: watch::Receiver<u64>,
    seen: Option<(u64, u64)>,
    last: Option<Vec<T>>,
}

impl<T: Clone + PartialEq + MaybeSend + 'static> LiveList<T> {
    pub(crate) fn new(
        core: Arc<Core>,
        read: impl Fn(&Core) -> BoxFuture<'static, Result<Vec<T>>> + MaybeSend + MaybeSync + 'static,
    ) -> Self {
        let bell = core.changes.bell();
        Self {
            core,
            read: Box::new(read),
            bell,
            seen: None,
            last: None,
        }
    }

    /// Waits for the next list.
    ///
    /// # Errors
    /// Those of the store; the next call tries again.
    pub async fn next(&mut self) -> Result<Vec<T>> {
        loop {
            let rung = *self.bell.borrow_and_update();
            let store = self.core.store.clone();
            let foreign = self
                .core
                .run(async move { store.foreign_commits().await })
                .await?;
            if self.seen != Some((rung, foreign)) {
                let list = self.core.run(self.read.read(&self.core)).await?;
                self.seen = Some((rung, foreign));
                if self.last.as_ref() != Some(&list) {
                    self.last = Some(list.clone());
                    return Ok(list);
                }
            }
            let runtime = self.core.runtime.clone();
            let until = runtime.elapsed() + FOREIGN;
            let look = pin!(sleep_until(runtime.as_ref(), Some(until)));
            let bell = pin!(self.bell.changed());
            select(bell, look).await;
        }
    }
}
