//! Checks a configuration against the table of keys: unknown keys, wrong types, keys in the wrong file.

use super::keys::{KEYS, Kind, Place, below, find};
use super::node::Node;
use super::place::Places;
use onsync_core::error::list_names;
use onsync_core::value::ValueType;
use onsync_core::{Error, Result};
use std::time::Duration;

/// Refuses the first key that is unknown or holds something else than it should.
pub(crate) fn check(root: &Node, places: &Places) -> Result<()> {
    if !matches!(root, Node::Table(_)) {
        return Err(wrong_type("a table", root, &[], places));
    }
    walk(root, &mut Vec::new(), places)
}

fn walk(table: &Node, path: &mut Vec<String>, places: &Places) -> Result<()> {
    for (name, value) in table.entries() {
        path.push(name.clone());
        let (names, own) = below(path);
        let is_inner = own || !names.is_empty();
        let is_table = matches!(value, Node::Table(_));
        match find(path) {
            // A text among tables of adapters' own names is a key written wrongly.
            Some(info) if info.kind == Kind::Options && info.path.ends_with('*') && !is_table => {
                return Err(unknown_key(path, places));
            }
            Some(info) if !(is_inner && is_table) => {
                check_value(info.kind, value, path, places)?;
            }
            None if !is_inner => return Err(unknown_key(path, places)),
            _ if is_table => walk(value, path, places)?,
            _ => return Err(wrong_type("a table", value, path, places)),
        }
        path.pop();
    }
    Ok(())
}

/// Refuses keys of the server that stand in a file which ships with the app.
#[cfg(feature = "config-file")]
pub(crate) fn refuse_server_keys(shared: &Node, places: &Places) -> Result<()> {
    each(shared, &mut Vec::new(), &mut |path, _| match find(path) {
        Some(info) if info.place.is_server_only() => Err(Error::unsupported(
            "config_server_only",
            "this key is the server's and must not ship with the app; move it to `onsync.server.toml`",
        )
        .at(places.of(path))),
        _ => Ok(()),
    })
}

/// Refuses what only a later version acts on, unless it says what is done anyway.
pub(crate) fn refuse_later(root: &Node, places: &Places) -> Result<()> {
    each(root, &mut Vec::new(), &mut |path, value| {
        let Some(info) = find(path).filter(|info| info.place.is_later()) else {
            return Ok(());
        };
        let harmless = match value {
            Node::Text(text) => text == info.default,
            Node::Boolean(flag) => flag.to_string() == info.default,
            Node::List(items) => items.is_empty(),
            _ => false,
        };
        if harmless {
            return Ok(());
        }
        Err(Error::unsupported(
            "not_yet_supported",
            format!(
                "`{}` is understood, but this version does not act on it yet; remove it, so that nothing is expected that does not happen",
                path.join(".")
            ),
        )
        .at(places.of(path)))
    })
}

/// Visits every value that is not a table, and tables that are values.
fn each(
    node: &Node,
    path: &mut Vec<String>,
    visit: &mut dyn FnMut(&[String], &Node) -> Result<()>,
) -> Result<()> {
    for (name, value) in node.entries() {
        path.push(name.clone());
        if matches!(value, Node::Table(_)) {
            each(value, path, visit)?;
        } else {
            visit(path, value)?;
        }
        path.pop();
    }
    Ok(())
}

fn check_value(kind: Kind, value: &Node, path: &[String], places: &Places) -> Result<()> {
    let texts = |node: &Node| matches!(node, Node::List(items) if items.iter().all(|item| matches!(item, Node::Text(_))));
    let fits = match kind {
        Kind::Text => matches!(value, Node::Text(_)),
        Kind::Boolean => matches!(value, Node::Boolean(_)),
        Kind::Integer => matches!(value, Node::Integer(0..)),
        Kind::Factor => {
            matches!(value, Node::Integer(1..))
                || matches!(value, Node::Real(real) if (1.0..=1000.0).contains(real))
        }
        Kind::TextList => texts(value),
        Kind::TextOrList => matches!(value, Node::Text(_)) || texts(value),
        Kind::Lists => matches!(value, Node::List(lists) if lists.iter().all(texts)),
        Kind::AllOrList => matches!(value, Node::Text(text) if text == "all") || texts(value),
        Kind::Scalar => matches!(value, Node::Boolean(_) | Node::Integer(_) | Node::Text(_)),
        Kind::Options => matches!(value, Node::Table(_)),
        Kind::Duration => parse_duration(value).is_some(),
        Kind::Size => parse_size(value).is_some(),
        Kind::Word(words) => match value {
            Node::Text(text) if words.contains(&text.as_str()) => true,
            Node::Text(text) => return Err(unknown_word(text, words.iter().copied(), path, places)),
            _ => false,
        },
        Kind::ValueType => match value {
            Node::Text(text) if ValueType::from_name(text).is_some() => true,
            Node::Text(text) => {
                let names = ValueType::ALL.into_iter().map(ValueType::as_str);
                return Err(unknown_word(text, names, path, places));
            }
            _ => false,
        },
        Kind::Secret => match value {
            Node::Text(text) if secret_name(text).is_some() => true,
            Node::Text(_) => return Err(literal_secret(path, places)),
            _ => false,
        },
    };
    if fits {
        return Ok(());
    }
    Err(wrong_type(&kind.describe(), value, path, places))
}

