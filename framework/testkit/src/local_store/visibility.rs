//! Who sees what when: isolation, turns, undo.

use super::LocalStorePlace;
use super::device::{Device, SYNC, put};
use super::samples::note;
use crate::suite::{CaseResult, refused};
use crate::{check, check_eq};
use futures_util::poll;
use onsync_core::page::KeyRange;
use onsync_core::query::Query;
use onsync_core::store::local::{Access, Overlay, RecordState};
use onsync_core::{Key, Value};
use std::pin::pin;
use std::task::Poll;
use uuid::Uuid;

fn id(number: u128) -> Key {
    Key::one(Uuid::from_u128(number))
}

/// Rows, overlays and areas written in it are read in it.
pub async fn reads_see_the_transactions_own_writes(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    let entity = device.entity("Note")?;
    let mut transaction = device.begin(Access::App).await?;
    transaction.insert(entity, &note(1, "one", 1)).await?;
    put(transaction.as_mut(), entity, &[note(2, "two", 2)]).await?;
    transaction.area_put("area", b"key", b"value").await?;
    check_eq!(transaction.count(entity).await?, 2, "count");
    check_eq!(
        transaction.keys_in(entity, &KeyRange::all()).await?.len(),
        2,
        "keys_in"
    );
    let rows = transaction.get(entity, &[id(1), id(2)]).await?;
    check_eq!(rows, [Some(note(1, "one", 1)), Some(note(2, "two", 2))], "get");
    let overlays = transaction.overlays(entity, &[id(1), id(2)]).await?;
    check!(overlays.iter().all(Option::is_some), "overlays: {overlays:?}");
    check_eq!(
        transaction.area_get("area", b"key").await?,
        Some(b"value".to_vec()),
        "area_get"
    );
    transaction.remove(entity, &[id(1)]).await?;
    check_eq!(
        transaction.get(entity, &[id(1)]).await?,
        [None],
        "get of what was removed"
    );
    Ok(())
}

/// A commit in between changes nothing for a reader that began before.
pub async fn a_reader_sees_one_state_throughout(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    let entity = device.entity("Note")?;
    device.put(SYNC, "Note", &[note(1, "before", 1)]).await?;
    let mut reader = device.begin(Access::Read).await?;
    // A state is chosen at the latest by the first read.
    check_eq!(reader.count(entity).await?, 1, "count before");
    device
        .put(SYNC, "Note", &[note(1, "after", 1), note(2, "after", 2)])
        .await?;
    let mut writer = device.begin(SYNC).await?;
    writer.area_put("area", b"key", b"value").await?;
    writer.commit().await?;
    check_eq!(reader.count(entity).await?, 1, "count after");
    check_eq!(
        reader.get(entity, &[id(1)]).await?,
        [Some(note(1, "before", 1))],
        "get after"
    );
    check_eq!(
        reader.query(entity, &Query::entity("Note")).await?.len(),
        1,
        "query after"
    );
    check_eq!(reader.area_get("area", b"key").await?, None, "area_get after");
    Ok(())
}

/// Neither rows nor overlays nor areas of an open transaction are seen by others.
pub async fn readers_see_only_committed_states(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    let entity = device.entity("Note")?;
    let mut writer = device.begin(Access::App).await?;
    writer.insert(entity, &note(1, "open", 1)).await?;
    writer.area_put("area", b"key", b"value").await?;
    let mut reader = device.begin(Access::Read).await?;
    check_eq!(reader.count(entity).await?, 0, "count");
    check_eq!(reader.overlays(entity, &[id(1)]).await?, [None], "overlays");
    check_eq!(reader.area_get("area", b"key").await?, None, "area_get");
    drop(reader);
    writer.commit().await?;
    check_eq!(
        device.row("Note", &id(1)).await?,
        Some(note(1, "open", 1)),
        "after the commit"
    );
    Ok(())
}

/// A reader begins and reads to its end while a writer is at work.
pub async fn readers_are_not_blocked_by_a_writer(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    let entity = device.entity("Note")?;
    let mut writer = device.begin(SYNC).await?;
    put(writer.as_mut(), entity, &[note(1, "one", 1)]).await?;
    let mut reader = device.begin(Access::Read).await?;
    reader.query(entity, &Query::entity("Note")).await?;
    drop(reader);
    writer.commit().await?;
    Ok(())
}

