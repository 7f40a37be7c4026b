//! `latest-wins`: an attribute of the application says which side is newer. No clock of the device is read.

use crate::conflict::{Conflict, ConflictResolver, Resolution};
use crate::error::{Error, Result};
use crate::schema::EntitySchema;

/// `latest-wins`: the side whose attribute `latest_by` is greater. Ties, missing values and deletions go to the server.
#[derive(Clone, Copy, Debug, Default)]
pub struct LatestWins;

impl ConflictResolver for LatestWins {
    fn name(&self) -> &'static str {
        "latest-wins"
    }

    fn check(&self, entity: &EntitySchema) -> Result<()> {
        if entity.latest_by.is_some() {
            return Ok(());
        }
        Err(Error::unsupported(
            "missing_latest_by",
            format!(
                "`{}` has the resolver `latest-wins` and no `latest_by`; name the attribute that says which side is newer, for example \
                 `latest_by = \"changed_at\"`, or choose another resolver",
                entity.name
            ),
        ))
    }

    fn resolve(&self, entity: &EntitySchema, conflict: &Conflict) -> Resolution {
        let (Some(name), Some(mine), Some(theirs)) = (&entity.latest_by, &conflict.mine, &conflict.theirs)
        else {
            return Resolution::TakeTheirs;
        };
        let (mine, theirs) = (mine.value(name), theirs.value(name));
        if !mine.is_null() && !theirs.is_null() && mine > theirs {
            Resolution::KeepMine
        } else {
            Resolution::TakeTheirs
        }
    }
}
