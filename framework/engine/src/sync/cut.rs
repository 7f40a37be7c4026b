//! Cut: durable mutations from dirty records, in one transaction, before anything is sent.
//!
//! Parents are cut before the children that refer to them, whatever the context asked for; deletes come last, children
//! first. A record with a mutation in flight waits for its outcome. A record that does not differ from its base is clean again.

use super::areas::{self, Areas, Instance};
use super::freeze::{Frozen, freeze, sends_all};
use super::keys::{Keys, note_created};
use super::lists::RejectedEntry;
use super::outbox::{Cut, Outbox, OutboxEntry};
use super::parents::Parent;
use super::renew::doubted;
use super::search::{any_released, place_of};
use super::units::{Name, Units};
use super::{Fence, Syncer};
use onsync_core::mutation::{MutationKind, Rejection};
use onsync_core::ordered::{BTreeMap, BTreeSet};
use onsync_core::page::KeyRange;
use onsync_core::pattern::{Change, Direction, DirtyRecord};
use onsync_core::schema::{EntitySchema, Ids};
use onsync_core::store::local::{LocalTransaction, Overlay, RecordState};
use onsync_core::{Fields, Key, Result, Row};
use std::collections::HashMap;
use std::sync::Arc;
use uuid::Uuid;

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
pub(super) enum Standing {
    /// Cut now, sent before, or known to the server.
    Ready,
    /// Held back by itself or something it depends on.
    Held,
}

/// Records that were tried, by the name of their entity, and how that ended.
pub(super) type Tried<'a> = HashMap<&'a str, HashMap<Key, Standing>>;

pub(super) struct Cutter<'a> {
    pub(super) syncer: &'a Syncer,
    pub(super) tx: &'a mut dyn LocalTransaction,
    instance: Instance,
    keys: BTreeMap<&'a str, Arc<Keys<'a>>>,
    columns: BTreeMap<&'a str, Arc<[String]>>,
    pub(super) room: usize,
    pub(super) room_bytes: usize,
    visiting: BTreeSet<(String, Key)>,
    /// What was tried, and how that ended.
    pub(super) tried: Tried<'a>,
    /// The atomic group of each record that is cut in one.
    pub(super) groups: HashMap<Name, Uuid>,
    /// What is to be cut in one go.
    pub(super) units: &'a mut Units,
    /// What has been cut before and has no outcome.
    outbox: &'a mut Outbox,
    /// What may have been applied: not sent again, however often it is edited, before a person decides.
    pub(super) doubted: BTreeSet<(String, Key)>,
    pub(super) entries: Vec<Cut>,
    /// How many of these are marked as in flight.
    marked: usize,
    pub(super) changed: bool,
}

/// Cuts until `room` mutations or `room_bytes` bytes are reached.
pub(super) async fn cut(
    syncer: &Syncer,
    fence: Fence,
    entities: &[String],
    room: usize,
    room_bytes: usize,
    outbox: &mut Outbox,
    units: &mut Units,
) -> Result<CutResult> {
    let durable = onsync_core::mutant!("what-is-cut-does-not-outlive-a-loss-of-power", true, false);
    let mut tx = syncer.begin(fence, durable).await?;
    let mut instance = tx.instance(syncer.runtime.random_uuid()).await?;
    // What was saved from a damaged store came with the numbers of that store.
    let beyond = outbox.highest().map_or(0, |highest| highest.saturating_add(1));
    instance.next_number = instance.next_number.max(beyond);
    let doubted = doubted(tx.as_mut()).await?;
    let mut cutter = Cutter {
        syncer,
        tx: tx.as_mut(),
        doubted,
        outbox: &mut *outbox,
        instance,
        keys: BTreeMap::new(),
        columns: BTreeMap::new(),
        room,
        room_bytes,
        visiting: BTreeSet::new(),
        tried: HashMap::new(),
        groups: HashMap::new(),
        units,
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
    any_released(syncer, tx).await
}

impl<'a> Cutter<'a> {
    /// Creates and updates parents first, then deletes children first. True if there was no room for all.
    async fn cut_all(&mut self, entities: &[String]) -> Result<bool> {
        if self.cut_units(entities).await? {
            return Ok(true);
        }
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
                if deletes && self.cut_deleted_tree(entity).await? {
                    return Ok(true);
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
    pub(super) async fn mark(&mut self) -> Result<()> {
        let mut cut: BTreeMap<&str, Vec<Key>> = BTreeMap::new();
        for Cut { entry, .. } in self.entries.iter().skip(self.marked) {
            cut.entry(&entry.mutation.entity)
                .or_default()
                .push(entry.key.clone());
        }
        for (name, keys) in cut {
            let entity = self.syncer.schema.entity(name)?;
            let state = onsync_core::mutant!(
                "what-is-on-its-way-is-cut-again",
                RecordState::InFlight,
                RecordState::Waiting
            );
            self.tx.set_states(entity, &keys, state).await?;
        }
        self.marked = self.entries.len();
        Ok(())
    }

    /// Where one stored value cannot be read as its type, only its own record is held: it is listed with the reason.
    pub(super) async fn readable_rows(
        &mut self,
        entity: &'a EntitySchema,
        keys: &[Key],
    ) -> Result<Vec<Option<Row>>> {
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
    pub(super) async fn cut_with_parents(
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
                    let visiting = std::mem::take(&mut self.visiting);
                    let with_its_unit = self.cut_unit_of(parent, &parent_overlay.key).await?;
                    self.visiting = visiting;
                    if with_its_unit {
                        stack.push((entity, overlay, mine));
                        continue;
                    }
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
        if self.doubted.contains(&(entity.name.clone(), overlay.key.clone())) {
            tried.insert(overlay.key, Standing::Held);
            return Ok(Standing::Held);
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
        let waits = self.is_on_its_way(entity, &overlay.key).await?;
        let Some(change) = pattern.request(&dirty).filter(|_| !waits) else {
            if let Some(tried) = self.tried.get_mut(entity.name.as_str()) {
                tried.insert(overlay.key, Standing::Held);
            }
            return Ok(Standing::Held);
        };
        let whole = sends_all(&dirty, &change);
        let mut entry = self.freeze(entity, &overlay, mine.as_ref(), &change).await?;
        entry.mutation.group = self.group_of(entity, &overlay.key)?;
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

    /// Whether nobody knows if what waits of the record was applied.
    pub(super) fn is_doubted(&self, entity: &EntitySchema, key: &Key) -> bool {
        !self.doubted.is_empty() && self.doubted.contains(&(entity.name.clone(), key.clone()))
    }

    /// Whether a change of the record is on its way, though nothing here says so: a page has brought what it did, and the record was
    /// edited anew. Two on their way at once would get their outcomes in one order and have taken effect in another.
    async fn is_on_its_way(&mut self, entity: &EntitySchema, key: &Key) -> Result<bool> {
        self.outbox.holds_any_of(self.tx, &entity.name, key).await
    }

    fn group_of(&self, entity: &EntitySchema, key: &Key) -> Result<Option<Uuid>> {
        if self.groups.is_empty() {
            return Ok(None);
        }
        let name = (place_of(self.syncer, &entity.name)?, key.clone());
        Ok(self.groups.get(&name).copied())
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
            cause: None,
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
