//! `onsync rejected`: changes the server refused, and changes that may have been applied.

use super::arguments::{Rejected, RejectedAction};
use super::held::{held_as_json, tell_held};
use super::table::{Cell, Look, Table, paragraph};
use super::{cut, device, moment, more_than, nothing, plain, plain_key, record, shown, synced_device};
use crate::exit::{Exit, Outcome};
use crate::screen::{Screen, counted};
use onsync::{App, Discarded, DiscardedRecord, Registries, RejectedChange};
use serde_json::{Value as Json, json};
use std::path::Path;

const NONE: &str = "no change was refused";

/// Runs the command.
pub(crate) async fn run(screen: Screen, registries: &Registries, path: &Path, flags: &Rejected) -> Outcome {
    let user = flags.user.as_deref();
    match &flags.action {
        RejectedAction::List { limit } => {
            let Some(app) = device(registries, path, user).await? else {
                return nothing(screen, NONE, "rejected");
            };
            list(screen, &app, *limit).await
        }
        RejectedAction::Show { number } => {
            let app = synced_device(registries, path, user).await?;
            let change = app.rejected_change(*number).await?;
            show(screen, &change);
            screen.json(&as_json(&change));
            Ok(Exit::Done)
        }
        RejectedAction::Retry { numbers, all } => {
            let app = synced_device(registries, path, user).await?;
            let numbers = match all {
                true => certain(&app).await?,
                false => numbers.clone(),
            };
            retry(screen, &app, &numbers).await
        }
        RejectedAction::Discard { numbers, dry_run } => {
            let app = synced_device(registries, path, user).await?;
            discard(screen, &app, numbers, *dry_run).await
        }
    }
}

/// The numbers of changes that were certainly not applied.
async fn certain(app: &App) -> onsync::Result<Vec<u64>> {
    let listed = app.rejected(usize::MAX).await?;
    let certain = listed.iter().filter(|change| !change.may_have_been_applied);
    Ok(certain.map(|change| change.entry.number).collect())
}

async fn list(screen: Screen, app: &App, limit: usize) -> Outcome {
    let (changes, left_out) = cut(app.rejected(usize::MAX).await?, limit);
    if changes.is_empty() {
        return nothing(screen, NONE, "rejected");
    }
    let mut table = Table::new(&["#", "record", "asked", "why", "held"], 5);
    for change in &changes {
        let entry = &change.entry;
        let held = match change.dependents.len() {
            0 => Cell::default(),
            held => Cell::of(Look::Warn, counted(held as u64, "record", "records")),
        };
        table.row(vec![
            entry.number.to_string().into(),
            Cell::of(Look::Name, record(&entry.entity, &entry.key)),
            entry.kind.as_str().into(),
            Cell::of(look(change), reason(change)),
            held,
        ]);
    }
    table.show(screen);
    more_than(screen, left_out);
    screen.line(screen.dim("`onsync rejected show NUMBER` tells all; then edit, retry or discard"));
    let changes: Vec<Json> = changes.iter().map(as_json).collect();
    screen.json(&json!({ "rejected": changes, "more": left_out > 0 }));
    Ok(Exit::Done)
}

fn look(change: &RejectedChange) -> Look {
    match (change.may_have_been_applied, change.fixed) {
        (_, true) => Look::Good,
        (true, false) => Look::Warn,
        (false, false) => Look::Bad,
    }
}

/// The reason in one sentence.
fn reason(change: &RejectedChange) -> String {
    let rejection = &change.entry.rejection;
    let why = match change.may_have_been_applied {
        true => "may have been applied: compare with the server first".to_owned(),
        false => format!(
            "{} [{}]",
            shown(&rejection.message.as_str().into()),
            rejection.code
        ),
    };
    match change.fixed {
        true => format!("edited since, the edit is sent next; was: {why}"),
        false => why,
    }
}

