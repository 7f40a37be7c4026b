//! `cargo xtask demo`: `onsync demo`, and beside it, while it stays, the example web app.
//!
//! The tour comes first: what it needs is built in a minute or two, while the web app is a release build for the browser, the first time with
//! a tool of its own. So a second process builds and serves the web app, and says so in a file whose lines the demo shows.

use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, IsTerminal, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use crate::child::{cargo, hand_over, root};
use crate::{FAILED, NOT_DONE, js};

/// The flag of `onsync demo` that takes the file of lines.
const ANNOUNCEMENTS: &str = "--announcements";

/// Where the web app is served unless somebody is there already. The same address keeps a browser's installed app.
const PORT: u16 = 8787;

/// What to run to get the web app alone.
const BY_HAND: &str = "`cargo xtask pwa` builds and serves the example web app";

/// How often the server looks whether the demo is still there.
const LOOK: Duration = Duration::from_millis(500);

/// Runs the demo; with the web app where it stays.
pub(crate) fn run(flags: &[OsString]) -> ExitCode {
    let ci = std::env::var("CI").is_ok_and(|value| value == "true");
    if !stays(flags, ci, std::io::stdout().is_terminal()) {
        return alone(flags);
    }
    // First what the tour needs, so that the other build does not hold it up.
    let mut build = cargo();
    build.args(["build", "--package", "onsync-cli", "--bin", "onsync"]);
    match build.current_dir(root()).status() {
        Ok(status) if status.success() => {}
        Ok(_) => return ExitCode::from(FAILED),
        Err(error) => return not_started(&error),
    }
    let announcements = root().join("target/demo-announcements");
    let told = match web_app_in_background(&announcements) {
        Ok(()) => vec![ANNOUNCEMENTS.into(), announcements.into_os_string()],
        Err(error) => {
            eprintln!("the example web app is left out: {error}; {BY_HAND}");
            Vec::new()
        }
    };
    hand_over(onsync(&[flags, &told].concat()))
}

/// Whether the demo stays after the tour, so that a web app is of use.
fn stays(flags: &[OsString], ci: bool, terminal: bool) -> bool {
    let ends = ["--once", "--json", "--help", "-h"];
    terminal
        && !ci
        && !flags
            .iter()
            .any(|flag| ends.iter().any(|end| flag == OsStr::new(end)))
}

/// The tour, and a word on what was left out.
fn alone(flags: &[OsString]) -> ExitCode {
    let quiet = flags.iter().any(|flag| {
        ["--json", "--help", "-h"]
            .iter()
            .any(|end| flag == OsStr::new(end))
    });
    match onsync(flags).status() {
        Ok(status) => {
            if status.success() && !quiet {
                println!(
                    "\nLeft out here, because this demo does not stay: an installable web app. {BY_HAND}."
                );
            }
            let code = status.code().and_then(|code| u8::try_from(code).ok());
            ExitCode::from(code.unwrap_or(FAILED))
        }
        Err(error) => not_started(&error),
    }
}

fn not_started(error: &std::io::Error) -> ExitCode {
    eprintln!("error: wanted to run cargo, but it could not be started: {error}");
    ExitCode::from(NOT_DONE)
}

/// The development profile on purpose: it is warm after the tests, dependencies are optimised in it, and a
/// release build would cost a newcomer minutes before the first line of the demo.
fn onsync(flags: &[OsString]) -> Command {
    let mut command = cargo();
    command
        .args(["run", "--package", "onsync-cli", "--bin", "onsync", "--", "demo"])
        .args(flags);
    command
}

/// Starts this program a second time, as the web app's builder and server. It ends with the demo.
fn web_app_in_background(announcements: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(root().join("target"))?;
    File::create(announcements)?;
    Command::new(std::env::current_exe()?)
        .arg("web-app-of-the-demo")
        .arg(announcements)
        .stdin(Stdio::null())
        .spawn()
        .map(drop)
}

