//! Writing transactions: own writes, undo, constraints, keys, two writers.

use super::ServerStorePlace;
use super::server::{Server, item, item_row, key};
use crate::foreign::ForeignWrite;
use crate::local_store::samples::rows_of_every_type;
use crate::suite::{CaseResult, Failure, refused};
use crate::{check, check_eq};
use futures_util::future::join_all;
use onsync_core::{Error, ErrorKind, Fields, Key, Result, Row, Value};

fn named(name: &str) -> Fields {
    Fields::new().with("name", name)
}

/// After an insert, an update and a delete.
pub async fn get_sees_the_transactions_own_writes(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    let entity = server.entity("Item")?;
    let mut transaction = server.write().await?;
    transaction.insert(entity, &item(1, "one", None)).await?;
    check_eq!(
        transaction.get(entity, &[1], &key(1)).await?,
        Some(named("one")),
        "after the insert"
    );
    transaction.update(entity, &key(1), &named("two")).await?;
    check_eq!(
        transaction.get(entity, &[1], &key(1)).await?,
        Some(named("two")),
        "after the update"
    );
    transaction.delete(entity, &key(1)).await?;
    check_eq!(
        transaction.get(entity, &[1], &key(1)).await?,
        None,
        "after the delete"
    );
    transaction.commit().await?;
    Ok(())
}

/// No row, or one that counts as deleted.
pub async fn get_gives_none_where_there_is_nothing(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    let fields = Fields::new()
        .with("id", 1i64)
        .with("title", "task")
        .with("gone", false);
    server.insert("Task", &fields).await?;
    server.delete("Task", &key(1)).await?;
    let mut transaction = server.write().await?;
    check_eq!(
        transaction.get(server.entity("Task")?, &[0, 1], &key(1)).await?,
        None,
        "a soft-deleted one"
    );
    check_eq!(
        transaction.get(server.entity("Item")?, &[0], &key(1)).await?,
        None,
        "one that never was"
    );
    Ok(())
}

/// By attribute name, not by column name.
pub async fn get_gives_the_attributes_asked_for(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    let fields = Fields::new()
        .with("team", "a")
        .with("person", 1i64)
        .with("task", "boss");
    let member = server.insert("Member", &fields).await?;
    let mut transaction = server.write().await?;
    let found = transaction
        .get(server.entity("Member")?, &[2, 0], &member)
        .await?;
    check_eq!(
        found,
        Some(Fields::new().with("team", "a").with("task", "boss")),
        "two attributes"
    );
    let found = transaction
        .get(server.entity("Member")?, &[0, 1, 2], &member)
        .await?;
    check_eq!(found, Some(fields), "all attributes");
    Ok(())
}

/// In the order of the key's attributes.
pub async fn insert_returns_the_key(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    check_eq!(
        server.insert("Item", &item(5, "five", None)).await?,
        key(5),
        "an item"
    );
    let fields = Fields::new()
        .with("task", "x")
        .with("person", 7i64)
        .with("team", "a");
    let wanted = Key(vec!["a".into(), 7i64.into()]);
    check_eq!(server.insert("Member", &fields).await?, wanted, "a member");
    check_eq!(
        server.insert("Tag", &named("red")).await?,
        Key::one("red"),
        "a tag"
    );
    Ok(())
}

/// Each another one; the row is found under it.
pub async fn the_database_issues_server_keys(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    let mut keys = Vec::new();
    for label in ["one", "two", "three"] {
        let key = server
            .insert("Order", &Fields::new().with("label", label))
            .await?;
        check!(
            matches!(key.0.as_slice(), [Value::Integer(_)]),
            "wanted an integer, found {key:?}"
        );
        check!(!keys.contains(&key), "the key {key} twice");
        let row: Row = vec![key.0[0].clone(), label.into()];
        check!(
            server.rows("Order").await?.contains(&row),
            "no row under the key {key}"
        );
        keys.push(key);
    }
    Ok(())
}

/// Others stay; null is a value.
pub async fn an_update_writes_the_attributes_it_names(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    server
        .insert("Item", &item(1, "one", Some("a")).with("note", "kept"))
        .await?;
    server.insert("Item", &item(2, "two", Some("b"))).await?;
    server
        .update("Item", &key(1), &named("changed").with("code", Value::Null))
        .await?;
    let wanted = vec![1i64.into(), "changed".into(), Value::Null, "kept".into()];
    check_eq!(
        server.rows("Item").await?,
        [wanted, item_row(2, "two", Some("b"))],
        "the rows"
    );
    Ok(())
}

/// The row is gone.
pub async fn a_delete_removes_the_row(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    server.items(2).await?;
    server.delete("Item", &key(1)).await?;
    check_eq!(
        server.rows("Item").await?,
        [item_row(2, "item 2", None)],
        "the rows"
    );
    server.insert("Item", &item(1, "again", None)).await?;
    check_eq!(server.rows("Item").await?.len(), 2, "its key is free");
    Ok(())
}

