//! Rejected changes, and those that may have been applied: what depends on them, and how each ends: sent again or discarded.

use super::Syncer;
use super::areas::{self, Areas, MappedKey};
use super::bin::one;
use super::cut::forget_rejections;
use super::dependents::{Dependent, HeldRecord};
use super::keys::put_row;
use super::outbox::{Outbox, OutboxEntry};
use super::settle::same;
use onsync_core::mutation::{BinReason, MutationKind, Rejection};
use onsync_core::ordered::BTreeSet;
use onsync_core::schema::{EntitySchema, OnDelete};
use onsync_core::store::local::{Access, LocalTransaction, Overlay, RecordState};
use onsync_core::value::Timestamp;
use onsync_core::{Error, Fields, Key, Result, Row, Value};
use serde::{Deserialize, Serialize};

/// A change the server refused, or one that may have been applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectedEntry {
    /// The mutation's number on this device; names the entry.
    pub number: u64,
    /// The entity.
    pub entity: String,
    /// The record's local key.
    pub key: Key,
    /// What was asked.
    pub kind: MutationKind,
    /// The values that were sent.
    pub values: Fields,
    /// Why it was refused.
    pub rejection: Rejection,
    /// When this device learned of it, by its own clock (for display only).
    #[serde(default)]
    pub at: Option<Timestamp>,
    /// Another record of its atomic group, for whose sake it was refused: as soon as that one is sent again, so is this.
    #[serde(default)]
    pub cause: Option<RecordRef>,
}

/// A record by its entity and local key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordRef {
    /// The entity.
    pub entity: String,
    /// The local key.
    pub key: Key,
}

/// A rejected change with everything a person needs to decide about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RejectedChange {
    /// The change and the reason.
    #[serde(flatten)]
    pub entry: RejectedEntry,
    /// Nobody knows whether the server applied it: compare before sending it again.
    pub may_have_been_applied: bool,
    /// The record was edited since: the edit is sent with the next sync and takes the entry's place. Never where the change may have been
    /// applied: then the edit waits with it for a person to decide.
    pub fixed: bool,
    /// Records whose changes are held because of this one, parents before children.
    pub dependents: Vec<HeldRecord>,
}

/// What happens to a record when a rejected change is discarded. Its values go to the bin in each case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Discarded {
    /// It is as the server has it.
    Reverted,
    /// It was made here and leaves.
    Removed,
    /// It refers to a record that leaves; the reference alone is taken back.
    Detached,
}

/// One record that discarding a rejected change is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DiscardedRecord {
    /// The entity.
    pub entity: String,
    /// The record's local key.
    pub key: Key,
    /// What happens to it.
    pub what: Discarded,
}

impl RejectedEntry {
    pub(crate) fn of(entry: &OutboxEntry, rejection: Rejection, at: Timestamp) -> Self {
        Self {
            number: entry.mutation.number,
            entity: entry.mutation.entity.clone(),
            key: entry.key.clone(),
            kind: entry.mutation.kind,
            values: entry.sent.values.clone(),
            rejection,
            at: Some(at),
            cause: None,
        }
    }

    /// The record of its group for whose sake it was refused.
    pub(super) fn group_cause(&self) -> Option<(&str, &Key)> {
        self.cause
            .as_ref()
            .map(|cause| (cause.entity.as_str(), &cause.key))
    }
}

/// One step of a discard.
struct Step<'a> {
    entity: &'a EntitySchema,
    overlay: Overlay,
    mine: Option<Row>,
    what: Discarded,
    /// The attribute that refers, for [`Discarded::Detached`].
    reference: Option<usize>,
}

impl Syncer {
    /// A rejected change, or one that may have been applied, by its number.
    ///
    /// # Errors
    /// `rejected_entry_missing`, and those of the store.
    pub async fn rejected_change(&self, number: u64) -> Result<RejectedChange> {
        let mut tx = self.store.begin(Access::Read).await?;
        let (area, entry) = find(tx.as_mut(), number).await?;
        self.explained(tx.as_mut(), area, entry).await
    }

