//! What the server asks for many keys at once, and what it asks to save itself a read. A store may answer by the provided functions or
//! by its own.

use super::ServerStorePlace;
use super::server::{Server, item, key};
use crate::local_store::samples::rows_of_every_type;
use crate::suite::CaseResult;
use crate::{check, check_eq};
use futures_util::future::join;
use onsync_core::{Fields, Result, Value};

type Entry = (Vec<u8>, Vec<u8>);

fn entries(keys: impl IntoIterator<Item = u8>, value: &[u8]) -> Vec<Entry> {
    let keys = keys.into_iter();
    keys.map(|key| (vec![b'k', key], value.to_vec())).collect()
}

/// Of each; the same key twice is new once, and what was there stays.
pub async fn area_insert_all_says_which_keys_were_new(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    let mut transaction = server.write().await?;
    transaction.area_put("receipts", b"k\x02", b"before").await?;
    transaction.area_put("other", b"k\x03", b"other").await?;
    let mut asked = entries([1, 2, 3], b"new");
    asked.push((b"k\x01".to_vec(), b"again".to_vec()));
    check_eq!(
        transaction.area_insert_all("receipts", &asked).await?,
        [true, false, true, false],
        "which were new"
    );
    transaction.commit().await?;
    let mut view = server.store.read().await?;
    let wanted: Vec<Entry> = vec![
        (b"k\x01".to_vec(), b"new".to_vec()),
        (b"k\x02".to_vec(), b"before".to_vec()),
        (b"k\x03".to_vec(), b"new".to_vec()),
    ];
    check_eq!(
        view.area_scan("receipts", None, 10).await?,
        wanted,
        "what is there"
    );
    check_eq!(
        view.area_scan("other", None, 10).await?.len(),
        1,
        "keys of another area"
    );
    Ok(())
}

async fn send(server: &Server, asked: &[Entry], commits: bool) -> Result<(Vec<bool>, Vec<Entry>)> {
    loop {
        let mut transaction = match server.write().await {
            Err(error) if error.kind().may_pass() => continue,
            other => other?,
        };
        let new = match transaction.area_insert_all("receipts", asked).await {
            Err(error) if error.kind().may_pass() => continue,
            other => other?,
        };
        let found = transaction.area_scan("receipts", None, 100).await?;
        if commits {
            transaction.commit().await?;
        }
        return Ok((new, found));
    }
}

/// Some keys are the same, others not; each is new for exactly one of the two, who reads what the other has stored.
pub async fn two_senders_of_some_equal_keys_wait_for_each_other(place: &dyn ServerStorePlace) -> CaseResult {
    for commits in [true, false] {
        let server = Server::new(place).await?;
        let mut clean = server.write().await?;
        for (key, _) in clean.area_scan("receipts", None, 100).await? {
            clean.area_remove("receipts", &key).await?;
        }
        clean.commit().await?;
        let (one, other) = (entries(1..=6, b"a"), entries(4..=9, b"b"));
        let (first, second) = join(send(&server, &one, commits), send(&server, &other, true)).await;
        let (first, second) = (first?, second?);
        let shared = |new: &[bool], places: std::ops::Range<usize>| -> Vec<bool> {
            new.get(places).unwrap_or_default().to_vec()
        };
        let (mine, theirs) = (shared(&first.0, 3..6), shared(&second.0, 0..3));
        check!(
            !commits || mine.iter().zip(&theirs).all(|(mine, theirs)| mine != theirs),
            "keys of both were new for both or for nobody: {mine:?} and {theirs:?}"
        );
        let left = server
            .store
            .read()
            .await?
            .area_scan("receipts", None, 100)
            .await?;
        check_eq!(left.len(), if commits { 9 } else { 6 }, "keys left");
    }
    Ok(())
}

/// Keys that are not there are no error; others stay.
pub async fn area_remove_all_forgets_these_keys(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    let mut transaction = server.write().await?;
    for area in ["area", "other"] {
        for (key, value) in entries(1..=5, b"value") {
            transaction.area_put(area, &key, &value).await?;
        }
    }
    let gone: Vec<Vec<u8>> = entries([2, 9, 4, 2], b"")
        .into_iter()
        .map(|(key, _)| key)
        .collect();
    transaction.area_remove_all("area", &gone).await?;
    transaction.area_remove_all("area", &[]).await?;
    transaction.commit().await?;
    let mut view = server.store.read().await?;
    check_eq!(
        view.area_scan("area", None, 10).await?,
        entries([1, 3, 5], b"value"),
        "what is left"
    );
    check_eq!(view.area_scan("other", None, 10).await?.len(), 5, "another area");
    Ok(())
}

/// Values of every type, by themselves and together; the mark of a soft delete among them. A store need not be certain, but where it
/// says so, it is so.
pub async fn what_is_stored_exactly_is_read_back_as_it_was_written(
    place: &dyn ServerStorePlace,
) -> CaseResult {
    let server = Server::new(place).await?;
    let mut changes: Vec<(&str, Fields)> = vec![
        (
            "Item",
            Fields::new().with("name", "other").with("code", Value::Null),
        ),
        ("Task", Fields::new().with("title", "other")),
        ("Task", Fields::new().with("gone", false)),
        ("Task", Fields::new().with("title", "last").with("gone", true)),
    ];
    let everything = server.entity("Everything")?;
    for mut row in rows_of_every_type() {
        row.insert(0, Value::Integer(1));
        let mut fields = everything.fields(row);
        fields.take("id");
        for (name, value) in fields.iter() {
            changes.push(("Everything", [(name, value.clone())].into_iter().collect()));
        }
        changes.push(("Everything", fields));
    }
    server.insert("Item", &item(1, "one", None)).await?;
    let task = Fields::new()
        .with("id", 1i64)
        .with("title", "task")
        .with("gone", false);
    server.insert("Task", &task).await?;
    server
        .insert("Everything", &Fields::new().with("id", 1i64))
        .await?;
    for (name, fields) in changes {
        let entity = server.entity(name)?;
        let all: Vec<usize> = (0..entity.attributes.len()).collect();
        let mut transaction = server.write().await?;
        let mut wanted = transaction.get(entity, &all, &key(1)).await?.unwrap_or_default();
        let certain = transaction.stores_exactly(entity, &fields).await?;
        transaction.update(entity, &key(1), &fields).await?;
        for (name, value) in fields.iter() {
            wanted.set(name, value.clone());
        }
        let found = transaction.get(entity, &all, &key(1)).await?;
        check!(
            !certain || found.as_ref() == Some(&wanted),
            "{name}: the store was certain to store {:.200} exactly, and did not",
            format!("{fields:?}")
        );
        transaction.commit().await?;
    }
    Ok(())
}
