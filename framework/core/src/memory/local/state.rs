//! What the database holds, and how it follows a schema.

use crate::error::{Error, Result};
use crate::memory::map::{Areas, Named, OrderedMap};
use crate::record::{Key, Row};
use crate::schema::{EntitySchema, Schema};
use crate::store::local::{Opened, Overlay, RecordState};
use crate::value::{Value, ValueType};
use std::sync::Arc;

/// One committed or coming state of the database; copies share what neither changes.
#[derive(Clone, Default)]
pub(super) struct State {
    pub(super) opened: bool,
    pub(super) tables: Named<Table>,
    pub(super) areas: Areas,
    /// The last edit number given.
    pub(super) edits: u64,
}

/// The rows and overlays of one entity, by the canonical bytes of the local key.
#[derive(Clone)]
pub(super) struct Table {
    pub(super) entity: Arc<EntitySchema>,
    /// Columns behind the entity's attributes: once configured, kept for ever.
    pub(super) unused: Vec<(String, ValueType)>,
    /// Each row holds the attributes, then the unused columns.
    pub(super) rows: OrderedMap<Arc<Row>>,
    pub(super) overlays: OrderedMap<Arc<StoredOverlay>>,
}

/// An overlay; its base is laid out as the table's rows are.
#[derive(Clone)]
pub(super) struct StoredOverlay {
    pub(super) key: Key,
    pub(super) base: Option<Arc<Row>>,
    pub(super) edit: u64,
    pub(super) acknowledged_to: u64,
    pub(super) state: RecordState,
}

impl StoredOverlay {
    /// As [`Overlay::is_waiting`].
    pub(super) fn is_waiting(&self) -> bool {
        self.edit > self.acknowledged_to
    }

    /// As [`Overlay::may_be_sent`].
    pub(super) fn may_be_sent(&self) -> bool {
        self.is_waiting() && self.state.may_be_sent()
    }
}

impl State {
    /// Makes the tables of a schema.
    pub(super) fn open(&mut self, schema: &Schema) -> Result<Opened> {
        let mut opened = Opened {
            created: !self.opened,
            ..Opened::default()
        };
        for entity in &schema.entities {
            let known = self.tables.get(entity.name.as_str());
            if known.is_some_and(|table| *table.entity == *entity) {
                continue;
            }
            let tables = Arc::make_mut(&mut self.tables);
            match tables.get_mut(entity.name.as_str()) {
                Some(table) => {
                    if Arc::make_mut(table).adopt(entity)? {
                        opened.extended.push(entity.name.clone());
                    }
                }
                None => {
                    let table = Table {
                        entity: Arc::new(entity.clone()),
                        unused: Vec::new(),
                        rows: OrderedMap::default(),
                        overlays: OrderedMap::default(),
                    };
                    tables.insert(entity.name.as_str().into(), Arc::new(table));
                }
            }
        }
        self.opened = true;
        Ok(opened)
    }
}

impl Table {
    /// The columns of rows: attributes, then unused ones.
    fn columns(&self) -> Vec<(String, ValueType)> {
        let configured = self.entity.attributes.iter();
        configured
            .map(|attribute| (attribute.name.clone(), attribute.value_type))
            .chain(self.unused.iter().cloned())
            .collect()
    }

    /// The row under a key, to be written over; one of nulls where there is none.
    pub(super) fn row_over(&self, bytes: &[u8]) -> Row {
        match self.rows.get(bytes) {
            Some(found) => Row::clone(found),
            None => vec![Value::Null; self.entity.attributes.len() + self.unused.len()],
        }
    }

