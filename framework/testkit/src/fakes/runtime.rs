//! Virtual time and a single-threaded executor that does the same in every run.

use super::{Dice, guard};
use onsync_core::platform::BoxFuture;
use onsync_core::runtime::Runtime;
use onsync_core::value::Timestamp;
use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

/// 2026-01-01T00:00:00Z, in microseconds.
const START: i64 = 1_767_225_600_000_000;

struct State {
    elapsed: Duration,
    clock: i64,
    sleepers: BTreeMap<(Duration, u64), Waker>,
    slept: u64,
    dice: Dice,
}

struct Inner {
    state: Mutex<State>,
    ready: Mutex<VecDeque<Arc<Task>>>,
}

/// A [`Runtime`] whose time stands still until it is told to go on. Clones share everything.
///
/// Tasks run only within [`run_until_idle`](Self::run_until_idle), [`advance`](Self::advance) and [`run`](Self::run), on
/// the thread that calls them, in the order in which they were woken.
///
/// ```
/// use onsync_core::runtime::Runtime as _;
/// use onsync_testkit::fakes::ManualRuntime;
/// use std::time::Duration;
///
/// let runtime = ManualRuntime::new(7);
/// let slept = runtime.run(runtime.sleep(Duration::from_secs(3600)));
/// assert_eq!(slept, Some(()));
/// assert_eq!(runtime.elapsed(), Duration::from_secs(3600)); // and no second was waited
/// ```
#[derive(Clone)]
pub struct ManualRuntime(Arc<Inner>);

struct Task {
    future: Mutex<Option<BoxFuture<'static, ()>>>,
    runtime: ManualRuntime,
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        let runtime = self.runtime.clone();
        guard(&runtime.0.ready).push_back(self);
    }
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

impl ManualRuntime {
    /// A runtime at 2026-01-01T00:00:00Z whose randomness comes from the seed.
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Inner {
            state: Mutex::new(State {
                elapsed: Duration::ZERO,
                clock: START,
                sleepers: BTreeMap::new(),
                slept: 0,
                dice: Dice::new(seed),
            }),
            ready: Mutex::default(),
        }))
    }

    /// Puts the wall clock to this time; what sleeps does not notice.
    pub fn set_clock(&self, now: Timestamp) {
        let mut state = guard(&self.0.state);
        state.clock = now.count() - micros(state.elapsed);
    }

    /// Runs tasks until each waits for something. No time passes.
    pub fn run_until_idle(&self) {
        loop {
            let Some(task) = guard(&self.0.ready).pop_front() else {
                return;
            };
            let Some(mut future) = guard(&task.future).take() else {
                continue;
            };
            let waker = Waker::from(task.clone());
            if future
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
            {
                *guard(&task.future) = Some(future);
            }
        }
    }

    /// Lets time pass; whoever sleeps wakes at its own moment, in order, and what follows from it happens then.
    pub fn advance(&self, by: Duration) {
        let end = guard(&self.0.state).elapsed + by;
        self.run_until_idle();
        while self.wake_next(Some(end)) {
            self.run_until_idle();
        }
        guard(&self.0.state).elapsed = end;
    }

    /// How many sleeps have not ended.
    pub fn sleeping(&self) -> usize {
        guard(&self.0.state).sleepers.len()
    }

    /// Goes to the moment of the next sleeper and wakes it; false if there is none up to `end`.
    fn wake_next(&self, end: Option<Duration>) -> bool {
        let mut state = guard(&self.0.state);
        let Some((&(moment, number), _)) = state.sleepers.first_key_value() else {
            return false;
        };
        if end.is_some_and(|end| moment > end) {
            return false;
        }
        state.elapsed = state.elapsed.max(moment);
        let waker = state.sleepers.remove(&(moment, number));
        drop(state);
        waker.into_iter().for_each(Waker::wake);
        true
    }

    /// Runs a future and all tasks to the future's end, jumping to the next sleeper whenever all wait. None if nothing could ever
    /// go on: everybody waits and nobody sleeps.
    pub fn run<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let mut future = std::pin::pin!(future);
        let flag = Arc::new(Flag(AtomicBool::new(true)));
        let waker = Waker::from(flag.clone());
        let mut context = Context::from_waker(&waker);
        loop {
            if flag.0.swap(false, Ordering::AcqRel)
                && let Poll::Ready(output) = future.as_mut().poll(&mut context)
            {
                return Some(output);
            }
            self.run_until_idle();
            if !flag.0.load(Ordering::Acquire) && !self.wake_next(None) {
                return None;
            }
        }
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

impl Runtime for ManualRuntime {
    fn now(&self) -> Timestamp {
        let state = guard(&self.0.state);
        let count = state.clock.saturating_add(micros(state.elapsed));
        Timestamp::from_count(count).unwrap_or_else(|_| last_moment())
    }

    fn elapsed(&self) -> Duration {
        guard(&self.0.state).elapsed
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let end = self.elapsed().saturating_add(duration);
        Box::pin(Sleep {
            runtime: self.clone(),
            end,
            asleep: None,
        })
    }

    fn spawn(&self, future: BoxFuture<'static, ()>) {
        let task = Task {
            future: Mutex::new(Some(future)),
            runtime: self.clone(),
        };
        guard(&self.0.ready).push_back(Arc::new(task));
    }

    fn random(&self, bytes: &mut [u8]) {
        guard(&self.0.state).dice.fill(bytes);
    }
}

/// Where the clock stops: the end of the year 9999.
#[expect(clippy::expect_used, reason = "a constant within the range of timestamps")]
fn last_moment() -> Timestamp {
    Timestamp::from_count(253_402_300_799_999_999).expect("in range")
}

struct Sleep {
    runtime: ManualRuntime,
    end: Duration,
    /// Its number among the sleepers and who is woken, once it was asked.
    asleep: Option<(u64, Waker)>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let mut state = guard(&this.runtime.0.state);
        if state.elapsed >= this.end {
            return Poll::Ready(());
        }
        let waker = context.waker();
        let number = match &this.asleep {
            Some((_, known)) if known.will_wake(waker) => return Poll::Pending,
            Some((number, _)) => *number,
            None => {
                state.slept += 1;
                state.slept
            }
        };
        state.sleepers.insert((this.end, number), waker.clone());
        this.asleep = Some((number, waker.clone()));
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some((number, _)) = self.asleep {
            guard(&self.runtime.0.state).sleepers.remove(&(self.end, number));
        }
    }
}
