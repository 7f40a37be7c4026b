//! A small world in which every state of a record is generated: three attributes that travel, two of them together, one local.

use onsync_core::mutation::{ConflictKind, Mutation, MutationKind, Outcome, ServerRecord};
use onsync_core::page::{KeyRange, PageKind};
use onsync_core::pattern::{DirtyRecord, InFlight, Incoming, ServerView};
use onsync_core::record::{RecordName, Version};
use onsync_core::schema::{Attribute, EntitySchema};
use onsync_core::{Fields, Key, Row, Value, ValueType};
use uuid::Uuid;

/// The entity of the pattern suite: `id`, `a`, `b` and `c` (which travel together), and `here`, which never travels.
pub fn entity(pattern: &str) -> EntitySchema {
    let text = |name: &str| Attribute::new(name, ValueType::Text);
    let mut here = text("here");
    here.local = true;
    let attributes = vec![
        Attribute::new("id", ValueType::Integer),
        text("a"),
        text("b"),
        text("c"),
        here,
    ];
    let mut entity = EntitySchema::new("Thing", pattern, &["id"], attributes);
    entity.together = vec![vec!["b".to_owned(), "c".to_owned()]];
    entity
}

/// One row of the entity.
pub fn row(a: &str, b: &str, c: &str, here: &str) -> Row {
    vec![1i64.into(), a.into(), b.into(), c.into(), here.into()]
}

/// A dirty record with owned parts.
#[derive(Clone, Debug)]
pub struct State {
    /// see [`DirtyRecord::base`]
    pub base: Option<Row>,
    /// see [`DirtyRecord::mine`]
    pub mine: Option<Row>,
    /// see [`DirtyRecord::in_flight`]
    pub in_flight: Option<InFlight>,
}

impl State {
    /// What a pattern sees of it.
    pub fn dirty<'a>(&'a self, entity: &'a EntitySchema) -> DirtyRecord<'a> {
        DirtyRecord {
            entity,
            base: self.base.as_ref(),
            mine: self.mine.as_ref(),
            in_flight: self.in_flight.as_ref(),
        }
    }

    /// The server's content if everything in flight is applied; none where there is no record then.
    pub fn expected(&self, entity: &EntitySchema) -> Option<Row> {
        let Some(sent) = &self.in_flight else {
            return self.base.clone();
        };
        match sent.kind {
            MutationKind::Delete => None,
            MutationKind::Create | MutationKind::Update => {
                let mut row = self
                    .base
                    .clone()
                    .unwrap_or_else(|| vec![Value::Null; entity.attributes.len()]);
                for (index, attribute) in entity.attributes.iter().enumerate() {
                    if sent.values.has(&attribute.name)
                        && let Some(place) = row.get_mut(index)
                    {
                        *place = sent.values.value(&attribute.name).clone();
                    }
                }
                Some(row)
            }
        }
    }

    /// Positions of travelling attributes whose local value is neither on the server nor on its way there.
    pub fn unsent(&self, entity: &EntitySchema) -> Vec<usize> {
        let Some(mine) = &self.mine else {
            return Vec::new();
        };
        let expected = self.expected(entity);
        (0..entity.attributes.len())
            .filter(|index| !entity.attributes[*index].local)
            .filter(|index| {
                expected
                    .as_ref()
                    .is_none_or(|row| row.get(*index) != mine.get(*index))
            })
            .collect()
    }

    /// Whether a delete made here is neither on the server nor on its way there.
    pub fn has_unsent_delete(&self, entity: &EntitySchema) -> bool {
        self.mine.is_none() && self.expected(entity).is_some()
    }
}

fn sent(kind: MutationKind, values: &[(&str, &str)]) -> InFlight {
    InFlight {
        kind,
        values: values
            .iter()
            .map(|(name, value)| (*name, Value::from(*value)))
            .collect(),
    }
}

/// Every row whose travelling attributes are drawn from these values.
fn rows(values: &[&str], here: &str) -> Vec<Row> {
    let mut all = Vec::new();
    for a in values {
        for b in values {
            for c in values {
                all.push(row(a, b, c, here));
            }
        }
    }
    all
}

/// Every dirty state: base or none × mine or none × nothing, an update, a group, a delete or a create in flight.
pub fn states() -> Vec<State> {
    let bases = [None, Some(row("0", "0", "0", "0"))];
    let mut mines: Vec<Option<Row>> = vec![None, Some(row("0", "0", "0", "1"))];
    mines.extend(rows(&["0", "1"], "0").into_iter().map(Some));
    let updates = [
        sent(MutationKind::Update, &[("a", "1")]),
        sent(MutationKind::Update, &[("b", "1"), ("c", "0")]),
        sent(MutationKind::Update, &[("a", "2")]),
        sent(MutationKind::Delete, &[]),
    ];
    let mut create = sent(MutationKind::Create, &[("a", "1"), ("b", "0"), ("c", "0")]);
    create.values.set("id", 1i64);
    let mut all = Vec::new();
    for base in &bases {
        for mine in &mines {
            let mut flights: Vec<Option<InFlight>> = vec![None];
            if base.is_some() {
                flights.extend(updates.iter().cloned().map(Some));
            } else {
                flights.push(Some(create.clone()));
            }
            for in_flight in flights {
                all.push(State {
                    base: base.clone(),
                    mine: mine.clone(),
                    in_flight,
                });
            }
        }
    }
    all
}

