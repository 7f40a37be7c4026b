//! How an attempt ends: what is told, what is tried again, what is noted.

use super::Lifecycle;
use super::handle::Outcome;
use super::notes::Unnoted;
use super::queue::{Request, Wait};
use super::retry::{self, Next};
use crate::metrics;
use crate::status::LastError;
use crate::sync::Step;
use onsync_core::handler::{Event, Summary, SyncDirection};
use onsync_core::network::NetworkNews;
use onsync_core::value::Timestamp;
use onsync_core::{Error, ErrorKind};
use std::time::Duration;

impl Lifecycle {
    pub(super) async fn completed(&self, request: Request, summary: Summary) {
        self.state().queue.reached();
        if summary.requests > 0 {
            self.note(NetworkNews::ServerReached);
        }
        let context = request.what.context.clone();
        self.note_end(&context, true);
        let event = Event::OnSyncComplete {
            context: context.clone(),
            summary: summary.clone(),
        };
        self.hub.tell(&event, |status| {
            status.server_unreachable = false;
            status.stalled_since = None;
            if status
                .last_error
                .as_ref()
                .is_some_and(|error| error.context == context)
            {
                status.last_error = None;
            }
        });
        // Before whoever waits goes on, and perhaps ends the program.
        self.keep_notes().await;
        request.end(&Outcome::Completed(summary));
    }

    pub(super) fn failed(&self, mut request: Request, error: Error) {
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
        if matches!(next, Next::After(_)) {
            metrics::retried();
            self.state().own.retries = true;
            self.unnoted(Unnoted::Now);
        }
        let wait = match next {
            Next::After(wait) => Some(wait),
            Next::Fail | Next::AwaitCredentials => None,
        };
        if error.kind() == ErrorKind::Offline {
            self.note(NetworkNews::ServerMissed);
        }
        self.tell_error(&request.what.context, &error, wait);
        match next {
            Next::Fail => request.end(&Outcome::Failed(error)),
            Next::After(wait) => {
                request.end_once(&Outcome::Failed(error.clone()));
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
                    let _ = waiter.sender.send(Outcome::Failed(error.clone()));
                }
                request.deadline = None;
                self.state().queue.park(request, Wait::Credentials);
            }
        }
    }

    pub(super) fn tell_error(&self, context: &str, error: &Error, next_try: Option<Duration>) {
        self.note_end(context, false);
        let last = self.last_error(context, error, next_try);
        let event = Event::OnSyncError {
            context: context.to_owned(),
            error_code: error.code().to_owned(),
            error_message: error.to_string(),
            next_try,
        };
        self.hub.tell(&event, |status| {
            status.server_unreachable = error.kind() == ErrorKind::Offline;
            status.last_error = Some(last);
        });
    }

    pub(super) fn last_error(&self, context: &str, error: &Error, next_try: Option<Duration>) -> LastError {
        LastError {
            context: context.to_owned(),
            code: error.code().to_owned(),
            message: error.to_string(),
            at: self.runtime.now(),
            next_try,
        }
    }

    /// A number from [0, 1) by the runtime's randomness.
    pub(super) fn chance(&self) -> f64 {
        let mut bytes = [0; 4];
        self.runtime.random(&mut bytes);
        f64::from(u32::from_le_bytes(bytes)) / (f64::from(u32::MAX) + 1.0)
    }

    /// Notes what a step fetched, or that what was fetched before is older than what was pushed now.
    pub(super) fn note_step(&self, step: &Step, summary: &Summary) {
        if summary.budget_used {
            // What was fetched is not all there is.
            return;
        }
        let now = self.runtime.now();
        let mut state = self.state();
        for entity in &step.entities {
            match step.direction {
                SyncDirection::Both | SyncDirection::Pull => {
                    state.fetched.insert(entity.clone(), now);
                }
                SyncDirection::Push if summary.applied > 0 => {
                    state.fetched.remove(entity);
                    state.unnoted = Unnoted::Now;
                }
                SyncDirection::Push => continue,
            }
            state.own.fetched.insert(entity.clone());
        }
    }

    pub(super) fn up_to_date_as_of(&self) -> Option<Timestamp> {
        let state = self.state();
        let times: Option<Vec<Timestamp>> = self
            .order
            .iter()
            .map(|entity| state.fetched.get(entity).copied())
            .collect();
        times?.into_iter().min()
    }
}
