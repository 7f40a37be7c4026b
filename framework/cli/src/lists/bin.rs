//! `onsync bin`: values that lost, on the device or, with `--server`, on the server.

use super::arguments::{Bin, BinAction, Filter, Reason};
use super::table::{Cell, Look, Table};
use super::{
    cut, device, find_id, in_line, moment, more_than, nothing, plain, plain_key, record, short, shown,
};
use super::{server_bin, synced_device};
use crate::exit::{Exit, Failure, Outcome};
use crate::screen::{Screen, counted};
use onsync::{App, BinEntry, BinFilter, BinReason, Error, Fields, Key, Registries};
use onsync_core::value::Timestamp;
use serde_json::{Value as Json, json};
use std::path::Path;
use uuid::Uuid;

const EMPTY: &str = "the bin is empty";

/// Runs the command.
pub(crate) async fn run(screen: Screen, registries: &Registries, path: &Path, flags: &Bin) -> Outcome {
    if flags.server {
        return server_bin::run(screen, registries, path, &flags.action).await;
    }
    let user = flags.user.as_deref();
    match &flags.action {
        BinAction::List { filter, limit } => {
            let wanted = device_filter(filter)?;
            let Some(app) = device(registries, path, user).await? else {
                return nothing(screen, EMPTY, "bin");
            };
            let found = app.bin(wanted).await?;
            list(screen, found.into_iter().map(Shown::from).collect(), *limit)
        }
        BinAction::Show { id } => {
            let app = synced_device(registries, path, user).await?;
            let entry = entry(&app, id).await?;
            let now = match app.schema().entity(&entry.entity) {
                Ok(_) => app.get(&entry.entity, entry.key.clone()).await?,
                Err(_) => None,
            };
            show(screen, &entry.into(), Some(now));
            Ok(Exit::Done)
        }
        BinAction::Restore { ids } => {
            let app = synced_device(registries, path, user).await?;
            let mut restored = Vec::new();
            for id in ids {
                let entry = entry(&app, id).await?;
                let key = app.restore(entry.id).await?;
                restored.push((entry.id, entry.entity, key));
            }
            tell_restored(screen, &restored, "it is sent with the next sync: `onsync sync`");
            Ok(Exit::Done)
        }
        BinAction::Empty { filter, yes } => {
            let wanted = device_filter(filter)?;
            let Some(app) = device(registries, path, user).await? else {
                return nothing(screen, EMPTY, "bin");
            };
            if *yes {
                let removed = app.empty_bin(wanted).await?;
                return Ok(tell_removed(screen, removed));
            }
            let count = app.bin(wanted).await?.len();
            Err(unsure(count))
        }
    }
}

/// The entry that is meant by an id or the end of one.
async fn entry(app: &App, given: &str) -> Result<BinEntry, Failure> {
    let entries = app.bin(BinFilter::all()).await?;
    let id = find_id(given, entries.iter().map(|entry| entry.id), "entry of the bin")?;
    Ok(app.bin_entry(id).await?)
}

fn device_filter(filter: &Filter) -> Result<BinFilter, Failure> {
    let mut wanted = BinFilter::all();
    wanted.entity.clone_from(&filter.entity);
    wanted.since = filter.since.as_deref().map(since).transpose()?;
    wanted.reason = filter.reason.map(|reason| match reason {
        Reason::Overwritten => BinReason::Overwritten,
        Reason::Discarded => BinReason::Discarded,
        Reason::Gone => BinReason::Gone,
        Reason::LeftScope => BinReason::LeftScope,
        Reason::ReadOnly => BinReason::ReadOnly,
    });
    Ok(wanted)
}

/// A moment, a day, or a time ago.
pub(super) fn since(text: &str) -> Result<Timestamp, Failure> {
    let moment = text.parse::<jiff::Timestamp>().ok();
    let day = || {
        let day = text.parse::<jiff::civil::Date>().ok()?;
        Some(day.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
    };
    let ago = || {
        let span = text.parse::<jiff::Span>().ok()?;
        let ago = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).ok()?;
        jiff::Timestamp::now().checked_sub(ago.abs()).ok()
    };
    moment
        .or_else(day)
        .or_else(ago)
        .and_then(|moment| Timestamp::from_count(moment.as_microsecond()).ok())
        .ok_or_else(|| {
            Failure::usage(Error::rejected(
                "invalid_moment",
                format!(
                    "wanted a day such as 2026-11-22, a moment such as 2026-11-22T08:00:00Z, or a time ago such as `2h` or `3 days`, found `{text}`"
                ),
            ))
        })
}

/// An entry of either bin, as it is shown.
pub(super) struct Shown {
    pub(super) id: Uuid,
    pub(super) at: Timestamp,
    pub(super) entity: String,
    pub(super) key: Key,
    /// Why it is there, in words.
    pub(super) why: String,
    pub(super) values: Fields,
    /// What programs read beside the rest.
    pub(super) more: Json,
}

