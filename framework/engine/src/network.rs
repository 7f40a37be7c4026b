//! Network monitors by name, alone or joined by `+`.
//!
//! A combination is online only if each of its monitors is. Whenever one of them changes, those behind it are told what the ones
//! before them see together ([`NetworkNews::Before`]): so a change that the operating system reports makes a monitor that asks the
//! server ask at once, and nothing is asked while there is no network.

use crate::builder::Factory;
use crate::config::{ASSUMED, Config};
use futures_util::future::{Either, select, select_all};
use onsync_core::network::{NetworkKind, NetworkMonitor, NetworkNews, NetworkStatus, StatusCell};
use onsync_core::registry::Registry;
use onsync_core::runtime::Runtime;
use onsync_core::transport::Transport;
use onsync_core::{Error, Result, portable_async};
use serde::de::DeserializeOwned;
use std::pin::pin;
use std::sync::Arc;
use tokio::sync::watch;

/// What a network monitor may be made from.
#[derive(Clone)]
pub struct NetworkMonitorParts {
    /// The name it is configured under.
    pub name: String,
    /// The table `[network.<name>]`, empty if there is none.
    pub options: serde_json::Value,
    /// The way to the server.
    pub transport: Arc<dyn Transport>,
    /// Time, tasks and randomness.
    pub runtime: Arc<dyn Runtime>,
}

impl NetworkMonitorParts {
    /// The monitor's own options as its type.
    ///
    /// # Errors
    /// `config_wrong_type`.
    pub fn options<T: DeserializeOwned>(&self) -> Result<T> {
        onsync_core::json::from_value(&self.options).map_err(|error| {
            Error::unsupported("config_wrong_type", error.to_string()).at(format!("network.{}", self.name))
        })
    }
}

/// Network monitors by the names that `network.kind` uses.
pub type NetworkMonitors = Registry<Arc<dyn Factory<NetworkMonitorParts, dyn NetworkMonitor>>>;

type Named<'a> = (
    &'a str,
    &'a Arc<dyn Factory<NetworkMonitorParts, dyn NetworkMonitor>>,
);

/// What the configuration names, in its order; nothing for `assumed`.
///
/// # Errors
/// `unknown_plugin` for a name, or a table of options, that nobody registered; `config_unknown_word` for `assumed` beside others.
pub(crate) fn named<'a>(config: &'a Config, monitors: &'a NetworkMonitors) -> Result<Vec<Named<'a>>> {
    for name in config.network.options.keys() {
        config.look_up(monitors, name, &["network", name])?;
    }
    let path = ["network", "kind"];
    let kind = config.network.kind.as_str();
    if kind == ASSUMED {
        return Ok(Vec::new());
    }
    let named = kind.split('+').map(str::trim).map(|name| {
        if name == ASSUMED {
            return Err(Error::unsupported(
                "config_unknown_word",
                format!(
                    "found {kind:?}: `{ASSUMED}` takes the network for granted, which no other monitor can add to; \
                     leave it out, or the others"
                ),
            )
            .at(config.place_of(&path)));
        }
        Ok((name, config.look_up(monitors, name, &path)?))
    });
    named.collect()
}

/// The monitor that the configuration names; none for `assumed`.
///
/// # Errors
/// Those of [`named`]; what the monitors say about their options.
pub(crate) fn configured(
    config: &Config,
    monitors: &NetworkMonitors,
    transport: &Arc<dyn Transport>,
    runtime: &Arc<dyn Runtime>,
) -> Result<Option<Arc<dyn NetworkMonitor>>> {
    let mut made = Vec::new();
    for (name, factory) in named(config, monitors)? {
        let options = config.network.options.get(name).cloned();
        let monitor = factory.make(&NetworkMonitorParts {
            name: name.to_owned(),
            options: options.unwrap_or_else(|| serde_json::Value::Object(serde_json::Map::new())),
            transport: transport.clone(),
            runtime: runtime.clone(),
        });
        // What an option is wrong with is told with the line it stands in.
        let place = config.place_of(&["network", name]);
        made.push(monitor.map_err(|error| error.at(place))?);
    }
    Ok(match made.len() {
        0 | 1 => made.pop(),
        _ => Some(Arc::new(CombinedMonitor::new(made, runtime.as_ref()))),
    })
}

/// Several monitors as one, in the order of their names in `network.kind`.
pub struct CombinedMonitor {
    monitors: Arc<[Arc<dyn NetworkMonitor>]>,
    together: Arc<StatusCell>,
    closed: watch::Sender<()>,
}

impl CombinedMonitor {
    /// Joins these, until the combination is dropped.
    pub fn new(monitors: Vec<Arc<dyn NetworkMonitor>>, runtime: &dyn Runtime) -> Self {
        let seen: Vec<NetworkStatus> = monitors.iter().map(|monitor| monitor.current()).collect();
        tell_later_ones(&monitors, &seen, 0);
        let combined = Self {
            together: Arc::new(StatusCell::new(fold(&seen))),
            monitors: monitors.into(),
            closed: watch::Sender::new(()),
        };
        runtime.spawn(Box::pin(follow(
            combined.monitors.clone(),
            combined.together.clone(),
            seen,
            combined.closed.subscribe(),
        )));
        combined
    }
}

#[portable_async]
impl NetworkMonitor for CombinedMonitor {
    fn current(&self) -> NetworkStatus {
        self.together.get()
    }

    async fn changed(&self, seen: NetworkStatus) -> NetworkStatus {
        self.together.changed(seen).await
    }

    fn note(&self, news: NetworkNews) -> bool {
        // Each one hears of it, whatever the others make of it.
        self.monitors
            .iter()
            .fold(false, |taken, monitor| monitor.note(news) | taken)
    }
}

/// Keeps the common status right until the combination is dropped.
async fn follow(
    monitors: Arc<[Arc<dyn NetworkMonitor>]>,
    together: Arc<StatusCell>,
    mut seen: Vec<NetworkStatus>,
    mut closed: watch::Receiver<()>,
) {
    loop {
        let (status, index) = {
            let waits = monitors.iter().zip(&seen);
            let any = select_all(waits.map(|(monitor, seen)| monitor.changed(*seen)));
            // The sender sends nothing: it is dropped with the combination.
            match select(any, pin!(closed.changed())).await {
                Either::Left(((status, index, _), _)) => (status, index),
                Either::Right(_) => return,
            }
        };
        if let Some(place) = seen.get_mut(index) {
            *place = status;
        }
        tell_later_ones(&monitors, &seen, index);
        together.set(fold(&seen));
    }
}

fn tell_later_ones(monitors: &[Arc<dyn NetworkMonitor>], seen: &[NetworkStatus], changed: usize) {
    for (index, monitor) in monitors.iter().enumerate().skip(changed + 1) {
        if let Some(before) = seen.get(..index) {
            monitor.note(NetworkNews::Before(fold(before)));
        }
    }
}

/// What several monitors see together: online if all are; the reason of the first that is not; kind and cost from the first that
/// knows.
fn fold(seen: &[NetworkStatus]) -> NetworkStatus {
    let offline = seen.iter().find(|status| !status.online);
    let mut kinds = seen.iter().map(|status| status.kind);
    NetworkStatus {
        online: offline.is_none(),
        kind: kinds
            .find(|kind| *kind != NetworkKind::Unknown)
            .unwrap_or_default(),
        metered: seen.iter().find_map(|status| status.metered),
        reason: offline.and_then(|status| status.reason),
    }
}
