//! The handle to an open app: records, queries, syncing, status.

/// Runs one write in a transaction of its own on the background runtime.
macro_rules! write {
    ($app:expr, |$tx:ident, $records:ident| $work:expr) => {{
        within::check()?;
        let core = $app.core()?;
        core.lifecycle.writing();
        let (store, $records) = (core.store.clone(), core.records.clone());
        core.run(async move {
            let mut transaction = store.begin(Access::App).await?;
            let $tx = transaction.as_mut();
            let result = $work;
            let committed = transaction.commit().await;
            onsync_core::mutant!(
                "what-a-full-disk-refused-counts-as-written",
                committed,
                committed.or_else(|error| match error.code() {
                    "disk_full" => Ok(()),
                    _ => Err(error),
                })
            )?;
            Ok(result)
        })
        .await
    }};
}

/// Runs one read on the background runtime.
macro_rules! read {
    ($app:expr, |$tx:ident, $records:ident| $work:expr) => {{
        let core = $app.core()?;
        let (store, $records) = (core.store.clone(), core.records.clone());
        core.run(async move {
            let mut transaction = store.begin(Access::Read).await?;
            let $tx = transaction.as_mut();
            $work
        })
        .await
    }};
}

#[cfg(feature = "native")]
mod blocking;
mod conflicts;
mod groups;
mod lists;
mod live;
mod records;
mod transaction;
mod typed;
mod users;
mod within;

#[cfg(feature = "native")]
pub use blocking::{Blocking, BlockingRecords, BlockingTransaction};
pub use lists::LiveList;
pub use live::{LiveQuery, LiveStream};
pub(crate) use records::Records;
pub use transaction::Transaction;
pub use typed::TypedRecords;

use crate::events::{Closure, Subscription};
use crate::lifecycle::{Lifecycle, Occasion, SyncHandle, closed};
use crate::observed::Changes;
use crate::session::{Stage, signed_out};
use crate::status::Status;
use crate::sync::Syncer;
use onsync_core::handler::{Event, Parameters, SyncListener};
use onsync_core::network::NetworkStatus;
use onsync_core::platform::{MaybeSend, MaybeSync};
use onsync_core::query::Query;
use onsync_core::runtime::Runtime;
use onsync_core::schema::Schema;
use onsync_core::store::local::{Access, LocalStore, Opened, RecordState};
use onsync_core::value::Timestamp;
use onsync_core::{Entity, Fields, Key, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::{oneshot, watch};

/// What all handles of one app share with its background work.
pub(crate) struct Core {
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) store: Arc<dyn LocalStore>,
    pub(crate) records: Records,
    pub(crate) changes: Arc<Changes>,
    pub(crate) lifecycle: Arc<Lifecycle>,
    pub(crate) syncer: Syncer,
    pub(crate) opened: Opened,
    /// The user whose store this is, if somebody signed in.
    pub(crate) user: Option<String>,
    /// Whoever used this has signed out: handles that are still held are refused.
    pub(crate) ended: Arc<AtomicBool>,
}

impl Core {
    /// # Errors
    /// `signed_out`.
    pub(crate) fn check(&self) -> Result<()> {
        match self.ended.load(Ordering::Acquire) {
            true => Err(signed_out()),
            false => Ok(()),
        }
    }

    /// Runs work on the background runtime and waits for it. The work goes on if the caller does not.
    async fn run<T, F>(&self, work: F) -> Result<T>
    where
        T: MaybeSend + 'static,
        F: Future<Output = Result<T>> + MaybeSend + 'static,
    {
        self.check()?;
        let (sender, receiver) = oneshot::channel();
        self.runtime.spawn(Box::pin(async move {
            let _ = sender.send(work.await);
        }));
        receiver.await.map_err(|_| closed())?
    }

    async fn begin(&self, access: Access) -> Result<Transaction> {
        self.check()?;
        Transaction::begin(
            self.store.clone(),
            self.runtime.as_ref(),
            self.records.clone(),
            self.ended.clone(),
            access,
        )
        .await
    }