/// The row stays.
pub async fn a_soft_delete_marks_the_row(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    let fields = Fields::new()
        .with("id", 1i64)
        .with("title", "task")
        .with("gone", false);
    server.insert("Task", &fields).await?;
    server.delete("Task", &key(1)).await?;
    check_eq!(server.rows("Task").await?, Vec::<Row>::new(), "what devices see");
    let unmark = ForeignWrite::Update {
        table: "tasks".to_owned(),
        filter: Fields::new().with("id", 1i64),
        values: Fields::new().with("gone", false),
    };
    server.program.write(&[unmark]).await?;
    check_eq!(
        server.rows("Task").await?.len(),
        1,
        "the row, unmarked by another program"
    );
    Ok(())
}

/// It has the values that are given, and the others it had; devices are told of it.
pub async fn a_soft_deleted_row_is_revived(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    let task = Fields::new().with("id", 1i64);
    server
        .insert("Task", &task.clone().with("title", "task").with("gone", false))
        .await?;
    server.delete("Task", &key(1)).await?;
    let position = server.position().await?;
    let again = task.clone().with("title", "again");
    check_eq!(server.insert("Task", &again).await?, key(1), "its key");
    let row: Row = vec![1i64.into(), "again".into(), false.into()];
    check_eq!(server.rows("Task").await?, vec![row.clone()], "what devices see");
    check_eq!(
        server
            .told("Task", position)
            .await?
            .into_iter()
            .collect::<Vec<_>>(),
        [(key(1), Some(row.clone()))],
        "what devices are told"
    );
    violation(server.insert("Task", &again).await)?;
    server.delete("Task", &key(1)).await?;
    server.insert("Task", &task).await?;
    check_eq!(server.rows("Task").await?, [row], "with what it had");
    Ok(())
}

/// Neither by a snapshot nor by a delta nor by another transaction's areas.
pub async fn nothing_is_seen_before_the_commit(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    let position = server.position().await?;
    let mut transaction = server.write().await?;
    transaction
        .insert(server.entity("Item")?, &item(1, "open", None))
        .await?;
    transaction.area_put("area", b"key", b"value").await?;
    check_eq!(server.rows("Item").await?.len(), 0, "rows");
    check!(
        server.told("Item", position).await?.is_empty(),
        "a delta tells of it"
    );
    check_eq!(
        server.store.read().await?.area_get("area", b"key").await?,
        None,
        "area_get"
    );
    transaction.commit().await?;
    check_eq!(server.rows("Item").await?.len(), 1, "rows after the commit");
    Ok(())
}

/// Rows and areas.
pub async fn dropping_a_transaction_undoes_everything(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    server.items(2).await?;
    let mut transaction = server.write().await?;
    transaction
        .update(server.entity("Item")?, &key(1), &named("undone"))
        .await?;
    transaction.delete(server.entity("Item")?, &key(2)).await?;
    transaction.area_put("area", b"key", b"value").await?;
    drop(transaction);
    check_eq!(
        server.rows("Item").await?,
        [item_row(1, "item 1", None), item_row(2, "item 2", None)],
        "rows"
    );
    check_eq!(
        server.store.read().await?.area_get("area", b"key").await?,
        None,
        "area_get"
    );
    Ok(())
}

/// What came before stays; it can be used again.
pub async fn undo_takes_back_everything_since_the_savepoint(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    server.items(1).await?;
    let entity = server.entity("Item")?;
    let mut transaction = server.write().await?;
    transaction.insert(entity, &item(2, "kept", None)).await?;
    transaction.savepoint().await?;
    for _ in 0..2 {
        transaction.insert(entity, &item(3, "undone", None)).await?;
        transaction.update(entity, &key(2), &named("undone")).await?;
        transaction.delete(entity, &key(1)).await?;
        transaction.undo().await?;
        check_eq!(
            transaction.get(entity, &[1], &key(2)).await?,
            Some(named("kept")),
            "after undo"
        );
    }
    transaction.commit().await?;
    check_eq!(
        server.rows("Item").await?,
        [item_row(1, "item 1", None), item_row(2, "kept", None)],
        "rows"
    );
    Ok(())
}

/// Points do not nest.
pub async fn a_new_savepoint_replaces_the_last(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    let entity = server.entity("Item")?;
    let mut transaction = server.write().await?;
    for id in 1..=3 {
        transaction.savepoint().await?;
        transaction.insert(entity, &item(id, "item", None)).await?;
    }
    transaction.undo().await?;
    transaction.savepoint().await?;
    transaction.insert(entity, &item(4, "item", None)).await?;
    transaction.commit().await?;
    let ids: Vec<Value> = server
        .rows("Item")
        .await?
        .iter()
        .map(|row| row[0].clone())
        .collect();
    check_eq!(ids, [1i64, 2, 4].map(Value::Integer), "ids");
    Ok(())
}

fn violation<T>(result: Result<T>) -> CaseResult {
    let error = match result {
        Err(error) => error,
        Ok(_) => {
            return Err(Failure::new(
                "wanted `constraint_violated`, found that it was done",
            ));
        }
    };
    check_eq!(error.kind(), ErrorKind::Rejected, "{error}");
    refused::<()>(Err(error), "constraint_violated")
}

