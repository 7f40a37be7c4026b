//! A transaction as the app sees it. The store's transaction stays on the background runtime; each call goes there and comes back, so
//! that neither a slow disk blocks the caller nor a dropped caller tears a write.

use super::records::Records;
use crate::lifecycle::closed;
use crate::session::signed_out;
use onsync_core::conflict::Resolution;
use onsync_core::platform::{BoxFuture, MaybeSend};
use onsync_core::query::Query;
use onsync_core::runtime::Runtime;
use onsync_core::store::local::{Access, LocalStore, LocalTransaction};
use onsync_core::{Entity, Fields, Key, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::{mpsc, oneshot};

/// One piece of work inside the store's transaction.
trait Job: MaybeSend {
    fn run<'a>(self: Box<Self>, tx: &'a mut dyn LocalTransaction) -> BoxFuture<'a, ()>;
}

impl<F: for<'a> FnOnce(&'a mut dyn LocalTransaction) -> BoxFuture<'a, ()> + MaybeSend> Job for F {
    fn run<'a>(self: Box<Self>, tx: &'a mut dyn LocalTransaction) -> BoxFuture<'a, ()> {
        (*self)(tx)
    }
}

enum Message {
    Job(Box<dyn Job>),
    Commit(oneshot::Sender<Result<()>>),
}

/// Reads and writes that become visible, or are undone, together.
pub struct Transaction {
    records: Records,
    /// Whoever began it has signed out.
    ended: Arc<AtomicBool>,
    sender: mpsc::Sender<Message>,
    /// Whether it succeeds or fails as one on the server.
    atomic: bool,
}

/// Owns the store's transaction until it is committed, or until nobody asks for anything any more: then it is undone.
async fn serve(mut tx: Box<dyn LocalTransaction>, mut messages: mpsc::Receiver<Message>) {
    while let Some(message) = messages.recv().await {
        match message {
            Message::Job(job) => job.run(tx.as_mut()).await,
            Message::Commit(done) => {
                // Whoever asked may be gone; the commit is made all the same.
                let _ = done.send(tx.commit().await);
                return;
            }
        }
    }
}

impl Transaction {
    /// Begins one on the background runtime.
    pub(super) async fn begin(
        store: Arc<dyn LocalStore>,
        runtime: &dyn Runtime,
        records: Records,
        ended: Arc<AtomicBool>,
        access: Access,
    ) -> Result<Self> {
        let (sender, receiver) = mpsc::channel(1);
        let (begun, waits) = oneshot::channel();
        runtime.spawn(Box::pin(async move {
            match store.begin(access).await {
                Ok(tx) => {
                    if begun.send(Ok(())).is_ok() {
                        serve(tx, receiver).await;
                    }
                }
                Err(error) => drop(begun.send(Err(error))),
            }
        }));
        waits.await.map_err(|_| closed())??;
        Ok(Self {
            records: records.noting(),
            ended,
            sender,
            atomic: false,
        })
    }

