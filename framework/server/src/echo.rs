//! What a device has without being told: the records that its own changes left as it expects them.
//!
//! A page of the same answer leaves such a record out as long as its content is still that: whoever changed it since, and back,
//! the device would learn nothing.

use onsync_core::record::{Key, Version};
use onsync_core::rows::RowSet;
use onsync_core::schema::EntitySchema;
use std::collections::HashMap;

/// Versions of records, over the device's columns, by key.
pub(crate) type Held = HashMap<Key, Version>;

/// The records of all entities of a request.
#[derive(Default)]
pub(crate) struct Echo(HashMap<String, Held>);

impl Echo {
    /// Notes what a committed mutation left: with none, the device is to be told.
    pub(crate) fn note(&mut self, entity: &str, key: Key, version: Option<Version>) {
        if !self.0.contains_key(entity) {
            self.0.insert(entity.to_owned(), Held::new());
        }
        let Some(held) = self.0.get_mut(entity) else {
            return;
        };
        match version {
            Some(version) => {
                held.insert(key, version);
            }
            None => {
                held.remove(&key);
            }
        }
    }

    /// Hands out what is known of an entity.
    pub(crate) fn take(&mut self, entity: &str) -> Held {
        self.0.remove(entity).unwrap_or_default()
    }
}

/// Leaves out the rows that the device has.
pub(crate) fn leave_out(rows: &mut RowSet, held: &Held, entity: &EntitySchema, columns: &[usize]) {
    if held.is_empty() || rows.is_empty() {
        return;
    }
    let key_at: Vec<usize> = entity
        .key_indexes()
        .iter()
        .filter_map(|index| columns.iter().position(|column| column == index))
        .collect();
    let names: Vec<&str> = columns
        .iter()
        .filter_map(|index| entity.attributes.get(*index))
        .map(|attribute| attribute.name.as_str())
        .collect();
    let keep: Vec<bool> = (0..rows.len())
        .map(|row| {
            let key = Key(key_at.iter().map(|column| rows.value(row, *column)).collect());
            held.get(&key).is_none_or(|version| {
                let values = rows.row(row);
                *version != Version::of(names.iter().copied().zip(&values))
            })
        })
        .collect();
    rows.retain(&keep);
}
