//! Rows: what is put in comes out, and nothing else changes.

use super::LocalStorePlace;
use super::device::{Device, SYNC, put_some};
use super::samples::{member, note, rows_of_every_type};
use crate::suite::{CaseResult, refused};
use crate::{check, check_eq};
use onsync_core::store::local::Access;
use onsync_core::{Key, Row, Value, ValueType};
use uuid::Uuid;

fn id(number: u128) -> Key {
    Key::one(Uuid::from_u128(number))
}

/// None where there is no row; the same key twice gives its row twice.
pub async fn get_gives_rows_in_the_order_of_the_keys(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    let rows: Vec<Row> = (1..=3).map(|number| note(number, "note", 0)).collect();
    device.put(SYNC, "Note", &rows).await?;
    let mut reader = device.begin(Access::Read).await?;
    let keys = [id(3), id(9), id(1), id(3), id(2)];
    let found = reader.get(device.entity("Note")?, &keys).await?;
    let wanted = [3, 9, 1, 3, 2].map(|number| rows.get(number - 1).cloned());
    check_eq!(found, wanted, "rows");
    check_eq!(
        reader.get(device.entity("Note")?, &[]).await?,
        [],
        "rows of no keys"
    );
    let many: Vec<Key> = (0..5000).map(id).collect();
    let found = reader.get(device.entity("Note")?, &many).await?;
    check_eq!(found.len(), 5000, "answers to 5,000 keys");
    check_eq!(found.iter().flatten().count(), 3, "rows among 5,000 keys");
    Ok(())
}

/// `record_exists`, and the row is as it was; under both kinds of access.
pub async fn insert_refuses_an_existing_key(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    device.put(SYNC, "Note", &[note(1, "first", 1)]).await?;
    device.put(SYNC, "Member", &[member("a", 1, "first")]).await?;
    for access in [Access::App, SYNC] {
        let mut transaction = device.begin(access).await?;
        let again = transaction
            .insert(device.entity("Note")?, &note(1, "second", 2))
            .await;
        refused(again, "record_exists")?;
        let again = transaction
            .insert(device.entity("Member")?, &member("a", 1, "second"))
            .await;
        refused(again, "record_exists")?;
        transaction.commit().await?;
    }
    check_eq!(
        device.row("Note", &id(1)).await?,
        Some(note(1, "first", 1)),
        "the row"
    );
    check_eq!(device.overlays("Note").await?, [], "overlays");
    Ok(())
}

/// New keys and known ones in one call, also twice the same key.
pub async fn put_inserts_and_replaces(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    device.put(SYNC, "Note", &[note(1, "old", 1)]).await?;
    device
        .put(SYNC, "Note", &[note(1, "new", 2), note(2, "new", 3)])
        .await?;
    check_eq!(
        device.row("Note", &id(1)).await?,
        Some(note(1, "new", 2)),
        "the replaced row"
    );
    check_eq!(
        device.row("Note", &id(2)).await?,
        Some(note(2, "new", 3)),
        "the new row"
    );
    device
        .put(SYNC, "Note", &[note(3, "first", 1), note(3, "last", 2)])
        .await?;
    check_eq!(
        device.row("Note", &id(3)).await?,
        Some(note(3, "last", 2)),
        "the same key twice"
    );
    check_eq!(device.count("Note").await?, 3, "count");
    Ok(())
}

/// Values of other attributes stay, null only where null was given.
pub async fn put_keeps_attributes_that_are_not_named(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    for access in [SYNC, Access::App] {
        device.put(SYNC, "Note", &[note(1, "title", 1)]).await?;
        device
            .put_some(
                access,
                "Note",
                &[0, 3],
                vec![Uuid::from_u128(1).into(), Value::Null],
            )
            .await?;
        let mut wanted = note(1, "title", 1);
        wanted[3] = Value::Null;
        check_eq!(
            device.row("Note", &id(1)).await?,
            Some(wanted),
            "under {access:?}"
        );
    }
    Ok(())
}

/// Not a default, not an error.
pub async fn put_makes_attributes_that_are_not_named_null_in_new_rows(
    place: &dyn LocalStorePlace,
) -> CaseResult {
    let device = Device::new(place).await?;
    device
        .put_some(
            SYNC,
            "Note",
            &[0, 1],
            vec![Uuid::from_u128(1).into(), "title".into()],
        )
        .await?;
    let wanted = vec![
        Uuid::from_u128(1).into(),
        "title".into(),
        Value::Null,
        Value::Null,
    ];
    check_eq!(device.row("Note", &id(1)).await?, Some(wanted), "the row");
    Ok(())
}

/// The column list decides, not the schema's order.
pub async fn put_takes_attributes_in_any_order(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    let mut transaction = device.begin(SYNC).await?;
    let row = vec![
        Value::Integer(7),
        "body".into(),
        Uuid::from_u128(1).into(),
        "title".into(),
    ];
    put_some(transaction.as_mut(), device.entity("Note")?, &[3, 2, 0, 1], row).await?;
    let row = vec!["a".into(), "boss".into(), Value::Integer(4)];
    put_some(transaction.as_mut(), device.entity("Member")?, &[2, 0, 1], row).await?;
    transaction.commit().await?;
    let wanted = vec![
        Uuid::from_u128(1).into(),
        "title".into(),
        "body".into(),
        Value::Integer(7),
    ];
    check_eq!(device.row("Note", &id(1)).await?, Some(wanted), "the note");
    let key = Key(vec!["a".into(), Value::Integer(4)]);
    check_eq!(
        device.row("Member", &key).await?,
        Some(member("a", 4, "boss")),
        "the member"
    );
    Ok(())
}

