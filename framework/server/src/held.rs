//! What waits for a mutation that is to be sent again: it waits too, instead of being refused or applied out of turn.

use crate::request::Item;
use onsync_core::Key;
use onsync_core::record::RecordName;
use onsync_core::schema::Schema;
use std::collections::BTreeSet;
use uuid::Uuid;

/// The mutations of a request that are to be sent again, and the records they are about.
#[derive(Default)]
pub(crate) struct Held {
    ids: BTreeSet<Uuid>,
    records: BTreeSet<(String, Key)>,
}

impl Held {
    /// Adds a mutation.
    pub(crate) fn add(&mut self, item: &Item) {
        self.ids.insert(item.mutation.id);
        if let RecordName::Key(key) = &item.mutation.record {
            self.records.insert((item.mutation.entity.clone(), key.clone()));
        }
    }

    /// Whether a mutation is about the record of one of them, or refers to it.
    pub(crate) fn holds(&self, item: &Item, schema: &Schema) -> bool {
        if self.ids.is_empty() {
            return false;
        }
        let mutation = &item.mutation;
        let record = |entity: &str, key: Key| self.records.contains(&(entity.to_owned(), key));
        let own = match &mutation.record {
            RecordName::Created(id) => self.ids.contains(id),
            RecordName::Key(key) => record(&mutation.entity, key.clone()),
        };
        own || mutation
            .references
            .iter()
            .any(|reference| self.ids.contains(&reference.created))
            || schema.parents_of(&mutation.entity).any(|relation| {
                let value = mutation.values.value(&relation.attribute);
                !value.is_null() && record(&relation.parent, Key(vec![value.clone()]))
            })
    }
}
