//! `onsync status --watch`: the status again at every change of the store, whichever program makes it, until Ctrl-C.
//!
//! On a terminal it is drawn in place. Through a pipe each change is a line, under `--json` each an object on a line of its own.

use super::{Report, as_json, lines, missing, missing_json, read, unresolved};
use crate::exit::{Exit, Failure, Outcome};
use crate::interrupted;
use crate::open::{self, NoNetwork};
use crate::screen::{Screen, counted, second};
use console::{Term, truncate_str};
use onsync::config::Config;
use onsync::{ErrorKind, LocalStore, Registries};
use serde_json::Value;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How often the store is asked whether anything changed, which costs next to nothing.
const LOOK: Duration = Duration::from_millis(300);

/// What is shown, in each of the three forms.
struct View {
    lines: Vec<String>,
    line: String,
    json: Value,
    exit: Exit,
}

/// Runs until Ctrl-C, or until nobody reads any more; ends as `onsync status` would have at the last look.
pub(super) async fn run(screen: Screen, registries: &Registries, config: Config) -> Outcome {
    let mut out = Out::new(screen);
    let mut exit = Exit::Done;
    let follow = follow(screen, registries, config, &mut out, &mut exit);
    tokio::select! {
        failed = follow => failed?,
        // The terminal has written `^C` where the cursor was.
        () = interrupted() => if screen.is_terminal() && !screen.is_json() { println!() },
    }
    Ok(exit)
}

async fn follow(
    screen: Screen,
    registries: &Registries,
    config: Config,
    out: &mut Out,
    exit: &mut Exit,
) -> Result<(), Failure> {
    let file = config.store.path.clone();
    while file.as_deref().is_some_and(|file| !Path::new(file).exists()) && config.store.kind == "sqlite" {
        let file = file.as_deref().unwrap_or_default();
        let view = View {
            lines: vec![missing(screen, file)],
            line: missing(screen, file),
            json: missing_json(file),
            exit: Exit::Done,
        };
        if !out.show(&view) {
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
    let store = open::store(&config, registries)?;
    let app = open::app(config, registries, Arc::clone(&store), Some(Arc::new(NoNetwork))).await?;
    open::tell_opened(screen, &app);
    let mut watch = app.watch_status();
    loop {
        // Asked for first: what is committed while the rest is read is seen by the next look.
        let commits = store.foreign_commits().await?;
        app.refresh_status().await?;
        match read(&app, store.as_ref()).await {
            Ok(report) => {
                let view = View::of(screen, &report, file.as_deref());
                *exit = view.exit;
                if !out.show(&view) {
                    return Ok(());
                }
            }
            // Another program holds the store for a moment; the next look sees it.
            Err(failure) if failure.error.kind() == ErrorKind::Busy => {}
            Err(failure) => return Err(failure),
        }
        tokio::select! {
            next = watch.next() => if next.is_none() { return Ok(()) },
            changed = changed(store.as_ref(), commits) => changed?,
        }
    }
}

/// Waits until another program has committed something.
async fn changed(store: &dyn LocalStore, commits: u64) -> Result<(), Failure> {
    loop {
        tokio::time::sleep(LOOK).await;
        if store.foreign_commits().await? != commits {
            return Ok(());
        }
    }
}

impl View {
    fn of(screen: Screen, report: &Report, file: Option<&str>) -> Self {
        Self {
            lines: lines(screen, report, file),
            line: summary(report),
            json: as_json(report, file),
            exit: unresolved(report),
        }
    }
}

/// Everything on one line, for a log.
fn summary(report: &Report) -> String {
    let records = report.entities.iter().map(|entity| entity.records).sum();
    let mut parts = vec![counted(records, "record", "records")];
    for (count, what) in [
        (report.waiting.len() as u64, "waiting"),
        (report.rejected.len() as u64, "refused"),
        (report.conflicts, "in conflict"),
        (report.unknown.len() as u64, "may have been applied"),
        (report.bin.len() as u64, "in the bin"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    parts.push(match (report.up_to_date_as_of, report.last()) {
        (Some(at), _) => format!("up to date as of {}", second(at)),
        (None, Some((context, at))) => format!("last sync ({context:?}) at {}", second(at)),
        (None, None) => "not synced yet".to_owned(),
    });
    parts.join(" · ")
}

/// Where views go. Says what changed only.
struct Out {
    screen: Screen,
    terminal: Option<Term>,
    drawn: usize,
    last: Option<String>,
}

impl Out {
    fn new(screen: Screen) -> Self {
        let terminal = (screen.is_terminal() && !screen.is_json()).then(Term::stdout);
        Self {
            screen,
            terminal,
            drawn: 0,
            last: None,
        }
    }

    /// Shows a view, if it is another one than the last; false once nobody takes it any more.
    fn show(&mut self, view: &View) -> bool {
        let text = match (&self.terminal, self.screen.is_json()) {
            (_, true) => view.json.to_string(),
            (Some(term), false) => fitting(term, view).join("\n"),
            (None, false) => view.line.clone(),
        };
        if self.last.as_ref() == Some(&text) {
            return true;
        }
        let shown = match &self.terminal {
            Some(term) => term
                .clear_last_lines(self.drawn)
                .and_then(|()| term.write_line(&text)),
            None => {
                let mut stdout = std::io::stdout().lock();
                writeln!(stdout, "{text}").and_then(|()| stdout.flush())
            }
        };
        self.drawn = text.lines().count();
        self.last = Some(text);
        shown.is_ok()
    }
}

/// The lines of a view as they fit on the terminal: one that wraps could not be drawn over.
fn fitting(term: &Term, view: &View) -> Vec<String> {
    let (rows, columns) = term.size();
    let mut lines: Vec<String> = view
        .lines
        .iter()
        .map(|line| truncate_str(line, usize::from(columns).max(1), "…").into_owned())
        .collect();
    let room = usize::from(rows).saturating_sub(1).max(1);
    if lines.len() > room {
        let more = lines.len() - room + 1;
        lines.truncate(room.saturating_sub(1));
        lines.push(format!("… {more} more lines: the terminal is too low"));
    }
    lines
}
