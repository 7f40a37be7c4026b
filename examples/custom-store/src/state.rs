//! What the database holds: ordered maps, as they stand in the file.

use onsync_core::page::KeyRange;
use onsync_core::schema::{EntitySchema, Schema};
use onsync_core::store::local::{FIRST_LOCAL_INTEGER, Opened, Overlay, RecordState};
use onsync_core::{Error, Fields, Key, Result, Row, ValueType};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// One committed or coming state.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct State {
    /// Grows by one with each commit, from a random number on; zero before the first opening.
    pub(crate) commits: u64,
    /// The last edit number given, over all entities.
    pub(crate) edits: u64,
    pub(crate) tables: BTreeMap<String, Table>,
    pub(crate) areas: BTreeMap<String, BTreeMap<ByteBuf, ByteBuf>>,
}

/// The rows and overlays of one entity. Rows are by attribute name: what is not configured any more stays where it is.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Table {
    key: Vec<String>,
    columns: BTreeMap<String, ValueType>,
    configured: BTreeSet<String>,
    /// The next integer key made here, under `ids = "server"`.
    pub(crate) next_integer: i64,
    pub(crate) rows: BTreeMap<Key, Fields>,
    pub(crate) overlays: BTreeMap<Key, Kept>,
}

/// An overlay as it is stored; its key is the map's.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) base: Option<Fields>,
    pub(crate) edit: u64,
    pub(crate) acknowledged_to: u64,
    pub(crate) state: String,
}

/// A stored row in the order of the entity's attributes; null where it has none.
pub(crate) fn row_of(entity: &EntitySchema, fields: &Fields) -> Row {
    let attributes = entity.attributes.iter();
    attributes
        .map(|attribute| fields.value(&attribute.name).clone())
        .collect()
}

/// Writes a row over a stored one.
pub(crate) fn set_row(entity: &EntitySchema, fields: &mut Fields, row: &Row) {
    for (attribute, value) in entity.attributes.iter().zip(row) {
        fields.set(&attribute.name, value.clone());
    }
}

/// The entries whose key lies in the range, in key order.
pub(crate) fn within<'a, V>(
    map: &'a BTreeMap<Key, V>,
    range: &'a KeyRange,
) -> impl Iterator<Item = (&'a Key, &'a V)> {
    let behind = range.after.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
    map.range((behind, Bound::Unbounded))
        .take_while(|(key, _)| range.to.as_ref().is_none_or(|to| *key <= to))
}

impl Kept {
    pub(crate) fn overlay(&self, entity: &EntitySchema, key: &Key) -> Overlay {
        Overlay {
            key: key.clone(),
            base: self.base.as_ref().map(|base| row_of(entity, base)),
            edit: self.edit,
            acknowledged_to: self.acknowledged_to,
            state: RecordState::from_name(&self.state).unwrap_or(RecordState::Waiting),
        }
    }
}

impl State {
    /// Makes or extends the tables of a schema.
    pub(crate) fn adopt(&mut self, schema: &Schema) -> Result<Opened> {
        let mut opened = Opened {
            created: self.commits == 0,
            ..Opened::default()
        };
        for entity in &schema.entities {
            match self.tables.get_mut(&entity.name) {
                Some(table) => {
                    if table.adopt(entity)? {
                        opened.extended.push(entity.name.clone());
                    }
                }
                None => {
                    self.tables.insert(entity.name.clone(), Table::new(entity));
                }
            }
        }
        Ok(opened)
    }
}

fn columns(entity: &EntitySchema) -> BTreeMap<String, ValueType> {
    let attributes = entity.attributes.iter();
    attributes
        .map(|attribute| (attribute.name.clone(), attribute.value_type))
        .collect()
}

fn in_the_way(entity: &EntitySchema, what: String) -> Error {
    Error::unsupported("store_schema", what).at(&entity.name)
}

impl Table {
    fn new(entity: &EntitySchema) -> Self {
        let columns = columns(entity);
        Self {
            key: entity.key.clone(),
            configured: columns.keys().cloned().collect(),
            columns,
            next_integer: FIRST_LOCAL_INTEGER,
            rows: BTreeMap::new(),
            overlays: BTreeMap::new(),
        }
    }

    /// Refuses an entity whose columns or key are other ones.
    pub(crate) fn check(&self, entity: &EntitySchema) -> Result<()> {
        for (name, wanted) in columns(entity) {
            match self.columns.get(&name) {
                Some(found) if *found == wanted => {}
                found => {
                    let found = found.map_or("none", |found| found.as_str());
                    let what = format!(
                        "wanted a column `{name}` of type {wanted}, found {found}; open the store with this schema, or use another attribute name"
                    );
                    return Err(in_the_way(entity, what));
                }
            }
        }
        if self.key == entity.key {
            return Ok(());
        }
        let what = format!(
            "the store has the key {:?}, the configuration {:?}; a table's key cannot change, use another entity name",
            self.key, entity.key
        );
        Err(in_the_way(entity, what))
    }

    /// Follows another version of the entity; whether it has attributes that the last one had not.
    fn adopt(&mut self, entity: &EntitySchema) -> Result<bool> {
        let wanted = columns(entity);
        let configured: BTreeSet<String> = wanted.keys().cloned().collect();
        for (name, value_type) in wanted {
            self.columns.entry(name).or_insert(value_type);
        }
        self.check(entity)?;
        let extended = !configured.is_subset(&self.configured);
        self.configured = configured;
        Ok(extended)
    }

    /// What comes before the app changes a row: its base is kept once, its edit number is a new one.
    pub(crate) fn track(&mut self, key: &Key, edit: u64) {
        let rows = &self.rows;
        let overlay = self.overlays.entry(key.clone()).or_insert_with(|| Kept {
            base: rows.get(key).cloned(),
            edit,
            acknowledged_to: 0,
            state: RecordState::Waiting.as_str().to_owned(),
        });
        overlay.edit = edit;
    }
}
