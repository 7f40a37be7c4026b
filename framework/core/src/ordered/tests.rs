//! The maps and sets of browsers against the standard library's.

use super::map::BTreeMap;
use super::set::BTreeSet;
use std::collections::{BTreeMap as StdMap, BTreeSet as StdSet};
use std::ops::Bound::{Excluded, Included, Unbounded};

/// Numbers that look random and are the same each time.
fn numbers(seed: u64) -> impl Iterator<Item = u64> {
    std::iter::successors(Some(seed), |last| {
        Some(last.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1))
    })
    .map(|number| number >> 33)
}

fn text(number: u64) -> String {
    format!("key {}", number % 40)
}

#[test]
fn a_map_does_what_the_standard_library_s_does() {
    for seed in 1..60 {
        let (mut ours, mut theirs) = (BTreeMap::new(), StdMap::new());
        let mut numbers = numbers(seed);
        for step in 0..300u64 {
            let (what, key) = (numbers.next().unwrap(), text(numbers.next().unwrap()));
            match what % 12 {
                0..=3 => assert_eq!(ours.insert(key.clone(), step), theirs.insert(key, step)),
                4 => assert_eq!(ours.remove(key.as_str()), theirs.remove(key.as_str())),
                5 => assert_eq!(
                    ours.entry(key.clone()).or_insert(step),
                    theirs.entry(key).or_insert(step)
                ),
                6 => {
                    *ours
                        .entry(key.clone())
                        .and_modify(|value| *value += 7)
                        .or_default() += 1;
                    *theirs.entry(key).and_modify(|value| *value += 7).or_default() += 1;
                }
                7 => {
                    ours.retain(|_, value| *value % 5 != what % 5);
                    theirs.retain(|_, value| *value % 5 != what % 5);
                }
                8 => assert_eq!(ours.pop_first(), theirs.pop_first()),
                9 => assert_eq!(ours.pop_last(), theirs.pop_last()),
                10 => {
                    let more: Vec<_> = (0..9).map(|n| (text(what + n * n), step + n)).collect();
                    ours.extend(more.clone());
                    theirs.extend(more);
                }
                _ => {
                    assert_eq!(ours.get_mut(key.as_str()), theirs.get_mut(key.as_str()));
                    for value in ours.values_mut() {
                        *value += 1;
                    }
                    for value in theirs.values_mut() {
                        *value += 1;
                    }
                }
            }
            assert!(ours.iter().eq(theirs.iter()), "seed {seed} step {step}");
        }
        let key = text(seed);
        assert_eq!(ours.get(key.as_str()), theirs.get(key.as_str()));
        assert_eq!(ours.contains_key(key.as_str()), theirs.contains_key(key.as_str()));
        assert_eq!(
            ours.get_key_value(key.as_str()),
            theirs.get_key_value(key.as_str())
        );
        assert_eq!(ours.first_key_value(), theirs.first_key_value());
        assert_eq!(ours.last_key_value(), theirs.last_key_value());
        assert!(ours.keys().rev().eq(theirs.keys().rev()));
        assert!(ours.values().eq(theirs.values()));
        assert_eq!(format!("{ours:?}"), format!("{theirs:?}"));
        assert!(ours.clone().into_values().eq(theirs.clone().into_values()));
        assert!(ours.clone().into_keys().eq(theirs.clone().into_keys()));
        assert!(ours.clone().into_iter().eq(theirs.clone()));
        let json = serde_json::to_string(&theirs).unwrap();
        assert_eq!(serde_json::to_string(&ours).unwrap(), json);
        assert_eq!(
            serde_json::from_str::<BTreeMap<String, u64>>(&json).unwrap(),
            ours
        );
        assert_eq!(ours, theirs.into_iter().rev().collect());
    }
}

#[test]
fn a_range_is_the_standard_library_s() {
    let theirs: StdMap<u64, ()> = (0..20).map(|number| (number * 3, ())).collect();
    let ours: BTreeMap<u64, ()> = theirs.clone().into_iter().collect();
    let bounds = |number| [Included(number), Excluded(number), Unbounded];
    for from in 0..64 {
        for to in from + 1..64 {
            for range in bounds(from)
                .into_iter()
                .flat_map(|from| bounds(to).map(|to| (from, to)))
            {
                assert!(ours.range(range).eq(theirs.range(range)), "{range:?}");
            }
        }
    }
    // The standard library panics.
    assert_eq!(ours.range((Included(9), Excluded(3))).count(), 0);
}

#[test]
fn a_set_does_what_the_standard_library_s_does() {
    for seed in 1..60 {
        let (mut ours, mut theirs) = (BTreeSet::new(), StdSet::new());
        let mut numbers = numbers(seed);
        for _ in 0..200 {
            let (what, element) = (numbers.next().unwrap(), text(numbers.next().unwrap()));
            match what % 5 {
                0..=2 => assert_eq!(ours.insert(element.clone()), theirs.insert(element)),
                3 => assert_eq!(ours.remove(element.as_str()), theirs.remove(element.as_str())),
                _ => assert_eq!(ours.pop_first(), theirs.pop_first()),
            }
            assert!(ours.iter().eq(theirs.iter()), "seed {seed}");
        }
        let others: Vec<String> = numbers.take(12).map(text).collect();
        let (our_others, their_others): (BTreeSet<_>, StdSet<_>) =
            (others.iter().cloned().collect(), others.into_iter().collect());
        assert!(ours.difference(&our_others).eq(theirs.difference(&their_others)));
        assert!(
            ours.intersection(&our_others)
                .eq(theirs.intersection(&their_others))
        );
        assert_eq!(ours.is_disjoint(&our_others), theirs.is_disjoint(&their_others));
        assert_eq!(ours.is_subset(&our_others), theirs.is_subset(&their_others));
        assert_eq!((ours.first(), ours.last()), (theirs.first(), theirs.last()));
        assert_eq!(format!("{ours:?}"), format!("{theirs:?}"));
        let json = serde_json::to_string(&theirs).unwrap();
        assert_eq!(serde_json::to_string(&ours).unwrap(), json);
        assert_eq!(serde_json::from_str::<BTreeSet<String>>(&json).unwrap(), ours);
        ours.retain(|element| element.len() % 2 == 0);
        theirs.retain(|element| element.len() % 2 == 0);
        assert!(ours.into_iter().eq(theirs));
    }
}
