//! How the rows of each entity lie in the database, and how that follows a schema.
//!
//! A row is stored as the canonical bytes of its columns, one after the other. Columns are only ever appended: a row written before
//! a column was added is shorter, and the column null in it. So nothing is rewritten when an app gains attributes, and what
//! is configured no more is kept.

use onsync_core::ordered::BTreeMap;
use onsync_core::schema::{EntitySchema, Schema};
use onsync_core::value::{canonical_bytes, decode_canonical};
use onsync_core::{Error, Result, Row, Value, ValueType};
use serde::{Deserialize, Serialize};

/// Bytes under keys: areas, by the area's name.
pub(crate) const AREAS: &str = "areas";
/// What the store knows of itself.
pub(crate) const META: &str = "meta";
/// What commits overwrote while somebody was reading.
pub(crate) const UNDO: &str = "undo";

/// In [`META`]: the layout, as JSON.
pub(crate) const LAYOUT: &[u8] = b"layout";
/// In [`META`]: random bytes made with the database.
pub(crate) const BIRTH: &[u8] = b"birth";
/// In [`META`]: the number of commits.
pub(crate) const COMMITS: &[u8] = b"commits";
/// In [`META`]: the last edit number given.
pub(crate) const EDITS: &[u8] = b"edits";

/// The object store of an entity's rows.
pub(crate) fn rows_store(entity: &str) -> String {
    format!("rows:{entity}")
}

/// The object store of an entity's overlays.
pub(crate) fn overlays_store(entity: &str) -> String {
    format!("overlays:{entity}")
}

/// Where an entity's next local integer key stands in [`META`].
pub(crate) fn next_key(entity: &str) -> Vec<u8> {
    format!("next:{entity}").into_bytes()
}

/// The property of a stored row that holds the key of an index.
pub(crate) fn index_property(index: usize) -> String {
    format!("i{index}")
}

/// All entities that were ever configured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Layout {
    pub(crate) entities: BTreeMap<String, Table>,
}

/// One entity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Table {
    /// The key attributes, in key order.
    pub(crate) key: Vec<String>,
    /// What rows hold, in this order.
    pub(crate) columns: Vec<Column>,
    /// The attributes that were configured when the store was last opened.
    configured: Vec<String>,
    /// The attributes of each index. An index is named by its place here.
    pub(crate) indexes: Vec<Vec<String>>,
}

/// One column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) value_type: ValueType,
}

impl Layout {
    /// The layout that follows from this one under a schema, and the entities that gained attributes.
    pub(crate) fn adopt(&self, schema: &Schema) -> Result<(Self, Vec<String>)> {
        let mut layout = self.clone();
        let mut extended = Vec::new();
        for entity in &schema.entities {
            let known = layout.entities.contains_key(&entity.name);
            let table = layout
                .entities
                .entry(entity.name.clone())
                .or_insert_with(|| Table {
                    key: entity.key.clone(),
                    columns: Vec::new(),
                    configured: Vec::new(),
                    indexes: Vec::new(),
                });
            if table.adopt(entity, schema)? && known {
                extended.push(entity.name.clone());
            }
        }
        Ok((layout, extended))
    }

    pub(crate) fn table(&self, entity: &str) -> Result<&Table> {
        self.entities.get(entity).ok_or_else(|| {
            Error::unsupported(
                "store_schema",
                "the database has no table for this entity; open the store with the schema in use",
            )
            .at(entity)
        })
    }
}

