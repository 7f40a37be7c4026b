//! Builds an [`App`], from a configuration and registries or from parts.

use crate::app::App;
use crate::config::{ASSUMED, Config, StoreSettings, TransportSettings};
use crate::network::{NetworkMonitorParts, NetworkMonitors, configured, named};
use crate::session::{Made, Stage, Stores};
use crate::sync::Limits;
use futures_util::future::{Either, select};
use onsync_core::conflict::ConflictResolver;
use onsync_core::handler::OnSync;
use onsync_core::network::{NetworkMonitor, NetworkStatus};
use onsync_core::ordered::BTreeMap;
use onsync_core::pattern::{Direction, SyncPattern};
use onsync_core::platform::{MaybeSend, MaybeSync};
use onsync_core::registry::Registry;
use onsync_core::resolvers::MANUAL;
use onsync_core::runtime::Runtime;
use onsync_core::schema::{LocalEdits, Schema};
use onsync_core::store::local::LocalStore;
use onsync_core::transport::{CredentialsProvider, Transport};
use onsync_core::{Error, Result};
use std::pin::pin;
use std::sync::Arc;

/// Makes a plug-in from its settings; a closure will do.
pub trait Factory<S, T: ?Sized>: MaybeSend + MaybeSync {
    /// Makes it.
    ///
    /// # Errors
    /// What is wrong with the settings, saying which key.
    fn make(&self, settings: &S) -> Result<Arc<T>>;
}

impl<S, T: ?Sized, F: Fn(&S) -> Result<Arc<T>> + MaybeSend + MaybeSync> Factory<S, T> for F {
    fn make(&self, settings: &S) -> Result<Arc<T>> {
        self(settings)
    }
}

/// Plug-ins by the names that a configuration uses.
#[derive(Clone)]
pub struct Registries {
    /// Sync patterns.
    pub patterns: Registry<Arc<dyn SyncPattern>>,
    /// Stores, made from `[store]`.
    pub stores: Registry<Arc<dyn Factory<StoreSettings, dyn LocalStore>>>,
    /// Transports, made from `[transport]`.
    pub transports: Registry<Arc<dyn Factory<TransportSettings, dyn Transport>>>,
    /// Conflict resolvers.
    pub resolvers: Registry<Arc<dyn ConflictResolver>>,
    /// Network monitors, made from `[network.<name>]`, the transport and the runtime.
    pub network_monitors: NetworkMonitors,
}

impl Default for Registries {
    fn default() -> Self {
        Self {
            patterns: Registry::new("pattern"),
            stores: Registry::new("store"),
            transports: Registry::new("transport"),
            resolvers: Registry::new("resolver"),
            network_monitors: Registry::new("network monitor"),
        }
    }
}

impl Registries {
    /// Registries without any plug-in.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a pattern under its own name.
    ///
    /// # Errors
    /// `duplicate_plugin`.
    pub fn pattern(&mut self, pattern: impl SyncPattern + 'static) -> Result<()> {
        self.patterns.register(pattern.name(), Arc::new(pattern))
    }

    /// Adds a conflict resolver under its own name.
    ///
    /// # Errors
    /// `duplicate_plugin`.
    pub fn resolver(&mut self, resolver: impl ConflictResolver + 'static) -> Result<()> {
        self.resolvers.register(resolver.name(), Arc::new(resolver))
    }

    /// Adds a store.
    ///
    /// # Errors
    /// `duplicate_plugin`.
    pub fn store(
        &mut self,
        name: &str,
        factory: impl Fn(&StoreSettings) -> Result<Arc<dyn LocalStore>> + MaybeSend + MaybeSync + 'static,
    ) -> Result<()> {
        self.stores.register(name, Arc::new(factory))
    }

    /// Adds a transport.
    ///
    /// # Errors
    /// `duplicate_plugin`.
    pub fn transport(
        &mut self,
        name: &str,
        factory: impl Fn(&TransportSettings) -> Result<Arc<dyn Transport>> + MaybeSend + MaybeSync + 'static,
    ) -> Result<()> {
        self.transports.register(name, Arc::new(factory))
    }

    /// Checks that the network monitors a configuration names are registered, without making them.
    ///
    /// # Errors
    /// `unknown_plugin`, `config_unknown_word`, with the place of the key.
    pub fn check_network(&self, config: &Config) -> Result<()> {
        named(config, &self.network_monitors).map(drop)
    }

    /// Checks that the conflict resolvers a configuration names are registered, and that each can work for its entity.
    ///
    /// # Errors
    /// `unknown_plugin`, and what a resolver says that its entity lacks, with the place of the key.
    pub fn check_resolvers(&self, config: &Config) -> Result<()> {
        resolvers(config, self).map(drop)
    }

