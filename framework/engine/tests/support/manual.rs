//! A runtime whose time stands still until a test moves it.

use onsync_core::platform::BoxFuture;
use onsync_core::runtime::Runtime;
use onsync_core::value::Timestamp;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

type Task = (BoxFuture<'static, ()>, Arc<Flag>);

#[derive(Default)]
struct Shared {
    nanos: AtomicU64,
    timers: Mutex<Vec<(Duration, Waker)>>,
    tasks: Mutex<Vec<Task>>,
    draws: AtomicU64,
}

/// Virtual time, one thread. Random draws are all ones, so that a jittered wait is the longest one.
#[derive(Clone, Default)]
pub(crate) struct ManualRuntime(Arc<Shared>);

struct Sleep {
    shared: Arc<Shared>,
    until: Duration,
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if Duration::from_nanos(self.shared.nanos.load(Ordering::SeqCst)) >= self.until {
            return Poll::Ready(());
        }
        self.shared
            .timers
            .lock()
            .unwrap()
            .push((self.until, context.waker().clone()));
        Poll::Pending
    }
}

impl Runtime for ManualRuntime {
    fn now(&self) -> Timestamp {
        let micros = self.elapsed().as_micros() as i64;
        Timestamp::from_count(1_700_000_000_000_000 + micros).unwrap()
    }

    fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.0.nanos.load(Ordering::SeqCst))
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(Sleep {
            shared: self.0.clone(),
            until: self.elapsed() + duration,
        })
    }

    fn spawn(&self, future: BoxFuture<'static, ()>) {
        self.0
            .tasks
            .lock()
            .unwrap()
            .push((future, Arc::new(Flag(AtomicBool::new(true)))));
    }

    fn random(&self, bytes: &mut [u8]) {
        let draw = self.0.draws.fetch_add(1, Ordering::SeqCst).to_le_bytes();
        bytes.fill(0xff);
        // Ids stay unique: the last bytes of longer draws count.
        if bytes.len() >= 10 {
            let end = bytes.len();
            bytes[end - 8..].copy_from_slice(&draw);
        }
    }
}

impl ManualRuntime {
    /// Runs every task until none can go on.
    pub(crate) fn settle(&self) {
        let mut idle = Vec::new();
        loop {
            let tasks = std::mem::take(&mut *self.0.tasks.lock().unwrap());
            if tasks.is_empty() && !idle.iter().any(|(_, flag): &Task| flag.0.load(Ordering::SeqCst)) {
                break;
            }
            idle.extend(tasks);
            let mut kept = Vec::new();
            for (mut future, flag) in idle {
                let woken = flag.0.swap(false, Ordering::SeqCst);
                let waker = flag.clone().into();
                if !woken
                    || future
                        .as_mut()
                        .poll(&mut Context::from_waker(&waker))
                        .is_pending()
                {
                    kept.push((future, flag));
                }
            }
            idle = kept;
        }
        self.0.tasks.lock().unwrap().extend(idle);
    }

    /// Moves time on, from timer to timer.
    pub(crate) fn advance(&self, by: Duration) {
        let end = self.elapsed() + by;
        self.settle();
        while let Some(next) = self.next_timer().filter(|next| *next <= end) {
            self.move_to(next);
        }
        self.move_to(end);
    }

    fn next_timer(&self) -> Option<Duration> {
        self.0
            .timers
            .lock()
            .unwrap()
            .iter()
            .map(|(until, _)| *until)
            .min()
    }

    fn move_to(&self, to: Duration) {
        self.0.nanos.fetch_max(to.as_nanos() as u64, Ordering::SeqCst);
        let timers = std::mem::take(&mut *self.0.timers.lock().unwrap());
        let (due, later): (Vec<_>, Vec<_>) = timers.into_iter().partition(|(until, _)| *until <= to);
        self.0.timers.lock().unwrap().extend(later);
        due.into_iter().for_each(|(_, waker)| waker.wake());
        self.settle();
    }

    /// Runs a future to its end without moving time.
    pub(crate) fn now_or_stuck<F: Future>(&self, future: F) -> F::Output {
        let mut future = std::pin::pin!(future);
        let flag = Arc::new(Flag(AtomicBool::new(true)));
        let waker = flag.clone().into();
        while flag.0.swap(false, Ordering::SeqCst) {
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return output;
            }
            self.settle();
        }
        panic!("the future waits for time to pass, or for ever");
    }
}
