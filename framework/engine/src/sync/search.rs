//! The search for units: from each unsent change upwards to the root of its family, and across what the app wrote as atomic groups.
//!
//! The root need not be on the device, and what lies between need not have changed. What was refused because of another record of
//! its group is bound to that record again, once that is to be sent again.

use super::Syncer;
use super::areas::{self, Areas, entity_key};
use super::cut::Tried;
use super::rejected::RejectedEntry;
use super::release::is_decided;
use super::units::{CHUNK, Name, Sets, Unit, children_first};
use onsync_core::ordered::{BTreeMap, BTreeSet};
use onsync_core::page::KeyRange;
use onsync_core::schema::{EntitySchema, Schema};
use onsync_core::store::local::{LocalTransaction, Overlay, RecordState};
use onsync_core::{Error, Key, Result, Row, Value};
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

/// A record that changed.
struct Changed {
    node: usize,
    deleted: bool,
    /// The node of its parent, as it was before it was deleted.
    up: Option<usize>,
    bytes: usize,
}

/// The search for units in one transaction.
pub(super) struct Search<'a, 't> {
    syncer: &'a Syncer,
    tx: &'t mut dyn LocalTransaction,
    /// Looked at already in this cut.
    tried: &'t Tried<'a>,
    nodes: HashMap<Name, usize>,
    names: Vec<Name>,
    /// Whose parent is known.
    resolved: HashSet<usize>,
    changed: Vec<Changed>,
    found: HashSet<usize>,
    all: Sets,
    strict: Sets,
    bound: HashSet<usize>,
    held: HashSet<usize>,
    /// Whether anything was written.
    pub(super) wrote: bool,
}

impl<'a, 't> Search<'a, 't> {
    pub(super) fn new(syncer: &'a Syncer, tx: &'t mut dyn LocalTransaction, tried: &'t Tried<'a>) -> Self {
        Self {
            syncer,
            tx,
            tried,
            nodes: HashMap::new(),
            names: Vec::new(),
            resolved: HashSet::new(),
            changed: Vec::new(),
            found: HashSet::new(),
            all: Sets::default(),
            strict: Sets::default(),
            bound: HashSet::new(),
            held: HashSet::new(),
            wrote: false,
        }
    }

    /// The units with changes of these entities, parents first; of a family and of an atomic group also the changes of other entities.
    pub(super) async fn units(mut self, entities: &[String]) -> Result<(Vec<Unit>, bool)> {
        let syncer = self.syncer;
        self.release_refused().await?;
        let families: BTreeSet<usize> = entities
            .iter()
            .filter_map(|name| syncer.families.of(name))
            .collect();
        for family in families {
            for name in syncer.families.entities(family) {
                self.scan(place_of(syncer, name)?).await?;
            }
        }
        self.bind_groups(entities).await?;
        self.resolve().await?;
        Ok((self.made(), self.wrote))
    }

