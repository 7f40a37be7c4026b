//! `onsync demo`: a company's database, a server, two devices, an offline edit that travels.

mod company;
mod device;
mod line;
mod stay;
mod tour;
mod words;

use crate::arguments::Demo;
use crate::exit::{Exit, Outcome};
use crate::interrupted;
use crate::screen::Screen;
use device::{Device, failed};
use onsync::config::Config;
use onsync::server::{from_config, serve};
use onsync::{Registries, Result};
use rusqlite::Connection;
use serde_json::json;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tour::{Seen, Tour};

/// Everything the demo has set up.
struct Stage {
    folder: tempfile::TempDir,
    /// The company's database.
    database: PathBuf,
    devices: Vec<Device>,
    server: ServerTask,
}

/// The running server.
struct ServerTask {
    stop: oneshot::Sender<()>,
    task: JoinHandle<std::io::Result<()>>,
}

impl Stage {
    /// A connection to the company's database, as any other program has one.
    fn office(&self) -> Result<Connection> {
        let connection = Connection::open(&self.database);
        connection
            .and_then(|connection| {
                connection
                    .busy_timeout(Duration::from_secs(5))
                    .map(|()| connection)
            })
            .map_err(|error| failed("the company's database cannot be opened", &error))
    }
}

/// Runs the command.
pub(crate) async fn run(screen: Screen, registries: &Registries, flags: &Demo) -> Outcome {
    let in_ci = std::env::var("CI").is_ok_and(|value| value == "true");
    let stays = !flags.once && !in_ci && screen.is_terminal() && !screen.is_json();
    screen.line(screen.bold("OnSync demo"));
    screen.line("A company has a database; its technicians have devices. Nothing leaves this machine.");
    let folder = tempfile::Builder::new()
        .prefix("onsync-demo-")
        .tempdir()
        .map_err(|error| failed("a temporary folder could not be made", &error))?;
    let path = folder.path().to_path_buf();
    let (done, mut stage) = tokio::select! {
        shown = show(screen, registries, folder, stays) => shown?,
        () = interrupted() => {
            // The folder went with the future that owned it.
            screen.line("\nstopped; the temporary folder is removed");
            return Ok(Exit::Done);
        }
    };
    if stays {
        stay::stay(screen, &mut stage, flags.announcements.as_deref()).await?;
    }
    let Stage {
        folder,
        devices,
        server,
        ..
    } = stage;
    drop(devices);
    let _ = server.stop.send(());
    let _ = server.task.await;
    if flags.keep {
        let _ = folder.keep();
        screen.line(format!("\nkept {}", screen.cyan(path.display())));
    } else {
        folder
            .close()
            .map_err(|error| failed("the temporary folder could not be removed", &error))?;
        screen.line(screen.dim(format!("\nremoved {}", path.display())));
    }
    screen.json(&json!({
        "folder": path.display().to_string(),
        "kept": flags.keep,
        "edit_arrived": done.edit_arrived,
        "create_arrived": done.create_arrived,
        "server_write_arrived": done.server_write_arrived,
        "steps": done.steps,
    }));
    Ok(if done.everything() {
        Exit::Done
    } else {
        Exit::Failed
    })
}

/// Sets up and shows.
async fn show(
    screen: Screen,
    registries: &Registries,
    folder: tempfile::TempDir,
    stays: bool,
) -> Result<(Seen, Stage)> {
    let mut stage = set_up(screen, registries, folder).await?;
    let tour = Tour {
        screen,
        stage: &mut stage,
        seen: Seen::default(),
    };
    let seen = tour.run().await?;
    conclude(screen, &stage, stays);
    Ok((seen, stage))
}

async fn set_up(screen: Screen, registries: &Registries, folder: tempfile::TempDir) -> Result<Stage> {
    let database = folder.path().join("company.db");
    company::create(&database).map_err(|error| failed("the company's database could not be made", &error))?;
    let counts = company::counts(&database).map_err(|error| failed("counting rows", &error))?;
    let before = tables_as_written(&database)?;
    screen.line(format!(
        "\n{}  {}",
        screen.cyan(1),
        screen.bold("The company's database")
    ));
    screen.line(format!("   {}", tour::counts_line(&counts)));
    screen.line(format!(
        "   {} tables as any program makes them, in {}",
        counts.len(),
        screen.cyan(database.display())
    ));

    screen.line(format!(
        "\n{}  {}",
        screen.cyan(2),
        screen.bold("A server attaches to it")
    ));
    let (server, address) = start_server(registries, folder.path(), &database).await?;
    let after = tables_as_written(&database)?;
    let same = before == after;
    screen.line(format!(
        "   listening on {}",
        screen.bold(format!("http://{address}"))
    ));
    screen.line(format!(
        "   {} the company's tables are as they were; triggers note what changes from now on",
        if same {
            screen.green("✔")
        } else {
            screen.red("✘")
        }
    ));
    let mut devices = Vec::new();
    for (name, place) in [("A", "device-a"), ("B", "device-b")] {
        devices.push(Device::new(name, &folder.path().join(place), address, registries).await?);
    }
    Ok(Stage {
        folder,
        database,
        devices,
        server,
    })
}

