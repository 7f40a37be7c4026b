//! Plain SQL by another program is tracked like an API call. Where the store has no SQL these cases do not apply, and say so.

use super::LocalStorePlace;
use super::device::{Device, SYNC};
use super::tracking::{id, tracked};
use crate::foreign::{ForeignProgram, ForeignWrite};
use crate::suite::{CaseResult, Failure};
use crate::{check, check_eq};
use onsync_core::schema::{Attribute, EntitySchema, Schema};
use onsync_core::{Fields, Key, Row, ValueType};
use std::sync::Arc;

fn thing(number: i64, name: &str, code: Option<&str>) -> Row {
    vec![number.into(), name.into(), code.into()]
}

fn fields(number: i64, name: &str, code: Option<&str>) -> Fields {
    Fields::new()
        .with("id", number)
        .with("name", name)
        .with("code", code)
}

fn by_id(number: i64) -> Fields {
    Fields::new().with("id", number)
}

fn named(name: &str) -> Fields {
    Fields::new().with("name", name)
}

/// The schema of the suite, with an entity whose values plain SQL writes as everybody does.
fn sql_schema() -> Schema {
    let mut schema = super::schema();
    let attributes = vec![
        Attribute::new("id", ValueType::Integer),
        Attribute::new("name", ValueType::Text),
        Attribute::new("code", ValueType::Text),
    ];
    schema
        .entities
        .push(EntitySchema::new("Thing", "conformance", &["id"], attributes));
    schema
}

/// Three clean things, or none where the store has no SQL.
async fn things(place: &dyn LocalStorePlace) -> Result<Option<(Device, Arc<dyn ForeignProgram>)>, Failure> {
    let device = Device::with(place, sql_schema()).await?;
    let Some(program) = place.plain_sql() else {
        let thread = std::thread::current();
        println!(
            "{} does not apply: this store has no SQL",
            thread.name().unwrap_or("a case")
        );
        return Ok(None);
    };
    let rows = [
        thing(1, "one", Some("a")),
        thing(2, "two", Some("b")),
        thing(3, "three", Some("c")),
    ];
    device.put(SYNC, "Thing", &rows).await?;
    Ok(Some((device, program)))
}

/// What each record is, by number: its base's name (`+`: no base), and whether its row is there.
async fn summary(device: &Device) -> Result<Vec<(i64, String, bool)>, Failure> {
    let mut found = Vec::new();
    for overlay in device.overlays("Thing").await? {
        let base = overlay
            .base
            .as_ref()
            .map_or("+".to_owned(), |row| row[1].to_string());
        let row = device.row("Thing", &overlay.key).await?;
        let number = overlay.key.0[0].to_string().parse().unwrap_or_default();
        check!(overlay.is_waiting(), "it must wait: {overlay:?}");
        found.push((number, base, row.is_some()));
    }
    Ok(found)
}

/// Runs statements one by one, each in a transaction of its own, and compares what is tracked then.
async fn case(
    place: &dyn LocalStorePlace,
    writes: &[ForeignWrite],
    wanted: &[(i64, &str, bool)],
) -> CaseResult {
    let Some((device, program)) = things(place).await? else {
        return Ok(());
    };
    let mut last = 0;
    for write in writes {
        program.write(std::slice::from_ref(write)).await?;
        let greatest = device
            .overlays("Thing")
            .await?
            .iter()
            .map(|overlay| overlay.edit)
            .max();
        check!(greatest > Some(last), "{write:?} raised no edit number");
        last = greatest.unwrap_or_default();
    }
    let wanted: Vec<_> = wanted
        .iter()
        .map(|(number, base, there)| (*number, (*base).to_owned(), *there))
        .collect();
    check_eq!(
        summary(&device).await?,
        wanted,
        "(number, name in the base, row is there) after {writes:?}"
    );
    Ok(())
}

fn table() -> String {
    "Thing".to_owned()
}

fn update(number: i64, name: &str) -> ForeignWrite {
    ForeignWrite::Update {
        table: table(),
        filter: by_id(number),
        values: named(name),
    }
}

fn replace(values: Fields) -> ForeignWrite {
    ForeignWrite::Replace {
        table: table(),
        values,
    }
}

/// `INSERT`
pub async fn sql_insert_is_tracked(place: &dyn LocalStorePlace) -> CaseResult {
    let insert = ForeignWrite::Insert {
        table: table(),
        values: fields(9, "nine", None),
    };
    case(place, &[insert], &[(9, "+", true)]).await
}

