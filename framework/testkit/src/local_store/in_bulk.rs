//! What the engine asks for many records at once. A store may answer by the provided functions or by its own.

use super::LocalStorePlace;
use super::device::{Device, SYNC};
use super::samples::{member, note};
use super::tracking::id;
use crate::suite::CaseResult;
use crate::{check, check_eq};
use onsync_core::Key;
use onsync_core::page::KeyRange;
use onsync_core::store::local::{Access, Overlay, RecordState};

const STATES: [RecordState; 4] = [
    RecordState::Waiting,
    RecordState::InFlight,
    RecordState::Conflicted,
    RecordState::Rejected,
];

/// One overlay per state, waiting and acknowledged, in an entity with a key of two attributes.
async fn every_standing(device: &Device) -> onsync_core::Result<Vec<Overlay>> {
    let mut overlays = Vec::new();
    for (number, state) in STATES.into_iter().chain(STATES).enumerate() {
        let (team, person) = (if number % 3 == 0 { "a" } else { "b" }, number as i64);
        let edit = number as u64 + 1;
        let overlay = Overlay {
            key: Key(vec![team.into(), person.into()]),
            base: (number % 2 == 0).then(|| member(team, person, "base")),
            edit,
            acknowledged_to: if number < 4 { edit - 1 } else { edit },
            state,
        };
        device.put_overlay("Member", &overlay).await?;
        overlays.push(overlay);
    }
    overlays.sort_by(|one, other| one.key.cmp(&other.key));
    Ok(overlays)
}

/// Waiting and rejected ones that were edited, whole, in key order; none in flight, in a conflict or acknowledged. Ranges and limits
/// as everywhere.
pub async fn overlays_to_send_are_those_that_may_be_sent(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    let stored = every_standing(&device).await?;
    let mut reader = device.begin(Access::Read).await?;
    let entity = device.entity("Member")?;
    let keys: Vec<Option<Key>> = std::iter::once(None)
        .chain(stored.iter().map(|overlay| Some(overlay.key.clone())))
        .collect();
    for after in &keys {
        for to in &keys {
            let range = KeyRange {
                after: after.clone(),
                to: to.clone(),
            };
            for limit in [1, 2, 100] {
                let found = reader.overlays_to_send(entity, &range, limit).await?;
                let wanted: Vec<Overlay> = stored
                    .iter()
                    .filter(|overlay| overlay.may_be_sent() && range.contains(&overlay.key))
                    .take(limit)
                    .cloned()
                    .collect();
                check_eq!(found, wanted, "{range:?}, limit {limit}");
            }
        }
    }
    check_eq!(
        reader
            .overlays_to_send(device.entity("Note")?, &KeyRange::all(), 1)
            .await?,
        [],
        "another entity"
    );
    Ok(())
}

/// More of them than are read at a time, behind many that may not be sent.
pub async fn overlays_to_send_are_found_behind_others(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    let mut transaction = device.begin(SYNC).await?;
    for number in 1..=1_300i64 {
        let state = if number % 650 == 0 {
            RecordState::Waiting
        } else {
            RecordState::Conflicted
        };
        let overlay = Overlay {
            key: Key::one(number),
            base: None,
            edit: number.unsigned_abs(),
            acknowledged_to: 0,
            state,
        };
        transaction.put_overlay(device.entity("Order")?, &overlay).await?;
    }
    let found = transaction
        .overlays_to_send(device.entity("Order")?, &KeyRange::all(), 10)
        .await?;
    let found: Vec<Key> = found.into_iter().map(|overlay| overlay.key).collect();
    check_eq!(found, [Key::one(650i64), Key::one(1_300i64)], "to send");
    check_eq!(
        transaction.count_waiting(device.entity("Order")?).await?,
        1_300,
        "waiting"
    );
    Ok(())
}

/// Whatever their state, as long as edits are not acknowledged.
pub async fn count_waiting_counts_every_state(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    every_standing(&device).await?;
    let mut reader = device.begin(Access::Read).await?;
    check_eq!(
        reader.count_waiting(device.entity("Member")?).await?,
        4,
        "waiting"
    );
    check_eq!(
        reader.count_waiting(device.entity("Note")?).await?,
        0,
        "waiting in another entity"
    );
    Ok(())
}

