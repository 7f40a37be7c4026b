//! Units: which unsent changes travel as one atomic group.
//!
//! Two things bind changes together: that their records are of one record family, and that the app wrote them as an atomic group.

use onsync_core::Key;
use std::collections::{HashMap, HashSet};

/// Records read at a time.
pub(super) const CHUNK: usize = 500;

/// A record by the place of its entity in the schema, and its local key.
pub(super) type Name = (usize, Key);

/// Changes that are cut in one go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Unit {
    /// The records in the order in which they are cut: what is there parents first, then what was deleted children first.
    pub(super) members: Vec<Name>,
    /// Whether they succeed or fail together; if not, they may be divided among requests.
    pub(super) group: bool,
    /// Whether none may be sent without the others.
    pub(super) strict: bool,
    /// Some member cannot be sent now, so that none is.
    pub(super) held: bool,
}

/// What was found and not cut yet.
#[derive(Default)]
pub(super) struct Units {
    planned: Vec<Option<Unit>>,
    of: HashMap<Name, usize>,
}

impl Units {
    /// Adds what was found.
    pub(super) fn add(&mut self, units: Vec<Unit>) {
        for unit in units {
            let place = self.planned.len();
            for member in &unit.members {
                self.of.insert(member.clone(), place);
            }
            self.planned.push(Some(unit));
        }
    }

    /// Whether nothing is left.
    pub(super) fn is_empty(&self) -> bool {
        self.planned.iter().all(Option::is_none)
    }

    /// Takes the next unit.
    pub(super) fn next(&mut self) -> Option<Unit> {
        let mut next = None;
        while next.is_none() {
            next = self.planned.pop()?;
        }
        next.inspect(|unit| self.forget(unit))
    }

    /// Takes the group of a record.
    pub(super) fn take(&mut self, record: &Name) -> Option<Unit> {
        let place = *self.of.get(record)?;
        let taken = self.planned.get_mut(place)?.take_if(|unit| unit.group);
        taken.inspect(|unit| self.forget(unit))
    }

    fn forget(&mut self, unit: &Unit) {
        for member in &unit.members {
            self.of.remove(member);
        }
    }

    /// Puts back what did not fit.
    pub(super) fn put_back(&mut self, unit: Unit) {
        self.add(vec![unit]);
    }
}

/// Which nodes belong together.
#[derive(Default)]
pub(super) struct Sets(Vec<usize>);

impl Sets {
    pub(super) fn root(&mut self, mut node: usize) -> usize {
        while self.0.len() <= node {
            self.0.push(self.0.len());
        }
        while self.0[node] != node {
            self.0[node] = self.0[self.0[node]];
            node = self.0[node];
        }
        node
    }

    pub(super) fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.0[a.max(b)] = a.min(b);
    }
}

/// Things with the parents that they have among them: each comes before its parent, otherwise the last first.
pub(super) fn children_first<T: Clone + Eq + std::hash::Hash>(things: Vec<(T, Option<T>)>) -> Vec<T> {
    let parents: HashMap<&T, Option<&T>> = things.iter().map(|(thing, up)| (thing, up.as_ref())).collect();
    let mut depths: HashMap<&T, usize> = HashMap::new();
    for (thing, _) in &things {
        let (mut path, mut at, mut seen) = (Vec::new(), Some(thing), HashSet::new());
        while let Some(one) = at.filter(|one| !depths.contains_key(one) && seen.insert(*one)) {
            path.push(one);
            at = parents
                .get(one)
                .copied()
                .flatten()
                .filter(|up| parents.contains_key(up));
        }
        let above = at.and_then(|known| depths.get(known).copied());
        let first = above.map_or(0, |depth| depth + 1);
        depths.extend(path.into_iter().rev().zip(first..));
    }
    let mut order: Vec<&T> = things.iter().map(|(thing, _)| thing).rev().collect();
    order.sort_by_key(|thing| std::cmp::Reverse(depths.get(thing).copied().unwrap_or_default()));
    order.into_iter().cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_come_before_their_parents_and_circles_end() {
        let things = vec![(1, None), (2, Some(1)), (3, Some(2)), (4, Some(1)), (5, Some(99))];
        assert_eq!(children_first(things), [3, 4, 2, 5, 1]);
        let circle = children_first(vec![(1, Some(2)), (2, Some(1)), (3, Some(3))]);
        assert_eq!(circle.len(), 3);
    }

    #[test]
    fn sets_join_in_any_order() {
        let mut sets = Sets::default();
        sets.join(3, 4);
        sets.join(1, 2);
        sets.join(4, 2);
        assert_eq!([1, 2, 3, 4].map(|node| sets.root(node)), [1; 4]);
        assert_eq!(sets.root(0), 0);
    }

    #[test]
    fn a_unit_is_given_once() {
        let unit = |keys: &[i64], group| Unit {
            members: keys.iter().map(|key| (0, Key::one(*key))).collect(),
            group,
            ..Unit::default()
        };
        let mut units = Units::default();
        units.add(vec![unit(&[5], false), unit(&[1, 2], true), unit(&[3, 4], true)]);
        assert_eq!(units.take(&(0, Key::one(2i64))), Some(unit(&[1, 2], true)));
        assert_eq!(units.take(&(0, Key::one(1i64))), None);
        assert_eq!(units.take(&(0, Key::one(5i64))), None, "no group");
        assert_eq!(units.next(), Some(unit(&[3, 4], true)));
        units.add(vec![unit(&[6], false)]);
        assert_eq!(units.next(), Some(unit(&[6], false)));
        assert_eq!(units.next(), Some(unit(&[5], false)));
        assert_eq!((units.next(), units.is_empty()), (None, true));
    }
}
