//! Reads configurations as the commands need them.

use crate::exit::Failure;
use crate::init::server_file;
use crate::screen::Screen;
use onsync::config::{ASSUMED, Config, StoreSettings, TriggerSettings};
use onsync::core::portable_async;
use onsync::core::transport::{Answer, Exchange};
use onsync::core::wire::Health;
use onsync::{App, Error, LocalStore, Registries, Result, Transport};
use std::path::Path;
use std::sync::Arc;

/// The configuration of a device.
pub(crate) fn device_config(path: &Path) -> std::result::Result<Config, Failure> {
    let mut config = Config::load_device(path).map_err(Failure::usage)?;
    onsync::anchor(&mut config, path);
    Ok(config)
}

/// The configuration of one user's device.
pub(crate) fn device_of(path: &Path, user: Option<&str>) -> std::result::Result<Config, Failure> {
    let mut config = device_config(path)?;
    match (config.store.is_per_user(), user) {
        (true, Some(user)) => config.store = config.store.of_user(user),
        (false, None) => {}
        (true, None) => {
            return Err(user_error(
                &config,
                "each user has a store here; say whose with `--user <id>`, or name the file by the \
                 environment variable ONSYNC__STORE__PATH",
            ));
        }
        (false, Some(_)) => {
            return Err(user_error(
                &config,
                "there is one store here for whoever signs in; leave `--user` out, or put `{user}` into the path",
            ));
        }
    }
    Ok(config)
}

fn user_error(config: &Config, message: &str) -> Failure {
    let error = Error::unsupported("wrong_user_option", message);
    Failure::usage(error.at(config.place_of(&["store", "path"])))
}

/// The configuration of a server; without a server's file it is the shared one alone, if that is allowed.
pub(crate) fn server_config(path: &Path, file_needed: bool) -> std::result::Result<Config, Failure> {
    let server = server_file(path);
    let config = if server.exists() || file_needed {
        Config::load_server(path, &server)
    } else {
        Config::load_device(path)
    };
    let mut config = config.map_err(Failure::usage)?;
    onsync::anchor(&mut config, path);
    Ok(config)
}

/// The store a configuration names, not yet opened.
pub(crate) fn store(
    config: &Config,
    registries: &Registries,
) -> std::result::Result<Arc<dyn LocalStore>, Failure> {
    let path = ["store", "kind"];
    let factory = config
        .look_up(&registries.stores, &config.store.kind, &path)
        .map_err(Failure::usage)?;
    let settings: &StoreSettings = &config.store;
    factory.make(settings).map_err(|error| {
        let place = config.place_of(&["store"]);
        Failure::usage(error.at(place))
    })
}

/// Patterns and adapters a configuration names must be there.
pub(crate) fn names_are_known(config: &Config, registries: &Registries) -> std::result::Result<(), Failure> {
    config.refuse_later_keys().map_err(Failure::usage)?;
    for entity in config.schema.entities.iter().filter(|entity| !entity.local) {
        let path = ["entities", &entity.name, "pattern"];
        config
            .look_up(&registries.patterns, &entity.pattern, &path)
            .map_err(Failure::usage)?;
    }
    let kinds = [
        config
            .look_up(&registries.stores, &config.store.kind, &["store", "kind"])
            .err(),
        config
            .look_up(
                &registries.transports,
                &config.transport.kind,
                &["transport", "kind"],
            )
            .err(),
        registries.check_network(config).err(),
    ];
    match kinds.into_iter().flatten().next() {
        Some(error) => Err(Failure::usage(error)),
        None => Ok(()),
    }
}

/// Opens the app of a device's configuration for one command: nothing is started or retried behind its back. With a transport given, no
/// network is needed.
pub(crate) async fn app(
    mut config: Config,
    registries: &Registries,
    store: Arc<dyn LocalStore>,
    transport: Option<Arc<dyn Transport>>,
) -> std::result::Result<App, Failure> {
    names_are_known(&config, registries)?;
    config.retry.enabled = false;
    config.triggers = TriggerSettings::default();
    // One command is too short to watch the network for: its own failure tells.
    config.network.kind = ASSUMED.to_owned();
    let mut builder = onsync::builder(config, registries.clone())
        .map_err(Failure::usage)?
        .store(store);
    if let Some(transport) = transport {
        builder = builder.transport(transport);
    }
    Ok(builder.build().await?)
}

/// Says what happened while the store was opened.
pub(crate) fn tell_opened(screen: Screen, app: &App) {
    let opened = app.opened();
    if let Some(aside) = &opened.set_aside {
        screen.warning(format!(
            "the store could not be read as a database; it was set aside as {aside}, and a new one was begun: everything is \
             fetched again, unsent edits are in the file set aside"
        ));
    }
    for warning in &opened.warnings {
        screen.warning(warning);
    }
}

/// The transport of commands that need no network.
#[derive(Debug)]
pub(crate) struct NoNetwork;

#[portable_async]
impl Transport for NoNetwork {
    async fn exchange(&self, _: Exchange) -> Result<Box<dyn Answer>> {
        Err(offline())
    }

    async fn health(&self) -> Result<Health> {
        Err(offline())
    }
}

fn offline() -> Error {
    Error::offline("no_network", "this command uses no network; `onsync sync` does")
}
