//! The resolver, asked about one conflict after the other: no store, no network.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../src/later_due_date.rs"]
mod later_due_date;

use later_due_date::LaterDueDate;
use onsync_core::conflict::{Conflict, ConflictResolver as _, Resolution};
use onsync_core::mutation::ConflictKind;
use onsync_core::schema::{Attribute, EntitySchema};
use onsync_core::{Fields, Key, ValueType, value::Date};

fn task() -> EntitySchema {
    let attributes = vec![
        Attribute::new("id", ValueType::Integer),
        Attribute::new("title", ValueType::Text),
        Attribute::new("due", ValueType::Date),
        Attribute::new("remark", ValueType::Text),
    ];
    EntitySchema::new("Task", "read-write-conflict-detection", &["id"], attributes)
}

fn side(title: &str, due: &str, remark: &str) -> Option<Fields> {
    let date: Date = due.parse().unwrap();
    let side = Fields::new().with("id", 1i64).with("title", title);
    Some(side.with("due", date).with("remark", remark))
}

fn decided(base: Option<Fields>, mine: Option<Fields>, theirs: Option<Fields>) -> Resolution {
    let conflict = Conflict {
        id: Default::default(),
        entity: "Task".to_owned(),
        key: Key::one(1i64),
        kind: ConflictKind::of(base.is_some(), mine.is_some(), theirs.is_some()),
        base,
        mine,
        theirs,
    };
    LaterDueDate.resolve(&task(), &conflict)
}

/// What the record is once the merged values stand over theirs.
fn merged(base: Option<Fields>, mine: Option<Fields>, theirs: Option<Fields>) -> Fields {
    let mut record = theirs.clone().unwrap();
    let Resolution::Merge(values) = decided(base, mine, theirs) else {
        panic!("it asked");
    };
    for (name, value) in values.iter() {
        record.set(name, value.clone());
    }
    record
}

#[test]
fn the_later_date_wins_whoever_syncs_first_and_remarks_are_joined() {
    let base = side("a", "2026-12-01", "key");
    let (early, late) = (
        side("a", "2026-12-03", "key\ncall"),
        side("a", "2026-12-10", "key\nparts"),
    );
    let first = merged(base.clone(), early.clone(), late.clone());
    assert_eq!(Some(first), side("a", "2026-12-10", "key\nparts\ncall"));
    let second = merged(base, late, early);
    assert_eq!(Some(second), side("a", "2026-12-10", "key\ncall\nparts"));
}

#[test]
fn what_only_one_side_changed_counts_even_if_the_date_is_earlier() {
    let base = side("a", "2026-12-01", "key");
    let (mine, theirs) = (
        side("a", "2026-11-20", "key"),
        side("b", "2026-12-01", "key\nparts"),
    );
    assert_eq!(
        Some(merged(base, mine, theirs)),
        side("b", "2026-11-20", "key\nparts")
    );
}

#[test]
fn a_date_wins_over_none_and_a_remark_is_not_lost() {
    let base = side("a", "2026-12-01", "key");
    let theirs = side("a", "2026-12-05", "key\nparts");
    let empty = Fields::new().with("id", 1i64).with("title", "a");
    let kept = merged(base.clone(), Some(empty.clone()), theirs.clone());
    assert_eq!(Some(kept), theirs);
    let kept = merged(base, theirs.clone(), Some(empty));
    assert_eq!(Some(kept), theirs);
}

#[test]
fn another_attribute_that_both_changed_and_a_deletion_are_left_to_a_person() {
    let base = side("a", "2026-12-01", "key");
    let (mine, theirs) = (side("b", "2026-12-03", "key"), side("c", "2026-12-03", "key"));
    assert_eq!(
        decided(base.clone(), mine.clone(), theirs.clone()),
        Resolution::Ask
    );
    assert_eq!(decided(base.clone(), None, theirs), Resolution::Ask);
    assert_eq!(decided(base, mine, None), Resolution::Ask);
}

#[test]
fn an_entity_without_the_attributes_is_refused() {
    assert!(LaterDueDate.check(&task()).is_ok());
    let mut without = task();
    without.attributes.retain(|attribute| attribute.name != "due");
    let error = LaterDueDate.check(&without).unwrap_err();
    assert!(error.to_string().contains("no attribute `due`"), "{error}");
}
