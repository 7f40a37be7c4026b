//! Configuration: `onsync.toml`, on the server with `onsync.server.toml` layered over it, or a plain value.
//!
//! ```
//! # #[cfg(feature = "config-file")] {
//! use onsync_engine::config::Config;
//!
//! let config = Config::from_text(r#"
//!     [transport]
//!     url = "https://sync.example.org"
//!     [entities.Note]
//!     pattern = "read-only"
//!     attributes = { id = "uuid", text = "text" }
//! "#)?;
//! assert_eq!(config.schema.entities[0].name, "Note");
//! assert_eq!(config.retry.interval.as_secs(), 5);
//!
//! let error = Config::from_text("[entities.Note]\npatern = \"read-only\"").unwrap_err();
//! assert_eq!(error.place(), Some("onsync.toml:2: entities.Note.patern"));
//! assert!(error.message().contains("did you mean `pattern`?"));
//! # }
//! # Ok::<(), onsync_core::Error>(())
//! ```

mod check;
#[cfg(feature = "config-file")]
mod file;
mod keys;
mod node;
mod place;
mod read;
mod schema;
mod settings;
mod triggers;

pub use keys::{KEYS, KeyInfo, Kind, Place};
pub use settings::{
    ASSUMED, Authentication, BudgetSettings, ContextSettings, LimitSettings, NetworkSettings, RetrySettings,
    Secret, ServerSettings, StoreSettings, TransportSettings, TriggerSettings, fill_secrets,
};

use node::Node;
use onsync_core::bin::BinLimit;
use onsync_core::error::list_names;
use onsync_core::handler::{Selection, SyncDirection};
use onsync_core::ordered::BTreeMap;
use onsync_core::registry::Registry;
use onsync_core::schema::Schema;
use onsync_core::{Error, Result};
use place::Places;
use read::Reader;
use std::time::Duration;

/// The name of the file that device and server share.
pub const SHARED_FILE: &str = "onsync.toml";

/// The name of the file that is layered over it on the server, and must not ship.
pub const SERVER_FILE: &str = "onsync.server.toml";

/// A configuration that was read and checked. What it names (patterns, adapters) is looked up when an app is built.
#[derive(Clone, Debug)]
pub struct Config {
    /// `[transport]`
    pub transport: TransportSettings,
    /// `[store]`
    pub store: StoreSettings,
    /// `[network]`
    pub network: NetworkSettings,
    /// `[triggers]`
    pub triggers: TriggerSettings,
    /// `[retry]`
    pub retry: RetrySettings,
    /// `[contexts]`
    pub contexts: BTreeMap<String, ContextSettings>,
    /// `[limits]` and `[bin]`
    pub limits: LimitSettings,
    /// `[server]`
    pub server: ServerSettings,
    /// Entities and relations.
    pub schema: Schema,
    root: Node,
    places: Places,
}

