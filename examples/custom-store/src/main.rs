//! The example's story; with arguments, the `onsync` command that knows the store.

use onsync::{App, Fields, Query, Result};
use onsync_example_custom_store::registries;
use onsync_example_support::{Office, step, sync};
use std::process::ExitCode;

/// A start of the app, on the device's own file.
async fn start(office: &Office) -> Result<App> {
    let mut config = office.config_of("notebook");
    let file = office.path_of("notebook").with_extension("snapshot");
    config.store.path = Some(file.display().to_string());
    onsync::builder(config, registries()?)?.build().await
}

async fn show(app: &App) -> Result<()> {
    for note in app.query(Query::entity("Note")).await? {
        println!("   {:>20}  {}", note.value("id").to_string(), note.value("text"));
    }
    Ok(())
}

async fn story() -> Result<()> {
    let sql = "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT); INSERT INTO notes VALUES (1, 'from the office')";
    let office = Office::open_with_plugins(include_str!("../onsync.toml"), sql, registries()?).await?;

    step("Without network, a note is written into the snapshot; its key is a local one.");
    let app = start(&office).await?;
    app.create("Note", Fields::new().with("text", "from the notebook"))
        .await?;
    show(&app).await?;

    step("The app ends and starts again: the note is there.");
    drop(app);
    let app = start(&office).await?;
    show(&app).await?;

    step("It syncs: the office has the note under a key of its own, the device keeps the one the app knows.");
    sync("notebook", &app, "Online").await?;
    show(&app).await?;
    println!(
        "   the office has {}",
        office.ask("SELECT count(*) || ' notes, the last one under key ' || max(id) FROM notes")?
    );
    Ok(())
}

fn main() -> ExitCode {
    if std::env::args_os().len() > 1 {
        return match registries() {
            Ok(registries) => onsync_cli::run(registries),
            Err(error) => fail(&error),
        };
    }
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    match runtime.block_on(story()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn fail(error: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("{error}");
    ExitCode::FAILURE
}
