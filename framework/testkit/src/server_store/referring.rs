//! Who refers to a record: what the rules of deletion need to know.

use super::ServerStorePlace;
use super::server::{Server, key};
use crate::check_eq;
use crate::suite::CaseResult;
use onsync_core::{Fields, Key, Value};

/// None for a value that nobody holds and for null; not more than asked for.
pub async fn referring_gives_the_keys_of_the_records_that_hold_a_value(
    place: &dyn ServerStorePlace,
) -> CaseResult {
    let server = Server::new(place).await?;
    server.items(2).await?;
    for id in 1..=4 {
        let line = Fields::new().with("id", id).with("item_id", 1 + id / 4);
        server.insert("Line", &line).await?;
    }
    for person in 1..=2i64 {
        let member = Fields::new()
            .with("team", "a")
            .with("person", person)
            .with("task", "boss");
        server.insert("Member", &member).await?;
    }
    let mut transaction = server.write().await?;
    let line = server.entity("Line")?;
    let mut found = transaction.referring(line, 1, &1i64.into(), 10).await?;
    found.sort();
    check_eq!(found, [key(1), key(2), key(3)], "the lines of item 1");
    check_eq!(
        transaction.referring(line, 1, &1i64.into(), 2).await?.len(),
        2,
        "of three lines, asked for two"
    );
    check_eq!(
        transaction.referring(line, 1, &9i64.into(), 10).await?,
        [],
        "nobody"
    );
    check_eq!(
        transaction.referring(line, 2, &Value::Null, 10).await?,
        [],
        "null"
    );
    let member = server.entity("Member")?;
    let mut found = transaction.referring(member, 0, &"boss".into(), 10).await?;
    found.sort();
    let wanted = [1i64, 2].map(|person| Key(vec!["a".into(), person.into()]));
    check_eq!(found, wanted, "composite keys, by a renamed column");
    Ok(())
}

/// The transaction's own writes, and nothing that counts as deleted.
pub async fn referring_sees_what_is_there_now(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    let task = server.entity("Task")?;
    let fields = |id: i64| {
        Fields::new()
            .with("id", id)
            .with("title", "same")
            .with("gone", false)
    };
    server.insert("Task", &fields(1)).await?;
    server.insert("Task", &fields(2)).await?;
    let mut transaction = server.write().await?;
    transaction.delete(task, &key(1)).await?;
    transaction.insert(task, &fields(3)).await?;
    transaction
        .update(task, &key(2), &Fields::new().with("title", "other"))
        .await?;
    check_eq!(
        transaction.referring(task, 1, &"same".into(), 10).await?,
        [key(3)],
        "who refers"
    );
    Ok(())
}
