//! A conflict is ended by a resolution.
//!
//! Resolving makes no mutation by itself; it leaves a record that waits, based on *theirs*, so the next mutation carries the version of *theirs*, and the
//! server refuses it if that is outdated.

use super::areas::{self, Areas, MappedKey};
use super::bin::put_in_bin;
use super::cut::forget_rejections;
use super::keys::put_row;
use super::open_conflicts::{Open, forget, open, row_of};
use onsync_core::conflict::Resolution;
use onsync_core::mutation::BinReason;
use onsync_core::query::{Comparison, Query};
use onsync_core::runtime::Runtime;
use onsync_core::schema::{EntitySchema, Ids, Schema};
use onsync_core::store::local::{LocalTransaction, Overlay, RecordState, is_local_key};
use onsync_core::{Error, Fields, Key, Result, Row, Value};

/// A row with nothing but its key.
fn row_with_key(entity: &EntitySchema, key: &Key) -> Row {
    let mut row = vec![Value::Null; entity.attributes.len()];
    for (index, value) in entity.key_indexes().into_iter().zip(&key.0) {
        row[index] = value.clone();
    }
    row
}

/// Who resolves, and what resolutions have to keep to.
pub(crate) struct Desk<'a> {
    pub(crate) schema: &'a Schema,
    pub(crate) runtime: &'a dyn Runtime,
    pub(crate) max_record_bytes: usize,
    /// Why values that lose go to the bin.
    pub(crate) reason: BinReason,
}

impl Desk<'_> {
    /// Ends the conflict of a record; its local key comes back, which is a new one only where the server has deleted a record whose key it had issued, and
    /// it is made again.
    ///
    /// # Errors
    /// `conflict_missing`, `conflict_in_flight`, those of a merge (`unknown_attribute`, `invalid_value`, `key_change_refused`, `record_too_large`), and
    /// those of the store.
    pub(crate) async fn resolve(
        &self,
        tx: &mut dyn LocalTransaction,
        entity: &str,
        key: &Key,
        resolution: &Resolution,
    ) -> Result<Key> {
        let entity = self.schema.entity(entity)?;
        let Some(open) = open(tx, entity, key).await? else {
            return Err(Error::rejected(
                "conflict_missing",
                format!(
                    "there is no open conflict of `{}` {key}; it may have ended meanwhile, list the open ones",
                    entity.name
                ),
            ));
        };
        if open.stored.awaits_outcome {
            return Err(Error::rejected(
                "conflict_in_flight",
                format!(
                    "a change of `{}` {key} is on its way and its outcome may end the conflict; sync, then resolve",
                    entity.name
                ),
            ));
        }
        self.end(tx, open, resolution).await
    }

    pub(super) async fn end(
        &self,
        tx: &mut dyn LocalTransaction,
        open: Open<'_>,
        resolution: &Resolution,
    ) -> Result<Key> {
        match resolution {
            Resolution::Ask => Ok(open.overlay.key),
            Resolution::KeepMine => self.send_again(tx, open).await,
            Resolution::TakeTheirs => {
                self.put_in_bin(tx, &open).await?;
                self.take_theirs(tx, open).await
            }
            Resolution::Merge(fields) => {
                let merged = self.merged(&open, fields)?;
                if loses(&open, &merged) {
                    self.put_in_bin(tx, &open).await?;
                }
                let agrees = |theirs: &Row| open.entity.agree(theirs, &merged);
                if open.overlay.base.as_ref().is_some_and(agrees) {
                    return self.take_theirs(tx, open).await;
                }
                if open.mine.as_ref() != Some(&merged) {
                    put_row(tx, open.entity, merged.clone()).await?;
                }
                let mine = Some(merged);
                self.send_again(tx, Open { mine, ..open }).await
            }
        }
    }

    /// Whether a merge of these fields can be.
    pub(super) fn check_merge(&self, open: &Open<'_>, fields: &Fields) -> Result<()> {
        self.merged(open, fields).map(drop)
    }

    /// Theirs (mine, where theirs is deleted) with the fields over it.
    fn merged(&self, open: &Open<'_>, fields: &Fields) -> Result<Row> {
        let entity = open.entity;
        let wanted = entity.row(fields)?;
        let mut merged = match (&open.overlay.base, &open.mine) {
            (Some(theirs), mine) => local_from(entity, theirs.clone(), mine.as_ref()),
            (None, Some(mine)) => mine.clone(),
            // Deleted on both sides: it is made anew.
            (None, None) => row_with_key(entity, &open.overlay.key),
        };
        for (name, _) in fields.iter() {
            let index = entity.require(name)?;
            if entity.is_key(index) && merged[index] != wanted[index] {
                return Err(Error::rejected(
                    "key_change_refused",
                    format!(
                        "`{name}` is part of the key of `{}`, which never changes; leave it out",
                        entity.name
                    ),
                ));
            }
            merged[index] = wanted[index].clone();
        }
        let size: usize = merged.iter().map(Value::size).sum();
        if size > self.max_record_bytes {
            return Err(Error::rejected(
                "record_too_large",
                format!(
                    "the merged record of `{}` has {size} bytes, at most {} are synced; make it smaller, or raise limits.max_record_bytes here \
                     and on the server",
                    entity.name, self.max_record_bytes
                ),
            ));
        }
        Ok(merged)
    }

    async fn put_in_bin(&self, tx: &mut dyn LocalTransaction, open: &Open<'_>) -> Result<()> {
        let Some(mine) = open.mine.clone() else {
            return Ok(());
        };
        let (entity, key) = (open.entity, &open.overlay.key);
        put_in_bin(
            tx,
            self.runtime,
            &entity.name,
            key,
            self.reason,
            entity.fields(mine),
        )
        .await
    }

    /// The record is as the server has it, or leaves.
    async fn take_theirs(&self, tx: &mut dyn LocalTransaction, open: Open<'_>) -> Result<Key> {
        let Open {
            entity,
            overlay,
            mine,
            ..
        } = open;
        let key = overlay.key;
        match overlay.base {
            Some(theirs) => {
                let row = local_from(entity, theirs, mine.as_ref());
                if mine.as_ref() != Some(&row) {
                    put_row(tx, entity, row).await?;
                }
            }
            None => tx.remove(entity, std::slice::from_ref(&key)).await?,
        }
        tx.remove_overlay(entity, &key).await?;
        forget(tx, entity, &key).await?;
        forget_rejections(tx, entity, &key).await?;
        Ok(key)
    }

    /// The record waits, based on theirs: its next mutation is a create where theirs is deleted, a delete where mine is.
    async fn send_again(&self, tx: &mut dyn LocalTransaction, open: Open<'_>) -> Result<Key> {
        let entity = open.entity;
        let mut key = open.overlay.key.clone();
        forget(tx, entity, &key).await?;
        // What was refused, or may have been applied, is decided with it: the decision goes by what the server has now.
        forget_rejections(tx, entity, &key).await?;
        if let (None, Some(mine), Ids::Server) = (&open.overlay.base, &open.mine, entity.ids) {
            key = self.made_again(tx, entity, &key, mine, &open.overlay).await?;
        }
        // A write through the app may have raised the edit number just now.
        let found = tx.overlays(entity, std::slice::from_ref(&key)).await?;
        let Some(mut overlay) = found.into_iter().next().flatten() else {
            return Ok(key);
        };
        overlay.base = open.overlay.base;
        overlay.state = RecordState::Waiting;
        overlay.acknowledged_to = overlay.edit.saturating_sub(1);
        tx.put_overlay(entity, &overlay).await?;
        Ok(key)
    }

    /// A record that the server deleted, and whose key it issues, is made again under another server key. A local key stays; a key the server had issued
    /// is that of the deleted record, whose deletion may still arrive, and the server may issue it again: the record gets a local one.
    async fn made_again(
        &self,
        tx: &mut dyn LocalTransaction,
        entity: &EntitySchema,
        key: &Key,
        mine: &Row,
        overlay: &Overlay,
    ) -> Result<Key> {
        let bytes = key.to_bytes();
        let area = areas::local_keys(&entity.name);
        if let Some(mapped) = tx.load::<MappedKey>(&area, &bytes).await? {
            tx.area_remove(&area, &bytes).await?;
            tx.area_remove(areas::CREATED, mapped.created.as_bytes()).await?;
            if let Some(server) = mapped.server {
                tx.area_remove(&areas::server_keys(&entity.name), &server.to_bytes())
                    .await?;
            }
            return Ok(key.clone());
        }
        let kept = key.0.first().is_none_or(is_local_key);
        if onsync_core::mutant!("a-record-made-again-keeps-the-servers-key", kept, true) {
            return Ok(key.clone());
        }
        let mut row = mine.clone();
        for index in entity.key_indexes() {
            row[index] = Value::Null;
        }
        let local = tx.insert(entity, &row).await?;
        if tx.overlays(entity, std::slice::from_ref(&local)).await? == [None] {
            let overlay = Overlay {
                key: local.clone(),
                base: None,
                ..overlay.clone()
            };
            tx.put_overlay(entity, &overlay).await?;
        }
        tx.remove(entity, std::slice::from_ref(key)).await?;
        tx.remove_overlay(entity, key).await?;
        for relation in self.schema.children_of(&entity.name) {
            let child = self.schema.entity(&relation.child)?;
            follow(tx, child, &relation.attribute, key, &local).await?;
        }
        Ok(local)
    }
}

