//! A server whose clock a test puts.

use crate::world::{Database, World, patterns};
use onsync_core::runtime::Runtime as _;
use onsync_core::store::server::ServerStore;
use onsync_server::{Clock, Server};
use onsync_sqlite_server_store::{SqliteServerStore, SqliteServerStoreOptions};
use onsync_testkit::fakes::ManualRuntime;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// Seconds beside the right time. What it counts never goes back.
struct PutClock(Arc<AtomicI64>, ManualRuntime);

impl Clock for PutClock {
    fn elapsed(&self) -> Duration {
        self.1.elapsed()
    }

    fn now(&self) -> Duration {
        let right = self.1.now().count() / 1_000_000;
        let put = right + self.0.load(Ordering::Relaxed);
        Duration::from_secs(u64::try_from(put).unwrap())
    }
}

impl World {
    /// The server is started again with a clock that is as many seconds beside the right time as is stored here.
    pub(crate) fn put_clock_of_server(&mut self) -> Arc<AtomicI64> {
        let beside: Arc<AtomicI64> = Arc::default();
        let store: Arc<dyn ServerStore> = match &self.database {
            Database::Memory(store) => Arc::new(store.clone()),
            Database::Sqlite(path) => Arc::new(SqliteServerStore::new(SqliteServerStoreOptions::new(path))),
        };
        let builder = Server::builder()
            .schema((*self.schema).clone())
            .patterns(patterns())
            .store(store)
            .authenticator(onsync_server::NoAuthentication)
            .clock(PutClock(beside.clone(), self.runtime.clone()));
        self.server = self.run(builder.build()).unwrap();
        self.service = Arc::new(self.server.clone());
        beside
    }
}
