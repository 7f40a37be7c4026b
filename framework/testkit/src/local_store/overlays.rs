//! Overlays as the engine stores them.

use super::LocalStorePlace;
use super::device::{Device, SYNC};
use super::rows::everything_rows;
use super::samples::{member, note};
use super::tracking::id;
use crate::suite::CaseResult;
use crate::{check, check_eq};
use onsync_core::page::KeyRange;
use onsync_core::store::local::{Access, Overlay, RecordState};
use onsync_core::{Key, Row};

fn overlay(key: Key, base: Option<Row>, edit: u64) -> Overlay {
    Overlay {
        key,
        base,
        edit,
        acknowledged_to: edit / 2,
        state: RecordState::Waiting,
    }
}

/// Every state, with and without a base, every type in a base, across a restart.
pub async fn an_overlay_is_stored_as_it_is(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    let mut wanted = Vec::new();
    let states = [
        RecordState::Waiting,
        RecordState::InFlight,
        RecordState::Conflicted,
        RecordState::Rejected,
    ];
    for (number, row) in everything_rows().into_iter().enumerate() {
        let stored = Overlay {
            state: states[number % 4],
            ..overlay(Key(vec![row[0].clone()]), Some(row), number as u64 + 1)
        };
        device.put_overlay("Everything", &stored).await?;
        wanted.push(stored);
    }
    let without_base = overlay(Key::one(1_000_000i64), None, (1 << 62) + 1);
    device.put_overlay("Everything", &without_base).await?;
    wanted.push(without_base);
    let device = device.restart(place).await?;
    check!(
        device.overlays("Everything").await? == wanted,
        "overlays are not what was stored"
    );
    Ok(())
}

/// None where there is none; the same key twice gives it twice.
pub async fn overlays_come_in_the_order_of_the_keys(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    for number in [1, 2, 3] {
        device
            .put_overlay("Note", &overlay(id(number), None, number as u64))
            .await?;
    }
    let mut reader = device.begin(Access::Read).await?;
    let keys = [id(3), id(9), id(1), id(3)];
    let found = reader.overlays(device.entity("Note")?, &keys).await?;
    let numbers: Vec<_> = found
        .iter()
        .map(|overlay| overlay.as_ref().map(|overlay| overlay.edit))
        .collect();
    check_eq!(numbers, [Some(3), None, Some(1), Some(3)], "overlays");
    check_eq!(
        reader.overlays(device.entity("Note")?, &[]).await?,
        [],
        "overlays of no keys"
    );
    Ok(())
}

/// One per key: base moved, taken away, given again.
pub async fn put_overlay_replaces(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    let first = overlay(id(1), Some(note(1, "first", 1)), 4);
    let moved = Overlay {
        base: Some(note(1, "moved", 2)),
        state: RecordState::Conflicted,
        ..first.clone()
    };
    let without = Overlay {
        base: None,
        ..moved.clone()
    };
    for stored in [&first, &moved, &without, &moved] {
        device.put_overlay("Note", stored).await?;
        check_eq!(
            device.overlays("Note").await?,
            std::slice::from_ref(stored),
            "overlays"
        );
    }
    Ok(())
}

/// The visible row stays; removing again is no error; the next edit has the row of now as its base.
pub async fn remove_overlay_makes_the_record_clean(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    device.put(SYNC, "Note", &[note(1, "old", 1)]).await?;
    device.put(Access::App, "Note", &[note(1, "new", 1)]).await?;
    let mut transaction = device.begin(SYNC).await?;
    for key in [id(1), id(1), id(2)] {
        transaction.remove_overlay(device.entity("Note")?, &key).await?;
    }
    transaction.commit().await?;
    check_eq!(device.overlays("Note").await?, [], "overlays");
    check_eq!(
        device.row("Note", &id(1)).await?,
        Some(note(1, "new", 1)),
        "the row"
    );
    device.put(Access::App, "Note", &[note(1, "newer", 1)]).await?;
    let base = device
        .overlay("Note", &id(1))
        .await?
        .and_then(|overlay| overlay.base);
    check_eq!(base, Some(note(1, "new", 1)), "the base of the next edit");
    Ok(())
}

