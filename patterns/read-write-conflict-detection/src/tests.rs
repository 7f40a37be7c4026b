//! The outcome table, case by case.

use super::*;
use onsync_core::page::KeyRange;
use onsync_core::pattern::InFlight;
use onsync_core::record::{Key, RecordName, Version};
use onsync_core::schema::{Attribute, EntitySchema};
use onsync_core::{Value, ValueType};

fn entity() -> EntitySchema {
    let mut here = Attribute::new("here", ValueType::Text);
    here.local = true;
    let attributes = vec![
        Attribute::new("id", ValueType::Integer),
        Attribute::new("name", ValueType::Text),
        Attribute::new("note", ValueType::Text),
        here,
    ];
    EntitySchema::new("Visit", NAME, &["id"], attributes)
}

type Short<'a> = (&'a str, &'a str);

fn row((name, note): Short<'_>) -> Row {
    let text = |text: &str| Value::Text(text.to_owned());
    vec![Value::Integer(1), text(name), text(note), text("local")]
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
            .map(|kind| ConflictDetection.plan(dirty, incoming.clone(), &kind));
        assert_eq!(delta, snapshot, "the kind of page decides nothing here");
        delta
    })
}

const BASE: Option<Short<'_>> = Some(("base", "base"));
const MINE: Option<Short<'_>> = Some(("mine", "base"));

fn seen(visible: Short<'_>) -> Action {
    Action::Rebase {
        visible: Some(row(visible)),
    }
}

fn update() -> Option<(MutationKind, Fields)> {
    Some((MutationKind::Update, Fields::new().with("name", "mine")))
}

#[test]
fn an_edit_stays_where_the_record_is_as_it_was() {
    let arrives = row(("base", "base"));
    assert_eq!(
        plan(BASE, MINE, None, Incoming::Row(&arrives)),
        seen(("mine", "base"))
    );
    let hidden = Action::Rebase { visible: None };
    assert_eq!(plan(BASE, None, None, Incoming::Row(&arrives)), hidden);
}

#[test]
fn any_other_content_is_a_conflict_also_in_another_attribute() {
    let arrives = row(("base", "theirs"));
    let incoming = || Incoming::Row(&arrives);
    assert_eq!(
        plan(BASE, MINE, None, incoming()),
        Action::Conflict(ConflictKind::UpdateUpdate)
    );
    assert_eq!(
        plan(BASE, None, None, incoming()),
        Action::Conflict(ConflictKind::DeleteUpdate)
    );
    assert_eq!(
        plan(None, MINE, None, incoming()),
        Action::Conflict(ConflictKind::CreateCreate)
    );
    assert_eq!(
        plan(BASE, MINE, None, Incoming::Deleted),
        Action::Conflict(ConflictKind::UpdateDelete)
    );
}

#[test]
fn identical_content_is_no_conflict_whatever_is_local() {
    let mut arrives = row(("mine", "base"));
    arrives[3] = Value::Null;
    assert_eq!(plan(BASE, MINE, None, Incoming::Row(&arrives)), Action::Accept);
    assert_eq!(plan(None, MINE, None, Incoming::Row(&arrives)), Action::Accept);
    assert_eq!(plan(BASE, None, None, Incoming::Deleted), Action::Accept);
    // Edited and edited back: nothing is unsent.
    let theirs = row(("base", "theirs"));
    assert_eq!(plan(BASE, BASE, None, Incoming::Row(&theirs)), Action::Accept);
    assert_eq!(plan(BASE, BASE, None, Incoming::Deleted), Action::Accept);
    assert_eq!(plan(None, None, None, Incoming::Row(&theirs)), Action::Accept);
}

#[test]
fn an_own_create_survives_the_deletion_of_its_key() {
    assert_eq!(plan(None, MINE, None, Incoming::Deleted), Action::Keep);
    let create = || {
        Some((
            MutationKind::Create,
            Fields::new().with("name", "mine").with("note", "base"),
        ))
    };
    assert_eq!(plan(None, MINE, create(), Incoming::Deleted), Action::Keep);
    // It was there in between.
    assert_eq!(
        plan(BASE, MINE, create(), Incoming::Deleted),
        seen(("mine", "base"))
    );
}

#[test]
fn an_echo_is_no_conflict_with_oneself() {
    let echo = row(("mine", "base"));
    assert_eq!(
        plan(BASE, MINE, update(), Incoming::Row(&echo)),
        seen(("mine", "base"))
    );
    let overwritten = row(("theirs", "theirs"));
    assert_eq!(
        plan(BASE, MINE, update(), Incoming::Row(&overwritten)),
        seen(("mine", "theirs")),
        "its outcome will tell"
    );
    let delete = || Some((MutationKind::Delete, Fields::new()));
    assert_eq!(
        plan(BASE, None, delete(), Incoming::Row(&overwritten)),
        Action::Rebase { visible: None }
    );
    assert_eq!(plan(BASE, None, delete(), Incoming::Deleted), Action::Accept);
    assert_eq!(plan(BASE, MINE, delete(), Incoming::Deleted), Action::Keep);
    assert_eq!(
        plan(
            BASE,
            Some(("again", "again")),
            delete(),
            Incoming::Row(&overwritten)
        ),
        seen(("again", "again"))
    );
}