    /// Adds a network monitor.
    ///
    /// # Errors
    /// `duplicate_plugin`; `invalid_plugin_name` for a name with a `+`, which joins monitors, and for the keys of `[network]`.
    pub fn network_monitor(
        &mut self,
        name: &str,
        factory: impl Fn(&NetworkMonitorParts) -> Result<Arc<dyn NetworkMonitor>>
        + MaybeSend
        + MaybeSync
        + 'static,
    ) -> Result<()> {
        if name.contains('+') || [ASSUMED, "kind", ""].contains(&name.trim()) {
            return Err(Error::fatal(
                "invalid_plugin_name",
                format!(
                    "a network monitor cannot be called `{name}`: wanted a name without `+`, other than `kind` and `{ASSUMED}`"
                ),
            ));
        }
        self.network_monitors.register(name, Arc::new(factory))
    }
}

/// Builds an [`App`]. What is set here goes before what the configuration names.
pub struct OnSyncBuilder {
    config: Config,
    registries: Registries,
    store: Option<Arc<dyn LocalStore>>,
    transport: Option<Arc<dyn Transport>>,
    runtime: Option<Arc<dyn Runtime>>,
    credentials: Option<Arc<dyn CredentialsProvider>>,
    handler: Option<Arc<dyn OnSync>>,
    monitor: Option<Arc<dyn NetworkMonitor>>,
}

impl OnSyncBuilder {
    /// From a configuration and the plug-ins it may name.
    pub fn new(config: Config, registries: Registries) -> Self {
        Self {
            config,
            registries,
            store: None,
            transport: None,
            runtime: None,
            credentials: None,
            handler: None,
            monitor: None,
        }
    }

    /// From a schema, for building by hand: patterns, store and transport follow.
    ///
    /// # Errors
    /// What [`Schema::check`] finds.
    pub fn by_hand(schema: Schema) -> Result<Self> {
        Ok(Self::new(Config::from_schema(schema)?, Registries::new()))
    }

    /// The configuration, to change settings by hand.
    pub fn config_mut(&mut self) -> &mut Config {
        &mut self.config
    }

    /// Adds a pattern.
    ///
    /// # Errors
    /// `duplicate_plugin`.
    pub fn pattern(mut self, pattern: impl SyncPattern + 'static) -> Result<Self> {
        self.registries.pattern(pattern)?;
        Ok(self)
    }

    /// Adds a conflict resolver.
    ///
    /// # Errors
    /// `duplicate_plugin`.
    pub fn resolver(mut self, resolver: impl ConflictResolver + 'static) -> Result<Self> {
        self.registries.resolver(resolver)?;
        Ok(self)
    }

    /// The store.
    #[must_use]
    pub fn store(mut self, store: Arc<dyn LocalStore>) -> Self {
        self.store = Some(store);
        self
    }

    /// Adds a kind of store, to name in `store.kind`. It is made anew for each user where `store.path` holds `{user}`.
    ///
    /// # Errors
    /// `duplicate_plugin`.
    pub fn store_kind(
        mut self,
        name: &str,
        factory: impl Fn(&StoreSettings) -> Result<Arc<dyn LocalStore>> + MaybeSend + MaybeSync + 'static,
    ) -> Result<Self> {
        self.registries.store(name, factory)?;
        Ok(self)
    }

    /// The transport.
    #[must_use]
    pub fn transport(mut self, transport: Arc<dyn Transport>) -> Self {
        self.transport = Some(transport);
        self
    }

    /// The runtime; natively a background runtime is started if none is given.
    #[must_use]
    pub fn runtime(mut self, runtime: Arc<dyn Runtime>) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// Who is signed in.
    #[must_use]
    pub fn credentials(mut self, provider: Arc<dyn CredentialsProvider>) -> Self {
        self.credentials = Some(provider);
        self
    }

    /// The app's own sync handler, which replaces the default run.
    #[must_use]
    pub fn handler(mut self, handler: Arc<dyn OnSync>) -> Self {
        self.handler = Some(handler);
        self
    }

    /// The network monitor.
    #[must_use]
    pub fn network_monitor(mut self, monitor: Arc<dyn NetworkMonitor>) -> Self {
        self.monitor = Some(monitor);
        self
    }

