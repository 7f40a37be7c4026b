//! `onsync conflicts`, `onsync rejected`, `onsync bin`: what went wrong and what was lost, for a person to decide about. None of it needs the network.

pub(crate) mod arguments;
pub(crate) mod bin;
pub(crate) mod conflicts;
mod held;
pub(crate) mod rejected;
mod server_bin;
mod table;

use crate::exit::{Exit, Failure, Outcome};
use crate::open::{self, NoNetwork};
use crate::screen::{Screen, number};
use onsync::{App, Error, Fields, Key, Registries, Value};
use onsync_core::value::Timestamp;
use serde_json::{Map, Value as Json};
use std::path::Path;
use std::sync::Arc;
use uuid::Uuid;

/// Opens the device's app; none where the device has never synced, which is told as nothing being there. Where each user has a store, it is
/// the one of `user`.
async fn device(registries: &Registries, path: &Path, user: Option<&str>) -> Result<Option<App>, Failure> {
    let config = open::device_of(path, user)?;
    let file = config.store.path.clone();
    if config.store.kind == "sqlite" && file.is_some_and(|file| !Path::new(&file).exists()) {
        return Ok(None);
    }
    let store = open::store(&config, registries)?;
    let app = open::app(config, registries, Arc::clone(&store), Some(Arc::new(NoNetwork))).await?;
    Ok(Some(app))
}

/// The app, where a command names something that must be there.
async fn synced_device(registries: &Registries, path: &Path, user: Option<&str>) -> Result<App, Failure> {
    device(registries, path, user).await?.ok_or_else(|| {
        Error::rejected(
            "not_synced_yet",
            "wanted the store of a device, found none: nothing was synced here yet; `onsync sync` makes it",
        )
        .into()
    })
}

/// Says that a list is empty.
fn nothing(screen: Screen, what: &str, name: &str) -> Outcome {
    screen.line(screen.green(what));
    let mut value = Map::new();
    value.insert(name.to_owned(), Json::Array(Vec::new()));
    value.insert("more".to_owned(), Json::Bool(false));
    screen.json(&Json::Object(value));
    Ok(Exit::Done)
}

/// Says how many more there are than were listed.
fn more_than(screen: Screen, left_out: usize) {
    if left_out > 0 {
        screen.line(screen.dim(format!(
            "… and {} more; --limit says how many are listed",
            number(left_out as u64)
        )));
    }
}

/// A list cut to its limit, and how many were left out.
fn cut<T>(mut list: Vec<T>, limit: usize) -> (Vec<T>, usize) {
    let left_out = list.len().saturating_sub(limit);
    list.truncate(limit);
    (list, left_out)
}

/// A moment as people read it, in UTC to the minute.
fn moment(at: Timestamp) -> String {
    let text = at.to_string();
    text.get(..16).map_or(text.clone(), |text| text.replace('T', " "))
}

/// The short name of an id: its end, which is random.
fn short(id: Uuid) -> String {
    let text = id.simple().to_string();
    text[text.len() - 8..].to_owned()
}

/// The one id that is meant by a whole id or the end of one.
fn find_id(given: &str, ids: impl Iterator<Item = Uuid>, what: &str) -> Result<Uuid, Failure> {
    let wanted = given.to_ascii_lowercase().replace('-', "");
    let found: Vec<Uuid> = ids
        .filter(|id| id.simple().to_string().ends_with(&wanted))
        .take(2)
        .collect();
    match found.as_slice() {
        [id] if !wanted.is_empty() => Ok(*id),
        [] => Err(Error::rejected(
            "no_such_entry",
            format!("there is no {what} whose id is or ends with `{given}`; list them"),
        )
        .into()),
        _ => Err(Failure::usage(Error::rejected(
            "ambiguous_entry",
            format!("more than one {what} has an id that ends with `{given}`; give more of it"),
        ))),
    }
}

/// A value on one line; what would move the cursor is written out.
fn shown(value: &Value) -> String {
    let text = match value {
        Value::Null => return "–".to_owned(),
        Value::Bytes(bytes) => return format!("{} bytes", number(bytes.len() as u64)),
        value => value.to_string(),
    };
    let mut line = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\n' => line.push('⏎'),
            letter if letter.is_control() => line.extend(letter.escape_unicode()),
            letter => line.push(letter),
        }
    }
    line
}

/// A record's name as people read it.
fn record(entity: &str, key: &Key) -> String {
    let parts: Vec<String> = key.values().iter().map(shown).collect();
    format!("{entity} {}", parts.join(", "))
}

/// Values in one line.
fn in_line(values: &Fields) -> String {
    if values.is_empty() {
        return "no values".to_owned();
    }
    let parts: Vec<String> = values
        .iter()
        .map(|(name, value)| format!("{name}={}", shown(value)))
        .collect();
    parts.join("  ")
}

/// Values as plain JSON.
fn plain(values: &Fields) -> Json {
    values
        .iter()
        .map(|(name, value)| (name.to_owned(), value.to_json()))
        .collect::<Map<String, Json>>()
        .into()
}

/// A key as plain JSON: a list of its values.
fn plain_key(key: &Key) -> Json {
    key.values().iter().map(Value::to_json).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_on_one_line_and_move_no_cursor() {
        assert_eq!(shown(&"a\nb\u{1b}[2Jc".into()), "a⏎b\\u{1b}[2Jc");
        assert_eq!(shown(&Value::Null), "–");
        assert_eq!(shown(&Value::Bytes(vec![0; 1_234])), "1,234 bytes");
        assert_eq!(in_line(&Fields::new()), "no values");
    }

    #[test]
    fn an_id_is_found_by_its_end() {
        let ids = [Uuid::from_u128(0x12ab), Uuid::from_u128(0x34ab)];
        let found = |given: &str| {
            find_id(given, ids.into_iter(), "entry").map_err(|failure| failure.error.code().to_owned())
        };
        assert_eq!(found("34AB"), Ok(ids[1]));
        assert_eq!(found(&ids[0].to_string()), Ok(ids[0]));
        assert_eq!(found("ab"), Err("ambiguous_entry".to_owned()));
        assert_eq!(found(""), Err("ambiguous_entry".to_owned()));
        assert_eq!(found("ff"), Err("no_such_entry".to_owned()));
        assert_eq!(short(ids[1]), "000034ab");
    }
}
