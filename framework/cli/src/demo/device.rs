//! A device of the demo: an app with a store of its own, at the end of a line that can be cut.

use super::line::Line;
use onsync::config::Config;
use onsync::{App, Outcome, Parameters, Query, Registries, Result, Summary};
use onsync_core::{Error, Fields, Key};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The configuration of a device, with places for its address and store.
const TEMPLATE: &str = include_str!("onsync.toml");

/// The text of the shared configuration.
pub(super) fn config_text(url: &str, store: &Path) -> String {
    // A path with quotes or backslashes must stay one TOML text.
    let store = toml_edit::value(store.display().to_string()).to_string();
    TEMPLATE
        .replace("{url}", url)
        .replace("\"{store}\"", store.trim())
}

/// One device.
pub(super) struct Device {
    pub(super) name: &'static str,
    pub(super) app: App,
    pub(super) line: Line,
    /// The local database.
    pub(super) store: PathBuf,
    /// Its configuration file.
    pub(super) config: PathBuf,
}

/// What one sync did and carried.
#[derive(Clone, Debug)]
pub(super) struct Trip {
    pub(super) summary: Summary,
    pub(super) up: u64,
    pub(super) down: u64,
    pub(super) took: Duration,
}

impl Device {
    /// Makes a device in a folder of its own.
    pub(super) async fn new(
        name: &'static str,
        folder: &Path,
        server: SocketAddr,
        registries: &Registries,
    ) -> Result<Self> {
        std::fs::create_dir(folder).map_err(|error| failed("a folder could not be made", &error))?;
        let line = Line::to(server)
            .await
            .map_err(|error| failed("loopback cannot be listened on", &error))?;
        let store = folder.join("device.sqlite");
        let text = config_text(&line.url(), &store);
        let config = folder.join("onsync.toml");
        std::fs::write(&config, &text).map_err(|error| failed("a file could not be written", &error))?;
        let mut settings = Config::from_text(&text)?;
        // The tour shows each failure as it is, instead of trying again behind its back.
        settings.retry.enabled = false;
        let app = onsync::builder(settings, registries.clone())?.build().await?;
        Ok(Self {
            name,
            app,
            line,
            store,
            config,
        })
    }

    /// Syncs everything, as an app does.
    pub(super) async fn sync(&self) -> Result<Trip> {
        self.line.read_meter();
        let since = Instant::now();
        let outcome: Outcome = self.app.on_sync("Online", &Parameters::new())?.outcome().await;
        let took = since.elapsed();
        let summary = outcome.into_result()?;
        let (up, down) = self.line.read_meter();
        Ok(Trip {
            summary,
            up,
            down,
            took,
        })
    }

    /// One record that has to be there.
    pub(super) async fn record(&self, entity: &str, key: impl Into<Key>) -> Result<Fields> {
        let key = key.into();
        let found = self.app.get(entity, key.clone()).await?;
        found.ok_or_else(|| {
            Error::fatal(
                "demo_failed",
                format!(
                    "device {}: wanted {entity} {key}, found no such record; please report this",
                    self.name
                ),
            )
        })
    }

    /// Every record by entity and key.
    pub(super) async fn everything(&self) -> Result<BTreeMap<(String, Key), Fields>> {
        let mut all = BTreeMap::new();
        for entity in &self.app.schema().entities {
            for fields in self.app.query(Query::entity(&entity.name)).await? {
                let key = Key(entity.key.iter().map(|name| fields.value(name).clone()).collect());
                all.insert((entity.name.clone(), key), fields);
            }
        }
        Ok(all)
    }
}

/// Something of the system that the demo needs and does not get.
pub(super) fn failed(what: &str, error: &(impl std::error::Error + ?Sized)) -> Error {
    Error::fatal("demo_failed", format!("the demo cannot go on: {what}: {error}"))
}