    /// Opens the store and starts the background work. With a store per user, and where the last user has signed out, no store is
    /// open yet: the app waits for [`App::login`].
    ///
    /// # Errors
    /// What the configuration names but nobody registered (`unknown_plugin`), what this version does not do
    /// (`not_yet_supported`), and those of the store.
    pub async fn build(self) -> Result<App> {
        let config = &self.config;
        let (schema, patterns) = patterns(config, &self.registries)?;
        let resolvers = resolvers(config, &self.registries)?;
        config.refuse_later_keys()?;
        if self.monitor.is_none() {
            self.registries.check_network(config)?;
        }
        let stores = self.stores()?;
        let transport = match &self.transport {
            Some(transport) => transport.clone(),
            None => config
                .look_up(
                    &self.registries.transports,
                    &config.transport.kind,
                    &["transport", "kind"],
                )?
                .make(&config.transport)?,
        };
        let runtime = match self.runtime {
            Some(runtime) => runtime,
            None => default_runtime()?,
        };
        let monitor = match &self.monitor {
            Some(monitor) => Some(monitor.clone()),
            None => configured(config, &self.registries.network_monitors, &transport, &runtime)?,
        };
        let network = monitor
            .as_ref()
            .map_or_else(NetworkStatus::assumed, |monitor| monitor.current());
        let stage = Stage::new(Made {
            schema: Arc::new(schema),
            patterns: Arc::new(patterns),
            resolvers: Arc::new(resolvers),
            limits: limits(config),
            config: self.config,
            runtime,
            transport,
            handler: self.handler,
            credentials: self.credentials,
            stores,
            monitor: monitor.clone(),
            network,
        });
        stage.begin().await?;
        if let Some(monitor) = monitor {
            let runtime = stage.runtime().clone();
            runtime.spawn(Box::pin(follow(stage.clone(), monitor, network)));
        }
        Ok(App::new(stage))
    }

    /// The one store, or how to make one for each user.
    fn stores(&self) -> Result<Stores> {
        let config = &self.config;
        if let Some(store) = &self.store {
            return Ok(Stores::One(store.clone()));
        }
        let factory = config.look_up(&self.registries.stores, &config.store.kind, &["store", "kind"])?;
        if config.store.is_per_user() {
            return Ok(Stores::PerUser(factory.clone()));
        }
        factory.make(&config.store).map(Stores::One)
    }

    /// As [`OnSyncBuilder::build`], on this thread.
    ///
    /// # Errors
    /// As there.
    #[cfg(feature = "native")]
    pub fn build_blocking(self) -> Result<App> {
        crate::runtime::block_on(self.build())
    }
}

#[cfg(feature = "native")]
fn default_runtime() -> Result<Arc<dyn Runtime>> {
    Ok(Arc::new(crate::runtime::BackgroundRuntime::start()?))
}

#[cfg(not(feature = "native"))]
fn default_runtime() -> Result<Arc<dyn Runtime>> {
    Err(Error::unsupported(
        "missing_runtime",
        "this build has no runtime of its own; hand one to the builder",
    ))
}

/// Patterns by entity.
pub(crate) type Patterns = BTreeMap<String, Arc<dyn SyncPattern>>;

/// Each entity's pattern, and the schema with what the patterns say about it.
fn patterns(config: &Config, registries: &Registries) -> Result<(Schema, Patterns)> {
    let mut schema = config.schema.clone();
    let mut patterns = Patterns::new();
    for entity in schema.entities.iter_mut().filter(|entity| !entity.local) {
        let path = ["entities", &entity.name, "pattern"];
        let pattern = config.look_up(&registries.patterns, &entity.pattern, &path)?;
        entity.refuse_local_writes =
            pattern.direction() == Direction::ReadOnly && entity.local_edits == LocalEdits::Refuse;
        patterns.insert(entity.name.clone(), pattern.clone());
    }
    Ok((schema, patterns))
}

/// Resolvers by entity.
pub(crate) type Resolvers = BTreeMap<String, Arc<dyn ConflictResolver>>;

/// The resolver that each entity names; `manual` needs none.
fn resolvers(config: &Config, registries: &Registries) -> Result<Resolvers> {
    let mut resolvers = Resolvers::new();
    for entity in config.schema.entities.iter().filter(|entity| !entity.local) {
        let path = ["entities", &entity.name, "resolver"];
        let Some(name) = config.text_at(&path).filter(|name| name != MANUAL) else {
            continue;
        };
        let resolver = config.look_up(&registries.resolvers, &name, &path)?;
        resolver
            .check(entity)
            .map_err(|error| error.at(config.place_of(&path)))?;
        resolvers.insert(entity.name.clone(), resolver.clone());
    }
    Ok(resolvers)
}

fn limits(config: &Config) -> Limits {
    Limits {
        page_rows: config.store.page_rows,
        page_bytes: config.store.page_bytes,
        max_request_bytes: config.limits.max_request_bytes,
        max_record_bytes: config.limits.max_record_bytes,
        group_limit: config.limits.group_limit,
        group_bytes: config.limits.group_bytes,
        refresh_limit: config.limits.refresh_limit,
        bin_keep: config.limits.bin_keep,
        bin_bytes: config.limits.bin_bytes,
        bins: config.limits.bins.clone(),
        ..Limits::default()
    }
}

/// Passes on what the monitor sees.
async fn follow(stage: Arc<Stage>, monitor: Arc<dyn NetworkMonitor>, mut seen: NetworkStatus) {
    loop {
        match select(pin!(monitor.changed(seen)), pin!(stage.until_closed())).await {
            Either::Left((network, _)) => {
                seen = network;
                stage.network_changed(network);
            }
            Either::Right(_) => return,
        }
    }
}
