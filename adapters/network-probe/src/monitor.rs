//! The monitor: asks when the schedule says so.

use crate::ProbeMonitorOptions;
use crate::schedule::{Schedule, UnderWay};
use crate::verdict::Verdict;
use futures_util::future::{Either, select};
use onsync_core::network::{NetworkMonitor, NetworkNews, NetworkStatus, StatusCell};
use onsync_core::runtime::Runtime;
use onsync_core::transport::Transport;
use onsync_core::wire::Health;
use onsync_core::{Result, portable_async};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Asks the server's health address whether the server is there.
pub struct ProbeMonitor(Arc<Shared>);

struct Shared {
    transport: Arc<dyn Transport>,
    runtime: Arc<dyn Runtime>,
    time_out: Duration,
    status: StatusCell,
    state: Mutex<State>,
    bell: Notify,
}

struct State {
    schedule: Schedule,
    give_up: bool,
    closed: bool,
}

impl std::fmt::Debug for ProbeMonitor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProbeMonitor")
            .field("status", &self.0.status.get())
            .finish_non_exhaustive()
    }
}

impl ProbeMonitor {
    /// Starts to watch the server that this transport leads to, until the monitor is dropped.
    pub fn start(
        transport: Arc<dyn Transport>,
        runtime: Arc<dyn Runtime>,
        options: ProbeMonitorOptions,
    ) -> Self {
        let shared = Arc::new(Shared {
            time_out: options.time_out,
            status: StatusCell::new(NetworkStatus::assumed()),
            state: Mutex::new(State {
                schedule: Schedule::new(options, runtime.elapsed()),
                give_up: false,
                closed: false,
            }),
            bell: Notify::new(),
            transport,
            runtime: runtime.clone(),
        });
        runtime.spawn(Box::pin(drive(shared.clone())));
        Self(shared)
    }
}

impl Drop for ProbeMonitor {
    fn drop(&mut self) {
        self.0.state().closed = true;
        self.0.bell.notify_one();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Each change of the state is whole, so it is usable also after a panic of a holder.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number from [0, 1) by the runtime's randomness.
    fn chance(&self) -> f64 {
        let mut bytes = [0; 4];
        self.runtime.random(&mut bytes);
        f64::from(u32::from_le_bytes(bytes)) / (f64::from(u32::MAX) + 1.0)
    }

    fn found(&self, verdict: Verdict) {
        let chance = self.chance();
        let mut state = self.state();
        if state.give_up {
            return;
        }
        state.schedule.found(verdict, self.runtime.elapsed(), chance);
        let status = state.schedule.status();
        drop(state);
        tracing::debug!(online = status.online, reason = ?status.reason, "the server was probed");
        self.status.set(status);
    }

    fn hear(&self, news: NetworkNews) {
        let chance = self.chance();
        let mut state = self.state();
        let under_way = state.schedule.hear(news, self.runtime.elapsed(), chance);
        state.give_up |= under_way == UnderWay::GiveUp;
        let status = state.schedule.status();
        drop(state);
        self.status.set(status);
        self.bell.notify_one();
    }

    /// One answer. A connection that was kept open over a network that is gone breaks when it is used: that says nothing about the
    /// server, which is asked once more over a new one.
    async fn answer(&self) -> Result<Health> {
        match self.transport.health().await {
            Err(error) if error.code() == "connection_lost" => self.transport.health().await,
            answer => answer,
        }
    }

    async fn ask(&self) -> Verdict {
        let answer = pin!(self.answer());
        match select(answer, self.runtime.sleep(self.time_out)).await {
            Either::Left((answer, _)) => Verdict::of(&answer),
            Either::Right(_) => Verdict::SILENCE,
        }
    }
}

#[portable_async]
impl NetworkMonitor for ProbeMonitor {
    fn current(&self) -> NetworkStatus {
        self.0.status.get()
    }

    async fn changed(&self, seen: NetworkStatus) -> NetworkStatus {
        self.0.status.changed(seen).await
    }

    fn note(&self, news: NetworkNews) -> bool {
        self.0.hear(news);
        false
    }
}

/// What is to be done now.
enum Turn {
    Stop,
    Ask,
    Wait(Option<Duration>),
}

fn turn(shared: &Shared) -> Turn {
    let now = shared.runtime.elapsed();
    let mut state = shared.state();
    state.give_up = false;
    match state.schedule.due() {
        _ if state.closed => Turn::Stop,
        Some(due) if due <= now => {
            state.schedule.begin(now);
            Turn::Ask
        }
        due => Turn::Wait(due.map(|due| due.saturating_sub(now))),
    }
}

/// Asks whenever it is time, until the monitor is dropped.
async fn drive(shared: Arc<Shared>) {
    loop {
        match turn(&shared) {
            Turn::Stop => return,
            Turn::Ask => probe(&shared).await,
            Turn::Wait(None) => shared.bell.notified().await,
            Turn::Wait(Some(wait)) => {
                select(pin!(shared.bell.notified()), shared.runtime.sleep(wait)).await;
            }
        }
    }
}

/// One probe, given up if what is heard meanwhile makes its answer worthless.
async fn probe(shared: &Shared) {
    let mut answer = pin!(shared.ask());
    loop {
        match select(answer, pin!(shared.bell.notified())).await {
            Either::Left((verdict, _)) => return shared.found(verdict),
            Either::Right(((), still)) => {
                answer = still;
                let state = shared.state();
                if state.closed || state.give_up {
                    return;
                }
            }
        }
    }
}
