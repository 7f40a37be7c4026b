//! Deltas: all that changed, once, with what is there now.

use super::ServerStorePlace;
use super::server::{ALL, Server, Told, item, item_row, key, names};
use crate::foreign::ForeignWrite;
use crate::suite::CaseResult;
use crate::{check, check_eq};
use onsync_core::Fields;
use onsync_core::store::server::PageLimit;

fn named(name: &str) -> Fields {
    Fields::new().with("name", name)
}

/// Also when other entities changed.
pub async fn nothing_comes_after_the_own_position(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    server.items(5).await?;
    let position = server.position().await?;
    server.insert("Tag", &named("red")).await?;
    let page = server.page("Item", position, ALL).await?;
    check!(
        page.rows.is_empty() && page.deleted.is_empty() && page.removed.is_empty() && !page.more,
        "{page:?}"
    );
    check!(page.up_to >= position, "{} after {position}", page.up_to);
    Ok(())
}

/// New and changed, not the rest.
pub async fn a_delta_gives_what_changed_and_nothing_else(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    server.items(5).await?;
    let position = server.position().await?;
    server.update("Item", &key(2), &named("changed")).await?;
    server.insert("Item", &item(9, "new", None)).await?;
    let told = server.told("Item", position).await?;
    let wanted = Told::from([
        (key(2), Some(item_row(2, "changed", None))),
        (key(9), Some(item_row(9, "new", None))),
    ]);
    check_eq!(told, wanted, "the delta");
    Ok(())
}

/// Ten changes of one record are one row.
pub async fn each_key_comes_once_with_what_is_there_now(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    server.items(3).await?;
    let position = server.position().await?;
    for round in 0..10 {
        server
            .update("Item", &key(1 + round % 2), &named(&format!("round {round}")))
            .await?;
    }
    let page = server.page("Item", position, ALL).await?;
    check_eq!(
        page.rows.len() + page.deleted.len() + page.removed.len(),
        2,
        "entries of the delta"
    );
    let told = server.told("Item", position).await?;
    check_eq!(
        names(&told),
        [
            ("1".to_owned(), Some("round 8".to_owned())),
            ("2".to_owned(), Some("round 9".to_owned()))
        ],
        "the delta"
    );
    Ok(())
}

/// Its key; also for one that was made and deleted in between.
pub async fn a_deleted_record_comes_as_deleted(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    server.items(3).await?;
    let position = server.position().await?;
    server.delete("Item", &key(2)).await?;
    server.insert("Item", &item(9, "short", None)).await?;
    server.delete("Item", &key(9)).await?;
    let told = server.told("Item", position).await?;
    check_eq!(told.get(&key(2)), Some(&None), "the deleted one");
    check!(
        told.get(&key(9)).is_none_or(Option::is_none),
        "one that was never seen: {told:?}"
    );
    check!(!told.contains_key(&key(1)), "one that did not change: {told:?}");
    Ok(())
}

/// Deletions that are forgotten raise the horizon, nothing above it is lost, and what is there stays.
pub async fn forgotten_deletions_are_told_by_the_horizon(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    server.items(4).await?;
    let before = server.position().await?;
    server.delete("Item", &key(2)).await?;
    let between = server.position().await?;
    server.delete("Item", &key(3)).await?;
    server.update("Item", &key(4), &named("changed")).await?;
    let entity = server.entity("Item")?;
    let newest = server.store.read().await?.newest(entity).await?;
    server.store.prune(between).await?;
    let mut snapshot = server.store.read().await?;
    let horizon = snapshot.horizon(entity).await?;
    check!(
        horizon > before && horizon <= between,
        "the horizon is {horizon} after pruning up to {between}; one deletion came after {before}"
    );
    check_eq!(snapshot.newest(entity).await?, newest, "the newest change");
    drop(snapshot);
    let told = server.told("Item", between).await?;
    let wanted = Told::from([(key(3), None), (key(4), Some(item_row(4, "changed", None)))]);
    check_eq!(told, wanted, "the delta from the horizon");
    server.store.prune(u64::MAX >> 1).await?;
    let (position, horizon) = (
        server.position().await?,
        server.store.read().await?.horizon(entity).await?,
    );
    check!(
        horizon <= position,
        "the horizon {horizon} lies beyond the position {position}"
    );
    Ok(())
}

/// Not as deleted too.
pub async fn a_record_deleted_and_made_again_comes_as_a_row(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    server.items(2).await?;
    let position = server.position().await?;
    server.delete("Item", &key(2)).await?;
    server.insert("Item", &item(2, "again", None)).await?;
    let page = server.page("Item", position, ALL).await?;
    check_eq!(page.deleted, [], "deleted");
    check_eq!(
        page.rows.iter().collect::<Vec<_>>(),
        [item_row(2, "again", None)],
        "rows"
    );
    Ok(())
}

