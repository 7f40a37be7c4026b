//! Who uses the app now: the store that is open, everything that works on it, and how both change when a user signs in or out.
//!
//! Store, queue, triggers and the handles of the records API belong to one *session*. A session ends as a whole: what was begun in
//! it goes to its own store or nowhere, so nothing of one user reaches the store of another.

mod claim;
mod instance;
mod keyring;
mod login;
mod wipe;

pub(crate) use claim::check_claim;
pub use login::{LogoutPolicy, Unsent};

use crate::app::{Core, Records};
use crate::builder::{Factory, Patterns, Resolvers};
use crate::config::{Config, StoreSettings};
use crate::events::Hub;
use crate::lifecycle::{Lifecycle, Occasion, Parts, SyncSteps, closed, unknown_context};
use crate::observed::{Changes, ObservedStore};
use crate::status::Status;
use crate::sync::{Limits, Syncer};
use keyring::Keyring;
use onsync_core::handler::{Event, OnSync};
use onsync_core::network::{NetworkMonitor, NetworkNews, NetworkStatus};
use onsync_core::runtime::Runtime;
use onsync_core::schema::Schema;
use onsync_core::store::local::{LocalStore, Opened};
use onsync_core::transport::{CredentialsProvider, Transport};
use onsync_core::{Error, ErrorKind, Result};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// Where the store of a session comes from.
pub(crate) enum Stores {
    /// There is one, whoever signs in.
    One(Arc<dyn LocalStore>),
    /// Each user has their own.
    PerUser(Arc<dyn Factory<StoreSettings, dyn LocalStore>>),
}

/// What every session of an app is made from.
pub(crate) struct Made {
    pub(crate) schema: Arc<Schema>,
    pub(crate) patterns: Arc<Patterns>,
    pub(crate) resolvers: Arc<Resolvers>,
    pub(crate) limits: Limits,
    pub(crate) config: Config,
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) handler: Option<Arc<dyn OnSync>>,
    pub(crate) credentials: Option<Arc<dyn CredentialsProvider>>,
    pub(crate) stores: Stores,
    pub(crate) monitor: Option<Arc<dyn NetworkMonitor>>,
    pub(crate) network: NetworkStatus,
}

/// What an app keeps, whoever is signed in.
pub(crate) struct Stage {
    made: Made,
    hub: Arc<Hub>,
    keyring: Arc<Keyring>,
    session: Mutex<Option<Arc<Core>>>,
    /// One signs in or out at a time.
    changing: tokio::sync::Mutex<()>,
    closed: watch::Sender<bool>,
}

impl Stage {
    pub(crate) fn new(made: Made) -> Arc<Self> {
        Arc::new(Self {
            hub: Arc::new(Hub::new(made.runtime.clone(), made.network)),
            keyring: Arc::new(Keyring::new(made.credentials.clone())),
            session: Mutex::new(None),
            changing: tokio::sync::Mutex::new(()),
            closed: watch::Sender::new(false),
            made,
        })
    }

    pub(crate) fn runtime(&self) -> &Arc<dyn Runtime> {
        &self.made.runtime
    }

    pub(crate) fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    pub(crate) fn schema(&self) -> &Schema {
        &self.made.schema
    }

