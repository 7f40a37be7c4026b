//! Snapshots: whole, in order, in pages.

use super::ServerStorePlace;
use super::server::{ALL, Server, extent, item, item_row, key};
use crate::foreign::ForeignWrite;
use crate::local_store::samples::rows_of_every_type;
use crate::suite::CaseResult;
use crate::{check, check_eq};
use onsync_core::page::KeyRange;
use onsync_core::store::server::PageLimit;
use onsync_core::{Fields, Key, Row, Value};

/// Position, rows and delta of one committed state.
pub async fn a_snapshot_is_consistent_while_others_write(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    server.items(5).await?;
    let entity = server.entity("Item")?;
    let mut view = server.store.read().await?;
    let position = view.position().await?;
    server.items_again(6..=9).await?;
    server.delete("Item", &key(1)).await?;
    let rows = view
        .snapshot(&extent(entity, &[0]), &KeyRange::all(), ALL)
        .await?
        .rows;
    check_eq!(rows.len(), 5, "rows of the view");
    check_eq!(view.position().await?, position, "the position of the view");
    check_eq!(
        view.delta(&extent(entity, &[0]), position, ALL).await?.rows.len(),
        0,
        "the delta of the view"
    );
    Ok(())
}

/// Negative integers first, texts by their bytes, composite keys part by part.
pub async fn a_snapshot_is_in_canonical_key_order(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    for id in [10, -1, 9, 0, i64::MAX, i64::MIN, 1 << 53] {
        server.insert("Item", &item(id, "x", None)).await?;
    }
    for name in ["b", "B", "a", "ä", "aa", "10", "9", "\u{1F4E6}", "\u{ffff}"] {
        server.insert("Tag", &Fields::new().with("name", name)).await?;
    }
    for (team, person) in [("b", 1), ("a", 10), ("a", 9), ("a", -1), ("aa", 0)] {
        let fields = Fields::new().with("team", team).with("person", i64::from(person));
        server.insert("Member", &fields).await?;
    }
    for name in ["Item", "Tag", "Member"] {
        let entity = server.entity(name)?;
        let found: Vec<Key> = server
            .rows(name)
            .await?
            .iter()
            .map(|row| entity.key_of(row))
            .collect();
        let mut sorted = found.clone();
        sorted.sort_by_key(Key::to_bytes);
        check!(found.len() >= 5, "{name}: {} rows", found.len());
        check_eq!(found, sorted, "keys of {name}");
    }
    Ok(())
}

/// Pages of 1, 7, all but one, exactly all, and more: no row twice, none missing.
pub async fn a_snapshot_in_pages_is_complete(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    server.items(23).await?;
    let entity = server.entity("Item")?;
    let whole = server.rows("Item").await?;
    for rows in [1, 7, 22, 23, 24] {
        let limit = PageLimit {
            rows,
            bytes: usize::MAX,
        };
        let mut found: Vec<Row> = Vec::new();
        let mut range = KeyRange::all();
        let mut pages = 0;
        loop {
            let mut view = server.store.read().await?;
            let page = view
                .snapshot(&extent(entity, &[0, 1, 2, 3]), &range, limit)
                .await?;
            pages += 1;
            check!(
                page.rows.len() <= rows,
                "{} rows in a page of {rows}",
                page.rows.len()
            );
            found.extend(page.rows.iter());
            match page.more_after {
                Some(last) => {
                    check_eq!(
                        found.last().map(|row| entity.key_of(row)),
                        Some(last.clone()),
                        "more_after"
                    );
                    range.after = Some(last);
                }
                None => break,
            }
            check!(pages < 50, "no end in sight");
        }
        check_eq!(found, whole, "pages of {rows}");
        check_eq!(pages, 23usize.div_ceil(rows), "pages of {rows}");
    }
    Ok(())
}

/// A record larger than the limit does not stop everything.
pub async fn a_page_holds_at_least_one_row_whatever_its_bytes(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    for id in 1..=3 {
        server.insert("Item", &item(id, &"x".repeat(5000), None)).await?;
    }
    let limit = PageLimit { rows: 100, bytes: 1 };
    let mut range = KeyRange::all();
    for id in 1..=3i64 {
        let mut view = server.store.read().await?;
        let page = view
            .snapshot(&extent(server.entity("Item")?, &[0, 1]), &range, limit)
            .await?;
        check_eq!(page.rows.len(), 1, "rows of page {id}");
        check_eq!(page.more_after.is_some(), id < 3, "more after page {id}");
        range.after = page.more_after;
    }
    Ok(())
}

/// About so many bytes, not all of them.
pub async fn a_page_ends_at_its_byte_limit(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    for id in 1..=20 {
        server.insert("Item", &item(id, &"x".repeat(1000), None)).await?;
    }
    let limit = PageLimit {
        rows: 1000,
        bytes: 5500,
    };
    let mut view = server.store.read().await?;
    let page = view
        .snapshot(&extent(server.entity("Item")?, &[0, 1]), &KeyRange::all(), limit)
        .await?;
    check!(
        (4..=6).contains(&page.rows.len()),
        "{} rows of 1,000 bytes in 5,500",
        page.rows.len()
    );
    check!(page.more_after.is_some(), "rows remain");
    Ok(())
}

