#![doc = include_str!("../README.md")]

mod add;
mod arguments;
mod check;
mod demo;
mod exit;
mod generate;
mod init;
mod lists;
mod logging;
mod open;
mod progress;
mod screen;
mod serve;
mod status;
mod sync;
mod torture;

use arguments::{Arguments, Command};
use clap::Parser as _;
use exit::{Exit, Failure};
use onsync::Registries;
use onsync_core::Error;
use screen::Screen;
use std::future::Future;
use std::process::ExitCode;

/// Runs the command line of this process with these plug-ins, to its end.
///
/// ```no_run
/// fn main() -> std::process::ExitCode {
///     let registries = onsync::registries();
///     // registries.patterns.register("my-pattern", …)
///     onsync_cli::run(registries)
/// }
/// ```
#[must_use = "the exit code tells the shell how the command ended"]
pub fn run(registries: Registries) -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are no errors; a reader that went away is none either.
            let _ = error.print();
            return if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Done
            }
            .into();
        }
    };
    let screen = Screen::new(arguments.json, arguments.color);
    logging::start(arguments.verbose, screen.error_colour());
    match dispatch(screen, &registries, &arguments) {
        Ok(exit) => exit.into(),
        Err(Failure { exit, error }) => {
            screen.failure(&error);
            exit.into()
        }
    }
}

fn dispatch(screen: Screen, registries: &Registries, arguments: &Arguments) -> exit::Outcome {
    let config = arguments.config.as_path();
    match &arguments.command {
        Command::Init(init) => init::run(screen, config, init),
        Command::Add(add) => add::run(screen, registries, config, add),
        Command::Check(check) => in_background(check::run(screen, registries, config, check)),
        Command::Serve(serve) => in_background(serve::run(screen, registries, config, serve)),
        Command::Sync(sync) => in_background(sync::run(screen, registries, config, sync)),
        Command::Status(status) => in_background(status::run(screen, registries, config, status)),
        Command::Conflicts(conflicts) => {
            in_background(lists::conflicts::run(screen, registries, config, conflicts))
        }
        Command::Rejected(rejected) => {
            in_background(lists::rejected::run(screen, registries, config, rejected))
        }
        Command::Bin(bin) => in_background(lists::bin::run(screen, registries, config, bin)),
        Command::Generate(generate) => generate::run(screen, config, generate),
        Command::Torture(torture) => torture::run(screen, registries, config, torture),
        Command::Demo(demo) => in_background(demo::run(screen, registries, demo)),
    }
}

/// Runs an asynchronous command.
fn in_background(command: impl Future<Output = exit::Outcome>) -> exit::Outcome {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| {
            Failure::from(Error::fatal(
                "runtime_failed",
                format!("the system gave no threads to run on: {error}"),
            ))
        })?
        .block_on(command)
}

/// Ends at Ctrl-C, and where the system has it at a polite request to terminate.
async fn interrupted() {
    let interrupt = async {
        if tokio::signal::ctrl_c().await.is_err() {
            // Nobody can interrupt then; whoever ends the process ends it.
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                () = interrupt => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    interrupt.await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;
    use std::fmt::Write as _;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    /// The help of the program and of each command, as the reference page shows it.
    fn help() -> String {
        let mut program = Arguments::command().term_width(100);
        program.build();
        let mut page = format!(
            "```text\n{}\n```\n",
            program.render_long_help().to_string().trim_end()
        );
        let names: Vec<String> = program
            .get_subcommands()
            .map(|command| command.get_name().to_owned())
            .filter(|name| name != "help")
            .collect();
        for name in names {
            if let Some(command) = program.find_subcommand_mut(&name) {
                write_help(&mut page, "##", &format!("onsync {name}"), command);
            }
        }
        page
    }

    /// The help of a command and of the commands below it.
    fn write_help(page: &mut String, level: &str, name: &str, command: &clap::Command) {
        let help = command.clone().term_width(100).render_long_help().to_string();
        let lines: Vec<&str> = help.trim_end().lines().map(str::trim_end).collect();
        let _ = write!(page, "\n{level} {name}\n\n```text\n{}\n```\n", lines.join("\n"));
        for below in command
            .get_subcommands()
            .filter(|below| below.get_name() != "help")
        {
            let name = format!("{name} {}", below.get_name());
            write_help(page, &format!("{level}#"), &name, below);
        }
    }

    #[test]
    fn the_reference_page_shows_this_help() {
        const BEGIN: &str = "<!-- help: written by the test `the_reference_page_shows_this_help` -->\n";
        const END: &str = "<!-- end of help -->";
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/cli.md");
        let page = std::fs::read_to_string(&path).unwrap();
        let (before, rest) = page
            .split_once(BEGIN)
            .expect("the page has a mark where help begins");
        let (found, after) = rest.split_once(END).expect("the page has a mark where help ends");
        if found == help() {
            return;
        }
        if std::env::var_os("ONSYNC_WRITE_DOCS").is_some() {
            std::fs::write(&path, format!("{before}{BEGIN}{}{END}{after}", help())).unwrap();
            return;
        }
        panic!("docs/reference/cli.md shows another help; run this test once with ONSYNC_WRITE_DOCS=1");
    }
}
