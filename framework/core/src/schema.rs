//! What syncs: entities, their attributes and relations, as plain values.
//!
//! The engine and the server build a [`Schema`] from configuration and [`check`](Schema::check) it once; everything
//! after that may rely on what `check` promises.

mod check;

use crate::error::{Error, Result, list_names};
use crate::ordered::{BTreeMap, BTreeSet};
use crate::record::{Fields, Key, Row, unknown_entity};
use crate::value::{Value, ValueType};
use serde::{Deserialize, Serialize};

/// Who issues the keys of new records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ids {
    /// The device: a UUID, or a key whose parts the app knows.
    #[default]
    Client,
    /// The server's database, when the create arrives there. One-column keys of type integer, text or uuid.
    Server,
}

/// What happens to local writes under a read-only pattern.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LocalEdits {
    /// They are refused.
    #[default]
    Refuse,
    /// They stay until the record next arrives, and are then in the bin.
    Keep,
}

/// What deleting a parent does to its children.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnDelete {
    /// Refused while there are children.
    #[default]
    Restrict,
    /// The children are deleted too.
    Cascade,
    /// The children's reference becomes null.
    SetNull,
}

/// What open conflicts hold back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnPendingConflicts {
    /// The entity with its entity family: it neither pushes nor pulls until they are resolved.
    #[default]
    Abort,
    /// Only the conflicting records.
    Continue,
}

/// One attribute of an entity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribute {
    /// The name on the device, on the wire and in the API.
    pub name: String,
    /// The declared type.
    pub value_type: ValueType,
    /// The column of the server table; the name unless configured otherwise.
    pub column: String,
    /// Never travels.
    #[serde(default)]
    pub local: bool,
}

impl Attribute {
    /// An attribute whose column has the same name.
    pub fn new(name: impl Into<String>, value_type: ValueType) -> Self {
        let name = name.into();
        Self {
            column: name.clone(),
            name,
            value_type,
            local: false,
        }
    }
}

/// Rows of the server table that count as deleted for devices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SoftDelete {
    /// The server column that says so.
    pub column: String,
    /// The value that means deleted; of type boolean, integer or text.
    pub value: Value,
}

/// One synced entity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntitySchema {
    /// The name on the device, on the wire and in the API.
    pub name: String,
    /// The table of the server database.
    pub source: String,
    /// The pattern's name.
    pub pattern: String,
    /// The names of the key attributes, in key order.
    pub key: Vec<String>,
    /// Who issues keys.
    pub ids: Ids,
    /// The attributes, key attributes included. Rows are aligned with this list.
    pub attributes: Vec<Attribute>,
    /// Indexes of the local table, each a list of attribute names.
    pub indexes: Vec<Vec<String>>,
    /// Groups of attributes that travel, win, lose and conflict as one.
    pub together: Vec<Vec<String>>,
    /// Rows that count as deleted.
    pub soft_delete: Option<SoftDelete>,
    /// Local writes under a read-only pattern.
    pub local_edits: LocalEdits,
    /// The attribute that the resolver `latest-wins` compares.
    #[serde(default)]
    pub latest_by: Option<String>,
    /// What open conflicts hold back.
    #[serde(default)]
    pub on_pending_conflicts: OnPendingConflicts,
    /// Never travels: the local table is the app's alone.
    pub local: bool,
    /// Local stores refuse the app's writes: set by the engine for read-only patterns under [`LocalEdits::Refuse`].
    pub refuse_local_writes: bool,
}

impl EntitySchema {
    /// An entity named like its server table, with client ids and nothing special.
    pub fn new(
        name: impl Into<String>,
        pattern: impl Into<String>,
        key: &[&str],
        attributes: Vec<Attribute>,
    ) -> Self {
        let name = name.into();
        Self {
            source: name.clone(),
            name,
            pattern: pattern.into(),
            key: key.iter().map(|name| (*name).to_owned()).collect(),
            ids: Ids::default(),
            attributes,
            indexes: Vec::new(),
            together: Vec::new(),
            soft_delete: None,
            local_edits: LocalEdits::default(),
            latest_by: None,
            on_pending_conflicts: OnPendingConflicts::default(),
            local: false,
            refuse_local_writes: false,
        }
    }

    /// The position of an attribute in rows.
    pub fn index_of(&self, attribute: &str) -> Option<usize> {
        self.attributes
            .iter()
            .position(|candidate| candidate.name == attribute)
    }

    /// The position of an attribute in rows.
    ///
    /// # Errors
    /// `unknown_attribute`, listing the known ones.
    pub fn require(&self, attribute: &str) -> Result<usize> {
        self.index_of(attribute).ok_or_else(|| {
            Error::rejected(
                "unknown_attribute",
                format!(
                    "entity `{}` has no attribute `{attribute}`; configured: {}",
                    self.name,
                    list_names(self.attributes.iter().map(|attribute| &attribute.name))
                ),
            )
        })
    }

    /// The positions of the key attributes in rows, in key order.
    pub fn key_indexes(&self) -> Vec<usize> {
        self.key_places().collect()
    }

    fn key_places(&self) -> impl Iterator<Item = usize> {
        self.key.iter().filter_map(|name| self.index_of(name))
    }

    /// The types of the key attributes, in key order.
    pub fn key_types(&self) -> Vec<ValueType> {
        self.key_places()
            .map(|index| self.attributes[index].value_type)
            .collect()
    }

    /// Whether the attribute at this position is part of the key.
    pub fn is_key(&self, index: usize) -> bool {
        self.attributes
            .get(index)
            .is_some_and(|attribute| self.key.contains(&attribute.name))
    }

