//! An ordered map from bytes to values that is cheap to copy: copies share all chunks that neither has changed.
//!
//! A snapshot of 100,000 entries costs a few hundred reference counts, a write to it copies one chunk.

use crate::ordered::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

/// Entries per chunk at most.
const CHUNK: usize = 256;

pub(super) type Bytes = Arc<[u8]>;
type Chunk<V> = Vec<(Bytes, V)>;

/// Invariant: chunks are not empty, and keys grow within and over them.
#[derive(Clone, Debug)]
pub(super) struct OrderedMap<V> {
    chunks: Vec<Arc<Chunk<V>>>,
    len: usize,
}

impl<V> Default for OrderedMap<V> {
    fn default() -> Self {
        Self {
            chunks: Vec::new(),
            len: 0,
        }
    }
}

impl<V: Clone> OrderedMap<V> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The first chunk that ends at or behind the key.
    fn chunk_of(&self, key: &[u8]) -> usize {
        self.chunks
            .partition_point(|chunk| chunk.last().is_some_and(|(last, _)| last.as_ref() < key))
    }

    fn find(chunk: &Chunk<V>, key: &[u8]) -> Result<usize, usize> {
        chunk.binary_search_by(|(found, _)| found.as_ref().cmp(key))
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<&V> {
        let chunk = self.chunks.get(self.chunk_of(key))?;
        let place = Self::find(chunk, key).ok()?;
        chunk.get(place).map(|(_, value)| value)
    }

    pub(super) fn contains(&self, key: &[u8]) -> bool {
        self.get(key).is_some()
    }

    /// Stores a value and returns the one that was there.
    pub(super) fn insert(&mut self, key: &[u8], value: V) -> Option<V> {
        let at = self.chunk_of(key);
        let full = |chunk: &Arc<Chunk<V>>| chunk.len() >= CHUNK;
        if at == self.chunks.len() {
            self.len += 1;
            match self.chunks.last_mut() {
                Some(last) if !full(last) => Arc::make_mut(last).push((key.into(), value)),
                _ => self.chunks.push(Arc::new(vec![(key.into(), value)])),
            }
            return None;
        }
        let chunk = Arc::make_mut(&mut self.chunks[at]);
        match Self::find(chunk, key) {
            Ok(place) => Some(std::mem::replace(&mut chunk[place].1, value)),
            Err(place) => {
                chunk.insert(place, (key.into(), value));
                self.len += 1;
                if chunk.len() > CHUNK {
                    let behind = chunk.split_off(CHUNK / 2);
                    self.chunks.insert(at + 1, Arc::new(behind));
                }
                None
            }
        }
    }

    /// Removes a key and returns its value.
    pub(super) fn remove(&mut self, key: &[u8]) -> Option<V> {
        let at = self.chunk_of(key);
        let place = Self::find(self.chunks.get(at)?, key).ok()?;
        let chunk = Arc::make_mut(&mut self.chunks[at]);
        let (_, value) = chunk.remove(place);
        if chunk.is_empty() {
            self.chunks.remove(at);
        }
        self.len -= 1;
        Some(value)
    }

    /// Entries in key order, from a bound on.
    pub(super) fn scan<'a>(
        &'a self,
        from: Bound<&[u8]>,
    ) -> impl Iterator<Item = (&'a Bytes, &'a V)> + use<'a, V> {
        let before = |key: &[u8]| match from {
            Bound::Unbounded => false,
            Bound::Included(bound) => key < bound,
            Bound::Excluded(bound) => key <= bound,
        };
        let first = self
            .chunks
            .partition_point(|chunk| chunk.last().is_some_and(|(last, _)| before(last)));
        let skipped = self
            .chunks
            .get(first)
            .map_or(0, |chunk| chunk.partition_point(|(key, _)| before(key)));
        self.chunks
            .iter()
            .skip(first)
            .flat_map(|chunk| chunk.iter())
            .skip(skipped)
            .map(|(key, value)| (key, value))
    }

    /// All entries in key order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Bytes, &V)> {
        self.scan(Bound::Unbounded)
    }
}

/// Behind `after`, or from the start.
pub(super) fn behind(after: Option<&[u8]>) -> Bound<&[u8]> {
    after.map_or(Bound::Unbounded, Bound::Excluded)
}

/// Few things by name, as cheap to copy: a copy is one reference count until something is written.
pub(super) type Named<V> = Arc<BTreeMap<Arc<str>, Arc<V>>>;

/// The map of areas that both stores have: names to ordered bytes.
#[derive(Clone, Debug, Default)]
pub(super) struct Areas(Named<OrderedMap<Bytes>>);

impl Areas {
    pub(super) fn get(&self, area: &str, key: &[u8]) -> Option<Vec<u8>> {
        self.0.get(area)?.get(key).map(|value| value.to_vec())
    }

    pub(super) fn put(&mut self, area: &str, key: &[u8], value: &[u8]) {
        let areas = Arc::make_mut(&mut self.0);
        match areas.get_mut(area) {
            Some(map) => drop(Arc::make_mut(map).insert(key, value.into())),
            None => {
                let mut map = OrderedMap::default();
                map.insert(key, value.into());
                areas.insert(area.into(), Arc::new(map));
            }
        }
    }

    pub(super) fn remove(&mut self, area: &str, key: &[u8]) {
        if !self.0.get(area).is_some_and(|map| map.contains(key)) {
            return;
        }
        if let Some(map) = Arc::make_mut(&mut self.0).get_mut(area) {
            Arc::make_mut(map).remove(key);
        }
    }

    pub(super) fn count(&self, area: &str) -> u64 {
        self.0.get(area).map_or(0, |map| map.len() as u64)
    }

    pub(super) fn scan(&self, area: &str, after: Option<&[u8]>, limit: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        let Some(map) = self.0.get(area) else {
            return Vec::new();
        };
        map.scan(behind(after))
            .take(limit)
            .map(|(key, value)| (key.to_vec(), value.to_vec()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn does_what_an_ordered_map_does() {
        let mut ours = OrderedMap::default();
        let mut theirs = BTreeMap::new();
        let mut copies = Vec::new();
        let mut seed = 1u32;
        for turn in 0..20_000u32 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let key = ((seed >> 12) % 3_000).to_be_bytes();
            if seed >> 30 == 0 {
                assert_eq!(ours.remove(&key), theirs.remove(&key[..]));
            } else {
                assert_eq!(ours.insert(&key, turn), theirs.insert(key.to_vec(), turn));
            }
            if turn % 4_000 == 0 {
                copies.push((ours.clone(), theirs.clone()));
            }
        }
        copies.push((ours, theirs));
        for (ours, theirs) in copies {
            assert_eq!(ours.len(), theirs.len());
            assert!(
                ours.iter()
                    .map(|(key, value)| (key.to_vec(), *value))
                    .eq(theirs.clone())
            );
            for bound in [0u32, 7, 1_500, 2_999, 9_999].map(u32::to_be_bytes) {
                for from in [Bound::Included(&bound[..]), Bound::Excluded(&bound[..])] {
                    let wanted = theirs.range::<[u8], _>((from, Bound::Unbounded));
                    assert!(
                        ours.scan(from)
                            .map(|(_, value)| value)
                            .eq(wanted.map(|(_, value)| value))
                    );
                }
                assert_eq!(ours.get(&bound), theirs.get(&bound[..]));
            }
        }
    }
}
