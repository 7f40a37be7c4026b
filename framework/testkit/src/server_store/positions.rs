//! Positions: they grow with every commit, whoever wrote.

use super::ServerStorePlace;
use super::server::{Server, item, key};
use crate::foreign::ForeignWrite;
use crate::suite::CaseResult;
use crate::{check, check_eq};
use onsync_core::Fields;

/// Inserts, updates, deletes.
pub async fn the_position_grows_with_every_commit(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    let mut last = server.position().await?;
    for step in 0..6 {
        match step % 3 {
            0 => drop(server.insert("Item", &item(1, "one", None)).await?),
            1 => {
                server
                    .update("Item", &key(1), &Fields::new().with("name", "two"))
                    .await?
            }
            _ => server.delete("Item", &key(1)).await?,
        }
        let position = server.position().await?;
        check!(position > last, "step {step}: {position} after {last}");
        last = position;
    }
    check_eq!(server.position().await?, last, "without a commit");
    Ok(())
}

/// By whatever statement.
pub async fn the_position_grows_with_foreign_writes(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    let table = || "items".to_owned();
    let filter = || Fields::new().with("id", 1i64);
    let writes = [
        ForeignWrite::Insert {
            table: table(),
            values: item(1, "one", None),
        },
        ForeignWrite::Update {
            table: table(),
            filter: filter(),
            values: Fields::new().with("name", "two"),
        },
        ForeignWrite::Replace {
            table: table(),
            values: item(1, "three", None),
        },
        ForeignWrite::Upsert {
            table: table(),
            key: vec!["id".to_owned()],
            values: item(1, "four", None),
        },
        ForeignWrite::ChangeKey {
            table: table(),
            from: filter(),
            to: Fields::new().with("id", 2i64),
        },
        ForeignWrite::DeleteAll { table: table() },
    ];
    let mut last = server.position().await?;
    for write in writes {
        server.program.write(std::slice::from_ref(&write)).await?;
        let position = server.position().await?;
        check!(position > last, "{write:?}: {position} after {last}");
        last = position;
    }
    Ok(())
}

/// Neither the position others see nor a delta.
pub async fn an_undone_transaction_changes_nothing(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    server.items(2).await?;
    let before = server.position().await?;
    let mut transaction = server.write().await?;
    transaction
        .insert(server.entity("Item")?, &item(9, "undone", None))
        .await?;
    transaction.delete(server.entity("Item")?, &key(1)).await?;
    drop(transaction);
    check_eq!(server.position().await?, before, "the position");
    check!(
        server.told("Item", before).await?.is_empty(),
        "a delta tells what was undone"
    );
    Ok(())
}

/// 0 until its table changes.
pub async fn newest_is_of_one_entity(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    check_eq!(
        server.store.read().await?.newest(server.entity("Tag")?).await?,
        0,
        "never changed"
    );
    server.insert("Tag", &Fields::new().with("name", "red")).await?;
    let tag = server.store.read().await?.newest(server.entity("Tag")?).await?;
    check!(tag > 0, "changed once");
    server.items(3).await?;
    let mut view = server.store.read().await?;
    check_eq!(
        view.newest(server.entity("Tag")?).await?,
        tag,
        "after changes of another entity"
    );
    let item = view.newest(server.entity("Item")?).await?;
    check!(item > tag, "{item} after {tag}");
    check!(
        view.position().await? >= item,
        "the position of the view is not below any change"
    );
    Ok(())
}

/// What a snapshot did not see is told by the delta from its position.
pub async fn a_change_after_a_snapshot_has_a_greater_position(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    server.items(2).await?;
    let mut open = server.write().await?;
    open.insert(server.entity("Item")?, &item(3, "late", None))
        .await?;
    let mut view = server.store.read().await?;
    let position = view.position().await?;
    open.commit().await?;
    drop(view);
    let told = server.told("Item", position).await?;
    check_eq!(
        told.keys().cloned().collect::<Vec<_>>(),
        [key(3)],
        "what came after the snapshot"
    );
    Ok(())
}

/// Every earlier commit is below or at it.
pub async fn the_position_in_a_transaction_is_not_below_earlier_commits(
    place: &dyn ServerStorePlace,
) -> CaseResult {
    let server = Server::new(place).await?;
    for _ in 0..3 {
        let before = server.position().await?;
        let mut transaction = server.write().await?;
        let first = transaction.position().await?;
        check!(first >= before, "{first} below {before}");
        transaction
            .insert(
                server.entity("Tag")?,
                &Fields::new().with("name", before.to_string()),
            )
            .await?;
        let second = transaction.position().await?;
        check!(second >= first, "{second} below {first}");
        transaction.commit().await?;
        let told = server.page("Tag", second, super::server::ALL).await?;
        check!(
            told.rows.is_empty(),
            "a change lies above the position its transaction told"
        );
    }
    Ok(())
}

/// Nothing was forgotten yet.
pub async fn nothing_is_below_the_horizon_at_first(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    let start = server.position().await?;
    server.items(3).await?;
    let horizon = server.store.read().await?.horizon(server.entity("Item")?).await?;
    check!(
        horizon <= start,
        "horizon {horizon}, and the first change lies above {start}"
    );
    Ok(())
}