impl From<BinEntry> for Shown {
    fn from(entry: BinEntry) -> Self {
        let reason = json!(entry.reason);
        Self {
            id: entry.id,
            at: entry.at,
            entity: entry.entity,
            key: entry.key,
            why: reason.as_str().unwrap_or_default().replace('_', " "),
            values: entry.values,
            more: json!({ "reason": reason }),
        }
    }
}

impl Shown {
    fn as_json(&self) -> Json {
        let mut value = json!({
            "id": self.id,
            "at": self.at.to_string(),
            "entity": self.entity,
            "key": plain_key(&self.key),
            "values": plain(&self.values),
        });
        if let (Some(value), Some(more)) = (value.as_object_mut(), self.more.as_object()) {
            value.extend(more.clone());
        }
        value
    }
}

/// Prints a list, at most so many of it.
pub(super) fn list(screen: Screen, entries: Vec<Shown>, limit: usize) -> Outcome {
    let (entries, left_out) = cut(entries, limit);
    if entries.is_empty() {
        return nothing(screen, EMPTY, "bin");
    }
    let mut table = Table::new(&["id", "when (UTC)", "record", "why", "values"], 3);
    for entry in &entries {
        table.row(vec![
            Cell::of(Look::Name, short(entry.id)),
            Cell::of(Look::Dim, moment(entry.at)),
            record(&entry.entity, &entry.key).into(),
            entry.why.clone().into(),
            in_line(&entry.values).into(),
        ]);
    }
    table.show(screen);
    more_than(screen, left_out);
    let entries: Vec<Json> = entries.iter().map(Shown::as_json).collect();
    screen.json(&json!({ "bin": entries, "more": left_out > 0 }));
    Ok(Exit::Done)
}

/// Prints one entry, beside the record as it is now where that is known.
pub(super) fn show(screen: Screen, entry: &Shown, now: Option<Option<Fields>>) {
    screen.line(format!(
        "{}  {}  {}",
        screen.cyan(record(&entry.entity, &entry.key)),
        entry.why,
        screen.dim(format!("{} UTC", moment(entry.at)))
    ));
    screen.line(screen.dim(format!("id {}", entry.id)));
    screen.line("");
    let head: &[&str] = match &now {
        Some(Some(_)) => &["attribute", "in the bin", "now"],
        _ => &["attribute", "in the bin"],
    };
    let mut table = Table::new(head, 12);
    for (name, value) in entry.values.iter() {
        let mut row: Vec<Cell> = vec![Cell::of(Look::Name, name)];
        match &now {
            Some(Some(fields)) if fields.value(name) != value => {
                row.push(Cell::of(Look::Warn, shown(value)));
                row.push(shown(fields.value(name)).into());
            }
            Some(Some(_)) => row.extend([shown(value).into(), Cell::of(Look::Dim, "the same")]),
            _ => row.push(shown(value).into()),
        }
        table.row(row);
    }
    match entry.values.is_empty() {
        true => screen.line(screen.dim("no values")),
        false => table.show(screen),
    }
    if let Some(None) = &now {
        screen.line(screen.dim("the record is not on this device now"));
    }
    let mut value = entry.as_json();
    if let Some(now) = &now {
        value["now"] = now.as_ref().map_or(Json::Null, plain);
    }
    screen.json(&value);
}

pub(super) fn tell_restored(screen: Screen, restored: &[(Uuid, String, Key)], what_next: &str) {
    for (id, entity, key) in restored {
        screen.line(format!(
            "{} {} is restored; {what_next}",
            screen.dim(short(*id)),
            screen.cyan(record(entity, key))
        ));
    }
    let restored: Vec<Json> = restored
        .iter()
        .map(|(id, entity, key)| json!({ "id": id, "entity": entity, "key": plain_key(key) }))
        .collect();
    screen.json(&json!({ "restored": restored }));
}

pub(super) fn tell_removed(screen: Screen, removed: u64) -> Exit {
    let entries = counted(removed, "entry was", "entries were");
    screen.line(format!("{entries} removed from the bin"));
    screen.json(&json!({ "removed": removed }));
    Exit::Done
}

/// Nothing is removed without being asked for.
pub(super) fn unsure(count: usize) -> Failure {
    let entries = counted(count as u64, "entry", "entries");
    Failure::usage(Error::rejected(
        "not_confirmed",
        format!("this would remove {entries} for good; nothing was done: add --yes to do it"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_in_three_ways() {
        let at = |text: &str| since(text).ok().map(|at| at.to_string());
        assert_eq!(at("2026-11-22").as_deref(), Some("2026-11-22T00:00:00.000000Z"));
        assert!(at("2026-11-22T08:00:00Z").is_some());
        let (two_hours, three_days) = (since("2h").unwrap(), since("3 days").unwrap());
        let apart = (two_hours.count() - three_days.count()) / 1_000_000;
        assert!((70 * 3_600 - 5..=70 * 3_600 + 5).contains(&apart), "{apart}");
        assert_eq!(since("yesterday-ish").unwrap_err().error.code(), "invalid_moment");
    }
}
