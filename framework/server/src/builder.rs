//! Builds a server from its parts.

use crate::authorise::EveryoneMayEverything;
use crate::catalog::Catalog;
use crate::history::History;
use crate::limits::{Clock, Limits, SystemClock};
use crate::server::{Inner, Server};
use onsync_core::error::{Error, Result};
use onsync_core::pattern::SyncPattern;
use onsync_core::policy::{Authenticator, Authorizer, ServerHooks, Validator};
use onsync_core::registry::Registry;
use onsync_core::schema::Schema;
use onsync_core::store::server::ServerStore;
use std::sync::Arc;

/// Collects what a server needs: at least a schema, its patterns, a store and an authenticator.
pub struct ServerBuilder {
    schema: Schema,
    patterns: Registry<Arc<dyn SyncPattern>>,
    store: Option<Arc<dyn ServerStore>>,
    authenticator: Option<Arc<dyn Authenticator>>,
    authorizer: Arc<dyn Authorizer>,
    validators: Vec<Arc<dyn Validator>>,
    hooks: Vec<Arc<dyn ServerHooks>>,
    limits: Limits,
    clock: Box<dyn Clock>,
}

impl ServerBuilder {
    pub(crate) fn new() -> Self {
        Self {
            schema: Schema::default(),
            patterns: Registry::new("pattern"),
            store: None,
            authenticator: None,
            authorizer: Arc::new(EveryoneMayEverything),
            validators: Vec::new(),
            hooks: Vec::new(),
            limits: Limits::default(),
            clock: Box::new(SystemClock::default()),
        }
    }

    /// What syncs.
    #[must_use]
    pub fn schema(mut self, schema: Schema) -> Self {
        self.schema = schema;
        self
    }

    /// The patterns the schema names.
    #[must_use]
    pub fn patterns(mut self, patterns: Registry<Arc<dyn SyncPattern>>) -> Self {
        self.patterns = patterns;
        self
    }

    /// The database.
    #[must_use]
    pub fn store(mut self, store: Arc<dyn ServerStore>) -> Self {
        self.store = Some(store);
        self
    }

    /// Tells who speaks. There is no default: say [`NoAuthentication`](crate::NoAuthentication) for none.
    #[must_use]
    pub fn authenticator(mut self, authenticator: impl Authenticator + 'static) -> Self {
        self.authenticator = Some(Arc::new(authenticator));
        self
    }

    /// Decides who may do what; [`EveryoneMayEverything`] unless given.
    #[must_use]
    pub fn authorizer(mut self, authorizer: impl Authorizer + 'static) -> Self {
        self.authorizer = Arc::new(authorizer);
        self
    }

    /// Adds a check of contents. All are asked, in order.
    #[must_use]
    pub fn validator(mut self, validator: impl Validator + 'static) -> Self {
        self.validators.push(Arc::new(validator));
        self
    }

    /// Adds logic around commits. All are called, in order.
    #[must_use]
    pub fn hooks(mut self, hooks: impl ServerHooks + 'static) -> Self {
        self.hooks.push(Arc::new(hooks));
        self
    }

    /// The bounds.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The clock that paces history marks; the system's unless given.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// Checks the configuration and attaches to the database.
    ///
    /// # Errors
    /// `missing_part` without store or authenticator; what [`Schema::check`] finds; `unknown_plugin` for a pattern that is not
    /// registered; what [`ServerStore::attach`] finds.
    pub async fn build(self) -> Result<Server> {
        let store = self.store.ok_or_else(|| missing("store"))?;
        let authenticator = self.authenticator.ok_or_else(|| missing("authenticator"))?;
        let catalog = Catalog::new(self.schema, &self.patterns)?;
        let attached = store.attach(&catalog.attached()).await?;
        for warning in &attached.warnings {
            tracing::warn!(warning, "attached");
        }
        for entity in &attached.reset {
            tracing::warn!(
                entity,
                "change tracking was installed: devices fetch this entity again"
            );
        }
        let history = History::new(self.clock);
        history.begin(store.as_ref()).await?;
        Ok(Server::from_inner(Inner {
            catalog,
            store,
            authenticator,
            authorizer: self.authorizer,
            validators: self.validators,
            hooks: self.hooks,
            limits: self.limits,
            history,
            attached,
        }))
    }
}

impl std::fmt::Debug for ServerBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerBuilder")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

fn missing(part: &str) -> Error {
    Error::fatal(
        "missing_part",
        format!("a server needs `{part}`; give the builder one before `build`"),
    )
}
