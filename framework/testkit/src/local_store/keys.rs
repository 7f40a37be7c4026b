//! Keys: those made here, and their order.

use super::LocalStorePlace;
use super::device::{Device, SYNC};
use super::samples::{member, values_of};
use crate::suite::CaseResult;
use crate::{check, check_eq};
use onsync_core::page::KeyRange;
use onsync_core::schema::{Attribute, EntitySchema, Schema};
use onsync_core::store::local::{Access, FIRST_LOCAL_INTEGER, is_local_key};
use onsync_core::{Key, Value, ValueType};
use std::collections::BTreeSet;

fn labelled(label: &str) -> Vec<Value> {
    vec![Value::Null, label.into()]
}

/// Also with client ids; each another one, and the row holds it.
pub async fn a_null_uuid_key_becomes_a_random_one(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    let mut row = super::samples::note(0, "new", 1);
    row[0] = Value::Null;
    let mut keys = BTreeSet::new();
    for _ in 0..20 {
        let key = device.insert("Note", row.clone()).await?;
        check!(
            matches!(key.0.as_slice(), [Value::Uuid(_)]),
            "wanted a uuid, found {key:?}"
        );
        let found = device.row("Note", &key).await?.unwrap_or_default();
        check_eq!(found.first(), key.0.first(), "the key in the row");
        check!(keys.insert(key), "the same key twice");
    }
    Ok(())
}

/// Integers from 2⁵²: the server never issues them.
pub async fn server_integer_keys_come_from_the_local_range(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    device
        .put(SYNC, "Order", &[vec![Value::Integer(41), "the server's".into()]])
        .await?;
    for _ in 0..3 {
        let key = device.insert("Order", labelled("new")).await?;
        check!(
            matches!(key.0.as_slice(), [Value::Integer(number)] if *number >= FIRST_LOCAL_INTEGER),
            "wanted an integer from {FIRST_LOCAL_INTEGER}, found {key:?}"
        );
        check_eq!(
            device.row("Order", &key).await?,
            Some(vec![key.0[0].clone(), "new".into()]),
            "the row"
        );
    }
    Ok(())
}

/// Not after a delete, not after the table was emptied, not after a restart, not after the sync stored one.
pub async fn server_integer_keys_are_never_reused(place: &dyn LocalStorePlace) -> CaseResult {
    let mut device = Device::new(place).await?;
    let mut keys = BTreeSet::new();
    for round in 0..4 {
        for _ in 0..3 {
            let key = device.insert("Order", labelled("new")).await?;
            check!(keys.insert(key.clone()), "round {round}: {key} was used before");
        }
        let all: Vec<Key> = keys.iter().cloned().collect();
        device
            .remove(if round % 2 == 0 { Access::App } else { SYNC }, "Order", &all)
            .await?;
        device = device.restart(place).await?;
    }
    Ok(())
}

/// `local:` and something random.
pub async fn server_text_keys_are_local_texts(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    let mut keys = BTreeSet::new();
    for _ in 0..5 {
        let key = device.insert("Label", labelled("new")).await?;
        check!(
            key.0.len() == 1 && is_local_key(&key.0[0]),
            "wanted local:…, found {key:?}"
        );
        check!(keys.insert(key), "the same key twice");
    }
    Ok(())
}

/// A uuid does not tell who made it.
pub async fn server_uuid_keys_are_random(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    let first = device.insert("Ticket", labelled("one")).await?;
    let second = device.insert("Ticket", labelled("two")).await?;
    check!(
        matches!(first.0.as_slice(), [Value::Uuid(_)]),
        "wanted a uuid, found {first:?}"
    );
    check!(first != second, "the same key twice");
    Ok(())
}

/// Under server ids too: what the server issued comes by this way.
pub async fn a_key_that_is_given_is_kept(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    let rows = [
        ("Order", Value::Integer(5)),
        ("Label", Value::from("five")),
        ("Ticket", Value::Uuid(uuid::Uuid::from_u128(5))),
    ];
    for (entity, given) in rows {
        let key = device.insert(entity, vec![given.clone(), "x".into()]).await?;
        check_eq!(key, Key(vec![given]), "the key of {entity}");
        check!(
            device.row(entity, &key).await?.is_some(),
            "no row of {entity} under its key"
        );
    }
    Ok(())
}