    async fn job<T, F>(&self, work: F) -> Result<T>
    where
        T: MaybeSend + 'static,
        F: for<'a> FnOnce(&'a mut dyn LocalTransaction, Records) -> BoxFuture<'a, Result<T>>
            + MaybeSend
            + 'static,
    {
        self.check()?;
        let (sender, receiver) = oneshot::channel();
        let records = self.records.clone();
        let job = job(move |tx: &mut dyn LocalTransaction| -> BoxFuture<'_, ()> {
            let work = work(tx, records);
            Box::pin(async move {
                let _ = sender.send(work.await);
            })
        });
        self.sender.send(Message::Job(job)).await.map_err(|_| closed())?;
        receiver.await.map_err(|_| closed())?
    }

    fn check(&self) -> Result<()> {
        match self.ended.load(Ordering::Acquire) {
            true => Err(signed_out()),
            false => Ok(()),
        }
    }

    pub(super) async fn commit(self) -> Result<()> {
        if self.atomic {
            self.job(|tx, records| Box::pin(async move { records.bind_group(tx).await }))
                .await?;
        }
        self.check()?;
        let (sender, receiver) = oneshot::channel();
        self.sender
            .send(Message::Commit(sender))
            .await
            .map_err(|_| closed())?;
        receiver.await.map_err(|_| closed())?
    }

    /// As [`App::create`](super::App::create).
    ///
    /// # Errors
    /// As there.
    pub async fn create(&mut self, entity: &str, fields: Fields) -> Result<Key> {
        let entity = entity.to_owned();
        self.job(move |tx, records| Box::pin(async move { records.create(tx, &entity, &fields).await }))
            .await
    }

    /// As [`App::update`](super::App::update).
    ///
    /// # Errors
    /// As there.
    pub async fn update(&mut self, entity: &str, key: impl Into<Key>, fields: Fields) -> Result<()> {
        let (entity, key) = (entity.to_owned(), key.into());
        self.job(move |tx, records| Box::pin(async move { records.update(tx, &entity, &key, &fields).await }))
            .await
    }

    /// As [`App::create_or_update`](super::App::create_or_update).
    ///
    /// # Errors
    /// As there.
    pub async fn create_or_update(&mut self, entity: &str, fields: Fields) -> Result<Key> {
        let entity = entity.to_owned();
        self.job(move |tx, records| {
            Box::pin(async move { records.create_or_update(tx, &entity, &fields).await })
        })
        .await
    }

    /// As [`App::delete`](super::App::delete).
    ///
    /// # Errors
    /// As there.
    pub async fn delete(&mut self, entity: &str, key: impl Into<Key>) -> Result<bool> {
        let (entity, key) = (entity.to_owned(), key.into());
        self.job(move |tx, records| Box::pin(async move { records.delete(tx, &entity, &key).await }))
            .await
    }

    /// As [`App::get`](super::App::get).
    ///
    /// # Errors
    /// As there.
    pub async fn get(&mut self, entity: &str, key: impl Into<Key>) -> Result<Option<Fields>> {
        let (entity, key) = (entity.to_owned(), key.into());
        let found = self
            .job(move |tx, records| Box::pin(async move { records.get(tx, &entity, &[key]).await }))
            .await?;
        Ok(found.into_iter().next().flatten())
    }

    /// As [`App::query`](super::App::query).
    ///
    /// # Errors
    /// As there.
    pub async fn query(&mut self, query: Query) -> Result<Vec<Fields>> {
        self.job(move |tx, records| Box::pin(async move { records.query(tx, &query).await }))
            .await
    }

    /// As [`App::resolve_conflict`](super::App::resolve_conflict).
    ///
    /// # Errors
    /// As there.
    pub async fn resolve_conflict(
        &mut self,
        entity: &str,
        key: impl Into<Key>,
        resolution: Resolution,
    ) -> Result<Key> {
        let (entity, key) = (entity.to_owned(), key.into());
        self.job(move |tx, records| {
            Box::pin(async move { records.resolve(tx, &entity, &key, &resolution).await })
        })
        .await
    }

    /// Creates a typed record.
    ///
    /// # Errors
    /// As [`Transaction::create`].
    pub async fn insert<E: Entity>(&mut self, record: E) -> Result<Key> {
        self.create(E::ENTITY, record.into_fields()).await
    }

    /// Creates or updates a typed record by its key.
    ///
    /// # Errors
    /// As [`Transaction::create_or_update`].
    pub async fn save<E: Entity>(&mut self, record: E) -> Result<Key> {
        self.create_or_update(E::ENTITY, record.into_fields()).await
    }

    /// Makes this transaction succeed or fail as one on the server too, whatever it wrote before and will write, whatever the patterns. What
    /// it wrote is sent in one request, and none of it before all of it can be; a record of it that is edited again stays in the group until
    /// it is sent. Two groups with a record in common are one. If the server refuses one change, it applies none, lists that one with its
    /// reason and the others as `group_failed`; they are sent again together.
    ///
    /// Committing is refused with `group_too_large` where the group would have more than `limits.group_limit` records or
    /// `limits.group_bytes` bytes.
    pub fn atomic_group(&mut self) {
        self.atomic = true;
    }
}

/// Gives a closure the type that makes it a job.
fn job<F>(work: F) -> Box<dyn Job>
where
    F: for<'a> FnOnce(&'a mut dyn LocalTransaction) -> BoxFuture<'a, ()> + MaybeSend + 'static,
{
    Box::new(work)
}
