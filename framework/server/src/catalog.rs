//! The configured entities as the server uses them: each with its pattern, none that is local.

use onsync_core::ValueType;
use onsync_core::error::{Error, Result, list_names};
use onsync_core::family::Families;
use onsync_core::pattern::{SyncPattern, Unit};
use onsync_core::registry::Registry;
use onsync_core::schema::{EntitySchema, Schema};
use onsync_core::wire::EntityRequest;
use std::collections::BTreeMap;
use std::sync::Arc;

/// An entity the server serves.
pub(crate) struct Served {
    /// Its schema.
    pub(crate) entity: EntitySchema,
    /// Its pattern.
    pub(crate) pattern: Arc<dyn SyncPattern>,
    /// Positions of the attributes that travel: what the server reads of a record to decide about it.
    pub(crate) attributes: Vec<usize>,
}

impl Served {
    /// Columns and types of the key: entities on one table that agree in them name its rows alike.
    pub(crate) fn key(&self) -> Vec<(&str, ValueType)> {
        self.entity
            .key_indexes()
            .into_iter()
            .map(|index| &self.entity.attributes[index])
            .map(|attribute| (attribute.column.as_str(), attribute.value_type))
            .collect()
    }
}

/// All of them.
pub(crate) struct Catalog {
    /// The configuration.
    pub(crate) schema: Schema,
    /// The entity families of what is served.
    pub(crate) families: Families,
    served: BTreeMap<String, Arc<Served>>,
}

impl Catalog {
    /// Checks the schema and finds each entity's pattern.
    ///
    /// # Errors
    /// What [`Schema::check`] finds; `unknown_plugin`, placed at the entity.
    pub(crate) fn new(schema: Schema, patterns: &Registry<Arc<dyn SyncPattern>>) -> Result<Self> {
        schema.check()?;
        let mut served = BTreeMap::new();
        for entity in schema.entities.iter().filter(|entity| !entity.local) {
            let pattern = patterns
                .get(&entity.pattern)
                .map_err(|error| error.at(format!("entities.{}.pattern", entity.name)))?;
            let attributes = (0..entity.attributes.len())
                .filter(|index| !entity.attributes[*index].local)
                .collect();
            let one = Served {
                entity: entity.clone(),
                pattern: Arc::clone(pattern),
                attributes,
            };
            served.insert(entity.name.clone(), Arc::new(one));
        }
        let unit = |entity: &EntitySchema| match served.get(&entity.name) {
            Some(served) => served.pattern.unit(),
            None => Unit::Record,
        };
        Ok(Self {
            families: Families::new(&schema, unit),
            schema,
            served,
        })
    }

    /// The entity with that name, if it is served.
    pub(crate) fn find(&self, name: &str) -> Option<&Arc<Served>> {
        self.served.get(name)
    }

    /// All that are served.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Served>> {
        self.served.values()
    }

    /// The schema that is attached: what is served, without entities that never travel.
    pub(crate) fn attached(&self) -> Schema {
        let mut schema = self.schema.clone();
        schema.entities.retain(|entity| !entity.local);
        schema.relations.retain(|relation| {
            self.served.contains_key(&relation.child) && self.served.contains_key(&relation.parent)
        });
        schema
    }

    /// The entity a device asks for, with its column list as positions.
    ///
    /// # Errors
    /// `entity_unavailable`, `pattern_mismatch`, `scope_unsupported`, `invalid_columns`.
    pub(crate) fn resolve(&self, request: &EntityRequest) -> Result<(Arc<Served>, Vec<usize>)> {
        let served = self
            .find(&request.entity)
            .ok_or_else(|| unavailable(&request.entity))?;
        if request.pattern != served.entity.pattern {
            return Err(Error::unsupported(
                "pattern_mismatch",
                format!(
                    "`{}` is synced by pattern `{}` here, but the device asks for another one; give both sides the same configuration",
                    request.entity, served.entity.pattern
                ),
            ));
        }
        if !request.scope.is_empty() {
            return Err(Error::unsupported(
                "scope_unsupported",
                format!(
                    "`{}` has no scope here, but the device names a scope value",
                    request.entity
                ),
            ));
        }
        Ok((Arc::clone(served), columns(&served.entity, &request.columns)?))
    }
}

/// A name from outside as it may stand in messages and logs.
pub(crate) fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(128).collect()
}

/// The one answer for an entity that does not exist and for one this user may not read.
pub(crate) fn unavailable(name: &str) -> Error {
    let shown: String = name.chars().filter(|c| !c.is_control()).take(128).collect();
    Error::unsupported(
        "entity_unavailable",
        format!(
            "entity `{shown}` is not available here; check its name in the configuration and the user's rights"
        ),
    )
}

fn columns(entity: &EntitySchema, names: &[String]) -> Result<Vec<usize>> {
    let known = || list_names(entity.columns());
    let invalid = |what: String| {
        Error::unsupported(
            "invalid_columns",
            format!("{what}; `{}` has: {}", entity.name, known()),
        )
    };
    let mut positions = Vec::with_capacity(names.len().min(entity.attributes.len()));
    for name in names {
        let index = entity
            .index_of(name)
            .filter(|index| !entity.attributes[*index].local)
            .ok_or_else(|| {
                let shown = shown(name);
                invalid(format!(
                    "the device asks for a column `{shown}` that is not configured here"
                ))
            })?;
        if positions.contains(&index) {
            return Err(invalid("the device asks for a column twice".to_owned()));
        }
        positions.push(index);
    }
    match entity.key_indexes().iter().all(|index| positions.contains(index)) {
        true => Ok(positions),
        false => Err(invalid(format!(
            "the device's columns lack a part of the key ({})",
            list_names(&entity.key)
        ))),
    }
}
