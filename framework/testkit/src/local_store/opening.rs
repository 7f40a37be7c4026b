//! Opening: what was committed is there, what is new is added, what is not configured is left alone.

use super::LocalStorePlace;
use super::device::{Device, SYNC, put};
use super::samples::{note, schema};
use super::tracking::id;
use crate::suite::CaseResult;
use crate::{check, check_eq};
use onsync_core::schema::{Attribute, EntitySchema, Schema};
use onsync_core::store::local::Access;
use onsync_core::{Key, Row, Value, ValueType};
use uuid::Uuid;

/// `created` once.
pub async fn opening_says_whether_there_was_nothing_before(place: &dyn LocalStorePlace) -> CaseResult {
    let store = place.store().await?;
    let opened = store.open(&schema()).await?;
    check!(opened.created, "a new store: {opened:?}");
    check_eq!(opened.set_aside, None, "a new store has nothing to set aside");
    drop(store);
    let opened = place.store().await?.open(&schema()).await?;
    check!(!opened.created, "a known store: {opened:?}");
    check_eq!(opened.extended, Vec::<String>::new(), "nothing was added");
    check_eq!(opened.set_aside, None, "a known store");
    Ok(())
}

/// Rows, overlays, areas; durable or not.
pub async fn what_was_committed_is_there_after_a_restart(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    device
        .put(SYNC, "Note", &[note(1, "pulled", 1), note(2, "pulled", 2)])
        .await?;
    device.put(Access::App, "Note", &[note(1, "edited", 1)]).await?;
    device.remove(Access::App, "Note", &[id(2)]).await?;
    let mut transaction = device.begin(Access::Sync { durable: true }).await?;
    transaction.area_put("area", b"key", b"value").await?;
    transaction.commit().await?;
    let overlays = device.overlays("Note").await?;
    let device = device.restart(place).await?;
    check_eq!(
        device.row("Note", &id(1)).await?,
        Some(note(1, "edited", 1)),
        "the edited row"
    );
    check_eq!(device.row("Note", &id(2)).await?, None, "the deleted row");
    check_eq!(device.overlays("Note").await?, overlays, "overlays");
    let mut reader = device.begin(Access::Read).await?;
    check_eq!(
        reader.area_get("area", b"key").await?,
        Some(b"value".to_vec()),
        "area_get"
    );
    Ok(())
}

/// A transaction that was open when the app ended.
pub async fn what_was_not_committed_is_not_there_after_a_restart(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    let mut transaction = device.begin(Access::App).await?;
    put(
        transaction.as_mut(),
        device.entity("Note")?,
        &[note(1, "open", 1)],
    )
    .await?;
    drop(transaction);
    let device = device.restart(place).await?;
    check_eq!(device.count("Note").await?, 0, "count");
    check_eq!(device.overlays("Note").await?, [], "overlays");
    Ok(())
}

fn extended() -> Schema {
    let mut schema = schema();
    let note = &mut schema.entities[0];
    // In the middle: positions of known attributes move.
    note.attributes
        .insert(1, Attribute::new("colour", ValueType::Text));
    note.attributes.push(Attribute::new("due", ValueType::Date));
    schema
}

/// A note over the extended schema; the new attributes null.
fn extended_note(row: Row) -> Row {
    let mut row = row;
    row.insert(1, Value::Null);
    row.push(Value::Null);
    row
}

/// The entity is in `extended`, its records are there, and the attribute can be used.
pub async fn a_new_attribute_is_null_and_reported(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    device.put(SYNC, "Note", &[note(1, "one", 1)]).await?;
    drop(device);
    let store = place.store().await?;
    let opened = store.open(&extended()).await?;
    check_eq!(opened.extended, ["Note"], "extended");
    let device = Device {
        store,
        schema: extended(),
    };
    check_eq!(
        device.row("Note", &id(1)).await?,
        Some(extended_note(note(1, "one", 1))),
        "the row"
    );
    let mut changed = extended_note(note(1, "one", 1));
    changed[1] = "red".into();
    device
        .put(Access::App, "Note", std::slice::from_ref(&changed))
        .await?;
    check_eq!(
        device.row("Note", &id(1)).await?,
        Some(changed),
        "the new attribute written"
    );
    let base = device
        .overlay("Note", &id(1))
        .await?
        .and_then(|overlay| overlay.base);
    check_eq!(base, Some(extended_note(note(1, "one", 1))), "the base");
    Ok(())
}

