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
/// Mutations of one record are never reordered. Where units wait for each other in a circle, deletes give up their wait first, and
/// what still waits in a circle stays as sent.
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
    let across = |pairs: &Pairs| -> Pairs {
        let pairs = pairs.iter().filter_map(|(before, after)| {
            // Nodes beyond the mutations are barriers and stand for themselves behind the units.
            let node = |at: &usize| match unit_of.get(at) {
                Some(unit) => *unit,
                None => at + units.len() - places.len(),
            };
            let (before, after) = (node(before), node(after));
            (before != after).then_some((before, after))
        });
        pairs.collect()
    };
    let order = sorted(
        units.len() + edges.barriers,
        &across(&edges.pairs),
        &across(&edges.waits),
    );
    let members = |members: &Vec<usize>| -> Vec<usize> { members.iter().map(|at| places[*at]).collect() };
    order
        .into_iter()
        .filter_map(|unit| units.get(unit))
        .map(|unit| Unit {
            members: inside(items, members(unit), schema),
        })
        .collect()
}

/// The members of a unit in order.
fn inside(items: &[Item], members: Vec<usize>, schema: &Schema) -> Vec<usize> {
    if members.len() < 2 {
        return members;
    }
    let edges = edges(items, &members, schema);
    sorted(members.len() + edges.barriers, &edges.pairs, &edges.waits)
        .into_iter()
        .filter_map(|at| members.get(at).copied())
        .collect()
}

type Pairs = BTreeSet<(usize, usize)>;

/// What must come before what. Nodes are places in the list of mutations; those behind its end are barriers.
struct Edges {
    /// Of one record, and what refers to what.
    pairs: Pairs,
    /// What deletes of parents wait for.
    waits: Pairs,
    barriers: usize,
}

fn edges(items: &[Item], places: &[usize], schema: &Schema) -> Edges {
    let mut edges = Edges {
        pairs: BTreeSet::new(),
        waits: BTreeSet::new(),
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
                edges.waits.insert((before, barrier));
            }
        }
        for after in after {
            edges.waits.insert((barrier, after));
        }
    }
}

/// Nodes `0..count` so that for each pair the first comes before the second, otherwise by number. Where that is impossible, the
/// smallest number that only `waits` hold back goes first, else the smallest.
fn sorted(count: usize, pairs: &Pairs, waits: &Pairs) -> Vec<usize> {
    let mut held = Holds::new(count, pairs);
    let mut waiting = Holds::new(count, waits);
    let mut order = Vec::with_capacity(count);
    let mut ready: BTreeSet<usize> = (0..count)
        .filter(|node| held.is_free(*node) && waiting.is_free(*node))
        .collect();
    let mut left: BTreeSet<usize> = (0..count).collect();
    let next = |ready: &mut BTreeSet<usize>, left: &BTreeSet<usize>, held: &Holds<'_>| {
        let free = || left.iter().copied().find(|node| held.is_free(*node));
        ready.pop_first().or_else(free).or_else(|| left.first().copied())
    };
    while let Some(node) = next(&mut ready, &left, &held) {
        left.remove(&node);
        order.push(node);
        let freed: Vec<usize> = held.release(node).chain(waiting.release(node)).collect();
        let free = |after: &usize| left.contains(after) && held.is_free(*after) && waiting.is_free(*after);
        ready.extend(freed.into_iter().filter(free));
    }
    order
}

/// How many nodes still hold each node back.
struct Holds<'a> {
    pairs: &'a Pairs,
    count: Vec<usize>,
}

impl<'a> Holds<'a> {
    fn new(nodes: usize, pairs: &'a Pairs) -> Self {
        let mut count = vec![0; nodes];
        for (_, after) in pairs {
            count[*after] += 1;
        }
        Self { pairs, count }
    }

    fn is_free(&self, node: usize) -> bool {
        self.count[node] == 0
    }

    /// Takes note that a node has its place; the nodes that waited for it.
    fn release(&mut self, node: usize) -> impl Iterator<Item = usize> + 'a {
        let pairs = self.pairs;
        let after = pairs
            .range((node, 0)..=(node, usize::MAX))
            .map(|(_, after)| *after);
        for after in after.clone() {
            self.count[after] = self.count[after].saturating_sub(1);
        }
        after
    }
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

    fn grouped(mut item: Item, group: u128) -> Item {
        item.mutation.group = Some(Uuid::from_u128(group));
        item
    }

    #[test]
    fn inside_a_group_parents_are_deleted_last_too() {
        let items = [
            grouped(item(1, Delete, "Parent", 1, Fields::new()), 1),
            grouped(
                item(2, Update, "Child", 1, Fields::new().with("parent_id", 2i64)),
                1,
            ),
        ];
        assert_eq!(order(&items), [[1, 0]]);
    }

    #[test]
    fn groups_that_delete_families_do_not_upset_what_refers_to_what() {
        let items = [
            grouped(
                item(1, Create, "Child", 9, Fields::new().with("parent_id", 7i64)),
                1,
            ),
            grouped(item(2, Delete, "Child", 1, Fields::new()), 1),
            grouped(item(3, Delete, "Parent", 1, Fields::new()), 1),
            grouped(item(4, Delete, "Child", 2, Fields::new()), 2),
            grouped(item(5, Delete, "Parent", 2, Fields::new()), 2),
            item(6, Create, "Parent", 7, Fields::new()),
        ];
        assert_eq!(order(&items), [vec![5], vec![0, 1, 2], vec![3, 4]]);
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
