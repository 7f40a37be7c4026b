//! What a bin keeps, on the device and on the server: for how long and how much, in all and of each entity.

use crate::ordered::BTreeMap;
use std::time::Duration;

/// What a bin keeps of one entity; what is not said is as for all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BinLimit {
    /// How long, instead of the time for all.
    pub keep: Option<Duration>,
    /// Bytes at most of this entity, within the bytes for all.
    pub max_bytes: Option<u64>,
}

/// Decides what leaves a bin. Every entry is weighed first; then they are asked about, oldest first.
///
/// ```
/// use onsync_core::bin::{BinLimit, BinSorter};
/// use std::collections::BTreeMap;
/// use std::time::Duration;
///
/// let short = BinLimit { keep: Some(Duration::from_secs(60)), max_bytes: None };
/// let entities = BTreeMap::from([("Position".to_owned(), short)]);
/// let now = 100_000_000;
/// let mut sorter = BinSorter::new(Duration::from_secs(90), 1_000, &entities, now);
/// for entity in ["Position", "Visit"] {
///     sorter.weigh(entity, 10);
/// }
/// // Both are 80 seconds old.
/// assert!(sorter.leaves("Position", 20_000_000, 10));
/// assert!(!sorter.leaves("Visit", 20_000_000, 10));
/// ```
#[derive(Debug)]
pub struct BinSorter<'a> {
    keep: Duration,
    max_bytes: u64,
    entities: &'a BTreeMap<String, BinLimit>,
    now: i64,
    size: u64,
    sizes: BTreeMap<&'a str, u64>,
}

impl<'a> BinSorter<'a> {
    /// `keep` and `max_bytes` are for all entities; `now` is in microseconds since 1970.
    pub fn new(keep: Duration, max_bytes: u64, entities: &'a BTreeMap<String, BinLimit>, now: i64) -> Self {
        Self {
            keep,
            max_bytes,
            entities,
            now,
            size: 0,
            sizes: BTreeMap::new(),
        }
    }

    /// Whether all entities are treated alike: what is younger than an entry that stays, stays too.
    pub fn is_uniform(&self) -> bool {
        self.entities.is_empty()
    }

    /// The moment before which something may be too old, in microseconds since 1970.
    pub fn oldest(&self) -> i64 {
        let keeps = self.entities.values().filter_map(|limit| limit.keep);
        self.before(keeps.chain([self.keep]).min().unwrap_or(self.keep))
    }

    /// Takes an entry of so many bytes into account.
    pub fn weigh(&mut self, entity: &str, bytes: u64) {
        self.size = self.size.saturating_add(bytes);
        if let Some((name, _)) = self.entities.get_key_value(entity) {
            let size = self.sizes.entry(name).or_default();
            *size = size.saturating_add(bytes);
        }
    }

    /// Whether an entry, put there at this moment in microseconds since 1970, leaves; it counts no longer then.
    pub fn leaves(&mut self, entity: &str, at: i64, bytes: u64) -> bool {
        let limit = self.entities.get(entity).copied().unwrap_or_default();
        let own = self.sizes.get(entity).copied().unwrap_or_default();
        let leaves = at < self.before(limit.keep.unwrap_or(self.keep))
            || self.size > self.max_bytes
            || limit.max_bytes.is_some_and(|most| own > most);
        if leaves {
            self.size = self.size.saturating_sub(bytes);
            if let Some(size) = self.sizes.get_mut(entity) {
                *size = size.saturating_sub(bytes);
            }
        }
        leaves
    }

    fn before(&self, keep: Duration) -> i64 {
        let keep = i64::try_from(keep.as_micros()).unwrap_or(i64::MAX);
        self.now.saturating_sub(keep)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    /// Entries as (entity, second, bytes), oldest first; the numbers of those that leave at second 100.
    fn leave(
        keep: u64,
        max_bytes: u64,
        entities: &[(&str, BinLimit)],
        entries: &[(&str, i64, u64)],
    ) -> Vec<usize> {
        let entities = entities
            .iter()
            .map(|(name, limit)| ((*name).to_owned(), *limit))
            .collect();
        let mut sorter = BinSorter::new(Duration::from_secs(keep), max_bytes, &entities, 100 * SECOND);
        for (entity, _, bytes) in entries {
            sorter.weigh(entity, *bytes);
        }
        let asked = entries.iter().enumerate();
        asked
            .filter(|(_, (entity, second, bytes))| sorter.leaves(entity, second * SECOND, *bytes))
            .map(|(number, _)| number)
            .collect()
    }

    #[test]
    fn what_is_too_old_or_too_much_leaves_oldest_first() {
        let entries = [("A", 10, 5), ("B", 50, 5), ("A", 90, 5)];
        assert_eq!(leave(60, 100, &[], &entries), [0]);
        assert_eq!(leave(1_000, 10, &[], &entries), [0]);
        assert_eq!(leave(1_000, 4, &[], &entries), [0, 1, 2]);
    }

    #[test]
    fn an_entity_has_its_own_time_and_size() {
        let entries = [
            ("A", 10, 5),
            ("B", 11, 5),
            ("A", 50, 5),
            ("B", 51, 5),
            ("A", 90, 5),
        ];
        let short = BinLimit {
            keep: Some(Duration::from_secs(20)),
            max_bytes: None,
        };
        assert_eq!(leave(1_000, 100, &[("A", short)], &entries), [0, 2]);
        let long = BinLimit {
            keep: Some(Duration::from_secs(1_000)),
            max_bytes: None,
        };
        assert_eq!(leave(20, 100, &[("A", long)], &entries), [1, 3]);
        let small = BinLimit {
            keep: None,
            max_bytes: Some(9),
        };
        assert_eq!(leave(1_000, 100, &[("A", small)], &entries), [0, 2]);
        // The bytes for all hold as well.
        assert_eq!(leave(1_000, 12, &[("A", small)], &entries), [0, 1, 2]);
    }
}