/// `UPDATE`, twice
pub async fn sql_update_is_tracked(place: &dyn LocalStorePlace) -> CaseResult {
    case(
        place,
        &[update(2, "first"), update(2, "second")],
        &[(2, "two", true)],
    )
    .await
}

/// `DELETE`
pub async fn sql_delete_is_tracked(place: &dyn LocalStorePlace) -> CaseResult {
    let delete = ForeignWrite::Delete {
        table: table(),
        filter: by_id(2),
    };
    case(place, &[delete], &[(2, "two", false)]).await
}

/// `UPDATE` without a condition
pub async fn sql_multi_row_update_is_tracked(place: &dyn LocalStorePlace) -> CaseResult {
    let all = ForeignWrite::Update {
        table: table(),
        filter: Fields::new(),
        values: named("all"),
    };
    case(
        place,
        &[all],
        &[(1, "one", true), (2, "two", true), (3, "three", true)],
    )
    .await
}

/// `DELETE` without a condition, which databases shorten
pub async fn sql_delete_of_all_rows_is_tracked(place: &dyn LocalStorePlace) -> CaseResult {
    let all = ForeignWrite::DeleteAll { table: table() };
    case(
        place,
        &[all],
        &[(1, "one", false), (2, "two", false), (3, "three", false)],
    )
    .await
}

/// `INSERT … ON CONFLICT DO UPDATE`, on a known key and a new one
pub async fn sql_upsert_is_tracked(place: &dyn LocalStorePlace) -> CaseResult {
    let upsert = |number, name| ForeignWrite::Upsert {
        table: table(),
        key: vec!["id".to_owned()],
        values: fields(number, name, None),
    };
    let writes = [upsert(2, "changed"), upsert(9, "nine"), upsert(9, "again")];
    case(place, &writes, &[(2, "two", true), (9, "+", true)]).await
}

/// `INSERT OR REPLACE`, which deletes silently
pub async fn sql_insert_or_replace_on_the_key_is_tracked(place: &dyn LocalStorePlace) -> CaseResult {
    let writes = [
        replace(fields(2, "first", Some("b"))),
        replace(fields(2, "second", Some("b"))),
        replace(fields(9, "nine", None)),
    ];
    case(place, &writes, &[(2, "two", true), (9, "+", true)]).await
}

/// The app has a unique index of its own, and a `REPLACE` deletes another record through it.
pub async fn sql_replace_of_a_displaced_row_is_tracked(place: &dyn LocalStorePlace) -> CaseResult {
    displaced(
        place,
        replace(fields(9, "nine", Some("b"))),
        &[(2, "two", false), (9, "+", true)],
    )
    .await
}

/// The same by `UPDATE OR REPLACE`.
pub async fn sql_update_or_replace_of_a_displaced_row_is_tracked(place: &dyn LocalStorePlace) -> CaseResult {
    let write = ForeignWrite::UpdateOrReplace {
        table: table(),
        filter: by_id(3),
        values: Fields::new().with("code", "b"),
    };
    displaced(place, write, &[(2, "two", false), (3, "three", true)]).await
}

async fn displaced(
    place: &dyn LocalStorePlace,
    write: ForeignWrite,
    wanted: &[(i64, &str, bool)],
) -> CaseResult {
    let Some((device, program)) = things(place).await? else {
        return Ok(());
    };
    program.unique("Thing", "code").await?;
    // The store learns of the app's index when it is opened next, as after the app's own migration.
    let device = device.restart(place).await?;
    program.write(std::slice::from_ref(&write)).await?;
    let wanted: Vec<_> = wanted
        .iter()
        .map(|(number, base, there)| (*number, (*base).to_owned(), *there))
        .collect();
    check_eq!(
        summary(&device).await?,
        wanted,
        "(number, name in the base, row is there) after {write:?}"
    );
    Ok(())
}

/// The outer statement's clause overrides those inside a trigger: `REPLACE` must not replace the base copy.
pub async fn an_outer_conflict_clause_keeps_the_first_base(place: &dyn LocalStorePlace) -> CaseResult {
    let or_replace = ForeignWrite::UpdateOrReplace {
        table: table(),
        filter: by_id(2),
        values: named("second"),
    };
    let writes = [
        update(2, "first"),
        or_replace,
        replace(fields(2, "third", Some("b"))),
    ];
    case(place, &writes, &[(2, "two", true)]).await
}

