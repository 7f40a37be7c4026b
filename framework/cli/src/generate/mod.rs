//! `onsync generate`: the configuration's names as program text, so that the compiler finds a misspelt one.

mod names;
mod rust;
mod typescript;

use crate::arguments::{Generate, Language};
use crate::exit::{Exit, Failure, Outcome};
use crate::open;
use crate::screen::Screen;
use onsync_core::Error;
use serde_json::json;
use std::path::Path;

/// Runs the command.
pub(crate) fn run(screen: Screen, path: &Path, flags: &Generate) -> Outcome {
    let config = open::device_config(path)?;
    let text = match flags.language {
        Language::Rust => rust::text(&config),
        Language::Typescript => {
            let source = std::fs::read_to_string(path).unwrap_or_default();
            typescript::text(&config, &source)
        }
    };
    let Some(out) = &flags.out else {
        screen.line(text.trim_end());
        screen.json(&json!({ "text": text }));
        return Ok(Exit::Done);
    };
    std::fs::write(out, &text).map_err(|error| {
        Failure::from(
            Error::fatal(
                "file_unwritable",
                format!("this file cannot be written: {error}; check the folder and its rights"),
            )
            .at(out.display().to_string()),
        )
    })?;
    screen.line(format!("wrote {}", screen.cyan(out.display())));
    screen.json(&json!({ "written": out }));
    Ok(Exit::Done)
}
