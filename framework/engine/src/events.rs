//! Events and status: one place that knows how a run stands, and tells whoever listens.
//!
//! Each listener hears every event in order on a task of its own. It can block, panic or call OnSync: no run is harmed.

use crate::metrics;
use crate::status::{RunProgress, RunningStatus, Status};
use onsync_core::handler::{Event, SyncListener};
use onsync_core::network::NetworkStatus;
use onsync_core::runtime::Runtime;
use onsync_core::value::Timestamp;
use std::cell::Cell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use tokio::sync::{Notify, watch};

/// A listener that is so many events behind loses the oldest progress events.
const BACKLOG: usize = 1_024;

/// The state that events change, and those who are told.
pub(crate) struct Hub {
    runtime: Arc<dyn Runtime>,
    listeners: Mutex<Vec<Arc<Inbox>>>,
    status: watch::Sender<Status>,
}

struct Inbox {
    events: Mutex<VecDeque<(Timestamp, Event)>>,
    bell: Notify,
    closed: AtomicBool,
}

impl Inbox {
    fn push(&self, at: Timestamp, event: &Event) {
        let mut events = lock(&self.events);
        if let Some((_, last)) = events
            .back_mut()
            .filter(|(_, last)| is_same_progress(last, event))
        {
            *last = event.clone();
            return;
        }
        let oldest = events.iter().position(|(_, event)| is_progress(event));
        if let Some(oldest) = oldest.filter(|_| events.len() >= BACKLOG) {
            events.remove(oldest);
        }
        events.push_back((at, event.clone()));
        drop(events);
        self.bell.notify_one();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_progress(event: &Event) -> bool {
    matches!(event, Event::OnSyncProgress { .. })
}

fn is_same_progress(last: &Event, next: &Event) -> bool {
    match (last, next) {
        (
            Event::OnSyncProgress {
                context,
                entity,
                phase,
                ..
            },
            Event::OnSyncProgress {
                context: other_context,
                entity: other_entity,
                phase: other_phase,
                ..
            },
        ) => context == other_context && entity == other_entity && phase == other_phase,
        _ => false,
    }
}

/// Keeps a listener listening; dropping it ends that.
#[must_use = "the listener stops when this is dropped"]
pub struct Subscription {
    inbox: Arc<Inbox>,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.inbox.closed.store(true, Ordering::Release);
        self.inbox.bell.notify_one();
    }
}

impl Hub {
    pub(crate) fn new(runtime: Arc<dyn Runtime>, network: NetworkStatus) -> Self {
        let status = Status::new(network);
        metrics::status(&status);
        Self {
            runtime,
            listeners: Mutex::default(),
            status: watch::Sender::new(status),
        }
    }

