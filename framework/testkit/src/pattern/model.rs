//! Devices and a server made of nothing but a pattern's functions: what engine, stores and transport would do, in maps.

use super::domain::{State, entity, version, view};
use super::server::effect;
use onsync_core::mutation::{Mutation, MutationKind, Outcome, ServerRecord};
use onsync_core::page::{KeyRange, PageKind};
use onsync_core::pattern::{
    Action, Direction, InFlight, Incoming, Progress, Selection, Settlement, SyncPattern, Verdict,
};
use onsync_core::record::RecordName;
use onsync_core::schema::EntitySchema;
use onsync_core::{Fields, Key, Row, Value};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// The server: rows with positions, receipts, and every value it ever held.
pub(crate) struct Server {
    pub(crate) rows: BTreeMap<i64, Fields>,
    pub(crate) seen: BTreeSet<String>,
    changed: BTreeMap<i64, u64>,
    pub(crate) position: u64,
    receipts: BTreeMap<Uuid, Outcome>,
}

impl Server {
    pub(crate) fn new() -> Self {
        Self {
            rows: BTreeMap::new(),
            seen: BTreeSet::new(),
            changed: BTreeMap::new(),
            position: 0,
            receipts: BTreeMap::new(),
        }
    }

    /// A write by anybody.
    pub(crate) fn set(&mut self, id: i64, row: Option<Fields>) {
        if let Some(row) = &row {
            self.seen.extend(row.iter().map(|(_, value)| value.to_string()));
        }
        match row {
            Some(row) => self.rows.insert(id, row),
            None => self.rows.remove(&id),
        };
        self.position += 1;
        self.changed.insert(id, self.position);
    }

    fn record(&self, id: i64) -> Option<ServerRecord> {
        self.rows.get(&id).map(|fields| ServerRecord {
            key: Key::one(id),
            fields: fields.clone(),
        })
    }

    /// Receipt first; then view, verdict, effect.
    fn push(&mut self, pattern: &dyn SyncPattern, entity: &EntitySchema, mutation: &Mutation) -> Outcome {
        let id = id_of(mutation);
        if let Some(outcome) = self.receipts.get(&mutation.id) {
            let expected = mutation.kind != MutationKind::Delete;
            return match outcome {
                Outcome::Applied { key, .. } => Outcome::Applied {
                    key: key.clone(),
                    stored: self.record(id),
                    gone: expected && !self.rows.contains_key(&id),
                },
                Outcome::Conflict { kind, .. } => Outcome::Conflict {
                    kind: *kind,
                    theirs: self.record(id),
                },
                other => other.clone(),
            };
        }
        let current = self.rows.get(&id).cloned();
        let verdict = pattern.decide(&view(entity, current.as_ref()), mutation);
        let after = effect(current.as_ref(), mutation, &verdict);
        if after != current {
            self.set(id, after);
        }
        let outcome = match verdict {
            Verdict::Insert | Verdict::Update(_) | Verdict::Delete | Verdict::Nothing => Outcome::Applied {
                key: None,
                stored: None,
                gone: false,
            },
            Verdict::Gone => Outcome::Gone,
            Verdict::Reject(rejection) => Outcome::Rejected(rejection),
            Verdict::Conflict(kind) => Outcome::Conflict {
                kind,
                theirs: self.record(id),
            },
        };
        self.receipts.insert(mutation.id, outcome.clone());
        outcome
    }
}

fn id_of(mutation: &Mutation) -> i64 {
    match &mutation.record {
        RecordName::Key(Key(values)) => match values.first() {
            Some(Value::Integer(id)) => *id,
            _ => 0,
        },
        RecordName::Created(_) => 0,
    }
}