/// Rows, overlays, edit numbers of others and areas are as before.
pub async fn dropping_a_transaction_undoes_everything(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    let entity = device.entity("Note")?;
    device
        .put(SYNC, "Note", &[note(1, "before", 1), note(2, "before", 2)])
        .await?;
    let mut transaction = device.begin(Access::App).await?;
    put(
        transaction.as_mut(),
        entity,
        &[note(1, "undone", 1), note(3, "undone", 3)],
    )
    .await?;
    transaction.remove(entity, &[id(2)]).await?;
    transaction.area_put("area", b"key", b"value").await?;
    drop(transaction);
    check_eq!(device.count("Note").await?, 2, "count");
    check_eq!(
        device.row("Note", &id(1)).await?,
        Some(note(1, "before", 1)),
        "the changed row"
    );
    check_eq!(
        device.row("Note", &id(2)).await?,
        Some(note(2, "before", 2)),
        "the removed row"
    );
    check_eq!(device.overlays("Note").await?, [], "overlays");
    let mut reader = device.begin(Access::Read).await?;
    check_eq!(reader.area_get("area", b"key").await?, None, "area_get");
    Ok(())
}

/// Page, overlay and checkpoint come together.
pub async fn a_commit_makes_everything_visible_at_once(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    let entity = device.entity("Note")?;
    let mut transaction = device.begin(SYNC).await?;
    put(transaction.as_mut(), entity, &[note(1, "one", 1)]).await?;
    let overlay = Overlay {
        key: id(1),
        base: None,
        edit: 5,
        acknowledged_to: 4,
        state: RecordState::Waiting,
    };
    transaction.put_overlay(entity, &overlay).await?;
    transaction.area_put("checkpoints", b"Note", b"7").await?;
    transaction.commit().await?;
    let mut reader = device.begin(Access::Read).await?;
    check_eq!(reader.count(entity).await?, 1, "count");
    check_eq!(
        reader.overlays(entity, &[id(1)]).await?,
        [Some(overlay)],
        "overlays"
    );
    check_eq!(
        reader.area_get("checkpoints", b"Note").await?,
        Some(b"7".to_vec()),
        "area_get"
    );
    Ok(())
}

/// Every kind of write, and nothing of it is done.
pub async fn writes_are_refused_under_read(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    let entity = device.entity("Note")?;
    device.put(SYNC, "Note", &[note(1, "one", 1)]).await?;
    let mut reader = device.begin(Access::Read).await?;
    let overlay = Overlay {
        key: id(1),
        base: None,
        edit: 1,
        acknowledged_to: 0,
        state: RecordState::Waiting,
    };
    check!(reader.insert(entity, &note(2, "two", 2)).await.is_err(), "insert");
    check!(
        put(reader.as_mut(), entity, &[note(1, "other", 1)])
            .await
            .is_err(),
        "put"
    );
    check!(reader.remove(entity, &[id(1)]).await.is_err(), "remove");
    check!(reader.put_overlay(entity, &overlay).await.is_err(), "put_overlay");
    check!(
        reader.remove_overlay(entity, &id(1)).await.is_err(),
        "remove_overlay"
    );
    check!(
        reader.area_put("area", b"key", b"value").await.is_err(),
        "area_put"
    );
    check!(reader.area_remove("area", b"key").await.is_err(), "area_remove");
    check_eq!(
        reader.get(entity, &[id(1)]).await?,
        [Some(note(1, "one", 1))],
        "the reader goes on"
    );
    drop(reader);
    check_eq!(
        device.row("Note", &id(1)).await?,
        Some(note(1, "one", 1)),
        "the row"
    );
    check_eq!(device.count("Note").await?, 1, "count");
    Ok(())
}

