//! Whether a schema is what the rest of the code relies on.

use super::{EntitySchema, Ids, OnDelete, Relation, Schema};
use crate::error::{Error, Result};
use crate::value::ValueType;

impl Schema {
    /// Checks everything the rest of the code relies on: unique names, keys that exist and may be keys, relations
    /// between existing entities and matching types, no cycles.
    ///
    /// # Errors
    /// The first fault, placed at its configuration key.
    pub fn check(&self) -> Result<()> {
        for (index, entity) in self.entities.iter().enumerate() {
            if self.entities[..index]
                .iter()
                .any(|other| other.name == entity.name)
            {
                return Err(
                    Error::unsupported("duplicate_entity", "this entity is configured twice")
                        .at(format!("entities.{}", entity.name)),
                );
            }
            check_entity(entity).map_err(|error| error.at(format!("entities.{}", entity.name)))?;
        }
        for relation in &self.relations {
            self.check_relation(relation)
                .map_err(|error| error.at(format!("relations.{}", relation.name)))?;
        }
        self.parents_first().map(|_| ())
    }

    fn check_relation(&self, relation: &Relation) -> Result<()> {
        let child = self.entity(&relation.child).map_err(|error| error.at("child"))?;
        let parent = self
            .entity(&relation.parent)
            .map_err(|error| error.at("parent"))?;
        let index = child
            .require(&relation.attribute)
            .map_err(|error| error.at("attribute"))?;
        if relation.on_delete == OnDelete::SetNull && child.is_key(index) {
            return Err(Error::unsupported(
                "relation_set_null",
                format!(
                    "`{}` is part of the key of `{}` and cannot become null; use \"restrict\" or \"cascade\"",
                    relation.attribute, child.name
                ),
            )
            .at("on_delete"));
        }
        let found = child.attributes[index].value_type;
        match parent.key_types().as_slice() {
            [wanted] if *wanted == found => Ok(()),
            [wanted] => Err(Error::unsupported(
                "relation_type",
                format!(
                    "`{}.{}` is {found}, but the key of `{}` is {wanted}; declare both alike",
                    child.name, relation.attribute, parent.name
                ),
            )),
            _ => Err(Error::unsupported(
                "relation_composite",
                format!(
                    "`{}` has a key of several attributes; a relation needs a parent with one",
                    parent.name
                ),
            )),
        }
    }
}

fn check_name(what: &str, name: &str) -> Result<()> {
    let fine = !name.is_empty()
        && name.len() <= 128
        && !name.starts_with("_onsync_")
        && !name.chars().any(|c| c.is_control() || c == '"');
    if fine {
        return Ok(());
    }
    Err(Error::unsupported(
        "invalid_name",
        format!(
            "{what} {name:?}: wanted 1 to 128 characters without quotes or control characters, not starting with `_onsync_`"
        ),
    ))
}

fn check_entity(entity: &EntitySchema) -> Result<()> {
    check_name("entity name", &entity.name)?;
    check_name("source", &entity.source)?;
    for (index, attribute) in entity.attributes.iter().enumerate() {
        check_name("attribute name", &attribute.name)?;
        check_name("column", &attribute.column)?;
        if entity.attributes[..index]
            .iter()
            .any(|other| other.name.eq_ignore_ascii_case(&attribute.name))
        {
            return Err(Error::unsupported(
                "duplicate_attribute",
                "attribute names differ by more than case; this one stands twice",
            )
            .at(format!("attributes.{}", attribute.name)));
        }
    }
    if entity.key.is_empty() {
        return Err(Error::unsupported(
            "missing_key",
            "an entity needs `key`: the attribute, or list of attributes, that names a record",
        )
        .at("key"));
    }
    for name in &entity.key {
        let attribute = &entity.attributes[entity.require(name).map_err(|error| error.at("key"))?];
        if !attribute.value_type.may_be_key() || attribute.local {
            return Err(Error::unsupported(
                "invalid_key",
                format!("`{name}` is {}, which cannot name records; use boolean, integer, text, date, timestamp, uuid or bytes that travel", attribute.value_type),
            )
            .at("key"));
        }
    }
    for list in entity.indexes.iter().chain(&entity.together) {
        for name in list {
            entity
                .require(name)
                .map_err(|error| error.at("indexes or together"))?;
        }
    }
    if let Some(name) = &entity.latest_by {
        let attribute = &entity.attributes[entity.require(name).map_err(|error| error.at("latest_by"))?];
        if attribute.local {
            return Err(Error::unsupported(
                "invalid_latest_by",
                format!("`{name}` is local, so the server has no value of it to compare; name an attribute that travels"),
            )
            .at("latest_by"));
        }
    }
    let serverish = matches!(
        entity.key_types().as_slice(),
        [ValueType::Integer | ValueType::Text | ValueType::Uuid]
    );
    if entity.ids == Ids::Server && !serverish {
        return Err(Error::unsupported(
            "invalid_ids",
            "`ids = \"server\"` needs a key of one attribute of type integer, text or uuid; use `ids = \"client\"`",
        )
        .at("ids"));
    }
    Ok(())
}
