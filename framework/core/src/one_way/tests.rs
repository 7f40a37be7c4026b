//! The outcome table, case by case.

use super::*;
use crate::mutation::MutationKind;
use crate::page::KeyRange;
use crate::record::{Fields, Key, RecordName, Row};
use crate::schema::{Attribute, EntitySchema};
use crate::value::{Value, ValueType};

fn entity() -> EntitySchema {
    EntitySchema::new(
        "Colour",
        "read-only",
        &["id"],
        vec![
            Attribute::new("id", ValueType::Integer),
            Attribute::new("name", ValueType::Text),
        ],
    )
}

fn row(name: &str) -> Row {
    vec![Value::Integer(1), Value::Text(name.to_owned())]
}

fn plan(base: Option<&str>, mine: Option<&str>, incoming: Incoming<'_>, kind: &PageKind) -> Action {
    let (base, mine) = (base.map(row), mine.map(row));
    let dirty = DirtyRecord {
        entity: &entity(),
        base: base.as_ref(),
        mine: mine.as_ref(),
        in_flight: None,
    };
    super::plan(&dirty, &incoming, kind)
}

#[test]
fn what_arrives_meets_kept_edits_as_the_table_says() {
    let (snapshot, delta) = (PageKind::Snapshot(KeyRange::all()), PageKind::Delta);
    let (theirs, binned) = (row("theirs"), Action::Discard(BinReason::ReadOnly));
    for kind in [&snapshot, &delta] {
        for (base, mine) in [
            (Some("base"), Some("mine")),
            (Some("base"), None),
            (None, Some("mine")),
        ] {
            assert_eq!(plan(base, mine, Incoming::Row(&theirs), kind), binned);
        }
        assert_eq!(
            plan(Some("base"), Some("theirs"), Incoming::Row(&theirs), kind),
            Action::Accept
        );
        assert_eq!(
            plan(None, Some("theirs"), Incoming::Row(&theirs), kind),
            Action::Accept
        );
        assert_eq!(plan(Some("base"), Some("mine"), Incoming::Deleted, kind), binned);
        assert_eq!(plan(Some("base"), None, Incoming::Deleted, kind), Action::Accept);
        assert_eq!(plan(Some("base"), Some("mine"), Incoming::Removed, kind), binned);
        assert_eq!(plan(Some("base"), None, Incoming::Removed, kind), binned);
    }
    for absent in [Incoming::Deleted, Incoming::Removed] {
        assert_eq!(plan(None, Some("mine"), absent.clone(), &snapshot), Action::Keep);
        assert_eq!(plan(None, Some("mine"), absent, &delta), binned);
    }
}

#[test]
fn every_mutation_is_rejected() {
    let current = Fields::new().with("id", 1i64).with("name", "theirs");
    for kind in [MutationKind::Create, MutationKind::Update, MutationKind::Delete] {
        for current in [None, Some(&current)] {
            let mutation = Mutation {
                id: Default::default(),
                number: 1,
                entity: "Colour".to_owned(),
                record: RecordName::Key(Key::one(1i64)),
                kind,
                values: Fields::new().with("name", "mine"),
                base: Fields::new(),
                base_version: None,
                references: Vec::new(),
                group: None,
            };
            let view = ServerView {
                entity: &entity(),
                current,
                version: None,
            };
            let verdict = refuse(&view, &mutation);
            assert!(
                matches!(&verdict, Verdict::Reject(rejection) if rejection.code == "read_only"),
                "{verdict:?}"
            );
        }
    }
}
