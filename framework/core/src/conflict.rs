//! Conflicts as data, and the seam for resolving them.

use crate::mutation::ConflictKind;
use crate::platform::{MaybeSend, MaybeSync};
use crate::record::{Fields, Key};
use crate::schema::EntitySchema;
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

/// How a conflict ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// The device's side is sent again, based on the server's.
    KeepMine,
    /// The server's side is taken; the device's goes to the bin.
    TakeTheirs,
    /// These values are sent, based on the server's.
    Merge(Fields),
    /// A person decides.
    Ask,
}

/// Decides conflicts; chosen by name per entity.
///
/// # Contract
/// - Pure: the same conflict gives the same resolution.
pub trait ConflictResolver: MaybeSend + MaybeSync {
    /// The name in configuration.
    fn name(&self) -> &'static str;

    /// Decides.
    fn resolve(&self, entity: &EntitySchema, conflict: &Conflict) -> Resolution;
}