/// What that second process does. Whatever is built says its lines in a log, because somebody looks at the demo.
pub(crate) fn web_app(announcements: &Path) -> ExitCode {
    let announce = |line: String| {
        let file = OpenOptions::new().append(true).open(announcements);
        file.and_then(|mut file| writeln!(file, "{line}"))
    };
    match build_and_serve(&announce) {
        Ok(mut server) => stay_with_the_demo(&mut server),
        Err(reason) => {
            let told = announce(format!("The example web app is left out: {reason}; {BY_HAND}."));
            ExitCode::from(if told.is_ok() { FAILED } else { NOT_DONE })
        }
    }
}

fn build_and_serve(announce: &dyn Fn(String) -> std::io::Result<()>) -> Result<Child, String> {
    let log = root().join("target/web-app-build.log");
    if !js::is_built() {
        let what = format!(
            "The example web app is being built beside this (the first time it takes some minutes; {}). Its address follows here.",
            shown(&log)
        );
        announce(what).map_err(|error| error.to_string())?;
    }
    let file = File::create(&log).map_err(|error| error.to_string())?;
    let own = |file: &File| file.try_clone().map_err(|error| error.to_string());
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut build_package = Command::new(program);
    build_package.arg("js");
    let mut build_server = cargo();
    build_server.args(["build", "--package", "onsync-example-pwa"]);
    for mut command in [build_package, build_server] {
        let ended = command
            .current_dir(root())
            .stdin(Stdio::null())
            .stdout(own(&file)?)
            .stderr(own(&file)?)
            .status();
        if !ended.is_ok_and(|status| status.success()) {
            return Err(format!("building it failed, see {}", shown(&log)));
        }
    }
    let mut command = cargo();
    command
        .args([
            "run",
            "--quiet",
            "--package",
            "onsync-example-pwa",
            "--",
            "--listen",
        ])
        .arg(format!("127.0.0.1:{}", free_port()))
        .current_dir(root())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(own(&file)?);
    let mut server = command.spawn().map_err(|error| error.to_string())?;
    let lines = server.stdout.take().map(|output| BufReader::new(output).lines());
    let address = lines
        .into_iter()
        .flatten()
        .map_while(Result::ok)
        .find_map(|line| Some(line.split_once(" is at ")?.1.to_owned()));
    let address = address.ok_or_else(|| format!("it did not start, see {}", shown(&log)))?;
    let line = format!(
        "An installable web app with a database of its own, which goes on working offline: {address}"
    );
    announce(line).map_err(|error| error.to_string())?;
    Ok(server)
}

fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path).display().to_string()
}

/// The usual port; any other if it is taken.
fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, PORT)).map_or(0, |_| PORT)
}

/// Waits until the demo has gone, which Ctrl-C ends with everything else, and ends the server.
fn stay_with_the_demo(server: &mut Child) -> ExitCode {
    let demo = parent();
    loop {
        std::thread::sleep(LOOK);
        match server.try_wait() {
            Ok(None) if parent() == demo => {}
            Ok(None) => {
                let _ended = server.kill().and_then(|()| server.wait());
                return ExitCode::SUCCESS;
            }
            _ => return ExitCode::SUCCESS,
        }
    }
}

#[cfg(unix)]
fn parent() -> u32 {
    std::os::unix::process::parent_id()
}

/// Elsewhere a console ends all that was started in it.
#[cfg(not(unix))]
fn parent() -> u32 {
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    #[test]
    fn the_web_app_comes_where_the_demo_stays() {
        assert!(stays(&flags(&["--keep"]), false, true));
        assert!(!stays(&flags(&["--once"]), false, true));
        assert!(!stays(&flags(&["--json"]), false, true));
        assert!(!stays(&[], true, true));
        assert!(!stays(&[], false, false));
    }

    #[test]
    fn every_flag_is_passed_on() {
        let command = onsync(&flags(&["--once", "--help"]));
        let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
        assert_eq!(words[5..], ["--", "demo", "--once", "--help"]);
    }

    #[test]
    fn a_taken_port_is_not_waited_for() {
        let first = TcpListener::bind((Ipv4Addr::LOCALHOST, PORT));
        assert_eq!(free_port(), 0, "{first:?}");
    }
}
