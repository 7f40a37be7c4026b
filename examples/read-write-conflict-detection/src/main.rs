#![doc = include_str!("../README.md")]

use onsync::{App, Fields, OpenConflict, Resolution, Result, Value};
use onsync_example_support::{Office, step, sync};

/// The three sides of a conflict beside each other, as a screen would draw them.
fn draw(conflict: &OpenConflict) {
    let text = |value: &Option<Value>| {
        value
            .as_ref()
            .map_or_else(|| "(deleted)".to_owned(), Value::to_string)
    };
    println!(
        "   conflict {}: {} {}",
        conflict.kind.as_str(),
        conflict.entity,
        conflict.key
    );
    println!("     {:<8} {:<12} {:<34} {:<34}", "", "was", "mine", "theirs");
    for attribute in &conflict.attributes {
        let mark = match (attribute.changed_here, attribute.changed_there) {
            (true, true) => "both changed it",
            (true, false) => "changed here",
            (false, true) => "changed there",
            (false, false) => "",
        };
        println!(
            "     {:<8} {:<12} {:<34} {:<34} {mark}",
            attribute.name,
            attribute
                .base
                .as_ref()
                .map(Value::to_string)
                .unwrap_or_default()
                .chars()
                .take(12)
                .collect::<String>(),
            text(&attribute.mine),
            text(&attribute.theirs),
        );
    }
}

async fn open_conflicts(who: &str, app: &App) -> Result<Vec<OpenConflict>> {
    let conflicts = app.conflicts(None, 10).await?;
    println!("   {who} has {} open conflict(s)", conflicts.len());
    conflicts.iter().for_each(draw);
    Ok(conflicts)
}

#[tokio::main]
async fn main() -> Result<()> {
    let office = Office::open_with(include_str!("../onsync.toml"), include_str!("office.sql")).await?;
    let (ada, ben) = (office.device("ada").await?, office.device("ben").await?);

    step("Ada and Ben fetch their work orders.");
    sync("Ada", &ada, "Online").await?;
    sync("Ben", &ben, "Online").await?;

    step("Without network both work on the boiler. Ben also finishes the lift.");
    let written = Fields::new()
        .with("state", "done")
        .with("remark", "valve replaced");
    ada.update("WorkOrder", 1i64, written).await?;
    let written = Fields::new().with("state", "waiting for parts");
    ben.update("WorkOrder", 1i64, written).await?;
    ben.update("WorkOrder", 2i64, Fields::new().with("state", "done"))
        .await?;

    step(
        "Ada syncs first. Ben's lift arrives; his boiler is a conflict, and nothing of Ada's is overwritten.",
    );
    sync("Ada", &ada, "Online").await?;
    let summary = sync("Ben", &ben, "Online").await?;
    assert_eq!((summary.applied, summary.conflicts), (1, 1));
    let conflicts = open_conflicts("Ben", &ben).await?;
    assert_eq!(conflicts.len(), 1);
    let mine = ben.get("WorkOrder", 1i64).await?.unwrap_or_default();
    println!("   meanwhile Ben still sees his own: {}", mine.value("state"));

    step("Ben reads both sides and decides: Ada is right, and he has something to add.");
    let remark = "valve replaced; order a spare one";
    let merged = Resolution::Merge(Fields::new().with("remark", remark));
    ben.resolve_conflict("WorkOrder", 1i64, merged).await?;
    sync("Ben", &ben, "Online").await?;
    sync("Ada", &ada, "Online").await?;
    let there = office.ask("SELECT state || ', ' || remark FROM work_order WHERE id = 1")?;
    println!("   the office has: {there}");
    assert_eq!(there, format!("done, {remark}"));
    let seen = ada.get("WorkOrder", 1i64).await?.unwrap_or_default();
    assert_eq!(seen.value("remark"), &Value::Text(remark.to_owned()));
    println!(
        "   what Ben gave up is in his bin: {} entry",
        ben.bin(10).await?.len()
    );

    step("The office deletes an order that Ada has just finished.");
    ada.update("WorkOrder", 3i64, Fields::new().with("state", "done"))
        .await?;
    office.sql("DELETE FROM work_order WHERE id = 3")?;
    sync("Ada", &ada, "Online").await?;
    open_conflicts("Ada", &ada).await?;
    println!("   Ada keeps hers: the order is made again.");
    ada.resolve_conflict("WorkOrder", 3i64, Resolution::KeepMine)
        .await?;
    sync("Ada", &ada, "Online").await?;
    assert_eq!(office.ask("SELECT state FROM work_order WHERE id = 3")?, "done");

    step("A decision that comes too late is no licence to overwrite.");
    ben.update("WorkOrder", 2i64, Fields::new().with("remark", "Ben's remark"))
        .await?;
    office.sql("UPDATE work_order SET remark = 'first remark of the office' WHERE id = 2")?;
    sync("Ben", &ben, "Online").await?;
    ben.resolve_conflict("WorkOrder", 2i64, Resolution::KeepMine)
        .await?;
    office.sql("UPDATE work_order SET remark = 'second remark of the office' WHERE id = 2")?;
    sync("Ben", &ben, "Online").await?;
    open_conflicts("Ben", &ben).await?;
    ben.resolve_conflict("WorkOrder", 2i64, Resolution::TakeTheirs)
        .await?;

    step("The checklist's resolver merges different attributes by itself.");
    ada.update("Checklist", 1i64, Fields::new().with("valves", "tight"))
        .await?;
    ben.update("Checklist", 1i64, Fields::new().with("filters", "clean"))
        .await?;
    sync("Ada", &ada, "Online").await?;
    sync("Ben", &ben, "Online").await?;
    let there = office.ask("SELECT valves || ', ' || filters FROM checklist")?;
    println!("   the office has: {there}");
    assert_eq!(there, "tight, clean");
    assert!(ben.conflicts(None, 10).await?.is_empty());

    step("In the end everybody has the same.");
    sync("Ada", &ada, "Online").await?;
    for id in 1..=3i64 {
        let (ada, ben) = (ada.get("WorkOrder", id).await?, ben.get("WorkOrder", id).await?);
        assert_eq!(
            ada.map(|order| order.value("state").clone()),
            ben.map(|order| order.value("state").clone())
        );
    }
    Ok(())
}
