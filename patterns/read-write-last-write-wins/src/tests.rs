//! The outcome table, case by case.

use super::*;
use onsync_core::mutation::{BinReason, MutationKind, Outcome};
use onsync_core::page::KeyRange;
use onsync_core::pattern::{InFlight, Settlement};
use onsync_core::record::{Key, RecordName};
use onsync_core::schema::{Attribute, EntitySchema};
use onsync_core::{Fields, Row, Value, ValueType};

fn entity() -> EntitySchema {
    let mut entity = EntitySchema::new(
        "Visit",
        NAME,
        &["id"],
        vec![
            Attribute::new("id", ValueType::Integer),
            Attribute::new("start", ValueType::Integer),
            Attribute::new("end", ValueType::Integer),
            Attribute::new("note", ValueType::Text),
        ],
    );
    entity.together = vec![vec!["start".to_owned(), "end".to_owned()]];
    entity
}

type Short<'a> = (i64, i64, &'a str);

fn row((start, end, note): Short<'_>) -> Row {
    vec![
        Value::Integer(1),
        Value::Integer(start),
        Value::Integer(end),
        Value::Text(note.to_owned()),
    ]
}

fn with_dirty<T>(
    base: Option<Short<'_>>,
    mine: Option<Short<'_>>,
    sent: Option<(MutationKind, Fields)>,
    then: impl FnOnce(&DirtyRecord<'_>) -> T,
) -> T {
    let (entity, base, mine) = (entity(), base.map(row), mine.map(row));
    let in_flight = sent.map(|(kind, values)| InFlight { kind, values });
    then(&DirtyRecord {
        entity: &entity,
        base: base.as_ref(),
        mine: mine.as_ref(),
        in_flight: in_flight.as_ref(),
    })
}

fn plan(
    base: Option<Short<'_>>,
    mine: Option<Short<'_>>,
    sent: Option<(MutationKind, Fields)>,
    incoming: Incoming<'_>,
) -> Action {
    with_dirty(base, mine, sent, |dirty| {
        let [delta, snapshot] = [PageKind::Delta, PageKind::Snapshot(KeyRange::all())]
            .map(|kind| LastWriteWins.plan(dirty, incoming.clone(), &kind));
        assert_eq!(delta, snapshot, "the kind of page decides nothing here");
        delta
    })
}

fn seen(visible: Short<'_>) -> Action {
    Action::Rebase {
        visible: Some(row(visible)),
    }
}

const BASE: Option<Short<'_>> = Some((1, 2, "base"));

#[test]
fn a_row_merges_per_attribute_and_what_belongs_together_stays_together() {
    let theirs = row((5, 6, "theirs"));
    let incoming = || Incoming::Row(&theirs);
    assert_eq!(
        plan(BASE, Some((1, 2, "mine")), None, incoming()),
        seen((5, 6, "mine"))
    );
    assert_eq!(
        plan(BASE, Some((3, 2, "base")), None, incoming()),
        seen((3, 2, "theirs"))
    );
    assert_eq!(
        plan(None, Some((3, 4, "mine")), None, incoming()),
        seen((3, 4, "mine"))
    );
}

#[test]
fn an_edit_that_the_server_has_by_now_ends() {
    let theirs = row((1, 2, "same"));
    let mine = Some((1, 2, "same"));
    assert_eq!(plan(BASE, mine, None, Incoming::Row(&theirs)), Action::Accept);
    assert_eq!(plan(None, mine, None, Incoming::Row(&theirs)), Action::Accept);
    // … but not while its own outcome is awaited.
    let sent = Some((MutationKind::Update, Fields::new().with("note", "same")));
    assert_eq!(
        plan(BASE, mine, sent, Incoming::Row(&theirs)),
        seen((1, 2, "same"))
    );
}

#[test]
fn a_value_on_its_way_stays_visible_though_the_app_went_back_to_the_base() {
    let theirs = row((1, 2, "theirs"));
    let sent = Some((MutationKind::Update, Fields::new().with("note", "sent")));
    assert_eq!(
        plan(BASE, BASE, sent, Incoming::Row(&theirs)),
        seen((1, 2, "base"))
    );
}

#[test]
fn a_deleted_record_stays_deleted_until_the_server_knows() {
    let theirs = row((5, 6, "theirs"));
    let hidden = Action::Rebase { visible: None };
    let delete = || Some((MutationKind::Delete, Fields::new()));
    let create = || Some((MutationKind::Create, Fields::new().with("note", "mine")));
    assert_eq!(plan(BASE, None, None, Incoming::Row(&theirs)), hidden);
    assert_eq!(plan(BASE, None, delete(), Incoming::Row(&theirs)), hidden);
    assert_eq!(plan(None, None, create(), Incoming::Row(&theirs)), hidden);
    assert_eq!(plan(BASE, None, None, Incoming::Deleted), Action::Accept);
    assert_eq!(plan(BASE, None, delete(), Incoming::Deleted), Action::Accept);
    assert_eq!(plan(None, None, create(), Incoming::Deleted), Action::Keep);
}

#[test]
fn a_deletion_takes_edits_to_the_bin_and_leaves_own_creates() {
    let mine = Some((1, 2, "mine"));
    let update = Some((MutationKind::Update, Fields::new().with("note", "mine")));
    let create = Some((MutationKind::Create, Fields::new().with("note", "mine")));
    assert_eq!(
        plan(BASE, mine, None, Incoming::Deleted),
        Action::Discard(BinReason::Gone)
    );
    assert_eq!(
        plan(BASE, mine, update, Incoming::Deleted),
        Action::Discard(BinReason::Gone)
    );
    assert_eq!(plan(None, mine, None, Incoming::Deleted), Action::Keep);
    assert_eq!(plan(None, mine, create, Incoming::Deleted), Action::Keep);
}

#[test]
fn what_is_made_again_is_not_merged_with_what_was_deleted() {
    let theirs = row((5, 6, "theirs"));
    let delete = || Some((MutationKind::Delete, Fields::new()));
    let mine = Some((1, 2, "again"));
    assert_eq!(
        plan(BASE, mine, delete(), Incoming::Row(&theirs)),
        seen((1, 2, "again"))
    );
    assert_eq!(plan(BASE, mine, delete(), Incoming::Deleted), Action::Keep);
}

#[test]
fn what_left_the_scope_goes_to_the_bin() {
    let mine = Some((1, 2, "mine"));
    for (base, mine) in [(BASE, mine), (BASE, None), (None, mine)] {
        assert_eq!(
            plan(base, mine, None, Incoming::Removed),
            Action::Discard(BinReason::LeftScope)
        );
    }
}

#[test]
fn a_request_names_only_what_changed() {
    let changed = |base, mine| with_dirty(base, mine, None, |dirty| LastWriteWins.request(dirty));
    let change = |kind, attributes: &[usize]| {
        Some(Change {
            kind,
            attributes: attributes.to_vec(),
        })
    };
    assert_eq!(changed(BASE, BASE), None);
    assert_eq!(
        changed(BASE, Some((1, 2, "mine"))),
        change(MutationKind::Update, &[3])
    );
    assert_eq!(
        changed(BASE, Some((9, 2, "base"))),
        change(MutationKind::Update, &[1, 2])
    );
    assert_eq!(changed(None, BASE), change(MutationKind::Create, &[0, 1, 2, 3]));
    assert_eq!(changed(BASE, None), change(MutationKind::Delete, &[]));
    assert_eq!(changed(None, None), None);
}

#[test]
fn the_server_decides_as_the_table_says() {
    let current = Fields::new().with("id", 1i64).with("note", "theirs");
    let values = Fields::new().with("id", 1i64).with("note", "mine");
    let note = Fields::new().with("note", "mine");
    let cases = [
        (MutationKind::Create, false, Verdict::Insert),
        (MutationKind::Create, true, Verdict::Update(note.clone())),
        (MutationKind::Update, false, Verdict::Gone),
        (MutationKind::Update, true, Verdict::Update(note)),
        (MutationKind::Delete, false, Verdict::Nothing),
        (MutationKind::Delete, true, Verdict::Delete),
    ];
    for (kind, there, wanted) in cases {
        let mutation = Mutation {
            id: Default::default(),
            number: 1,
            entity: "Visit".to_owned(),
            record: RecordName::Key(Key::one(1i64)),
            kind,
            values: values.clone(),
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
            LastWriteWins.decide(&view, &mutation),
            wanted,
            "{kind:?}, there: {there}"
        );
    }
}

#[test]
fn an_answer_holds_what_the_position_calls_for() {
    let cases = [
        (None, Selection::Full),
        (Some((0, 0)), Selection::Nothing),
        (Some((7, 7)), Selection::Nothing),
        (Some((8, 7)), Selection::Nothing),
        (Some((6, 7)), Selection::Delta),
    ];
    for (progress, wanted) in cases {
        let progress = progress.map(|(position, newest)| Progress { position, newest });
        assert_eq!(LastWriteWins.select(progress), wanted, "{progress:?}");
    }
}

#[test]
fn what_was_applied_and_is_gone_by_now_leaves_the_device() {
    let settled = |outcome| {
        with_dirty(BASE, Some((1, 2, "mine")), None, |dirty| {
            LastWriteWins.settle(dirty, &outcome)
        })
    };
    let applied = |gone| Outcome::Applied {
        key: None,
        stored: None,
        gone,
    };
    assert_eq!(settled(applied(false)), Settlement::Acknowledge);
    assert_eq!(settled(applied(true)), Settlement::Discard(BinReason::Gone));
    assert_eq!(settled(Outcome::Gone), Settlement::Discard(BinReason::Gone));
}