/// `begin` is pending while another one writes, and does not block the thread.
pub async fn a_second_writer_waits_for_its_turn(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    let first = device.begin(Access::App).await?;
    let mut second = pin!(device.begin(SYNC));
    check!(
        poll!(second.as_mut()).is_pending(),
        "the second writer did not wait"
    );
    check!(
        poll!(second.as_mut()).is_pending(),
        "the second writer did not wait for long"
    );
    first.commit().await?;
    second.await?.commit().await?;
    let third = device.begin(Access::App).await?;
    let mut fourth = pin!(device.begin(Access::App));
    check!(
        poll!(fourth.as_mut()).is_pending(),
        "the fourth writer did not wait"
    );
    drop(third);
    fourth.await?.commit().await?;
    Ok(())
}

/// First asked, first served.
pub async fn turns_are_given_in_order_of_asking(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    let first = device.begin(Access::App).await?;
    let mut second = Box::pin(device.begin(SYNC));
    let mut third = Box::pin(device.begin(Access::App));
    check!(
        poll!(second.as_mut()).is_pending(),
        "the second writer did not wait"
    );
    check!(
        poll!(third.as_mut()).is_pending(),
        "the third writer did not wait"
    );
    first.commit().await?;
    // Asked first, though the other is looked at first.
    if let Poll::Ready(early) = poll!(third.as_mut()) {
        drop(early);
        check!(false, "the third writer was served before the second");
    }
    let second = second.await?;
    check!(
        poll!(third.as_mut()).is_pending(),
        "the third writer did not wait for the second"
    );
    second.commit().await?;
    third.await?.commit().await?;
    Ok(())
}

/// Cancelled before its turn, and with its turn unused.
pub async fn a_waiting_writer_that_gives_up_does_not_stop_the_next(
    place: &dyn LocalStorePlace,
) -> CaseResult {
    let device = Device::new(place).await?;
    for before in [true, false] {
        let first = device.begin(Access::App).await?;
        let mut second = Box::pin(device.begin(SYNC));
        let mut third = Box::pin(device.begin(SYNC));
        check!(
            poll!(second.as_mut()).is_pending(),
            "the second writer did not wait"
        );
        check!(
            poll!(third.as_mut()).is_pending(),
            "the third writer did not wait"
        );
        if before {
            drop(second);
            first.commit().await?;
        } else {
            first.commit().await?;
            drop(second);
        }
        third.await?.commit().await?;
    }
    Ok(())
}

/// What was done before it stays, what it did itself does not.
pub async fn a_failed_statement_undoes_only_itself(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    let entity = device.entity("Note")?;
    let mut transaction = device.begin(Access::App).await?;
    transaction.insert(entity, &note(1, "one", 1)).await?;
    transaction.area_put("area", b"key", b"value").await?;
    refused(
        transaction.insert(entity, &note(1, "again", 9)).await,
        "record_exists",
    )?;
    transaction.commit().await?;
    check_eq!(
        device.row("Note", &id(1)).await?,
        Some(note(1, "one", 1)),
        "the row"
    );
    let edits: Vec<u64> = device
        .overlays("Note")
        .await?
        .iter()
        .map(|overlay| overlay.edit)
        .collect();
    check_eq!(edits.len(), 1, "overlays");
    let mut reader = device.begin(Access::Read).await?;
    check_eq!(
        reader.area_get("area", b"key").await?,
        Some(b"value".to_vec()),
        "area_get"
    );
    Ok(())
}

/// Reads, writes and the commit go on after a refusal of each kind.
pub async fn a_failed_statement_leaves_the_transaction_usable(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    let (entity, read_only) = (device.entity("Note")?, device.entity("Catalogue")?);
    let mut transaction = device.begin(Access::App).await?;
    transaction.insert(entity, &note(1, "one", 1)).await?;
    refused(
        transaction.insert(entity, &note(1, "again", 1)).await,
        "record_exists",
    )?;
    let row = vec![Value::Integer(1), "x".into()];
    refused(transaction.insert(read_only, &row).await, "read_only_entity")?;
    let query = Query::entity("Note").order_by("nothing", onsync_core::query::Order::Ascending);
    refused(transaction.query(entity, &query).await, "unknown_attribute")?;
    transaction.insert(entity, &note(2, "two", 2)).await?;
    check_eq!(transaction.count(entity).await?, 2, "count");
    transaction.commit().await?;
    check_eq!(device.count("Note").await?, 2, "count after the commit");
    Ok(())
}