    /// Follows another version of the entity; whether it has attributes that the last one had not.
    fn adopt(&mut self, entity: &EntitySchema) -> Result<bool> {
        let before = self.columns();
        let configured = self.entity.attributes.len();
        if self.entity.key != entity.key {
            return Err(Error::unsupported(
                "store_schema",
                format!(
                    "the store has the key {:?}, the configuration {:?}; a table's key cannot change, use another entity name",
                    self.entity.key, entity.key
                ),
            )
            .at(&entity.name));
        }
        let mut sources = Vec::new();
        let mut extended = false;
        for attribute in &entity.attributes {
            let source = before.iter().position(|(name, _)| *name == attribute.name);
            if let Some((_, found)) = source
                .map(|source| &before[source])
                .filter(|(_, found)| *found != attribute.value_type)
            {
                return Err(Error::unsupported(
                    "store_schema",
                    format!(
                        "wanted a column of type {}, found one of type {found}; configure `{found}`, or use another attribute name",
                        attribute.value_type
                    ),
                )
                .at(format!("{}.{}", entity.name, attribute.name)));
            }
            extended |= source.is_none_or(|source| source >= configured);
            sources.push(source);
        }
        let kept = before
            .iter()
            .enumerate()
            .filter(|(_, (name, _))| entity.index_of(name).is_none());
        let (behind, unused): (Vec<_>, Vec<_>) =
            kept.map(|(index, column)| (Some(index), column.clone())).unzip();
        sources.extend(behind);
        if !sources.iter().copied().eq((0..before.len()).map(Some)) {
            self.rearrange(&sources);
        }
        self.unused = unused;
        self.entity = Arc::new(entity.clone());
        Ok(extended)
    }

    /// Lays out all rows anew: for each new place, the old one it takes its value from.
    fn rearrange(&mut self, sources: &[Option<usize>]) {
        let moved = |row: &Row| -> Arc<Row> {
            let values = sources
                .iter()
                .map(|source| source.and_then(|source| row.get(source)).cloned());
            Arc::new(values.map(Option::unwrap_or_default).collect())
        };
        let mut rows = OrderedMap::default();
        for (key, row) in self.rows.iter() {
            rows.insert(key, moved(row));
        }
        let mut overlays = OrderedMap::default();
        for (key, overlay) in self.overlays.iter() {
            let overlay = StoredOverlay {
                base: overlay.base.as_ref().map(|base| moved(base)),
                ..StoredOverlay::clone(overlay)
            };
            overlays.insert(key, Arc::new(overlay));
        }
        self.rows = rows;
        self.overlays = overlays;
    }

    /// A stored row as the entity's attributes.
    pub(super) fn visible(&self, row: &Row) -> Row {
        row.iter().take(self.entity.attributes.len()).cloned().collect()
    }

    /// A row of the entity's attributes as it is stored in the place of another one.
    pub(super) fn stored(&self, row: &Row, replaced: Option<&Arc<Row>>) -> Arc<Row> {
        let mut stored = row.clone();
        match replaced {
            Some(replaced) => stored.extend(replaced.iter().skip(row.len()).cloned()),
            None => stored.resize(row.len() + self.unused.len(), Value::Null),
        }
        Arc::new(stored)
    }

    /// What a caller sees of an overlay.
    pub(super) fn overlay(&self, stored: &StoredOverlay) -> Overlay {
        Overlay {
            key: stored.key.clone(),
            base: stored.base.as_ref().map(|base| self.visible(base)),
            edit: stored.edit,
            acknowledged_to: stored.acknowledged_to,
            state: stored.state,
        }
    }

    /// What tracking does before a row is written: the base is kept, the edit number grows.
    pub(super) fn track(&mut self, bytes: &[u8], key: &Key, edit: u64) {
        let overlay = match self.overlays.get(bytes) {
            Some(overlay) => {
                let counted = crate::mutant!("a-second-edit-is-not-counted", edit, overlay.edit);
                StoredOverlay {
                    edit: counted,
                    ..StoredOverlay::clone(overlay)
                }
            }
            None => StoredOverlay {
                key: key.clone(),
                base: crate::mutant!("the-base-is-not-kept", self.rows.get(bytes).cloned(), None),
                edit,
                acknowledged_to: 0,
                state: RecordState::Waiting,
            },
        };
        self.overlays.insert(bytes, Arc::new(overlay));
    }
}