/// A device: visible rows, overlays of dirty ones, mutations on their way, a bin, and what is held.
pub(crate) struct Device {
    pub(crate) visible: BTreeMap<i64, Row>,
    pub(crate) dirty: BTreeMap<i64, Option<Row>>,
    pub(crate) held: BTreeSet<i64>,
    pub(crate) bin: BTreeSet<String>,
    /// Open conflicts, with the server's side as last heard of.
    conflicts: BTreeMap<i64, Option<Row>>,
    in_flight: BTreeMap<i64, (Mutation, InFlight)>,
    position: Option<u64>,
    entity: EntitySchema,
    number: u64,
    instance: u128,
}

impl Device {
    pub(crate) fn new(pattern: &dyn SyncPattern, instance: u128) -> Self {
        Self {
            visible: BTreeMap::new(),
            dirty: BTreeMap::new(),
            held: BTreeSet::new(),
            bin: BTreeSet::new(),
            conflicts: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            position: None,
            entity: entity(pattern.name()),
            number: 0,
            instance,
        }
    }

    /// The app writes or deletes a record.
    pub(crate) fn edit(&mut self, id: i64, row: Option<Row>) {
        self.dirty
            .entry(id)
            .or_insert_with(|| self.visible.get(&id).cloned());
        self.show(id, row);
    }

    pub(crate) fn is_in_flight(&self, id: i64) -> bool {
        self.in_flight.contains_key(&id)
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.in_flight.is_empty() && self.dirty.keys().all(|id| self.held.contains(id))
    }

    fn show(&mut self, id: i64, row: Option<Row>) {
        match row {
            Some(row) => self.visible.insert(id, row),
            None => self.visible.remove(&id),
        };
    }

    fn state(&self, id: i64) -> State {
        State {
            base: self.dirty.get(&id).cloned().flatten(),
            mine: self.visible.get(&id).cloned(),
            in_flight: self.in_flight.get(&id).map(|(_, sent)| sent.clone()),
        }
    }

    /// Cuts a mutation of every dirty record that has none on its way.
    pub(crate) fn cut(&mut self, pattern: &dyn SyncPattern) {
        for id in self.dirty.keys().copied().collect::<Vec<_>>() {
            if self.held.contains(&id) || self.is_in_flight(id) {
                continue;
            }
            let state = self.state(id);
            let Some(change) = pattern.request(&state.dirty(&self.entity)) else {
                if state.base == state.mine {
                    self.dirty.remove(&id);
                }
                continue;
            };
            self.number += 1;
            let pick = |row: &Option<Row>| -> Fields {
                let named = |index: &usize| {
                    let value = row.as_ref().and_then(|row| row.get(*index)).cloned();
                    (
                        self.entity.attributes[*index].name.clone(),
                        value.unwrap_or_default(),
                    )
                };
                change.attributes.iter().map(named).collect()
            };
            let is_update = change.kind == MutationKind::Update;
            let mutation = Mutation {
                id: Uuid::from_u128(self.instance << 64 | u128::from(self.number)),
                number: self.number,
                entity: self.entity.name.clone(),
                record: RecordName::Key(Key::one(id)),
                kind: change.kind,
                values: pick(&state.mine),
                base: if is_update {
                    pick(&state.base)
                } else {
                    Fields::new()
                },
                base_version: state.base.as_ref().map(|row| {
                    let fields = self.entity.fields(row.clone());
                    version(&self.entity, &fields)
                }),
                references: Vec::new(),
                group: None,
            };
            let sent = InFlight {
                kind: mutation.kind,
                values: mutation.values.clone(),
            };
            self.in_flight.insert(id, (mutation, sent));
        }
    }

    /// Sends everything on its way; the outcomes are returned, not yet applied.
    pub(crate) fn send(&self, pattern: &dyn SyncPattern, server: &mut Server) -> Vec<(i64, Outcome)> {
        self.in_flight
            .iter()
            .map(|(id, (mutation, _))| (*id, server.push(pattern, &self.entity, mutation)))
            .collect()
    }

