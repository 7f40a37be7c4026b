//! Somebody who waits for a change, one look at a time.

use onsync_core::network::{NetworkMonitor, NetworkStatus};
use onsync_core::platform::BoxFuture;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A wait that has begun.
pub(super) struct Waiter<'a> {
    future: BoxFuture<'a, NetworkStatus>,
    woken: Arc<Flag>,
}

impl<'a> Waiter<'a> {
    /// Somebody who has seen this status and waits for another.
    pub(super) fn new(monitor: &'a dyn NetworkMonitor, seen: NetworkStatus) -> Self {
        Self {
            future: monitor.changed(seen),
            // What has not been looked at yet is due.
            woken: Arc::new(Flag(AtomicBool::new(true))),
        }
    }

    /// Looks whether the wait has ended, as an executor would: only if it was woken since the last look.
    pub(super) fn look(&mut self) -> Option<NetworkStatus> {
        if !self.woken.0.swap(false, Ordering::SeqCst) {
            return None;
        }
        let waker = Waker::from(self.woken.clone());
        match self.future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(status) => Some(status),
            Poll::Pending => None,
        }
    }

    /// Whether somebody woke the wait since the last look.
    pub(super) fn is_woken(&self) -> bool {
        self.woken.0.load(Ordering::SeqCst)
    }
}
