//! What the lifecycle remembers over a restart: for politeness and for display, never for a decision about records.

use super::Syncer;
use super::areas::{self, Areas as _};
use onsync_core::Result;
use onsync_core::ordered::{BTreeMap, BTreeSet};
use onsync_core::store::local::Access;
use serde::{Deserialize, Serialize};

/// In the area of single values.
const NOTES: &[u8] = b"notes";

/// Times are of the device's clock, in microseconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Notes {
    /// When retries of the last hour were made, or are to be.
    pub(crate) retries: Vec<i64>,
    /// When a run of each context last ended well.
    pub(crate) completed: BTreeMap<String, i64>,
    /// When each entity was last fetched, as long as no push came after.
    pub(crate) fetched: BTreeMap<String, i64>,
    /// Since when, without a break, there has been something the server does not have.
    pub(crate) waiting_since: Option<i64>,
}

/// What of the notes this process has changed since it kept them last. Other processes on the store keep theirs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct OwnNotes {
    /// Retries were made.
    pub(crate) retries: bool,
    /// Contexts that ended well.
    pub(crate) completed: BTreeSet<String>,
    /// Entities that were fetched, or pushed and not fetched.
    pub(crate) fetched: BTreeSet<String>,
}

impl OwnNotes {
    /// Adds what was changed besides.
    pub(crate) fn add(&mut self, other: Self) {
        self.retries |= other.retries;
        self.completed.extend(other.completed);
        self.fetched.extend(other.fetched);
    }
}

/// Takes from `mine` the entries that were changed here, gone ones included, and leaves the rest.
fn take(stored: &mut BTreeMap<String, i64>, mine: &BTreeMap<String, i64>, changed: &BTreeSet<String>) {
    stored.retain(|name, _| !changed.contains(name));
    let changed = mine.iter().filter(|(name, _)| changed.contains(*name));
    stored.extend(changed.map(|(name, at)| (name.clone(), *at)));
}

impl Notes {
    /// Stored notes with what `mine` has changed. Since when something waits is seen in the store, by everybody alike.
    pub(crate) fn with(mut self, mine: &Self, own: &OwnNotes) -> Self {
        if own.retries {
            self.retries.clone_from(&mine.retries);
        }
        take(&mut self.completed, &mine.completed, &own.completed);
        take(&mut self.fetched, &mine.fetched, &own.fetched);
        self.waiting_since = mine.waiting_since;
        self
    }
}

/// Who holds syncing, and a number that grows while it is alive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pulse {
    pub(crate) fence: u64,
    pub(crate) beats: u64,
}

impl Syncer {
    pub(crate) async fn notes(&self) -> Result<Notes> {
        let mut tx = self.store.begin(Access::Read).await?;
        Ok(tx.load(areas::STATE, NOTES).await?.unwrap_or_default())
    }

    /// Keeps what this process has changed; a loss of power may take the last ones.
    pub(crate) async fn keep_notes(&self, notes: &Notes, own: &OwnNotes) -> Result<()> {
        let mut tx = self.store.begin(Access::Sync { durable: false }).await?;
        let stored: Notes = tx.load(areas::STATE, NOTES).await?.unwrap_or_default();
        tx.store(areas::STATE, NOTES, &stored.with(notes, own)).await?;
        tx.commit().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notes(completed: &[(&str, i64)], fetched: &[(&str, i64)], waiting_since: Option<i64>) -> Notes {
        let map = |all: &[(&str, i64)]| all.iter().map(|(name, at)| ((*name).to_owned(), *at)).collect();
        Notes {
            retries: Vec::new(),
            completed: map(completed),
            fetched: map(fetched),
            waiting_since,
        }
    }

    fn own(completed: &[&str], fetched: &[&str]) -> OwnNotes {
        let set = |all: &[&str]| all.iter().map(|name| (*name).to_owned()).collect();
        OwnNotes {
            retries: false,
            completed: set(completed),
            fetched: set(fetched),
        }
    }

    #[test]
    fn a_process_writes_what_it_changed_and_leaves_what_others_noted() {
        let stored = notes(&[("Online", 5), ("Send", 7)], &[("A", 5), ("B", 5)], None);
        // It began with older notes, fetched C and sent B without fetching it.
        let mine = notes(&[("Online", 1), ("Login", 9)], &[("A", 1), ("C", 9)], Some(8));
        let kept = stored.with(&mine, &own(&["Login"], &["B", "C"]));
        assert_eq!(
            kept,
            notes(
                &[("Login", 9), ("Online", 5), ("Send", 7)],
                &[("A", 5), ("C", 9)],
                Some(8)
            )
        );
        let unchanged = kept.clone().with(&Notes::default(), &OwnNotes::default());
        assert_eq!(unchanged.fetched, kept.fetched);
        assert_eq!(unchanged.waiting_since, None, "seen by everybody alike");
    }
}