/// The statement fails, and everything is as it was.
pub async fn sql_change_of_a_key_is_refused(place: &dyn LocalStorePlace) -> CaseResult {
    let Some((device, program)) = things(place).await? else {
        return Ok(());
    };
    let change = ForeignWrite::ChangeKey {
        table: table(),
        from: by_id(2),
        to: by_id(22),
    };
    check!(program.write(&[change]).await.is_err(), "the key was changed");
    check_eq!(
        device.row("Thing", &Key::one(2i64)).await?,
        Some(thing(2, "two", Some("b"))),
        "the row"
    );
    check_eq!(device.overlays("Thing").await?, [], "overlays");
    Ok(())
}

/// In one transaction, and in two.
pub async fn sql_delete_and_insert_again_keeps_the_first_base(place: &dyn LocalStorePlace) -> CaseResult {
    let Some((device, program)) = things(place).await? else {
        return Ok(());
    };
    for number in [1, 2] {
        let delete = ForeignWrite::Delete {
            table: table(),
            filter: by_id(number),
        };
        let insert = ForeignWrite::Insert {
            table: table(),
            values: fields(number, "again", None),
        };
        if number == 1 {
            program.write(&[delete, insert]).await?;
        } else {
            program.write(&[delete]).await?;
            program.write(&[insert]).await?;
        }
    }
    let wanted = [(1, "one".to_owned(), true), (2, "two".to_owned(), true)];
    check_eq!(
        summary(&device).await?,
        wanted,
        "(number, name in the base, row is there)"
    );
    Ok(())
}

/// A table that is nothing but its key.
pub async fn sql_edit_of_a_key_only_record_is_tracked(place: &dyn LocalStorePlace) -> CaseResult {
    let Some((device, program)) = things(place).await? else {
        return Ok(());
    };
    device.put(SYNC, "Tag", &[vec!["red".into()]]).await?;
    let tag = "Tag".to_owned();
    let writes = [
        ForeignWrite::Replace {
            table: tag.clone(),
            values: named("blue"),
        },
        ForeignWrite::Delete {
            table: tag,
            filter: named("red"),
        },
    ];
    program.write(&writes).await?;
    check_eq!(
        tracked(&device, "Tag", &Key::one("red")).await?.base,
        Some(vec!["red".into()]),
        "the deleted one's base"
    );
    check_eq!(
        tracked(&device, "Tag", &Key::one("blue")).await?.base,
        None,
        "the new one's base"
    );
    Ok(())
}

/// As through the API.
pub async fn sql_write_to_a_read_only_entity_is_refused(place: &dyn LocalStorePlace) -> CaseResult {
    let Some((device, program)) = things(place).await? else {
        return Ok(());
    };
    let row = vec![1i64.into(), "one".into()];
    device.put(SYNC, "Catalogue", std::slice::from_ref(&row)).await?;
    let table = "Catalogue".to_owned();
    let writes = [
        ForeignWrite::Insert {
            table: table.clone(),
            values: Fields::new().with("id", 2i64).with("name", "two"),
        },
        ForeignWrite::Update {
            table: table.clone(),
            filter: by_id(1),
            values: named("changed"),
        },
        ForeignWrite::Delete {
            table,
            filter: by_id(1),
        },
    ];
    for write in writes {
        check!(
            program.write(std::slice::from_ref(&write)).await.is_err(),
            "{write:?} was done"
        );
    }
    check_eq!(
        device.row("Catalogue", &Key::one(1i64)).await?,
        Some(row),
        "the row"
    );
    check_eq!(device.count("Catalogue").await?, 1, "count");
    Ok(())
}

/// As through the API; and other entities are tracked all the same.
pub async fn sql_write_to_a_local_entity_is_not_tracked(place: &dyn LocalStorePlace) -> CaseResult {
    let Some((device, program)) = things(place).await? else {
        return Ok(());
    };
    let write = ForeignWrite::Insert {
        table: "Draft".to_owned(),
        values: Fields::new().with("id", 1i64).with("text", "one"),
    };
    program.write(&[write, update(1, "edited")]).await?;
    check_eq!(
        device.overlays("Draft").await?,
        [],
        "overlays of the local entity"
    );
    check_eq!(device.overlays("Thing").await?.len(), 1, "overlays of the other");
    check_eq!(
        device.overlay("Note", &id(1)).await?,
        None,
        "an overlay of what was never there"
    );
    Ok(())
}
