//! Change tracking: what a write under [`Access::App`] leaves behind, and what others do not.

use super::LocalStorePlace;
use super::device::{Device, SYNC, put};
use super::rows::everything_rows;
use super::samples::{member, note};
use crate::suite::{CaseResult, Failure};
use crate::{check, check_eq};
use onsync_core::store::local::{Access, Overlay, RecordState};
use onsync_core::{Key, Row, Value};
use uuid::Uuid;

pub(super) fn id(number: u128) -> Key {
    Key::one(Uuid::from_u128(number))
}

/// The overlay that must be there.
pub(super) async fn tracked(device: &Device, entity: &str, key: &Key) -> Result<Overlay, Failure> {
    let overlay = device.overlay(entity, key).await?;
    overlay.ok_or_else(|| Failure::new(format!("{entity} {key} was written and has no overlay")))
}

/// None: the server does not have it. It waits to be sent.
pub async fn an_insert_makes_an_overlay_without_base(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    device.insert("Note", note(1, "one", 1)).await?;
    let overlay = tracked(&device, "Note", &id(1)).await?;
    check_eq!(overlay.key, id(1), "the key");
    check_eq!(overlay.base, None, "the base");
    check_eq!(overlay.state, RecordState::Waiting, "the state");
    check!(
        overlay.is_waiting() && overlay.edit > 0,
        "it must wait: {overlay:?}"
    );
    check_eq!(overlay.acknowledged_to, 0, "what is acknowledged");
    Ok(())
}

/// Put over an existing row.
pub async fn an_update_preserves_the_row_as_it_was(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    device.put(SYNC, "Note", &[note(1, "before", 1)]).await?;
    device.put(Access::App, "Note", &[note(1, "after", 2)]).await?;
    let overlay = tracked(&device, "Note", &id(1)).await?;
    check_eq!(overlay.base, Some(note(1, "before", 1)), "the base");
    check!(overlay.is_waiting(), "it must wait: {overlay:?}");
    check_eq!(
        device.row("Note", &id(1)).await?,
        Some(note(1, "after", 2)),
        "the row"
    );
    Ok(())
}

/// The row is gone, its base is not.
pub async fn a_delete_preserves_the_row_as_it_was(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    device.put(SYNC, "Note", &[note(1, "before", 1)]).await?;
    device.remove(Access::App, "Note", &[id(1)]).await?;
    let overlay = tracked(&device, "Note", &id(1)).await?;
    check_eq!(overlay.base, Some(note(1, "before", 1)), "the base");
    check_eq!(device.row("Note", &id(1)).await?, None, "the row");
    Ok(())
}

/// The base is the row before the *first* edit, in one transaction and over several.
pub async fn a_second_edit_keeps_the_first_base(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    device
        .put(SYNC, "Note", &[note(1, "before", 1), note(2, "before", 2)])
        .await?;
    for edit in ["first", "second", "third"] {
        device.put(Access::App, "Note", &[note(1, edit, 5)]).await?;
    }
    let mut transaction = device.begin(Access::App).await?;
    for edit in ["first", "second"] {
        put(transaction.as_mut(), device.entity("Note")?, &[note(2, edit, 5)]).await?;
    }
    transaction.commit().await?;
    for number in [1, 2] {
        let base = tracked(&device, "Note", &id(number)).await?.base;
        check_eq!(
            base,
            Some(note(number, "before", number as i64)),
            "the base of {number}"
        );
    }
    Ok(())
}

/// Attributes that were not written are in the base too.
pub async fn a_partial_put_preserves_the_whole_row(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    device.put(SYNC, "Note", &[note(1, "before", 1)]).await?;
    device
        .put_some(
            Access::App,
            "Note",
            &[0, 1],
            vec![Uuid::from_u128(1).into(), "after".into()],
        )
        .await?;
    let base = tracked(&device, "Note", &id(1)).await?.base;
    check_eq!(base, Some(note(1, "before", 1)), "the base");
    Ok(())
}

/// It is an update for the server, whatever it was here.
pub async fn delete_and_insert_again_keep_the_first_base(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    device.put(SYNC, "Note", &[note(1, "before", 1)]).await?;
    device.remove(Access::App, "Note", &[id(1)]).await?;
    let deleted = tracked(&device, "Note", &id(1)).await?;
    device.insert("Note", note(1, "again", 2)).await?;
    let overlay = tracked(&device, "Note", &id(1)).await?;
    check_eq!(overlay.base, Some(note(1, "before", 1)), "the base");
    check!(
        overlay.edit > deleted.edit,
        "the edit number did not grow: {overlay:?}"
    );
    check_eq!(
        device.row("Note", &id(1)).await?,
        Some(note(1, "again", 2)),
        "the row"
    );
    Ok(())
}