    /// Applies outcomes.
    pub(crate) fn settle(&mut self, pattern: &dyn SyncPattern, outcomes: Vec<(i64, Outcome)>) {
        for (id, outcome) in outcomes {
            let state = self.state(id);
            let settlement = pattern.settle(&state.dirty(&self.entity), &outcome);
            if settlement == Settlement::Retry {
                continue;
            }
            let sent = self.in_flight.remove(&id);
            if !self.dirty.contains_key(&id) {
                // Clean by an earlier arrival that already held what was sent.
                continue;
            }
            match settlement {
                Settlement::Acknowledge => self.acknowledge(id, &state, &outcome),
                Settlement::Discard(_) => {
                    self.throw_away(&state);
                    let arrived = sent.and_then(|(mutation, _)| self.arrived_since(&mutation, &state));
                    self.take(id, arrived.filter(|_| outcome == Outcome::Gone));
                }
                Settlement::Forget => self.take(id, None),
                Settlement::Conflict(_) => {
                    let theirs = match &outcome {
                        Outcome::Conflict { theirs, .. } => theirs.as_ref(),
                        _ => None,
                    };
                    let theirs = theirs.map(|record| self.row(&record.fields, state.mine.as_ref()));
                    self.contest(id, theirs);
                }
                Settlement::Reject(_) | Settlement::Unknown => {
                    self.held.insert(id);
                }
                Settlement::Retry => {}
            }
        }
    }

    /// What a page brought after this mutation was cut. A `gone` that was decided before (its first answer was lost) says
    /// nothing about that: the record may have been made again, and no later page would bring it back. If it is
    /// gone after all, its deletion lies above the checkpoint and arrives.
    fn arrived_since(&self, mutation: &Mutation, state: &State) -> Option<Row> {
        let base = state.base.clone()?;
        let now = version(&self.entity, &self.entity.fields(base.clone()));
        (mutation.base_version != Some(now)).then_some(base)
    }

    fn acknowledge(&mut self, id: i64, state: &State, outcome: &Outcome) {
        let (stored, gone) = match outcome {
            Outcome::Applied { stored, gone, .. } => (stored.as_ref(), *gone),
            _ => (None, false),
        };
        let expected = state.expected(&self.entity);
        let later = state.mine != expected;
        if gone {
            if later && state.mine.is_some() {
                self.throw_away(state);
            }
            return self.take(id, None);
        }
        let base = match stored {
            Some(record) => Some(self.row(&record.fields, state.mine.as_ref())),
            None => expected.clone(),
        };
        let since = State {
            base: expected,
            mine: state.mine.clone(),
            in_flight: None,
        };
        let deleted = |sent: &InFlight| sent.kind == MutationKind::Delete;
        let visible = match &base {
            // The delete was done; what is there now was made by somebody else since.
            Some(base) if state.mine.is_none() && state.in_flight.as_ref().is_some_and(deleted) => {
                Some(base.clone())
            }
            Some(base) if state.mine.is_some() => since.dirty(&self.entity).merged(base),
            _ => state.mine.clone(),
        };
        self.rebase(id, base, visible);
    }

    /// A conflict is open, or the server's side of it is another.
    fn contest(&mut self, id: i64, theirs: Option<Row>) {
        if self.visible.get(&id) == theirs.as_ref() {
            return self.take(id, theirs);
        }
        self.held.insert(id);
        self.conflicts.insert(id, theirs);
    }

    /// The records with open conflicts.
    pub(crate) fn open_conflicts(&self) -> Vec<i64> {
        self.conflicts.keys().copied().collect()
    }

    /// A person decides: mine is sent again based on theirs, or theirs is taken and mine is in the bin.
    pub(crate) fn resolve(&mut self, id: i64, keep_mine: bool) {
        let Some(theirs) = self
            .conflicts
            .get(&id)
            .cloned()
            .filter(|_| !self.is_in_flight(id))
        else {
            return;
        };
        if keep_mine {
            let mine = self.visible.get(&id).cloned();
            self.rebase(id, theirs, mine);
        } else {
            self.throw_away(&self.state(id));
            self.take(id, theirs);
        }
    }