/// Its base has null there; a second edit keeps it.
pub async fn an_overlay_from_before_a_new_attribute_is_aligned(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    device.put(SYNC, "Note", &[note(1, "base", 1)]).await?;
    device.put(Access::App, "Note", &[note(1, "mine", 1)]).await?;
    drop(device);
    let device = Device::with(place, extended()).await?;
    let wanted = Some(extended_note(note(1, "base", 1)));
    let base = device
        .overlay("Note", &id(1))
        .await?
        .and_then(|overlay| overlay.base);
    check_eq!(base, wanted, "the base");
    let mut again = extended_note(note(1, "again", 1));
    again[1] = "red".into();
    device.put(Access::App, "Note", &[again]).await?;
    let base = device
        .overlay("Note", &id(1))
        .await?
        .and_then(|overlay| overlay.base);
    check_eq!(base, wanted, "the base after another edit");
    Ok(())
}

/// The others keep what they have.
pub async fn a_new_entity_is_added(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    device.put(SYNC, "Note", &[note(1, "one", 1)]).await?;
    drop(device);
    let mut larger = schema();
    let attributes = vec![Attribute::new("id", ValueType::Integer)];
    larger
        .entities
        .push(EntitySchema::new("Extra", "conformance", &["id"], attributes));
    let device = Device::with(place, larger).await?;
    device.insert("Extra", vec![1i64.into()]).await?;
    check_eq!(
        device.overlays("Extra").await?.len(),
        1,
        "overlays of the new entity"
    );
    check_eq!(
        device.row("Note", &id(1)).await?,
        Some(note(1, "one", 1)),
        "the row of another entity"
    );
    Ok(())
}

fn smaller() -> Schema {
    let mut schema = schema();
    schema.entities.retain(|entity| entity.name == "Note");
    schema.relations.clear();
    schema.entities[0]
        .attributes
        .retain(|attribute| attribute.name != "body");
    schema
}

/// Entities and attributes that were configured before come back as they were.
pub async fn what_is_not_configured_any_more_is_not_touched(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    device.put(SYNC, "Note", &[note(1, "one", 1)]).await?;
    device.insert("Tag", vec!["red".into()]).await?;
    let overlays = device.overlays("Tag").await?;
    drop(device);
    let device = Device::with(place, smaller()).await?;
    let mut wanted = note(1, "one", 1);
    wanted.remove(2);
    check_eq!(
        device.row("Note", &id(1)).await?,
        Some(wanted),
        "the row over fewer attributes"
    );
    drop(device);
    let device = Device::with(place, schema()).await?;
    check_eq!(
        device.row("Note", &id(1)).await?,
        Some(note(1, "one", 1)),
        "the row over all attributes"
    );
    check_eq!(
        device.row("Tag", &Key::one("red")).await?,
        Some(vec!["red".into()]),
        "the other entity's row"
    );
    check_eq!(
        device.overlays("Tag").await?,
        overlays,
        "the other entity's overlays"
    );
    Ok(())
}

/// A put under the smaller schema does not blank what it does not know.
pub async fn edits_under_a_smaller_schema_keep_unconfigured_values(
    place: &dyn LocalStorePlace,
) -> CaseResult {
    let device = Device::new(place).await?;
    device.put(SYNC, "Note", &[note(1, "one", 1)]).await?;
    drop(device);
    let device = Device::with(place, smaller()).await?;
    let row: Row = vec![Uuid::from_u128(1).into(), "edited".into(), 7i64.into()];
    device.put(Access::App, "Note", &[row]).await?;
    drop(device);
    let device = Device::with(place, schema()).await?;
    let mut wanted = note(1, "one", 1);
    wanted[1] = "edited".into();
    wanted[3] = 7i64.into();
    check_eq!(device.row("Note", &id(1)).await?, Some(wanted), "the row");
    Ok(())
}

/// On the same handle, and with open data.
pub async fn opening_again_changes_nothing(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    device.insert("Note", note(1, "one", 1)).await?;
    let before = device.overlays("Note").await?;
    let opened = device.store.open(&device.schema).await?;
    check!(!opened.created && opened.extended.is_empty(), "{opened:?}");
    check_eq!(device.overlays("Note").await?, before, "overlays");
    check_eq!(
        device.row("Note", &id(1)).await?,
        Some(note(1, "one", 1)),
        "the row"
    );
    device.put(Access::App, "Note", &[note(1, "two", 1)]).await?;
    let edit = |overlays: &[onsync_core::store::local::Overlay]| overlays[0].edit;
    let after = device.overlays("Note").await?;
    check!(edit(&after) > edit(&before), "edit numbers start anew");
    Ok(())
}
