//! `onsync status`: what the device's store holds and what waits in it, without a network.

mod watch;

use crate::arguments::Status;
use crate::exit::{Exit, Failure, Outcome};
use crate::open::{self, NoNetwork};
use crate::screen::{Screen, counted, number, second};
use onsync::core::store::local::Access;
use onsync::core::value::Timestamp;
use onsync::{App, BinEntry, Fetched, LocalStore, Registries, RejectedChange, RejectedEntry};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// So many of each list are read; a person does not read more.
const LIST: usize = 1_000;

struct EntityStatus {
    name: String,
    pattern: String,
    records: u64,
    waiting: usize,
    fetched: Fetched,
}

struct Report {
    entities: Vec<EntityStatus>,
    waiting: Vec<(String, onsync::Key, onsync::RecordState)>,
    rejected: Vec<RejectedChange>,
    unknown: Vec<RejectedChange>,
    bin: Vec<BinEntry>,
    conflicts: u64,
    up_to_date_as_of: Option<Timestamp>,
    waiting_since: Option<Timestamp>,
    completed: BTreeMap<String, Timestamp>,
}

impl Report {
    /// The context that ended well last, and when.
    fn last(&self) -> Option<(&str, Timestamp)> {
        let last = self.completed.iter().max_by_key(|(_, at)| **at)?;
        Some((last.0.as_str(), *last.1))
    }
}

/// Runs the command.
pub(crate) async fn run(screen: Screen, registries: &Registries, path: &Path, flags: &Status) -> Outcome {
    let config = open::device_of(path, flags.user.as_deref())?;
    if flags.watch {
        return watch::run(screen, registries, config).await;
    }
    let file = config.store.path.clone();
    if let Some(file) = file.as_deref().filter(|file| !Path::new(file).exists())
        && config.store.kind == "sqlite"
    {
        screen.line(missing(screen, file));
        screen.json(&missing_json(file));
        return Ok(Exit::Done);
    }
    let store = open::store(&config, registries)?;
    let app = open::app(config, registries, Arc::clone(&store), Some(Arc::new(NoNetwork))).await?;
    open::tell_opened(screen, &app);
    let report = read(&app, store.as_ref()).await?;
    for line in lines(screen, &report, file.as_deref()) {
        screen.line(line);
    }
    if flags.list {
        show_lists(screen, &report);
    } else if !report.rejected.is_empty() || !report.waiting.is_empty() {
        screen.line(format!("{} lists them", screen.cyan("onsync status --list")));
    }
    if !report.rejected.is_empty() || !report.unknown.is_empty() {
        screen.line(format!(
            "{} to decide about them",
            screen.cyan("onsync rejected list")
        ));
    }
    let mut value = as_json(&report, file.as_deref());
    if flags.list {
        value["lists"] = lists(&report);
    }
    screen.json(&value);
    Ok(unresolved(&report))
}

/// What is said of a store that is not there.
fn missing(screen: Screen, file: &str) -> String {
    format!(
        "{}: not synced yet; {} makes it",
        screen.cyan(file),
        screen.cyan("onsync sync")
    )
}

fn missing_json(file: &str) -> Value {
    json!({ "store": file, "exists": false, "waiting": 0, "rejected": 0, "conflicts": 0 })
}

fn unresolved(report: &Report) -> Exit {
    let unresolved = !report.rejected.is_empty() || report.conflicts > 0 || !report.unknown.is_empty();
    if unresolved { Exit::Unresolved } else { Exit::Done }
}

async fn read(app: &App, store: &dyn LocalStore) -> Result<Report, Failure> {
    let waiting = app.waiting(usize::MAX).await?;
    let fetched = app.fetched().await?;
    let mut transaction = store.begin(Access::Read).await?;
    let mut entities = Vec::new();
    for entity in &app.schema().entities {
        entities.push(EntityStatus {
            name: entity.name.clone(),
            pattern: entity.pattern.clone(),
            records: transaction.count(entity).await?,
            waiting: waiting.iter().filter(|(name, ..)| *name == entity.name).count(),
            fetched: fetched.get(&entity.name).copied().unwrap_or(Fetched::Never),
        });
    }
    drop(transaction);
    let status = app.status();
    let listed = app.rejected(LIST).await?;
    let (unknown, rejected) = listed
        .into_iter()
        .partition(|change| change.may_have_been_applied);
    Ok(Report {
        entities,
        waiting,
        rejected,
        unknown,
        bin: app.bin(LIST).await?,
        conflicts: status.conflicts,
        up_to_date_as_of: status.up_to_date_as_of,
        waiting_since: status.waiting_since,
        completed: status.completed_at,
    })
}

