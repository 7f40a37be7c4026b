//! Release: what was refused because of a record it refers to is sent again as soon as the server has that record.

use super::areas::{self, Areas};
use super::exchange::Run;
use super::lists::RejectedEntry;
use super::settle::Subject;
use onsync_core::Result;
use onsync_core::mutation::Rejection;
use onsync_core::query::{Comparison, Query};
use onsync_core::store::local::{LocalTransaction, RecordState};

/// Children that were refused because this record was missing are sent again.
pub(super) async fn release_children(
    run: &Run<'_>,
    tx: &mut dyn LocalTransaction,
    subject: &Subject<'_>,
) -> Result<()> {
    let listed = tx
        .list::<RejectedEntry>(areas::REJECTED, None, usize::MAX)
        .await?;
    if !listed.iter().any(|(_, entry)| waits_for_parent(&entry.rejection)) {
        return Ok(());
    }
    let schema = &run.syncer.schema;
    for relation in schema.children_of(&subject.entity.name) {
        let child = schema.entity(&relation.child)?;
        let value = subject.entry.key.0.first().cloned().unwrap_or_default();
        let query = Query::entity(&child.name).filter(&relation.attribute, Comparison::Equal, value);
        for row in tx.query(child, &query).await? {
            let key = child.key_of(&row);
            let Some((number, _)) = listed.iter().find(|(_, entry)| {
                waits_for_parent(&entry.rejection) && entry.entity == child.name && entry.key == key
            }) else {
                continue;
            };
            tx.area_remove(areas::REJECTED, number).await?;
            if let Some(mut overlay) = tx
                .overlays(child, std::slice::from_ref(&key))
                .await?
                .pop()
                .flatten()
            {
                overlay.acknowledged_to = 0;
                overlay.state = RecordState::Waiting;
                tx.put_overlay(child, &overlay).await?;
            }
        }
    }
    Ok(())
}

pub(super) fn waits_for_parent(rejection: &Rejection) -> bool {
    matches!(rejection.code.as_str(), "parent_missing" | "parent_rejected")
}