    /// The key of a row of this entity.
    pub fn key_of(&self, row: &[Value]) -> Key {
        Key(self
            .key_places()
            .map(|index| row.get(index).cloned().unwrap_or_default())
            .collect())
    }

    /// Names of the attributes that travel, in row order: the column list of requests and versions.
    pub fn columns(&self) -> Vec<String> {
        self.attributes
            .iter()
            .filter(|attribute| !attribute.local)
            .map(|attribute| attribute.name.clone())
            .collect()
    }

    /// Whether two rows agree in every attribute that travels.
    pub fn agree(&self, a: &[Value], b: &[Value]) -> bool {
        self.attributes
            .iter()
            .enumerate()
            .all(|(index, attribute)| attribute.local || a.get(index) == b.get(index))
    }

    /// A row as named fields.
    pub fn fields(&self, row: Row) -> Fields {
        self.attributes
            .iter()
            .zip(row)
            .map(|(attribute, value)| (attribute.name.clone(), value))
            .collect()
    }

    /// Named fields as a full row; attributes that are not set are null.
    ///
    /// # Errors
    /// `unknown_attribute`, `invalid_value`.
    pub fn row(&self, fields: &Fields) -> Result<Row> {
        let mut row = vec![Value::Null; self.attributes.len()];
        for (name, value) in fields.iter() {
            let index = self.require(name)?;
            value
                .check(self.attributes[index].value_type)
                .map_err(|error| error.at(format!("{}.{name}", self.name)))?;
            row[index] = value.clone();
        }
        Ok(row)
    }

    /// The positions that travel together with this one, itself included.
    pub fn together_with(&self, index: usize) -> Vec<usize> {
        let name = self
            .attributes
            .get(index)
            .map(|attribute| attribute.name.as_str())
            .unwrap_or_default();
        self.together
            .iter()
            .find(|group| group.iter().any(|member| member == name))
            .map(|group| group.iter().filter_map(|member| self.index_of(member)).collect())
            .unwrap_or_else(|| vec![index])
    }
}

/// A reference from a child's attribute to the key of a parent entity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relation {
    /// The name in configuration.
    pub name: String,
    /// The entity that refers.
    pub child: String,
    /// The attribute that refers.
    pub attribute: String,
    /// The entity referred to; its key has one attribute.
    pub parent: String,
    /// What deleting the parent does.
    pub on_delete: OnDelete,
}

/// All entities and relations of one configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schema {
    /// The entities, in the order of the configuration.
    pub entities: Vec<EntitySchema>,
    /// The relations.
    pub relations: Vec<Relation>,
}

impl Schema {
    /// The entity with that name.
    ///
    /// # Errors
    /// `unknown_entity`, listing the known ones.
    pub fn entity(&self, name: &str) -> Result<&EntitySchema> {
        self.entities
            .iter()
            .find(|entity| entity.name == name)
            .ok_or_else(|| unknown_entity(name, self.entities.iter().map(|entity| entity.name.as_str())))
    }

    /// The relations in which this entity is the child.
    pub fn parents_of<'a>(&'a self, child: &'a str) -> impl Iterator<Item = &'a Relation> {
        self.relations
            .iter()
            .filter(move |relation| relation.child == child)
    }

    /// The relations in which this entity is the parent.
    pub fn children_of<'a>(&'a self, parent: &'a str) -> impl Iterator<Item = &'a Relation> {
        self.relations
            .iter()
            .filter(move |relation| relation.parent == parent)
    }

    /// The entity family of an entity: itself and every entity joined to it by relations, near or far.
    pub fn family_of(&self, entity: &str) -> BTreeSet<String> {
        let mut family = BTreeSet::from([entity.to_owned()]);
        let mut queue = vec![entity.to_owned()];
        while let Some(name) = queue.pop() {
            for relation in &self.relations {
                let other = match (relation.child == name, relation.parent == name) {
                    (true, _) => &relation.parent,
                    (_, true) => &relation.child,
                    (false, false) => continue,
                };
                if family.insert(other.clone()) {
                    queue.push(other.clone());
                }
            }
        }
        family
    }

    /// Entity names with parents before their children; self references are no obstacle.
    ///
    /// # Errors
    /// `relation_cycle`, naming the cycle.
    pub fn parents_first(&self) -> Result<Vec<String>> {
        let mut done: BTreeMap<&str, bool> = BTreeMap::new();
        let mut order = Vec::new();
        for entity in &self.entities {
            let mut path = Vec::new();
            self.visit(&entity.name, &mut done, &mut order, &mut path)?;
        }
        Ok(order)
    }

    fn visit<'a>(
        &'a self,
        name: &'a str,
        done: &mut BTreeMap<&'a str, bool>,
        order: &mut Vec<String>,
        path: &mut Vec<&'a str>,
    ) -> Result<()> {
        match done.get(name) {
            Some(true) => return Ok(()),
            Some(false) => {
                path.push(name);
                return Err(Error::unsupported(
                    "relation_cycle",
                    format!(
                        "entities refer to each other in a circle: {}; remove one of these relations",
                        path.join(" → ")
                    ),
                ));
            }
            None => {}
        }
        done.insert(name, false);
        path.push(name);
        for relation in self.parents_of(name).filter(|relation| relation.parent != name) {
            self.visit(&relation.parent, done, order, path)?;
        }
        path.pop();
        done.insert(name, true);
        order.push(name.to_owned());
        Ok(())
    }
}
