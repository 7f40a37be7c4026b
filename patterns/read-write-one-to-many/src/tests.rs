//! What this pattern is, and that it decides record by record like all that let the last push win.

use super::*;
use onsync_core::mutation::{BinReason, MutationKind};
use onsync_core::page::KeyRange;
use onsync_core::record::{Key, RecordName};
use onsync_core::schema::{Attribute, EntitySchema};
use onsync_core::{Fields, Row, Value, ValueType};

fn entity() -> EntitySchema {
    let attributes = vec![
        Attribute::new("id", ValueType::Integer),
        Attribute::new("name", ValueType::Text),
        Attribute::new("city", ValueType::Text),
    ];
    EntitySchema::new("Company", NAME, &["id"], attributes)
}

fn row(name: &str, city: &str) -> Row {
    vec![Value::Integer(1), name.into(), city.into()]
}

fn plan(base: Option<&Row>, mine: Option<&Row>, incoming: Incoming<'_>) -> Action {
    let entity = entity();
    let dirty = DirtyRecord {
        entity: &entity,
        base,
        mine,
        in_flight: None,
    };
    OneToMany.plan(&dirty, incoming, &PageKind::Snapshot(KeyRange::all()))
}

#[test]
fn its_unit_is_the_family() {
    assert_eq!(
        (OneToMany.unit(), OneToMany.direction()),
        (Unit::Family, Direction::ReadWrite)
    );
    assert!(!OneToMany.whole_refresh());
}

#[test]
fn the_devices_table() {
    let (base, mine, theirs) = (row("base", "base"), row("mine", "base"), row("theirs", "theirs"));
    let (edited, deleted, made) = (
        (Some(&base), Some(&mine)),
        (Some(&base), None),
        (None, Some(&mine)),
    );
    let seen = |row: Row| Action::Rebase { visible: Some(row) };
    let gone = Action::Discard(BinReason::Gone);
    let left = Action::Discard(BinReason::LeftScope);
    let cases = [
        (edited, Incoming::Row(&theirs), seen(row("mine", "theirs"))),
        (edited, Incoming::Row(&mine), Action::Accept),
        (edited, Incoming::Deleted, gone),
        (edited, Incoming::Removed, left.clone()),
        (deleted, Incoming::Row(&theirs), Action::Rebase { visible: None }),
        (deleted, Incoming::Deleted, Action::Accept),
        (deleted, Incoming::Removed, left.clone()),
        (made, Incoming::Row(&theirs), seen(mine.clone())),
        (made, Incoming::Deleted, Action::Keep),
        (made, Incoming::Removed, left),
    ];
    for ((base, mine), incoming, wanted) in cases {
        assert_eq!(
            plan(base, mine, incoming.clone()),
            wanted,
            "{base:?} {mine:?} {incoming:?}"
        );
    }
}

#[test]
fn the_servers_table() {
    let current = Fields::new().with("id", 1i64).with("name", "theirs");
    let name = Fields::new().with("name", "mine");
    let cases = [
        (MutationKind::Create, false, Verdict::Insert),
        (MutationKind::Create, true, Verdict::Update(name.clone())),
        (MutationKind::Update, false, Verdict::Gone),
        (MutationKind::Update, true, Verdict::Update(name.clone())),
        (MutationKind::Delete, false, Verdict::Nothing),
        (MutationKind::Delete, true, Verdict::Delete),
    ];
    for (kind, there, wanted) in cases {
        let mutation = Mutation {
            id: Default::default(),
            number: 1,
            entity: "Company".to_owned(),
            record: RecordName::Key(Key::one(1i64)),
            kind,
            values: name.clone().with("id", 1i64),
            base: Fields::new(),
            base_version: None,
            references: Vec::new(),
            group: None,
        };
        let view = ServerView {
            entity: &entity(),
            current: there.then_some(&current),
            version: None,
        };
        assert_eq!(
            OneToMany.decide(&view, &mutation),
            wanted,
            "{kind:?}, there: {there}"
        );
    }
}

#[test]
fn an_answer_holds_what_the_position_calls_for() {
    let progress = |position, newest| Some(Progress { position, newest });
    assert_eq!(OneToMany.select(None), Selection::Full);
    assert_eq!(OneToMany.select(progress(7, 7)), Selection::Nothing);
    assert_eq!(OneToMany.select(progress(6, 7)), Selection::Delta);
}
