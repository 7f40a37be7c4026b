//! The background runtime of native apps: a few threads of its own, so that an app needs no runtime and is never blocked.

use onsync_core::platform::BoxFuture;
use onsync_core::runtime::Runtime;
use onsync_core::value::Timestamp;
use onsync_core::{Error, Result};
use std::future::Future;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const THREAD: &str = "onsync";
const THREADS: usize = 2;
/// Longer sleeps end early; whoever sleeps looks again.
const LONGEST_SLEEP: Duration = Duration::from_secs(86_400 * 30);

/// Runs everything OnSync does in the background. Dropping it stops what is still running without waiting for it.
pub struct BackgroundRuntime {
    tokio: Option<tokio::runtime::Runtime>,
    handle: tokio::runtime::Handle,
    started: Instant,
}

impl BackgroundRuntime {
    /// Starts the threads.
    ///
    /// # Errors
    /// `no_threads` when the system gives none.
    pub fn start() -> Result<Self> {
        let tokio = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name(THREAD)
            .enable_all()
            .build()
            .map_err(|error| {
                Error::fatal(
                    "no_threads",
                    format!("the system gives no threads for the background: {error}"),
                )
                .with_source(error)
            })?;
        Ok(Self {
            handle: tokio.handle().clone(),
            tokio: Some(tokio),
            started: Instant::now(),
        })
    }
}

impl Drop for BackgroundRuntime {
    fn drop(&mut self) {
        if let Some(tokio) = self.tokio.take() {
            // The last handle may be dropped anywhere, also inside an async context, where waiting is forbidden.
            tokio.shutdown_background();
        }
    }
}

impl Runtime for BackgroundRuntime {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let micros = i64::try_from(since.as_micros()).unwrap_or_default();
        Timestamp::from_count(micros).unwrap_or_else(|_| crate::time::epoch())
    }

    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let _inside = self.handle.enter();
        Box::pin(tokio::time::sleep(duration.min(LONGEST_SLEEP)))
    }

    fn spawn(&self, future: BoxFuture<'static, ()>) {
        self.handle.spawn(future);
    }

    fn random(&self, bytes: &mut [u8]) {
        if getrandom::fill(bytes).is_err() {
            // The standard library seeds its hash maps from the same source, and keeps what it got at start.
            for chunk in bytes.chunks_mut(8) {
                let number = RandomState::new().build_hasher().finish().to_le_bytes();
                chunk.copy_from_slice(&number[..chunk.len()]);
            }
        }
    }
}

struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Calls what belongs to the app and may block: the background threads go on with other work meanwhile.
pub(crate) fn may_block<T>(work: impl FnOnce() -> T) -> T {
    let ours = std::thread::current().name() == Some(THREAD);
    if ours && tokio::runtime::Handle::try_current().is_ok() {
        return tokio::task::block_in_place(work);
    }
    work()
}

/// Waits for a future on this thread. It needs no runtime and minds none that is around.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let ours = std::thread::current().name() == Some(THREAD);
    if ours && tokio::runtime::Handle::try_current().is_ok() {
        // A listener or handler that blocks: its thread is replaced while it waits.
        return tokio::task::block_in_place(|| park(future));
    }
    park(future)
}

fn park<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Arc::new(Unpark(std::thread::current())).into();
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}
