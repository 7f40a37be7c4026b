//! A network status that one part sets and others wait for: what most monitors are built around.

use super::NetworkStatus;
use crate::ordered::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// A status with those who wait for another. It keeps the part of the contract of [`NetworkMonitor`](super::NetworkMonitor) that
/// is about waiting: no change is lost, everybody hears of it, who gives up disturbs nobody.
///
/// ```
/// # use onsync_core::network::{NetworkStatus, OfflineReason, StatusCell};
/// let cell = StatusCell::new(NetworkStatus::assumed());
/// cell.set(NetworkStatus::offline(OfflineReason::NoNetwork));
/// assert!(!cell.get().online);
/// ```
#[derive(Debug)]
pub struct StatusCell(Mutex<State>);

#[derive(Debug)]
struct State {
    status: NetworkStatus,
    waiting: BTreeMap<u64, Waker>,
    numbers: u64,
}

impl StatusCell {
    /// A cell that holds this status.
    pub fn new(status: NetworkStatus) -> Self {
        Self(Mutex::new(State {
            status,
            waiting: BTreeMap::new(),
            numbers: 0,
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change of the state is whole, so it is usable also after a panic of a holder.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The status now.
    pub fn get(&self) -> NetworkStatus {
        self.state().status
    }

    /// Sets the status, and wakes those who wait if it is another. A status that is online loses its reason.
    pub fn set(&self, mut status: NetworkStatus) {
        if status.online {
            status.reason = None;
        }
        let woken = {
            let mut state = self.state();
            if state.status == status {
                return;
            }
            state.status = status;
            std::mem::take(&mut state.waiting)
        };
        for waker in woken.into_values() {
            waker.wake();
        }
    }

    /// Waits until the status is another than `seen`, and gives it.
    pub fn changed(&self, seen: NetworkStatus) -> impl Future<Output = NetworkStatus> {
        Changed {
            cell: self,
            seen,
            number: None,
        }
    }
}

struct Changed<'a> {
    cell: &'a StatusCell,
    seen: NetworkStatus,
    number: Option<u64>,
}

impl Future for Changed<'_> {
    type Output = NetworkStatus;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<NetworkStatus> {
        let cell = self.cell;
        let mut state = cell.state();
        if state.status != self.seen {
            return Poll::Ready(state.status);
        }
        let number = *self.number.get_or_insert_with(|| {
            state.numbers += 1;
            state.numbers
        });
        state.waiting.insert(number, context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Changed<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.cell.state().waiting.remove(&number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{NetworkKind, OfflineReason};

    #[test]
    fn who_gives_up_leaves_nothing_behind() {
        let cell = StatusCell::new(NetworkStatus::assumed());
        let mut context = Context::from_waker(Waker::noop());
        {
            let mut waiting = std::pin::pin!(cell.changed(NetworkStatus::assumed()));
            assert!(waiting.as_mut().poll(&mut context).is_pending());
            assert_eq!(cell.state().waiting.len(), 1);
        }
        assert!(cell.state().waiting.is_empty());
    }

    #[test]
    fn what_is_online_has_no_reason_to_be_offline() {
        let cell = StatusCell::new(NetworkStatus::assumed());
        cell.set(NetworkStatus {
            reason: Some(OfflineReason::NoNetwork),
            ..NetworkStatus::online(NetworkKind::Wifi)
        });
        assert_eq!(cell.get(), NetworkStatus::online(NetworkKind::Wifi));
    }

    #[test]
    fn a_mobile_network_of_unknown_cost_is_taken_for_a_metered_one() {
        let cellular = NetworkStatus::online(NetworkKind::Cellular);
        assert!(cellular.is_metered());
        let free = NetworkStatus {
            metered: Some(false),
            ..cellular
        };
        assert!(!free.is_metered());
        assert!(!NetworkStatus::assumed().is_metered());
    }
}