/// The report in lines.
fn lines(screen: Screen, report: &Report, file: Option<&str>) -> Vec<String> {
    let mut lines = vec![format!("store {}", screen.cyan(file.unwrap_or("in memory")))];
    lines.push(freshness(screen, report));
    let width = report
        .entities
        .iter()
        .map(|entity| entity.name.chars().count())
        .max()
        .unwrap_or_default();
    for entity in &report.entities {
        let state = match entity.fetched {
            Fetched::Never => screen.yellow("not fetched yet"),
            Fetched::Partly => screen.yellow("incomplete: the next sync goes on where the last one stopped"),
            Fetched::Complete => screen.green("complete"),
        };
        let waiting = match entity.waiting {
            0 => String::new(),
            waiting => format!(", {}", screen.yellow(format!("{waiting} waiting"))),
        };
        lines.push(format!(
            "  {:width$}  {:>10}  {state}{waiting}  {}",
            entity.name,
            number(entity.records),
            screen.dim(&entity.pattern)
        ));
    }
    for (count, one, many, bad) in [
        (
            report.waiting.len() as u64,
            "change waits to be sent",
            "changes wait to be sent",
            false,
        ),
        (
            report.rejected.len() as u64,
            "change was refused",
            "changes were refused",
            true,
        ),
        (report.conflicts, "conflict is open", "conflicts are open", true),
        (
            report.unknown.len() as u64,
            "change may have been applied",
            "changes may have been applied",
            true,
        ),
        (
            report.bin.len() as u64,
            "value is in the bin",
            "values are in the bin",
            false,
        ),
    ] {
        if count > 0 {
            let text = counted(count, one, many);
            lines.push(if bad { screen.red(text) } else { text });
        }
    }
    if let Some(since) = report.waiting_since.filter(|_| !report.waiting.is_empty()) {
        lines.push(format!("something has been waiting since {}", second(since)));
    }
    lines
}

/// How new everything is.
fn freshness(screen: Screen, report: &Report) -> String {
    let last = report.last().map(|(context, at)| match context {
        "" => format!("last sync of everything at {}", second(at)),
        context => format!("last sync of {} at {}", screen.cyan(context), second(at)),
    });
    match (report.up_to_date_as_of, last) {
        (Some(at), _) => screen.green(format!("up to date as of {}", second(at))),
        (None, Some(last)) => format!("{last}; not everything the server has was fetched"),
        (None, None) => screen.yellow("not synced yet"),
    }
}

fn show_lists(screen: Screen, report: &Report) {
    let title = |text: &str| screen.line(format!("\n{}", screen.bold(text)));
    if !report.waiting.is_empty() {
        title("waiting");
        for (entity, key, state) in &report.waiting {
            screen.line(format!("  {entity} {key}  {}", screen.dim(state.as_str())));
        }
    }
    for (name, entries) in [
        ("refused", &report.rejected),
        ("may have been applied", &report.unknown),
    ] {
        if entries.is_empty() {
            continue;
        }
        title(name);
        for change in entries {
            let RejectedEntry {
                entity,
                key,
                kind,
                rejection,
                ..
            } = &change.entry;
            screen.line(format!(
                "  {entity} {key}  {}  {} {}",
                kind.as_str(),
                rejection.message,
                screen.dim(format!("[{}]", rejection.code))
            ));
        }
    }
    if !report.bin.is_empty() {
        title("bin");
        for entry in &report.bin {
            let values: Vec<String> = entry
                .values
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            screen.line(format!(
                "  {} {} {}  {}  {}",
                screen.dim(entry.at),
                entry.entity,
                entry.key,
                json!(entry.reason).as_str().unwrap_or_default().replace('_', " "),
                screen.dim(values.join(" "))
            ));
        }
    }
}

fn as_json(report: &Report, file: Option<&str>) -> Value {
    let entities = report.entities.iter().map(|entity| {
        json!({
            "name": entity.name,
            "pattern": entity.pattern,
            "records": entity.records,
            "waiting": entity.waiting,
            "complete": entity.fetched == Fetched::Complete,
            "synced": entity.fetched != Fetched::Never,
        })
    });
    json!({
        "store": file,
        "exists": true,
        "entities": entities.collect::<Vec<_>>(),
        "waiting": report.waiting.len(),
        "rejected": report.rejected.len(),
        "conflicts": report.conflicts,
        "may_have_been_applied": report.unknown.len(),
        "bin": report.bin.len(),
        "up_to_date_as_of": report.up_to_date_as_of.map(second),
        "waiting_since": report.waiting_since.map(second),
        "completed_at": report.completed.iter().map(|(context, at)| (context.clone(), second(*at))).collect::<BTreeMap<_, _>>(),
    })
}

fn lists(report: &Report) -> Value {
    let waiting = report
        .waiting
        .iter()
        .map(|(entity, key, state)| json!({ "entity": entity, "key": key, "state": state.as_str() }));
    json!({
        "waiting": waiting.collect::<Vec<_>>(),
        "rejected": report.rejected,
        "may_have_been_applied": report.unknown,
        "bin": report.bin,
    })
}
