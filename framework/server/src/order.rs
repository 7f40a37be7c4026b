//! In which order mutations are tried: as sent, but parents before what refers to them, and deleted after it.

use crate::request::Item;
use onsync_core::mutation::MutationKind;
use onsync_core::record::RecordName;
use onsync_core::schema::Schema;
use onsync_core::value::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use uuid::Uuid;

/// Mutations that succeed or fail together, by their place in the request, in the order in which they are tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unit {
    /// The mutations.
    pub(crate) members: Vec<usize>,
}

/// The units of these mutations (places in `items`), in the order in which they are tried.
///
/// Mutations of one record are never reordered. Where mutations wait for each other in a circle, they stay as sent.
pub(crate) fn units(items: &[Item], places: &[usize], schema: &Schema) -> Vec<Unit> {
    let edges = edges(items, places, schema);
    let mut unit_of = BTreeMap::new();
    let mut groups: HashMap<Uuid, usize> = HashMap::new();
    let mut units: Vec<Vec<usize>> = Vec::new();
    for (at, place) in places.iter().enumerate() {
        let unit = match items[*place].mutation.group {
            Some(group) => *groups.entry(group).or_insert(units.len()),
            None => units.len(),
        };
        if unit == units.len() {
            units.push(Vec::new());
        }
        units[unit].push(at);
        unit_of.insert(at, unit);
    }
    let across = edges
        .pairs
        .iter()
        .filter_map(|(before, after)| {
            // Nodes beyond the mutations are barriers and stand for themselves behind the units.
            let node = |at: &usize| match unit_of.get(at) {
                Some(unit) => *unit,
                None => at + units.len() - places.len(),
            };
            let (before, after) = (node(before), node(after));
            (before != after).then_some((before, after))
        })
        .collect();
    let order = sorted(units.len() + edges.barriers, &across);
    order
        .into_iter()
        .filter_map(|unit| units.get(unit))
        .map(|members| Unit {
            members: inside(members, &edges).into_iter().map(|at| places[at]).collect(),
        })
        .collect()
}

/// The members of a unit in order.
fn inside(members: &[usize], edges: &Edges) -> Vec<usize> {
    if members.len() < 2 {
        return members.to_vec();
    }
    let local = |at: usize| members.binary_search(&at).ok();
    let pairs = edges
        .pairs
        .iter()
        .filter_map(|(before, after)| Some((local(*before)?, local(*after)?)))
        .collect();
    sorted(members.len(), &pairs)
        .into_iter()
        .map(|local| members[local])
        .collect()
}

/// What must come before what. Nodes are places in the list of mutations; those behind its end are barriers.
struct Edges {
    pairs: BTreeSet<(usize, usize)>,
    barriers: usize,
}

fn edges(items: &[Item], places: &[usize], schema: &Schema) -> Edges {
    let mut edges = Edges {
        pairs: BTreeSet::new(),
        barriers: 0,
    };
    same_record(items, places, &mut edges);
    references(items, places, schema, &mut edges);
    deletes(items, places, schema, &mut edges);
    edges
}

fn same_record(items: &[Item], places: &[usize], edges: &mut Edges) {
    let mut last: HashMap<(&str, RecordName), usize> = HashMap::new();
    for (at, place) in places.iter().enumerate() {
        let mutation = &items[*place].mutation;
        let name = match mutation.kind {
            MutationKind::Create if matches!(mutation.record, RecordName::Created(_)) => {
                RecordName::Created(mutation.id)
            }
            _ => mutation.record.clone(),
        };
        if let Some(before) = last.insert((&mutation.entity, name), at) {
            edges.pairs.insert((before, at));
        }
    }
}

/// A create comes before the creates and updates that refer to its record, by its id or by its key.
fn references(items: &[Item], places: &[usize], schema: &Schema, edges: &mut Edges) {
    let mut by_id: HashMap<Uuid, usize> = HashMap::new();
    let mut by_key: HashMap<(&str, &Value), usize> = HashMap::new();
    for (at, place) in places.iter().enumerate() {
        let mutation = &items[*place].mutation;
        if mutation.kind == MutationKind::Create {
            by_id.insert(mutation.id, at);
            if let RecordName::Key(key) = &mutation.record
                && let [value] = key.values()
                && !value.is_null()
            {
                by_key.insert((&mutation.entity, value), at);
            }
        }
    }
    for (at, place) in places.iter().enumerate() {
        let mutation = &items[*place].mutation;
        let named = mutation.references.iter().map(|reference| &reference.created);
        let own = match &mutation.record {
            RecordName::Created(id) => Some(id),
            RecordName::Key(_) => None,
        };
        let by_id = named.chain(own).filter_map(|id| by_id.get(id));
        let by_key = schema.parents_of(&mutation.entity).filter_map(|relation| {
            by_key.get(&(
                relation.parent.as_str(),
                mutation.values.value(&relation.attribute),
            ))
        });
        for before in by_id.chain(by_key).filter(|before| **before != at) {
            edges.pairs.insert((*before, at));
        }
    }
}