/// As the canonical bytes sort: negative integers, texts by their bytes, uuids, dates, bytes.
pub async fn keys_in_gives_keys_in_canonical_order(place: &dyn LocalStorePlace) -> CaseResult {
    let types: Vec<ValueType> = ValueType::ALL
        .into_iter()
        .filter(|value_type| value_type.may_be_key())
        .collect();
    let entity = |value_type: &ValueType| {
        let name = format!("By{}", value_type.as_str());
        EntitySchema::new(
            name,
            "conformance",
            &["id"],
            vec![Attribute::new("id", *value_type)],
        )
    };
    let schema = Schema {
        entities: types.iter().map(entity).collect(),
        relations: Vec::new(),
    };
    let device = Device::with(place, schema).await?;
    for (value_type, entity) in types.iter().zip(&device.schema.entities) {
        let mut keys: Vec<Key> = values_of(*value_type)
            .into_iter()
            .map(|value| Key(vec![value]))
            .collect();
        let rows: Vec<_> = keys.iter().map(|key| key.0.clone()).collect();
        device.put(SYNC, &entity.name, &rows).await?;
        keys.sort_by_key(Key::to_bytes);
        let mut reader = device.begin(Access::Read).await?;
        let found = reader.keys_in(entity, &KeyRange::all()).await?;
        check!(
            found == keys,
            "keys of type {value_type} are not in canonical order"
        );
        for pair in keys.windows(2) {
            let range = KeyRange {
                after: Some(pair[0].clone()),
                to: Some(pair[1].clone()),
            };
            check!(
                reader.keys_in(entity, &range).await? == pair[1..],
                "keys of type {value_type} between two neighbours"
            );
        }
    }
    Ok(())
}

/// `after` is outside, `to` inside; neither needs a row.
pub async fn keys_in_starts_behind_after_and_ends_with_to(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    let rows: Vec<_> = [10i64, 20, 30, 40]
        .map(|number| vec![number.into(), "x".into()])
        .to_vec();
    device.put(SYNC, "Order", &rows).await?;
    let key = |number: i64| Some(Key::one(number));
    let cases: [(Option<Key>, Option<Key>, &[i64]); 8] = [
        (None, None, &[10, 20, 30, 40]),
        (key(10), None, &[20, 30, 40]),
        (None, key(30), &[10, 20, 30]),
        (key(10), key(30), &[20, 30]),
        (key(15), key(35), &[20, 30]),
        (key(40), None, &[]),
        (key(30), key(10), &[]),
        (key(-5), key(10), &[10]),
    ];
    let mut reader = device.begin(Access::Read).await?;
    for (after, to, wanted) in cases {
        let range = KeyRange { after, to };
        let found = reader.keys_in(device.entity("Order")?, &range).await?;
        let wanted: Vec<Key> = wanted.iter().map(|number| Key::one(*number)).collect();
        check_eq!(found, wanted, "{range:?}");
    }
    Ok(())
}

/// By the first attribute of the key, then by the second, whatever their order in rows.
pub async fn keys_in_orders_composite_keys(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    let mut keys = Vec::new();
    for team in ["", "a", "a b", "aa", "b"] {
        for person in [-1i64, 0, 9, 10] {
            keys.push(Key(vec![team.into(), person.into()]));
            device.put(SYNC, "Member", &[member(team, person, "x")]).await?;
        }
    }
    let mut reader = device.begin(Access::Read).await?;
    let entity = device.entity("Member")?;
    check_eq!(reader.keys_in(entity, &KeyRange::all()).await?, keys, "all");
    for after in [0, 3, 4, 7, 18] {
        for to in [after + 1, 19] {
            let range = KeyRange {
                after: Some(keys[after].clone()),
                to: Some(keys[to].clone()),
            };
            check_eq!(
                reader.keys_in(entity, &range).await?,
                keys[after + 1..=to],
                "{range:?}"
            );
        }
    }
    Ok(())
}
