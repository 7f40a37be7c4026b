//! Reads configuration files and the environment, and remembers on which line each key stands.

use super::check::refuse_server_keys;
use super::node::Node;
use super::place::{Places, Position};
use super::{Config, SERVER_FILE, SHARED_FILE};
use onsync_core::{Error, Result};
use std::collections::HashMap;
use std::path::Path;
use toml::de::{DeTable, DeValue};

/// Variables whose name starts so override keys: `ONSYNC__TRANSPORT__URL`.
const PREFIX: &str = "ONSYNC";

impl Config {
    /// Reads the shared file as a device does, with the process's environment over it.
    ///
    /// # Errors
    /// `config_unreadable`, `config_syntax`, `config_unknown_key`, `config_wrong_type`, …, each with file, line and key.
    pub fn load_device(shared: impl AsRef<Path>) -> Result<Self> {
        let shared = shared.as_ref();
        layered(&[(SHARED_FILE, &show(shared), &read(shared)?)], environment())?.checked()
    }

    /// Reads the shared file with the server's file over it and the process's environment over both.
    ///
    /// # Errors
    /// Those of [`Config::load_device`].
    pub fn load_server(shared: impl AsRef<Path>, server: impl AsRef<Path>) -> Result<Self> {
        let (shared, server) = (shared.as_ref(), server.as_ref());
        let texts = (read(shared)?, read(server)?);
        layered(
            &[
                (SHARED_FILE, &show(shared), &texts.0),
                (SERVER_FILE, &show(server), &texts.1),
            ],
            environment(),
        )?
        .checked()
    }

    /// Reads the text of a shared file, without the environment.
    ///
    /// # Errors
    /// Those of [`Config::load_device`].
    pub fn from_text(shared: &str) -> Result<Self> {
        Self::from_texts(shared, None, HashMap::new())
    }

    /// Reads the texts of both files, with these variables over them.
    ///
    /// # Errors
    /// Those of [`Config::load_device`].
    pub fn from_texts(
        shared: &str,
        server: Option<&str>,
        variables: HashMap<String, String>,
    ) -> Result<Self> {
        Self::parse_texts(shared, server, variables)?.checked()
    }

    /// As [`Config::from_texts`], without [`Config::checked`]: for parts of a configuration, as in documentation.
    ///
    /// # Errors
    /// Those about single keys: `config_unknown_key`, `config_wrong_type`, …
    pub fn parse_texts(
        shared: &str,
        server: Option<&str>,
        variables: HashMap<String, String>,
    ) -> Result<Self> {
        let mut layers = vec![(SHARED_FILE, SHARED_FILE, shared)];
        layers.extend(server.map(|text| (SERVER_FILE, SERVER_FILE, text)));
        layered(&layers, variables)
    }
}

fn environment() -> HashMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

fn show(path: &Path) -> String {
    path.display().to_string()
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|error| {
        Error::unsupported(
            "config_unreadable",
            format!("this configuration file cannot be read: {error}; create it, or name another one"),
        )
        .at(show(path))
    })
}

/// Layers files, each over those before it, and the environment over all.
fn layered(layers: &[(&str, &str, &str)], variables: HashMap<String, String>) -> Result<Config> {
    let mut places = Places::default();
    let mut builder = config::Config::builder();
    for (layer, (role, name, text)) in layers.iter().enumerate() {
        let own = positions(name, text, layer, &mut places)?;
        if *role == SHARED_FILE {
            refuse_server_keys(&own, &places)?;
        }
        builder = builder.add_source(config::File::from_str(text, config::FileFormat::Toml));
    }
    let files = build(builder.clone())?;
    for (variable, path, value) in overrides(&files, variables)? {
        let position = Position {
            layer: layers.len(),
            line: 0,
            offset: 0,
            file: format!("${variable}"),
        };
        let key = path.join(".");
        places.note(path, position);
        builder = builder.set_override(key, value).map_err(unexpected)?;
    }
    Config::from_node(build(builder)?, places)
}

fn build(builder: config::ConfigBuilder<config::builder::DefaultState>) -> Result<Node> {
    builder
        .build()
        .and_then(config::Config::try_deserialize::<Node>)
        .map_err(unexpected)
}

/// The files have been parsed before, so this is not about their syntax.
fn unexpected(error: config::ConfigError) -> Error {
    Error::unsupported("config_syntax", error.to_string()).at("configuration")
}

/// The keys that variables override, in the spelling of the files: variables are written in capitals.
fn overrides(
    files: &Node,
    variables: HashMap<String, String>,
) -> Result<Vec<(String, Vec<String>, config::Value)>> {
    use config::Source as _;
    let prefix = format!("{PREFIX}__");
    let names: HashMap<String, String> = variables
        .keys()
        .filter(|name| name.starts_with(&prefix))
        .map(|name| {
            (
                name[prefix.len()..].to_lowercase().replace("__", "."),
                name.clone(),
            )
        })
        .collect();
    let given = config::Environment::with_prefix(PREFIX)
        .prefix_separator("__")
        .separator("__")
        .try_parsing(true)
        .source(Some(
            variables
                .into_iter()
                .filter(|(name, _)| name.starts_with(&prefix))
                .collect(),
        ))
        .collect()
        .map_err(unexpected)?;
    let mut found: Vec<(String, Vec<String>, config::Value)> = given
        .into_iter()
        .map(|(key, value)| {
            let variable = names.get(&key).cloned().unwrap_or_else(|| key.clone());
            (variable, spelled(files, &key), value)
        })
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(found)
}

/// `entities.appointment.pattern` as the files spell it.
fn spelled(files: &Node, key: &str) -> Vec<String> {
    let mut node = Some(files);
    key.split('.')
        .map(|segment| {
            let entry = node.and_then(|table| {
                table
                    .entries()
                    .iter()
                    .find(|(name, _)| name.eq_ignore_ascii_case(segment))
            });
            node = entry.map(|(_, value)| value);
            entry.map_or_else(|| segment.to_owned(), |(name, _)| name.clone())
        })
        .collect()
}

/// Parses one file for its lines; the tree that is returned is this file's alone.
fn positions(name: &str, text: &str, layer: usize, places: &mut Places) -> Result<Node> {
    let table = DeTable::parse(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_of(text, span.start));
        Error::unsupported("config_syntax", format!("this is not TOML: {}", error.message()))
            .at(format!("{name}:{line}"))
    })?;
    let mut notes = Notes {
        name,
        text,
        layer,
        places,
    };
    Ok(notes.table(table.get_ref(), &mut Vec::new()))
}

struct Notes<'a> {
    name: &'a str,
    text: &'a str,
    layer: usize,
    places: &'a mut Places,
}

impl Notes<'_> {
    fn table(&mut self, table: &DeTable<'_>, path: &mut Vec<String>) -> Node {
        let mut entries = Vec::new();
        for (key, value) in table {
            path.push(key.get_ref().to_string());
            let position = Position {
                layer: self.layer,
                line: line_of(self.text, key.span().start),
                offset: key.span().start,
                file: self.name.to_owned(),
            };
            self.places.note(path.clone(), position);
            let node = match value.get_ref() {
                DeValue::Table(inner) => self.table(inner, path),
                // Only the places of keys are wanted here; values come from the layered configuration.
                _ => Node::Null,
            };
            entries.push((key.get_ref().to_string(), node));
            path.pop();
        }
        Node::Table(entries)
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    let before = text.get(..offset.min(text.len())).unwrap_or(text);
    before.bytes().filter(|byte| *byte == b'\n').count() + 1
}