/// Deletes of a parent entity come after all updates and deletes of its children: one barrier per parent entity.
fn deletes(items: &[Item], places: &[usize], schema: &Schema, edges: &mut Edges) {
    let of_kind = |entity: &str, kinds: &[MutationKind]| -> Vec<usize> {
        let fits = |place: &usize| {
            let mutation = &items[*place].mutation;
            mutation.entity == entity && kinds.contains(&mutation.kind)
        };
        (0..places.len()).filter(|at| fits(&places[*at])).collect()
    };
    let parents: BTreeSet<&str> = schema
        .relations
        .iter()
        .map(|relation| relation.parent.as_str())
        .collect();
    for parent in parents {
        let after = of_kind(parent, &[MutationKind::Delete]);
        if after.is_empty() {
            continue;
        }
        let barrier = places.len() + edges.barriers;
        edges.barriers += 1;
        for relation in schema.children_of(parent) {
            let kinds: &[MutationKind] = match relation.child == parent {
                true => &[MutationKind::Update],
                false => &[MutationKind::Update, MutationKind::Delete],
            };
            for before in of_kind(&relation.child, kinds) {
                edges.pairs.insert((before, barrier));
            }
        }
        for after in after {
            edges.pairs.insert((barrier, after));
        }
    }
}

/// Nodes `0..count` so that for each pair the first comes before the second, otherwise by number; where that is
/// impossible the smallest number goes first.
fn sorted(count: usize, pairs: &BTreeSet<(usize, usize)>) -> Vec<usize> {
    let mut waits = vec![0_usize; count];
    for (_, after) in pairs {
        waits[*after] += 1;
    }
    let mut ready: BTreeSet<usize> = (0..count).filter(|node| waits[*node] == 0).collect();
    let mut left: BTreeSet<usize> = (0..count).collect();
    let mut order = Vec::with_capacity(count);
    while let Some(node) = ready.pop_first().or_else(|| left.first().copied()) {
        left.remove(&node);
        order.push(node);
        for (_, after) in pairs.range((node, 0)..=(node, usize::MAX)) {
            waits[*after] = waits[*after].saturating_sub(1);
            if waits[*after] == 0 && left.contains(after) {
                ready.insert(*after);
            }
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use onsync_core::mutation::Mutation;
    use onsync_core::record::{Fields, Key};
    use onsync_core::schema::{OnDelete, Relation};

    fn item(id: u128, kind: MutationKind, entity: &str, key: i64, values: Fields) -> Item {
        Item {
            mutation: Mutation {
                id: Uuid::from_u128(id),
                number: 1,
                entity: entity.to_owned(),
                record: RecordName::Key(Key::one(key)),
                kind,
                values,
                base: Fields::new(),
                base_version: None,
                references: Vec::new(),
                group: None,
            },
            body: [0; 32],
            asked: 0,
        }
    }

    fn schema() -> Schema {
        Schema {
            entities: Vec::new(),
            relations: vec![Relation {
                name: "parent".to_owned(),
                child: "Child".to_owned(),
                attribute: "parent_id".to_owned(),
                parent: "Parent".to_owned(),
                on_delete: OnDelete::Restrict,
            }],
        }
    }

    fn order(items: &[Item]) -> Vec<Vec<usize>> {
        let places: Vec<usize> = (0..items.len()).collect();
        units(items, &places, &schema())
            .into_iter()
            .map(|unit| unit.members)
            .collect()
    }

    use MutationKind::{Create, Delete, Update};

    #[test]
    fn what_has_nothing_to_do_with_each_other_stays_as_sent() {
        let items = [
            item(1, Delete, "Child", 1, Fields::new()),
            item(2, Create, "Parent", 2, Fields::new()),
            item(3, Update, "Child", 3, Fields::new()),
        ];
        assert_eq!(order(&items), [[0], [1], [2]]);
    }

    #[test]
    fn parents_are_made_first_and_deleted_last() {
        let refers = |key: i64| Fields::new().with("parent_id", key);
        let items = [
            item(1, Delete, "Parent", 9, Fields::new()),
            item(2, Create, "Child", 1, refers(7)),
            item(3, Create, "Parent", 7, Fields::new()),
            item(4, Delete, "Child", 2, Fields::new()),
        ];
        assert_eq!(order(&items), [[2], [1], [3], [0]]);
    }

    #[test]
    fn mutations_of_one_record_keep_their_order_and_a_circle_stays_as_sent() {
        let items = [
            item(1, Delete, "Parent", 7, Fields::new()),
            item(2, Create, "Parent", 7, Fields::new()),
            item(3, Update, "Child", 1, Fields::new().with("parent_id", 7i64)),
        ];
        assert_eq!(order(&items), [[0], [1], [2]]);
    }

    #[test]
    fn a_group_is_one_unit_and_sorted_inside() {
        let mut items = [
            item(1, Create, "Child", 1, Fields::new().with("parent_id", 7i64)),
            item(2, Update, "Child", 5, Fields::new()),
            item(3, Create, "Parent", 7, Fields::new()),
        ];
        items[0].mutation.group = Some(Uuid::from_u128(1));
        items[2].mutation.group = Some(Uuid::from_u128(1));
        assert_eq!(order(&items), [vec![2, 0], vec![1]]);
    }

    #[test]
    fn a_create_named_by_its_own_id_comes_before_what_names_it() {
        let mut items = [
            item(1, Update, "Parent", 1, Fields::new()),
            item(2, Create, "Parent", 2, Fields::new()),
        ];
        items[0].mutation.record = RecordName::Created(Uuid::from_u128(2));
        items[1].mutation.record = RecordName::Created(Uuid::from_u128(2));
        // Both name one record: what was sent first stays first.
        assert_eq!(order(&items), [[0], [1]]);
        items.swap(0, 1);
        assert_eq!(order(&items), [[0], [1]]);
    }
}