/// The difference decides what is sent; the number tells that something happened.
pub async fn an_edit_and_its_undo_keep_the_base_and_raise_the_edit_number(
    place: &dyn LocalStorePlace,
) -> CaseResult {
    let device = Device::new(place).await?;
    device.put(SYNC, "Note", &[note(1, "before", 1)]).await?;
    device.put(Access::App, "Note", &[note(1, "after", 1)]).await?;
    let edited = tracked(&device, "Note", &id(1)).await?;
    device.put(Access::App, "Note", &[note(1, "before", 1)]).await?;
    let undone = tracked(&device, "Note", &id(1)).await?;
    check_eq!(undone.base, Some(note(1, "before", 1)), "the base");
    check!(
        undone.edit > edited.edit,
        "the edit number did not grow: {undone:?}"
    );
    Ok(())
}

/// Its create may be in flight, so it is not simply forgotten.
pub async fn a_record_made_and_deleted_here_keeps_an_overlay_without_base(
    place: &dyn LocalStorePlace,
) -> CaseResult {
    let device = Device::new(place).await?;
    device.insert("Note", note(1, "one", 1)).await?;
    let made = tracked(&device, "Note", &id(1)).await?;
    device.remove(Access::App, "Note", &[id(1)]).await?;
    let overlay = tracked(&device, "Note", &id(1)).await?;
    check_eq!(overlay.base, None, "the base");
    check!(
        overlay.edit > made.edit,
        "the edit number did not grow: {overlay:?}"
    );
    Ok(())
}

fn rising(overlays: &[Overlay]) -> bool {
    let mut edits: Vec<u64> = overlays.iter().map(|overlay| overlay.edit).collect();
    edits.sort_unstable();
    edits.windows(2).all(|pair| pair[0] < pair[1])
}

/// New ones and changed ones, each with a number of its own.
pub async fn every_row_of_a_put_is_tracked(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    let rows: Vec<Row> = (1..=600).map(|number| note(number, "before", 0)).collect();
    device.put(SYNC, "Note", &rows).await?;
    let rows: Vec<Row> = (301..=900).map(|number| note(number, "after", 0)).collect();
    device.put(Access::App, "Note", &rows).await?;
    let overlays = device.overlays("Note").await?;
    check_eq!(overlays.len(), 600, "overlays");
    check!(rising(&overlays), "two records have the same edit number");
    for overlay in overlays {
        let Some(Value::Uuid(key)) = overlay.key.0.first() else {
            return Err(Failure::new("a key that is no uuid"));
        };
        let wanted = (key.as_u128() <= 600).then(|| note(key.as_u128(), "before", 0));
        check_eq!(overlay.base, wanted, "the base of {key}");
    }
    Ok(())
}

/// Also when there are many.
pub async fn every_row_of_a_remove_is_tracked(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    let rows: Vec<Row> = (1..=1500).map(|number| note(number, "before", 0)).collect();
    device.put(SYNC, "Note", &rows).await?;
    let keys: Vec<Key> = (1..=1500).map(id).collect();
    device.remove(Access::App, "Note", &keys).await?;
    let overlays = device.overlays("Note").await?;
    check_eq!(overlays.len(), 1500, "overlays");
    check!(rising(&overlays), "two records have the same edit number");
    check!(
        overlays.iter().all(|overlay| overlay.base.is_some()),
        "a base is missing"
    );
    Ok(())
}

/// No row, no overlay.
pub async fn removing_what_is_not_there_tracks_nothing(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    device.remove(Access::App, "Note", &[id(1), id(2)]).await?;
    check_eq!(device.overlays("Note").await?, [], "overlays");
    Ok(())
}

/// Over all entities, and within one transaction.
pub async fn an_edit_number_is_greater_than_any_before(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    let mut last = 0;
    for round in 0..4u128 {
        let key = device.insert("Note", note(round + 1, "one", 1)).await?;
        let edit = tracked(&device, "Note", &key).await?.edit;
        check!(edit > last, "{edit} after {last}");
        last = edit;
        device
            .put(Access::App, "Member", &[member("a", 1, &round.to_string())])
            .await?;
        let key = Key(vec!["a".into(), 1i64.into()]);
        let edit = tracked(&device, "Member", &key).await?.edit;
        check!(edit > last, "{edit} after {last} of another entity");
        last = edit;
        device
            .put(Access::App, "Note", &[note(1, "again", round as i64)])
            .await?;
        let edit = tracked(&device, "Note", &id(1)).await?.edit;
        check!(edit > last, "{edit} after {last}");
        last = edit;
    }
    Ok(())
}

/// A number that was seen is not given again, though no overlay holds it any more.
pub async fn edit_numbers_grow_across_restarts_and_removed_overlays(
    place: &dyn LocalStorePlace,
) -> CaseResult {
    let mut device = Device::new(place).await?;
    let mut last = 0;
    for round in 0..3 {
        device.put(Access::App, "Note", &[note(1, "one", round)]).await?;
        let edit = tracked(&device, "Note", &id(1)).await?.edit;
        check!(edit > last, "round {round}: {edit} after {last}");
        last = edit;
        let mut transaction = device.begin(SYNC).await?;
        transaction.remove_overlay(device.entity("Note")?, &id(1)).await?;
        transaction.commit().await?;
        if round > 0 {
            device = device.restart(place).await?;
        }
    }
    Ok(())
}

