//! `onsync check`: mistakes in the configuration, and in what it names.

use crate::arguments::Check;
use crate::exit::{Exit, Failure, Outcome};
use crate::screen::{Screen, counted};
use crate::{open, serve};
use onsync::Registries;
use onsync::config::Config;
use onsync::server::{builder, database};
use onsync_core::Error;
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};
use std::path::Path;

/// So many rows of each table are looked at, as when a server attaches.
const SAMPLE: usize = 1_000;

/// Runs the command.
pub(crate) async fn run(screen: Screen, registries: &Registries, path: &Path, flags: &Check) -> Outcome {
    let (config, warnings) = if flags.server {
        let config = open::server_config(path, true)?;
        let warnings = check_server(&config, registries).await?;
        (config, warnings)
    } else {
        let config = open::device_config(path)?;
        open::names_are_known(&config, registries)?;
        registries.check_resolvers(&config).map_err(Failure::usage)?;
        open::store(&config, registries)?;
        check_store(&config)?;
        (config, Vec::new())
    };
    let warnings: Vec<String> = warnings.into_iter().chain(advice(&config)).collect();
    for warning in &warnings {
        screen.warning(warning);
    }
    screen.line(format!(
        "{}: {}, {}, {}",
        screen.cyan(path.display()),
        screen.green("no mistakes found"),
        counted(config.schema.entities.len() as u64, "entity", "entities"),
        counted(config.schema.relations.len() as u64, "relation", "relations")
    ));
    if flags.server {
        for entity in &config.schema.entities {
            screen.line(format!(
                "  {} fits table {}",
                entity.name,
                screen.cyan(&entity.source)
            ));
        }
    }
    screen.json(&as_json(path, &config, &warnings));
    Ok(Exit::Done)
}

/// What is no mistake, and still hardly meant.
fn advice(config: &Config) -> Vec<String> {
    let mut advice = Vec::new();
    if config.schema.entities.is_empty() {
        advice.push("there is no entity yet; `onsync add <Entity> --from <database>` writes them".to_owned());
    }
    if config.contexts.is_empty() {
        return advice;
    }
    for entity in config.schema.entities.iter().filter(|entity| !entity.local) {
        let is_in = |selection: &onsync::Selection| match selection {
            onsync::Selection::All => true,
            onsync::Selection::Entities(names) => names.contains(&entity.name),
        };
        if !config.contexts.values().any(|context| is_in(&context.entities)) {
            advice.push(format!(
                "entity `{}` is in no context, so that only on_sync(\"\") syncs it",
                entity.name
            ));
        }
    }
    advice
}

/// The device's store, if it is there and a file, must be a database. Nothing is written.
fn check_store(config: &Config) -> Result<(), Failure> {
    let Some(path) = config
        .store
        .path
        .as_deref()
        .filter(|_| config.store.kind == "sqlite")
    else {
        return Ok(());
    };
    let path = Path::new(path);
    if !path.exists() {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        return match folder.filter(|folder| !folder.is_dir()) {
            Some(folder) => Err(Failure::from(
                Error::fatal(
                    "store_unavailable",
                    format!(
                        "wanted an existing folder for the store, found none at {}; make it",
                        folder.display()
                    ),
                )
                .at(config.place_of(&["store", "path"])),
            )),
            None => Ok(()),
        };
    }
    let read = || -> rusqlite::Result<i64> {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        connection.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))
    };
    read().map(|_| ()).map_err(|error| {
        let found = error.to_string();
        let error = Error::corrupt(
            "store_corrupt",
            format!(
                "wanted a SQLite database, found a file that cannot be read as one ({found}); an app that opens it sets it aside \
                 and fetches everything again"
            ),
        );
        Failure::from(error.at(config.place_of(&["store", "path"])))
    })
}