fn show(screen: Screen, change: &RejectedChange) {
    let entry = &change.entry;
    screen.line(format!(
        "{} {}  {}{}",
        screen.bold(format!("#{}", entry.number)),
        screen.cyan(record(&entry.entity, &entry.key)),
        entry.kind.as_str(),
        entry
            .at
            .map(|at| screen.dim(format!("  {} UTC", moment(at))))
            .unwrap_or_default()
    ));
    let rejection = &entry.rejection;
    let message = shown(&rejection.message.as_str().into());
    let look = if change.may_have_been_applied {
        Look::Warn
    } else {
        Look::Bad
    };
    paragraph(screen, look, &format!("{message} [{}]", rejection.code));
    if change.fixed {
        screen.line(screen.green("edited since: the edit is sent with the next sync, in place of this"));
    }
    screen.line("");
    if entry.values.is_empty() {
        screen.line(screen.dim("no values were sent"));
    } else {
        let mut table = Table::new(&["attribute", "value sent"], 12);
        for (name, value) in entry.values.iter() {
            table.row(vec![Cell::of(Look::Name, name), shown(value).into()]);
        }
        table.show(screen);
    }
    tell_held(screen, &change.dependents);
}

async fn retry(screen: Screen, app: &App, numbers: &[u64]) -> Outcome {
    let mut done = Vec::new();
    for number in numbers {
        let sends = app.retry_rejected(*number).await?;
        screen.line(match sends {
            true => format!(
                "#{number} is sent with the next sync: {}",
                screen.cyan("onsync sync")
            ),
            false => format!("#{number} has nothing left to send; it is not listed any more"),
        });
        done.push(json!({ "number": number, "is_sent": sends }));
    }
    if numbers.is_empty() {
        screen.line(screen.green(NONE));
    }
    screen.json(&json!({ "retried": done }));
    Ok(Exit::Done)
}

async fn discard(screen: Screen, app: &App, numbers: &[u64], dry_run: bool) -> Outcome {
    let mut done = Vec::new();
    for number in numbers {
        let records = match dry_run {
            true => app.show_discard(*number).await?,
            false => app.discard_rejected(*number).await?,
        };
        screen.line(match dry_run {
            true => format!("#{number} would discard:"),
            false => format!("#{number} is discarded:"),
        });
        for record in &records {
            screen.line(format!("  {}", in_words(screen, record)));
        }
        if records.is_empty() {
            screen.line("  nothing: the record has no unsent change any more");
        }
        let records: Vec<Json> = records
            .iter()
            .map(|record| json!({ "entity": record.entity, "key": plain_key(&record.key), "what": record.what }))
            .collect();
        done.push(json!({ "number": number, "records": records }));
    }
    screen.line(screen.dim(match dry_run {
        true => "nothing was done",
        false => "the values are in the bin: `onsync bin list --reason discarded`",
    }));
    screen.json(&json!({ "discarded": done, "dry_run": dry_run }));
    Ok(Exit::Done)
}

fn in_words(screen: Screen, discarded: &DiscardedRecord) -> String {
    let what = match discarded.what {
        Discarded::Reverted => "is as the server has it",
        Discarded::Removed => "was made here and leaves",
        Discarded::Detached => "stays; its reference is taken back",
    };
    format!(
        "{}  {what}",
        screen.cyan(record(&discarded.entity, &discarded.key))
    )
}

fn as_json(change: &RejectedChange) -> Json {
    let entry = &change.entry;
    json!({
        "number": entry.number,
        "entity": entry.entity,
        "key": plain_key(&entry.key),
        "kind": entry.kind,
        "values": plain(&entry.values),
        "code": entry.rejection.code,
        "message": entry.rejection.message,
        "at": entry.at.map(|at| at.to_string()),
        "may_have_been_applied": change.may_have_been_applied,
        "fixed": change.fixed,
        "dependents": held_as_json(&change.dependents),
    })
}
