//! `onsync serve`: serves a database until Ctrl-C.

use crate::arguments::{Authentication, Serve};
use crate::exit::{Exit, Failure, Outcome};
use crate::init::database_path;
use crate::screen::Screen;
use crate::{interrupted, open};
use onsync::Registries;
use onsync::config::{self, Config};
use onsync::server::{Metrics, Served, Server, from_config, serve};
use onsync_core::Error;
use serde_json::json;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tokio::net::TcpListener;

/// Runs the command.
pub(crate) async fn run(screen: Screen, registries: &Registries, path: &Path, flags: &Serve) -> Outcome {
    let mut config = open::server_config(path, flags.database.is_none())?;
    override_by_flags(&mut config, flags);
    let served = start(&config, registries).await?;
    let (listener, address) = listen(&config.server.listen, "--listen").await?;
    let numbers = match &config.server.metrics {
        Some(address) => Some(listen(address, "--metrics").await?),
        None => None,
    };
    let metrics_address = numbers.as_ref().map(|(_, address)| *address);
    let told = numbers
        .map(|(listener, _)| Metrics::install().map(|metrics| (metrics, listener)))
        .transpose()?;
    greet(screen, &config, &served, address, metrics_address);
    let told = told.map(|(metrics, listener)| tokio::spawn(tell(metrics, listener)));
    let maintained = tokio::spawn(maintain(served.server.clone(), config.server.keep_tombstones));
    let ended = serve(listener, served.router, interrupted()).await;
    maintained.abort();
    if let Some(told) = told {
        told.abort();
    }
    ended.map_err(|error| listen_failed(&config.server.listen, "--listen", &error))?;
    screen.line("stopped; every answered change is stored");
    screen.json_line(&json!({ "stopped": true }));
    Ok(Exit::Done)
}

/// Serves what was counted, until it is aborted. Devices go on syncing whatever becomes of it.
async fn tell(metrics: Metrics, listener: TcpListener) {
    if let Err(error) = metrics.serve(listener, std::future::pending()).await {
        tracing::error!(%error, "/metrics is not served any more");
    }
}

/// How often old deletions are looked for.
const MAINTENANCE: Duration = Duration::from_secs(3_600);

/// Forgets what is older than `keep` now and every hour, until it is aborted. What fails is tried again the next time.
async fn maintain(server: Server, keep: Duration) {
    let mut hours = tokio::time::interval(MAINTENANCE);
    loop {
        hours.tick().await;
        if let Err(error) = server.maintain(keep).await {
            tracing::warn!(code = error.code(), %error, "old deletions could not be forgotten");
        }
    }
}

fn override_by_flags(config: &mut Config, flags: &Serve) {
    if let Some(database) = &flags.database {
        // On the command line a relative path begins where the command runs.
        config.server.database = Some(format!("sqlite:{}", database_path(database)));
    }
    if let Some(listen) = &flags.listen {
        config.server.listen.clone_from(listen);
    }
    if let Some(metrics) = &flags.metrics {
        config.server.metrics = Some(metrics.clone());
    }
    match flags.authentication {
        Some(Authentication::None) => config.server.authentication = config::Authentication::None,
        Some(Authentication::Tokens) => config.server.authentication = config::Authentication::Tokens,
        None => {}
    }
}

/// Attaches to the database. Mistakes of the configuration end as such; what is wrong with the database does not.
pub(crate) async fn start(config: &Config, registries: &Registries) -> std::result::Result<Served, Failure> {
    open::names_are_known(config, registries)?;
    from_config(config, registries).await.map_err(failure)
}

/// How an error of building a server ends.
pub(crate) fn failure(error: Error) -> Failure {
    const OF_CONFIGURATION: [&str; 10] = [
        "missing_setting",
        "unsupported_database",
        "missing_secret",
        "no_tokens",
        "invalid_token",
        "not_yet_supported",
        "table_missing",
        "column_missing",
        "column_type",
        "key_missing",
    ];
    if OF_CONFIGURATION.contains(&error.code()) {
        Failure::usage(error)
    } else {
        error.into()
    }
}

/// A listener and where it listens; `option` chooses another address.
async fn listen(address: &str, option: &str) -> std::result::Result<(TcpListener, SocketAddr), Failure> {
    let bound = async {
        let listener = TcpListener::bind(address).await?;
        let found = listener.local_addr()?;
        Ok((listener, found))
    };
    bound
        .await
        .map_err(|error| listen_failed(address, option, &error).into())
}

fn listen_failed(address: &str, option: &str, error: &std::io::Error) -> Error {
    Error::fatal(
        "listen_failed",
        format!(
            "wanted to listen on {address}: {error}; choose another address with {option}, such as 127.0.0.1:8080; port 0 takes a \
             free one"
        ),
    )
}

fn greet(screen: Screen, config: &Config, served: &Served, address: SocketAddr, metrics: Option<SocketAddr>) {
    let url = format!("http://{address}");
    let attached = served.server.attached();
    let mut warnings = attached.warnings.clone();
    let is_open = config.server.authentication == config::Authentication::None;
    if is_open && !address.ip().is_loopback() {
        warnings.push(format!(
            "everybody who reaches {address} can read and change everything: there is no authentication; say `authentication = \
             \"tokens\"` below [server] in onsync.server.toml"
        ));
    }
    let database = config.server.database.as_deref().unwrap_or_default();
    screen.line(format!(
        "serving {} at {}",
        screen.cyan(database),
        screen.bold(&url)
    ));
    let entities = &served.server.schema().entities;
    let width = entities
        .iter()
        .map(|entity| entity.name.chars().count())
        .max()
        .unwrap_or_default();
    for entity in entities {
        screen.line(format!(
            "  {:width$}  {}  {}",
            entity.name,
            entity.pattern,
            screen.dim(format!("table {}", entity.source))
        ));
    }
    let speakers = if is_open {
        "everybody, as one user (no authentication)".to_owned()
    } else {
        let users: Vec<&str> = config
            .server
            .tokens
            .iter()
            .map(|(user, _)| user.as_str())
            .collect();
        format!("with tokens: {}", users.join(", "))
    };
    screen.line(format!("  {} {speakers}", screen.dim("who may sync:")));
    let metrics = metrics.map(|address| format!("http://{address}/metrics"));
    if let Some(metrics) = &metrics {
        screen.line(format!("  {} {metrics}", screen.dim("what was counted:")));
    }
    for entity in &attached.reset {
        screen.line(format!(
            "  change tracking was installed for {entity}: devices fetch it anew"
        ));
    }
    for warning in &warnings {
        screen.warning(warning);
    }
    screen.line(screen.dim("Ctrl-C stops it."));
    screen.json_line(&json!({
        "url": url,
        "metrics": metrics,
        "database": database,
        "entities": entities.iter().map(|entity| entity.name.as_str()).collect::<Vec<_>>(),
        "authentication": if is_open { "none" } else { "tokens" },
        "warnings": warnings,
        "reset": attached.reset,
    }));
}
