//! The settings beside the schema, as typed values.

use onsync_core::bin::BinLimit;
use onsync_core::handler::{Selection, SyncDirection};
use onsync_core::ordered::BTreeMap;
use onsync_core::{Error, Result};
use serde::de::DeserializeOwned;
use std::time::Duration;

/// A secret by the name of the environment variable that holds it. The secret itself is never kept.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    variable: String,
}

impl Secret {
    /// From `${NAME}`; none for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        super::check::secret_name(text).map(|name| Self {
            variable: name.to_owned(),
        })
    }

    /// The variable's name.
    pub fn variable(&self) -> &str {
        &self.variable
    }

    /// The secret, from the environment.
    ///
    /// # Errors
    /// `missing_secret` when the variable is not set or empty.
    pub fn reveal(&self) -> Result<String> {
        std::env::var(&self.variable)
            .ok()
            .filter(|secret| !secret.is_empty())
            .ok_or_else(|| {
                Error::unsupported(
                    "missing_secret",
                    format!(
                        "the environment variable `{}` is not set; set it to the secret",
                        self.variable
                    ),
                )
            })
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "${{{}}}", self.variable)
    }
}

/// Fills every `${NAME}` inside a text from the environment.
///
/// # Errors
/// `missing_secret` when a variable is not set.
pub fn fill_secrets(text: &str) -> Result<String> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let end = rest[start..].find('}').map(|end| start + end + 1);
        let Some(secret) = end.and_then(|end| Secret::parse(&rest[start..end])) else {
            break;
        };
        filled.push_str(&rest[..start]);
        filled.push_str(&secret.reveal()?);
        rest = &rest[end.unwrap_or(rest.len())..];
    }
    filled.push_str(rest);
    Ok(filled)
}

/// Reads an adapter's own options as its type.
fn options<T: DeserializeOwned>(table: &str, options: &serde_json::Value) -> Result<T> {
    onsync_core::json::from_value(options).map_err(|error| {
        Error::unsupported("config_wrong_type", error.to_string()).at(format!("{table}.options"))
    })
}

/// `[transport]`
#[derive(Clone, Debug, PartialEq)]
pub struct TransportSettings {
    /// The adapter's name.
    pub kind: String,
    /// The server's address.
    pub url: Option<String>,
    /// How long to wait for the answer to begin, and between two of its pieces.
    pub time_out: Duration,
    /// A fixed bearer token.
    pub token: Option<Secret>,
    /// `binary` or `json`.
    pub encoding: String,
    /// `zstd`, `gzip` or `none`.
    pub compression: String,
    /// Keys of the adapter's own.
    pub options: serde_json::Value,
}

impl TransportSettings {
    /// The adapter's own options as its type.
    ///
    /// # Errors
    /// `config_wrong_type`.
    pub fn options<T: DeserializeOwned>(&self) -> Result<T> {
        options("transport", &self.options)
    }
}

/// `[store]`
#[derive(Clone, Debug, PartialEq)]
pub struct StoreSettings {
    /// The adapter's name.
    pub kind: String,
    /// The file.
    pub path: Option<String>,
    /// Rows a page.
    pub page_rows: u32,
    /// Bytes a page.
    pub page_bytes: u32,
    /// Keys of the adapter's own.
    pub options: serde_json::Value,
}

/// What stands in `store.path` for the user.
const USER: &str = "{user}";

impl StoreSettings {
    /// Whether each user has a store of their own: `store.path` holds `{user}`.
    pub fn is_per_user(&self) -> bool {
        self.path.as_deref().is_some_and(|path| path.contains(USER))
    }

    /// The settings of one user's store. The user's id becomes part of a file name, in which letters are lower case, digits and `-`
    /// stay, and everything else is written as `%` and two hexadecimal digits a byte: different ids have different names, also where
    /// capitals do not count.
    #[must_use]
    pub fn of_user(&self, user: &str) -> Self {
        let mut name = String::new();
        for byte in user.bytes() {
            match byte {
                b'a'..=b'z' | b'0'..=b'9' | b'-' => name.push(char::from(byte)),
                _ => name.push_str(&format!("%{byte:02x}")),
            }
        }
        Self {
            path: self.path.as_ref().map(|path| path.replace(USER, &name)),
            ..self.clone()
        }
    }

    /// The adapter's own options as its type.
    ///
    /// # Errors
    /// `config_wrong_type`.
    pub fn options<T: DeserializeOwned>(&self) -> Result<T> {
        options("store", &self.options)
    }
}

