//! The server of a configuration: a database on SQLite, and the routes to serve it with.
//!
//! ```no_run
//! # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
//! let config = onsync::config::Config::load_server("onsync.toml", "onsync.server.toml")?;
//! let served = onsync::server::from_config(&config, &onsync::registries()).await?;
//! for warning in &served.server.attached().warnings {
//!     eprintln!("{warning}");
//! }
//! let listener = tokio::net::TcpListener::bind(&config.server.listen).await?;
//! onsync::server::serve(listener, served.router, std::future::pending()).await?;
//! # Ok(())
//! # }
//! ```

use crate::Registries;
use onsync_core::policy::{Authenticator, Principal};
use onsync_core::portable_async;
use onsync_core::{Error, Result};
use onsync_engine::config::{Authentication, Config, fill_secrets};
use std::path::PathBuf;
use std::sync::Arc;

pub use onsync_http_server::{Compression, HttpServerOptions, Metrics, router, serve};
pub use onsync_server::{
    Clock, EveryoneMayEverything, Limits, NoAuthentication, Server, ServerBinEntry, ServerBinFilter,
    ServerBuilder, StaticTokens, SyncService, SystemClock,
};
pub use onsync_sqlite_server_store::{SqliteServerStore, SqliteServerStoreOptions, introspect};

/// A server that is ready, and its routes.
#[derive(Clone)]
pub struct Served {
    /// The server.
    pub server: Server,
    /// `/v1/sync` and `/v1/health`, to serve with [`serve`] or to merge into an app's own router.
    pub router: axum::Router,
}

impl std::fmt::Debug for Served {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Served")
            .field("entities", &self.server.schema().entities.len())
            .finish_non_exhaustive()
    }
}

/// Attaches to the configured database and makes the routes. To add validators, hooks or an authorizer of one's own, start from
/// [`builder`].
///
/// # Errors
/// Those of [`builder`] and of [`ServerBuilder::build`].
pub async fn from_config(config: &Config, registries: &Registries) -> Result<Served> {
    let server = builder(config, registries)?.build().await?;
    let router = router(Arc::new(server.clone()), http_options(config))?;
    Ok(Served { server, router })
}

/// A server builder with everything the configuration says: schema, patterns, database, authentication, limits.
///
/// # Errors
/// `not_yet_supported` for keys that this version does not act on; `missing_setting` without `server.database`;
/// `unsupported_database` for an address that is not `sqlite:<file>`; `missing_secret` for a token whose variable is not set;
/// `no_tokens` under `authentication = "tokens"` without any; `invalid_token` for one that HTTP cannot carry.
pub fn builder(config: &Config, registries: &Registries) -> Result<ServerBuilder> {
    config.refuse_later_keys()?;
    let builder = Server::builder()
        .schema(config.schema.clone())
        .patterns(registries.patterns.clone())
        .store(Arc::new(SqliteServerStore::new(SqliteServerStoreOptions::new(
            database(config)?,
        ))))
        .limits(limits(config));
    Ok(builder.authenticator(authenticator(config)?))
}

/// The database's file: what `server.database` names, its secrets filled in.
///
/// # Errors
/// `missing_setting`, `unsupported_database`, `missing_secret`.
pub fn database(config: &Config) -> Result<PathBuf> {
    let at = config.place_of(&["server", "database"]);
    let Some(address) = &config.server.database else {
        return Err(Error::unsupported(
            "missing_setting",
            "wanted the database to serve, such as `database = \"sqlite:app.db\"` below `[server]` of `onsync.server.toml`, \
             found none",
        )
        .at(at));
    };
    let address = fill_secrets(address).map_err(|error| error.at(at.clone()))?;
    let path = match address.split_once(':') {
        Some(("sqlite", path)) => path.strip_prefix("//").unwrap_or(path),
        _ => {
            let scheme = address.split_once(':').map_or("no scheme", |(scheme, _)| scheme);
            return Err(Error::unsupported(
                "unsupported_database",
                format!(
                    "wanted `sqlite:<file>`, found `{scheme}`; this version serves SQLite databases only"
                ),
            )
            .at(at));
        }
    };
    Ok(PathBuf::from(path))
}

/// The HTTP face as configured.
pub fn http_options(config: &Config) -> HttpServerOptions {
    let mut options = HttpServerOptions::default();
    options.max_request_bytes = config.server.max_request_bytes;
    options.cors_origins = config.server.cors_origins.clone();
    options.compression = if config.server.compression {
        Compression::Auto
    } else {
        Compression::Off
    };
    options
}

fn limits(config: &Config) -> Limits {
    Limits {
        max_mutations: config.server.max_mutations,
        max_record_bytes: config.limits.max_record_bytes,
        max_request_bytes: config.server.max_request_bytes,
        bin_keep: config.limits.bin_keep,
        bin_bytes: config.limits.bin_bytes,
        bins: config.limits.bins.clone(),
        group_records: config.limits.group_limit,
        group_bytes: config.limits.group_bytes,
        ..Limits::default()
    }
}

/// Who may speak, as configured.
enum Configured {
    Nobody(NoAuthentication),
    Tokens(StaticTokens),
}

#[portable_async]
impl Authenticator for Configured {
    async fn authenticate(&self, token: Option<&str>) -> Result<Principal> {
        match self {
            Self::Nobody(nobody) => nobody.authenticate(token).await,
            Self::Tokens(tokens) => tokens.authenticate(token).await,
        }
    }
}

fn authenticator(config: &Config) -> Result<Configured> {
    if config.server.authentication == Authentication::None {
        return Ok(Configured::Nobody(NoAuthentication));
    }
    if config.server.tokens.is_empty() {
        return Err(Error::unsupported(
            "no_tokens",
            "wanted a token for each user below `[server.tokens]`, such as `ada = \"${ADA_TOKEN}\"`, found none, so that nobody \
             could sync; add one, or say `authentication = \"none\"` to let everybody in as one user",
        )
        .at(config.place_of(&["server", "tokens"])));
    }
    let mut tokens = StaticTokens::new();
    for (user, secret) in &config.server.tokens {
        let token = secret
            .reveal()
            .map_err(|error| error.at(config.place_of(&["server", "tokens", user])))?;
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::unsupported(
                "invalid_token",
                format!(
                    "wanted a token of visible ASCII characters without spaces, as HTTP carries them, found another in the environment \
                     variable `{}` (not shown)",
                    secret.variable()
                ),
            )
            .at(config.place_of(&["server", "tokens", user])));
        }
        tokens = tokens.with(&token, user);
    }
    Ok(Configured::Tokens(tokens))
}