/// Pages of 1, 7, all but one, all: nothing missing, though everything was one transaction.
pub async fn a_delta_in_pages_is_complete(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    server.items(20).await?;
    for id in [3, 8, 20] {
        server.delete("Item", &key(id)).await?;
    }
    let whole = server.told("Item", 0).await?;
    check_eq!(whole.len(), 20, "keys of the whole delta");
    for rows in [1, 7, 19, 20, 21] {
        let limit = PageLimit {
            rows,
            bytes: usize::MAX,
        };
        let mut told = Told::new();
        let (mut after, mut pages) = (0, 0);
        loop {
            let page = server.page("Item", after, limit).await?;
            let entries = page.rows.len() + page.deleted.len() + page.removed.len();
            check!(entries <= rows, "{entries} entries in a page of {rows}");
            server.tell("Item", &page, &mut told)?;
            check!(
                page.up_to > after || !page.more,
                "no progress: {} after {after}",
                page.up_to
            );
            after = page.up_to;
            pages += 1;
            if !page.more {
                break;
            }
            check!(pages < 50, "no end in sight");
        }
        check_eq!(told, whole, "pages of {rows}");
    }
    Ok(())
}

/// A device that pages while others write ends equal.
pub async fn a_delta_goes_on_while_others_write(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    server.items(30).await?;
    let limit = PageLimit {
        rows: 4,
        bytes: usize::MAX,
    };
    let mut told = Told::new();
    let mut after = 0;
    for round in 0..100i64 {
        let page = server.page("Item", after, limit).await?;
        server.tell("Item", &page, &mut told)?;
        after = page.up_to;
        if round < 20 {
            let id = 1 + (round * 7) % 30;
            let filter = Fields::new().with("id", id);
            let table = "items".to_owned();
            let write = match round % 4 {
                0 => ForeignWrite::Delete { table, filter },
                1 => ForeignWrite::Replace {
                    table,
                    values: item(id, &format!("round {round}"), None),
                },
                2 => ForeignWrite::Insert {
                    table,
                    values: item(100 + round, "new", None),
                },
                _ => ForeignWrite::Update {
                    table,
                    filter,
                    values: named(&format!("round {round}")),
                },
            };
            server.program.write(&[write]).await?;
        } else if !page.more {
            break;
        }
    }
    let here: Vec<_> = told.into_values().flatten().collect();
    check_eq!(here, server.rows("Item").await?, "the device against the table");
    Ok(())
}

/// And holds at least one entry.
pub async fn a_page_of_a_delta_keeps_its_byte_limit(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    for id in 1..=6 {
        server.insert("Item", &item(id, &"x".repeat(2000), None)).await?;
    }
    for (bytes, most) in [(1, 1), (4500, 3)] {
        let page = server.page("Item", 0, PageLimit { rows: 100, bytes }).await?;
        check!(
            (1..=most).contains(&page.rows.len()),
            "{} rows of 2,000 bytes in {bytes}",
            page.rows.len()
        );
        check!(page.more, "entries remain");
    }
    Ok(())
}

/// From there on nothing of it comes again.
pub async fn up_to_covers_what_was_given(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    server.items(10).await?;
    let first = server
        .page(
            "Item",
            0,
            PageLimit {
                rows: 4,
                bytes: usize::MAX,
            },
        )
        .await?;
    check!(first.more, "entries remain");
    let rest = server.page("Item", first.up_to, ALL).await?;
    check_eq!(first.rows.len() + rest.rows.len(), 10, "rows of both pages");
    check!(!rest.more, "nothing remains");
    let none = server.page("Item", rest.up_to, ALL).await?;
    check!(none.rows.is_empty(), "rows came again");
    Ok(())
}

/// The mark makes it gone for devices.
pub async fn a_soft_deleted_record_comes_as_deleted(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    for id in 1..=3i64 {
        let fields = Fields::new()
            .with("id", id)
            .with("title", "task")
            .with("gone", false);
        server.insert("Task", &fields).await?;
    }
    let position = server.position().await?;
    server.delete("Task", &key(1)).await?;
    let mark = ForeignWrite::Update {
        table: "tasks".to_owned(),
        filter: Fields::new().with("id", 2i64),
        values: Fields::new().with("gone", true),
    };
    server.program.write(&[mark]).await?;
    let told = server.told("Task", position).await?;
    check_eq!(told, Told::from([(key(1), None), (key(2), None)]), "the delta");
    Ok(())
}

/// The mark was taken away.
pub async fn a_soft_deleted_record_that_returns_comes_as_a_row(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    let fields = Fields::new()
        .with("id", 1i64)
        .with("title", "task")
        .with("gone", false);
    server.insert("Task", &fields).await?;
    server.delete("Task", &key(1)).await?;
    let position = server.position().await?;
    let back = ForeignWrite::Update {
        table: "tasks".to_owned(),
        filter: Fields::new().with("id", 1i64),
        values: Fields::new().with("gone", false),
    };
    server.program.write(&[back]).await?;
    let told = server.told("Task", position).await?;
    check!(matches!(told.get(&key(1)), Some(Some(_))), "the delta: {told:?}");
    Ok(())
}