/// `[network]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkSettings {
    /// The monitor's name, or several joined by `+`; [`ASSUMED`] for none.
    pub kind: String,
    /// The tables of the monitors' own, by their names.
    pub options: BTreeMap<String, serde_json::Value>,
}

/// The word that stands for no network monitor: the network is taken for granted, and failures tell.
pub const ASSUMED: &str = "assumed";

/// `[triggers]`: what starts a run by itself, each with the context to run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TriggerSettings {
    /// The app starts.
    pub on_start: Option<String>,
    /// A user signs in.
    pub on_login: Option<String>,
    /// The network comes back.
    pub on_online: Option<String>,
    /// The app resumes.
    pub on_resume: Option<String>,
    /// The app, or another program, wrote.
    pub on_write: Option<String>,
    /// An interval.
    pub every: Option<(String, Duration)>,
}

impl TriggerSettings {
    /// The triggers that are on: the last part of the key, and the context.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("synchronize_on_start", self.on_start.as_deref()),
            ("synchronize_on_login", self.on_login.as_deref()),
            ("synchronize_on_online", self.on_online.as_deref()),
            ("synchronize_on_resume", self.on_resume.as_deref()),
            ("synchronize_on_write", self.on_write.as_deref()),
            (
                "synchronize_every",
                self.every.as_ref().map(|(context, _)| context.as_str()),
            ),
        ]
        .into_iter()
        .filter_map(|(key, context)| Some((key, context?)))
    }
}

/// `[retry]`
#[derive(Clone, Debug, PartialEq)]
pub struct RetrySettings {
    /// Whether failed runs are tried again by themselves.
    pub enabled: bool,
    /// The longest wait before the first retry.
    pub interval: Duration,
    /// By how much it grows.
    pub factor: f64,
    /// The longest wait of all.
    pub cap: Duration,
    /// At most so many retries an hour.
    pub attempts_per_hour: u32,
}

/// `contexts.*.budget`: how much one run may do. It stops at a page or request and the next run goes on there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BudgetSettings {
    /// For so long.
    pub time: Option<Duration>,
    /// Until it has sent and received so many records.
    pub rows: Option<u64>,
    /// Until it has received so many bytes.
    pub bytes: Option<u64>,
}

/// One of `[contexts]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContextSettings {
    /// What it syncs.
    pub entities: Selection,
    /// In which direction.
    pub direction: SyncDirection,
    /// After this the handle's outcome is timed out.
    pub time_out: Option<Duration>,
    /// Whether a request first empties the queue.
    pub discard_pending: bool,
    /// The parameters it takes, by name; any if empty.
    pub parameters: Vec<String>,
    /// How much one run may do.
    pub budget: BudgetSettings,
    /// Whether it waits for a network that costs nothing by volume.
    pub not_on_metered: bool,
}

/// `[limits]` and `[bin]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitSettings {
    /// Bytes of changes a request.
    pub max_request_bytes: usize,
    /// Bytes of values a record.
    pub max_record_bytes: usize,
    /// Records a transaction that becomes visible at once.
    pub group_limit: usize,
    /// Bytes of such a transaction.
    pub group_bytes: usize,
    /// Records a full refresh that becomes visible at once.
    pub refresh_limit: usize,
    /// Runs that may wait.
    pub queue: usize,
    /// How long the bin keeps values.
    pub bin_keep: Duration,
    /// Bytes the bin keeps.
    pub bin_bytes: u64,
    /// What the bin keeps of single entities, by name.
    pub bins: BTreeMap<String, BinLimit>,
}

/// How the server learns who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// By static bearer tokens.
    Tokens,
    /// Not at all: everybody is one user.
    None,
}

/// `[server]`, of `onsync.server.toml` only
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSettings {
    /// The database's address, `${NAME}` not yet filled; see [`fill_secrets`].
    pub database: Option<String>,
    /// The address to listen on.
    pub listen: String,
    /// The address of `/metrics`, if it is wanted.
    pub metrics: Option<String>,
    /// How the server learns who speaks.
    pub authentication: Authentication,
    /// Users and their tokens.
    pub tokens: Vec<(String, Secret)>,
    /// Origins of web apps that may call.
    pub cors_origins: Vec<String>,
    /// Decoded bytes a request.
    pub max_request_bytes: usize,
    /// Changes a request.
    pub max_mutations: usize,
    /// Whether answers are compressed.
    pub compression: bool,
    /// How long deletions are remembered.
    pub keep_tombstones: Duration,
}
