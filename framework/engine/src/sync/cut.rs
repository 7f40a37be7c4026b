//! Cut: durable mutations from dirty records, in one transaction, before anything is sent.
//!
//! Parents are cut before the children that refer to them, whatever the context asked for; deletes come last, children
//! first. A record with a mutation in flight waits for its outcome. A record that does not differ from its base is clean again.

use super::areas::{self, Areas, Instance};
use super::freeze::{Frozen, freeze, sends_all};
use super::keys::{Keys, note_created};
use super::lists::RejectedEntry;
use super::outbox::{Cut, Outbox, OutboxEntry};
use super::{Fence, Syncer};
use onsync_core::mutation::{MutationKind, Rejection};
use onsync_core::page::KeyRange;
use onsync_core::pattern::{Change, Direction, DirtyRecord};
use onsync_core::schema::{EntitySchema, Ids, Schema};
use onsync_core::store::local::{LocalTransaction, Overlay, RecordState, is_local_key};
use onsync_core::{Fields, Key, Result, Row};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Overlays read at a time.
const CHUNK: usize = 500;

/// What a cut leaves to do.
pub(super) struct CutResult {
    /// What was cut, in order of numbers.
    pub(super) entries: Vec<Cut>,
    /// Whether dirty records remain that did not fit.
    pub(super) more: bool,
}

/// Whether a record's changes may be sent now.
#[derive(Clone, Copy)]
enum Standing {
    /// Cut now, sent before, or known to the server.
    Ready,
    /// Held back by itself or something it depends on.
    Held,
}

pub(super) struct Cutter<'a> {
    syncer: &'a Syncer,
    tx: &'a mut dyn LocalTransaction,
    instance: Instance,
    keys: BTreeMap<&'a str, Arc<Keys<'a>>>,
    columns: BTreeMap<&'a str, Arc<[String]>>,
    room: usize,
    room_bytes: usize,
    visiting: BTreeSet<(String, Key)>,
    /// What was tried, and how that ended.
    tried: HashMap<&'a str, HashMap<Key, Standing>>,
    entries: Vec<Cut>,
    /// How many of these are marked as in flight.
    marked: usize,
    changed: bool,
}

/// Cuts until `room` mutations or `room_bytes` bytes are reached.
pub(super) async fn cut(
    syncer: &Syncer,
    fence: Fence,
    entities: &[String],
    room: usize,
    room_bytes: usize,
    outbox: &mut Outbox,
) -> Result<CutResult> {
    let mut tx = syncer.begin(fence, true).await?;
    let mut instance = tx.instance(syncer.runtime.random_uuid()).await?;
    // What was saved from a damaged store came with the numbers of that store.
    let beyond = outbox.highest().map_or(0, |highest| highest.saturating_add(1));
    instance.next_number = instance.next_number.max(beyond);
    let mut cutter = Cutter {
        syncer,
        tx: tx.as_mut(),
        instance,
        keys: BTreeMap::new(),
        columns: BTreeMap::new(),
        room,
        room_bytes,
        visiting: BTreeSet::new(),
        tried: HashMap::new(),
        entries: Vec::new(),
        marked: 0,
        changed: false,
    };
    let more = cutter.cut_all(entities).await?;
    cutter.mark().await?;
    let Cutter {
        instance,
        entries,
        changed,
        ..
    } = cutter;
    if changed {
        outbox.add(tx.as_mut(), &entries).await?;
        tx.set_instance(&instance).await?;
        tx.commit().await?;
    }
    Ok(CutResult { entries, more })
}

