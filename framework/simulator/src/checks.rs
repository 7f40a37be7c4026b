//! The verdict: what every promise says about the end of a world.

use crate::device::Contents;
use crate::ledger::{Edit, Ledger, Told, Wish, shown};
use crate::values::Facts;
use onsync_core::schema::{EntitySchema, Ids, Schema};
use onsync_core::store::local::{Overlay, RecordState};
use onsync_core::{Fields, Key, Result, Row, Value};
use onsync_engine::sync::{BinEntry, RejectedChange, RejectedEntry};
use onsync_engine::{App, Status};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What stands for the name of records that have none.
const NAMELESS: Key = Key(Vec::new());

/// What a device lists for its people.
pub(crate) struct Lists {
    pub(crate) rejected: Vec<RejectedEntry>,
    pub(crate) unknown: Vec<RejectedEntry>,
    pub(crate) bin: Vec<BinEntry>,
}

impl Lists {
    pub(crate) async fn read(app: &App) -> Result<Self> {
        let (unknown, rejected): (Vec<_>, Vec<_>) = app
            .rejected(usize::MAX)
            .await?
            .into_iter()
            .partition(|change| change.may_have_been_applied);
        let entries = |changes: Vec<RejectedChange>| changes.into_iter().map(|change| change.entry).collect();
        Ok(Self {
            rejected: entries(rejected),
            unknown: entries(unknown),
            bin: app.bin(usize::MAX).await?,
        })
    }

    fn values(&self) -> impl Iterator<Item = &Value> {
        let refused = self
            .rejected
            .iter()
            .chain(&self.unknown)
            .map(|entry| &entry.values);
        refused
            .chain(self.bin.iter().map(|entry| &entry.values))
            .flat_map(|fields| fields.iter().map(|(_, value)| value))
    }
}

/// A device at the end.
pub(crate) struct FoundDevice {
    pub(crate) number: usize,
    pub(crate) schema: Arc<Schema>,
    pub(crate) contents: Contents,
    pub(crate) lists: Lists,
    pub(crate) status: Status,
}

/// Everything at the end.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) server: BTreeMap<String, Vec<Row>>,
    pub(crate) devices: Vec<FoundDevice>,
}

impl Found {
    /// Whether nothing has changed between this and what was found before.
    pub(crate) fn is_as(&self, before: &Self) -> bool {
        let same = |(now, before): (&FoundDevice, &FoundDevice)| {
            now.contents == before.contents
                && now.lists.rejected.len() == before.lists.rejected.len()
                && now.lists.bin.len() == before.lists.bin.len()
        };
        self.server == before.server
            && self.devices.len() == before.devices.len()
            && self.devices.iter().zip(&before.devices).all(same)
    }
}

pub(crate) type Verdict = Result<(), (&'static str, String)>;

/// Compares what was promised with what is there.
pub(crate) struct Judge<'a> {
    pub(crate) schema: &'a Schema,
    pub(crate) facts: &'a BTreeMap<String, Facts>,
    pub(crate) ledger: &'a Ledger,
    pub(crate) found: &'a Found,
    /// Entities that devices only send: what they confirm may leave them.
    pub(crate) only_sent: &'a BTreeSet<String>,
    /// Whether the server was ever copied, and may have been restored.
    pub(crate) restored: bool,
}

