//! Asking for a run: what is refused at once, and what goes into the queue.

use super::handle::{Held, SyncHandle};
use super::queue::{Request, Waiter, What};
use super::triggers::{Cause, Occasion};
use super::{Lifecycle, closed};
use crate::config::ContextSettings;
use onsync_core::error::list_names;
use onsync_core::handler::Parameters;
use onsync_core::ordered::BTreeMap;
use onsync_core::{Error, Result};
use std::sync::Arc;
use tokio::sync::oneshot;

/// In which way a run is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    pub(super) cause: Cause,
    /// Whether the back-off of an equal run ends.
    pub(super) ends_waits: bool,
    /// Whether the end of the first attempt is waited for.
    pub(super) once: bool,
}

impl Manner {
    /// A call of the app.
    pub(super) const CALL: Self = Self {
        cause: Cause::Call,
        ends_waits: true,
        once: false,
    };

    /// A trigger.
    pub(super) fn of(occasion: Occasion, by_run: bool) -> Self {
        Self {
            cause: occasion.cause(by_run),
            ends_waits: occasion.ends_waits(),
            once: false,
        }
    }
}

impl Lifecycle {
    /// Asks for a run.
    ///
    /// # Errors
    /// `unknown_context`, `unknown_parameter`, `sync_within_itself`, `sync_loop`, `queue_full`, `not_yet_supported`, `app_closed`.
    pub(crate) fn ask(
        self: &Arc<Self>,
        context: &str,
        parameters: &Parameters,
        ancestry: &[What],
    ) -> Result<SyncHandle> {
        self.ask_as(context, parameters, ancestry, Manner::CALL)
    }

    pub(super) fn ask_as(
        self: &Arc<Self>,
        context: &str,
        parameters: &Parameters,
        ancestry: &[What],
        manner: Manner,
    ) -> Result<SyncHandle> {
        let settings = self.context(context)?;
        self.check_parameters(context, &settings, parameters)?;
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
            cause: manner.cause,
            ends_waits: manner.ends_waits,
            failures: 0,
            not_on_metered: settings.not_on_metered,
            waiters: vec![Waiter {
                sender,
                once: manner.once,
            }],
        };
        let mut state = self.state();
        state.guard.check(context, now)?;
        state.queue.ask(request, settings.discard_pending)?;
        let held = (settings.not_on_metered && state.queue.is_metered()).then_some(Held::Metered);
        drop(state);
        self.bell.notify_one();
        Ok(SyncHandle {
            runtime: self.runtime.clone(),
            deadline,
            held,
            outcome: receiver,
        })
    }

    /// Refuses parameters that would do nothing, or that the context does not take.
    fn check_parameters(
        &self,
        context: &str,
        settings: &ContextSettings,
        parameters: &Parameters,
    ) -> Result<()> {
        if parameters.is_empty() {
            return Ok(());
        }
        if self.handler.is_none() {
            return Err(Error::unsupported(
                "not_yet_supported",
                "parameters of `on_sync` reach an OnSync handler only: without one this version does nothing with them; \
                 install a handler, or call without parameters",
            ));
        }
        let known = &settings.parameters;
        match parameters.keys().find(|name| !known.contains(name)) {
            Some(unknown) if !known.is_empty() => Err(Error::rejected(
                "unknown_parameter",
                format!(
                    "context {context:?} takes no parameter `{unknown}`; configured: {}",
                    list_names(known)
                ),
            )),
            _ => Ok(()),
        }
    }

    /// The settings of a context. With a handler any context is fine.
    ///
    /// # Errors
    /// `unknown_context`.
    pub(super) fn context(&self, name: &str) -> Result<ContextSettings> {
        match self.contexts.get(name) {
            Some(settings) => Ok(settings.clone()),
            None if name.is_empty() || self.handler.is_some() => Ok(ContextSettings::default()),
            None => Err(unknown_context(name, &self.contexts)),
        }
    }

    /// Syncs every entity once, without a retry.
    ///
    /// # Errors
    /// What ended the run.
    pub(crate) async fn sync_once(self: &Arc<Self>) -> Result<()> {
        let manner = Manner {
            once: true,
            ..Manner::CALL
        };
        let handle = self.ask_as("", &Parameters::new(), &[], manner)?;
        handle.outcome().await.into_result().map(drop)
    }
}

/// There is no such context.
pub(crate) fn unknown_context(name: &str, contexts: &BTreeMap<String, ContextSettings>) -> Error {
    Error::rejected(
        "unknown_context",
        format!(
            "there is no context {name:?}; configured: {}; `on_sync(\"\")` covers every entity",
            list_names(contexts.keys())
        ),
    )
}
