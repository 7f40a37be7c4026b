//! From a mutation as it was sent to values that may be written: checked against the schema, references filled in.

use crate::receipt;
use crate::request::{Item, Target};
use onsync_core::error::Error;
use onsync_core::mutation::{Mutation, MutationKind, Outcome, Rejection};
use onsync_core::policy::Principal;
use onsync_core::record::{Fields, Key, RecordName};
use onsync_core::schema::{EntitySchema, Ids};
use onsync_core::store::server::ServerTransaction;
use onsync_core::value::Value;
use std::borrow::Cow;
use uuid::Uuid;

/// Why a mutation goes no further.
pub(crate) enum Stop {
    /// It is refused; nothing was written for it.
    Refuse(Rejection),
    /// The transaction failed.
    Fail(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Fail(error)
    }
}

/// A refusal.
pub(crate) fn refuse(code: &str, message: impl Into<String>) -> Stop {
    Stop::Refuse(rejection(code, message))
}

/// A rejection.
pub(crate) fn rejection(code: &str, message: impl Into<String>) -> Rejection {
    Rejection {
        code: code.to_owned(),
        message: message.into(),
    }
}

fn refused(error: &Error) -> Stop {
    let place = error
        .place()
        .map(|place| format!("{place}: "))
        .unwrap_or_default();
    refuse(error.code(), format!("{place}{}", error.message()))
}

/// A mutation that may be decided.
pub(crate) struct Prepared<'a> {
    /// The mutation, with references filled in.
    pub(crate) mutation: Cow<'a, Mutation>,
    /// The server's key; none for a create whose key the server issues.
    pub(crate) key: Option<Key>,
}

/// Checks a mutation and fills in what it refers to.
pub(crate) async fn prepare<'a>(
    transaction: &mut dyn ServerTransaction,
    principal: &Principal,
    item: &'a Item,
    target: &Target,
    max_record_bytes: usize,
) -> Result<Prepared<'a>, Stop> {
    let entity = &target.served.entity;
    let mut mutation = Cow::Borrowed(&item.mutation);
    check_values(&mutation, target, max_record_bytes)?;
    let mut key = match &mutation.record {
        RecordName::Key(_) if mutation.kind == MutationKind::Create && entity.ids == Ids::Server => {
            return Err(refuse(
                "invalid_key",
                format!(
                    "the server issues the keys of `{}`; name a new record by its mutation",
                    entity.name
                ),
            ));
        }
        RecordName::Key(key) => Some(key.clone()),
        RecordName::Created(id) if mutation.kind == MutationKind::Create => {
            check_own_name(entity, *id, mutation.id)?;
            None
        }
        RecordName::Created(id) => Some(created(transaction, principal, *id).await?),
    };
    for reference in &item.mutation.references {
        let value = match created(transaction, principal, reference.created)
            .await?
            .0
            .as_slice()
        {
            [value] => value.clone(),
            _ => {
                return Err(refuse(
                    "invalid_reference",
                    format!(
                        "`{}` refers to a record whose key has several attributes",
                        reference.attribute
                    ),
                ));
            }
        };
        fill(
            mutation.to_mut(),
            key.as_mut(),
            entity,
            &reference.attribute,
            &value,
        )?;
    }
    if let Some(key) = &key {
        check_key(entity, key)?;
    }
    if mutation.kind == MutationKind::Create {
        complete(mutation.to_mut(), key.as_ref(), entity)?;
    }
    Ok(Prepared { mutation, key })
}

/// Only configured columns of the device's list, of their types, no key in an update, nothing in a delete, not too large.
fn check_values(mutation: &Mutation, target: &Target, max_record_bytes: usize) -> Result<(), Stop> {
    let entity = &target.served.entity;
    let mut size = 0_usize;
    for (name, value) in mutation.values.iter() {
        let index = entity.require(name).map_err(|error| refused(&error))?;
        let attribute = &entity.attributes[index];
        if attribute.local || !target.columns.contains(&index) {
            return Err(refuse(
                "unknown_attribute",
                format!(
                    "`{}.{name}` is not among the columns the device syncs",
                    entity.name
                ),
            ));
        }
        if mutation.kind == MutationKind::Update && entity.is_key(index) {
            return Err(refuse(
                "key_change_refused",
                format!(
                    "`{}.{name}` is part of the key, which never changes; delete and create instead",
                    entity.name
                ),
            ));
        }
        value
            .check(attribute.value_type)
            .map_err(|error| refused(&error.at(format!("{}.{name}", entity.name))))?;
        size = size.saturating_add(value.size());
    }
    if mutation.kind == MutationKind::Delete && !mutation.values.is_empty() {
        return Err(refuse("invalid_value", "a delete carries no values"));
    }
    if size > max_record_bytes {
        return Err(refuse(
            "record_too_large",
            format!("wanted at most {max_record_bytes} bytes of values in one record, found {size}"),
        ));
    }
    Ok(())
}

