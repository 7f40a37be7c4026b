//! The laws of merging, for any base, mine and theirs: of the resolver `merge-attributes`, and of a page that meets an edit.
#![expect(clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "../../onsync/tests/promises/seeds.rs"]
mod seeds;

use onsync_core::conflict::{Conflict, ConflictResolver as _, Resolution};
use onsync_core::mutation::ConflictKind;
use onsync_core::pattern::{Action, DirtyRecord, Incoming};
use onsync_core::resolvers::MergeAttributes;
use onsync_core::schema::{Attribute, EntitySchema};
use onsync_core::{Fields, Key, Row, Value, ValueType, two_way};
use proptest::prelude::*;
use uuid::Uuid;

/// A key, four attributes of which two travel together, and one that never travels.
fn entity() -> EntitySchema {
    let mut attributes: Vec<Attribute> = ["id", "a", "start", "end", "b", "note"]
        .map(|name| Attribute::new(name, ValueType::Integer))
        .to_vec();
    attributes[5].local = true;
    EntitySchema {
        together: vec![vec!["start".to_owned(), "end".to_owned()]],
        ..EntitySchema::new("Visit", "any", &["id"], attributes)
    }
}

/// The units that change as one, by place.
const UNITS: [&[usize]; 3] = [&[1], &[2, 3], &[4]];

/// A row of record 1; few values, so that sides agree often.
fn side() -> impl Strategy<Value = Row> {
    let value = prop_oneof![Just(Value::Null), (0i64..3).prop_map(Value::Integer)];
    proptest::collection::vec(value, 4).prop_map(|values| {
        let mut row = vec![Value::Integer(1)];
        row.extend(values);
        row.push(Value::Null);
        row
    })
}

fn sides() -> impl Strategy<Value = (Row, Row, Row)> {
    (side(), side(), side())
}

fn fields(row: &Row) -> Fields {
    let entity = entity();
    let travelling = entity
        .attributes
        .iter()
        .zip(row)
        .filter(|(attribute, _)| !attribute.local);
    travelling
        .map(|(attribute, value)| (attribute.name.clone(), value.clone()))
        .collect()
}

fn resolve(base: &Row, mine: &Row, theirs: &Row) -> Resolution {
    let conflict = Conflict {
        id: Uuid::from_u128(1),
        entity: "Visit".to_owned(),
        key: Key::one(1i64),
        kind: ConflictKind::UpdateUpdate,
        base: Some(fields(base)),
        mine: Some(fields(mine)),
        theirs: Some(fields(theirs)),
    };
    MergeAttributes.resolve(&entity(), &conflict)
}

/// The record that a resolution makes; none where a person decides.
fn merged(base: &Row, mine: &Row, theirs: &Row) -> Option<Row> {
    let changes = match resolve(base, mine, theirs) {
        Resolution::Merge(changes) => changes,
        Resolution::Ask => return None,
        other => panic!("{other:?} takes a whole side"),
    };
    let entity = entity();
    let mut row = theirs.clone();
    for (name, value) in changes.iter() {
        let place = entity
            .index_of(name)
            .unwrap_or_else(|| panic!("no attribute `{name}`"));
        assert!(place > 0 && place < 5, "`{name}` is the key or never travels");
        row[place] = value.clone();
    }
    Some(row)
}

fn differ(unit: &[usize], one: &Row, other: &Row) -> bool {
    unit.iter().any(|place| one[*place] != other[*place])
}

#[test]
fn each_unit_is_of_the_side_that_changed_it_and_both_sides_are_asked_about_one_both_changed() {
    seeds::check(4_000, &sides(), |(base, mine, theirs)| {
        let asked = UNITS.iter().any(|unit| {
            differ(unit, &mine, &base) && differ(unit, &theirs, &base) && differ(unit, &mine, &theirs)
        });
        let Some(found) = merged(&base, &mine, &theirs) else {
            assert!(asked, "nothing was changed on both sides");
            return;
        };
        assert!(!asked, "both sides changed the same to different values");
        for unit in UNITS {
            let from = if differ(unit, &mine, &base) {
                &mine
            } else {
                &theirs
            };
            assert!(!differ(unit, &found, from), "{unit:?} of {found:?}");
        }
    });
}

#[test]
fn it_does_not_matter_whose_side_is_whose() {
    seeds::check(4_000, &sides(), |(base, mine, theirs)| {
        assert_eq!(merged(&base, &mine, &theirs), merged(&base, &theirs, &mine));
    });
}

#[test]
fn a_side_that_changed_nothing_gives_way_and_equal_sides_are_no_change() {
    seeds::check(1_000, &(side(), side()), |(base, other)| {
        assert_eq!(merged(&base, &base, &other).as_ref(), Some(&other));
        assert_eq!(merged(&base, &other, &base).as_ref(), Some(&other));
        assert_eq!(resolve(&base, &other, &other), Resolution::Merge(Fields::new()));
    });
}

#[test]
fn what_was_merged_meets_either_side_again_without_a_question() {
    seeds::check(4_000, &sides(), |(base, mine, theirs)| {
        if let Some(found) = merged(&base, &mine, &theirs) {
            assert_eq!(merged(&theirs, &found, &theirs).as_ref(), Some(&found));
            assert_eq!(merged(&base, &found, &theirs).as_ref(), Some(&found));
            assert_eq!(merged(&base, &found, &mine).as_ref(), Some(&found));
        }
    });
}

fn dirty<'a>(entity: &'a EntitySchema, base: &'a Row, mine: &'a Row) -> DirtyRecord<'a> {
    DirtyRecord {
        entity,
        base: Some(base),
        mine: Some(mine),
        in_flight: None,
    }
}

#[test]
fn a_page_that_meets_an_edit_keeps_every_edited_unit_and_takes_the_rest() {
    let entity = entity();
    seeds::check(4_000, &sides(), |(base, mine, theirs)| {
        let seen = match two_way::plan(&dirty(&entity, &base, &mine), &Incoming::Row(&theirs)) {
            Action::Accept => theirs.clone(),
            Action::Rebase { visible: Some(row) } => row,
            other => panic!("{other:?}"),
        };
        for unit in UNITS {
            let from = if differ(unit, &mine, &base) {
                &mine
            } else {
                &theirs
            };
            assert!(!differ(unit, &seen, from), "{unit:?} of {seen:?}");
        }
        // The same page once more changes nothing.
        let again = dirty(&entity, &theirs, &seen).merged(&theirs);
        assert_eq!(again.as_ref(), Some(&seen));
    });
}

#[test]
fn what_differs_from_the_base_over_the_base_is_mine() {
    let entity = entity();
    seeds::check(4_000, &(side(), side()), |(base, mine)| {
        let change = dirty(&entity, &base, &mine).difference();
        let places = change.map(|change| change.attributes).unwrap_or_default();
        let mut row = base.clone();
        for place in &places {
            row[*place] = mine[*place].clone();
        }
        assert_eq!(row, mine);
        for unit in UNITS {
            let sent = unit.iter().filter(|place| places.contains(place)).count();
            let wanted = if differ(unit, &base, &mine) { unit.len() } else { 0 };
            assert_eq!(sent, wanted, "{unit:?} travels as one, and only where it changed");
        }
    });
}