/// Whether anything is to be cut; most syncs find out without waiting for the writer.
pub(super) async fn anything(
    syncer: &Syncer,
    tx: &mut dyn LocalTransaction,
    entities: &[String],
) -> Result<bool> {
    for name in entities {
        let entity = syncer.schema.entity(name)?;
        let sends = !entity.local && syncer.pattern(name)?.direction() != Direction::ReadOnly;
        if sends && !tx.overlays_to_send(entity, &KeyRange::all(), 1).await?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

impl<'a> Cutter<'a> {
    /// Creates and updates parents first, then deletes children first. True if there was no room for all.
    async fn cut_all(&mut self, entities: &[String]) -> Result<bool> {
        let syncer = self.syncer;
        let order = syncer.schema.parents_first()?;
        for deletes in [false, true] {
            let mut order: Vec<&String> = order.iter().filter(|name| entities.contains(name)).collect();
            if deletes {
                order.reverse();
            }
            for name in order {
                let entity = syncer.schema.entity(name)?;
                if entity.local || syncer.pattern(name)?.direction() == Direction::ReadOnly {
                    continue;
                }
                if self.cut_entity(entity, deletes).await? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    async fn cut_entity(&mut self, entity: &'a EntitySchema, deletes: bool) -> Result<bool> {
        let mut range = KeyRange::all();
        loop {
            let waiting = self.tx.overlays_to_send(entity, &range, CHUNK).await?;
            let Some(last) = waiting.last() else {
                return Ok(false);
            };
            range.after = Some(last.key.clone());
            let keys: Vec<Key> = waiting.iter().map(|overlay| overlay.key.clone()).collect();
            let rows = self.tx.get(entity, &keys).await;
            let rows = match rows {
                Ok(rows) => rows,
                Err(_) => self.readable_rows(entity, &keys).await?,
            };
            for (overlay, mine) in waiting.into_iter().zip(rows) {
                if mine.is_none() != deletes {
                    continue;
                }
                if self.room == 0 || self.room_bytes == 0 {
                    return Ok(true);
                }
                self.cut_with_parents(entity, overlay, mine).await?;
            }
            self.mark().await?;
        }
    }

    /// Marks what was cut as in flight, by the entity.
    async fn mark(&mut self) -> Result<()> {
        let mut cut: BTreeMap<&str, Vec<Key>> = BTreeMap::new();
        for Cut { entry, .. } in self.entries.iter().skip(self.marked) {
            cut.entry(&entry.mutation.entity)
                .or_default()
                .push(entry.key.clone());
        }
        for (name, keys) in cut {
            let entity = self.syncer.schema.entity(name)?;
            self.tx.set_states(entity, &keys, RecordState::InFlight).await?;
        }
        self.marked = self.entries.len();
        Ok(())
    }

    /// Where one stored value cannot be read as its type, only its own record is held: it is listed with the reason.
    async fn readable_rows(&mut self, entity: &'a EntitySchema, keys: &[Key]) -> Result<Vec<Option<Row>>> {
        let mut rows = Vec::with_capacity(keys.len());
        for key in keys {
            match self.tx.get(entity, std::slice::from_ref(key)).await {
                Ok(mut found) => rows.push(found.pop().flatten()),
                Err(error) => {
                    let overlay = self
                        .tx
                        .overlays(entity, std::slice::from_ref(key))
                        .await?
                        .pop()
                        .flatten();
                    if let Some(overlay) = overlay {
                        self.reject(
                            entity,
                            overlay,
                            MutationKind::Update,
                            error.code(),
                            &error.to_string(),
                        )
                        .await?;
                    }
                    rows.push(None);
                }
            }
        }
        Ok(rows)
    }

    /// Cuts what the record refers to, then the record. A loop with an explicit stack: chains may be long.
    async fn cut_with_parents(
        &mut self,
        entity: &'a EntitySchema,
        overlay: Overlay,
        mine: Option<Row>,
    ) -> Result<()> {
        let mut stack = vec![(entity, overlay, mine)];
        self.visiting.clear();
        while let Some((entity, overlay, mine)) = stack.pop() {
            let parent = match &mine {
                Some(row) => self.uncut_parent(entity, row).await?,
                None => Parent::None,
            };
            match parent {
                Parent::Dirty(parent, parent_overlay, row) => {
                    if self
                        .visiting
                        .insert((parent.name.clone(), parent_overlay.key.clone()))
                    {
                        stack.push((entity, overlay, mine));
                        stack.push((parent, *parent_overlay, Some(row)));
                    } else if parent.ids == Ids::Server {
                        let message = "new records refer to each other in a circle, and the server issues their keys; save one without its reference first";
                        self.reject(entity, overlay, MutationKind::Create, "reference_circle", message)
                            .await?;
                    } else {
                        self.cut_record(entity, overlay, mine).await?;
                    }
                }
                Parent::Held => {}
                Parent::Missing(attribute) => {
                    let message = format!(
                        "`{}.{attribute}` refers to a record that was made on this device and is no longer here; refer to another one",
                        entity.name
                    );
                    self.reject(entity, overlay, MutationKind::Update, "parent_missing", &message)
                        .await?;
                }
                Parent::None => {
                    if let Standing::Held = self.cut_record(entity, overlay, mine).await? {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// The first record this row refers to that the server cannot know yet.
    async fn uncut_parent(&mut self, entity: &'a EntitySchema, row: &Row) -> Result<Parent<'a>> {
        let schema: &'a Schema = &self.syncer.schema;
        for relation in schema.parents_of(&entity.name) {
            let Some(value) = entity.index_of(&relation.attribute).map(|index| &row[index]) else {
                continue;
            };
            let parent = schema.entity(&relation.parent)?;
            if value.is_null() || parent.local {
                continue;
            }
            let key = Key(vec![value.clone()]);
            if parent.name == entity.name && key == entity.key_of(row) {
                continue;
            }
            let overlay = self
                .tx
                .overlays(parent, std::slice::from_ref(&key))
                .await?
                .pop()
                .flatten();
            let tried = self
                .tried
                .get(parent.name.as_str())
                .and_then(|tried| tried.get(&key));
            match overlay {
                Some(overlay) if overlay.base.is_none() && tried.is_some() => {
                    if let Some(Standing::Held) = tried {
                        return Ok(Parent::Held);
                    }
                }
                Some(overlay)
                    if overlay.state == RecordState::Conflicted
                        && super::conflicts::planning_base(self.tx, parent, &overlay)
                            .await?
                            .is_none() =>
                {
                    return Ok(Parent::Held);
                }
                Some(overlay) if overlay.base.is_none() => match overlay.state {
                    RecordState::InFlight => {}
                    RecordState::Conflicted => return Ok(Parent::Held),
                    RecordState::Rejected if !overlay.is_waiting() => return Ok(Parent::Held),
                    _ => match self
                        .tx
                        .get(parent, std::slice::from_ref(&key))
                        .await?
                        .pop()
                        .flatten()
                    {
                        Some(row) => return Ok(Parent::Dirty(parent, Box::new(overlay), row)),
                        None => return Ok(Parent::Missing(relation.attribute.clone())),
                    },
                },
                Some(_) => {}
                None => {
                    let mapped = self
                        .tx
                        .area_get(&areas::local_keys(&parent.name), &key.to_bytes())
                        .await?;
                    if parent.ids == Ids::Server && is_local_key(value) && mapped.is_none() {
                        return Ok(Parent::Missing(relation.attribute.clone()));
                    }
                }
            }
        }
        Ok(Parent::None)
    }

    async fn cut_record(
        &mut self,
        entity: &'a EntitySchema,
        overlay: Overlay,
        mine: Option<Row>,
    ) -> Result<Standing> {
        let tried = self.tried.entry(&entity.name).or_default();
        if let Some(standing) = tried.get(&overlay.key) {
            return Ok(*standing);
        }
        tried.insert(overlay.key.clone(), Standing::Ready);
        let pattern = self.syncer.pattern(&entity.name)?;
        let dirty = DirtyRecord {
            entity,
            base: overlay.base.as_ref(),
            mine: mine.as_ref(),
            in_flight: None,
        };
        if dirty.difference().is_none() {
            self.changed = true;
            self.tx.remove_overlay(entity, &overlay.key).await?;
            self.forget_rejections(entity, &overlay.key).await?;
            return Ok(Standing::Ready);
        }
        let Some(change) = pattern.request(&dirty) else {
            if let Some(tried) = self.tried.get_mut(entity.name.as_str()) {
                tried.insert(overlay.key, Standing::Held);
            }
            return Ok(Standing::Held);
        };
        let whole = sends_all(&dirty, &change);
        let entry = self.freeze(entity, &overlay, mine.as_ref(), &change).await?;
        self.changed = true;
        self.room = self.room.saturating_sub(1);
        self.room_bytes = self.room_bytes.saturating_sub(entry.size());
        if entity.ids == Ids::Server && change.kind == MutationKind::Create {
            note_created(
                self.tx,
                entity,
                &overlay.key,
                entry.mutation.id,
                entry.mutation.number,
            )
            .await?;
            self.keys.clear();
        }
        self.entries.push(Cut {
            entry,
            seen: whole.then_some((overlay.base, mine)),
        });
        Ok(Standing::Ready)
    }

    /// The frozen mutation, in the server's terms.
    async fn freeze(
        &mut self,
        entity: &'a EntitySchema,
        overlay: &Overlay,
        mine: Option<&Row>,
        change: &Change,
    ) -> Result<OutboxEntry> {
        let keys = match self.keys.get(entity.name.as_str()) {
            Some(keys) => keys.clone(),
            None => {
                let keys = Arc::new(Keys::of(self.tx, &self.syncer.schema, entity).await?);
                self.keys.insert(&entity.name, keys.clone());
                keys
            }
        };
        let columns = self
            .columns
            .entry(&entity.name)
            .or_insert_with(|| entity.columns().into());
        let columns = columns.clone();
        let id = self.syncer.runtime.random_uuid();
        let number = self.instance.next_number;
        self.instance.next_number += 1;
        let base = overlay.base.as_ref();
        freeze(
            self.tx,
            Frozen {
                entity,
                keys: &keys,
                columns,
                id,
                number,
                base,
                mine,
                change,
            },
            overlay,
        )
        .await
    }

    /// A change that cannot even be sent is listed like one the server refused.
    async fn reject(
        &mut self,
        entity: &EntitySchema,
        mut overlay: Overlay,
        kind: MutationKind,
        code: &str,
        message: &str,
    ) -> Result<()> {
        self.changed = true;
        let number = self.instance.next_number;
        self.instance.next_number += 1;
        let entry = RejectedEntry {
            number,
            entity: entity.name.clone(),
            key: overlay.key.clone(),
            kind,
            values: Fields::new(),
            rejection: Rejection {
                code: code.to_owned(),
                message: message.to_owned(),
            },
            at: Some(self.syncer.runtime.now()),
        };
        self.tx
            .store(areas::REJECTED, &number.to_be_bytes(), &entry)
            .await?;
        overlay.acknowledged_to = overlay.edit;
        overlay.state = RecordState::Rejected;
        self.tx.put_overlay(entity, &overlay).await
    }

    async fn forget_rejections(&mut self, entity: &EntitySchema, key: &Key) -> Result<()> {
        forget_rejections(self.tx, entity, key).await
    }
}

/// A record this one refers to.
enum Parent<'a> {
    /// Nothing stands in the way.
    None,
    /// Made here and not cut yet.
    Dirty(&'a EntitySchema, Box<Overlay>, Row),
    /// Made here and held back.
    Held,
    /// Made here, and no longer here.
    Missing(String),
}

/// Removes what is listed about a record as rejected, or as perhaps applied.
pub(super) async fn forget_rejections(
    tx: &mut dyn LocalTransaction,
    entity: &EntitySchema,
    key: &Key,
) -> Result<()> {
    for area in [areas::REJECTED, areas::UNKNOWN] {
        for (number, entry) in tx.list::<RejectedEntry>(area, None, usize::MAX).await? {
            if entry.entity == entity.name && &entry.key == key {
                tx.area_remove(area, &number).await?;
            }
        }
    }
    Ok(())
}
