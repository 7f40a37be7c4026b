//! Every key a configuration may have, with its kind, default and meaning: the one table behind the reader, the errors and
//! the reference page.

/// What a key holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// A text.
    Text,
    /// One of these words.
    Word(&'static [&'static str]),
    /// `true` or `false`.
    Boolean,
    /// A whole number, zero or more.
    Integer,
    /// A number, one or more.
    Factor,
    /// A duration such as `"30s"`, `"15m"` or `"90 days"`.
    Duration,
    /// A size such as `"1 MiB"`, or a number of bytes.
    Size,
    /// A list of texts.
    TextList,
    /// A text or a list of texts.
    TextOrList,
    /// A list of lists of texts.
    Lists,
    /// The word `all`, or a list of texts.
    AllOrList,
    /// The name of a value type.
    ValueType,
    /// A boolean, a whole number or a text.
    Scalar,
    /// `${NAME}`: the name of an environment variable that holds a secret.
    Secret,
    /// A table whose keys the adapter knows.
    Options,
}

impl Kind {
    /// The kind in words, for errors and the reference.
    pub fn describe(self) -> String {
        match self {
            Self::Text => "a text".to_owned(),
            Self::Word(words) => {
                let words: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
                match words.as_slice() {
                    [only] => only.clone(),
                    [first @ .., last] => format!("{} or {last}", first.join(", ")),
                    [] => "a word".to_owned(),
                }
            }
            Self::Boolean => "true or false".to_owned(),
            Self::Integer => "a whole number".to_owned(),
            Self::Factor => "a number of at least 1".to_owned(),
            Self::Duration => "a duration such as \"30s\"".to_owned(),
            Self::Size => "a size such as \"1 MiB\"".to_owned(),
            Self::TextList => "a list of texts".to_owned(),
            Self::TextOrList => "a text or a list of texts".to_owned(),
            Self::Lists => "a list of lists of texts".to_owned(),
            Self::AllOrList => "\"all\" or a list of entity names".to_owned(),
            Self::ValueType => "the name of a type".to_owned(),
            Self::Scalar => "a boolean, a whole number or a text".to_owned(),
            Self::Secret => "\"${NAME}\", the environment variable that holds it".to_owned(),
            Self::Options => "a table of the adapter's own".to_owned(),
        }
    }
}

/// Where a key may stand, and whether this version acts on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In `onsync.toml` and in `onsync.server.toml`.
    Both,
    /// Only in `onsync.server.toml`.
    Server,
    /// As [`Place::Both`]; understood, but refused when an app is built, because a later version acts on it.
    Later,
    /// As [`Place::Server`]; understood, but refused when an app or server is built.
    ServerLater,
}

impl Place {
    /// Whether the key must not ship with the app.
    pub fn is_server_only(self) -> bool {
        matches!(self, Self::Server | Self::ServerLater)
    }

    /// Whether only a later version acts on the key.
    pub fn is_later(self) -> bool {
        matches!(self, Self::Later | Self::ServerLater)
    }
}

/// One key.
#[derive(Clone, Copy, Debug)]
pub struct KeyInfo {
    /// The path; `*` stands for a name the app gives.
    pub path: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// The default as it would be written; empty for none.
    pub default: &'static str,
    /// Where it may stand.
    pub place: Place,
    /// What it is for.
    pub meaning: &'static str,
}

const fn key(
    path: &'static str,
    kind: Kind,
    default: &'static str,
    place: Place,
    meaning: &'static str,
) -> KeyInfo {
    KeyInfo {
        path,
        kind,
        default,
        place,
        meaning,
    }
}

use Kind::{
    AllOrList, Boolean, Duration, Factor, Integer, Lists, Options, Scalar, Secret, Size, Text, TextList,
    TextOrList, ValueType, Word,
};
use Place::{Both, Later, Server, ServerLater};

