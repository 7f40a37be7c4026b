//! The lifecycle of a sync: asked for, queued, attempted, told, tried again.
//!
//! One task drives the queue, one watches what may start a run by itself. What they decide by is pure and lies in [`queue`],
//! [`retry`], [`guard`] and [`triggers`]; this module acts.

mod ask;
mod automatic;
mod end;
mod guard;
mod handle;
mod network;
mod notes;
mod queue;
mod retry;
mod run;
mod steps;
mod takeover;
#[cfg(test)]
mod tests;
mod triggers;

pub(crate) use ask::unknown_context;
pub use handle::{Held, Outcome, SyncHandle};
pub(crate) use steps::SyncSteps;
pub(crate) use triggers::Occasion;

use crate::config::{ContextSettings, RetrySettings, TriggerSettings};
use crate::events::{Hub, Own};
use crate::metrics;
use crate::observed::Changes;
use crate::status::Status;
use crate::sync::{Fence, OwnNotes, StepBudget};
use crate::time::sleep_until;
use futures_util::FutureExt as _;
use futures_util::future::{Either, select};
use guard::LoopGuard;
use notes::Unnoted;
use onsync_core::handler::{Event, OnSync, Summary, SyncRun as _};
use onsync_core::network::NetworkMonitor;
use onsync_core::ordered::BTreeMap;
use onsync_core::runtime::Runtime;
use onsync_core::schema::Schema;
use onsync_core::store::local::LocalStore;
use onsync_core::value::Timestamp;
use onsync_core::{Error, ErrorKind, Result};
use queue::{Queue, Request, Turn, What};
use retry::Budget;
use run::ScopedRun;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use takeover::{BEAT, Patience};
use tokio::sync::{Notify, watch};
use tracing::Instrument as _;
use triggers::Triggers;

/// What a lifecycle is made from.
pub(crate) struct Parts {
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) store: Arc<dyn LocalStore>,
    pub(crate) changes: Arc<Changes>,
    pub(crate) steps: Arc<dyn SyncSteps>,
    pub(crate) schema: Arc<Schema>,
    pub(crate) contexts: BTreeMap<String, ContextSettings>,
    pub(crate) retry: RetrySettings,
    pub(crate) triggers: TriggerSettings,
    /// How long the transport waits by itself.
    pub(crate) transport_time_out: Duration,
    pub(crate) queue_limit: usize,
    pub(crate) handler: Option<Arc<dyn OnSync>>,
    pub(crate) monitor: Option<Arc<dyn NetworkMonitor>>,
    /// The user whose store this is, if somebody signed in.
    pub(crate) user: Option<String>,
}

/// The queue and everything that acts on it.
pub(crate) struct Lifecycle {
    runtime: Arc<dyn Runtime>,
    hub: Arc<Hub>,
    store: Arc<dyn LocalStore>,
    changes: Arc<Changes>,
    steps: Arc<dyn SyncSteps>,
    schema: Arc<Schema>,
    /// Every entity that travels, parents first.
    order: Vec<String>,
    contexts: BTreeMap<String, ContextSettings>,
    retry: RetrySettings,
    transport_time_out: Duration,
    handler: Option<Arc<dyn OnSync>>,
    monitor: Option<Arc<dyn NetworkMonitor>>,
    state: Mutex<State>,
    bell: Notify,
    triggers: Mutex<Triggers>,
    trigger_bell: Notify,
    /// A handler or listener has written since a run was last asked for because of writes.
    written_by_run: AtomicBool,
    user: Option<String>,
    closed: watch::Sender<bool>,
    stopped: watch::Sender<bool>,
}

