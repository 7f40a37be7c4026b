//! Triggers at work: tells the pure ones what happens, and asks for the runs they name.

use super::ask::Manner;
use super::triggers::{Due, Occasion, Triggers};
use super::{Lifecycle, closed};
use crate::events;
use crate::time::sleep_until;
use futures_util::future::{Either, select};
use onsync_core::handler::Parameters;
use onsync_core::network::NetworkNews;
use onsync_core::{Error, Result};
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// How often commits of other processes are looked for.
const FOREIGN: Duration = Duration::from_secs(2);
/// The status counts what waits at most this often.
const COUNT_EVERY: Duration = Duration::from_millis(100);

impl Lifecycle {
    fn triggers(&self) -> MutexGuard<'_, Triggers> {
        self.triggers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something happened that may start a run.
    pub(crate) fn happened(&self, occasion: Occasion) {
        if occasion == Occasion::Resume {
            // The device may have slept through a change.
            self.note(NetworkNews::LookAgain);
        }
        self.triggers().happened(occasion, self.runtime.elapsed());
        self.trigger_bell.notify_one();
    }

    /// Somebody outside says that a context has something to fetch, as a push message does.
    ///
    /// # Errors
    /// `unknown_context`, `app_closed`.
    pub(crate) fn hint(&self, context: &str) -> Result<()> {
        self.context(context)?;
        if *self.closed.borrow() {
            return Err(closed());
        }
        self.triggers().hinted(context, self.runtime.elapsed());
        self.trigger_bell.notify_one();
        Ok(())
    }

    pub(super) fn note_network(&self, online: bool) {
        self.triggers().network(online, self.runtime.elapsed());
        self.trigger_bell.notify_one();
    }

    /// The app begins to write. Remembers it if a handler or listener does.
    pub(crate) fn writing(&self) {
        if events::is_own() {
            self.written_by_run.store(true, Ordering::Release);
        }
    }

    /// Watches for everything that starts a run by itself, until the app is closed. `edits` rings when the app writes.
    pub(crate) async fn watch_triggers(self: Arc<Self>, mut edits: watch::Receiver<u64>) {
        self.triggers().begin(self.runtime.elapsed(), self.chance());
        while !*self.closed.borrow() {
            let due = self.triggers().due(self.runtime.elapsed(), self.chance());
            for due in due {
                self.start(due);
            }
            let next = self.triggers().next();
            let bell = pin!(self.trigger_bell.notified());
            let edit = pin!(edits.changed());
            let time = pin!(sleep_until(self.runtime.as_ref(), next));
            let closed = pin!(self.until_closed());
            let idle = select(select(bell, time), closed);
            if let Either::Left((Ok(()), _)) = select(edit, idle).await {
                self.triggers().written(self.runtime.elapsed());
            }
        }
    }

    fn start(self: &Arc<Self>, due: Due) {
        let Due {
            occasion,
            ref context,
            since,
        } = due;
        let came_already = || {
            self.state()
                .began
                .get(context)
                .is_some_and(|began| *began >= since)
        };
        if occasion == Occasion::Online && came_already() {
            tracing::debug!(
                context,
                "the network is back, and a run of this context began since"
            );
            return;
        }
        let by_run = occasion == Occasion::Write && self.written_by_run.swap(false, Ordering::AcqRel);
        let manner = Manner::of(occasion, by_run);
        match self.ask_as(context, &Parameters::new(), &[], manner) {
            Ok(_) => tracing::debug!(
                context,
                occasion = occasion.as_str(),
                "a run was asked for by itself"
            ),
            Err(error) => self.refused(due, &error),
        }
    }

    fn refused(&self, due: Due, error: &Error) {
        tracing::info!(
            context = due.context,
            occasion = due.occasion.as_str(),
            code = error.code(),
            "a run that was to start by itself was refused, and is asked for again"
        );
        self.triggers().refused(due, self.runtime.elapsed());
    }

    /// Keeps the status' counts right after commits, of this process and of others, until the app is closed.
    pub(crate) async fn watch_counts(self: Arc<Self>) {
        let mut bell = self.changes.bell();
        // None before the first look: what was committed since the app was opened is taken for another one's.
        let (mut foreign, mut waiting) = (None, 0);
        let work = async {
            loop {
                bell.borrow_and_update();
                // Asked for first: what is committed while the rest is read is seen the next time.
                let commits = self.store.foreign_commits().await.ok().or(foreign);
                self.follow_commits().await;
                let counted = self.hub.look(|status| status.waiting);
                if commits != foreign {
                    self.remember_others().await;
                    if counted > waiting {
                        self.changes.note_edit();
                    }
                }
                (foreign, waiting) = (commits, counted);
                sleep_until(self.runtime.as_ref(), Some(self.runtime.elapsed() + COUNT_EVERY)).await;
                loop {
                    let time = pin!(sleep_until(
                        self.runtime.as_ref(),
                        Some(self.runtime.elapsed() + FOREIGN)
                    ));
                    match select(pin!(bell.changed()), time).await {
                        Either::Left((Ok(()), _)) => break,
                        Either::Left((Err(_), _)) => return,
                        Either::Right(_) => {}
                    }
                    self.look_for_stall();
                    self.keep_notes().await;
                    let commits = self.store.foreign_commits().await;
                    if commits.is_ok_and(|now| Some(now) != foreign) {
                        break;
                    }
                }
            }
        };
        select(pin!(work), pin!(self.until_closed())).await;
    }
}