    /// What works on the open store, if one is open.
    pub(crate) fn session(&self) -> Option<Arc<Core>> {
        self.session
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set_session(&self, session: Option<Arc<Core>>) {
        *self.session.lock().unwrap_or_else(PoisonError::into_inner) = session;
    }

    /// Opens the one store, unless its user has signed out.
    ///
    /// # Errors
    /// Those of the store; `unknown_context` for a trigger without its context.
    pub(crate) async fn begin(self: &Arc<Self>) -> Result<()> {
        self.check_triggers()?;
        let Stores::One(store) = &self.made.stores else {
            self.hub.update(|status| status.signed_out = true);
            return Ok(());
        };
        let (store, opened) = self.open(store.clone()).await?;
        match claim::read(store.inner.as_ref()).await? {
            Some(claim) if !claim.signed_in => self.hub.update(|status| status.signed_out = true),
            claim => {
                let core = self.start(store, opened, claim.map(|claim| claim.user)).await?;
                core.lifecycle.happened(Occasion::Start);
            }
        }
        Ok(())
    }

    /// Opens a store on the background runtime: it may take a while. What somebody's signing out has left to wipe is wiped.
    async fn open(&self, store: Arc<dyn LocalStore>) -> Result<(ObservedStore, Opened)> {
        let observed = ObservedStore {
            inner: store.clone(),
            changes: Arc::new(Changes::new()),
        };
        let schema = self.made.schema.clone();
        let new = self.made.runtime.random_uuid();
        let opened = self
            .in_background(async move {
                let opened = store.open(&schema).await?;
                if claim::read(store.as_ref())
                    .await?
                    .is_some_and(|claim| claim.discarded)
                {
                    wipe::wipe(store.as_ref(), &schema).await?;
                }
                instance::name(store.as_ref(), new).await;
                Ok(opened)
            })
            .await?;
        if observed.tell_foreign_commits(observed.changes.clone()) {
            tracing::debug!("the store tells of commits by others as they happen");
        }
        Ok((observed, opened))
    }

    /// Runs work on the background runtime to its end, whether or not the caller waits.
    pub(crate) async fn in_background<T, F>(&self, work: F) -> Result<T>
    where
        T: onsync_core::platform::MaybeSend + 'static,
        F: Future<Output = Result<T>> + onsync_core::platform::MaybeSend + 'static,
    {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        self.made.runtime.spawn(Box::pin(async move {
            let _ = sender.send(work.await);
        }));
        receiver.await.map_err(|_| closed())?
    }

    fn syncer(&self, store: Arc<dyn LocalStore>) -> Syncer {
        let made = &self.made;
        let mut syncer = Syncer::new(
            store,
            made.transport.clone(),
            made.runtime.clone(),
            made.schema.clone(),
            made.patterns.clone(),
            made.limits.clone(),
        );
        syncer.credentials = Some(self.keyring.clone());
        syncer.resolvers = made.resolvers.clone();
        syncer
    }

    fn lifecycle(
        &self,
        store: Arc<dyn LocalStore>,
        changes: Arc<Changes>,
        user: Option<String>,
    ) -> Result<(Syncer, Arc<Lifecycle>)> {
        let made = &self.made;
        let syncer = self.syncer(store.clone());
        let lifecycle = Lifecycle::new(Parts {
            runtime: made.runtime.clone(),
            hub: self.hub.clone(),
            store,
            changes,
            steps: Arc::new(syncer.clone()) as Arc<dyn SyncSteps>,
            schema: made.schema.clone(),
            contexts: made.config.contexts.clone(),
            retry: made.config.retry.clone(),
            triggers: made.config.triggers.clone(),
            transport_time_out: made.config.transport.time_out,
            queue_limit: made.config.limits.queue,
            handler: made.handler.clone(),
            monitor: made.monitor.clone(),
            user,
        })?;
        Ok((syncer, lifecycle))
    }

    /// Refuses a trigger whose context is not there, before anything starts. With a handler any context is fine.
    fn check_triggers(&self) -> Result<()> {
        let config = &self.made.config;
        for (key, context) in config.triggers.named() {
            if context.is_empty() || self.made.handler.is_some() || config.contexts.contains_key(context) {
                continue;
            }
            let error = unknown_context(context, &config.contexts);
            return Err(error.at(config.place_of(&["triggers", key])));
        }
        Ok(())
    }

    /// Begins a session on an open store. The status then says how things stand in it.
    async fn start(
        self: &Arc<Self>,
        store: ObservedStore,
        opened: Opened,
        user: Option<String>,
    ) -> Result<Arc<Core>> {
        let runtime = self.made.runtime.clone();
        let changes = store.changes.clone();
        let store: Arc<dyn LocalStore> = Arc::new(store);
        let (syncer, lifecycle) = self.lifecycle(store.clone(), changes.clone(), user.clone())?;
        let network = self.hub.status().network;
        self.hub.update(|status| *status = Status::new(network));
        lifecycle.remember().await;
        lifecycle.refresh().await;
        runtime.spawn(Box::pin(lifecycle.clone().drive()));
        runtime.spawn(Box::pin(lifecycle.clone().watch_triggers(changes.edits())));
        runtime.spawn(Box::pin(lifecycle.clone().watch_counts()));
        let core = Arc::new(Core {
            records: Records {
                schema: self.made.schema.clone(),
                runtime: runtime.clone(),
                max_record_bytes: self.made.config.limits.max_record_bytes,
                group_limit: self.made.config.limits.group_limit,
                group_bytes: self.made.config.limits.group_bytes,
                written: None,
            },
            runtime,
            store,
            changes,
            lifecycle,
            syncer,
            opened,
            user,
            ended: Arc::new(AtomicBool::new(false)),
        });
        self.set_session(Some(core.clone()));
        Ok(core)
    }

    pub(crate) fn network_changed(&self, network: NetworkStatus) {
        match self.session() {
            Some(core) => core.lifecycle.network_changed(network),
            None if self.hub.status().network == network => {}
            None => self.hub.tell(&Event::NetworkStatusChanged(network), |_| {}),
        }
    }

    /// The network changed, as the app says: the monitor takes it over, or hears of it and looks.
    pub(crate) fn network_told(&self, network: NetworkStatus) {
        match (self.session(), &self.made.monitor) {
            (Some(core), _) => core.lifecycle.network_told(network),
            (None, Some(monitor)) if monitor.note(NetworkNews::Told(network)) => {
                self.network_changed(monitor.current());
            }
            (None, _) => self.network_changed(network),
        }
    }

    /// Stops everything. What a run has done stays done.
    pub(crate) fn close(&self) {
        self.closed.send_replace(true);
        if let Some(core) = self.session() {
            core.lifecycle.close();
        }
    }

    /// Ends when the app is closed.
    pub(crate) async fn until_closed(&self) {
        let mut closed = self.closed.subscribe();
        // The sender is a field of this value, so there is one.
        let _ = closed.wait_for(|closed| *closed).await;
    }
}

/// What those are told who ask while nobody is signed in, or through a handle from before.
pub(crate) fn signed_out() -> Error {
    Error::new(
        ErrorKind::Unauthorised,
        "signed_out",
        "nobody is signed in, or whoever began this has signed out; call `login`, and take live queries and transactions from the \
         app anew",
    )
}
