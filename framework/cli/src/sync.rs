//! `onsync sync`: one sync of this device, with what travelled.

use crate::arguments::Sync;
use crate::exit::{self, Exit, Failure, Outcome};
use crate::open;
use crate::progress::Progress;
use crate::screen::{Screen, bytes, counted};
use onsync::{App, Outcome as Ended, Registries, Summary};
use onsync_core::{Error, ErrorKind};
use serde_json::json;
use std::path::Path;
use std::time::{Duration, Instant};

/// Runs the command.
pub(crate) async fn run(screen: Screen, registries: &Registries, path: &Path, flags: &Sync) -> Outcome {
    let config = open::device_of(path, flags.user.as_deref())?;
    let store = open::store(&config, registries)?;
    let app = open::app(config, registries, store, None).await?;
    open::tell_opened(screen, &app);
    let progress = Progress::new(!flags.quiet && !screen.is_json());
    let listening = app.on_event(progress.listener());
    let since = Instant::now();
    let handle = app
        .on_sync(&flags.context, &onsync::Parameters::new())
        .map_err(|error| match error.code() {
            "unknown_context" => Failure::usage(error),
            _ => error.into(),
        })?;
    let ended = tokio::select! {
        ended = handle.outcome() => ended,
        () = crate::interrupted() => {
            progress.end();
            return Err(Error::transient(
                "interrupted",
                "stopped by Ctrl-C; what was synced until then stays synced, the rest goes on with the next sync",
            ).into());
        }
    };
    drop(listening);
    progress.end();
    match ended {
        Ended::Completed(summary) => Ok(completed(screen, &app, &summary, since.elapsed()).await?),
        other => Err(failed(other)),
    }
}

/// What a run that did not complete ends as.
fn failed(ended: Ended) -> Failure {
    let error = match ended.into_result() {
        Ok(_) => return Error::fatal("internal", "a completed run was taken for a failed one").into(),
        Err(error) => error,
    };
    let exit = match error.kind() {
        ErrorKind::Unsupported if error.code() == "missing_secret" => Exit::Usage,
        kind => exit::of(kind, error.code()),
    };
    Failure { exit, error }
}

async fn completed(screen: Screen, app: &App, summary: &Summary, took: Duration) -> onsync::Result<Exit> {
    let waiting = app.waiting(usize::MAX).await?.len();
    let refused = !app.rejected(1).await?.is_empty();
    let contested = !app.conflicts(None, 1).await?.is_empty();
    // A resolver may have decided what was found.
    let unresolved = (summary.rejected > 0 && refused) || (summary.conflicts > 0 && contested);
    screen.line(format!(
        "{} in {:.1?}: {}",
        if unresolved {
            screen.yellow("synced")
        } else {
            screen.green("synced")
        },
        took,
        travelled(summary)
    ));
    tell_left(screen, waiting, refused, contested);
    screen.json(&json!({
        "outcome": "completed",
        "summary": summary,
        "waiting": waiting,
        "milliseconds": u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
    }));
    Ok(if unresolved { Exit::Unresolved } else { Exit::Done })
}

/// What is not settled, also from earlier runs, and the command that shows it.
fn tell_left(screen: Screen, waiting: usize, refused: bool, contested: bool) {
    if waiting > 0 {
        let waiting = counted(waiting as u64, "change is", "changes are");
        screen.line(format!("{waiting} still waiting"));
    }
    let told = [
        (refused, "onsync rejected list", "shows what was refused and why"),
        (
            contested,
            "onsync conflicts list",
            "shows both sides of each conflict",
        ),
        (
            waiting > 0 && !refused && !contested,
            "onsync status --list",
            "shows why",
        ),
    ];
    for (_, command, what) in told.into_iter().filter(|(is, ..)| *is) {
        screen.line(format!("{} {what}", screen.cyan(command)));
    }
}

/// What a run carried, in words.
pub(crate) fn travelled(summary: &Summary) -> String {
    let mut parts = Vec::new();
    let mut add = |count: u64, one: &str, many: &str, what: &str| {
        if count > 0 {
            parts.push(format!("{} {what}", counted(count, one, many)));
        }
    };
    add(summary.applied, "change", "changes", "sent");
    add(summary.rejected, "change", "changes", "refused");
    add(summary.conflicts, "conflict", "conflicts", "found");
    add(summary.discarded, "edit", "edits", "put into the bin");
    add(summary.received, "record", "records", "received");
    add(summary.removed, "record", "records", "removed");
    if parts.is_empty() {
        parts.push("nothing to do".to_owned());
    }
    format!(
        "{} ({}, {} received)",
        parts.join(", "),
        counted(summary.requests, "request", "requests"),
        bytes(summary.bytes_received)
    )
}
