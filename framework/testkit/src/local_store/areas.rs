//! Areas: ordered maps from bytes to bytes.

use super::LocalStorePlace;
use super::device::{Device, SYNC};
use crate::suite::CaseResult;
use crate::{check, check_eq};
use onsync_core::store::local::Access;

/// The same bytes, also across a restart; none under other keys.
pub async fn an_area_keeps_bytes_under_keys(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    for access in [SYNC, Access::App] {
        let mut transaction = device.begin(access).await?;
        transaction.area_put("outbox", b"key", b"value").await?;
        transaction.area_put("outbox", b"empty", b"").await?;
        transaction.commit().await?;
    }
    let device = device.restart(place).await?;
    let mut reader = device.begin(Access::Read).await?;
    check_eq!(
        reader.area_get("outbox", b"key").await?,
        Some(b"value".to_vec()),
        "a value"
    );
    check_eq!(
        reader.area_get("outbox", b"empty").await?,
        Some(Vec::new()),
        "an empty value"
    );
    check_eq!(reader.area_get("outbox", b"other").await?, None, "another key");
    check_eq!(
        reader.area_get("outbox", b"ke").await?,
        None,
        "the beginning of a key"
    );
    check_eq!(reader.area_get("other", b"key").await?, None, "another area");
    Ok(())
}

/// Removing again is no error.
pub async fn area_put_replaces_and_area_remove_forgets(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    let mut transaction = device.begin(SYNC).await?;
    transaction.area_put("area", b"key", b"first").await?;
    transaction.area_put("area", b"key", b"second").await?;
    check_eq!(
        transaction.area_get("area", b"key").await?,
        Some(b"second".to_vec()),
        "replaced"
    );
    for _ in 0..2 {
        transaction.area_remove("area", b"key").await?;
        check_eq!(transaction.area_get("area", b"key").await?, None, "removed");
    }
    check_eq!(transaction.area_scan("area", None, 10).await?, [], "scan");
    transaction.commit().await?;
    Ok(())
}

/// A byte sorts before a longer string that begins with it, 0 first, 255 last.
pub async fn area_scan_is_in_byte_order(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    let mut keys: Vec<Vec<u8>> = vec![
        vec![],
        vec![0],
        vec![0, 0],
        vec![1],
        vec![0x7f],
        vec![0x80],
        vec![0xff],
        vec![0xff, 0],
        b"a".to_vec(),
        b"A".to_vec(),
        b"ab".to_vec(),
        b"10".to_vec(),
        b"9".to_vec(),
    ];
    let mut transaction = device.begin(SYNC).await?;
    for key in keys.iter().rev() {
        transaction.area_put("area", key, key).await?;
    }
    transaction.commit().await?;
    keys.sort();
    let mut reader = device.begin(Access::Read).await?;
    let found = reader.area_scan("area", None, 100).await?;
    let wanted: Vec<_> = keys.into_iter().map(|key| (key.clone(), key)).collect();
    check_eq!(found, wanted, "the area");
    Ok(())
}

/// Pages; `after` need not exist.
pub async fn area_scan_starts_behind_after_and_gives_at_most_the_limit(
    place: &dyn LocalStorePlace,
) -> CaseResult {
    let device = Device::new(place).await?;
    let mut transaction = device.begin(SYNC).await?;
    for number in 0..20u8 {
        transaction.area_put("area", &[number * 2], b"x").await?;
    }
    let keys = |found: Vec<(Vec<u8>, Vec<u8>)>| -> Vec<u8> { found.iter().map(|(key, _)| key[0]).collect() };
    check_eq!(
        keys(transaction.area_scan("area", None, 3).await?),
        [0, 2, 4],
        "the beginning"
    );
    check_eq!(
        keys(transaction.area_scan("area", Some(&[4]), 3).await?),
        [6, 8, 10],
        "behind a key"
    );
    check_eq!(
        keys(transaction.area_scan("area", Some(&[5]), 2).await?),
        [6, 8],
        "behind no key"
    );
    check_eq!(
        keys(transaction.area_scan("area", Some(&[36]), 9).await?),
        [38],
        "the end"
    );
    check_eq!(
        transaction.area_scan("area", Some(&[38]), 9).await?,
        [],
        "behind the end"
    );
    check_eq!(transaction.area_scan("area", None, 0).await?, [], "limit 0");
    check_eq!(
        transaction.area_scan("area", None, usize::MAX).await?.len(),
        20,
        "no real limit"
    );
    Ok(())
}

/// Names that begin alike, keys that begin alike.
pub async fn areas_are_apart(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    let areas = ["a", "ab", "b", "a b", "A"];
    let mut transaction = device.begin(SYNC).await?;
    for area in areas {
        transaction.area_put(area, b"bkey", area.as_bytes()).await?;
        transaction.area_put(area, b"key", area.as_bytes()).await?;
    }
    transaction.area_remove("ab", b"key").await?;
    for area in areas {
        let found = transaction.area_scan(area, None, 10).await?;
        check_eq!(found.len(), if area == "ab" { 1 } else { 2 }, "keys of {area:?}");
        check!(
            found.iter().all(|(_, value)| value == area.as_bytes()),
            "values of {area:?}: {found:?}"
        );
    }
    Ok(())
}

/// Not text, and a mebibyte of it.
pub async fn areas_take_any_bytes(place: &dyn LocalStorePlace) -> CaseResult {
    let device = Device::new(place).await?;
    let value: Vec<u8> = (0..=255u8).cycle().take(1 << 20).collect();
    let key: Vec<u8> = (0..=255u8).rev().collect();
    let mut transaction = device.begin(SYNC).await?;
    transaction.area_put("area", &key, &value).await?;
    transaction.commit().await?;
    let mut reader = device.begin(Access::Read).await?;
    check!(
        reader.area_get("area", &key).await? == Some(value),
        "a mebibyte came back as something else"
    );
    Ok(())
}