impl Table {
    /// Follows an entity; whether it has attributes that were not configured before.
    fn adopt(&mut self, entity: &EntitySchema, schema: &Schema) -> Result<bool> {
        if self.key != entity.key {
            return Err(Error::unsupported(
                "store_schema",
                format!(
                    "the store has the key {:?}, the configuration {:?}; a table's key cannot change, use another entity name",
                    self.key, entity.key
                ),
            )
            .at(&entity.name));
        }
        let mut extended = false;
        for attribute in &entity.attributes {
            match self.columns.iter().find(|column| column.name == attribute.name) {
                Some(column) if column.value_type != attribute.value_type => {
                    return Err(Error::unsupported(
                        "store_schema",
                        format!(
                            "wanted a column of type {}, found one of type {found}; configure `{found}`, or use another attribute name",
                            attribute.value_type,
                            found = column.value_type
                        ),
                    )
                    .at(format!("{}.{}", entity.name, attribute.name)));
                }
                Some(_) => {}
                None => self.columns.push(Column {
                    name: attribute.name.clone(),
                    value_type: attribute.value_type,
                }),
            }
            extended |= !self.configured.contains(&attribute.name);
        }
        self.configured = entity
            .attributes
            .iter()
            .map(|attribute| attribute.name.clone())
            .collect();
        let relations = schema
            .parents_of(&entity.name)
            .map(|relation| vec![relation.attribute.clone()]);
        for index in entity.indexes.iter().cloned().chain(relations) {
            if !self.indexes.contains(&index) {
                self.indexes.push(index);
            }
        }
        Ok(extended)
    }

    /// For each attribute of the entity, its column.
    pub(crate) fn places(&self, entity: &EntitySchema) -> Result<Vec<usize>> {
        let place = |name: &str| self.columns.iter().position(|column| column.name == name);
        entity
            .attributes
            .iter()
            .map(|attribute| {
                place(&attribute.name).ok_or_else(|| {
                    Error::unsupported(
                        "store_schema",
                        format!(
                            "the database has no column `{}`; open the store with the schema in use",
                            attribute.name
                        ),
                    )
                    .at(&entity.name)
                })
            })
            .collect()
    }

    /// The keys of all indexes for a stored row.
    pub(crate) fn index_keys(&self, stored: &[Value]) -> Vec<Vec<u8>> {
        let of = |name: &String| {
            let place = self.columns.iter().position(|column| column.name == *name);
            place
                .and_then(|place| stored.get(place))
                .cloned()
                .unwrap_or_default()
        };
        self.indexes
            .iter()
            .map(|index| canonical_bytes(&index.iter().map(of).collect::<Vec<_>>()))
            .collect()
    }
}

/// Rows of one entity between their stored form and that of the schema.
pub(crate) struct Form {
    places: Vec<usize>,
    width: usize,
}

impl Form {
    pub(crate) fn new(table: &Table, entity: &EntitySchema) -> Result<Self> {
        Ok(Self {
            places: table.places(entity)?,
            width: table.columns.len(),
        })
    }

    /// Whether a row of these attributes says everything about a stored row.
    pub(crate) fn is_whole(&self, attributes: usize) -> bool {
        attributes == self.width
    }

    /// The stored columns of bytes; missing ones are null.
    pub(crate) fn stored(&self, bytes: &[u8]) -> Result<Row> {
        let mut stored = decode_canonical(bytes)?;
        if stored.len() < self.width {
            stored.resize(self.width, Value::Null);
        }
        Ok(stored)
    }

    /// Stored columns without any value.
    pub(crate) fn empty(&self) -> Row {
        vec![Value::Null; self.width]
    }

    /// The column of an attribute.
    pub(crate) fn place(&self, attribute: usize) -> usize {
        self.places[attribute]
    }

    /// The row an app sees.
    pub(crate) fn visible(&self, bytes: &[u8]) -> Result<Row> {
        let mut stored = self.stored(bytes)?;
        Ok(self
            .places
            .iter()
            .map(|place| std::mem::take(&mut stored[*place]))
            .collect())
    }

    /// The bytes of a row; columns that are not configured keep what `before` holds.
    pub(crate) fn bytes(&self, row: &Row, before: Option<&[u8]>) -> Result<Vec<u8>> {
        let mut stored = match before {
            Some(before) => self.stored(before)?,
            None => self.empty(),
        };
        for (place, value) in self.places.iter().zip(row) {
            stored[*place] = value.clone();
        }
        Ok(canonical_bytes(&stored))
    }
}