    pub(crate) fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// Looks at one thing of the status, without a copy of all.
    pub(crate) fn look<T>(&self, at: impl FnOnce(&Status) -> T) -> T {
        at(&self.status.borrow())
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// Changes the status without an event.
    pub(crate) fn update(&self, change: impl FnOnce(&mut Status)) {
        self.update_if(|_| true, change);
    }

    /// As [`Hub::update`], where the status says something else: what is asked for often copies and compares nothing then.
    pub(crate) fn update_if(&self, differs: impl FnOnce(&Status) -> bool, change: impl FnOnce(&mut Status)) {
        self.status.send_if_modified(|status| {
            if !differs(status) {
                return false;
            }
            let before = status.clone();
            change(status);
            let changed = *status != before;
            if changed {
                metrics::status(status);
            }
            changed
        });
    }

    /// Changes the status and tells everybody, as one step.
    pub(crate) fn tell(&self, event: &Event, change: impl FnOnce(&mut Status)) {
        let mut listeners = lock(&self.listeners);
        let at = self.runtime.now();
        self.update(|status| {
            note(status, event, at);
            change(status);
        });
        listeners.retain(|inbox| !inbox.closed.load(Ordering::Acquire));
        for inbox in listeners.iter() {
            inbox.push(at, event);
        }
    }

    /// Adds a listener. It first hears how things stand: the network, and the start of a run at work.
    pub(crate) fn listen(&self, listener: Arc<dyn SyncListener>) -> Subscription {
        let inbox = Arc::new(Inbox {
            events: Mutex::default(),
            bell: Notify::new(),
            closed: AtomicBool::new(false),
        });
        let mut listeners = lock(&self.listeners);
        let status = self.status();
        let at = self.runtime.now();
        inbox.push(at, &Event::NetworkStatusChanged(status.network));
        if let Some(running) = status.running {
            let context = running.context;
            inbox.push(
                at,
                &Event::OnSyncStart {
                    context: context.clone(),
                },
            );
            if let Some(RunProgress {
                entity,
                phase,
                done,
                total,
                bytes,
            }) = running.progress
            {
                let progress = Event::OnSyncProgress {
                    context,
                    entity,
                    phase,
                    done,
                    total,
                    bytes,
                };
                inbox.push(at, &progress);
            }
        }
        listeners.push(inbox.clone());
        drop(listeners);
        self.runtime.spawn(Box::pin(deliver(inbox.clone(), listener)));
        Subscription { inbox }
    }
}

/// What an event says about the status.
fn note(status: &mut Status, event: &Event, at: Timestamp) {
    match event {
        Event::OnSyncStart { context } => {
            status.running = Some(RunningStatus {
                context: context.clone(),
                progress: None,
                got_on_at: at,
            });
        }
        Event::OnSyncProgress {
            entity,
            phase,
            done,
            total,
            bytes,
            ..
        } => {
            if let Some(running) = &mut status.running {
                running.got_on_at = at;
                running.progress = Some(RunProgress {
                    entity: entity.clone(),
                    phase: *phase,
                    done: *done,
                    total: *total,
                    bytes: *bytes,
                });
            }
        }
        Event::OnSyncComplete { .. } | Event::OnSyncError { .. } => status.running = None,
        Event::NetworkStatusChanged(network) => status.network = *network,
        Event::ConflictDetected { .. } => status.conflicts += 1,
    }
}

/// Hands events to one listener until its subscription is dropped.
async fn deliver(inbox: Arc<Inbox>, listener: Arc<dyn SyncListener>) {
    while !inbox.closed.load(Ordering::Acquire) {
        let next = lock(&inbox.events).pop_front();
        let Some((at, event)) = next else {
            inbox.bell.notified().await;
            continue;
        };
        let heard = catch_unwind(AssertUnwindSafe(|| own(|| listener.on_event(at, &event))));
        if heard.is_err() {
            tracing::error!("a sync listener panicked; it goes on with the next event");
        }
    }
}

thread_local! {
    /// Whether a handler or listener of the app is running on this thread.
    static OWN: Cell<bool> = const { Cell::new(false) };
}

/// Takes the mark away again, also when what was marked panics.
struct Marked(bool);

impl Drop for Marked {
    fn drop(&mut self) {
        OWN.set(self.0);
    }
}

fn own<T>(work: impl FnOnce() -> T) -> T {
    let marked = || {
        let _marked = Marked(OWN.replace(true));
        work()
    };
    #[cfg(feature = "native")]
    return crate::runtime::may_block(marked);
    #[cfg(not(feature = "native"))]
    marked()
}

/// Whether a handler or listener is running on this thread: what it writes was caused by a run.
pub(crate) fn is_own() -> bool {
    OWN.get()
}

/// A handler's work, marked as such while it is polled.
pub(crate) struct Own<F>(Pin<Box<F>>);

impl<F: Future> Own<F> {
    pub(crate) fn new(work: F) -> Self {
        Self(Box::pin(work))
    }
}

impl<F: Future> Future for Own<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        own(|| self.0.as_mut().poll(context))
    }
}

/// A closure as a listener.
pub(crate) struct Closure<F>(pub(crate) F);

impl<F: Fn(Timestamp, &Event) + onsync_core::platform::MaybeSend + onsync_core::platform::MaybeSync>
    SyncListener for Closure<F>
{
    fn on_event(&self, at: Timestamp, event: &Event) {
        (self.0)(at, event);
    }
}
