//! What open conflicts hold back under `on_pending_conflicts = "abort"`: their entity with its entity family, both ways.

use super::Syncer;
use super::areas::{self, Areas, entity_key};
use super::open_conflicts::StoredConflict;
use onsync_core::ordered::{BTreeMap, BTreeSet};
use onsync_core::schema::OnPendingConflicts;
use onsync_core::store::local::LocalTransaction;
use onsync_core::{Error, ErrorKind, Result};

/// The entities that open conflicts hold back, and how many conflicts each entity has.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// There are open conflicts.
    pub(super) any: bool,
    entities: BTreeSet<String>,
    conflicts: BTreeMap<String, u64>,
}

impl Held {
    /// Looks for open conflicts in the families of these entities.
    pub(super) async fn find(
        syncer: &Syncer,
        tx: &mut dyn LocalTransaction,
        asked: &[String],
    ) -> Result<Self> {
        let mut held = Self::default();
        if tx.area_scan(areas::CONFLICT, None, 1).await?.is_empty() {
            return Ok(held);
        }
        held.any = true;
        let entities = syncer.schema.entities.iter();
        for entity in entities.filter(|entity| entity.on_pending_conflicts == OnPendingConflicts::Abort) {
            let open = count(tx, &entity.name).await?;
            if open == 0 {
                continue;
            }
            let family = syncer.schema.family_of(&entity.name);
            if asked.iter().any(|name| family.contains(name)) {
                held.conflicts.insert(entity.name.clone(), open);
            }
            // What was cut of relatives that were not asked for waits too.
            held.entities.extend(family);
        }
        Ok(held)
    }

    pub(super) fn holds(&self, entity: &str) -> bool {
        self.entities.contains(entity)
    }

    /// Whether nothing is left of what was asked for.
    pub(super) fn holds_all(&self, asked: &[String]) -> bool {
        !asked.is_empty() && asked.iter().all(|name| self.holds(name))
    }

    /// What a run that was held back ends with.
    pub(super) fn error(&self) -> Option<Error> {
        let all: u64 = self.conflicts.values().sum();
        let each: Vec<String> = self
            .conflicts
            .iter()
            .map(|(entity, number)| format!("{number} of `{entity}`"))
            .collect();
        let (conflicts, families) = match (all, each.len()) {
            (1, _) => ("conflict holds", "its entity family"),
            (_, 1) => ("conflicts hold", "their entity family"),
            _ => ("conflicts hold", "their entity families"),
        };
        (all > 0).then(|| {
            Error::new(
                ErrorKind::ConflictsPending,
                "conflicts_pending",
                format!(
                    "{all} open {conflicts} back {families} ({}); resolve what is open, then sync again, or set \
                     `on_pending_conflicts = \"continue\"` to hold only the records in conflict",
                    each.join(", ")
                ),
            )
        })
    }
}

/// How many conflicts of an entity wait for a decision. One that awaits the outcome of a change on its way holds nothing back: nobody
/// could resolve it, and its outcome would never come.
async fn count(tx: &mut dyn LocalTransaction, entity: &str) -> Result<u64> {
    let prefix = entity_key(entity, b"");
    let (mut number, mut after) = (0, prefix.clone());
    loop {
        let found = tx
            .list::<StoredConflict>(areas::CONFLICT, Some(&after), 500)
            .await?;
        let own = found.iter().filter(|(key, _)| key.starts_with(&prefix));
        number += own.filter(|(_, conflict)| !conflict.awaits_outcome).count() as u64;
        match found.into_iter().next_back() {
            Some((last, _)) if last.starts_with(&prefix) => after = last,
            _ => return Ok(number),
        }
    }
}