fn check_own_name(entity: &EntitySchema, named: Uuid, own: Uuid) -> Result<(), Stop> {
    match (entity.ids, named == own) {
        (Ids::Server, true) => Ok(()),
        (Ids::Server, false) => Err(refuse(
            "invalid_key",
            "a create names its record by another mutation",
        )),
        (Ids::Client, _) => Err(refuse(
            "invalid_key",
            format!(
                "the device issues the keys of `{}`, and the create names none",
                entity.name
            ),
        )),
    }
}

fn check_key(entity: &EntitySchema, key: &Key) -> Result<(), Stop> {
    let types = entity.key_types();
    let fits = types.len() == key.values().len()
        && types
            .iter()
            .zip(key.values())
            .all(|(wanted, value)| !value.is_null() && value.check(*wanted).is_ok());
    match fits {
        true => Ok(()),
        false => Err(refuse(
            "invalid_key",
            format!(
                "the key of a record of `{}` is not of the configured types",
                entity.name
            ),
        )),
    }
}

/// The key of the record that a create of the same user made.
async fn created(
    transaction: &mut dyn ServerTransaction,
    principal: &Principal,
    id: Uuid,
) -> Result<Key, Stop> {
    let missing = || {
        refuse(
            "parent_missing",
            "this change needs a record whose creation the server does not know; send that first",
        )
    };
    let receipt = receipt::find(transaction, id)
        .await?
        .filter(|receipt| receipt.user == principal.user && receipt.kind == MutationKind::Create)
        .ok_or_else(missing)?;
    match receipt.outcome {
        Outcome::Applied { .. } => receipt.key.ok_or_else(missing),
        Outcome::Rejected(_) | Outcome::Conflict { .. } => Err(refuse(
            "parent_rejected",
            "this change needs a record whose creation was refused; settle that first",
        )),
        Outcome::Gone | Outcome::Retry(_) | Outcome::Renew => Err(missing()),
    }
}

/// Puts the key of a record into the attribute, and the part of the key, that refers to it.
fn fill(
    mutation: &mut Mutation,
    key: Option<&mut Key>,
    entity: &EntitySchema,
    attribute: &str,
    value: &Value,
) -> Result<(), Stop> {
    let index = entity.require(attribute).map_err(|error| refused(&error))?;
    value
        .check(entity.attributes[index].value_type)
        .map_err(|error| refused(&error.at(format!("{}.{attribute}", entity.name))))?;
    let in_key = entity.key.iter().position(|name| name == attribute);
    if let (Some(at), Some(key)) = (in_key, key)
        && let Some(place) = key.0.get_mut(at)
    {
        *place = value.clone();
    }
    let in_values = mutation.values.has(attribute);
    match mutation.kind {
        MutationKind::Create => mutation.values.set(attribute, value.clone()),
        MutationKind::Update if in_values => mutation.values.set(attribute, value.clone()),
        MutationKind::Update | MutationKind::Delete => {}
    }
    Ok(())
}

/// A create writes the key that names its record, and no other; a key the server issues is left out.
fn complete(mutation: &mut Mutation, key: Option<&Key>, entity: &EntitySchema) -> Result<(), Stop> {
    for (at, name) in entity.key.iter().enumerate() {
        let given = mutation.values.take(name);
        let Some(wanted) = key.and_then(|key| key.values().get(at)) else {
            if given.is_null() {
                continue;
            }
            return Err(refuse(
                "invalid_key",
                format!(
                    "the server issues `{}.{name}`, but the create gives one",
                    entity.name
                ),
            ));
        };
        if !given.is_null() && given != *wanted {
            return Err(refuse(
                "invalid_key",
                format!("`{}.{name}` is not what names the record", entity.name),
            ));
        }
        mutation.values.set(name, wanted.clone());
    }
    Ok(())
}

/// The device's columns of a record.
pub(crate) fn project(entity: &EntitySchema, columns: &[usize], record: &Fields) -> Fields {
    columns
        .iter()
        .filter_map(|index| entity.attributes.get(*index))
        .map(|attribute| (attribute.name.as_str(), record.value(&attribute.name).clone()))
        .collect()
}
