//! What a record refers to: whether the server can know it, is told of it first, or must not be told of the record yet.

use super::areas;
use super::cut::{Cutter, Standing};
use onsync_core::ordered::BTreeSet;
use onsync_core::schema::{EntitySchema, Ids, Schema};
use onsync_core::store::local::{Overlay, RecordState, is_local_key};
use onsync_core::{Key, Result, Row};

/// A record this one refers to.
pub(super) enum Parent<'a> {
    /// Nothing stands in the way.
    None,
    /// Made here and not cut yet.
    Dirty(&'a EntitySchema, Box<Overlay>, Row),
    /// Made here and held back.
    Held,
    /// Made here, and no longer here.
    Missing(String),
}

impl<'a> Cutter<'a> {
    /// The first record this row refers to that the server cannot know yet.
    pub(super) async fn uncut_parent(&mut self, entity: &'a EntitySchema, row: &Row) -> Result<Parent<'a>> {
        let schema: &'a Schema = &self.syncer.schema;
        for relation in schema.parents_of(&entity.name) {
            let Some(value) = entity.index_of(&relation.attribute).map(|index| &row[index]) else {
                continue;
            };
            let parent = schema.entity(&relation.parent)?;
            if value.is_null() || parent.local {
                continue;
            }
            let key = Key(vec![value.clone()]);
            if parent.name == entity.name && key == entity.key_of(row) {
                continue;
            }
            let tried = self
                .tried
                .get(parent.name.as_str())
                .and_then(|tried| tried.get(&key));
            if let Some(Standing::Ready) = tried {
                continue;
            }
            let overlay = self
                .tx
                .overlays(parent, std::slice::from_ref(&key))
                .await?
                .pop()
                .flatten();
            match overlay {
                Some(overlay) if overlay.base.is_none() && tried.is_some() => return Ok(Parent::Held),
                Some(overlay)
                    if overlay.state == RecordState::Conflicted
                        && super::conflicts::planning_base(self.tx, parent, &overlay)
                            .await?
                            .is_none() =>
                {
                    return Ok(Parent::Held);
                }
                Some(overlay) if overlay.base.is_none() => match overlay.state {
                    RecordState::InFlight => {}
                    RecordState::Conflicted => return Ok(Parent::Held),
                    RecordState::Rejected if !overlay.is_waiting() => return Ok(Parent::Held),
                    _ => match self
                        .tx
                        .get(parent, std::slice::from_ref(&key))
                        .await?
                        .pop()
                        .flatten()
                    {
                        Some(row) => return Ok(Parent::Dirty(parent, Box::new(overlay), row)),
                        None => return Ok(Parent::Missing(relation.attribute.clone())),
                    },
                },
                Some(_) => {}
                None => {
                    let mapped = self
                        .tx
                        .area_get(&areas::local_keys(&parent.name), &key.to_bytes())
                        .await?;
                    if parent.ids == Ids::Server && is_local_key(value) && mapped.is_none() {
                        return Ok(Parent::Missing(relation.attribute.clone()));
                    }
                }
            }
        }
        Ok(Parent::None)
    }

    /// Whether a record cannot be sent for the sake of what it refers to, directly or through others made here.
    pub(super) async fn is_held_back(&mut self, entity: &'a EntitySchema, row: &Row) -> Result<bool> {
        let (mut at, mut seen) = ((entity, row.clone()), BTreeSet::new());
        loop {
            match self.uncut_parent(at.0, &at.1).await? {
                Parent::None => return Ok(false),
                Parent::Held => return Ok(true),
                Parent::Missing(_) => return Ok(true),
                Parent::Dirty(parent, overlay, row) => {
                    if !seen.insert((parent.name.clone(), overlay.key)) {
                        return Ok(false);
                    }
                    at = (parent, row);
                }
            }
        }
    }
}