/// An overlay stored by the sync with a high number does not make a later edit look old.
pub async fn edit_numbers_grow_beyond_those_the_sync_stored(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    device.put(SYNC, "Note", &[note(1, "one", 1)]).await?;
    let stored = Overlay {
        key: id(1),
        base: Some(note(1, "base", 1)),
        edit: 1000,
        acknowledged_to: 1000,
        state: RecordState::Waiting,
    };
    device.put_overlay("Note", &stored).await?;
    device.put(Access::App, "Note", &[note(1, "edited", 1)]).await?;
    let overlay = tracked(&device, "Note", &id(1)).await?;
    check!(
        overlay.edit > 1000 && overlay.is_waiting(),
        "the edit is not seen: {overlay:?}"
    );
    device.insert("Note", note(2, "two", 2)).await?;
    let other = tracked(&device, "Note", &id(2)).await?;
    check!(other.edit > overlay.edit, "{} after {}", other.edit, overlay.edit);
    Ok(())
}

/// Base, acknowledgement and state are the engine's.
pub async fn an_edit_changes_nothing_of_an_overlay_but_its_edit_number(
    place: &dyn LocalStorePlace,
) -> CaseResult {
    let device = Device::new(place).await?;
    let states = [
        RecordState::Waiting,
        RecordState::InFlight,
        RecordState::Conflicted,
        RecordState::Rejected,
    ];
    for (number, state) in (1u128..).zip(states) {
        device.put(SYNC, "Note", &[note(number, "mine", 1)]).await?;
        let stored = Overlay {
            key: id(number),
            base: (number % 2 == 0).then(|| note(number, "base", 1)),
            edit: 10,
            acknowledged_to: 9,
            state,
        };
        device.put_overlay("Note", &stored).await?;
        device
            .put(Access::App, "Note", &[note(number, "edited", 1)])
            .await?;
        let overlay = tracked(&device, "Note", &id(number)).await?;
        check!(overlay.edit > 10, "the edit number did not grow: {overlay:?}");
        check_eq!(
            overlay,
            Overlay {
                edit: overlay.edit,
                ..stored
            },
            "the overlay"
        );
    }
    Ok(())
}

/// A record that is nothing but its key.
pub async fn key_only_records_are_tracked(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    let key = Key::one("red");
    device.put(SYNC, "Tag", &[vec!["red".into()]]).await?;
    device.put(Access::App, "Tag", &[vec!["blue".into()]]).await?;
    device
        .remove(Access::App, "Tag", std::slice::from_ref(&key))
        .await?;
    check_eq!(
        tracked(&device, "Tag", &key).await?.base,
        Some(vec!["red".into()]),
        "the deleted one's base"
    );
    check_eq!(
        tracked(&device, "Tag", &Key::one("blue")).await?.base,
        None,
        "the new one's base"
    );
    device.insert("Tag", vec!["red".into()]).await?;
    check_eq!(
        tracked(&device, "Tag", &key).await?.base,
        Some(vec!["red".into()]),
        "the base made again"
    );
    check_eq!(device.count("Tag").await?, 2, "count");
    Ok(())
}

/// Keys of several attributes, in key order whatever their order in rows.
pub async fn composite_keys_are_tracked(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    device
        .put(SYNC, "Member", &[member("a", 1, "one"), member("a", 2, "two")])
        .await?;
    device
        .put(
            Access::App,
            "Member",
            &[member("a", 1, "changed"), member("b", 1, "new")],
        )
        .await?;
    let key = |team: &str, person: i64| Key(vec![team.into(), person.into()]);
    device.remove(Access::App, "Member", &[key("a", 2)]).await?;
    let keys: Vec<Key> = device
        .overlays("Member")
        .await?
        .into_iter()
        .map(|overlay| overlay.key)
        .collect();
    check_eq!(
        keys,
        [key("a", 1), key("a", 2), key("b", 1)],
        "the keys of the overlays"
    );
    check_eq!(
        tracked(&device, "Member", &key("a", 1)).await?.base,
        Some(member("a", 1, "one")),
        "changed"
    );
    check_eq!(
        tracked(&device, "Member", &key("a", 2)).await?.base,
        Some(member("a", 2, "two")),
        "deleted"
    );
    check_eq!(tracked(&device, "Member", &key("b", 1)).await?.base, None, "new");
    Ok(())
}

/// The base copy holds values as the row did.
pub async fn every_type_is_preserved_in_the_base(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    let rows = everything_rows();
    device.put(SYNC, "Everything", &rows).await?;
    let mut cleared = rows.clone();
    for row in &mut cleared {
        row[1..].fill(Value::Null);
    }
    device.put(Access::App, "Everything", &cleared).await?;
    for row in rows {
        let overlay = tracked(&device, "Everything", &Key(vec![row[0].clone()])).await?;
        check!(
            overlay.base.as_ref() == Some(&row),
            "the base of {} is not the row as it was",
            row[0]
        );
    }
    Ok(())
}
