//! Cutting units: all of one in one request, under one atomic group.

use super::cut::{Cutter, Standing};
use super::parents::Parent;
use super::search::{Search, forget_member, place_of};
use super::units::{CHUNK, Name, Unit, children_first};
use onsync_core::ordered::BTreeMap;
use onsync_core::page::KeyRange;
use onsync_core::schema::EntitySchema;
use onsync_core::store::local::Overlay;
use onsync_core::{Key, Result, Row};
use std::collections::HashMap;

/// What there is of the records that are to be cut.
type Found = HashMap<Name, (Overlay, Option<Row>)>;

/// A record of a unit.
type Member<'a> = (usize, &'a EntitySchema, Overlay, Option<Row>);

impl<'a> Cutter<'a> {
    /// Cuts what travels together of these entities. True if there was no room for all.
    pub(super) async fn cut_units(&mut self, entities: &[String]) -> Result<bool> {
        loop {
            let mut next = Vec::new();
            let mut count = 0;
            while count < CHUNK.min(self.room.max(1)) {
                let Some(unit) = self.units.next() else { break };
                count += unit.members.len();
                next.push(unit);
            }
            if next.is_empty() && !self.search(entities).await? {
                return Ok(false);
            }
            let mut found = self.found(&next).await?;
            for unit in next {
                match self.room == 0 || self.room_bytes == 0 {
                    true => self.units.put_back(unit),
                    false => self.cut_unit(unit, &mut found).await?,
                }
            }
            self.mark().await?;
            if self.room == 0 || self.room_bytes == 0 {
                return Ok(!self.units.is_empty() || self.search(entities).await?);
            }
        }
    }

    /// Looks for units with changes of these entities that were not tried; false if there are none.
    async fn search(&mut self, entities: &[String]) -> Result<bool> {
        let tried = std::mem::take(&mut self.tried);
        let made = Search::new(self.syncer, self.tx, &tried).units(entities).await;
        self.tried = tried;
        let (units, wrote) = made?;
        self.changed |= wrote;
        let any = !units.is_empty();
        self.units.add(units);
        Ok(any)
    }

    /// Reads the records of these units.
    async fn found(&mut self, units: &[Unit]) -> Result<Found> {
        let mut keys: BTreeMap<usize, Vec<Key>> = BTreeMap::new();
        for (entity, key) in units.iter().flat_map(|unit| &unit.members) {
            keys.entry(*entity).or_default().push(key.clone());
        }
        let mut found = Found::new();
        for (place, keys) in keys {
            let entity: &'a EntitySchema = &self.syncer.schema.entities[place];
            let overlays = self.tx.overlays(entity, &keys).await?;
            let rows = self.tx.get(entity, &keys).await;
            let rows = match rows {
                Ok(rows) => rows,
                Err(_) => self.readable_rows(entity, &keys).await?,
            };
            for ((key, overlay), row) in keys.into_iter().zip(overlays).zip(rows) {
                let doubted = self.is_doubted(entity, &key);
                if let Some(overlay) = overlay.filter(|overlay| overlay.may_be_sent() && !doubted) {
                    found.insert((place, key), (overlay, row));
                }
            }
        }
        Ok(found)
    }

    /// Cuts a unit whole, or none of it; one that is no group only as far as there is room.
    async fn cut_unit(&mut self, unit: Unit, found: &mut Found) -> Result<()> {
        let mut members = Vec::with_capacity(unit.members.len());
        for (place, key) in &unit.members {
            let entity: &'a EntitySchema = &self.syncer.schema.entities[*place];
            match found.remove(&(*place, key.clone())) {
                Some((overlay, mine)) => members.push((*place, entity, overlay, mine)),
                None => drop(
                    self.tried
                        .entry(&entity.name)
                        .or_default()
                        .insert(key.clone(), Standing::Held),
                ),
            }
        }
        let complete = members.len() == unit.members.len();
        if unit.held || (unit.strict && !(complete && self.all_free(&mut members).await?)) {
            for (_, entity, overlay, _) in members {
                let tried = self.tried.entry(&entity.name).or_default();
                tried.insert(overlay.key, Standing::Held);
            }
            return Ok(());
        }
        if unit.group && members.len() > 1 {
            let group = self.syncer.runtime.random_uuid();
            let names = members
                .iter()
                .map(|(place, _, overlay, _)| (*place, overlay.key.clone()));
            self.groups.extend(names.map(|name| (name, group)));
        }
        let mut left = Vec::new();
        for (place, entity, overlay, mine) in members {
            if !unit.group && !unit.strict && (self.room == 0 || self.room_bytes == 0) {
                left.push((place, overlay.key));
                continue;
            }
            if unit.strict {
                self.changed = true;
                forget_member(self.tx, entity, &overlay.key).await?;
            }
            let key = overlay.key.clone();
            self.cut_with_parents(entity, overlay, mine).await?;
            // What is held back by something else is not looked for again in this cut.
            let tried = self.tried.entry(&entity.name).or_default();
            tried.entry(key).or_insert(Standing::Held);
        }
        if !left.is_empty() {
            self.units.put_back(Unit {
                members: left,
                ..Unit::default()
            });
        }
        Ok(())
    }

