//! `onsync init`: two commented files to start from.

use crate::arguments::Init;
use crate::exit::{Exit, Failure, Outcome};
use crate::screen::Screen;
use onsync_core::{Error, Result};
use serde_json::json;
use std::io::Write as _;
use std::path::{Path, PathBuf};

const SHARED: &str = include_str!("init/onsync.toml");
const SERVER: &str = include_str!("init/onsync.server.toml");

/// The server's file that belongs to a shared one: `onsync.toml` → `onsync.server.toml`, in the same folder.
pub(crate) fn server_file(shared: &Path) -> PathBuf {
    let stem = shared
        .file_stem()
        .map(|stem| stem.to_string_lossy().into_owned())
        .unwrap_or_default();
    shared.with_file_name(format!("{stem}.server.toml"))
}

/// The text of a new shared file.
pub(crate) fn shared_text() -> &'static str {
    SHARED
}

/// The text of a new server file for this database.
pub(crate) fn server_text(database: &str) -> String {
    let quoted = toml_edit::value(format!("sqlite:{database}")).to_string();
    SERVER.replace("\"sqlite:app.db\"", quoted.trim())
}

/// The path of a database, with or without `sqlite:` before it.
pub(crate) fn database_path(database: &str) -> &str {
    database.strip_prefix("sqlite:").unwrap_or(database)
}

/// Makes a file that must not be there yet; says whether it did.
pub(crate) fn create(path: &Path, text: &str) -> Result<bool> {
    let failed = |error: std::io::Error| {
        Error::fatal(
            "file_unwritable",
            format!("this file cannot be written: {error}; check the folder and its rights"),
        )
        .at(path.display().to_string())
    };
    let file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path);
    match file {
        Ok(mut file) => file.write_all(text.as_bytes()).map(|()| true).map_err(failed),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(failed(error)),
    }
}

/// Runs the command.
pub(crate) fn run(screen: Screen, config: &Path, init: &Init) -> Outcome {
    let server = server_file(config);
    let database = database_path(&init.database);
    let files = [
        (config.to_path_buf(), SHARED.to_owned()),
        (server, server_text(database)),
    ];
    let mut written = Vec::new();
    for (path, text) in &files {
        let path = path.display().to_string();
        if create(Path::new(&path), text)? {
            screen.line(format!("wrote {}", screen.cyan(&path)));
            written.push(path);
        } else {
            screen.line(format!(
                "{} is there already and stays as it is",
                screen.cyan(&path)
            ));
        }
    }
    screen.json(&json!({ "written": written }));
    if written.is_empty() {
        return Err(Failure::usage(Error::unsupported(
            "config_exists",
            "both files are there already; nothing was written",
        )));
    }
    screen.line(format!(
        "\nNext: {}, then {}",
        screen.cyan(format!("onsync add <Entity> --from {database}")),
        screen.cyan("onsync serve")
    ));
    Ok(Exit::Done)
}
