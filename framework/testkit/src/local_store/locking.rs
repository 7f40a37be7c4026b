//! Several handles on one database: the sync lock, and commits of others.

use super::LocalStorePlace;
use super::device::{Device, SYNC};
use super::samples::note;
use super::tracking::id;
use crate::suite::CaseResult;
use crate::{check, check_eq};
use onsync_core::store::local::Access;

/// Over handles, and on the same handle.
pub async fn the_sync_lock_has_one_holder(place: &dyn LocalStorePlace) -> CaseResult {
    let (first, second) = (Device::new(place).await?, Device::new(place).await?);
    let held = first.store.try_lock().await?;
    check!(held.is_some(), "nobody holds it, and it is refused");
    check!(
        second.store.try_lock().await?.is_none(),
        "another handle got it too"
    );
    check!(
        first.store.try_lock().await?.is_none(),
        "the same handle got it twice"
    );
    drop(held);
    Ok(())
}

/// At once, for any handle, again and again.
pub async fn the_sync_lock_is_free_when_dropped(place: &dyn LocalStorePlace) -> CaseResult {
    let (first, second) = (Device::new(place).await?, Device::new(place).await?);
    for _ in 0..3 {
        for device in [&first, &second] {
            let held = device.store.try_lock().await?;
            check!(held.is_some(), "it was dropped, and is still held");
        }
    }
    Ok(())
}

/// The app reads and writes while somebody syncs.
pub async fn the_sync_lock_does_not_hold_up_transactions(place: &dyn LocalStorePlace) -> CaseResult {
    let (first, second) = (Device::new(place).await?, Device::new(place).await?);
    let held = first.store.try_lock().await?;
    check!(held.is_some(), "nobody holds it, and it is refused");
    first.put(Access::App, "Note", &[note(1, "one", 1)]).await?;
    second.put(Access::App, "Note", &[note(2, "two", 2)]).await?;
    check_eq!(second.count("Note").await?, 2, "count");
    let mut writer = first.begin(SYNC).await?;
    check!(
        second.store.try_lock().await?.is_none(),
        "another handle got it during a transaction"
    );
    writer.area_put("area", b"key", b"value").await?;
    writer.commit().await?;
    Ok(())
}

/// And does not change by its own commits, so that a live query is not asked again for nothing.
pub async fn foreign_commits_changes_when_another_handle_commits(place: &dyn LocalStorePlace) -> CaseResult {
    let (first, second) = (Device::new(place).await?, Device::new(place).await?);
    let before = first.store.foreign_commits().await?;
    check_eq!(first.store.foreign_commits().await?, before, "nothing happened");
    for access in [Access::App, SYNC] {
        let before = first.store.foreign_commits().await?;
        second.put(access, "Note", &[note(1, "theirs", 1)]).await?;
        check!(
            first.store.foreign_commits().await? != before,
            "a foreign commit under {access:?} is not seen"
        );
        let before = first.store.foreign_commits().await?;
        first.put(access, "Note", &[note(2, "own", 1)]).await?;
        check_eq!(
            first.store.foreign_commits().await?,
            before,
            "an own commit under {access:?} is none"
        );
    }
    Ok(())
}

/// Rows and overlays; an edit in one process keeps the base another one preserved.
pub async fn another_handle_sees_what_was_committed(place: &dyn LocalStorePlace) -> CaseResult {
    let (first, second) = (Device::new(place).await?, Device::new(place).await?);
    first.put(SYNC, "Note", &[note(1, "base", 1)]).await?;
    first.put(Access::App, "Note", &[note(1, "first", 1)]).await?;
    check_eq!(
        second.row("Note", &id(1)).await?,
        Some(note(1, "first", 1)),
        "the row"
    );
    let seen = second.overlays("Note").await?;
    check_eq!(seen, first.overlays("Note").await?, "overlays");
    second.put(Access::App, "Note", &[note(1, "second", 1)]).await?;
    let after = first.overlays("Note").await?;
    check_eq!(after[0].base, Some(note(1, "base", 1)), "the base");
    check!(
        after[0].edit > seen[0].edit,
        "edit numbers of two handles: {} after {}",
        after[0].edit,
        seen[0].edit
    );
    Ok(())
}
