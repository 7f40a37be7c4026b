//! The queue of runs: a plain value, told the time.
//!
//! One run at a time. A request equal to a *waiting* one is merged into it; it never joins the running one, which would miss what was
//! written meanwhile. A run in back-off, or waiting for credentials, is parked: others go first.

use super::handle::Outcome;
use super::triggers::Cause;
use onsync_core::handler::Parameters;
use onsync_core::network::NetworkStatus;
use onsync_core::{Error, Result};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::sync::oneshot;

/// A context with its parameters: what makes two requests equal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct What {
    pub(crate) context: String,
    pub(crate) parameters: Parameters,
}

/// One run that was asked for.
pub(crate) struct Request {
    pub(crate) what: What,
    /// When it was first asked for.
    pub(crate) asked: Duration,
    /// When the last of those who wait gives up; none if one of them never does.
    pub(crate) deadline: Option<Duration>,
    /// The runs it was asked for in, outermost first.
    pub(crate) ancestry: Vec<What>,
    /// Who asked for it, for the loop guard.
    pub(crate) cause: Cause,
    /// Whether it ends the back-off of an equal run.
    pub(crate) ends_waits: bool,
    /// Attempts that failed since it was asked for.
    pub(crate) failures: u32,
    /// Whether it waits while the network costs by volume.
    pub(crate) not_on_metered: bool,
    pub(crate) waiters: Vec<Waiter>,
}

/// Somebody who waits for the end of a run.
pub(crate) struct Waiter {
    pub(crate) sender: oneshot::Sender<Outcome>,
    /// Whether the end of the first attempt is what is waited for.
    pub(crate) once: bool,
}

impl Request {
    /// Tells everybody who waits. Who gave up waiting is no error.
    pub(crate) fn end(self, outcome: &Outcome) {
        for waiter in self.waiters {
            let _ = waiter.sender.send(outcome.clone());
        }
    }

    /// Tells those who wait for one attempt only.
    pub(crate) fn end_once(&mut self, outcome: &Outcome) {
        let (once, kept): (Vec<_>, Vec<_>) = self.waiters.drain(..).partition(|waiter| waiter.once);
        self.waiters = kept;
        for waiter in once {
            let _ = waiter.sender.send(outcome.clone());
        }
    }

    fn merge(&mut self, other: Self) {
        self.deadline = self
            .deadline
            .and_then(|mine| other.deadline.map(|its| mine.max(its)));
        self.ancestry.extend(other.ancestry);
        self.waiters.extend(other.waiters);
    }
}

/// What a parked run waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// A moment; or the network, if `offline`.
    Until { at: Duration, offline: bool },
    /// New credentials.
    Credentials,
}

/// What to do now.
pub(crate) enum Turn {
    /// Run this.
    Run(Request),
    /// Nothing before this moment, if any.
    Sleep(Option<Duration>),
}

pub(crate) struct Queue {
    limit: usize,
    waiting: VecDeque<Request>,
    parked: Vec<(Request, Wait)>,
    needs_credentials: bool,
    offline: bool,
    metered: bool,
}