impl Judge<'_> {
    pub(crate) fn all(&self) -> Verdict {
        for device in &self.found.devices {
            self.outbox(device)?;
            self.converged(device)?;
            self.honest(device)?;
        }
        self.nothing_lost()?;
        self.deletions()?;
        self.relations()
    }

    /// Nothing waits but what is listed, and what depends on that.
    fn outbox(&self, device: &FoundDevice) -> Verdict {
        for (area, count) in &device.contents.areas {
            if *count > 0 {
                return Err((
                    "outbox empty",
                    format!(
                        "device {}: {count} entries are left in the area {area}",
                        device.number
                    ),
                ));
            }
        }
        for (name, overlays) in &device.contents.overlays {
            for overlay in overlays {
                if !self.is_explained(device, name, overlay, 0) {
                    return Err((
                        "outbox empty",
                        format!(
                            "device {}: {name} {} is {} and no list says why: base {:?}",
                            device.number,
                            overlay.key,
                            overlay.state.as_str(),
                            overlay.base
                        ),
                    ));
                }
            }
        }
        Ok(())
    }

    fn is_explained(&self, device: &FoundDevice, name: &str, overlay: &Overlay, depth: u32) -> bool {
        let Ok(entity) = device.schema.entity(name) else {
            return false;
        };
        if entity.local_edits == onsync_core::schema::LocalEdits::Keep {
            // Edits of a read-only entity stay until its record arrives.
            return true;
        }
        match overlay.state {
            RecordState::Conflicted => true,
            RecordState::Rejected => {
                let listed = device.lists.rejected.iter().chain(&device.lists.unknown);
                listed
                    .into_iter()
                    .any(|entry| entry.entity == name && entry.key == overlay.key)
            }
            RecordState::InFlight => false,
            RecordState::Waiting => depth < 8 && self.is_held(device, entity, overlay, depth),
        }
    }

    /// Whether a record waits for a parent that is held itself.
    fn is_held(&self, device: &FoundDevice, entity: &EntitySchema, overlay: &Overlay, depth: u32) -> bool {
        let rows = device.contents.rows.get(&entity.name);
        let row = rows.and_then(|rows| rows.iter().find(|row| entity.key_of(row) == overlay.key));
        let Some(row) = row else { return false };
        device.schema.parents_of(&entity.name).any(|relation| {
            let Some(index) = entity.index_of(&relation.attribute) else {
                return false;
            };
            let key = Key(vec![row[index].clone()]);
            device
                .contents
                .overlay(&relation.parent, &key)
                .is_some_and(|overlay| {
                    overlay.base.is_none() && self.is_explained(device, &relation.parent, overlay, depth + 1)
                })
        })
    }

    /// What names the record a value refers to, on a device or on the server.
    fn referred(
        &self,
        schema: &Schema,
        rows: &BTreeMap<String, Vec<Row>>,
        overlays: &BTreeMap<String, Vec<Overlay>>,
        parent: &str,
        value: &Value,
    ) -> Value {
        let (Ok(entity), Some(facts)) = (schema.entity(parent), self.facts.get(parent)) else {
            return Value::Null;
        };
        if value.is_null() || entity.ids == Ids::Client {
            return value.clone();
        }
        // A record whose deletion is held is gone here, and its base still says what it was.
        let bases = overlays.get(parent).into_iter().flatten();
        let bases = bases.filter_map(|overlay| overlay.base.as_ref());
        let row = rows
            .get(parent)
            .into_iter()
            .flatten()
            .chain(bases)
            .find(|row| entity.key_of(row).0.first() == Some(value));
        match row.and_then(|row| facts.tag.and_then(|tag| row.get(tag))) {
            Some(tag) => tag.clone(),
            None => Value::Text("nobody here".to_owned()),
        }
    }

    /// A row in terms that are the same everywhere, by what names it; over these attributes.
    fn common(
        &self,
        schema: &Schema,
        entity: &EntitySchema,
        columns: &[String],
        rows: &BTreeMap<String, Vec<Row>>,
        overlays: &BTreeMap<String, Vec<Overlay>>,
    ) -> BTreeMap<Key, Vec<String>> {
        let facts = self.facts.get(&entity.name);
        let mut common: BTreeMap<Key, Vec<String>> = BTreeMap::new();
        for (number, row) in rows.get(&entity.name).into_iter().flatten().enumerate() {
            let Some(facts) = facts else { continue };
            let unnamed = || match facts.nameless {
                true => NAMELESS,
                false => Key(vec![Value::Integer(-1), Value::Text(format!("{number} {row:?}"))]),
            };
            let identity = facts.identity(entity, row).unwrap_or_else(unnamed);
            let mut fields = Fields::new();
            for name in columns {
                let Some(index) = entity.index_of(name) else {
                    continue;
                };
                if entity.is_key(index) && entity.ids == Ids::Server {
                    continue;
                }
                let parent = facts.references.iter().find(|(reference, _)| *reference == index);
                let value = match parent {
                    Some((_, parent)) => self.referred(schema, rows, overlays, parent, &row[index]),
                    None => row[index].clone(),
                };
                fields.set(name, value);
            }
            // Two devices that keep a record which somebody deleted make it anew twice, under two keys of the server.
            common.entry(identity).or_default().push(shown(&fields));
        }
        for rows in common.values_mut() {
            rows.sort_unstable();
        }
        common
    }

    /// The device holds what the server holds, but for what is listed.
    fn converged(&self, device: &FoundDevice) -> Verdict {
        let fetched = |entity: &&EntitySchema| !entity.local && !self.only_sent.contains(&entity.name);
        for entity in device.schema.entities.iter().filter(fetched) {
            let columns = entity.columns();
            let server_entity = self.schema.entity(&entity.name);
            let Ok(server_entity) = server_entity else {
                continue;
            };
            let contents = &device.contents;
            let here = self.common(
                &device.schema,
                entity,
                &columns,
                &contents.rows,
                &contents.overlays,
            );
            let there = self.common(
                self.schema,
                server_entity,
                &columns,
                &self.found.server,
                &BTreeMap::new(),
            );
            let held = self.held(device, entity);
            let names: BTreeSet<&Key> = here.keys().chain(there.keys()).collect();
            for name in names {
                let (mine, theirs) = (here.get(name), there.get(name));
                if mine != theirs && !held.contains(name) {
                    let text = |rows: Option<&Vec<String>>| {
                        rows.map_or("nothing".to_owned(), |rows| rows.join(" and "))
                    };
                    return Err((
                        "convergence",
                        format!(
                            "device {}: {} {name} is {} here and {} on the server",
                            device.number,
                            entity.name,
                            text(mine),
                            text(theirs)
                        ),
                    ));
                }
            }
        }
        Ok(())
    }

    /// What names the records with changes that are held, and those that refer to them.
    fn held(&self, device: &FoundDevice, entity: &EntitySchema) -> BTreeSet<Key> {
        let mut held = BTreeSet::new();
        let Some(facts) = self.facts.get(&entity.name) else {
            return held;
        };
        let rows = device.contents.rows.get(&entity.name);
        for overlay in device.contents.overlays.get(&entity.name).into_iter().flatten() {
            let mine = rows.and_then(|rows| rows.iter().find(|row| entity.key_of(row) == overlay.key));
            for row in mine.into_iter().chain(&overlay.base) {
                held.extend(facts.identity(entity, row));
            }
            if entity.ids == Ids::Client {
                held.insert(overlay.key.clone());
            }
            if facts.nameless {
                held.insert(NAMELESS);
            }
        }
        held
    }

    /// The status says what is there.
    fn honest(&self, device: &FoundDevice) -> Verdict {
        let waiting: usize = device
            .contents
            .overlays
            .values()
            .flatten()
            .filter(|overlay| overlay.is_waiting())
            .count();
        let status = &device.status;
        let told = (status.waiting, status.rejected, status.unknown);
        let are = (
            waiting as u64,
            device.lists.rejected.len() as u64,
            device.lists.unknown.len() as u64,
        );
        if told != are {
            return Err((
                "honest status",
                format!(
                    "device {}: the status says {told:?} wait, are rejected, are unknown; there are {are:?}",
                    device.number
                ),
            ));
        }
        let failed = status
            .last_error
            .as_ref()
            .is_some_and(|error| error.context.is_empty());
        if status.up_to_date_as_of.is_none() || failed {
            return Err((
                "honest status",
                format!(
                    "device {}: all is synced, and the status says {}",
                    device.number,
                    status.message()
                ),
            ));
        }
        Ok(())
    }

    /// Every edit that was accepted is in one of the places it may be, and what was refused nowhere.
    fn nothing_lost(&self) -> Verdict {
        let kept: BTreeMap<usize, BTreeSet<&Value>> = self
            .found
            .devices
            .iter()
            .map(|device| (device.number, self.kept(device)))
            .collect();
        let none = BTreeSet::new();
        for ((device, name, _), edits) in self.ledger.by_record() {
            let kept = kept.get(&device).unwrap_or(&none);
            for (number, edit) in edits.iter().enumerate() {
                let Wish::Write(fields) = &edit.wish else { continue };
                for (attribute, value) in fields.iter().filter(|(_, value)| self.ledger.is_made(value)) {
                    let there = self.ledger.was_written(value) || kept.contains(value);
                    let shown = || format!("device {device}: {name} {} {attribute} = {value}", edit.key);
                    if edit.told == Told::Refused && there {
                        return Err((
                            "refused is refused",
                            format!("{} was refused and took effect", shown()),
                        ));
                    }
                    let owed = edit.told == Told::Accepted && !edit.void;
                    if owed && !there && !superseded(&edits[number + 1..], attribute) {
                        return Err((
                            "no silent loss",
                            format!("{} was accepted and is nowhere", shown()),
                        ));
                    }
                }
            }
        }
        Ok(())
    }

    /// Values that a device lists or still shows as its own.
    fn kept<'b>(&self, device: &'b FoundDevice) -> BTreeSet<&'b Value> {
        let mut kept: BTreeSet<&Value> = device.lists.values().collect();
        for (name, rows) in &device.contents.rows {
            let Ok(entity) = device.schema.entity(name) else {
                continue;
            };
            for row in rows {
                if device.contents.overlay(name, &entity.key_of(row)).is_some() {
                    kept.extend(row);
                }
            }
        }
        kept
    }

    /// No record on the server refers to one that is not there.
    fn relations(&self) -> Verdict {
        for relation in &self.schema.relations {
            let (Ok(child), Ok(parent)) = (
                self.schema.entity(&relation.child),
                self.schema.entity(&relation.parent),
            ) else {
                continue;
            };
            let Some(index) = child.index_of(&relation.attribute) else {
                continue;
            };
            let parents: BTreeSet<Key> = self
                .found
                .server
                .get(&parent.name)
                .into_iter()
                .flatten()
                .map(|row| parent.key_of(row))
                .collect();
            for row in self.found.server.get(&child.name).into_iter().flatten() {
                let value = &row[index];
                if !value.is_null() && !parents.contains(&Key(vec![value.clone()])) {
                    return Err((
                        "relations",
                        format!(
                            "{} {} refers to {} {value}, which is not there",
                            child.name,
                            child.key_of(row),
                            parent.name
                        ),
                    ));
                }
            }
        }
        Ok(())
    }
}

/// Whether a later edit of the same record by the same device wrote the attribute, or deleted the record.
fn superseded(later: &[&Edit], attribute: &str) -> bool {
    later.iter().any(|edit| {
        edit.told != Told::Refused
            && !edit.void
            && match &edit.wish {
                Wish::Write(fields) => fields.has(attribute),
                Wish::Delete => true,
            }
    })
}
