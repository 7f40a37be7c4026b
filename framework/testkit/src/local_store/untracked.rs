//! What leaves no overlay: the sync's writes, local and read-only entities, what was refused or undone.

use super::LocalStorePlace;
use super::device::{Device, SYNC, put};
use super::samples::note;
use super::tracking::id;
use crate::check_eq;
use crate::suite::{CaseResult, refused};
use onsync_core::Key;
use onsync_core::store::local::Access;

/// Insert, put and remove, durable or not.
pub async fn sync_writes_are_not_tracked(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    for durable in [false, true] {
        let access = Access::Sync { durable };
        let mut transaction = device.begin(access).await?;
        transaction
            .insert(device.entity("Note")?, &note(1, "one", 1))
            .await?;
        put(
            transaction.as_mut(),
            device.entity("Note")?,
            &[note(1, "two", 1), note(2, "two", 1)],
        )
        .await?;
        transaction
            .remove(device.entity("Note")?, &[id(1), id(2)])
            .await?;
        transaction.commit().await?;
        check_eq!(device.overlays("Note").await?, [], "overlays");
        check_eq!(device.count("Note").await?, 0, "count");
    }
    device.insert("Note", note(3, "three", 3)).await?;
    check_eq!(
        device.overlays("Note").await?.len(),
        1,
        "the app's writes are tracked afterwards"
    );
    Ok(())
}

/// A pulled page neither moves a base nor an edit number by itself.
pub async fn sync_writes_leave_overlays_alone(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    device.put(SYNC, "Note", &[note(1, "before", 1)]).await?;
    device.put(Access::App, "Note", &[note(1, "mine", 1)]).await?;
    device.insert("Note", note(2, "mine", 1)).await?;
    let before = device.overlays("Note").await?;
    device
        .put(SYNC, "Note", &[note(1, "pulled", 1), note(2, "pulled", 2)])
        .await?;
    device.remove(SYNC, "Note", &[id(1)]).await?;
    check_eq!(device.overlays("Note").await?, before, "overlays");
    Ok(())
}

/// The app's alone.
pub async fn a_local_entity_is_not_tracked(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    device.insert("Draft", vec![1i64.into(), "one".into()]).await?;
    device
        .put(
            Access::App,
            "Draft",
            &[vec![1i64.into(), "two".into()], vec![2i64.into(), "x".into()]],
        )
        .await?;
    device.remove(Access::App, "Draft", &[Key::one(2i64)]).await?;
    check_eq!(device.overlays("Draft").await?, [], "overlays");
    check_eq!(
        device.row("Draft", &Key::one(1i64)).await?,
        Some(vec![1i64.into(), "two".into()]),
        "the row"
    );
    Ok(())
}

/// `read_only_entity`, for each kind of write; nothing is changed.
pub async fn a_read_only_entity_refuses_the_apps_writes(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    device
        .put(SYNC, "Catalogue", &[vec![1i64.into(), "one".into()]])
        .await?;
    let entity = device.entity("Catalogue")?;
    let mut transaction = device.begin(Access::App).await?;
    let row = vec![2i64.into(), "two".into()];
    refused(transaction.insert(entity, &row).await, "read_only_entity")?;
    let changed = vec![1i64.into(), "changed".into()];
    refused(
        put(transaction.as_mut(), entity, &[changed]).await,
        "read_only_entity",
    )?;
    refused(
        transaction.remove(entity, &[Key::one(1i64)]).await,
        "read_only_entity",
    )?;
    transaction.commit().await?;
    check_eq!(
        device.row("Catalogue", &Key::one(1i64)).await?,
        Some(vec![1i64.into(), "one".into()]),
        "the row"
    );
    check_eq!(device.count("Catalogue").await?, 1, "count");
    check_eq!(device.overlays("Catalogue").await?, [], "overlays");
    Ok(())
}

/// Otherwise nothing could be pulled.
pub async fn a_read_only_entity_takes_the_syncs_writes(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    device
        .put(
            SYNC,
            "Catalogue",
            &[vec![1i64.into(), "one".into()], vec![2i64.into(), "two".into()]],
        )
        .await?;
    device
        .put(SYNC, "Catalogue", &[vec![1i64.into(), "changed".into()]])
        .await?;
    device.remove(SYNC, "Catalogue", &[Key::one(2i64)]).await?;
    check_eq!(
        device.row("Catalogue", &Key::one(1i64)).await?,
        Some(vec![1i64.into(), "changed".into()]),
        "the row"
    );
    check_eq!(device.count("Catalogue").await?, 1, "count");
    Ok(())
}

/// An insert of an existing key makes no overlay and raises no number.
pub async fn a_refused_write_is_not_tracked(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    device.put(SYNC, "Note", &[note(1, "clean", 1)]).await?;
    device.insert("Note", note(2, "mine", 1)).await?;
    let before = device.overlays("Note").await?;
    let mut transaction = device.begin(Access::App).await?;
    for number in [1, 2] {
        let again = transaction
            .insert(device.entity("Note")?, &note(number, "again", 1))
            .await;
        refused(again, "record_exists")?;
    }
    transaction.commit().await?;
    check_eq!(device.overlays("Note").await?, before, "overlays");
    Ok(())
}

/// Dropped transactions leave records clean, and overlays as they were.
pub async fn an_undone_edit_leaves_no_overlay(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    device.put(SYNC, "Note", &[note(1, "clean", 1)]).await?;
    device.insert("Note", note(2, "mine", 1)).await?;
    let before = device.overlays("Note").await?;
    let mut transaction = device.begin(Access::App).await?;
    put(
        transaction.as_mut(),
        device.entity("Note")?,
        &[note(1, "undone", 1), note(2, "undone", 1)],
    )
    .await?;
    drop(transaction);
    check_eq!(device.overlays("Note").await?, before, "overlays");
    Ok(())
}