    /// Rejected changes and those that may have been applied, oldest first, at most `limit` of each, with what depends on them.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn rejected_changes(&self, limit: usize) -> Result<Vec<RejectedChange>> {
        let mut tx = self.store.begin(Access::Read).await?;
        let mut changes = Vec::new();
        for area in [areas::REJECTED, areas::UNKNOWN] {
            for (_, entry) in tx.list::<RejectedEntry>(area, None, limit).await? {
                changes.push(self.explained(tx.as_mut(), area, entry).await?);
            }
        }
        changes.sort_by_key(|change| change.entry.number);
        Ok(changes)
    }

    async fn explained(
        &self,
        tx: &mut dyn LocalTransaction,
        area: &str,
        entry: RejectedEntry,
    ) -> Result<RejectedChange> {
        let mut change = RejectedChange {
            may_have_been_applied: area == areas::UNKNOWN,
            fixed: false,
            dependents: Vec::new(),
            entry,
        };
        // What is listed may be of an entity that is not configured any more.
        let Ok(entity) = self.schema.entity(&change.entry.entity) else {
            return Ok(change);
        };
        if let Some(overlay) = overlay(tx, entity, &change.entry.key).await? {
            change.fixed = overlay.is_waiting() && !change.may_have_been_applied;
            if overlay.base.is_none() {
                let found = self.dependents(tx, entity, &change.entry.key).await?;
                change.dependents = found.iter().map(Dependent::held).collect();
            }
        }
        Ok(change)
    }

    /// Lets the next sync send a rejected change again as it is; the entry leaves the list. False if nothing is left to send.
    ///
    /// # Errors
    /// `rejected_entry_missing`, `record_in_flight`, `record_conflicted`, `unknown_entity`, and those of the store.
    pub async fn retry_rejected(&self, number: u64) -> Result<bool> {
        let mut tx = self.store.begin(Access::Sync { durable: true }).await?;
        let (area, entry) = find(tx.as_mut(), number).await?;
        let entity = self.schema.entity(&entry.entity)?;
        let mut outbox = Outbox::read(tx.as_mut()).await?;
        refuse_in_flight(tx.as_mut(), &mut outbox, entity, &entry.key).await?;
        let overlay = overlay(tx.as_mut(), entity, &entry.key).await?;
        let left = overlay.is_some();
        if let Some(mut overlay) = overlay {
            refuse_conflicted(entity, &overlay)?;
            overlay.acknowledged_to = 0;
            overlay.state = RecordState::Waiting;
            tx.put_overlay(entity, &overlay).await?;
        }
        tx.area_remove(area, &number.to_be_bytes()).await?;
        forget_rejections(tx.as_mut(), entity, &entry.key).await?;
        tx.commit().await?;
        Ok(left)
    }

    /// Gives a rejected change up: its record is as the server has it, or leaves if it was made here, and with it what was made here
    /// and cannot be without it. The values go to the bin. Returns what was discarded; with `only_show` nothing is done.
    ///
    /// A child made here goes with its parent, unless the relation says `on_delete = "set-null"`: then its reference is taken
    /// back, and it is sent without. A record the server has that was made to refer to the parent gets its reference back as it
    /// was.
    ///
    /// # Errors
    /// `rejected_entry_missing`, `record_in_flight`, `record_conflicted`, `unknown_entity`, and those of the store.
    pub async fn discard_rejected(&self, number: u64, only_show: bool) -> Result<Vec<DiscardedRecord>> {
        let access = if only_show {
            Access::Read
        } else {
            Access::Sync { durable: true }
        };
        let mut tx = self.store.begin(access).await?;
        let (area, entry) = find(tx.as_mut(), number).await?;
        let steps = self.steps(tx.as_mut(), &entry).await?;
        let records = steps
            .iter()
            .map(|step| DiscardedRecord {
                entity: step.entity.name.clone(),
                key: step.overlay.key.clone(),
                what: step.what,
            })
            .collect();
        if only_show {
            return Ok(records);
        }
        for step in steps {
            self.perform(tx.as_mut(), step).await?;
        }
        tx.area_remove(area, &number.to_be_bytes()).await?;
        tx.commit().await?;
        Ok(records)
    }

    /// What discarding an entry does, the record itself first.
    async fn steps(&self, tx: &mut dyn LocalTransaction, entry: &RejectedEntry) -> Result<Vec<Step<'_>>> {
        let entity = self.schema.entity(&entry.entity)?;
        let mut outbox = Outbox::read(tx).await?;
        refuse_in_flight(tx, &mut outbox, entity, &entry.key).await?;
        let Some(overlay) = overlay(tx, entity, &entry.key).await? else {
            return Ok(Vec::new());
        };
        refuse_conflicted(entity, &overlay)?;
        let made_here = overlay.base.is_none();
        let mut steps = vec![Step {
            entity,
            mine: one(tx, entity, &entry.key).await?,
            overlay,
            what: if made_here {
                Discarded::Removed
            } else {
                Discarded::Reverted
            },
            reference: None,
        }];
        if !made_here {
            return Ok(steps);
        }
        let mut leaving = BTreeSet::from([(entity.name.clone(), entry.key.clone())]);
        for dependent in self.dependents(tx, entity, &entry.key).await? {
            let parent = (dependent.relation.parent.clone(), dependent.parent.clone());
            // What refers only to records that stay, stays; an open conflict is decided as a conflict.
            if !leaving.contains(&parent) || dependent.overlay.state == RecordState::Conflicted {
                continue;
            }
            let Dependent {
                entity,
                overlay,
                row,
                relation,
                ..
            } = dependent;
            refuse_in_flight(tx, &mut outbox, entity, &overlay.key).await?;
            let goes = overlay.base.is_none() && relation.on_delete != OnDelete::SetNull;
            if goes {
                leaving.insert((entity.name.clone(), overlay.key.clone()));
            }
            steps.push(Step {
                entity,
                overlay,
                mine: Some(row),
                what: if goes {
                    Discarded::Removed
                } else {
                    Discarded::Detached
                },
                reference: entity.index_of(&relation.attribute),
            });
        }
        Ok(steps)
    }

    async fn perform(&self, tx: &mut dyn LocalTransaction, step: Step<'_>) -> Result<()> {
        let Step {
            entity,
            mut overlay,
            mine,
            what,
            reference,
        } = step;
        let key = overlay.key.clone();
        if let Some(mine) = &mine {
            let lost = overlay.base.as_ref().is_none_or(|base| !same(entity, mine, base));
            if lost {
                let values = entity.fields(mine.clone());
                self.discard(tx, &entity.name, &key, BinReason::Discarded, values)
                    .await?;
            }
        }
        forget_rejections(tx, entity, &key).await?;
        match (what, overlay.base.clone(), mine) {
            (Discarded::Reverted, Some(base), mine) => {
                put_row(tx, entity, keeping_local(entity, base, mine.as_ref())).await?;
                tx.remove_overlay(entity, &key).await
            }
            (Discarded::Detached, base, Some(mut mine)) => {
                for index in reference
                    .map(|index| entity.together_with(index))
                    .unwrap_or_default()
                {
                    mine[index] = base.as_ref().map_or(Value::Null, |base| base[index].clone());
                }
                put_row(tx, entity, mine).await?;
                overlay.acknowledged_to = 0;
                overlay.state = RecordState::Waiting;
                tx.put_overlay(entity, &overlay).await
            }
            (Discarded::Removed | Discarded::Reverted | Discarded::Detached, ..) => {
                tx.remove(entity, std::slice::from_ref(&key)).await?;
                tx.remove_overlay(entity, &key).await?;
                forget_created(tx, entity, &key).await
            }
        }
    }
}

