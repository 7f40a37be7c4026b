//! Writes by other programs, by whatever statement, are told.

use super::ServerStorePlace;
use super::server::{Server, Told, item, key, names};
use crate::check_eq;
use crate::foreign::ForeignWrite;
use crate::suite::CaseResult;
use onsync_core::{Fields, Key, Row};

fn table() -> String {
    "items".to_owned()
}

fn by_id(id: i64) -> Fields {
    Fields::new().with("id", id)
}

fn named(name: &str) -> Fields {
    Fields::new().with("name", name)
}

/// Items 1 to 3 with the codes a, b and c; then these statements in one transaction; then what the delta tells.
async fn case(
    place: &dyn ServerStorePlace,
    writes: &[ForeignWrite],
    wanted: &[(i64, Option<&str>)],
) -> CaseResult {
    let server = Server::new(place).await?;
    for (id, code) in [(1, "a"), (2, "b"), (3, "c")] {
        server
            .insert("Item", &item(id, &format!("item {id}"), Some(code)))
            .await?;
    }
    let position = server.position().await?;
    server.program.write(writes).await?;
    let wanted: Vec<_> = wanted
        .iter()
        .map(|(id, name)| (id.to_string(), name.map(str::to_owned)))
        .collect();
    let told = server.told("Item", position).await?;
    check_eq!(names(&told), wanted, "the delta after {writes:?}");
    // What is told is what is there.
    let there = server.rows("Item").await?;
    for (key, row) in told {
        let found: Option<&Row> = there.iter().find(|row| row[0] == key.0[0]);
        check_eq!(found, row.as_ref(), "the row {key}");
    }
    Ok(())
}

/// `INSERT`
pub async fn a_foreign_insert_is_tracked(place: &dyn ServerStorePlace) -> CaseResult {
    let insert = ForeignWrite::Insert {
        table: table(),
        values: item(9, "nine", None),
    };
    case(place, &[insert], &[(9, Some("nine"))]).await
}

/// `UPDATE`
pub async fn a_foreign_update_is_tracked(place: &dyn ServerStorePlace) -> CaseResult {
    let update = ForeignWrite::Update {
        table: table(),
        filter: by_id(2),
        values: named("changed"),
    };
    case(place, &[update], &[(2, Some("changed"))]).await
}

/// `UPDATE` without a condition
pub async fn a_foreign_multi_row_update_is_tracked(place: &dyn ServerStorePlace) -> CaseResult {
    let update = ForeignWrite::Update {
        table: table(),
        filter: Fields::new(),
        values: named("all"),
    };
    case(
        place,
        &[update],
        &[(1, Some("all")), (2, Some("all")), (3, Some("all"))],
    )
    .await
}

/// `DELETE`
pub async fn a_foreign_delete_is_tracked(place: &dyn ServerStorePlace) -> CaseResult {
    let delete = ForeignWrite::Delete {
        table: table(),
        filter: by_id(2),
    };
    case(place, &[delete], &[(2, None)]).await
}

/// `DELETE` without a condition, or `TRUNCATE`
pub async fn a_foreign_delete_of_all_rows_is_tracked(place: &dyn ServerStorePlace) -> CaseResult {
    let delete = ForeignWrite::DeleteAll { table: table() };
    case(place, &[delete], &[(1, None), (2, None), (3, None)]).await
}

/// On a known key and a new one
pub async fn a_foreign_upsert_is_tracked(place: &dyn ServerStorePlace) -> CaseResult {
    let upsert = |id, name| ForeignWrite::Upsert {
        table: table(),
        key: vec!["id".to_owned()],
        values: item(id, name, None),
    };
    case(
        place,
        &[upsert(2, "changed"), upsert(9, "nine")],
        &[(2, Some("changed")), (9, Some("nine"))],
    )
    .await
}

/// On a known key and a new one
pub async fn a_foreign_replace_is_tracked(place: &dyn ServerStorePlace) -> CaseResult {
    let replace = |id, name| ForeignWrite::Replace {
        table: table(),
        values: item(id, name, None),
    };
    case(
        place,
        &[replace(2, "changed"), replace(9, "nine")],
        &[(2, Some("changed")), (9, Some("nine"))],
    )
    .await
}

