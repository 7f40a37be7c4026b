//! Entities and relations of a configuration as a schema.

use super::keys::find;
use super::node::Node;
use super::read::Reader;
use onsync_core::schema::{
    Attribute, EntitySchema, Ids, LocalEdits, OnDelete, OnPendingConflicts, Relation, Schema, SoftDelete,
};
use onsync_core::value::ValueType;
use onsync_core::{Error, Result, Value};

/// The pattern word of entities that never travel.
pub(crate) const NO_PATTERN: &str = "local";

/// Reads the schema; what it says is checked by [`check`].
pub(crate) fn schema(reader: &Reader<'_>) -> Result<Schema> {
    let mut schema = Schema::default();
    for name in reader.names(&["entities"]) {
        schema.entities.push(entity(reader, &name)?);
    }
    for name in reader.names(&["relations"]) {
        schema.relations.push(relation(reader, &name)?);
    }
    Ok(schema)
}

/// Checks that what the schema names exists and fits.
pub(crate) fn check(reader: &Reader<'_>, schema: &Schema) -> Result<()> {
    schema.check().map_err(|error| placed(reader, schema, error))
}

fn entity(reader: &Reader<'_>, name: &str) -> Result<EntitySchema> {
    let at = |key: &'static str| ["entities", name, key];
    let local = reader.boolean(&at("local"));
    let pattern = if local && reader.text(&at("pattern")).is_none() {
        NO_PATTERN.to_owned()
    } else {
        reader.required(&at("pattern"), "\"read-only\"")?
    };
    let attributes = reader
        .names(&at("attributes"))
        .iter()
        .map(|attribute| self::attribute(reader, name, attribute))
        .collect::<Result<Vec<_>>>()?;
    if attributes.is_empty() {
        return Err(reader.missing(&at("attributes"), "{ id = \"uuid\" }"));
    }
    let keys = reader.texts(&at("key"));
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let mut entity = EntitySchema::new(name, pattern, &keys, attributes);
    if let Some(source) = reader.text(&at("source")) {
        entity.source = source;
    }
    entity.local = local;
    if reader.text(&at("ids")).as_deref() == Some("server") {
        entity.ids = Ids::Server;
    }
    if reader.text(&at("local_edits")).as_deref() == Some("keep") {
        entity.local_edits = LocalEdits::Keep;
    }
    entity.indexes = reader.lists(&at("indexes"));
    entity.together = reader.lists(&at("together"));
    entity.latest_by = reader.text(&at("latest_by"));
    if reader.text(&at("on_pending_conflicts")).as_deref() == Some("continue") {
        entity.on_pending_conflicts = OnPendingConflicts::Continue;
    }
    entity.soft_delete = soft_delete(reader, name)?;
    Ok(entity)
}

fn soft_delete(reader: &Reader<'_>, entity: &str) -> Result<Option<SoftDelete>> {
    let column = reader.text(&["entities", entity, "delete", "soft"]);
    let value = match reader.root.at(&["entities", entity, "delete", "value"]) {
        Some(Node::Boolean(value)) => Some(Value::Boolean(*value)),
        Some(Node::Integer(value)) => Some(Value::Integer(*value)),
        Some(Node::Text(value)) => Some(Value::Text(value.clone())),
        _ => None,
    };
    match (column, value) {
        (Some(column), Some(value)) => Ok(Some(SoftDelete { column, value })),
        (None, None) => Ok(None),
        (None, Some(_)) => Err(reader.missing(&["entities", entity, "delete", "soft"], "\"is_active\"")),
        (Some(_), None) => Err(reader.missing(&["entities", entity, "delete", "value"], "false")),
    }
}

fn attribute(reader: &Reader<'_>, entity: &str, name: &str) -> Result<Attribute> {
    let path = ["entities", entity, "attributes", name];
    let at = |key: &'static str| ["entities", entity, "attributes", name, key];
    let typed = match reader.root.at(&path) {
        Some(Node::Text(text)) => ValueType::from_name(text),
        _ if reader.root.at(&at("as")).is_some() => Some(ValueType::Text),
        _ => reader.text(&at("type")).as_deref().and_then(ValueType::from_name),
    };
    let Some(value_type) = typed else {
        return Err(reader.missing(&at("type"), "\"text\""));
    };
    let mut attribute = Attribute::new(name, value_type);
    if let Some(column) = reader.text(&at("column")) {
        attribute.column = column;
    }
    attribute.local = reader.boolean(&at("local"));
    Ok(attribute)
}

fn relation(reader: &Reader<'_>, name: &str) -> Result<Relation> {
    let at = |key: &'static str| ["relations", name, key];
    Ok(Relation {
        name: name.to_owned(),
        child: reader.required(&at("child"), "\"Appointment\"")?,
        attribute: reader.required(&at("attribute"), "\"doctor_id\"")?,
        parent: reader.required(&at("parent"), "\"Doctor\"")?,
        on_delete: match reader.text(&at("on_delete")).as_deref() {
            Some("cascade") => OnDelete::Cascade,
            Some("set-null") => OnDelete::SetNull,
            _ => OnDelete::Restrict,
        },
    })
}

/// Puts an error of the schema at the key, file and line it is about.
fn placed(reader: &Reader<'_>, schema: &Schema, error: Error) -> Error {
    let path: Vec<String> = match error.place() {
        Some(place) => place
            .split([':', '.'])
            .map(|name| name.trim().to_owned())
            .take_while(|name| !name.is_empty() && name != "indexes or together")
            .collect(),
        None => cycle(schema),
    };
    let known = find(&path).is_some() || reader.root.at(&path).is_some();
    let path = if known {
        &path[..]
    } else {
        &path[..path.len().min(2)]
    };
    Error::new(error.kind(), error.code().to_owned(), error.message()).at(reader.places.of(path))
}

/// The last relation without which there would be no circle.
fn cycle(schema: &Schema) -> Vec<String> {
    let closing = schema.relations.iter().rev().find(|relation| {
        let mut without = schema.clone();
        without.relations.retain(|other| other.name != relation.name);
        without.parents_first().is_ok()
    });
    let name = closing
        .map(|relation| vec![relation.name.clone()])
        .unwrap_or_default();
    std::iter::once("relations".to_owned()).chain(name).collect()
}
