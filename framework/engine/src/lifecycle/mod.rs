//! The lifecycle of a sync: asked for, queued, attempted, told, tried again.
//!
//! One task drives the queue. What it decides by is pure and lies in [`queue`], [`retry`] and [`guard`]; this module acts.

mod guard;
mod handle;
mod queue;
mod retry;
mod run;
mod steps;
#[cfg(test)]
mod tests;

pub use handle::{Outcome, SyncHandle};
pub(crate) use steps::SyncSteps;

use crate::config::{ContextSettings, RetrySettings};
use crate::events::Hub;
use crate::status::LastError;
use crate::sync::Step;
use crate::time::sleep_until;
use futures_util::FutureExt as _;
use futures_util::future::{Either, select};
use guard::LoopGuard;
use onsync_core::error::list_names;
use onsync_core::handler::{Event, OnSync, Parameters, Selection, Summary, SyncDirection, SyncRun as _};
use onsync_core::network::NetworkStatus;
use onsync_core::runtime::Runtime;
use onsync_core::schema::Schema;
use onsync_core::store::local::LocalStore;
use onsync_core::value::Timestamp;
use onsync_core::{Error, ErrorKind, Result};
use queue::{Queue, Request, Turn, Wait, What};
use retry::{Budget, Next};
use run::ScopedRun;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, oneshot, watch};

/// What a lifecycle is made from.
pub(crate) struct Parts {
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) store: Arc<dyn LocalStore>,
    pub(crate) steps: Arc<dyn SyncSteps>,
    pub(crate) schema: Arc<Schema>,
    pub(crate) contexts: BTreeMap<String, ContextSettings>,
    pub(crate) retry: RetrySettings,
    pub(crate) queue_limit: usize,
    pub(crate) handler: Option<Arc<dyn OnSync>>,
}

/// The queue and everything that acts on it.
pub(crate) struct Lifecycle {
    runtime: Arc<dyn Runtime>,
    hub: Arc<Hub>,
    store: Arc<dyn LocalStore>,
    steps: Arc<dyn SyncSteps>,
    schema: Arc<Schema>,
    /// Every entity that travels, parents first.
    order: Vec<String>,
    contexts: BTreeMap<String, ContextSettings>,
    retry: RetrySettings,
    handler: Option<Arc<dyn OnSync>>,
    state: Mutex<State>,
    bell: Notify,
    closed: watch::Sender<bool>,
}

struct State {
    queue: Queue,
    guard: LoopGuard,
    budget: Budget,
    /// When each entity was last fetched, as long as no push came after.
    fetched: BTreeMap<String, Timestamp>,
}

/// How an attempt ended.
enum End {
    Done(Result<Summary>),
    TimedOut,
    Closed,
}