/// The statements that made the company's tables.
fn tables_as_written(database: &Path) -> Result<Vec<String>> {
    let read = || -> rusqlite::Result<Vec<String>> {
        let connection = Connection::open(database)?;
        let mut statement = connection.prepare(
            "SELECT sql FROM sqlite_master WHERE type IN ('table', 'index') AND sql IS NOT NULL \
             AND name NOT LIKE '\\_onsync\\_%' ESCAPE '\\' ORDER BY name",
        )?;
        statement.query_map([], |row| row.get(0))?.collect()
    };
    read().map_err(|error| failed("the company's tables cannot be read", &error))
}

async fn start_server(
    registries: &Registries,
    folder: &Path,
    database: &Path,
) -> Result<(ServerTask, SocketAddr)> {
    let listener = TcpListener::bind(("127.0.0.1", 0))
        .await
        .map_err(|error| failed("loopback cannot be listened on", &error))?;
    let address = listener
        .local_addr()
        .map_err(|error| failed("loopback has no address", &error))?;
    let shared = device::config_text(&format!("http://{address}"), &folder.join("unused.sqlite"));
    let own = crate::init::server_text(&database.display().to_string());
    for (name, text) in [("onsync.toml", &shared), ("onsync.server.toml", &own)] {
        std::fs::write(folder.join(name), text)
            .map_err(|error| failed("a file could not be written", &error))?;
    }
    let config = Config::from_texts(&shared, Some(&own), HashMap::new())?;
    let served = from_config(&config, registries).await?;
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(serve(listener, served.router, async {
        // Told to stop, or left alone: both end the server.
        let _ = stopped.await;
    }));
    Ok((ServerTask { stop, task }, address))
}

/// How this program is called from where it was called.
fn program() -> String {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let installed = std::env::split_paths(&paths).any(|folder| folder.join("onsync").is_file());
    let Some(program) = std::env::current_exe().ok().filter(|_| !installed) else {
        return "onsync".to_owned();
    };
    let here = std::env::current_dir().unwrap_or_default();
    program
        .strip_prefix(here)
        .unwrap_or(&program)
        .display()
        .to_string()
}

fn conclude(screen: Screen, stage: &Stage, stays: bool) {
    let [first, ..] = stage.devices.as_slice() else {
        return;
    };
    screen.line(format!("\n{}", screen.bold("What you saw")));
    screen.line("   An existing database was served as it is. A device worked without a network; its edit, a new record and a");
    screen.line("   reference to that record reached the server and another device. Rows written by plain SQL reached both devices.");
    screen.line(format!("\n{}", screen.bold("What to try next")));
    let folder = stage.folder.path();
    let tries = [
        (
            stays,
            "change a row in the company's database, and watch it arrive here",
            format!(
                "sqlite3 {} \"UPDATE work_orders SET priority = 'high' WHERE status = 'planned'\"",
                stage.database.display()
            ),
        ),
        (
            stays,
            "change one on device A, and watch it leave",
            format!(
                "sqlite3 {} \"UPDATE WorkOrder SET notes = 'by hand' WHERE id = 1\"",
                first.store.display()
            ),
        ),
        (
            stays,
            "look inside device A",
            format!("{} status --config {}", program(), first.config.display()),
        ),
        (
            true,
            "read the configuration that does all this",
            format!("less {}", folder.join("onsync.toml").display()),
        ),
        (
            true,
            "sync tables of a database of your own",
            format!("{0} add <Entity> --from <your.db>, then {0} serve", program()),
        ),
    ];
    for (shown, what, how) in tries {
        let is_gone = !stays && how.contains(&folder.display().to_string());
        if shown && !is_gone {
            screen.line(format!("   {what}:\n      {}", screen.cyan(how)));
        }
    }
    if !stays {
        screen.line(format!(
            "   play with it: {} in a terminal stays until Ctrl-C, so that you can use {} on its databases",
            screen.cyan(format!("{} demo", program())),
            screen.cyan("sqlite3")
        ));
    }
}