    fn rebase(&mut self, id: i64, base: Option<Row>, visible: Option<Row>) {
        if self.conflicts.remove(&id).is_some() {
            self.held.remove(&id);
        }
        self.show(id, visible.clone());
        if visible == base && !self.is_in_flight(id) {
            self.dirty.remove(&id);
        } else {
            self.dirty.insert(id, base);
        }
    }

    /// The record is clean and holds this.
    fn take(&mut self, id: i64, row: Option<Row>) {
        self.dirty.remove(&id);
        self.held.remove(&id);
        self.conflicts.remove(&id);
        self.show(id, row);
    }

    fn throw_away(&mut self, state: &State) {
        self.bin
            .extend(state.mine.iter().flatten().map(ToString::to_string));
        let sent = state.in_flight.iter().flat_map(|sent| sent.values.iter());
        self.bin.extend(sent.map(|(_, value)| value.to_string()));
    }

    /// A server record as a row; local attributes keep what they hold here.
    fn row(&self, fields: &Fields, mine: Option<&Row>) -> Row {
        let value = |(index, attribute): (usize, &onsync_core::schema::Attribute)| {
            if attribute.local {
                mine.and_then(|row| row.get(index)).cloned().unwrap_or_default()
            } else {
                fields.value(&attribute.name).clone()
            }
        };
        self.entity.attributes.iter().enumerate().map(value).collect()
    }

    /// Fetches what the pattern selects and plans it on what is dirty.
    pub(crate) fn pull(&mut self, pattern: &dyn SyncPattern, server: &Server) {
        if pattern.direction() == Direction::SendOnly {
            return;
        }
        let progress = self.position.map(|position| Progress {
            position,
            newest: server.position,
        });
        let (ids, kind): (BTreeSet<i64>, PageKind) = match pattern.select(progress) {
            Selection::Nothing => return,
            Selection::Full => {
                let local = self.visible.keys().chain(self.dirty.keys());
                let all = local.chain(server.rows.keys()).copied().collect();
                (all, PageKind::Snapshot(KeyRange::all()))
            }
            Selection::Delta => {
                let after = self.position.unwrap_or_default();
                let changed = server.changed.iter().filter(|(_, position)| **position > after);
                (changed.map(|(id, _)| *id).collect(), PageKind::Delta)
            }
        };
        for id in ids {
            self.arrive(pattern, id, server.rows.get(&id), &kind);
        }
        self.position = Some(server.position);
    }

    fn arrive(&mut self, pattern: &dyn SyncPattern, id: i64, fields: Option<&Fields>, kind: &PageKind) {
        let state = self.state(id);
        let row = fields.map(|fields| self.row(fields, state.mine.as_ref()));
        if !self.dirty.contains_key(&id) {
            return self.show(id, row);
        }
        let incoming = row.as_ref().map_or(Incoming::Deleted, Incoming::Row);
        match pattern.plan(&state.dirty(&self.entity), incoming, kind) {
            Action::Rebase { visible } => self.rebase(id, row, visible),
            Action::Discard(_) => {
                self.throw_away(&state);
                self.take(id, row);
            }
            Action::Accept => self.take(id, row),
            // An own create has nothing to be in conflict with any more.
            Action::Keep if row.is_none() && self.conflicts.contains_key(&id) => {
                self.rebase(id, None, state.mine.clone());
            }
            Action::Keep => {}
            Action::Conflict(_) => self.contest(id, row),
        }
    }

    /// A whole sync in which nothing is lost.
    pub(crate) fn sync(&mut self, pattern: &dyn SyncPattern, server: &mut Server) {
        self.cut(pattern);
        let outcomes = self.send(pattern, server);
        self.settle(pattern, outcomes);
        self.pull(pattern, server);
    }
}