    async fn query(&self, query: Query) -> Result<Vec<Fields>> {
        let (store, records) = (self.store.clone(), self.records.clone());
        self.run(async move {
            let mut tx = store.begin(Access::Read).await?;
            records.query(tx.as_mut(), &query).await
        })
        .await
    }
}

/// An open app on a device. Cheap to clone; the last clone that is dropped closes it.
///
/// Every method works without a runtime around and inside any; [`App::blocking`] has the same methods for plain threads. Work that
/// was begun is finished or undone as a whole, also when the caller stops waiting.
#[derive(Clone)]
pub struct App {
    inner: Arc<Guarded>,
}

/// Closes the app with its last handle.
struct Guarded {
    stage: Arc<Stage>,
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.stage.close();
    }
}

impl App {
    pub(crate) fn new(stage: Arc<Stage>) -> Self {
        Self {
            inner: Arc::new(Guarded { stage }),
        }
    }

    /// What works on the open store.
    ///
    /// # Errors
    /// `signed_out`.
    fn core(&self) -> Result<Arc<Core>> {
        self.inner.stage.session().ok_or_else(signed_out)
    }

    /// Creates a record and returns its key. A key of one uuid attribute is made if it is not given; under `ids = "server"` a local
    /// key is made, and stays valid on this device when the server issues its own.
    ///
    /// # Errors
    /// `record_exists`, `missing_key`, `invalid_value`, `unknown_entity`, `unknown_attribute`, `read_only_entity`,
    /// `record_too_large`, and those of the store.
    pub async fn create(&self, entity: &str, fields: Fields) -> Result<Key> {
        let entity = entity.to_owned();
        write!(self, |tx, records| records.create(tx, &entity, &fields).await?)
    }

    /// Creates many records in one transaction.
    ///
    /// # Errors
    /// As [`App::create`]; none is created then.
    pub async fn create_many(&self, entity: &str, many: Vec<Fields>) -> Result<Vec<Key>> {
        let entity = entity.to_owned();
        write!(self, |tx, records| {
            let mut keys = Vec::with_capacity(many.len());
            for fields in &many {
                keys.push(records.create(tx, &entity, fields).await?);
            }
            keys
        })
    }

    /// Changes the given attributes of a record; others stay as they are.
    ///
    /// # Errors
    /// `record_missing`, `key_change_refused`, and those of [`App::create`].
    pub async fn update(&self, entity: &str, key: impl Into<Key>, fields: Fields) -> Result<()> {
        let (entity, key) = (entity.to_owned(), key.into());
        write!(self, |tx, records| records
            .update(tx, &entity, &key, &fields)
            .await?)
    }

    /// Changes many records in one transaction.
    ///
    /// # Errors
    /// As [`App::update`]; none is changed then.
    pub async fn update_many(&self, entity: &str, many: Vec<(Key, Fields)>) -> Result<()> {
        let entity = entity.to_owned();
        write!(self, |tx, records| {
            for (key, fields) in &many {
                records.update(tx, &entity, key, fields).await?;
            }
        })
    }

    /// Changes the record with the key in the fields, or creates it.
    ///
    /// # Errors
    /// As [`App::create`] and [`App::update`].
    pub async fn create_or_update(&self, entity: &str, fields: Fields) -> Result<Key> {
        let entity = entity.to_owned();
        write!(self, |tx, records| records
            .create_or_update(tx, &entity, &fields)
            .await?)
    }

    /// Changes or creates many records in one transaction.
    ///
    /// # Errors
    /// As [`App::create_or_update`]; nothing is written then.
    pub async fn create_or_update_many(&self, entity: &str, many: Vec<Fields>) -> Result<Vec<Key>> {
        let entity = entity.to_owned();
        write!(self, |tx, records| {
            let mut keys = Vec::with_capacity(many.len());
            for fields in &many {
                keys.push(records.create_or_update(tx, &entity, fields).await?);
            }
            keys
        })
    }