impl Queue {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            waiting: VecDeque::new(),
            parked: Vec::new(),
            needs_credentials: false,
            offline: false,
            metered: false,
        }
    }

    /// How many runs wait in any way.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len() + self.parked.len()
    }

    pub(crate) fn needs_credentials(&self) -> bool {
        self.needs_credentials
    }

    /// Adds a request. With `discard`, all other waiting ones end as discarded first. One that equals a waiting one is merged into
    /// it, and ends its back-off.
    ///
    /// # Errors
    /// `queue_full`.
    pub(crate) fn ask(&mut self, request: Request, discard: bool) -> Result<()> {
        if discard {
            self.discard_others(&request.what);
        }
        if let Some(index) = self
            .parked
            .iter()
            .position(|(parked, _)| parked.what == request.what)
        {
            let (mut parked, wait) = self.parked.swap_remove(index);
            let ends_waits = request.ends_waits;
            parked.merge(request);
            match wait {
                Wait::Until { .. } if ends_waits => self.waiting.push_back(parked),
                Wait::Until { .. } | Wait::Credentials => self.parked.push((parked, wait)),
            }
            return Ok(());
        }
        if let Some(waiting) = self
            .waiting
            .iter_mut()
            .find(|waiting| waiting.what == request.what)
        {
            waiting.merge(request);
            return Ok(());
        }
        if self.len() >= self.limit {
            return Err(Error::rejected(
                "queue_full",
                format!(
                    "{} runs wait already; wait for one of them, merge your contexts, or raise limits.queue",
                    self.len()
                ),
            ));
        }
        self.waiting.push_back(request);
        Ok(())
    }

    fn discard_others(&mut self, what: &What) {
        let (kept, discarded): (Vec<_>, Vec<_>) =
            self.waiting.drain(..).partition(|request| request.what == *what);
        self.waiting = kept.into();
        let (kept, parked): (Vec<_>, Vec<_>) = self
            .parked
            .drain(..)
            .partition(|(request, _)| request.what == *what);
        self.parked = kept;
        for request in discarded
            .into_iter()
            .chain(parked.into_iter().map(|(request, _)| request))
        {
            request.end(&Outcome::Discarded);
        }
    }

    /// Puts a run aside until something happens. One that was asked for again meanwhile is merged into that one.
    pub(crate) fn park(&mut self, request: Request, wait: Wait) {
        self.needs_credentials |= wait == Wait::Credentials;
        match self
            .waiting
            .iter_mut()
            .find(|waiting| waiting.what == request.what)
        {
            Some(waiting) => {
                waiting.failures = request.failures;
                waiting.merge(request);
            }
            None => self.parked.push((request, wait)),
        }
    }

    /// The network came, went, or is another one now. When it comes, runs that wait for it are due, and so are those in back-off:
    /// what they failed for may have passed with the network they had.
    pub(crate) fn set_network(&mut self, network: NetworkStatus) {
        let came = self.offline && network.online;
        self.offline = !network.online;
        self.metered = network.is_metered();
        if came {
            self.release(|wait| matches!(wait, Wait::Until { .. }));
        } else if network.online {
            self.reached();
        }
    }

    pub(crate) fn is_metered(&self) -> bool {
        self.metered
    }

    /// How many runs wait for a network that costs nothing by volume.
    pub(crate) fn held_by_metered(&self) -> usize {
        self.waiting.iter().filter(|request| self.holds(request)).count()
    }

    fn holds(&self, request: &Request) -> bool {
        self.metered && request.not_on_metered
    }

    /// The server was reached: runs that wait for the network are due.
    pub(crate) fn reached(&mut self) {
        self.release(|wait| matches!(wait, Wait::Until { offline: true, .. }));
    }

    /// There are new credentials: everything that waited for them is due.
    pub(crate) fn credentials_changed(&mut self) {
        self.needs_credentials = false;
        let goes_on = onsync_core::mutant!("new-credentials-wake-nobody", true, false);
        self.release(|wait| *wait == Wait::Credentials && goes_on);
    }

    fn release(&mut self, due: impl Fn(&Wait) -> bool) {
        let (released, kept): (Vec<_>, Vec<_>) = self.parked.drain(..).partition(|(_, wait)| due(wait));
        self.parked = kept;
        self.waiting
            .extend(released.into_iter().map(|(request, _)| request));
    }

    /// What to do now. Runs for which nobody waits any longer end as timed out. A run that has not been tried yet goes also while the
    /// network is thought to be gone: a monitor that is wrong must not stop syncing.
    pub(crate) fn turn(&mut self, now: Duration) -> Turn {
        self.expire(now);
        let gone = self.offline;
        let timed = move |wait: &Wait| match wait {
            Wait::Until { at, offline } if !(*offline && gone) => Some(*at),
            _ => None,
        };
        self.release(|wait| timed(wait).is_some_and(|at| at <= now));
        let next = if self.needs_credentials {
            None
        } else {
            let free = self.waiting.iter().position(|request| !self.holds(request));
            free.and_then(|index| self.waiting.remove(index))
        };
        if let Some(request) = next {
            return Turn::Run(request);
        }
        let moments = self.parked.iter().filter_map(|(_, wait)| timed(wait));
        let parked = self.parked.iter().map(|(request, _)| request);
        let deadlines = self
            .waiting
            .iter()
            .chain(parked)
            .filter_map(|request| request.deadline);
        Turn::Sleep(moments.chain(deadlines).min())
    }

    fn expire(&mut self, now: Duration) {
        let over = |request: &Request| request.deadline.is_some_and(|deadline| deadline <= now);
        let (expired, kept): (Vec<_>, Vec<_>) = self.waiting.drain(..).partition(over);
        self.waiting = kept.into();
        let (late, parked): (Vec<_>, Vec<_>) = self.parked.drain(..).partition(|(request, _)| over(request));
        self.parked = parked;
        for request in expired
            .into_iter()
            .chain(late.into_iter().map(|(request, _)| request))
        {
            request.end(&Outcome::TimedOut);
        }
    }

    /// Ends everything that waits, when the app goes.
    pub(crate) fn close(&mut self) {
        let parked: Vec<_> = self.parked.drain(..).map(|(request, _)| request).collect();
        for request in self.waiting.drain(..).chain(parked) {
            request.end(&Outcome::Discarded);
        }
    }
}