    fn entity(&self, place: usize) -> &'a EntitySchema {
        &self.syncer.schema.entities[place]
    }

    fn node(&mut self, entity: usize, key: &Key) -> usize {
        let name = (entity, key.clone());
        if let Some(node) = self.nodes.get(&name) {
            return *node;
        }
        let node = self.names.len();
        self.names.push(name.clone());
        self.nodes.insert(name, node);
        node
    }

    /// Notes the changed records of an entity.
    async fn scan(&mut self, entity: usize) -> Result<()> {
        let mut range = KeyRange::all();
        loop {
            let overlays = self
                .tx
                .overlays_to_send(self.entity(entity), &range, CHUNK)
                .await?;
            let Some(last) = overlays.last() else {
                return Ok(());
            };
            range.after = Some(last.key.clone());
            self.note(entity, overlays).await?;
        }
    }

    /// Notes changed records; those whose values cannot be read are left to whoever cuts them alone.
    async fn note(&mut self, place: usize, overlays: Vec<Overlay>) -> Result<()> {
        let entity = self.entity(place);
        let keys: Vec<Key> = overlays.iter().map(|overlay| overlay.key.clone()).collect();
        let rows = match self.tx.get(entity, &keys).await {
            Ok(rows) => rows,
            Err(_) => {
                let mut rows = Vec::with_capacity(keys.len());
                for key in &keys {
                    let row = self.tx.get(entity, std::slice::from_ref(key)).await;
                    rows.push(row.ok().and_then(|mut row| row.pop().flatten()));
                }
                rows
            }
        };
        for (overlay, mine) in overlays.into_iter().zip(rows) {
            let tried = self.tried.get(entity.name.as_str());
            if tried.is_some_and(|tried| tried.contains_key(&overlay.key)) {
                continue;
            }
            self.note_one(place, &overlay, mine.as_ref())?;
        }
        Ok(())
    }

    fn note_one(&mut self, entity: usize, overlay: &Overlay, mine: Option<&Row>) -> Result<()> {
        let node = self.node(entity, &overlay.key);
        if !self.found.insert(node) {
            return Ok(());
        }
        self.resolved.insert(node);
        let mut up = None;
        // A record that was given another parent joins both families.
        for row in [mine, overlay.base.as_ref()].into_iter().flatten() {
            up = self.parent(entity, row)?;
            if let Some(parent) = up {
                self.all.join(node, parent);
            }
        }
        let size = |row: &Row| row.iter().map(Value::size).sum::<usize>();
        self.changed.push(Changed {
            node,
            deleted: mine.is_none(),
            up: up.filter(|_| mine.is_none()),
            bytes: 128 + mine.map_or(0, size) + overlay.base.as_ref().map_or(0, size),
        });
        Ok(())
    }

    /// The parent of a row in its family.
    fn parent(&mut self, entity: usize, row: &Row) -> Result<Option<usize>> {
        let (syncer, entity) = (self.syncer, self.entity(entity));
        for relation in syncer.families.up(&entity.name) {
            let value = entity
                .index_of(&relation.attribute)
                .and_then(|index| row.get(index));
            if let Some(value) = value.filter(|value| !value.is_null()) {
                let parent = place_of(syncer, &relation.parent)?;
                return Ok(Some(self.node(parent, &Key(vec![value.clone()]))));
            }
        }
        Ok(None)
    }

    /// Goes up from every record that was met, through those that did not change.
    async fn resolve(&mut self) -> Result<()> {
        let mut from = 0;
        while from < self.names.len() {
            let end = self.names.len();
            let mut open: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
            for node in from..end {
                let entity = self.names[node].0;
                let in_family = self.syncer.families.of(&self.entity(entity).name).is_some();
                if in_family && self.resolved.insert(node) {
                    open.entry(entity).or_default().push(node);
                }
            }
            for (entity, nodes) in open {
                for nodes in nodes.chunks(CHUNK) {
                    self.resolve_some(entity, nodes).await?;
                }
            }
            from = end;
        }
        Ok(())
    }

    async fn resolve_some(&mut self, place: usize, nodes: &[usize]) -> Result<()> {
        let entity = self.entity(place);
        let keys: Vec<Key> = nodes.iter().map(|node| self.names[*node].1.clone()).collect();
        let rows = self
            .tx
            .get(entity, &keys)
            .await
            .unwrap_or_else(|_| vec![None; keys.len()]);
        let mut overlays = vec![None; keys.len()];
        if rows.iter().any(Option::is_none) {
            overlays = self.tx.overlays(entity, &keys).await?;
        }
        for ((node, row), overlay) in nodes.iter().zip(rows).zip(overlays) {
            let base = || overlay.and_then(|overlay: Overlay| overlay.base);
            if let Some(row) = row.or_else(base)
                && let Some(parent) = self.parent(place, &row)?
            {
                self.all.join(*node, parent);
            }
        }
        Ok(())
    }

    /// Binds what the app wrote as atomic groups, if these entities have a part in them.
    async fn bind_groups(&mut self, entities: &[String]) -> Result<()> {
        let syncer = self.syncer;
        let mut groups: BTreeMap<Uuid, Vec<Name>> = BTreeMap::new();
        for (record, group) in members(&syncer.schema, self.tx).await? {
            groups.entry(group).or_default().push(record);
        }
        let asked = |entity: usize| entities.contains(&syncer.schema.entities[entity].name);
        groups.retain(|_, records| records.iter().any(|(entity, _)| asked(*entity)));
        for records in groups.into_values() {
            let mut first = None;
            for (entity, key) in records {
                let of = self.entity(entity);
                let overlay = one(self.tx, of, &key).await?;
                let Some(overlay) =
                    overlay.filter(|overlay| overlay.is_waiting() || overlay.state != RecordState::Waiting)
                else {
                    forget_member(self.tx, of, &key).await?;
                    self.wrote = true;
                    continue;
                };
                let node = self.node(entity, &key);
                match overlay.may_be_sent() {
                    true => self.note(entity, vec![overlay]).await?,
                    false => drop(self.held.insert(node)),
                }
                self.bind(*first.get_or_insert(node), node);
            }
        }
        Ok(())
    }

    fn bind(&mut self, a: usize, b: usize) {
        self.all.join(a, b);
        self.strict.join(a, b);
        self.bound.extend([a, b]);
    }

    /// What was refused because of a record that is to be sent again goes with it.
    async fn release_refused(&mut self) -> Result<()> {
        let syncer = self.syncer;
        let listed = self
            .tx
            .list::<RejectedEntry>(areas::REJECTED, None, usize::MAX)
            .await?;
        for (number, entry) in listed {
            if is_decided(syncer, self.tx, &entry).await? {
                let entity = self.entity(place_of(syncer, &entry.entity)?);
                release(self.tx, entity, &entry, &number).await?;
                self.wrote = true;
                continue;
            }
            let Some((cause_entity, cause)) = entry.group_cause() else {
                continue;
            };
            let places = (place_of(syncer, cause_entity), place_of(syncer, &entry.entity));
            let (Ok(cause_entity), Ok(entity)) = places else {
                continue;
            };
            let (of_cause, of) = (self.entity(cause_entity), self.entity(entity));
            let again = one(self.tx, of_cause, cause).await?;
            if !is_settled(again.as_ref()) {
                continue;
            }
            self.wrote = true;
            let released = release(self.tx, of, &entry, &number).await?;
            if let (Some(again), Some(overlay)) = (again, released) {
                let (node, other) = (self.node(cause_entity, cause), self.node(entity, &overlay.key));
                self.note(cause_entity, vec![again]).await?;
                self.note(entity, vec![overlay]).await?;
                self.bind(node, other);
            }
        }
        Ok(())
    }

    /// The units, in the order of the search; the last one first, as they are taken from the end.
    fn made(&mut self) -> Vec<Unit> {
        let mut order: Vec<usize> = Vec::new();
        let mut units: HashMap<usize, Vec<Changed>> = HashMap::new();
        for changed in std::mem::take(&mut self.changed) {
            let root = self.all.root(changed.node);
            units.entry(root).or_insert_with(|| {
                order.push(root);
                Vec::new()
            });
            if let Some(members) = units.get_mut(&root) {
                members.push(changed);
            }
        }
        let held: HashSet<usize> = std::mem::take(&mut self.held)
            .into_iter()
            .map(|node| self.strict.root(node))
            .collect();
        let mut made = Vec::new();
        for root in order.into_iter().rev() {
            let Some(members) = units.remove(&root) else {
                continue;
            };
            self.divide(members, &held, &mut made);
        }
        made
    }

    /// One unit as long as it stays within the limit, else the atomic groups in it and the rest.
    fn divide(&mut self, members: Vec<Changed>, held: &HashSet<usize>, made: &mut Vec<Unit>) {
        let limits = &self.syncer.limits;
        let bytes: usize = members.iter().map(|member| member.bytes).sum();
        let small = members.len() <= limits.group_limit && bytes <= limits.group_bytes;
        let mut groups: BTreeMap<usize, Vec<Changed>> = BTreeMap::new();
        let mut rest = Vec::new();
        let is_held = |this: &mut Self, member: &Changed| {
            this.bound.contains(&member.node) && held.contains(&this.strict.root(member.node))
        };
        let any_held = members.iter().any(|member| is_held(self, member));
        for member in members {
            match self.bound.contains(&member.node) && (!small || any_held) {
                true => groups
                    .entry(self.strict.root(member.node))
                    .or_default()
                    .push(member),
                false => rest.push(member),
            }
        }
        let strict = rest.iter().any(|member| self.bound.contains(&member.node));
        made.push(Unit {
            group: small && rest.len() > 1,
            strict,
            held: false,
            members: self.ordered(rest),
        });
        for (root, members) in groups {
            made.push(Unit {
                group: members.len() > 1,
                strict: true,
                held: held.contains(&root),
                members: self.ordered(members),
            });
        }
    }

    /// What is there as found, parents first; then what was deleted, children first.
    fn ordered(&self, members: Vec<Changed>) -> Vec<Name> {
        let (deleted, there): (Vec<Changed>, Vec<Changed>) =
            members.into_iter().partition(|member| member.deleted);
        let deletes = deleted.iter().map(|member| (member.node, member.up)).collect();
        let there = there.iter().map(|member| member.node);
        there
            .chain(children_first(deletes))
            .map(|node| self.names[node].clone())
            .collect()
    }
}

