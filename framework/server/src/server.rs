//! The server: one request's way through authenticate → bound → authorise → decide → commit → select → answer.

use crate::answer::{Asker, ServerAnswer};
use crate::batch::Batch;
use crate::builder::ServerBuilder;
use crate::catalog::Catalog;
use crate::checkpoint::Seals;
use crate::history::History;
use crate::limits::Limits;
use crate::maintenance;
use crate::receipt::Owner;
use crate::request::Request;
use crate::seen;
use crate::service::SyncService;
use onsync_core::error::Result;
use onsync_core::policy::{Authenticator, Authorizer, ServerHooks, Validator};
use onsync_core::portable_async;
use onsync_core::schema::Schema;
use onsync_core::store::server::{Attached, ServerStore};
use onsync_core::transport::Answer;
use onsync_core::wire::{Health, PROTOCOL, RequestFrame};
use std::sync::Arc;
use std::time::Duration;
use tracing::Instrument as _;

/// Answers sync requests from one database. Cheap to clone; holds nothing between requests that another process on the
/// same database would have to know.
#[derive(Clone)]
pub struct Server {
    inner: Arc<Inner>,
}

/// What the parts of a server share.
pub(crate) struct Inner {
    pub(crate) catalog: Catalog,
    pub(crate) store: Arc<dyn ServerStore>,
    pub(crate) authenticator: Arc<dyn Authenticator>,
    pub(crate) authorizer: Arc<dyn Authorizer>,
    pub(crate) validators: Vec<Arc<dyn Validator>>,
    pub(crate) hooks: Vec<Arc<dyn ServerHooks>>,
    pub(crate) limits: Limits,
    pub(crate) history: History,
    pub(crate) attached: Attached,
}

impl Server {
    /// Starts building a server.
    pub fn builder() -> ServerBuilder {
        ServerBuilder::new()
    }

    pub(crate) fn from_inner(inner: Inner) -> Self {
        Self {
            inner: Arc::new(inner),
        }
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.inner
    }

    /// What was configured.
    pub fn schema(&self) -> &Schema {
        &self.inner.catalog.schema
    }

    /// What attaching to the database found.
    pub fn attached(&self) -> &Attached {
        &self.inner.attached
    }

    /// The bounds in force.
    pub fn limits(&self) -> &Limits {
        &self.inner.limits
    }

    /// Makes a new key to seal checkpoints with. Checkpoints sealed with the key before it stay valid; devices with older ones
    /// fetch again.
    ///
    /// # Errors
    /// `store_unavailable`, `store_busy`.
    pub async fn rotate_checkpoint_key(&self) -> Result<()> {
        Seals::rotate(self.inner.store.as_ref()).await
    }

    /// Forgets deletions that are older than `keep`, and what only checkpoints of that age needed: their devices fetch again. Empties
    /// the bin of what is beyond [`Limits::bin_keep`] and [`Limits::bin_bytes`].
    /// To be called now and then, about once an hour; also when several processes serve one database.
    ///
    /// # Errors
    /// `store_unavailable`, `store_busy`.
    pub async fn maintain(&self, keep: Duration) -> Result<()> {
        maintenance::maintain(&self.inner, keep).await
    }

    async fn answer(&self, token: Option<&str>, frames: Vec<RequestFrame>) -> Result<ServerAnswer> {
        let inner = &self.inner;
        let principal = inner.authenticator.authenticate(token).await?;
        let mut request = Request::parse(frames, &inner.catalog, &inner.limits)?;
        request.authorise(&principal, inner.authorizer.as_ref());
        let span = tracing::Span::current();
        span.record("instance", tracing::field::display(request.hello.instance));
        span.record("entities", request.asked.len());
        span.record("mutations", request.items.len());
        let owner = Owner::of(&principal, request.hello.instance);
        let settled_to = request.hello.settled_to;
        let batch = Batch {
            server: inner,
            principal: &principal,
            request: &request,
            owner,
        };
        let (outcomes, echo) = batch.run().await?;
        for frame in &outcomes {
            tracing::debug!(mutation = %frame.id, outcome = frame.outcome.as_str(), "outcome");
        }
        let seen = seen::seen(inner, &principal, &request).await?;
        if seen.restored {
            request.void_checkpoints();
        }
        let asker = Asker {
            server: Arc::clone(inner),
            principal,
            owner,
            settled_to,
        };
        Ok(ServerAnswer::new(asker, request, outcomes, echo, seen, span))
    }
}

#[portable_async]
impl SyncService for Server {
    async fn sync(&self, token: Option<&str>, frames: Vec<RequestFrame>) -> Result<Box<dyn Answer>> {
        let span = tracing::info_span!(
            "sync",
            instance = tracing::field::Empty,
            entities = tracing::field::Empty,
            mutations = tracing::field::Empty
        );
        let answer = self.answer(token, frames).instrument(span).await?;
        Ok(Box::new(answer))
    }

    fn health(&self) -> Health {
        let limits = &self.inner.limits;
        Health {
            service: "onsync".to_owned(),
            protocol: PROTOCOL,
            max_request_bytes: u64::try_from(limits.max_request_bytes).unwrap_or(u64::MAX),
            max_mutations: u32::try_from(limits.max_mutations).unwrap_or(u32::MAX),
        }
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("entities", &self.inner.catalog.schema.entities.len())
            .field("limits", &self.inner.limits)
            .finish_non_exhaustive()
    }
}
