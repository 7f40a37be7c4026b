#![doc = include_str!("../README.md")]

mod append_only;

use append_only::AppendOnly;
use onsync::{App, Fields, Query, Registries, Result};
use onsync_example_support::{Office, step, sync};
use std::process::ExitCode;

/// What comes with OnSync, and the pattern of this program.
fn registries() -> Result<Registries> {
    let mut registries = onsync::registries();
    registries.pattern(AppendOnly)?;
    Ok(registries)
}

fn reading(id: i64, value: i64) -> Fields {
    Fields::new()
        .with("id", id)
        .with("meter", "cellar")
        .with("value", value)
}

async fn held(meter: &App) -> Result<usize> {
    let held = meter.query(Query::entity("Reading")).await?.len();
    println!("   the meter holds {held} readings");
    Ok(held)
}

async fn story() -> Result<()> {
    let sql = "CREATE TABLE readings (id INTEGER PRIMARY KEY, meter TEXT NOT NULL, value INTEGER NOT NULL)";
    let office = Office::open_with_plugins(include_str!("../onsync.toml"), sql, registries()?).await?;
    let meter = office.device("meter").await?;

    step("Without network, the meter records three readings.");
    for id in 1..=3 {
        meter.create("Reading", reading(id, 100 + id)).await?;
    }
    assert_eq!(held(&meter).await?, 3);

    step("It syncs: the office has them, and the meter forgets them.");
    sync("meter", &meter, "Online").await?;
    assert_eq!(held(&meter).await?, 0);
    println!(
        "   the office has {}",
        office.ask("SELECT CAST(count(*) AS TEXT) FROM readings")?
    );

    step("A reading that the office has in another form is refused, listed and kept until somebody decides.");
    office.sql("INSERT INTO readings VALUES (4, 'attic', 7)")?;
    meter.create("Reading", reading(4, 104)).await?;
    sync("meter", &meter, "Online").await?;
    for change in meter.rejected(10).await? {
        println!(
            "   refused: {} [{}]",
            change.entry.rejection.message, change.entry.rejection.code
        );
        meter.discard_rejected(change.entry.number).await?;
    }
    assert_eq!(held(&meter).await?, 0);
    println!("   in the bin: {}", meter.bin(10).await?.len());
    Ok(())
}

/// With arguments the program is the `onsync` command with this pattern; without, it tells its story.
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