/// Base and numbers stay as they are, and so do overlays that are not named; a key without overlay gets none.
pub async fn set_states_changes_nothing_but_the_state(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    let stored = every_standing(&device).await?;
    let missing = Key(vec!["c".into(), 99i64.into()]);
    let keys = [
        stored[5].key.clone(),
        stored[0].key.clone(),
        missing,
        stored[2].key.clone(),
    ];
    for state in STATES {
        let mut transaction = device.begin(SYNC).await?;
        transaction
            .set_states(device.entity("Member")?, &keys, state)
            .await?;
        transaction.commit().await?;
        let wanted: Vec<Overlay> = stored
            .iter()
            .cloned()
            .map(|overlay| match keys.contains(&overlay.key) {
                true => Overlay { state, ..overlay },
                false => overlay,
            })
            .collect();
        check!(
            device.overlays("Member").await? == wanted,
            "overlays after setting {state:?}"
        );
    }
    Ok(())
}

/// An edit made in between stays unsent; what is removed is clean, and its row stays. A second time there is nothing to remove.
pub async fn remove_unedited_spares_what_was_edited_since(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    let rows = [1, 2, 3].map(|number| note(number, "old", 1));
    device.put(SYNC, "Note", &rows).await?;
    let rows = [1, 2, 3].map(|number| note(number, "new", 1));
    device.put(Access::App, "Note", &rows).await?;
    let cut: Vec<(Key, u64)> = device
        .overlays("Note")
        .await?
        .into_iter()
        .map(|overlay| (overlay.key, overlay.edit))
        .collect();
    device.put(Access::App, "Note", &[note(2, "newer", 2)]).await?;
    let edited = device.overlay("Note", &id(2)).await?;
    let mut asked = cut.clone();
    asked.push((id(9), 1));
    asked.push(asked[0].clone());
    let mut transaction = device.begin(SYNC).await?;
    let removed = transaction
        .remove_unedited(device.entity("Note")?, &asked)
        .await?;
    transaction.commit().await?;
    let wanted: Vec<bool> = [1, 2, 3, 9, 0].map(|number| number == 1 || number == 3).to_vec();
    check_eq!(removed, wanted, "removed");
    check_eq!(
        device.overlays("Note").await?,
        edited.into_iter().collect::<Vec<_>>(),
        "overlays left"
    );
    check_eq!(
        device.row("Note", &id(1)).await?,
        Some(note(1, "new", 1)),
        "the row of a clean record"
    );
    Ok(())
}

/// As any writing.
pub async fn writes_in_bulk_are_refused_under_read(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    let stored = every_standing(&device).await?;
    let (key, edit) = (stored[0].key.clone(), stored[0].edit);
    let mut reader = device.begin(Access::Read).await?;
    let entity = device.entity("Member")?;
    let refused = [
        reader
            .set_states(entity, std::slice::from_ref(&key), RecordState::Rejected)
            .await
            .map(|()| Vec::new()),
        reader.remove_unedited(entity, &[(key, edit)]).await,
    ];
    for result in refused {
        check_eq!(
            result.as_ref().map_err(onsync_core::Error::code),
            Err("read_only_transaction"),
            "a write under Access::Read"
        );
    }
    drop(reader);
    check!(
        device.overlays("Member").await? == stored,
        "overlays have changed"
    );
    Ok(())
}

/// By the area, the transaction's own writes included.
pub async fn area_count_counts_keys(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    let mut transaction = device.begin(SYNC).await?;
    for number in 0..2_100u32 {
        transaction
            .area_put("many", &number.to_be_bytes(), b"value")
            .await?;
    }
    transaction.area_put("one", b"", b"").await?;
    transaction.area_put("one", b"", b"again").await?;
    for (area, wanted) in [("many", 2_100), ("one", 1), ("none", 0)] {
        check_eq!(transaction.area_count(area).await?, wanted, "keys of `{area}`");
    }
    Ok(())
}