struct State {
    queue: Queue,
    guard: LoopGuard,
    budget: Budget,
    /// When each entity was last fetched, as long as no push came after.
    fetched: BTreeMap<String, Timestamp>,
    /// When a run of each context without parameters last began.
    began: BTreeMap<String, Duration>,
    /// When a run of each context last ended well.
    completed: BTreeMap<String, Timestamp>,
    /// Since when, without a break, there has been something the server does not have.
    waiting_since: Option<Timestamp>,
    /// Since when runs have failed without one that ended well.
    failing_since: Option<Timestamp>,
    /// What was seen of another process that holds the lock.
    patience: Patience,
    /// Something to remember over a restart has changed, and must be noted soon or at once.
    unnoted: Unnoted,
    /// What of it this process has changed.
    own: OwnNotes,
    /// A run has ended well since the start.
    ended_well: bool,
    /// When notes were last kept.
    noted: Option<Duration>,
    /// This app's and others' commits when what waits was counted last.
    counted: Option<(u64, Option<u64>)>,
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
        let mut queue = Queue::new(parts.queue_limit);
        queue.set_network(parts.hub.status().network);
        Ok(Arc::new(Self {
            runtime: parts.runtime,
            hub: parts.hub,
            store: parts.store,
            changes: parts.changes,
            steps: parts.steps,
            schema: parts.schema,
            order,
            contexts: parts.contexts,
            retry: parts.retry,
            transport_time_out: parts.transport_time_out,
            handler: parts.handler,
            monitor: parts.monitor,
            state: Mutex::new(State {
                queue,
                guard: LoopGuard::default(),
                budget: Budget::default(),
                fetched: BTreeMap::new(),
                began: BTreeMap::new(),
                completed: BTreeMap::new(),
                waiting_since: None,
                failing_since: None,
                patience: Patience::default(),
                unnoted: Unnoted::Nothing,
                own: OwnNotes::default(),
                ended_well: false,
                noted: None,
                counted: None,
            }),
            bell: Notify::new(),
            triggers: Mutex::new(Triggers::new(parts.triggers)),
            trigger_bell: Notify::new(),
            written_by_run: AtomicBool::new(false),
            user: parts.user,
            closed: watch::Sender::new(false),
            stopped: watch::Sender::new(false),
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// New credentials: syncing goes on.
    pub(crate) fn credentials_changed(&self) {
        self.state().queue.credentials_changed();
        self.hub.update(|status| status.needs_credentials = false);
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

    /// Counts what waits, for the status, if anything was committed since it was counted last.
    pub(crate) async fn follow_commits(&self) {
        // Asked for first: what is committed while the rest is read is seen the next time.
        let now = (self.changes.commits(), self.store.foreign_commits().await.ok());
        if now.1.is_some() && self.state().counted == Some(now) {
            return;
        }
        let counted = self.refresh().await;
        self.state().counted = counted.then_some(now);
    }

    /// Counts what waits, for the status; whether that went well.
    pub(crate) async fn refresh(&self) -> bool {
        match self.steps.pending().await {
            Ok(pending) => {
                let since = self.note_waiting(pending.waiting > 0);
                let differs = |status: &Status| {
                    let counted = (status.waiting, status.rejected, status.conflicts, status.unknown);
                    let found = (
                        pending.waiting,
                        pending.rejected,
                        pending.conflicts,
                        pending.unknown,
                    );
                    status.waiting_since != since || counted != found
                };
                self.hub.update_if(differs, |status| {
                    status.waiting_since = since;
                    status.waiting = pending.waiting;
                    status.rejected = pending.rejected;
                    status.conflicts = pending.conflicts;
                    status.unknown = pending.unknown;
                });
            }
            Err(error) => {
                tracing::warn!(code = error.code(), "what waits to be sent could not be counted");
                return false;
            }
        }
        true
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
        self.stopped.send_replace(true);
    }

    /// Ends when the app is closed and nothing runs any more.
    pub(crate) async fn until_stopped(&self) {
        let mut stopped = self.stopped.subscribe();
        // The sender is a field of this value, so there is one.
        let _ = stopped.wait_for(|stopped| *stopped).await;
    }

    fn show_queue(&self) {
        let (queued, metered, needs_credentials) = {
            let state = self.state();
            let queue = &state.queue;
            (queue.len(), queue.held_by_metered(), queue.needs_credentials())
        };
        let differs = |status: &Status| {
            status.queued != queued
                || status.held_by_metered != metered
                || status.needs_credentials != needs_credentials
        };
        self.hub.update_if(differs, |status| {
            status.queued = queued;
            status.held_by_metered = metered;
            status.needs_credentials = needs_credentials;
        });
    }

    async fn attempt(self: &Arc<Self>, request: Request) {
        let context = request.what.context.clone();
        let began = self.runtime.elapsed();
        if request.what.parameters.is_empty() {
            self.state().began.insert(context.clone(), began);
        }
        metrics::started(self.label(&context));
        self.hub.tell(&Event::OnSyncStart { context }, |_| {});
        let end = {
            let span = tracing::info_span!(
                "sync_run",
                context = request.what.context,
                attempt = request.failures + 1
            );
            let work = self.work(&request).instrument(span);
            let work = pin!(AssertUnwindSafe(work).catch_unwind());
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
            self.follow_commits().await;
        }
        let now = self.runtime.elapsed();
        self.tell_end(&request, &end, now.saturating_sub(began));
        let looping = self
            .state()
            .guard
            .ended(&request.what.context, request.asked, request.cause, now);
        match end {
            End::Done(Ok(summary)) => self.completed(request, summary).await,
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
        self.keep_notes().await;
        if let Some(error) = looping {
            tracing::warn!(code = error.code(), "a sync loop");
            self.hub
                .update(|status| status.last_error = Some(self.last_error("", &error, None)));
        }
    }

    /// Everything between `OnSyncStart` and the end: the lock, the fence, the handler or the context's entities.
    async fn work(self: &Arc<Self>, request: &Request) -> Result<Summary> {
        let What { context, parameters } = &request.what;
        let settings = self.context(context)?;
        let lock = self.store.try_lock().await?;
        let fence = match &lock {
            Some(_) => {
                self.state().patience.forget();
                self.steps.take_over().await?
            }
            None => self.take_over_frozen().await?,
        };
        if let Some(user) = &self.user {
            // Another process or tab may have signed this user out.
            self.steps.check_claim(user).await?;
        }
        let mut ancestry = request.ancestry.clone();
        ancestry.push(request.what.clone());
        let budget = settings.budget;
        let run = ScopedRun {
            lifecycle: self,
            fence,
            context,
            ancestry,
            deadline: request.deadline,
            budget: StepBudget {
                until: budget.time.map(|time| self.runtime.elapsed() + time),
                rows: budget.rows,
                bytes: budget.bytes,
            },
            summary: Mutex::default(),
        };
        let work = async {
            match &self.handler {
                Some(handler) => Own::new(handler.on_sync(&run, context, parameters)).await,
                None => run.sync(settings.entities, settings.direction).await.map(drop),
            }
        };
        match select(pin!(work), pin!(self.keep_beating(fence))).await {
            Either::Left((done, _)) => done?,
            Either::Right((error, _)) => return Err(error),
        }
        Ok(run.into_summary())
    }
}

impl Lifecycle {
    /// A context's name, as it may stand among the numbers.
    fn label<'a>(&self, context: &'a str) -> &'a str {
        metrics::context_label(context, self.contexts.contains_key(context))
    }

    /// One line for each attempt, and its numbers.
    fn tell_end(&self, request: &Request, end: &End, took: Duration) {
        let context = request.what.context.as_str();
        let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let (outcome, code, kind) = match end {
            End::Done(Ok(summary)) => {
                let Summary {
                    received,
                    sent,
                    applied,
                    ..
                } = *summary;
                let outcome = "completed";
                tracing::info!(
                    context,
                    outcome,
                    received,
                    sent,
                    applied,
                    milliseconds,
                    "a run ended"
                );
                metrics::ended(self.label(context), outcome, None, took);
                return;
            }
            End::Done(Err(error)) => {
                tracing::debug!(context, %error, "a run failed");
                ("failed", error.code(), Some(error.kind()))
            }
            End::TimedOut => ("timed_out", "sync_timed_out", Some(ErrorKind::Transient)),
            End::Closed => ("discarded", "app_closed", None),
        };
        tracing::info!(context, outcome, code, milliseconds, "a run ended");
        metrics::ended(self.label(context), outcome, kind, took);
    }

    /// Takes over from another process that holds the lock, if it has shown no sign of life for long enough.
    async fn take_over_frozen(&self) -> Result<Fence> {
        let pulse = self.steps.pulse().await?;
        let now = self.runtime.elapsed();
        let (taken, frozen) = {
            let patience = &mut self.state().patience;
            (patience.has_taken(pulse), patience.look(pulse, now))
        };
        if taken {
            return self.steps.take_over().await;
        }
        if onsync_core::mutant!("a-holder-at-work-is-not-waited-for", !frozen, false) {
            return Err(Error::busy(
                "another_process_syncs",
                "another process or tab is syncing this store; wait for it, or close it",
            ));
        }
        tracing::warn!(
            "another process holds the sync lock and shows no sign of life; syncing is taken over"
        );
        let fence = self.steps.take_fence().await?;
        self.state().patience.took(fence.number());
        Ok(fence)
    }

    /// Shows that this process is alive for as long as its run is at work; ends with the error that it cannot.
    async fn keep_beating(&self, fence: Fence) -> Error {
        loop {
            self.runtime.sleep(BEAT).await;
            match self.steps.beat(fence).await {
                Ok(()) => {}
                Err(error) if error.code() == "another_process_syncs" => return error,
                // The run itself will say so if the store is in trouble.
                Err(error) => tracing::debug!(code = error.code(), "no sign of life could be written"),
            }
        }
    }
}

/// What those are told who ask an app that is gone.
pub(crate) fn closed() -> Error {
    Error::fatal(
        "app_closed",
        "the app was closed, or its background work ended, before this was done; open it again",
    )
}