impl Config {
    /// Reads a configuration that is handed in as a value, as in a browser.
    ///
    /// ```
    /// # use onsync_engine::config::Config;
    /// let config = Config::from_value(serde_json::json!({
    ///     "entities": { "Note": { "pattern": "read-only", "attributes": { "id": "uuid" } } }
    /// }))?;
    /// assert_eq!(config.schema.entities.len(), 1);
    /// # Ok::<(), onsync_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Config::from_text`], without file and line.
    pub fn from_value<'de>(value: impl serde::Deserializer<'de>) -> Result<Self> {
        let root = <Node as serde::Deserialize>::deserialize(value)
            .map_err(|error| Error::unsupported("config_syntax", error.to_string()).at("configuration"))?;
        Self::from_node(root, Places::default())?.checked()
    }

    /// Checks what one part of the configuration says about another: relations, keys and contexts name what exists.
    ///
    /// # Errors
    /// `unknown_entity`, `unknown_attribute`, `relation_cycle`, …, with the place of the key.
    pub fn checked(self) -> Result<Self> {
        let reader = Reader {
            root: &self.root,
            places: &self.places,
        };
        schema::check(&reader, &self.schema)?;
        check_contexts(&reader, &self.schema, &self.contexts)?;
        Ok(self)
    }

    fn from_node(root: Node, places: Places) -> Result<Self> {
        check::check(&root, &places)?;
        let reader = Reader {
            root: &root,
            places: &places,
        };
        let schema = schema::schema(&reader)?;
        let contexts = contexts(&reader)?;
        Ok(Self {
            transport: transport(&reader)?,
            store: store(&reader)?,
            network: network(&reader),
            triggers: triggers::triggers(&reader)?,
            retry: retry(&reader)?,
            contexts,
            limits: limits(&reader)?,
            server: server(&reader)?,
            schema,
            root,
            places,
        })
    }

    /// A configuration with nothing but defaults and a schema, for building by hand.
    ///
    /// # Errors
    /// What [`Schema::check`] finds.
    pub fn from_schema(schema: Schema) -> Result<Self> {
        schema.check()?;
        let mut config = Self::from_node(Node::Table(Vec::new()), Places::default())?;
        config.schema = schema;
        Ok(config)
    }

    /// Names the conflict resolver of an entity, as `entities.<name>.resolver` does; for building by hand.
    pub fn set_resolver(&mut self, entity: &str, resolver: &str) {
        let path = ["entities", entity, "resolver"];
        self.root.set(&path, Node::Text(resolver.to_owned()));
    }

    /// Refuses keys that are understood, but that only a later version acts on. Apps and servers call it when they are built.
    ///
    /// # Errors
    /// `not_yet_supported`, naming the key.
    pub fn refuse_later_keys(&self) -> Result<()> {
        check::refuse_later(&self.root, &self.places)
    }

    /// `file:line: key` of a key, as far as known; for errors of those who look up what the configuration names.
    pub fn place_of<S: AsRef<str>>(&self, path: &[S]) -> String {
        self.places.of(path)
    }

    /// Looks up a plug-in that the key at `path` names.
    ///
    /// # Errors
    /// `unknown_plugin`, with the place of the key, what is near and what is available.
    pub fn look_up<'r, T>(&self, registry: &'r Registry<T>, name: &str, path: &[&str]) -> Result<&'r T> {
        registry.get(name).map_err(|error| {
            let near = check::did_you_mean(name, registry.names());
            let message = if near.is_empty() {
                error.message().to_owned()
            } else {
                format!("{near}{}", error.message())
            };
            Error::new(error.kind(), error.code().to_owned(), message).at(self.places.of(path))
        })
    }

    /// Whether a key stands in the configuration.
    pub fn has<S: AsRef<str>>(&self, path: &[S]) -> bool {
        self.root.at(path).is_some()
    }

    /// The text that stands at a key, or its default.
    pub fn text_at(&self, path: &[&str]) -> Option<String> {
        let reader = Reader {
            root: &self.root,
            places: &self.places,
        };
        reader.text(path)
    }
}

fn transport(reader: &Reader<'_>) -> Result<TransportSettings> {
    let at = |key: &'static str| ["transport", key];
    let url = reader.text(&at("url"));
    if let Some(url) = &url {
        let path = at("url").map(str::to_owned);
        check::refuse_password(url, &path, reader.places)?;
    }
    Ok(TransportSettings {
        kind: reader.text(&at("kind")).unwrap_or_default(),
        url,
        time_out: duration(reader, &at("time_out"))?,
        token: reader.secret(&at("token")),
        encoding: reader.text(&at("encoding")).unwrap_or_default(),
        compression: reader.text(&at("compression")).unwrap_or_default(),
        options: reader.options(&at("options")),
    })
}

fn store(reader: &Reader<'_>) -> Result<StoreSettings> {
    let at = |key: &'static str| ["store", key];
    Ok(StoreSettings {
        kind: reader.text(&at("kind")).unwrap_or_default(),
        path: reader.text(&at("path")),
        page_rows: reader.count(&at("page_rows"))?,
        page_bytes: reader.size(&at("page_bytes"))?,
        options: reader.options(&at("options")),
    })
}

/// A duration that is not zero.
fn duration(reader: &Reader<'_>, path: &[&str]) -> Result<Duration> {
    reader
        .duration(path)
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| {
            Error::unsupported(
                "config_out_of_range",
                "found a duration of nothing; wanted at least a millisecond",
            )
            .at(reader.places.of(path))
        })
}

fn network(reader: &Reader<'_>) -> NetworkSettings {
    let names = reader
        .names(&["network"])
        .into_iter()
        .filter(|name| name != "kind");
    NetworkSettings {
        kind: reader.text(&["network", "kind"]).unwrap_or_default(),
        options: names
            .map(|name| {
                let options = reader.options(&["network", &name]);
                (name, options)
            })
            .collect(),
    }
}

fn retry(reader: &Reader<'_>) -> Result<RetrySettings> {
    let at = |key: &'static str| ["retry", key];
    let (interval, cap) = (
        duration(reader, &at("retry_interval"))?,
        duration(reader, &at("cap"))?,
    );
    Ok(RetrySettings {
        enabled: reader.boolean(&at("retry_synchronizations")),
        interval,
        factor: reader.factor(&at("factor")),
        cap: cap.max(interval),
        attempts_per_hour: reader.count(&at("attempts_per_hour"))?,
    })
}

