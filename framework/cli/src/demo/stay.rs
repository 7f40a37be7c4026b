//! After the tour: both devices sync every two seconds, and say what arrives and leaves, until Ctrl-C.

use super::tour::trip_line;
use super::{Device, Stage};
use crate::interrupted;
use crate::screen::Screen;
use onsync::{ErrorKind, Result};
use onsync_core::{Fields, Key};
use std::collections::BTreeMap;
use std::io::BufRead as _;
use std::path::Path;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

/// Runs asked for within a second of the last one look like a loop to the engine.
const EVERY: Duration = Duration::from_secs(2);
/// More changed records than this are counted, not listed.
const LISTED: usize = 6;

type Everything = BTreeMap<(String, Key), Fields>;

/// What is remembered of a device between two looks.
struct Watched {
    known: Everything,
    /// The code of what went wrong last, so that it is said once.
    problem: Option<String>,
}

/// Watches until Ctrl-C.
pub(super) async fn stay(screen: Screen, stage: &mut Stage, announcements: Option<&Path>) -> Result<()> {
    screen.line(format!(
        "\n{} Both devices sync every two seconds. Type {} or {} and Enter to cut or mend a device's line; Ctrl-C ends the demo.",
        screen.bold("Now it is yours."),
        screen.cyan("a"),
        screen.cyan("b")
    ));
    let mut watched = Vec::new();
    for device in &stage.devices {
        watched.push(Watched {
            known: device.everything().await?,
            problem: None,
        });
    }
    let mut announced = Announced::default();
    let mut lines = typed_lines();
    let mut clock = tokio::time::interval(EVERY);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = interrupted() => return Ok(()),
            Some(line) = lines.recv() => switch(screen, &mut stage.devices, line.trim()).await,
            _ = clock.tick() => {
                for line in announcements.map(|file| announced.new_lines(file)).unwrap_or_default() {
                    screen.line(format!("\n{}", screen.bold(line)));
                }
                for (device, watched) in stage.devices.iter().zip(&mut watched) {
                    look(screen, device, watched).await?;
                }
            }
        }
    }
}

/// What was shown of the file of announcements.
#[derive(Default)]
struct Announced(usize);

impl Announced {
    /// The lines that were added since and are whole. A file that is not there has none.
    fn new_lines(&mut self, file: &Path) -> Vec<String> {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let new: Vec<String> = whole.lines().skip(self.0).map(str::to_owned).collect();
        self.0 += new.len();
        new
    }
}

/// Lines typed by whoever watches. The thread ends with the process.
fn typed_lines() -> mpsc::UnboundedReceiver<String> {
    let (sender, receiver) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

async fn switch(screen: Screen, devices: &mut [Device], typed: &str) {
    let device = devices
        .iter_mut()
        .find(|device| device.name.eq_ignore_ascii_case(typed));
    let Some(device) = device else {
        if !typed.is_empty() {
            screen.line(format!(
                "   there is a device {} and a device {}",
                screen.cyan("a"),
                screen.cyan("b")
            ));
        }
        return;
    };
    if device.line.is_up() {
        device.line.cut().await;
        screen.line(format!(
            "   device {} is {}",
            device.name,
            screen.yellow("offline")
        ));
    } else if let Err(error) = device.line.mend().await {
        screen.warning(format!(
            "the line of device {} could not be mended: {error}; try again",
            device.name
        ));
    } else {
        screen.line(format!("   device {} is {}", device.name, screen.green("online")));
    }
}

/// One sync of one device, and what it changed there.
async fn look(screen: Screen, device: &Device, watched: &mut Watched) -> Result<()> {
    let trip = match device.sync().await {
        Ok(trip) => trip,
        Err(error) => {
            if watched.problem.as_deref() != Some(error.code()) {
                let what = match error.kind() {
                    ErrorKind::Offline => "the server cannot be reached; edits wait".to_owned(),
                    _ => error.to_string(),
                };
                screen.line(format!("   device {}: {}", device.name, screen.yellow(what)));
            }
            watched.problem = Some(error.code().to_owned());
            return Ok(());
        }
    };
    watched.problem = None;
    let summary = &trip.summary;
    let moved = summary.received + summary.removed + summary.applied + summary.rejected;
    if moved == 0 {
        return Ok(());
    }
    screen.line(format!("   {}", trip_line(screen, device.name, &trip)));
    let now = device.everything().await?;
    let changes = differences(&watched.known, &now);
    for change in changes.iter().take(LISTED) {
        screen.line(format!("     {change}"));
    }
    if changes.len() > LISTED {
        screen.line(screen.dim(format!("     and {} more", changes.len() - LISTED)));
    }
    watched.known = now;
    Ok(())
}

/// What differs between two states, a line for each record.
fn differences(before: &Everything, after: &Everything) -> Vec<String> {
    let mut lines = Vec::new();
    for ((entity, key), fields) in after {
        match before.get(&(entity.clone(), key.clone())) {
            None => lines.push(format!("+ {entity} {key}")),
            Some(old) if old != fields => {
                let changed: Vec<String> = fields
                    .iter()
                    .filter(|(name, value)| old.value(name) != *value)
                    .map(|(name, value)| format!("{name}: {} → {value}", old.value(name)))
                    .collect();
                lines.push(format!("~ {entity} {key}  {}", changed.join(", ")));
            }
            Some(_) => {}
        }
    }
    for (entity, key) in before.keys() {
        if !after.contains_key(&(entity.clone(), key.clone())) {
            lines.push(format!("- {entity} {key}"));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announcements_are_shown_once_and_whole() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut announced = Announced::default();
        assert!(announced.new_lines(file.path()).is_empty());
        std::fs::write(file.path(), "one\ntw").unwrap();
        assert_eq!(announced.new_lines(file.path()), ["one"]);
        std::fs::write(file.path(), "one\ntwo\nthree\n").unwrap();
        assert_eq!(announced.new_lines(file.path()), ["two", "three"]);
        assert!(announced.new_lines(file.path()).is_empty());
        assert!(announced.new_lines(Path::new("no such file")).is_empty());
    }

    #[test]
    fn differences_are_told_record_by_record() {
        let record = |name: &str| Fields::new().with("name", name);
        let at = |key: i64| ("Part".to_owned(), Key::one(key));
        let before = Everything::from([
            (at(1), record("bolt")),
            (at(2), record("nut")),
            (at(3), record("cap")),
        ]);
        let after = Everything::from([
            (at(1), record("bolt")),
            (at(2), record("screw")),
            (at(4), record("pin")),
        ]);
        assert_eq!(
            differences(&before, &after),
            ["~ Part 2  name: nut → screw", "+ Part 4", "- Part 3"]
        );
    }
}
