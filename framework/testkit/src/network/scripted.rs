//! A network monitor whose status a test sets: the reference.

use onsync_core::network::{NetworkMonitor, NetworkNews, NetworkStatus, StatusCell};
use onsync_core::portable_async;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Sees what it is told to see, and remembers the news it got.
#[derive(Debug)]
pub struct ScriptedMonitor {
    cell: StatusCell,
    news: Mutex<Vec<NetworkNews>>,
}

impl ScriptedMonitor {
    /// A monitor that sees this.
    pub fn new(status: NetworkStatus) -> Self {
        Self {
            cell: StatusCell::new(status),
            news: Mutex::default(),
        }
    }

    /// Makes it see this.
    pub fn set(&self, status: NetworkStatus) {
        self.cell.set(status);
    }

    /// The news since the last call.
    pub fn news(&self) -> Vec<NetworkNews> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<NetworkNews>> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[portable_async]
impl NetworkMonitor for ScriptedMonitor {
    fn current(&self) -> NetworkStatus {
        self.cell.get()
    }

    async fn changed(&self, seen: NetworkStatus) -> NetworkStatus {
        self.cell.changed(seen).await
    }

    fn note(&self, news: NetworkNews) -> bool {
        self.lock().push(news);
        false
    }
}