    /// Whether nothing that these records refer to holds one of them back. One that refers to nothing is listed.
    async fn all_free(&mut self, members: &mut Vec<Member<'a>>) -> Result<bool> {
        for at in 0..members.len() {
            let (_, entity, _, mine) = &members[at];
            let Some(row) = mine else { continue };
            if let Parent::Missing(_) = self.uncut_parent(entity, row).await? {
                let (_, entity, overlay, mine) = members.swap_remove(at);
                self.cut_with_parents(entity, overlay, mine).await?;
                return Ok(false);
            }
            if self.is_held_back(entity, row).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Cuts what was deleted of an entity that refers to itself, children first. True if there was no room for all.
    pub(super) async fn cut_deleted_tree(&mut self, entity: &'a EntitySchema) -> Result<bool> {
        let mut relations = self.syncer.schema.parents_of(&entity.name);
        let own = relations.find(|relation| relation.parent == entity.name);
        let Some(index) = own.and_then(|relation| entity.index_of(&relation.attribute)) else {
            return Ok(false);
        };
        let (mut deleted, mut range) = (Vec::new(), KeyRange::all());
        loop {
            let overlays = self.tx.overlays_to_send(entity, &range, CHUNK).await?;
            let Some(last) = overlays.last() else { break };
            range.after = Some(last.key.clone());
            let keys: Vec<Key> = overlays.iter().map(|overlay| overlay.key.clone()).collect();
            let rows = self.tx.get(entity, &keys).await;
            let rows = match rows {
                Ok(rows) => rows,
                Err(_) => self.readable_rows(entity, &keys).await?,
            };
            let gone = overlays.into_iter().zip(rows).filter(|(_, row)| row.is_none());
            deleted.extend(gone.map(|(overlay, _)| {
                let up = overlay.base.and_then(|base| base.into_iter().nth(index));
                (overlay.key, up.map(|up| Key(vec![up])))
            }));
        }
        for keys in children_first(deleted).chunks(CHUNK) {
            let overlays = self.tx.overlays(entity, keys).await?;
            for overlay in overlays.into_iter().flatten().filter(Overlay::may_be_sent) {
                if self.room == 0 || self.room_bytes == 0 {
                    return Ok(true);
                }
                self.cut_with_parents(entity, overlay, None).await?;
            }
        }
        self.mark().await?;
        Ok(false)
    }

    /// Cuts the unit of a record that another one refers to, if it is one; before anything of it is cut.
    pub(super) async fn cut_unit_of(&mut self, entity: &'a EntitySchema, key: &Key) -> Result<bool> {
        if self.syncer.families.of(&entity.name).is_none() {
            return Ok(false);
        }
        let place = place_of(self.syncer, &entity.name)?;
        let name = (place, key.clone());
        if self.groups.contains_key(&name) {
            return Ok(false);
        }
        let mut unit = self.units.take(&name);
        if unit.is_none() {
            let tried = std::mem::take(&mut self.tried);
            let of = std::slice::from_ref(&entity.name);
            let made = Search::new(self.syncer, self.tx, &tried).units(of).await;
            self.tried = tried;
            let (units, wrote) = made?;
            self.changed |= wrote;
            unit = units
                .into_iter()
                .find(|unit| unit.group && unit.members.contains(&name));
        }
        let Some(unit) = unit else {
            return Ok(false);
        };
        let mut found = self.found(std::slice::from_ref(&unit)).await?;
        Box::pin(self.cut_unit(unit, &mut found)).await?;
        Ok(true)
    }
}