/// What may arrive, with owned parts.
#[derive(Clone, Debug)]
pub enum Arrival {
    /// see [`Incoming::Row`]
    Row(Row),
    /// see [`Incoming::Deleted`]
    Deleted,
    /// see [`Incoming::Removed`]
    Removed,
}

impl Arrival {
    /// What a pattern sees of it.
    pub fn incoming(&self) -> Incoming<'_> {
        match self {
            Self::Row(row) => Incoming::Row(row),
            Self::Deleted => Incoming::Deleted,
            Self::Removed => Incoming::Removed,
        }
    }
}

/// Every arrival. Local attributes of an incoming row hold what the record holds here.
pub fn arrivals() -> Vec<Arrival> {
    let mut all = vec![Arrival::Deleted, Arrival::Removed];
    all.extend(rows(&["0", "1", "2"], "0").into_iter().map(Arrival::Row));
    all
}

/// Both kinds of page.
pub fn page_kinds() -> [PageKind; 2] {
    [PageKind::Delta, PageKind::Snapshot(KeyRange::all())]
}

/// Every outcome.
pub fn outcomes() -> Vec<Outcome> {
    let stored = ServerRecord {
        key: Key::one(1i64),
        fields: server_fields("2", "2", "2"),
    };
    let rejection = onsync_core::mutation::Rejection {
        code: "not_allowed".into(),
        message: "no".into(),
    };
    let mut all = vec![
        Outcome::Gone,
        Outcome::Rejected(rejection.clone()),
        Outcome::Retry(rejection),
        Outcome::Renew,
    ];
    for (stored, gone) in [(None, false), (Some(stored.clone()), false), (None, true)] {
        all.push(Outcome::Applied {
            key: None,
            stored,
            gone,
        });
    }
    for (kind, theirs) in [
        (ConflictKind::UpdateUpdate, Some(stored.clone())),
        (ConflictKind::UpdateDelete, None),
        (ConflictKind::DeleteUpdate, Some(stored.clone())),
        (ConflictKind::CreateCreate, Some(stored)),
    ] {
        all.push(Outcome::Conflict { kind, theirs });
    }
    all
}

/// A record over the columns that travel.
pub fn server_fields(a: &str, b: &str, c: &str) -> Fields {
    Fields::new()
        .with("id", 1i64)
        .with("a", a)
        .with("b", b)
        .with("c", c)
}

/// The content version as the server computes it.
pub fn version(entity: &EntitySchema, fields: &Fields) -> Version {
    let columns = entity.columns();
    Version::of(columns.iter().map(|name| (name.as_str(), fields.value(name))))
}

/// What the server holds: nothing, or a record with each of some contents.
pub fn currents() -> Vec<Option<Fields>> {
    vec![
        None,
        Some(server_fields("0", "0", "0")),
        Some(server_fields("1", "0", "0")),
        Some(server_fields("1", "1", "1")),
        Some(server_fields("2", "2", "2")),
    ]
}

/// What `decide` sees of it.
pub fn view<'a>(entity: &'a EntitySchema, current: Option<&'a Fields>) -> ServerView<'a> {
    ServerView {
        entity,
        current,
        version: current.map(|fields| version(entity, fields)),
    }
}

/// Creates, updates and deletes, each based on nothing, on the right and on another version.
pub fn mutations(entity: &EntitySchema) -> Vec<Mutation> {
    let base = server_fields("0", "0", "0");
    let versions = [
        None,
        Some(version(entity, &base)),
        Some(version(entity, &server_fields("9", "9", "9"))),
    ];
    let updates = [
        Fields::new().with("a", "1"),
        Fields::new().with("b", "1").with("c", "1"),
        Fields::new().with("a", "1").with("b", "1").with("c", "1"),
        Fields::new(),
    ];
    let mut contents = vec![
        (MutationKind::Create, server_fields("1", "0", "0")),
        (MutationKind::Create, server_fields("0", "0", "0")),
        (MutationKind::Delete, Fields::new()),
    ];
    contents.extend(updates.map(|values| (MutationKind::Update, values)));
    let mut all = Vec::new();
    for (kind, values) in contents {
        for base_version in versions {
            let before: Fields = values
                .iter()
                .filter(|_| kind == MutationKind::Update)
                .map(|(name, _)| (name, base.value(name).clone()))
                .collect();
            all.push(Mutation {
                id: Uuid::from_u128(1),
                number: 1,
                entity: entity.name.clone(),
                record: RecordName::Key(Key::one(1i64)),
                kind,
                values: values.clone(),
                base: before,
                base_version,
                references: Vec::new(),
                group: None,
            });
        }
    }
    all
}