/// The variable that `${NAME}` names.
pub(crate) fn secret_name(text: &str) -> Option<&str> {
    let name = text.strip_prefix("${")?.strip_suffix('}')?;
    let fine = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    fine.then_some(name)
}

pub(crate) fn parse_duration(value: &Node) -> Option<Duration> {
    match value {
        Node::Text(text) => humantime::parse_duration(text).ok(),
        _ => None,
    }
}

pub(crate) fn parse_size(value: &Node) -> Option<u64> {
    match value {
        Node::Integer(bytes) => u64::try_from(*bytes).ok(),
        Node::Text(text) => text.parse::<bytesize::ByteSize>().ok().map(|size| size.as_u64()),
        _ => None,
    }
}

/// "did you mean …? " for a name that looks like a known one.
pub(crate) fn did_you_mean<'a>(found: &str, known: impl Iterator<Item = &'a str>) -> String {
    let lower = found.to_lowercase();
    known
        .map(|name| {
            let known = name.to_lowercase();
            let slip = strsim::damerau_levenshtein(&lower, &known) == 1 && known.len() > 2;
            let likeness = strsim::jaro_winkler(&lower, &known);
            (if slip { likeness.max(0.9) } else { likeness }, name)
        })
        .filter(|(likeness, _)| *likeness > 0.82)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| format!("did you mean `{name}`? "))
        .unwrap_or_default()
}

fn unknown_word<'a>(
    found: &str,
    known: impl Iterator<Item = &'a str> + Clone,
    path: &[String],
    places: &Places,
) -> Error {
    Error::unsupported(
        "config_unknown_word",
        format!(
            "found {found:?}, which is not known here; {}available: {}",
            did_you_mean(found, known.clone()),
            list_names(known)
        ),
    )
    .at(places.of(path))
}

fn literal_secret(path: &[String], places: &Places) -> Error {
    Error::unsupported(
        "config_literal_secret",
        "secrets do not stand in files: wanted \"${NAME}\", found a text of another form (not shown); \
         put the secret in an environment variable and name it here",
    )
    .at(places.of(path))
}

/// An address may name a secret inside; it may not hold one.
pub(crate) fn refuse_password(address: &str, path: &[String], places: &Places) -> Result<()> {
    let authority = address
        .split_once("://")
        .map(|(_, rest)| rest)
        .unwrap_or_default();
    let user = authority.split('/').next().and_then(|host| host.rsplit_once('@'));
    match user.and_then(|(user, _)| user.split_once(':')) {
        Some((_, password)) if secret_name(password).is_none() => Err(literal_secret(path, places)),
        _ => Ok(()),
    }
}

fn wrong_type(wanted: &str, found: &Node, path: &[String], places: &Places) -> Error {
    Error::unsupported(
        "config_wrong_type",
        format!("wanted {wanted}, found {}", found.describe()),
    )
    .at(places.of(path))
}

fn unknown_key(path: &[String], places: &Places) -> Error {
    let (name, above) = path
        .split_last()
        .map_or(("", path), |(name, above)| (name.as_str(), above));
    let (known, _) = below(above);
    let elsewhere = KEYS
        .iter()
        .filter(|info| info.path.rsplit('.').next() == Some(name) && info.place != Place::ServerLater)
        .map(|info| info.path)
        .next()
        .filter(|_| !known.contains(&name))
        .map(|path| format!("; `{name}` stands at `{path}`"))
        .unwrap_or_default();
    let near = if elsewhere.is_empty() {
        did_you_mean(name, known.iter().copied())
    } else {
        String::new()
    };
    Error::unsupported(
        "config_unknown_key",
        format!(
            "there is no key `{name}` here; {near}available: {}{elsewhere}",
            list_names(&known)
        ),
    )
    .at(places.of(path))
}
