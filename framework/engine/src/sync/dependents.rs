//! Dependents: records whose changes are held because a record they refer to is not on the server.

use super::{Syncer, conflicts};
use onsync_core::mutation::MutationKind;
use onsync_core::ordered::BTreeSet;
use onsync_core::query::{Comparison, Query};
use onsync_core::schema::{EntitySchema, Relation};
use onsync_core::store::local::{Access, LocalTransaction, Overlay, RecordState};
use onsync_core::{Key, Result, Row};
use serde::Serialize;
use std::collections::VecDeque;

/// A record whose changes are not sent because a record it refers to is not on the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HeldRecord {
    /// The entity.
    pub entity: String,
    /// The record's local key.
    pub key: Key,
    /// What is held: a create or an update.
    pub kind: MutationKind,
    /// The relation that holds it.
    pub relation: String,
    /// The entity of the record it refers to.
    pub parent_entity: String,
    /// The local key of the record it refers to.
    pub parent: Key,
}

/// A record that refers, directly or not, to one that is not on the server.
pub(super) struct Dependent<'a> {
    pub(super) entity: &'a EntitySchema,
    pub(super) overlay: Overlay,
    pub(super) row: Row,
    pub(super) relation: &'a Relation,
    pub(super) parent: Key,
}

impl Dependent<'_> {
    pub(super) fn kind(&self) -> MutationKind {
        match self.overlay.base {
            Some(_) => MutationKind::Update,
            None => MutationKind::Create,
        }
    }

    pub(super) fn held(&self) -> HeldRecord {
        HeldRecord {
            entity: self.entity.name.clone(),
            key: self.overlay.key.clone(),
            kind: self.kind(),
            relation: self.relation.name.clone(),
            parent_entity: self.relation.parent.clone(),
            parent: self.parent.clone(),
        }
    }
}

impl Syncer {
    /// Records whose changes are held because of the open conflict of this one, parents before children: it is not on the server, or not as what
    /// was made here. None where the server has it, or no conflict is open.
    ///
    /// # Errors
    /// `unknown_entity`, and those of the store.
    pub async fn held_by_conflict(&self, entity: &str, key: &Key) -> Result<Vec<HeldRecord>> {
        let entity = self.schema.entity(entity)?;
        let mut tx = self.store.begin(Access::Read).await?;
        let overlay = tx
            .overlays(entity, std::slice::from_ref(key))
            .await?
            .pop()
            .flatten();
        let Some(overlay) = overlay.filter(|overlay| overlay.state == RecordState::Conflicted) else {
            return Ok(Vec::new());
        };
        let known = overlay.base.is_some()
            && conflicts::planning_base(tx.as_mut(), entity, &overlay)
                .await?
                .is_some();
        if known {
            return Ok(Vec::new());
        }
        let found = self.dependents(tx.as_mut(), entity, key).await?;
        Ok(found.iter().map(Dependent::held).collect())
    }

    /// Records with unsent changes that refer to a record made here, then what refers to those made here among them, and so on.
    pub(super) async fn dependents(
        &self,
        tx: &mut dyn LocalTransaction,
        entity: &EntitySchema,
        key: &Key,
    ) -> Result<Vec<Dependent<'_>>> {
        let mut found = Vec::new();
        let mut seen = BTreeSet::from([(entity.name.clone(), key.clone())]);
        let mut queue = VecDeque::from([(self.schema.entity(&entity.name)?, key.clone())]);
        while let Some((parent, key)) = queue.pop_front() {
            let [value] = key.values() else { continue };
            for relation in self.schema.children_of(&parent.name) {
                let child = self.schema.entity(&relation.child)?;
                if child.local {
                    continue;
                }
                let query =
                    Query::entity(&child.name).filter(&relation.attribute, Comparison::Equal, value.clone());
                let rows = tx.query(child, &query).await?;
                let keys: Vec<Key> = rows.iter().map(|row| child.key_of(row)).collect();
                let overlays = tx.overlays(child, &keys).await?;
                for (row, overlay) in rows.into_iter().zip(overlays) {
                    let Some(overlay) = overlay else { continue };
                    if !seen.insert((child.name.clone(), overlay.key.clone())) {
                        continue;
                    }
                    if overlay.base.is_none() {
                        queue.push_back((child, overlay.key.clone()));
                    }
                    found.push(Dependent {
                        entity: child,
                        overlay,
                        row,
                        relation,
                        parent: key.clone(),
                    });
                }
            }
        }
        Ok(found)
    }
}