async fn one(tx: &mut dyn LocalTransaction, entity: &EntitySchema, key: &Key) -> Result<Option<Overlay>> {
    Ok(tx
        .overlays(entity, std::slice::from_ref(key))
        .await?
        .pop()
        .flatten())
}

/// Whether nothing stands in the way of sending a record again, or nothing of it is left to send.
fn is_settled(overlay: Option<&Overlay>) -> bool {
    overlay.is_none_or(Overlay::may_be_sent)
}

/// Whether something was refused for the sake of a record that is settled by now, or that was in conflict.
pub(super) async fn any_released(syncer: &Syncer, tx: &mut dyn LocalTransaction) -> Result<bool> {
    let listed = tx
        .list::<RejectedEntry>(areas::REJECTED, None, usize::MAX)
        .await?;
    for (_, entry) in listed {
        if is_decided(syncer, tx, &entry).await? {
            return Ok(true);
        }
        if let Some((entity, key)) = entry.group_cause()
            && let Ok(entity) = syncer.schema.entity(entity)
            && is_settled(one(tx, entity, key).await?.as_ref())
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A refused change waits again; its overlay, if it is still there.
pub(super) async fn release(
    tx: &mut dyn LocalTransaction,
    entity: &EntitySchema,
    entry: &RejectedEntry,
    number: &[u8],
) -> Result<Option<Overlay>> {
    tx.area_remove(areas::REJECTED, number).await?;
    let Some(mut overlay) = one(tx, entity, &entry.key).await? else {
        return Ok(None);
    };
    if overlay.state == RecordState::Rejected {
        overlay.acknowledged_to = 0;
        overlay.state = RecordState::Waiting;
        tx.put_overlay(entity, &overlay).await?;
    }
    Ok(overlay.may_be_sent().then_some(overlay))
}

/// The place of an entity in the schema.
pub(super) fn place_of(syncer: &Syncer, name: &str) -> Result<usize> {
    let place = syncer
        .schema
        .entities
        .iter()
        .position(|entity| entity.name == name);
    place.ok_or_else(|| Error::fatal("unknown_entity", format!("entity `{name}` is not configured")))
}

/// All records that the app wrote in atomic groups and that were not cut since.
pub(super) async fn members(schema: &Schema, tx: &mut dyn LocalTransaction) -> Result<Vec<(Name, Uuid)>> {
    let mut found = Vec::new();
    for (place, group) in tx.list::<Uuid>(areas::GROUP, None, usize::MAX).await? {
        let mut parts = place.splitn(2, |byte| *byte == 0);
        let (Some(name), Some(key)) = (parts.next(), parts.next()) else {
            continue;
        };
        let entity = schema
            .entities
            .iter()
            .position(|entity| entity.name.as_bytes() == name);
        if let (Some(entity), Ok(key)) = (entity, Key::from_bytes(key)) {
            found.push(((entity, key), group));
        }
    }
    Ok(found)
}

/// A record is of no atomic group any more.
pub(super) async fn forget_member(
    tx: &mut dyn LocalTransaction,
    entity: &EntitySchema,
    key: &Key,
) -> Result<()> {
    tx.area_remove(areas::GROUP, &entity_key(&entity.name, &key.to_bytes()))
        .await
}
