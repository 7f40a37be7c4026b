//! The conflict resolvers that come with OnSync: pure functions from a conflict to its resolution.
//!
//! | name | resolution |
//! |---|---|
//! | `manual` | a person decides |
//! | `server-wins` | theirs, always |
//! | `client-wins` | mine, always |
//! | `latest-wins` | the side whose attribute `latest_by` is greater; ties, missing values and deletions: theirs |
//! | `merge-attributes` | three-way per attribute; the same attribute changed to different values, or a deletion against a change, is left to a person |

mod latest_wins;
mod merge_attributes;
#[cfg(test)]
mod tests;
mod whole_side;

pub use latest_wins::LatestWins;
pub use merge_attributes::MergeAttributes;
pub use whole_side::{ClientWins, Manual, ServerWins};

use crate::conflict::ConflictResolver;
use std::sync::Arc;

/// The name of the resolver that leaves every conflict to a person: the default.
pub const MANUAL: &str = "manual";

/// All of them.
pub fn all() -> Vec<Arc<dyn ConflictResolver>> {
    vec![
        Arc::new(Manual),
        Arc::new(ServerWins),
        Arc::new(ClientWins),
        Arc::new(LatestWins),
        Arc::new(MergeAttributes),
    ]
}
