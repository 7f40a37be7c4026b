//! Attaching to tables that exist.

use super::ServerStorePlace;
use super::server::{Server, item, item_row, key};
use crate::foreign::ForeignWrite;
use crate::suite::{CaseResult, Failure};
use crate::{check, check_eq};
use onsync_core::Result;
use onsync_core::ValueType;
use onsync_core::schema::{Attribute, Schema};
use onsync_core::store::server::Attached;

/// Neither position nor rows, and nothing is reset.
pub async fn attaching_again_changes_nothing(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    server.insert("Item", &item(1, "one", None)).await?;
    let before = server.position().await?;
    let again = server.store.attach(&server.schema).await?;
    check_eq!(again.reset, Vec::<String>::new(), "entities that were reset");
    check_eq!(server.position().await?, before, "the position");
    check_eq!(server.rows("Item").await?, [item_row(1, "one", None)], "the rows");
    server.update("Item", &key(1), &item(1, "two", None)).await?;
    check_eq!(
        server.told("Item", before).await?.len(),
        1,
        "changes are tracked once"
    );
    Ok(())
}

/// Any number of server processes on one database.
pub async fn attaching_in_another_process_changes_nothing(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    server.insert("Item", &item(1, "one", None)).await?;
    let before = server.position().await?;
    let other = place.store().await?;
    let attached = other.attach(&server.schema).await?;
    check_eq!(attached.reset, Vec::<String>::new(), "entities that were reset");
    check_eq!(
        other.read().await?.position().await?,
        before,
        "the position there"
    );
    server.update("Item", &key(1), &item(1, "two", None)).await?;
    check!(
        other.read().await?.position().await? > before,
        "the other process does not see the commit"
    );
    Ok(())
}

/// What was there before is served.
pub async fn rows_from_before_attach_are_in_the_snapshot(place: &dyn ServerStorePlace) -> CaseResult {
    let insert = ForeignWrite::Insert {
        table: "items".to_owned(),
        values: item(7, "old", Some("x")),
    };
    // Some databases have their tables only once a handle was made.
    let _handle = place.store().await?;
    place.foreign().write(&[insert]).await?;
    let server = Server::new(place).await?;
    check_eq!(
        server.rows("Item").await?,
        [item_row(7, "old", Some("x"))],
        "the rows"
    );
    server.delete("Item", &key(7)).await?;
    check_eq!(
        server.told("Item", 0).await?.into_iter().collect::<Vec<_>>(),
        [(key(7), None)],
        "its delete"
    );
    Ok(())
}

/// Existing rows are no changes.
pub async fn attaching_changes_no_row(place: &dyn ServerStorePlace) -> CaseResult {
    let server = Server::new(place).await?;
    server.items(3).await?;
    let before = server.rows("Item").await?;
    let other = place.store().await?;
    other.attach(&server.schema).await?;
    check_eq!(server.rows("Item").await?, before, "the rows");
    Ok(())
}

/// The schema with one entity changed.
async fn attach_changed(
    place: &dyn ServerStorePlace,
    change: impl FnOnce(&mut Schema) + Send,
) -> Result<Attached> {
    let mut schema = super::schema();
    change(&mut schema);
    place.store().await?.attach(&schema).await
}

#[track_caller]
fn names(result: Result<Attached>, code: &str, name: &str) -> CaseResult {
    match result {
        Ok(_) => Err(Failure::new(format!(
            "wanted `{code}`, found that it was attached"
        ))),
        Err(error) => {
            check_eq!(error.code(), code, "{error}");
            check!(
                error.to_string().contains(name),
                "the error names `{name}`: {error}"
            );
            Ok(())
        }
    }
}

/// `table_missing`. A store that makes tables itself is asked through a place that does not.
pub async fn a_missing_table_is_named(place: &dyn ServerStorePlace) -> CaseResult {
    let result = attach_changed(place, |schema| schema.entities[0].source = "nowhere".to_owned()).await;
    names(result, "table_missing", "nowhere")
}

/// `column_missing`
pub async fn a_missing_column_is_named(place: &dyn ServerStorePlace) -> CaseResult {
    let result = attach_changed(place, |schema| {
        schema.entities[0]
            .attributes
            .push(Attribute::new("colour", ValueType::Text));
    })
    .await;
    names(result, "column_missing", "colour")
}

/// `key_missing`: what is configured as key must be the table's.
pub async fn another_key_than_the_tables_is_refused(place: &dyn ServerStorePlace) -> CaseResult {
    let result = attach_changed(place, |schema| schema.entities[0].key = vec!["name".to_owned()]).await;
    names(result, "key_missing", "items")
}