/// Attaches to a copy of the database's tables with their first rows: what a server would find, without a change to the
/// database, and as quickly for a large one.
async fn check_server(config: &Config, registries: &Registries) -> Result<Vec<String>, Failure> {
    open::names_are_known(config, registries)?;
    // Settings, authentication and secrets first.
    builder(config, registries).map_err(serve::failure)?;
    let original = database(config).map_err(serve::failure)?;
    if !original.is_file() {
        return Err(Failure::from(
            Error::fatal(
                "store_unavailable",
                format!(
                    "wanted an existing SQLite database at {}, found no file; correct `server.database`, or create the database",
                    original.display()
                ),
            )
            .at(config.place_of(&["server", "database"])),
        ));
    }
    let folder = tempfile::tempdir().map_err(|error| copy_failed(&original, &error.to_string()))?;
    let copy = folder.path().join("copy.db");
    copy_tables(&original, &copy).map_err(|error| copy_failed(&original, &error.to_string()))?;
    let mut copied = config.clone();
    copied.server.database = Some(format!("sqlite:{}", copy.display()));
    let served = serve::start(&copied, registries).await?;
    Ok(served.server.attached().warnings.clone())
}

fn copy_failed(original: &Path, error: &str) -> Error {
    Error::corrupt(
        "store_corrupt",
        format!(
            "wanted a SQLite database at {}, found what cannot be read as one ({error}); restore it, or correct `server.database`",
            original.display()
        ),
    )
}

fn copy_tables(original: &Path, copy: &Path) -> rusqlite::Result<()> {
    let from = Connection::open_with_flags(original, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let to = Connection::open(copy)?;
    to.execute_batch("PRAGMA foreign_keys = OFF")?;
    let mut schema = from.prepare(
        "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
         AND name NOT LIKE '\\_onsync\\_%' ESCAPE '\\' AND type <> 'trigger' ORDER BY type = 'table' DESC, rowid",
    )?;
    let items: Vec<(String, String, String)> = schema
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (kind, name, sql) in items {
        // Virtual tables, and views over them, may need modules that are not here; nothing syncs with them.
        if to.execute_batch(&sql).is_ok() && kind == "table" {
            copy_rows(&from, &to, &name)?;
        }
    }
    Ok(())
}

fn copy_rows(from: &Connection, to: &Connection, table: &str) -> rusqlite::Result<()> {
    let quote = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let mut columns = from.prepare("SELECT name FROM pragma_table_xinfo(?1) WHERE hidden = 0")?;
    let columns: Vec<String> = columns
        .query_map([table], |row| row.get::<_, String>(0).map(|name| quote(&name)))?
        .collect::<rusqlite::Result<_>>()?;
    let marks = vec!["?"; columns.len()].join(", ");
    let columns = columns.join(", ");
    let table = quote(table);
    let mut read = from.prepare(&format!("SELECT {columns} FROM {table} LIMIT {SAMPLE}"))?;
    let width = read.column_count();
    let mut write = to.prepare(&format!(
        "INSERT OR IGNORE INTO {table} ({columns}) VALUES ({marks})"
    ))?;
    let mut rows = read.query([])?;
    while let Some(row) = rows.next()? {
        let values = (0..width)
            .map(|index| row.get::<_, rusqlite::types::Value>(index))
            .collect::<rusqlite::Result<Vec<_>>>()?;
        write.execute(rusqlite::params_from_iter(values))?;
    }
    Ok(())
}

fn as_json(path: &Path, config: &Config, warnings: &[String]) -> Value {
    let entities = config.schema.entities.iter().map(|entity| {
        json!({
            "name": entity.name,
            "source": entity.source,
            "pattern": entity.pattern,
            "attributes": entity.attributes.len(),
        })
    });
    json!({
        "config": path.display().to_string(),
        "entities": entities.collect::<Vec<_>>(),
        "relations": config.schema.relations.len(),
        "contexts": config.contexts.keys().collect::<Vec<_>>(),
        "warnings": warnings,
    })
}
