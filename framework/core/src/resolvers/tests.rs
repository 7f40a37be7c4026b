//! Each resolver over every shape of conflict.

use super::{ClientWins, LatestWins, Manual, MergeAttributes, ServerWins, all};
use crate::conflict::{Conflict, ConflictResolver, Resolution};
use crate::mutation::ConflictKind;
use crate::record::{Fields, Key};
use crate::schema::{Attribute, EntitySchema};
use crate::value::ValueType;

fn entity() -> EntitySchema {
    let mut note = Attribute::new("note", ValueType::Text);
    note.local = true;
    let attributes = vec![
        Attribute::new("id", ValueType::Integer),
        Attribute::new("start", ValueType::Integer),
        Attribute::new("end", ValueType::Integer),
        Attribute::new("title", ValueType::Text),
        Attribute::new("changed", ValueType::Integer),
        note,
    ];
    let mut entity = EntitySchema::new("Visit", "any", &["id"], attributes);
    entity.together = vec![vec!["start".to_owned(), "end".to_owned()]];
    entity.latest_by = Some("changed".to_owned());
    entity
}

type Short<'a> = (i64, i64, &'a str, i64);

fn side((start, end, title, changed): Short<'_>) -> Fields {
    Fields::new()
        .with("id", 1i64)
        .with("start", start)
        .with("end", end)
        .with("title", title)
        .with("changed", changed)
}

fn conflict(base: Option<Short<'_>>, mine: Option<Short<'_>>, theirs: Option<Short<'_>>) -> Conflict {
    Conflict {
        id: uuid::Uuid::from_u128(1),
        entity: "Visit".to_owned(),
        key: Key::one(1i64),
        kind: ConflictKind::of(base.is_some(), mine.is_some(), theirs.is_some()),
        base: base.map(side),
        mine: mine.map(side),
        theirs: theirs.map(side),
    }
}

const BASE: Option<Short<'_>> = Some((1, 2, "base", 0));

fn resolved(
    resolver: impl ConflictResolver,
    base: Option<Short<'_>>,
    mine: Option<Short<'_>>,
    theirs: Option<Short<'_>>,
) -> Resolution {
    resolver.resolve(&entity(), &conflict(base, mine, theirs))
}

#[test]
fn names_are_unique_and_those_of_the_configuration() {
    let names: Vec<&str> = all().iter().map(|resolver| resolver.name()).collect();
    let wanted = [
        "manual",
        "server-wins",
        "client-wins",
        "latest-wins",
        "merge-attributes",
    ];
    assert_eq!(names, wanted);
}

#[test]
fn a_whole_side_wins_whatever_the_content() {
    for (mine, theirs) in [(BASE, BASE), (None, BASE), (BASE, None)] {
        assert_eq!(resolved(Manual, BASE, mine, theirs), Resolution::Ask);
        assert_eq!(resolved(ServerWins, BASE, mine, theirs), Resolution::TakeTheirs);
        assert_eq!(resolved(ClientWins, BASE, mine, theirs), Resolution::KeepMine);
    }
}

#[test]
fn the_greater_attribute_wins_and_everything_else_is_the_servers() {
    let latest = |mine, theirs| resolved(LatestWins, BASE, mine, theirs);
    assert_eq!(
        latest(Some((1, 2, "m", 5)), Some((1, 2, "t", 4))),
        Resolution::KeepMine
    );
    assert_eq!(
        latest(Some((1, 2, "m", 4)), Some((1, 2, "t", 5))),
        Resolution::TakeTheirs
    );
    assert_eq!(
        latest(Some((1, 2, "m", 5)), Some((1, 2, "t", 5))),
        Resolution::TakeTheirs
    );
    assert_eq!(latest(None, Some((1, 2, "t", 5))), Resolution::TakeTheirs);
    assert_eq!(latest(Some((1, 2, "m", 5)), None), Resolution::TakeTheirs);
    let mut unset = conflict(BASE, Some((1, 2, "m", 5)), Some((1, 2, "t", 1)));
    unset.theirs.as_mut().map(|theirs| theirs.take("changed"));
    assert_eq!(LatestWins.resolve(&entity(), &unset), Resolution::TakeTheirs);
}

#[test]
fn latest_wins_is_refused_without_an_attribute_to_compare() {
    assert!(LatestWins.check(&entity()).is_ok());
    let mut without = entity();
    without.latest_by = None;
    assert_eq!(
        LatestWins.check(&without).unwrap_err().code(),
        "missing_latest_by"
    );
    for resolver in all().iter().filter(|resolver| resolver.name() != "latest-wins") {
        assert!(resolver.check(&without).is_ok());
    }
}

#[test]
fn different_attributes_merge_and_the_same_one_is_left_to_a_person() {
    let merge = |mine, theirs| resolved(MergeAttributes, BASE, mine, theirs);
    let title = Fields::new().with("title", "mine");
    assert_eq!(
        merge(Some((1, 2, "mine", 0)), Some((5, 2, "base", 0))),
        Resolution::Merge(title)
    );
    assert_eq!(
        merge(Some((1, 2, "mine", 0)), Some((1, 2, "theirs", 0))),
        Resolution::Ask
    );
    // Start and end travel together: one changed here, the other there, is the same change twice.
    assert_eq!(
        merge(Some((7, 2, "base", 0)), Some((1, 9, "base", 0))),
        Resolution::Ask
    );
    // Both changed it to the same.
    assert_eq!(
        merge(Some((1, 2, "same", 3)), Some((1, 2, "same", 0))),
        Resolution::Merge(Fields::new().with("changed", 3i64))
    );
}

#[test]
fn a_deletion_or_two_new_records_are_left_to_a_person() {
    let any = Some((1, 2, "other", 0));
    assert_eq!(resolved(MergeAttributes, BASE, None, any), Resolution::Ask);
    assert_eq!(resolved(MergeAttributes, BASE, any, None), Resolution::Ask);
    assert_eq!(resolved(MergeAttributes, None, any, BASE), Resolution::Ask);
}

#[test]
fn the_sides_stand_beside_each_other_attribute_by_attribute() {
    let both = conflict(BASE, Some((1, 2, "mine", 0)), Some((1, 2, "theirs", 7)));
    let attributes = both.attributes(&entity());
    let changed: Vec<(&str, bool, bool)> = attributes
        .iter()
        .map(|attribute| {
            (
                attribute.name.as_str(),
                attribute.changed_here,
                attribute.changed_there,
            )
        })
        .collect();
    let wanted = [
        ("id", false, false),
        ("start", false, false),
        ("end", false, false),
        ("title", true, true),
        ("changed", false, true),
    ];
    assert_eq!(changed, wanted, "the local attribute is not there");
    let deleted = conflict(BASE, Some((1, 2, "mine", 0)), None).attributes(&entity());
    assert_eq!(
        (deleted[3].theirs.as_ref(), deleted[3].changed_there),
        (None, false)
    );
    let made = conflict(None, BASE, Some((1, 2, "theirs", 0))).attributes(&entity());
    assert!(made[3].changed_here && made[3].changed_there && !made[1].changed_here);
}