/// Through the unique column: the row that was in the way is gone.
pub async fn a_row_displaced_by_a_foreign_replace_is_deleted(place: &dyn ServerStorePlace) -> CaseResult {
    let replace = ForeignWrite::Replace {
        table: table(),
        values: item(9, "nine", Some("b")),
    };
    case(place, &[replace], &[(2, None), (9, Some("nine"))]).await
}

/// The same by an update.
pub async fn a_row_displaced_by_update_or_replace_is_deleted(place: &dyn ServerStorePlace) -> CaseResult {
    let update = ForeignWrite::UpdateOrReplace {
        table: table(),
        filter: by_id(3),
        values: Fields::new().with("code", "b"),
    };
    case(place, &[update], &[(2, None), (3, Some("item 3"))]).await
}

/// Devices know records by their keys.
pub async fn a_foreign_change_of_a_key_is_a_delete_and_a_create(place: &dyn ServerStorePlace) -> CaseResult {
    let change = ForeignWrite::ChangeKey {
        table: table(),
        from: by_id(2),
        to: by_id(22),
    };
    case(place, &[change], &[(2, None), (22, Some("item 2"))]).await
}

/// Children that the database deletes with their parent.
pub async fn a_cascade_is_tracked(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    server.items(2).await?;
    for (id, parent) in [(1i64, 1i64), (2, 1), (3, 2)] {
        let fields = Fields::new()
            .with("id", id)
            .with("item_id", parent)
            .with("text", "line");
        server.insert("Line", &fields).await?;
    }
    let position = server.position().await?;
    let delete = ForeignWrite::Delete {
        table: table(),
        filter: by_id(1),
    };
    server.program.write(&[delete]).await?;
    check_eq!(
        server.told("Item", position).await?,
        Told::from([(key(1), None)]),
        "parents"
    );
    check_eq!(
        server.told("Line", position).await?,
        Told::from([(key(1), None), (key(2), None)]),
        "children"
    );
    server.delete("Item", &key(2)).await?;
    check_eq!(
        server.told("Line", position).await?.len(),
        3,
        "children of a parent deleted by OnSync"
    );
    Ok(())
}

/// Keys of several columns, in the order of the key.
pub async fn composite_keys_are_tracked(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    let member = |team: &str, person: i64| Fields::new().with("team", team).with("person", person);
    for (team, person) in [("a", 1), ("a", 2), ("b", 1)] {
        server
            .insert("Member", &member(team, person).with("task", "x"))
            .await?;
    }
    let position = server.position().await?;
    let table = || "members".to_owned();
    let writes = [
        ForeignWrite::Update {
            table: table(),
            filter: member("a", 2),
            values: Fields::new().with("role", "boss"),
        },
        ForeignWrite::Delete {
            table: table(),
            filter: member("b", 1),
        },
        ForeignWrite::ChangeKey {
            table: table(),
            from: member("a", 1),
            to: member("c", 9),
        },
    ];
    server.program.write(&writes).await?;
    let key = |team: &str, person: i64| Key(vec![team.into(), person.into()]);
    let row = |task: &str, team: &str, person: i64| Some(vec![task.into(), person.into(), team.into()]);
    let wanted = Told::from([
        (key("a", 1), None),
        (key("a", 2), row("boss", "a", 2)),
        (key("b", 1), None),
        (key("c", 9), row("x", "c", 9)),
    ]);
    check_eq!(server.told("Member", position).await?, wanted, "the delta");
    Ok(())
}

/// A table that is nothing but its key.
pub async fn key_only_records_are_tracked(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    server.insert("Tag", &named("red")).await?;
    let position = server.position().await?;
    let table = || "tags".to_owned();
    let writes = [
        ForeignWrite::Insert {
            table: table(),
            values: named("blue"),
        },
        ForeignWrite::Delete {
            table: table(),
            filter: named("red"),
        },
    ];
    server.program.write(&writes).await?;
    let wanted = Told::from([
        (Key::one("blue"), Some(vec!["blue".into()])),
        (Key::one("red"), None),
    ]);
    check_eq!(server.told("Tag", position).await?, wanted, "the delta");
    Ok(())
}