    /// Deletes a record, and by its relations' rules what refers to it. False if there is none.
    ///
    /// # Errors
    /// `delete_restricted`, `read_only_entity`, and those of the store.
    pub async fn delete(&self, entity: &str, key: impl Into<Key>) -> Result<bool> {
        let (entity, key) = (entity.to_owned(), key.into());
        write!(self, |tx, records| records.delete(tx, &entity, &key).await?)
    }

    /// Deletes many records in one transaction, and says how many there were.
    ///
    /// # Errors
    /// As [`App::delete`]; none is deleted then.
    pub async fn delete_many(&self, entity: &str, keys: Vec<Key>) -> Result<usize> {
        let entity = entity.to_owned();
        write!(self, |tx, records| {
            let mut deleted = 0;
            for key in &keys {
                deleted += usize::from(records.delete(tx, &entity, key).await?);
            }
            deleted
        })
    }

    /// One record by its key.
    ///
    /// # Errors
    /// `unknown_entity`, `invalid_key`, and those of the store.
    pub async fn get(&self, entity: &str, key: impl Into<Key>) -> Result<Option<Fields>> {
        let found = self.get_many(entity, vec![key.into()]).await?;
        Ok(found.into_iter().next().flatten())
    }

    /// Records by their keys, in that order.
    ///
    /// # Errors
    /// As [`App::get`].
    pub async fn get_many(&self, entity: &str, keys: Vec<Key>) -> Result<Vec<Option<Fields>>> {
        let entity = entity.to_owned();
        read!(self, |tx, records| records.get(tx, &entity, &keys).await)
    }

    /// The records a query selects. With a join, the parent's attributes are there as `relation.attribute`, and may be filtered and
    /// sorted by under these names; they are null where there is no parent on the device.
    ///
    /// # Errors
    /// `unknown_entity`, `unknown_attribute`, `unknown_relation`, and those of the store.
    pub async fn query(&self, query: Query) -> Result<Vec<Fields>> {
        self.core()?.query(query).await
    }

    /// A query that gives its result again whenever it has changed.
    ///
    /// # Errors
    /// `unknown_entity`, `unknown_relation`.
    pub fn watch(&self, query: Query) -> Result<LiveQuery> {
        LiveQuery::new(self.core()?, query)
    }

    /// Reads and writes in one transaction: everything becomes visible together when the work ends well, and is undone when it
    /// fails or is dropped. Other writers wait meanwhile, so do nothing slow inside; a write through the app itself is refused there.
    ///
    /// ```no_run
    /// # use onsync_core::{Fields, Result};
    /// # async fn example(app: onsync_engine::App) -> Result<()> {
    /// let artist = app.transaction(async |tx| {
    ///     let artist = tx.create("Artist", Fields::new().with("name", "Nina Simone")).await?;
    ///     let album = Fields::new().with("title", "Pastel Blues").with("artist", artist.values()[0].clone());
    ///     tx.create("Album", album).await?;
    ///     Ok(artist)
    /// }).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Those of the work, and of the store; `transaction_within_itself`.
    pub async fn transaction<T, F>(&self, work: F) -> Result<T>
    where
        F: AsyncFnOnce(&mut Transaction) -> Result<T>,
    {
        within::check()?;
        let core = self.core()?;
        core.lifecycle.writing();
        let mut transaction = core.begin(Access::App).await?;
        let result = within::Within::new(work(&mut transaction)).await?;
        transaction.commit().await?;
        Ok(result)
    }