fn contexts(reader: &Reader<'_>) -> Result<BTreeMap<String, ContextSettings>> {
    let mut contexts = BTreeMap::new();
    for name in reader.names(&["contexts"]) {
        let at = |key: &'static str| ["contexts", name.as_str(), key];
        let all = matches!(reader.root.at(&at("entities")), None | Some(Node::Text(_)));
        let settings = ContextSettings {
            entities: if all {
                Selection::All
            } else {
                Selection::Entities(reader.texts(&at("entities")))
            },
            direction: match reader.text(&at("direction")).as_deref() {
                Some("push") => SyncDirection::Push,
                Some("pull") => SyncDirection::Pull,
                _ => SyncDirection::Both,
            },
            time_out: reader.duration(&at("time_out")),
            discard_pending: reader.boolean(&at("discard_pending")),
            parameters: reader.texts(&at("parameters")),
            budget: triggers::budget(reader, &name)?,
            not_on_metered: reader.boolean(&at("not_on_metered")),
        };
        contexts.insert(name, settings);
    }
    Ok(contexts)
}

fn check_contexts(
    reader: &Reader<'_>,
    schema: &Schema,
    contexts: &BTreeMap<String, ContextSettings>,
) -> Result<()> {
    for (name, context) in contexts {
        let Selection::Entities(entities) = &context.entities else {
            continue;
        };
        let Some(unknown) = entities.iter().find(|entity| schema.entity(entity).is_err()) else {
            continue;
        };
        let known = schema.entities.iter().map(|entity| entity.name.as_str());
        return Err(Error::unsupported(
            "unknown_entity",
            format!(
                "there is no entity `{unknown}`; {}configured: {}",
                check::did_you_mean(unknown, known.clone()),
                list_names(known)
            ),
        )
        .at(reader.places.of(&["contexts", name, "entities"])));
    }
    Ok(())
}

fn limits(reader: &Reader<'_>) -> Result<LimitSettings> {
    let at = |key: &'static str| ["limits", key];
    Ok(LimitSettings {
        max_request_bytes: reader.size(&at("max_request_bytes"))?,
        max_record_bytes: reader.size(&at("max_record_bytes"))?,
        group_limit: reader.count(&at("group_limit"))?,
        group_bytes: reader.size(&at("group_bytes"))?,
        refresh_limit: reader.count(&at("refresh_limit"))?,
        queue: reader.count(&at("queue"))?,
        bin_keep: duration(reader, &["bin", "keep"])?,
        bin_bytes: reader.size(&["bin", "max_bytes"])?,
        bins: bins(reader)?,
    })
}

/// What the bin keeps of the entities that say so.
fn bins(reader: &Reader<'_>) -> Result<BTreeMap<String, BinLimit>> {
    let mut bins = BTreeMap::new();
    for name in reader.names(&["entities"]) {
        let at = |key: &'static str| ["entities", name.as_str(), "bin", key];
        let given = |key: &'static str| reader.root.at(&at(key)).is_some();
        let keep = match given("keep") {
            true => Some(duration(reader, &at("keep"))?),
            false => None,
        };
        let max_bytes = match given("max_bytes") {
            true => Some(reader.size(&at("max_bytes"))?),
            false => None,
        };
        let limit = BinLimit { keep, max_bytes };
        if limit != BinLimit::default() {
            bins.insert(name, limit);
        }
    }
    Ok(bins)
}

fn server(reader: &Reader<'_>) -> Result<ServerSettings> {
    let at = |key: &'static str| ["server", key];
    let database = reader.text(&at("database"));
    if let Some(address) = &database {
        let path = at("database").map(str::to_owned);
        check::refuse_password(address, &path, reader.places)?;
    }
    let tokens = reader.names(&at("tokens")).into_iter().filter_map(|user| {
        let secret = reader.secret(&["server", "tokens", &user]);
        secret.map(|secret| (user, secret))
    });
    Ok(ServerSettings {
        database,
        listen: reader.text(&at("listen")).unwrap_or_default(),
        metrics: reader.text(&at("metrics")),
        authentication: match reader.text(&at("authentication")).as_deref() {
            Some("none") => Authentication::None,
            _ => Authentication::Tokens,
        },
        tokens: tokens.collect(),
        cors_origins: reader.texts(&at("cors_origins")),
        max_request_bytes: reader.size(&at("max_request_bytes"))?,
        max_mutations: reader.count(&at("max_mutations"))?,
        compression: reader.boolean(&at("compression")),
        keep_tombstones: duration(reader, &at("keep_tombstones"))?,
    })
}
