//! Starting other programs: with a clean environment, and either watched line by line or given the terminal.

use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;

use crate::NOT_DONE;

/// The folder of the workspace. Cargo names this crate's own folder, two below it; without cargo it is the current folder.
pub(crate) fn root() -> PathBuf {
    let own = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    own.and_then(|own| own.ancestors().nth(2).map(PathBuf::from))
        .unwrap_or_else(|| PathBuf::from("."))
}

/// The cargo that started us, without what it told us about our own crate: build scripts of other crates would
/// take that for news and be run again.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    clean(&mut command);
    command.env("CARGO_INCREMENTAL", "0");
    command
}

/// Takes away what cargo told us about our own crate.
pub(crate) fn clean(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let own = name.to_str().is_some_and(|name| {
            name.starts_with("CARGO_PKG_")
                || name.starts_with("CARGO_MANIFEST_")
                || name.starts_with("CARGO_BIN_")
                || matches!(name, "CARGO_CRATE_NAME" | "CARGO_PRIMARY_PACKAGE")
        });
        if own {
            command.env_remove(name);
        }
    }
}

/// Gives the terminal to `command` and ends as it ends. On Unix it takes our place, so that Ctrl-C reaches it alone.
pub(crate) fn hand_over(mut command: Command) -> ExitCode {
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt;
        let error = command.exec();
        not_started(&command, &error)
    }
    #[cfg(not(unix))]
    match command.status() {
        Ok(status) => {
            let code = status.code().and_then(|code| u8::try_from(code).ok());
            ExitCode::from(code.unwrap_or(crate::FAILED))
        }
        Err(error) => not_started(&command, &error),
    }
}

fn not_started(command: &Command, error: &io::Error) -> ExitCode {
    let program = command.get_program().display();
    eprintln!("error: wanted to run {program}, but it could not be started: {error}");
    eprintln!("       check that it is installed and on the PATH");
    ExitCode::from(NOT_DONE)
}

/// Whether `command` runs and succeeds; its output goes nowhere.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    let silent = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    silent.status().is_ok_and(|status| status.success())
}

/// What a program printed while it was watched, both streams in the order of arrival, and whether it succeeded.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) success: bool,
    pub(crate) lines: Vec<String>,
}

/// Runs `command`, shows what it prints as it prints it, and keeps it.
pub(crate) fn watch(command: &mut Command) -> io::Result<Watched> {
    if io::stderr().is_terminal() {
        command.env("CARGO_TERM_COLOR", "always");
    }
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let lines = Mutex::new(Vec::new());
    let (output, errors) = (child.stdout.take(), child.stderr.take());
    std::thread::scope(|scope| {
        scope.spawn(|| copy_lines(output, io::stdout(), &lines));
        scope.spawn(|| copy_lines(errors, io::stderr(), &lines));
    });
    let success = child.wait()?.success();
    let lines = lines
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    Ok(Watched { success, lines })
}

/// Copies a stream line by line. A line that cannot be shown (our own output is closed) is still kept.
fn copy_lines(from: Option<impl Read>, mut to: impl Write, kept: &Mutex<Vec<String>>) {
    let Some(from) = from else { return };
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    while matches!(from.read_until(b'\n', &mut line), Ok(read) if read > 0) {
        let _shown = to.write_all(&line).and_then(|()| to.flush());
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        kept.lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .push(text);
        line.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_of_this_crate_is_not_passed_on() {
        let command = cargo();
        let removed = |name: &str| {
            command
                .get_envs()
                .any(|(key, value)| key == name && value.is_none())
        };
        assert!(removed("CARGO_MANIFEST_DIR"));
        assert!(removed("CARGO_PKG_NAME"));
        assert!(
            command
                .get_envs()
                .any(|(key, value)| key == "CARGO_INCREMENTAL" && value == Some("0".as_ref()))
        );
    }

    #[test]
    fn a_watched_program_keeps_its_lines_and_its_verdict() {
        let good = watch(cargo().arg("--version")).unwrap();
        assert!(good.success);
        assert!(
            good.lines.iter().any(|line| line.starts_with("cargo ")),
            "{:?}",
            good.lines
        );
        let bad = watch(cargo().arg("--no-such-flag")).unwrap();
        assert!(!bad.success);
        assert!(
            bad.lines.iter().any(|line| line.contains("--no-such-flag")),
            "{:?}",
            bad.lines
        );
    }
}
