//! `onsync add`: writes entities and relations into the configuration from the tables of an existing database.

pub(crate) mod draft;
mod plan;
mod source;
pub(crate) mod write;

use crate::arguments::Add;
use crate::exit::{Exit, Failure, Outcome};
use crate::init;
use crate::screen::Screen;
use draft::{Draft, DraftRelation, near};
use onsync::Registries;
use onsync::config::Config;
use onsync_core::error::list_names;
use onsync_core::{Error, Result};
use serde_json::json;
use std::io::Write as _;
use std::path::Path;
use toml_edit::DocumentMut;

/// What is written, and what the user should know about it.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) entities: Vec<Draft>,
    pub(crate) relations: Vec<DraftRelation>,
    pub(crate) notes: Vec<String>,
}

/// Runs the command.
pub(crate) fn run(screen: Screen, registries: &Registries, path: &Path, add: &Add) -> Outcome {
    let database = init::database_path(&add.from);
    known_pattern(registries, &add.pattern)?;
    let source = source::Source::open(Path::new(database))?;
    let (text, is_new) = read(path)?;
    let mut document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| {
        Failure::usage(Error::unsupported("config_syntax", error.to_string()).at(path.display().to_string()))
    })?;
    let plan = plan::plan(&source, &document, add)?;
    for draft in &plan.entities {
        write::entity(&mut document, draft)?;
    }
    for relation in &plan.relations {
        write::relation(&mut document, relation)?;
    }
    let names: Vec<&str> = plan.entities.iter().map(|draft| draft.name.as_str()).collect();
    let mut context = None;
    if let Some(name) = &add.context {
        write::context(&mut document, name, &names)?;
        context = Some(name.as_str());
    }
    let text = document.to_string();
    Config::from_text(&text).map_err(|error| error.at("the file as it would be written"))?;
    replace(path, &text)?;
    let server_file = init::server_file(path);
    let served = server_address(path, database);
    let has_server_file = init::create(&server_file, &init::server_text(&served))?;
    report(screen, path, &plan, context);
    if has_server_file {
        screen.line(format!(
            "wrote {}: serves {} on this machine, without authentication",
            screen.cyan(server_file.display()),
            screen.cyan(database)
        ));
    }
    screen.json(&as_json(
        path,
        &plan,
        is_new,
        has_server_file.then_some(server_file.as_path()),
    ));
    screen.line(format!(
        "\nNext: {}, then in another window {}",
        screen.cyan("onsync serve"),
        screen.cyan("onsync sync")
    ));
    Ok(Exit::Done)
}

fn known_pattern(registries: &Registries, name: &str) -> std::result::Result<(), Failure> {
    if registries.patterns.get(name).is_ok() {
        return Ok(());
    }
    let near = near(name, registries.patterns.names());
    let hint = near
        .first()
        .map(|near| format!("did you mean `{near}`? "))
        .unwrap_or_default();
    Err(Failure::usage(Error::unsupported(
        "unknown_plugin",
        format!(
            "--pattern: there is no pattern `{name}`; {hint}available: {}",
            list_names(registries.patterns.names())
        ),
    )))
}

/// The file's text, or that of a new one.
fn read(path: &Path) -> std::result::Result<(String, bool), Failure> {
    match std::fs::read_to_string(path) {
        Ok(text) => {
            // A file that is wrong already is not written to.
            Config::load_device(path).map_err(Failure::usage)?;
            Ok((text, false))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Ok((init::shared_text().to_owned(), true))
        }
        Err(error) => Err(Failure::usage(
            Error::unsupported(
                "config_unreadable",
                format!("this configuration file cannot be read: {error}; correct it, or name another one"),
            )
            .at(path.display().to_string()),
        )),
    }
}

/// Replaces the file in one step: whoever reads it meanwhile sees the old or the new one.
fn replace(path: &Path, text: &str) -> Result<()> {
    // A link stays a link: what it leads to is replaced.
    let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty());
    let write = || -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
        file.write_all(text.as_bytes())?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(&target).map_or(0o644, |metadata| metadata.permissions().mode());
            file.as_file()
                .set_permissions(std::fs::Permissions::from_mode(mode))?;
        }
        file.as_file().sync_all()?;
        file.persist(&target).map_err(|error| error.error)?;
        Ok(())
    };
    write().map_err(|error| {
        Error::fatal(
            "file_unwritable",
            format!("this file cannot be written: {error}; check the folder and its rights"),
        )
        .at(path.display().to_string())
    })
}

/// The database as the server's file names it: paths there start at the file's folder.
fn server_address(config: &Path, database: &str) -> String {
    let folder = config.parent().filter(|folder| !folder.as_os_str().is_empty());
    if folder.is_none() {
        return database.to_owned();
    }
    std::path::absolute(database)
        .map(|path| path.display().to_string())
        .unwrap_or_else(|_| database.to_owned())
}

fn report(screen: Screen, path: &Path, plan: &Plan, context: Option<&str>) {
    screen.line(format!("wrote {}", screen.cyan(path.display())));
    let width = plan
        .entities
        .iter()
        .map(|draft| draft.name.chars().count())
        .max()
        .unwrap_or_default();
    for draft in &plan.entities {
        let ids = match draft.server_ids {
            Some(true) => ", keys issued by the server",
            Some(false) | None => "",
        };
        screen.line(format!(
            "  {} {:width$} {} {}, {} attributes, key {}{ids}",
            screen.green("+"),
            screen.bold(&draft.name),
            screen.dim(format!("from {}:", draft.table)),
            draft.pattern,
            draft.attributes.len(),
            draft.key.join(" + "),
            width = width + screen.bold("").len(),
        ));
    }
    for relation in &plan.relations {
        screen.line(format!(
            "  {} relation {}: {}.{} → {}",
            screen.green("+"),
            screen.bold(&relation.name),
            relation.child,
            relation.attribute,
            relation.parent
        ));
    }
    if let Some(context) = context {
        screen.line(format!(
            "  {} context {}",
            screen.green("+"),
            screen.bold(context)
        ));
    }
    for note in &plan.notes {
        screen.line(format!("  {} {note}", screen.yellow("!")));
    }
}

fn as_json(path: &Path, plan: &Plan, is_new: bool, server_file: Option<&Path>) -> serde_json::Value {
    let entities = plan.entities.iter().map(|draft| {
        let attributes = draft
            .attributes
            .iter()
            .map(|attribute| (attribute.name.clone(), json!(attribute.value_type.as_str())));
        json!({
            "name": draft.name,
            "source": draft.table,
            "pattern": draft.pattern,
            "key": draft.key,
            "ids": draft.server_ids.map(|server| if server { "server" } else { "client" }),
            "attributes": attributes.collect::<serde_json::Map<_, _>>(),
        })
    });
    let relations = plan.relations.iter().map(|relation| {
        json!({
            "name": relation.name,
            "child": relation.child,
            "attribute": relation.attribute,
            "parent": relation.parent,
            "on_delete": relation.on_delete,
        })
    });
    json!({
        "config": path.display().to_string(),
        "created": is_new,
        "server_config": server_file.map(|path| path.display().to_string()),
        "entities": entities.collect::<Vec<_>>(),
        "relations": relations.collect::<Vec<_>>(),
        "notes": plan.notes,
    })
}