#[test]
fn a_deletion_under_a_change_on_its_way_is_a_conflict_until_its_outcome() {
    assert_eq!(
        plan(BASE, MINE, update(), Incoming::Deleted),
        Action::Conflict(ConflictKind::UpdateDelete)
    );
    assert_eq!(plan(BASE, None, update(), Incoming::Deleted), Action::Accept);
}

#[test]
fn what_left_the_scope_goes_to_the_bin() {
    for (base, mine, sent) in [
        (BASE, MINE, None),
        (BASE, None, None),
        (None, MINE, None),
        (BASE, MINE, update()),
    ] {
        assert_eq!(
            plan(base, mine, sent, Incoming::Removed),
            Action::Discard(BinReason::LeftScope)
        );
    }
}

fn mutation(kind: MutationKind, values: Fields, base_version: Option<Version>) -> Mutation {
    Mutation {
        id: Default::default(),
        number: 1,
        entity: "Visit".to_owned(),
        record: RecordName::Key(Key::one(1i64)),
        kind,
        values,
        base: Fields::new(),
        base_version,
        references: Vec::new(),
        group: None,
    }
}

#[test]
fn the_server_decides_as_the_table_says() {
    use MutationKind::{Create, Delete, Update};
    let content = |name: &str| {
        Fields::new()
            .with("id", 1i64)
            .with("name", name)
            .with("note", "n")
    };
    let version = |fields: &Fields| Version::of(fields.iter());
    let (base, mine, theirs) = (content("base"), content("mine"), content("theirs"));
    let name = Fields::new().with("name", "mine");
    let conflict = Verdict::Conflict;
    let cases = [
        (Create, &mine, None, Verdict::Insert),
        (Create, &mine, Some(&theirs), conflict(ConflictKind::CreateCreate)),
        (Create, &mine, Some(&mine), Verdict::Nothing),
        (Update, &name, None, conflict(ConflictKind::UpdateDelete)),
        (Update, &name, Some(&base), Verdict::Update(name.clone())),
        (Update, &name, Some(&theirs), conflict(ConflictKind::UpdateUpdate)),
        (Update, &name, Some(&mine), Verdict::Nothing),
        (Delete, &Fields::new(), None, Verdict::Nothing),
        (Delete, &Fields::new(), Some(&base), Verdict::Delete),
        (
            Delete,
            &Fields::new(),
            Some(&theirs),
            conflict(ConflictKind::DeleteUpdate),
        ),
    ];
    for (kind, values, current, wanted) in cases {
        let based_on = (kind != Create).then(|| version(&base));
        let view = ServerView {
            entity: &entity(),
            current,
            version: current.map(version),
        };
        let found = ConflictDetection.decide(&view, &mutation(kind, values.clone(), based_on));
        assert_eq!(found, wanted, "{kind:?} against {current:?}");
    }
}

#[test]
fn a_change_without_a_base_is_never_applied_to_what_is_there() {
    let current = Fields::new().with("id", 1i64).with("name", "theirs");
    for (kind, wanted) in [
        (MutationKind::Update, ConflictKind::UpdateUpdate),
        (MutationKind::Delete, ConflictKind::DeleteUpdate),
    ] {
        let view = ServerView {
            entity: &entity(),
            current: Some(&current),
            version: None,
        };
        let values = match kind {
            MutationKind::Update => Fields::new().with("name", "mine"),
            _ => Fields::new(),
        };
        let found = ConflictDetection.decide(&view, &mutation(kind, values, None));
        let wanted = match kind {
            MutationKind::Delete => Verdict::Conflict(ConflictKind::DeleteUpdate),
            _ => Verdict::Conflict(wanted),
        };
        assert_eq!(found, wanted);
    }
}

#[test]
fn what_was_applied_and_is_gone_by_now_leaves_unless_it_was_edited_since() {
    let applied = Outcome::Applied {
        key: None,
        stored: None,
        gone: true,
    };
    let settled = |mine| {
        with_dirty(BASE, mine, update(), |dirty| {
            ConflictDetection.settle(dirty, &applied)
        })
    };
    assert_eq!(settled(MINE), Settlement::Discard(BinReason::Gone));
    assert_eq!(settled(None), Settlement::Discard(BinReason::Gone));
    assert_eq!(
        settled(Some(("mine", "edited since"))),
        Settlement::Conflict(ConflictKind::UpdateDelete)
    );
}

#[test]
fn an_answer_holds_what_the_position_calls_for() {
    let cases = [
        (None, Selection::Full),
        (Some((7, 7)), Selection::Nothing),
        (Some((8, 7)), Selection::Nothing),
        (Some((6, 7)), Selection::Delta),
    ];
    for (progress, wanted) in cases {
        let progress = progress.map(|(position, newest)| Progress { position, newest });
        assert_eq!(ConflictDetection.select(progress), wanted, "{progress:?}");
    }
}
