//! Conflicts as data, and the seam for resolving them.

use crate::error::Result;
use crate::mutation::ConflictKind;
use crate::platform::{MaybeSend, MaybeSync};
use crate::record::{Fields, Key};
use crate::schema::EntitySchema;
use crate::value::Value;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A durable conflict: two changes of one record that met.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// Names the conflict.
    pub id: Uuid,
    /// The entity.
    pub entity: String,
    /// The local key.
    pub key: Key,
    /// Which changes met.
    pub kind: ConflictKind,
    /// What both started from; none for create/create.
    pub base: Option<Fields>,
    /// What the device has; none if deleted here.
    pub mine: Option<Fields>,
    /// What the server has; none if deleted there.
    pub theirs: Option<Fields>,
}

/// One attribute of a conflict, side by side. A value is none where that side has no record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConflictAttribute {
    /// The attribute.
    pub name: String,
    /// What both started from.
    pub base: Option<Value>,
    /// What the device has.
    pub mine: Option<Value>,
    /// What the server has.
    pub theirs: Option<Value>,
    /// Whether it was changed here since.
    pub changed_here: bool,
    /// Whether it was changed there since.
    pub changed_there: bool,
}

impl Conflict {
    /// The attributes that travel, in the order of the entity, side by side. Without a base, what differs counts as changed on both sides; a
    /// deletion changes no attribute.
    pub fn attributes(&self, entity: &EntitySchema) -> Vec<ConflictAttribute> {
        let travelling = entity.attributes.iter().filter(|attribute| !attribute.local);
        travelling
            .map(|attribute| {
                let of =
                    |side: &Option<Fields>| side.as_ref().map(|fields| fields.value(&attribute.name).clone());
                let (base, mine, theirs) = (of(&self.base), of(&self.mine), of(&self.theirs));
                let differs = |one: &Option<Value>, other: &Option<Value>| {
                    one.is_some() && other.is_some() && one != other
                };
                let (changed_here, changed_there) = match base {
                    Some(_) => (differs(&base, &mine), differs(&base, &theirs)),
                    None => (differs(&mine, &theirs), differs(&mine, &theirs)),
                };
                ConflictAttribute {
                    name: attribute.name.clone(),
                    base,
                    mine,
                    theirs,
                    changed_here,
                    changed_there,
                }
            })
            .collect()
    }
}

/// How a conflict ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// The device's side is sent again, based on the server's.
    KeepMine,
    /// The server's side is taken; the device's goes to the bin.
    TakeTheirs,
    /// These values over the server's (over the device's, where the server's record is deleted) are sent, based on the server's.
    Merge(Fields),
    /// A person decides.
    Ask,
}

/// Decides conflicts; chosen by name per entity.
///
/// # Contract
/// - Pure: the same conflict gives the same resolution. No clock, no randomness, no I/O.
/// - A resolver that panics, or that merges attributes which do not exist, counts as [`Resolution::Ask`].
///
/// ```
/// use onsync_core::conflict::{Conflict, ConflictResolver, Resolution};
/// use onsync_core::schema::EntitySchema;
///
/// /// What the office says counts, except for remarks.
/// struct OfficeFirst;
///
/// impl ConflictResolver for OfficeFirst {
///     fn name(&self) -> &'static str {
///         "office-first"
///     }
///
///     fn resolve(&self, entity: &EntitySchema, conflict: &Conflict) -> Resolution {
///         let only_remarks = conflict
///             .attributes(entity)
///             .iter()
///             .all(|attribute| attribute.name == "remark" || !attribute.changed_here);
///         match (only_remarks, &conflict.mine) {
///             (true, Some(mine)) => Resolution::Merge(
///                 [("remark", mine.value("remark").clone())].into_iter().collect(),
///             ),
///             _ => Resolution::TakeTheirs,
///         }
///     }
/// }
/// ```
pub trait ConflictResolver: MaybeSend + MaybeSync {
    /// The name in configuration.
    fn name(&self) -> &'static str;

    /// Refuses an entity that it cannot work for; called when an app is built.
    ///
    /// # Errors
    /// What is missing, and what to configure.
    fn check(&self, entity: &EntitySchema) -> Result<()> {
        let _ = entity;
        Ok(())
    }

    /// Decides.
    fn resolve(&self, entity: &EntitySchema, conflict: &Conflict) -> Resolution;
}