impl Lifecycle {
    /// # Errors
    /// `relation_cycle`.
    pub(crate) fn new(parts: Parts) -> Result<Arc<Self>> {
        let mut order = parts.schema.parents_first()?;
        order.retain(|name| parts.schema.entity(name).is_ok_and(|entity| !entity.local));
        Ok(Arc::new(Self {
            runtime: parts.runtime,
            hub: parts.hub,
            store: parts.store,
            steps: parts.steps,
            schema: parts.schema,
            order,
            contexts: parts.contexts,
            retry: parts.retry,
            handler: parts.handler,
            state: Mutex::new(State {
                queue: Queue::new(parts.queue_limit),
                guard: LoopGuard::default(),
                budget: Budget::default(),
                fetched: BTreeMap::new(),
            }),
            bell: Notify::new(),
            closed: watch::Sender::new(false),
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a run.
    ///
    /// # Errors
    /// `unknown_context`, `sync_within_itself`, `sync_loop`, `queue_full`, `not_yet_supported`, `app_closed`.
    pub(crate) fn ask(
        self: &Arc<Self>,
        context: &str,
        parameters: &Parameters,
        ancestry: &[What],
    ) -> Result<SyncHandle> {
        let settings = self.context(context)?;
        if self.handler.is_none() && !parameters.is_empty() {
            return Err(Error::unsupported(
                "not_yet_supported",
                "parameters of `on_sync` reach an OnSync handler only: without one this version does nothing with them; \
                 install a handler, or call without parameters",
            ));
        }
        let what = What {
            context: context.to_owned(),
            parameters: parameters.clone(),
        };
        if ancestry.contains(&what) {
            return Err(Error::unsupported(
                "sync_within_itself",
                format!(
                    "a run of context {context:?} with these parameters asked for itself, which would never end; \
                     ask for another context, or loop inside the handler"
                ),
            ));
        }
        if *self.closed.borrow() {
            return Err(closed());
        }
        let now = self.runtime.elapsed();
        let deadline = settings.time_out.map(|time_out| now + time_out);
        let (sender, receiver) = oneshot::channel();
        let request = Request {
            what,
            asked: now,
            deadline,
            ancestry: ancestry.to_vec(),
            failures: 0,
            waiters: vec![sender],
        };
        let mut state = self.state();
        state.guard.check(context, now)?;
        state.queue.ask(request, settings.discard_pending)?;
        drop(state);
        self.bell.notify_one();
        Ok(SyncHandle {
            runtime: self.runtime.clone(),
            deadline,
            outcome: receiver,
        })
    }

    /// The settings of a context. With a handler any context is fine.
    fn context(&self, name: &str) -> Result<ContextSettings> {
        let whole = ContextSettings {
            entities: Selection::All,
            direction: SyncDirection::Both,
            time_out: None,
            discard_pending: false,
        };
        match self.contexts.get(name) {
            Some(settings) => Ok(settings.clone()),
            None if name.is_empty() || self.handler.is_some() => Ok(whole),
            None => Err(Error::rejected(
                "unknown_context",
                format!(
                    "there is no context {name:?}; configured: {}; `on_sync(\"\")` covers every entity",
                    list_names(self.contexts.keys())
                ),
            )),
        }
    }

    /// New credentials: syncing goes on.
    pub(crate) fn credentials_changed(&self) {
        self.state().queue.credentials_changed();
        self.hub.update(|status| status.needs_credentials = false);
        self.bell.notify_one();
    }

    /// The network changed, as a monitor or the app says.
    pub(crate) fn network_changed(&self, network: NetworkStatus) {
        if self.hub.status().network == network {
            return;
        }
        self.state().queue.set_offline(!network.online);
        self.hub.tell(&Event::NetworkStatusChanged(network), |_| {});
        self.bell.notify_one();
    }

    /// Stops everything. What a run has done stays done.
    pub(crate) fn close(&self) {
        self.closed.send_replace(true);
        self.bell.notify_one();
    }

    /// Ends when the app is closed.
    pub(crate) async fn until_closed(&self) {
        let mut closed = self.closed.subscribe();
        // The sender is a field of this value, so there is one.
        let _ = closed.wait_for(|closed| *closed).await;
    }

    /// Counts what waits, for the status.
    pub(crate) async fn refresh(&self) {
        match self.steps.pending().await {
            Ok(pending) => self.hub.update(|status| {
                status.waiting = pending.waiting;
                status.rejected = pending.rejected;
                status.conflicts = pending.conflicts;
                status.unknown = pending.unknown;
            }),
            Err(error) => tracing::warn!(%error, "what waits to be sent could not be counted"),
        }
    }

    /// Drives the queue until the app is closed.
    pub(crate) async fn drive(self: Arc<Self>) {
        while !*self.closed.borrow() {
            let turn = self.state().queue.turn(self.runtime.elapsed());
            self.show_queue();
            match turn {
                Turn::Run(request) => self.attempt(request).await,
                Turn::Sleep(until) => {
                    let bell = pin!(self.bell.notified());
                    let time = pin!(sleep_until(self.runtime.as_ref(), until));
                    select(bell, time).await;
                }
            }
        }
        self.state().queue.close();
    }

    fn show_queue(&self) {
        let (queued, needs_credentials) = {
            let state = self.state();
            (state.queue.len(), state.queue.needs_credentials())
        };
        self.hub.update(|status| {
            status.queued = queued;
            status.needs_credentials = needs_credentials;
        });
    }

    async fn attempt(self: &Arc<Self>, request: Request) {
        let context = request.what.context.clone();
        self.hub.tell(&Event::OnSyncStart { context }, |_| {});
        let end = {
            let work = pin!(AssertUnwindSafe(self.work(&request)).catch_unwind());
            let time = pin!(sleep_until(self.runtime.as_ref(), request.deadline));
            let closed = pin!(self.until_closed());
            match select(work, select(time, closed)).await {
                Either::Left((Ok(result), _)) => End::Done(result),
                Either::Left((Err(_), _)) => End::Done(Err(Error::fatal(
                    "handler_panicked",
                    "a handler or plug-in panicked during this run; what was synced until then stays synced",
                ))),
                Either::Right((Either::Left(_), _)) => End::TimedOut,
                Either::Right((Either::Right(_), _)) => End::Closed,
            }
        };
        if !matches!(end, End::Closed) {
            self.refresh().await;
        }
        let (now, asked) = (self.runtime.elapsed(), request.asked);
        let looping = self.state().guard.ended(&request.what.context, asked, now);
        match end {
            End::Done(Ok(summary)) => self.completed(request, summary),
            End::Done(Err(error)) => self.failed(request, error),
            End::TimedOut => {
                let error = Error::transient(
                    "sync_timed_out",
                    "the run did not end within its context's `time_out`; what was synced until then stays synced",
                );
                self.tell_error(&request.what.context, &error, None);
                request.end(&Outcome::TimedOut);
            }
            End::Closed => {
                self.tell_error(&request.what.context, &closed(), None);
                request.end(&Outcome::Discarded);
            }
        }
        if let Some(error) = looping {
            tracing::warn!(%error, "a sync loop");
            self.hub
                .update(|status| status.last_error = Some(self.last_error("", &error, None)));
        }
    }

    /// Everything between `OnSyncStart` and the end: the lock, the fence, the handler or the context's entities.
    async fn work(self: &Arc<Self>, request: &Request) -> Result<Summary> {
        let What { context, parameters } = &request.what;
        let settings = self.context(context)?;
        let Some(_lock) = self.store.try_lock().await? else {
            return Err(Error::busy(
                "another_process_syncs",
                "another process or tab is syncing this store; wait for it, or close it",
            ));
        };
        let fence = self.steps.take_over().await?;
        let mut ancestry = request.ancestry.clone();
        ancestry.push(request.what.clone());
        let run = ScopedRun {
            lifecycle: self,
            fence,
            context,
            ancestry,
            summary: Mutex::default(),
        };
        match &self.handler {
            Some(handler) => handler.on_sync(&run, context, parameters).await?,
            None => {
                run.sync(settings.entities, settings.direction).await?;
            }
        }
        Ok(run.into_summary())
    }

    fn completed(&self, request: Request, summary: Summary) {
        self.state().queue.reached();
        let up_to_date = self.up_to_date_as_of();
        let context = request.what.context.clone();
        let event = Event::OnSyncComplete {
            context: context.clone(),
            summary: summary.clone(),
        };
        self.hub.tell(&event, |status| {
            status.server_unreachable = false;
            status.up_to_date_as_of = up_to_date;
            if status
                .last_error
                .as_ref()
                .is_some_and(|error| error.context == context)
            {
                status.last_error = None;
            }
        });
        request.end(&Outcome::Completed(summary));
    }

    fn failed(&self, mut request: Request, error: Error) {
        request.failures = request.failures.saturating_add(1);
        let now = self.runtime.elapsed();
        let chance = self.chance();
        let mut state = self.state();
        let next = retry::next(
            &error,
            &self.retry,
            request.failures,
            chance,
            now,
            &mut state.budget,
        );
        drop(state);
        let wait = match next {
            Next::After(wait) => Some(wait),
            Next::Fail | Next::AwaitCredentials => None,
        };
        self.tell_error(&request.what.context, &error, wait);
        match next {
            Next::Fail => request.end(&Outcome::Failed(error)),
            Next::After(wait) => {
                let offline = error.kind() == ErrorKind::Offline;
                self.state().queue.park(
                    request,
                    Wait::Until {
                        at: now + wait,
                        offline,
                    },
                );
            }
            Next::AwaitCredentials => {
                for waiter in request.waiters.drain(..) {
                    let _ = waiter.send(Outcome::Failed(error.clone()));
                }
                request.deadline = None;
                self.state().queue.park(request, Wait::Credentials);
            }
        }
    }

    fn tell_error(&self, context: &str, error: &Error, next_try: Option<Duration>) {
        let up_to_date = self.up_to_date_as_of();
        let last = self.last_error(context, error, next_try);
        let event = Event::OnSyncError {
            context: context.to_owned(),
            error_code: error.code().to_owned(),
            error_message: error.to_string(),
            next_try,
        };
        self.hub.tell(&event, |status| {
            status.server_unreachable = error.kind() == ErrorKind::Offline;
            status.up_to_date_as_of = up_to_date;
            status.last_error = Some(last);
        });
    }

    fn last_error(&self, context: &str, error: &Error, next_try: Option<Duration>) -> LastError {
        LastError {
            context: context.to_owned(),
            code: error.code().to_owned(),
            message: error.to_string(),
            at: self.runtime.now(),
            next_try,
        }
    }

    /// A number from [0, 1) by the runtime's randomness.
    fn chance(&self) -> f64 {
        let mut bytes = [0; 4];
        self.runtime.random(&mut bytes);
        f64::from(u32::from_le_bytes(bytes)) / (f64::from(u32::MAX) + 1.0)
    }

    /// Notes what a step fetched, or that what was fetched before is older than what was pushed now.
    fn note_step(&self, step: &Step, summary: &Summary) {
        let now = self.runtime.now();
        let mut state = self.state();
        for entity in &step.entities {
            match step.direction {
                SyncDirection::Both | SyncDirection::Pull => {
                    state.fetched.insert(entity.clone(), now);
                }
                SyncDirection::Push if summary.applied > 0 => {
                    state.fetched.remove(entity);
                }
                SyncDirection::Push => {}
            }
        }
    }

    fn up_to_date_as_of(&self) -> Option<Timestamp> {
        let state = self.state();
        let times: Option<Vec<Timestamp>> = self
            .order
            .iter()
            .map(|entity| state.fetched.get(entity).copied())
            .collect();
        times?.into_iter().min()
    }
}

/// What those are told who ask an app that is gone.
pub(crate) fn closed() -> Error {
    Error::fatal(
        "app_closed",
        "the app was closed, or its background work ended, before this was done; open it again",
    )
}