/// What the row held under attributes not named is still there after a put under App, its base the whole row, and one overlay: a
/// delete in between would show.
pub async fn put_never_deletes_and_creates_again(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    device.put(SYNC, "Note", &[note(1, "kept", 1)]).await?;
    device
        .put_some(
            Access::App,
            "Note",
            &[3, 0],
            vec![Value::Integer(2), Uuid::from_u128(1).into()],
        )
        .await?;
    check_eq!(
        device.row("Note", &id(1)).await?,
        Some(note(1, "kept", 1)).map(|mut row| {
            row[3] = Value::Integer(2);
            row
        }),
        "the row"
    );
    let overlays = device.overlays("Note").await?;
    check_eq!(overlays.len(), 1, "overlays");
    check_eq!(overlays[0].base, Some(note(1, "kept", 1)), "the base");
    Ok(())
}

/// Some there, some not.
pub async fn remove_ignores_keys_without_a_row(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    device
        .put(SYNC, "Note", &[note(1, "one", 1), note(2, "two", 2)])
        .await?;
    for access in [SYNC, Access::App] {
        device
            .remove(access, "Note", &[id(9), id(1), id(8), id(1)])
            .await?;
        device.remove(access, "Note", &[]).await?;
        check_eq!(device.count("Note").await?, 1, "count");
    }
    check_eq!(
        device.row("Note", &id(2)).await?,
        Some(note(2, "two", 2)),
        "the other row"
    );
    Ok(())
}

/// Rows of the entity, nothing else.
pub async fn count_counts_visible_rows(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    check_eq!(device.count("Note").await?, 0, "an empty entity");
    device.put(SYNC, "Member", &[member("a", 1, "x")]).await?;
    let rows: Vec<Row> = (1..=2500).map(|number| note(number, "note", 0)).collect();
    device.put(SYNC, "Note", &rows).await?;
    check_eq!(device.count("Note").await?, 2500, "2,500 notes");
    device.remove(Access::App, "Note", &[id(1)]).await?;
    check_eq!(
        device.count("Note").await?,
        2499,
        "a deleted record is not visible"
    );
    Ok(())
}

/// The values of every row of the entity `Everything`, with its key.
pub(super) fn everything_rows() -> Vec<Row> {
    let with_key = |(number, mut row): (usize, Row)| {
        row.insert(0, Value::Integer(number as i64));
        row
    };
    rows_of_every_type()
        .into_iter()
        .enumerate()
        .map(with_key)
        .collect()
}

/// Extremes, look-alikes and awkward texts; by both ways in.
pub async fn every_value_of_every_type_survives(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    let rows = everything_rows();
    for way in ["put", "insert"] {
        device
            .remove(SYNC, "Everything", &(0..100i64).map(Key::one).collect::<Vec<_>>())
            .await?;
        if way == "put" {
            device.put(SYNC, "Everything", &rows).await?;
        } else {
            for row in &rows {
                device.insert("Everything", row.clone()).await?;
            }
        }
        for row in &rows {
            let found = device
                .row("Everything", &Key(vec![row[0].clone()]))
                .await?
                .unwrap_or_default();
            for (index, (found, wanted)) in found.iter().zip(row).enumerate() {
                let name = &device.entity("Everything")?.attributes[index].name;
                let mut text = format!("{wanted:?}");
                text.truncate(200);
                check!(
                    found == wanted && found.value_type() == wanted.value_type(),
                    "{name} by {way}: {text} came back as something else"
                );
            }
            check_eq!(found.len(), row.len(), "values of a row by {way}");
        }
    }
    Ok(())
}

/// Null is not zero, not empty, not false.
pub async fn null_survives_in_every_type(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    let mut row = vec![Value::Null; ValueType::ALL.len() + 1];
    row[0] = Value::Integer(1);
    device.put(SYNC, "Everything", std::slice::from_ref(&row)).await?;
    check_eq!(
        device.row("Everything", &Key::one(1i64)).await?,
        Some(row.clone()),
        "by put"
    );
    row[0] = Value::Integer(2);
    device.insert("Everything", row.clone()).await?;
    check_eq!(
        device.row("Everything", &Key::one(2i64)).await?,
        Some(row),
        "by insert"
    );
    Ok(())
}

/// The default limit of a record.
pub async fn a_row_of_a_mebibyte_survives(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    let row = vec![
        Uuid::from_u128(1).into(),
        "x".repeat(1 << 20).into(),
        Value::Null,
        Value::Null,
    ];
    device.put(SYNC, "Note", std::slice::from_ref(&row)).await?;
    device
        .put_some(
            Access::App,
            "Note",
            &[0, 3],
            vec![Uuid::from_u128(1).into(), 1i64.into()],
        )
        .await?;
    let base = device
        .overlay("Note", &id(1))
        .await?
        .and_then(|overlay| overlay.base);
    check!(base == Some(row), "the base is not the row as it was");
    Ok(())
}

/// A child whose parent is not on the device, equal values, every attribute null.
pub async fn nothing_but_the_key_is_constrained(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    let remark = |number: i64| vec![number.into(), Uuid::from_u128(77).into(), "same".into()];
    device.put(SYNC, "Remark", &[remark(1), remark(2)]).await?;
    device
        .insert("Remark", vec![3i64.into(), Value::Null, Value::Null])
        .await?;
    device.put(SYNC, "Note", &[note(77, "parent", 1)]).await?;
    device.remove(Access::App, "Note", &[id(77)]).await?;
    check_eq!(
        device.count("Remark").await?,
        3,
        "children after their parent was deleted"
    );
    check_eq!(device.overlays("Remark").await?.len(), 1, "edited children");
    Ok(())
}