/// New records that refer to the old key refer to the new one. What the server has of others it changes by itself.
async fn follow(
    tx: &mut dyn LocalTransaction,
    child: &EntitySchema,
    attribute: &str,
    from: &Key,
    to: &Key,
) -> Result<()> {
    let (Some(index), [from], [to]) = (child.index_of(attribute), from.values(), to.values()) else {
        return Ok(());
    };
    let query = Query::entity(&child.name).filter(attribute, Comparison::Equal, from.clone());
    for mut row in tx.query(child, &query).await? {
        let key = child.key_of(&row);
        let overlay = tx
            .overlays(child, std::slice::from_ref(&key))
            .await?
            .pop()
            .flatten();
        if child.is_key(index) || overlay.is_none_or(|overlay| overlay.base.is_some()) {
            continue;
        }
        row[index] = to.clone();
        put_row(tx, child, row).await?;
    }
    Ok(())
}

/// The row with the local attributes that the record has here: they never travel.
fn local_from(entity: &EntitySchema, mut row: Row, here: Option<&Row>) -> Row {
    let Some(here) = here else { return row };
    for (index, attribute) in entity.attributes.iter().enumerate() {
        if attribute.local {
            row[index] = here[index].clone();
        }
    }
    row
}

/// Whether something that was changed here is not in what was merged.
fn loses(open: &Open<'_>, merged: &Row) -> bool {
    let Some(mine) = &open.mine else {
        return false;
    };
    let base = open.stored.base.as_ref().map(|base| row_of(open.entity, base));
    let attributes = open.entity.attributes.iter().enumerate();
    attributes
        .filter(|(_, attribute)| !attribute.local)
        .any(|(index, _)| {
            let changed = base.as_ref().is_none_or(|base| base[index] != mine[index]);
            changed && mine[index] != merged[index]
        })
}
