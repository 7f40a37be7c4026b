//! What waits for another mutation of its request, instead of being refused or applied out of turn: for one that is to be sent again, and for a
//! create that ended in a conflict.

use crate::request::Item;
use onsync_core::Key;
use onsync_core::mutation::{MutationKind, Outcome};
use onsync_core::record::RecordName;
use onsync_core::schema::Schema;
use std::collections::BTreeSet;
use uuid::Uuid;

/// Mutations of a request and the records they are about.
#[derive(Clone, Default)]
pub(crate) struct Named {
    ids: BTreeSet<Uuid>,
    records: BTreeSet<(String, Key)>,
}

impl Named {
    fn add(&mut self, item: &Item) {
        self.ids.insert(item.mutation.id);
        if let RecordName::Key(key) = &item.mutation.record {
            self.records.insert((item.mutation.entity.clone(), key.clone()));
        }
    }

    /// Adds a create that ended in a conflict: there is a record of that key, and not the one that was made.
    pub(crate) fn add_conflict(&mut self, item: &Item, outcome: &Outcome) {
        if matches!(outcome, Outcome::Conflict { .. }) && item.mutation.kind == MutationKind::Create {
            self.add(item);
        }
    }

    fn has(&self, entity: &str, key: &Key) -> bool {
        self.records.contains(&(entity.to_owned(), key.clone()))
    }

    /// Whether a mutation is about the record of one of them.
    fn is_named_by(&self, item: &Item) -> bool {
        match &item.mutation.record {
            RecordName::Created(id) => self.ids.contains(id),
            RecordName::Key(key) => self.has(&item.mutation.entity, key),
        }
    }

    /// The attribute by which a mutation refers to the record of one of them.
    pub(crate) fn referred_to_by<'a>(&self, item: &'a Item, schema: &'a Schema) -> Option<&'a str> {
        if self.ids.is_empty() {
            return None;
        }
        let mutation = &item.mutation;
        let mut references = mutation.references.iter();
        if let Some(found) = references.find(|reference| self.ids.contains(&reference.created)) {
            return Some(&found.attribute);
        }
        let mut relations = schema.parents_of(&mutation.entity);
        let found = relations.find(|relation| {
            let value = mutation.values.value(&relation.attribute);
            !value.is_null() && self.has(&relation.parent, &Key(vec![value.clone()]))
        });
        found.map(|relation| relation.attribute.as_str())
    }
}

/// What other mutations of a request wait for.
#[derive(Default)]
pub(crate) struct Held {
    /// Mutations that are to be sent again.
    waiting: Named,
    /// Creates that ended in a conflict.
    pub(crate) conflicts: Named,
}

impl Held {
    /// Adds a mutation that is to be sent again.
    pub(crate) fn add(&mut self, item: &Item) {
        self.waiting.add(item);
    }

    /// Whether a mutation is about the record of one that is to be sent again, or refers to it.
    pub(crate) fn holds(&self, item: &Item, schema: &Schema) -> bool {
        !self.waiting.ids.is_empty()
            && (self.waiting.is_named_by(item) || self.waiting.referred_to_by(item, schema).is_some())
    }
}