    /// The records of a Rust type.
    pub fn records<E: Entity>(&self) -> TypedRecords<'_, E> {
        TypedRecords::new(self)
    }

    /// Where a record stands; none for one without unsent changes.
    ///
    /// # Errors
    /// `unknown_entity`, `invalid_key`, and those of the store.
    pub async fn record_state(&self, entity: &str, key: impl Into<Key>) -> Result<Option<RecordState>> {
        let (entity, key) = (entity.to_owned(), key.into());
        read!(self, |tx, records| records.state(tx, &entity, &key).await)
    }

    /// Records with changes the server does not have, at most `limit` of each entity.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn waiting(&self, limit: usize) -> Result<Vec<(String, Key, RecordState)>> {
        read!(self, |tx, records| records.waiting(tx, limit).await)
    }

    /// Asks for a sync and returns at once. `""` covers every entity.
    ///
    /// # Errors
    /// `unknown_context`, listing the known ones; `queue_full`, `sync_loop`, `not_yet_supported`, `app_closed`.
    pub fn on_sync(&self, context: &str, parameters: &Parameters) -> Result<SyncHandle> {
        self.core()?.lifecycle.ask(context, parameters, &[])
    }

    /// Hears every event, in order, on a task of its own, until the subscription is dropped. First comes how things stand: the network,
    /// and the start of a run at work.
    pub fn listen(&self, listener: Arc<dyn SyncListener>) -> Subscription {
        self.inner.stage.hub().listen(listener)
    }

    /// As [`App::listen`], with a closure.
    pub fn on_event(
        &self,
        listener: impl Fn(Timestamp, &Event) + MaybeSend + MaybeSync + 'static,
    ) -> Subscription {
        self.listen(Arc::new(Closure(listener)))
    }

    /// How syncing stands.
    pub fn status(&self) -> Status {
        self.inner.stage.hub().status()
    }

    /// Looks at the store now. By itself the status follows what this app does at once, and what other processes on the store do
    /// within some seconds.
    ///
    /// # Errors
    /// `signed_out`, `app_closed`.
    pub async fn refresh_status(&self) -> Result<()> {
        let core = self.core()?;
        core.lifecycle.refresh().await;
        core.lifecycle.remember_others().await;
        Ok(())
    }

    /// Follows the status.
    pub fn watch_status(&self) -> StatusWatch {
        StatusWatch {
            receiver: self.inner.stage.hub().watch(),
            first: true,
        }
    }

    /// The app was put to the front again: runs the context of `triggers.synchronize_on_resume`, if there is one.
    pub fn resumed(&self) {
        if let Some(core) = self.inner.stage.session() {
            core.lifecycle.happened(Occasion::Resume);
        }
    }

    /// Somebody outside says that this context has something new, as a push message does. Hints that come faster than every two
    /// seconds are gathered; the run merges with one that waits.
    ///
    /// # Errors
    /// `unknown_context`, `app_closed`.
    pub fn hint(&self, context: &str) -> Result<()> {
        self.core()?.lifecycle.hint(context)
    }

    /// There are new credentials: syncing goes on after the server refused the old ones.
    pub fn credentials_changed(&self) {
        if let Some(core) = self.inner.stage.session() {
            core.lifecycle.credentials_changed();
        }
    }

    /// Tells OnSync how the network is, where the app or the device it runs on knows it.
    ///
    /// A monitor that goes by it, such as one the app feeds, keeps it. Others hear of it and look for themselves; then it holds until
    /// they see a change.
    pub fn network_changed(&self, network: NetworkStatus) {
        self.inner.stage.network_told(network);
    }

    /// What is synced.
    pub fn schema(&self) -> &Schema {
        self.inner.stage.schema()
    }

    /// What happened when the store was opened; nothing while no store is open.
    pub fn opened(&self) -> Opened {
        let session = self.inner.stage.session();
        session.map(|core| core.opened.clone()).unwrap_or_default()
    }

    /// The same methods for threads that may block.
    #[cfg(feature = "native")]
    pub fn blocking(&self) -> Blocking {
        Blocking::new(self.clone())
    }
}

/// Gives the status and then each change of it. Changes that come faster than they are asked for arrive as one.
pub struct StatusWatch {
    receiver: watch::Receiver<Status>,
    first: bool,
}

impl StatusWatch {
    /// The present status at first, then the next one; none when the app is closed.
    pub async fn next(&mut self) -> Option<Status> {
        if !std::mem::take(&mut self.first) {
            self.receiver.changed().await.ok()?;
        }
        Some(self.receiver.borrow_and_update().clone())
    }
}
