//! A server of which there is nothing but its health.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers of a test fail by panicking, as the test does"
)]

use onsync_core::transport::{Answer, Exchange, Transport};
use onsync_core::wire::Health;
use onsync_core::{Error, ErrorKind, Result, portable_async};
use onsync_testkit::network::World;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Answers as the world is; none is silent for ever.
pub(crate) struct Server {
    world: Mutex<Option<World>>,
    probes: AtomicUsize,
    broken: AtomicUsize,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            world: Mutex::new(Some(World::Online)),
            probes: AtomicUsize::new(0),
            broken: AtomicUsize::new(0),
        }
    }
}

impl Server {
    pub(crate) fn turn(&self, world: World) {
        *self.world.lock().unwrap() = Some(world);
    }

    /// From now on nothing is answered, and nothing refused.
    #[allow(dead_code, reason = "not every test file needs it")]
    pub(crate) fn fall_silent(&self) {
        *self.world.lock().unwrap() = None;
    }

    /// So many of the next connections break when they are used.
    #[allow(dead_code, reason = "not every test file needs it")]
    pub(crate) fn break_connections(&self, number: usize) {
        self.broken.store(number, Ordering::SeqCst);
    }

    /// How often it was asked since the last call.
    #[allow(dead_code, reason = "not every test file needs it")]
    pub(crate) fn probes(&self) -> usize {
        self.probes.swap(0, Ordering::SeqCst)
    }
}

#[portable_async]
impl Transport for Server {
    async fn exchange(&self, _: Exchange) -> Result<Box<dyn Answer>> {
        Err(Error::fatal("x", "nothing is exchanged in these tests"))
    }

    async fn health(&self) -> Result<Health> {
        self.probes.fetch_add(1, Ordering::SeqCst);
        let left = |broken: usize| broken.checked_sub(1);
        if self
            .broken
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, left)
            .is_ok()
        {
            return Err(Error::transient("connection_lost", "broken"));
        }
        let world = *self.world.lock().unwrap();
        match world {
            None => std::future::pending().await,
            Some(World::Online) => Ok(Health {
                service: "onsync".to_owned(),
                protocol: 1,
                max_request_bytes: 1,
                max_mutations: 1,
            }),
            Some(World::Portal) => Err(Error::new(ErrorKind::Offline, "not_onsync", "a page")),
            Some(World::ServerAway | World::NoNetwork) => Err(Error::offline("server_unreachable", "nobody")),
        }
    }
}