/// A key that exists, a unique value that exists, a parent that does not.
pub async fn a_broken_constraint_is_rejected(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    server.insert("Item", &item(1, "one", Some("a"))).await?;
    server.insert("Item", &item(2, "two", Some("b"))).await?;
    violation(server.insert("Item", &item(1, "again", None)).await)?;
    violation(server.insert("Item", &item(3, "three", Some("a"))).await)?;
    violation(
        server
            .update("Item", &key(2), &Fields::new().with("code", "a"))
            .await,
    )?;
    let orphan = Fields::new().with("id", 1i64).with("item_id", 99i64);
    violation(server.insert("Line", &orphan).await)?;
    check_eq!(server.rows("Item").await?.len(), 2, "rows");
    check_eq!(server.rows("Line").await?.len(), 0, "orphans");
    Ok(())
}

/// After `undo` it goes on, and what came before the savepoint is committed.
pub async fn a_broken_constraint_leaves_the_transaction_usable(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    server.insert("Item", &item(1, "one", Some("a"))).await?;
    let entity = server.entity("Item")?;
    let mut transaction = server.write().await?;
    transaction.insert(entity, &item(2, "two", None)).await?;
    for round in 0..3 {
        transaction.savepoint().await?;
        transaction
            .insert(entity, &item(50 + round, "undone", None))
            .await?;
        violation(
            transaction
                .insert(entity, &item(60 + round, "sixty", Some("a")))
                .await,
        )?;
        transaction.undo().await?;
        check!(
            transaction
                .area_insert("receipts", &[round as u8], b"rejected")
                .await?,
            "area_insert goes on"
        );
    }
    transaction.insert(entity, &item(3, "three", None)).await?;
    transaction.commit().await?;
    let ids: Vec<Value> = server
        .rows("Item")
        .await?
        .iter()
        .map(|row| row[0].clone())
        .collect();
    check_eq!(ids, [1i64, 2, 3].map(Value::Integer), "ids");
    Ok(())
}

/// It passes its statement and fails at the end: nothing is visible then.
pub async fn a_constraint_checked_at_the_commit_is_rejected(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    let pin = |parent: i64| Fields::new().with("id", 1i64).with("item_id", parent);
    let mut transaction = server.write().await?;
    transaction.insert(server.entity("Pin")?, &pin(7)).await?;
    transaction.insert(server.entity("Tag")?, &named("red")).await?;
    violation(transaction.commit().await)?;
    check_eq!(server.rows("Pin").await?.len(), 0, "pins");
    check_eq!(server.rows("Tag").await?.len(), 0, "tags of the same transaction");
    let mut transaction = server.write().await?;
    transaction.insert(server.entity("Pin")?, &pin(7)).await?;
    transaction
        .insert(server.entity("Item")?, &item(7, "late parent", None))
        .await?;
    transaction.commit().await?;
    check_eq!(server.rows("Pin").await?.len(), 1, "pins whose parent came later");
    Ok(())
}

async fn add_one(server: &Server) -> Result<()> {
    let entity = server.entity("Item")?;
    let mut transaction = server.write().await?;
    let found = transaction.get(entity, &[1], &key(1)).await?;
    let count: i64 = found.map_or(0, |fields| fields.value("name").to_string().parse().unwrap_or(0));
    transaction
        .update(entity, &key(1), &named(&(count + 1).to_string()))
        .await?;
    transaction.commit().await
}

/// What was read under `get` is unchanged when the transaction commits.
pub async fn no_update_is_lost_between_two_writers(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    server.insert("Item", &item(1, "0", None)).await?;
    let writer = || async {
        for _ in 0..10 {
            loop {
                match add_one(&server).await {
                    Ok(()) => break,
                    Err(error) if error.kind().may_pass() => {}
                    Err(error) => return Err::<(), Error>(error),
                }
            }
        }
        Ok(())
    };
    for result in join_all([writer(), writer(), writer()]).await {
        result?;
    }
    check_eq!(
        server.rows("Item").await?,
        [item_row(1, "30", None)],
        "thirty additions of one"
    );
    Ok(())
}

/// Every type by an update and read back by `get` in the next transaction.
pub async fn every_value_is_written_as_it_is(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    let entity = server.entity("Everything")?;
    server
        .insert("Everything", &Fields::new().with("id", 1i64))
        .await?;
    let all: Vec<usize> = (0..entity.attributes.len()).collect();
    for mut row in rows_of_every_type() {
        row.insert(0, Value::Integer(1));
        let fields = entity.fields(row);
        let mut changes = fields.clone();
        changes.take("id");
        server.update("Everything", &key(1), &changes).await?;
        let mut transaction = server.write().await?;
        let found = transaction.get(entity, &all, &key(1)).await?.unwrap_or_default();
        for (name, wanted) in fields.iter() {
            let mut text = format!("{wanted:?}");
            text.truncate(200);
            check!(
                found.value(name) == wanted,
                "{name}: {text} came back as something else"
            );
        }
    }
    Ok(())
}
