//! The server of a world: it dies, is started again, and its answers break off when it does.

use crate::server_store::SimServerStore;
use crate::shared::{Shared, guard};
use crate::values::BAD;
use onsync_core::mutation::{MutationKind, Rejection};
use onsync_core::pattern::SyncPattern;
use onsync_core::platform::BoxFuture;
use onsync_core::policy::Validator;
use onsync_core::registry::Registry;
use onsync_core::runtime::Runtime as _;
use onsync_core::schema::{EntitySchema, Schema};
use onsync_core::transport::Answer;
use onsync_core::wire::{AnswerFrame, Health, RequestFrame};
use onsync_core::{Error, Fields, Result, Value, portable_async};
use onsync_server::{Clock, Limits, NoAuthentication, Server, SyncService};
use onsync_testkit::fakes::{Dice, ManualRuntime};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Seconds since 1970 at which worlds begin.
const EPOCH: u64 = 1_767_225_600;

/// The world's time, for the server.
struct WorldClock(ManualRuntime);

impl Clock for WorldClock {
    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    fn now(&self) -> Duration {
        Duration::from_secs(EPOCH) + self.0.elapsed()
    }
}

/// Refuses values that the world marked as bad: what an app's own rules would refuse.
struct NoBadValues;

impl Validator for NoBadValues {
    fn validate(
        &self,
        _entity: &EntitySchema,
        _kind: MutationKind,
        before: Option<&Fields>,
        after: Option<&Fields>,
    ) -> std::result::Result<(), Rejection> {
        let Some(after) = after else { return Ok(()) };
        let bad = after.iter().any(|(name, value)| {
            matches!(value, Value::Text(text) if text.ends_with(BAD))
                && before.is_none_or(|before| before.value(name) != value)
        });
        if !bad {
            return Ok(());
        }
        Err(Rejection {
            code: "invalid_value".to_owned(),
            message: "the server of this world takes no values that end with an exclamation mark".to_owned(),
        })
    }
}

/// What it takes to start a server.
pub(crate) struct Service {
    pub(crate) shared: Arc<Shared>,
    pub(crate) open: Box<dyn Fn() -> Result<Arc<dyn onsync_core::store::server::ServerStore>> + Send + Sync>,
    pub(crate) schema: Schema,
    pub(crate) patterns: Registry<Arc<dyn SyncPattern>>,
    pub(crate) dice: Arc<Mutex<Dice>>,
    pub(crate) running: Mutex<Option<Server>>,
    /// No process is started: an operator is at work on the database.
    pub(crate) closed: AtomicBool,
}

impl Service {
    /// The running server; started again where it died.
    pub(crate) async fn server(&self) -> Result<Server> {
        if self.closed.load(Ordering::Relaxed) {
            // An operator is at work on the database.
            return Err(connection_lost());
        }
        if self.shared.server_down.swap(false, Ordering::Relaxed) {
            *guard(&self.running) = None;
        }
        if let Some(server) = guard(&self.running).clone() {
            return Ok(server);
        }
        self.shared.trace.say(|| "server: starts".to_owned());
        let store = SimServerStore {
            inner: (self.open)()?,
            shared: self.shared.clone(),
            dice: self.dice.clone(),
        };
        let server = Server::builder()
            .schema(self.schema.clone())
            .patterns(self.patterns.clone())
            .store(Arc::new(store))
            .authenticator(NoAuthentication)
            .validator(NoBadValues)
            .limits(Limits::default())
            .clock(WorldClock(self.shared.runtime.clone()))
            .build()
            .await?;
        *guard(&self.running) = Some(server.clone());
        Ok(server)
    }

    /// Ends the server's process, as an operator does before a restore.
    pub(crate) fn stop(&self) {
        *guard(&self.running) = None;
        self.shared.server_life.fetch_add(1, Ordering::Relaxed);
    }
}

fn connection_lost() -> Error {
    Error::transient(
        "connection_lost",
        "the server of this world died while it answered",
    )
}

#[portable_async]
impl SyncService for Service {
    async fn sync(&self, token: Option<&str>, frames: Vec<RequestFrame>) -> Result<Box<dyn Answer>> {
        let server = self.server().await?;
        let life = self.shared.server_life.load(Ordering::Relaxed);
        let answer: BoxFuture<'_, _> = server.sync(token, frames);
        let answer = answer.await;
        if self.shared.server_life.load(Ordering::Relaxed) != life {
            return Err(connection_lost());
        }
        Ok(Box::new(MortalAnswer {
            inner: answer?,
            shared: self.shared.clone(),
            life,
        }))
    }

    fn health(&self) -> Health {
        Health {
            service: "onsync".to_owned(),
            protocol: onsync_core::wire::PROTOCOL,
            max_request_bytes: 16 << 20,
            max_mutations: 10_000,
        }
    }
}

struct MortalAnswer {
    inner: Box<dyn Answer>,
    shared: Arc<Shared>,
    life: u64,
}

#[portable_async]
impl Answer for MortalAnswer {
    async fn next(&mut self) -> Result<Option<AnswerFrame>> {
        if self.shared.server_life.load(Ordering::Relaxed) != self.life {
            return Err(connection_lost());
        }
        let frame = self.inner.next().await;
        if self.shared.server_life.load(Ordering::Relaxed) != self.life {
            return Err(connection_lost());
        }
        frame
    }

    fn bytes(&self) -> u64 {
        self.inner.bytes()
    }
}
