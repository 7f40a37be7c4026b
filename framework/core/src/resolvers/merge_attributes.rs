//! `merge-attributes`: what only one side changed is merged; what both changed to different values is left to a person.

use crate::conflict::{Conflict, ConflictResolver, Resolution};
use crate::record::Fields;
use crate::schema::EntitySchema;

/// `merge-attributes`: three-way, per attribute or per group of attributes that travel together.
#[derive(Clone, Copy, Debug, Default)]
pub struct MergeAttributes;

impl ConflictResolver for MergeAttributes {
    fn name(&self) -> &'static str {
        "merge-attributes"
    }

    fn resolve(&self, entity: &EntitySchema, conflict: &Conflict) -> Resolution {
        let (Some(base), Some(mine), Some(theirs)) = (&conflict.base, &conflict.mine, &conflict.theirs)
        else {
            return Resolution::Ask;
        };
        let mut merged = Fields::new();
        for (index, attribute) in entity.attributes.iter().enumerate() {
            if attribute.local {
                continue;
            }
            let group: Vec<&str> = entity
                .together_with(index)
                .into_iter()
                .map(|member| entity.attributes[member].name.as_str())
                .collect();
            let differ =
                |one: &Fields, other: &Fields| group.iter().any(|name| one.value(name) != other.value(name));
            let (here, there) = (differ(mine, base), differ(theirs, base));
            if here && there && differ(mine, theirs) {
                return Resolution::Ask;
            }
            if here && mine.value(&attribute.name) != theirs.value(&attribute.name) {
                merged.set(&attribute.name, mine.value(&attribute.name).clone());
            }
        }
        Resolution::Merge(merged)
    }
}