/// Every key, in the order of the reference page. Defaults stand here and nowhere else.
#[rustfmt::skip]
pub const KEYS: &[KeyInfo] = &[
    key("transport.kind", Text, "http", Both, "the name of the transport adapter"),
    key("transport.url", Text, "", Both, "the server's address"),
    key("transport.time_out", Duration, "30s", Both, "how long to wait for the answer to begin, and between two of its pieces"),
    key("transport.token", Secret, "", Both, "a fixed bearer token, for programs without a signed-in user"),
    key("transport.encoding", Word(&["binary", "json"]), "binary", Both, "the form of the frames; `json` for debugging"),
    key("transport.compression", Word(&["zstd", "gzip", "none"]), "zstd", Both, "how request bodies are compressed"),
    key("transport.options", Options, "", Both, "keys of the adapter's own"),
    key("store.kind", Text, "sqlite", Both, "the name of the store adapter"),
    key("store.path", Text, "", Both, "the store's file, `app.sqlite` if absent (in a browser the database `onsync`); `{user}` in it gives each user who signs in a store of their own"),
    key("store.page_rows", Integer, "2000", Both, "at most so many rows a page; adapted downwards so that one apply is quick"),
    key("store.page_bytes", Size, "1 MiB", Both, "at most so many bytes of values a page"),
    key("store.options", Options, "", Both, "keys of the adapter's own"),
    key("network.kind", Text, "assumed", Both, "the name of the network monitor, or several joined by `+`; `assumed` takes the network for granted and lets failures tell"),
    key("network.*", Options, "", Both, "keys of the monitor of that name"),
    key("triggers.synchronize_on_start", Text, "", Both, "the context to run when the app starts"),
    key("triggers.synchronize_on_login", Text, "", Both, "the context to run when a user signs in"),
    key("triggers.synchronize_on_online", Text, "", Both, "the context to run when the network has come back and stayed for 2 s"),
    key("triggers.synchronize_on_resume", Text, "", Both, "the context to run when the app resumes"),
    key("triggers.synchronize_on_write", Text, "", Both, "the context to run once nothing was written here for 1 s, at the latest 10 s after the first write"),
    key("triggers.synchronize_every.context", Text, "", Both, "the context to run at an interval"),
    key("triggers.synchronize_every.interval", Duration, "15m", Both, "that interval; each time up to a tenth shorter, so that many devices do not come in step"),
    key("retry.retry_synchronizations", Boolean, "true", Both, "whether a failed run is tried again by itself"),
    key("retry.retry_interval", Duration, "5s", Both, "the longest wait before the first retry"),
    key("retry.factor", Factor, "2", Both, "by how much the wait grows with each retry"),
    key("retry.cap", Duration, "5m", Both, "the longest wait of all"),
    key("retry.attempts_per_hour", Integer, "60", Both, "at most so many retries an hour; calls of `on_sync` do not count"),
    key("contexts.*.entities", AllOrList, "all", Both, "what the context syncs, in this order"),
    key("contexts.*.direction", Word(&["both", "push", "pull"]), "both", Both, "send then fetch, send only, or fetch only"),
    key("contexts.*.time_out", Duration, "", Both, "after this the handle's outcome is *timed out*"),
    key("contexts.*.discard_pending", Boolean, "false", Both, "whether a request for this context first empties the queue"),
    key("contexts.*.parameters", TextList, "", Both, "the parameters the context takes, by name; if given, others are refused"),
    key("contexts.*.budget.time", Duration, "", Both, "a run stops by itself after this time, and goes on there next time"),
    key("contexts.*.budget.rows", Integer, "", Both, "a run stops by itself at the page with which it has sent and received so many records"),
    key("contexts.*.budget.bytes", Size, "", Both, "a run stops by itself at the page with which it has received so many bytes"),
    key("contexts.*.not_on_metered", Boolean, "false", Both, "whether the context waits for a network that costs nothing by volume"),
    key("limits.max_request_bytes", Size, "1 MiB", Both, "at most so many bytes of changes a request"),
    key("limits.max_record_bytes", Size, "1 MiB", Both, "at most so many bytes of values a record"),
    key("limits.group_limit", Integer, "5000", Both, "at most so many records a transaction that must become visible at once"),
    key("limits.group_bytes", Size, "8 MiB", Both, "at most so many bytes of values such a transaction"),
    key("limits.refresh_limit", Integer, "20000", Both, "a full refresh of at most so many records becomes visible at once"),
    key("limits.queue", Integer, "32", Both, "at most so many runs wait"),
    key("bin.keep", Duration, "30 days", Both, "how long the bin keeps values that were overwritten or discarded"),
    key("bin.max_bytes", Size, "64 MiB", Both, "at most so many bytes in the bin; the oldest leave first"),
    key("server.database", Text, "", Server, "`sqlite:<file>`; a password in an address only as `${NAME}`"),
    key("server.listen", Text, "127.0.0.1:8080", Server, "the address to listen on"),
    key("server.metrics", Text, "", Server, "the address at which `/metrics` tells collectors such as Prometheus what was counted; for those who run the server, not for devices; off if absent"),
    key("server.authentication", Word(&["tokens", "none"]), "tokens", Server, "who may speak; `none` lets everybody in as one user"),
    key("server.tokens.*", Secret, "", Server, "a user's bearer token"),
    key("server.cors_origins", TextList, "", Server, "origins of web apps that may call the server"),
    key("server.max_request_bytes", Size, "16 MiB", Server, "at most so many decoded bytes a request"),
    key("server.max_mutations", Integer, "10000", Server, "at most so many changes a request"),
    key("server.compression", Boolean, "true", Server, "whether answers are compressed for those who accept it"),
    key("server.keep_tombstones", Duration, "90 days", Server, "how long deletions are remembered; a device away longer fetches everything again"),
    key("entities.*.source", Text, "", Both, "the server table; the entity's name if absent"),
    key("entities.*.pattern", Text, "", Both, "the name of the pattern; required unless `local`"),
    key("entities.*.key", TextOrList, "id", Both, "the attribute, or list of attributes, that names a record"),
    key("entities.*.ids", Word(&["client", "server"]), "client", Both, "who issues the keys of new records"),
    key("entities.*.indexes", Lists, "", Both, "indexes of the local table"),
    key("entities.*.together", Lists, "", Both, "attributes that travel, win, lose and conflict as one"),
    key("entities.*.local", Boolean, "false", Both, "the entity never travels"),
    key("entities.*.local_edits", Word(&["refuse", "keep"]), "refuse", Both, "local writes under a read-only pattern"),
    key("entities.*.delete.soft", Text, "", Both, "the server column that says that a row counts as deleted"),
    key("entities.*.delete.value", Scalar, "", Both, "the value of that column which means deleted"),
    key("entities.*.resolver", Text, "manual", Both, "the name of the conflict resolver"),
    key("entities.*.latest_by", Text, "", Both, "the attribute that `latest-wins` compares"),
    key("entities.*.on_pending_conflicts", Word(&["abort", "continue"]), "abort", Both, "whether open conflicts hold the entity or only the records"),
    key("entities.*.offline_edits", Word(&["allow", "refuse"]), "allow", Later, "whether writes need a confirmed server"),
    key("entities.*.bin.keep", Duration, "", Both, "as `bin.keep`, for this entity"),
    key("entities.*.bin.max_bytes", Size, "", Both, "at most so many bytes of this entity, within `bin.max_bytes`"),
    key("entities.*.scope", Text, "", ServerLater, "which records a device holds, for example `\"assigned_to = :user\"`"),
    key("entities.*.attributes.*", ValueType, "", Both, "short form: the attribute's type"),
    key("entities.*.attributes.*.type", ValueType, "", Both, "the attribute's type"),
    key("entities.*.attributes.*.column", Text, "", Both, "the server column; the attribute's name if absent"),
    key("entities.*.attributes.*.local", Boolean, "false", Both, "the attribute never travels"),
    key("entities.*.attributes.*.as", Word(&["text"]), "", Both, "carry a column whose database type has no counterpart as text"),
    key("entities.*.attributes.*.from", Text, "", Later, "a parent's attribute, as `relation.attribute`"),
    key("entities.*.attributes.*.sensitive", Boolean, "false", Later, "never shown in logs, and warned about in a plain store"),
    key("relations.*.child", Text, "", Both, "the entity that refers"),
    key("relations.*.attribute", Text, "", Both, "its attribute that refers"),
    key("relations.*.parent", Text, "", Both, "the entity referred to"),
    key("relations.*.on_delete", Word(&["restrict", "cascade", "set-null"]), "restrict", Both, "what deleting the parent does to the child"),
];

fn segment_matches(pattern: &str, name: &str) -> bool {
    pattern == "*" || pattern == name
}

/// The key at exactly this path.
pub(crate) fn find(path: &[String]) -> Option<&'static KeyInfo> {
    KEYS.iter().find(|info| {
        let mut segments = info.path.split('.');
        path.iter().all(|name| {
            segments
                .next()
                .is_some_and(|segment| segment_matches(segment, name))
        }) && segments.next().is_none()
    })
}

/// What may stand directly below a path: the names, and whether the app may give its own.
pub(crate) fn below(path: &[String]) -> (Vec<&'static str>, bool) {
    let mut names = Vec::new();
    let mut own = false;
    for info in KEYS {
        let mut segments = info.path.split('.');
        let fits = path.iter().all(|name| {
            segments
                .next()
                .is_some_and(|segment| segment_matches(segment, name))
        });
        match segments.next().filter(|_| fits) {
            Some("*") => own = true,
            Some(name) if !names.contains(&name) => names.push(name),
            _ => {}
        }
    }
    (names, own)
}
