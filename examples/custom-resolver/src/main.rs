#![doc = include_str!("../README.md")]

mod later_due_date;

use later_due_date::LaterDueDate;
use onsync::core::value::Date;
use onsync::{App, Fields, Registries, Resolution, Result};
use onsync_example_support::{Office, step, sync};
use std::process::ExitCode;

/// What comes with OnSync, and the resolver of this program.
fn registries() -> Result<Registries> {
    let mut registries = onsync::registries();
    registries.resolver(LaterDueDate)?;
    Ok(registries)
}

/// One edit of the task's date and remark.
fn planned(due: &str, remark: &str) -> Result<Fields> {
    Ok(Fields::new()
        .with("due", due.parse::<Date>()?)
        .with("remark", remark))
}

async fn show(who: &str, app: &App) -> Result<Fields> {
    let task = app.get("Task", 1i64).await?.unwrap_or_default();
    let remark = task.value("remark").to_string().replace('\n', " / ");
    println!(
        "   {who} sees: {}, due {}, {remark}",
        task.value("title"),
        task.value("due")
    );
    Ok(task)
}

async fn story() -> Result<()> {
    let sql = "CREATE TABLE task (id INTEGER PRIMARY KEY, title TEXT NOT NULL, due TEXT, remark TEXT);
        INSERT INTO task VALUES (1, 'Service the boiler', '2026-12-01', 'key at the porter')";
    let office = Office::open_with_plugins(include_str!("../onsync.toml"), sql, registries()?).await?;
    let (ada, ben) = (office.device("ada").await?, office.device("ben").await?);

    step("Ada and Ben fetch the task.");
    sync("Ada", &ada, "Online").await?;
    sync("Ben", &ben, "Online").await?;
    show("Ada", &ada).await?;

    step("Without network both plan it anew, and both add to its remark.");
    let edit = planned("2026-12-10", "key at the porter\nparts are ordered")?;
    ada.update("Task", 1i64, edit).await?;
    let edit = planned("2026-12-03", "key at the porter\ncall before coming")?;
    ben.update("Task", 1i64, edit).await?;
    show("Ada", &ada).await?;
    show("Ben", &ben).await?;

    step("Ada syncs first. Ben's sync meets her change, and the resolver decides on Ben's device.");
    sync("Ada", &ada, "Online").await?;
    sync("Ben", &ben, "Online").await?;
    println!(
        "   Ben has {} open conflict(s)",
        ben.conflicts(None, 10).await?.len()
    );
    sync("Ada", &ada, "Online").await?;
    equal(&ada, &ben).await?;

    step("Both give it another title. The resolver does not know which is better and asks.");
    ada.update("Task", 1i64, Fields::new().with("title", "Replace the boiler"))
        .await?;
    ben.update("Task", 1i64, Fields::new().with("title", "Repair the boiler"))
        .await?;
    sync("Ada", &ada, "Online").await?;
    sync("Ben", &ben, "Online").await?;
    println!(
        "   Ben has {} open conflict(s)",
        ben.conflicts(None, 10).await?.len()
    );
    println!("   Ben reads both and takes Ada's.");
    ben.resolve_conflict("Task", 1i64, Resolution::TakeTheirs).await?;
    sync("Ben", &ben, "Online").await?;
    equal(&ada, &ben).await
}

async fn equal(ada: &App, ben: &App) -> Result<()> {
    let (hers, his) = (show("Ada", ada).await?, show("Ben", ben).await?);
    assert_eq!(hers, his);
    println!("   both have the same");
    Ok(())
}

/// With arguments the program is the `onsync` command with this resolver; without, it tells its story.
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
