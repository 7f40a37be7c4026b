//! Areas: receipts, instances, marks.

use super::ServerStorePlace;
use super::server::Server;
use crate::suite::CaseResult;
use crate::{check, check_eq};
use futures_util::future::join;
use onsync_core::Result;

/// The same bytes for other transactions and other processes.
pub async fn an_area_keeps_bytes_under_keys(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    let value: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let mut transaction = server.write().await?;
    transaction.area_put("area", b"\x00\xff", &value).await?;
    transaction.area_put("area", b"", b"").await?;
    transaction.commit().await?;
    let other = place.store().await?;
    other.attach(&server.schema).await?;
    let mut transaction = other.write().await?;
    check!(
        transaction.area_get("area", b"\x00\xff").await? == Some(value),
        "bytes came back as others"
    );
    check_eq!(
        transaction.area_get("area", b"").await?,
        Some(Vec::new()),
        "nothing under nothing"
    );
    check_eq!(transaction.area_get("area", b"\x00").await?, None, "another key");
    check_eq!(transaction.area_get("are", b"").await?, None, "another area");
    Ok(())
}

/// And the bytes stay as they were.
pub async fn area_insert_is_false_for_an_existing_key(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    let mut transaction = server.write().await?;
    check!(
        transaction.area_insert("receipts", b"1", b"first").await?,
        "a new key"
    );
    check!(
        !transaction.area_insert("receipts", b"1", b"second").await?,
        "the same transaction"
    );
    transaction.commit().await?;
    let mut transaction = server.write().await?;
    check!(
        !transaction.area_insert("receipts", b"1", b"third").await?,
        "another transaction"
    );
    check!(
        transaction.area_insert("other", b"1", b"other").await?,
        "another area"
    );
    check_eq!(
        transaction.area_get("receipts", b"1").await?,
        Some(b"first".to_vec()),
        "the bytes"
    );
    transaction.area_remove("receipts", b"1").await?;
    check!(
        transaction.area_insert("receipts", b"1", b"again").await?,
        "after it was removed"
    );
    transaction.commit().await?;
    Ok(())
}

/// Whether the key was new, and what is there.
async fn send(server: &Server, value: &[u8], commits: bool) -> Result<(bool, Option<Vec<u8>>)> {
    loop {
        let mut transaction = match server.write().await {
            Err(error) if error.kind().may_pass() => continue,
            other => other?,
        };
        let new = match transaction.area_insert("receipts", b"1", value).await {
            Err(error) if error.kind().may_pass() => continue,
            other => other?,
        };
        let found = transaction.area_get("receipts", b"1").await?;
        if commits {
            transaction.commit().await?;
        }
        return Ok((new, found));
    }
}

/// And then reads what the first one stored.
pub async fn a_second_sender_of_a_key_waits_for_the_first(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    let (first, second) = join(send(&server, b"a", true), send(&server, b"b", true)).await;
    let (first, second) = (first?, second?);
    check!(
        first.0 != second.0,
        "wanted one new key, found {first:?} and {second:?}"
    );
    check_eq!(first.1, second.1, "what both read");
    Ok(())
}

/// Rolled back, so the key is new for the second.
pub async fn a_second_sender_goes_on_when_the_first_gives_up(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    let (first, second) = join(send(&server, b"a", false), send(&server, b"b", true)).await;
    let (first, second) = (first?, second?);
    check!(
        first.0 || second.0,
        "nobody had a new key: {first:?} and {second:?}"
    );
    check_eq!(second, (true, Some(b"b".to_vec())), "the second sender");
    Ok(())
}

/// Removing again is no error.
pub async fn area_put_replaces_and_area_remove_forgets(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    let mut transaction = server.write().await?;
    for value in [b"first".to_vec(), b"second".to_vec()] {
        transaction.area_put("area", b"key", &value).await?;
        check_eq!(
            transaction.area_get("area", b"key").await?,
            Some(value),
            "area_get"
        );
    }
    for _ in 0..2 {
        transaction.area_remove("area", b"key").await?;
        check_eq!(transaction.area_get("area", b"key").await?, None, "removed");
    }
    transaction.commit().await?;
    Ok(())
}

/// Behind `after`, at most the limit; in a transaction and in a snapshot.
pub async fn area_scan_is_in_byte_order(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    let mut keys: Vec<Vec<u8>> = [
        &b""[..],
        b"\x00",
        b"\x00\x00",
        b"\x7f",
        b"\x80",
        b"\xff",
        b"\xff\x00",
        b"10",
        b"9",
        b"a",
        b"A",
    ]
    .map(<[u8]>::to_vec)
    .to_vec();
    let mut transaction = server.write().await?;
    for key in &keys {
        transaction.area_put("area", key, key).await?;
        transaction.area_put("b", key, b"other").await?;
    }
    keys.sort();
    let pairs: Vec<_> = keys.iter().map(|key| (key.clone(), key.clone())).collect();
    check_eq!(transaction.area_scan("area", None, 100).await?, pairs, "all");
    check_eq!(
        transaction.area_scan("area", Some(&keys[4]), 3).await?,
        pairs[5..8],
        "behind a key"
    );
    check_eq!(
        transaction.area_scan("area", Some(b"\x00\x01"), 1).await?.len(),
        1,
        "behind no key"
    );
    transaction.commit().await?;
    let mut view = server.store.read().await?;
    check_eq!(
        view.area_scan("area", None, 100).await?,
        pairs,
        "all by a snapshot"
    );
    check_eq!(
        view.area_scan("area", Some(&keys[9]), 9).await?,
        pairs[10..],
        "the end by a snapshot"
    );
    Ok(())
}

/// Receipts of what was taken back are taken back.
pub async fn undo_takes_back_areas(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    let mut transaction = server.write().await?;
    transaction.area_put("area", b"before", b"1").await?;
    transaction.savepoint().await?;
    check!(
        transaction.area_insert("area", b"since", b"2").await?,
        "a new key"
    );
    transaction.area_remove("area", b"before").await?;
    transaction.undo().await?;
    check_eq!(
        transaction.area_get("area", b"before").await?,
        Some(b"1".to_vec()),
        "before"
    );
    check!(
        transaction.area_insert("area", b"since", b"3").await?,
        "new again"
    );
    transaction.commit().await?;
    Ok(())
}

/// Of its own state.
pub async fn a_snapshot_reads_committed_areas(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    let mut transaction = server.write().await?;
    transaction.area_put("area", b"key", b"first").await?;
    transaction.commit().await?;
    let mut view = server.store.read().await?;
    // A state is chosen at the latest by the first read.
    check_eq!(
        view.area_get("area", b"key").await?,
        Some(b"first".to_vec()),
        "area_get"
    );
    let mut transaction = server.write().await?;
    transaction.area_put("area", b"key", b"second").await?;
    transaction.commit().await?;
    check_eq!(
        view.area_get("area", b"key").await?,
        Some(b"first".to_vec()),
        "area_get of the view"
    );
    let mut later = server.store.read().await?;
    check_eq!(
        later.area_get("area", b"key").await?,
        Some(b"second".to_vec()),
        "area_get of a later view"
    );
    Ok(())
}