/// The server's content, with this device's values of what does not travel.
fn keeping_local(entity: &EntitySchema, mut base: Row, mine: Option<&Row>) -> Row {
    for (index, attribute) in entity.attributes.iter().enumerate() {
        if let Some(value) = mine.and_then(|mine| mine.get(index)).filter(|_| attribute.local) {
            base[index] = value.clone();
        }
    }
    base
}

/// A create that was given up has no key to wait for: what still refers to it is told so when it is cut.
async fn forget_created(tx: &mut dyn LocalTransaction, entity: &EntitySchema, key: &Key) -> Result<()> {
    let area = areas::local_keys(&entity.name);
    let mapped: Option<MappedKey> = tx.load(&area, &key.to_bytes()).await?;
    if let Some(mapped) = mapped.filter(|mapped| mapped.server.is_none()) {
        tx.area_remove(&area, &key.to_bytes()).await?;
        tx.area_remove(areas::CREATED, mapped.created.as_bytes()).await?;
    }
    Ok(())
}

async fn overlay(tx: &mut dyn LocalTransaction, entity: &EntitySchema, key: &Key) -> Result<Option<Overlay>> {
    Ok(tx
        .overlays(entity, std::slice::from_ref(key))
        .await?
        .pop()
        .flatten())
}

async fn find(tx: &mut dyn LocalTransaction, number: u64) -> Result<(&'static str, RejectedEntry)> {
    for area in [areas::REJECTED, areas::UNKNOWN] {
        if let Some(entry) = tx.load(area, &number.to_be_bytes()).await? {
            return Ok((area, entry));
        }
    }
    Err(Error::rejected(
        "rejected_entry_missing",
        format!(
            "no rejected change has number {number}; it was sent again, fixed or discarded since: list the rejected changes"
        ),
    ))
}

/// A change whose outcome is on its way cannot be taken back.
async fn refuse_in_flight(
    tx: &mut dyn LocalTransaction,
    outbox: &mut Outbox,
    entity: &EntitySchema,
    key: &Key,
) -> Result<()> {
    if outbox.in_flight(tx, &entity.name, key).await?.is_none() {
        return Ok(());
    }
    Err(Error::rejected(
        "record_in_flight",
        format!(
            "a change of `{}` {key} was sent and has no answer yet; sync first, then decide",
            entity.name
        ),
    ))
}

fn refuse_conflicted(entity: &EntitySchema, overlay: &Overlay) -> Result<()> {
    if overlay.state != RecordState::Conflicted {
        return Ok(());
    }
    Err(Error::rejected(
        "record_conflicted",
        format!(
            "`{}` {} is in an open conflict; resolve that, it decides about this change too",
            entity.name, overlay.key
        ),
    ))
}