/// The same key in two entities.
pub async fn overlays_of_entities_are_apart(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    let key = Key::one(1i64);
    device
        .put_overlay("Remark", &overlay(key.clone(), None, 1))
        .await?;
    device
        .put_overlay(
            "Order",
            &overlay(key.clone(), Some(vec![1i64.into(), "x".into()]), 2),
        )
        .await?;
    let mut transaction = device.begin(SYNC).await?;
    transaction.remove_overlay(device.entity("Remark")?, &key).await?;
    transaction.commit().await?;
    check_eq!(device.overlay("Remark", &key).await?, None, "the removed one");
    check_eq!(
        device.overlays("Order").await?.len(),
        1,
        "overlays of the other entity"
    );
    Ok(())
}

/// Edges as everywhere, for composite keys too.
pub async fn overlays_in_starts_behind_after_and_ends_with_to(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    let mut keys = Vec::new();
    for (edit, (team, person)) in [("a", -1i64), ("a", 2), ("a", 10), ("b", 0)]
        .into_iter()
        .enumerate()
    {
        let key = Key(vec![team.into(), person.into()]);
        let base = Some(member(team, person, "x"));
        device
            .put_overlay("Member", &overlay(key.clone(), base, edit as u64 + 1))
            .await?;
        keys.push(key);
    }
    let mut reader = device.begin(Access::Read).await?;
    for after in [None, Some(0), Some(1), Some(3)] {
        for to in [None, Some(0), Some(2), Some(3)] {
            let range = KeyRange {
                after: after.map(|index: usize| keys[index].clone()),
                to: to.map(|index: usize| keys[index].clone()),
            };
            let found = reader.overlays_in(device.entity("Member")?, &range, 100).await?;
            let found: Vec<Key> = found.into_iter().map(|overlay| overlay.key).collect();
            let wanted: Vec<Key> = keys.iter().filter(|key| range.contains(key)).cloned().collect();
            check_eq!(found, wanted, "{range:?}");
        }
    }
    Ok(())
}

/// Pages of overlays.
pub async fn overlays_in_gives_at_most_the_limit_in_key_order(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    let numbers = [5i64, -3, 0, 12, 7, -40, 1 << 40];
    for (edit, number) in numbers.into_iter().enumerate() {
        device
            .put_overlay("Order", &overlay(Key::one(number), None, edit as u64 + 1))
            .await?;
    }
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable();
    let mut reader = device.begin(Access::Read).await?;
    for limit in [1, 2, 7, 100] {
        let mut found = Vec::new();
        let mut range = KeyRange::all();
        loop {
            let page = reader.overlays_in(device.entity("Order")?, &range, limit).await?;
            check!(page.len() <= limit, "{} overlays, limit {limit}", page.len());
            let Some(last) = page.last() else { break };
            range.after = Some(last.key.clone());
            found.extend(page.into_iter().map(|overlay| overlay.key));
        }
        let wanted: Vec<Key> = sorted.iter().map(|number| Key::one(*number)).collect();
        check_eq!(found, wanted, "pages of {limit}");
    }
    Ok(())
}

/// A record deleted here, and one whose row the sync removes under it.
pub async fn an_overlay_does_not_need_a_visible_row(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    let stored = overlay(id(1), Some(note(1, "base", 1)), 3);
    device.put_overlay("Note", &stored).await?;
    check_eq!(
        device.overlay("Note", &id(1)).await?,
        Some(stored.clone()),
        "without a row"
    );
    device.put(SYNC, "Note", &[note(1, "row", 1)]).await?;
    device.remove(SYNC, "Note", &[id(1)]).await?;
    check_eq!(
        device.overlay("Note", &id(1)).await?,
        Some(stored),
        "after its row came and went"
    );
    check_eq!(device.row("Note", &id(1)).await?, None, "the row");
    Ok(())
}
