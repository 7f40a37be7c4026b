//! Resolvers that look at nothing: a person decides, or one side always wins.

use crate::conflict::{Conflict, ConflictResolver, Resolution};
use crate::schema::EntitySchema;

/// `manual`: a person decides.
#[derive(Clone, Copy, Debug, Default)]
pub struct Manual;

impl ConflictResolver for Manual {
    fn name(&self) -> &'static str {
        super::MANUAL
    }

    fn resolve(&self, _entity: &EntitySchema, _conflict: &Conflict) -> Resolution {
        Resolution::Ask
    }
}

/// `server-wins`: the server's side is taken, the device's is in the bin.
#[derive(Clone, Copy, Debug, Default)]
pub struct ServerWins;

impl ConflictResolver for ServerWins {
    fn name(&self) -> &'static str {
        "server-wins"
    }

    fn resolve(&self, _entity: &EntitySchema, _conflict: &Conflict) -> Resolution {
        Resolution::TakeTheirs
    }
}

/// `client-wins`: the device's side is sent again.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClientWins;

impl ConflictResolver for ClientWins {
    fn name(&self) -> &'static str {
        "client-wins"
    }

    fn resolve(&self, _entity: &EntitySchema, _conflict: &Conflict) -> Resolution {
        Resolution::KeepMine
    }
}