/// Behind `after`, up to and with `to`; for composite keys too.
pub async fn a_snapshot_keeps_to_its_range(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    let mut keys = Vec::new();
    for (team, person) in [("a", -1i64), ("a", 2), ("a", 10), ("b", 0), ("b", 5)] {
        server
            .insert("Member", &Fields::new().with("team", team).with("person", person))
            .await?;
        keys.push(Key(vec![team.into(), person.into()]));
    }
    let entity = server.entity("Member")?;
    let mut view = server.store.read().await?;
    for after in [None, Some(0), Some(2), Some(4)] {
        for to in [None, Some(0), Some(3), Some(4)] {
            let range = KeyRange {
                after: after.map(|index: usize| keys[index].clone()),
                to: to.map(|index: usize| keys[index].clone()),
            };
            let found = view.snapshot(&extent(entity, &[0, 1, 2]), &range, ALL).await?;
            let found: Vec<Key> = found.rows.iter().map(|row| entity.key_of(&row)).collect();
            let wanted: Vec<Key> = keys.iter().filter(|key| range.contains(key)).cloned().collect();
            check_eq!(found, wanted, "{range:?}");
        }
    }
    Ok(())
}

/// Also columns with another name than their attribute.
pub async fn a_snapshot_gives_the_attributes_asked_for_in_their_order(
    place: &dyn ServerStorePlace,
) -> CaseResult {
    let server = Server::new(place).await?;
    let fields = Fields::new()
        .with("team", "a")
        .with("person", 1i64)
        .with("task", "boss");
    server.insert("Member", &fields).await?;
    let mut view = server.store.read().await?;
    for (attributes, wanted) in [
        (vec![2, 0, 1], vec!["a".into(), "boss".into(), Value::Integer(1)]),
        (vec![1], vec![Value::Integer(1)]),
        (vec![0], vec!["boss".into()]),
    ] {
        let found = view
            .snapshot(
                &extent(server.entity("Member")?, &attributes),
                &KeyRange::all(),
                ALL,
            )
            .await?;
        check_eq!(
            found.rows.iter().collect::<Vec<_>>(),
            [wanted],
            "attributes {attributes:?}"
        );
    }
    Ok(())
}

/// Rows whose mark says deleted.
pub async fn a_snapshot_leaves_out_what_counts_as_deleted(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    for (id, gone) in [(1i64, false), (2, true), (3, false)] {
        let values = Fields::new()
            .with("id", id)
            .with("title", "task")
            .with("gone", gone);
        let insert = ForeignWrite::Insert {
            table: "tasks".to_owned(),
            values,
        };
        server.program.write(&[insert]).await?;
    }
    let ids: Vec<Value> = server
        .rows("Task")
        .await?
        .into_iter()
        .map(|row| row[0].clone())
        .collect();
    check_eq!(ids, [Value::Integer(1), Value::Integer(3)], "tasks");
    Ok(())
}

/// Written by OnSync, read by a snapshot and by a delta.
pub async fn every_value_of_every_type_survives(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    let entity = server.entity("Everything")?;
    let mut rows: Vec<Row> = Vec::new();
    for (id, mut row) in rows_of_every_type().into_iter().enumerate() {
        row.insert(0, Value::Integer(id as i64));
        rows.push(row);
    }
    let mut nulls = vec![Value::Null; entity.attributes.len()];
    nulls[0] = Value::Integer(1000);
    rows.push(nulls);
    for row in &rows {
        server.insert("Everything", &entity.fields(row.clone())).await?;
    }
    let told: Vec<Row> = server
        .told("Everything", 0)
        .await?
        .into_values()
        .flatten()
        .collect();
    for (way, found) in [("snapshot", server.rows("Everything").await?), ("delta", told)] {
        check_eq!(found.len(), rows.len(), "rows by {way}");
        for (found, wanted) in found.iter().zip(&rows) {
            for ((found, wanted), attribute) in found.iter().zip(wanted).zip(&entity.attributes) {
                let mut text = format!("{wanted:?}");
                text.truncate(200);
                let same = found == wanted && found.value_type() == wanted.value_type();
                check!(
                    same,
                    "{} by {way}: {text} came back as something else",
                    attribute.name
                );
            }
        }
    }
    Ok(())
}

/// No rows, no key to go on after.
pub async fn a_snapshot_of_nothing_is_empty(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    let mut view = server.store.read().await?;
    let page = view
        .snapshot(&extent(server.entity("Item")?, &[0]), &KeyRange::all(), ALL)
        .await?;
    check!(page.rows.is_empty() && page.more_after.is_none(), "{page:?}");
    server.items(2).await?;
    let mut view = server.store.read().await?;
    let behind = KeyRange {
        after: Some(key(2)),
        to: None,
    };
    let page = view
        .snapshot(&extent(server.entity("Item")?, &[0]), &behind, ALL)
        .await?;
    check!(page.rows.is_empty() && page.more_after.is_none(), "{page:?}");
    check_eq!(server.rows("Item").await?.len(), 2, "rows");
    check_eq!(
        server.rows("Item").await?[0],
        item_row(1, "item 1", None),
        "the first"
    );
    Ok(())
}

/// Where it is told at all.
pub async fn count_is_the_number_of_records(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    server.items(12).await?;
    let count = server
        .store
        .read()
        .await?
        .count(&extent(server.entity("Item")?, &[0]))
        .await?;
    check!(count.is_none_or(|count| count == 12), "found {count:?} of 12");
    Ok(())
}
