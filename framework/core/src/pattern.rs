//! The seam for sync patterns: pure functions from values to values.
//!
//! A pattern is a protocol between a device and a server, so both halves stand in one plug-in. No function here does I/O,
//! reads a clock or draws a random number; stores and engine perform what is returned. The device half:
//! [`SyncPattern::request`] turns a dirty record into a change to send, [`SyncPattern::plan`] decides what an incoming
//! record does to the local one, [`SyncPattern::settle`] what an outcome does. The server half: [`SyncPattern::select`]
//! chooses what an answer holds, [`SyncPattern::decide`] what a mutation does.
//!
//! The engine calls `plan` and `settle` inside the transaction that writes their result, and `decide` runs inside the
//! committing transaction under row locks, so no other write can come between view and effect.

use crate::mutation::{BinReason, ConflictKind, Mutation, MutationKind, Outcome, Rejection};
use crate::page::PageKind;
use crate::platform::{MaybeSend, MaybeSync};
use crate::record::{Fields, Row, Version};
use crate::schema::EntitySchema;

/// In which directions a pattern carries changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Server to device only. Local writes follow the entity's `local_edits`.
    ReadOnly,
    /// Both ways.
    ReadWrite,
    /// Device to server only: nothing is ever fetched, and `select` is not asked. For what devices record and need no longer once the
    /// server has it ([`Settlement::Forget`]).
    SendOnly,
}

/// What travels, and becomes visible, as one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unit {
    /// Each record for itself.
    #[default]
    Record,
    /// A record that is no child, with all its descendants of entities whose patterns say the same: pushed as one atomic group and
    /// made visible in one step, up to the group limit.
    Family,
}

/// A record with unsent edits, as the device sees it inside the transaction that uses it.
#[derive(Clone, Debug)]
pub struct DirtyRecord<'a> {
    /// The entity.
    pub entity: &'a EntitySchema,
    /// The server's last known content; none for a record made here.
    pub base: Option<&'a Row>,
    /// What the app sees; none if it was deleted here.
    pub mine: Option<&'a Row>,
    /// Values that are on their way to the server: cut, not yet answered. Their result is not known.
    pub in_flight: Option<&'a InFlight>,
}

/// The mutation of a record that has been cut and not yet answered.
#[derive(Clone, Debug, PartialEq)]
pub struct InFlight {
    /// What it does.
    pub kind: MutationKind,
    /// The values it sends, in local keys.
    pub values: Fields,
}

impl DirtyRecord<'_> {
    /// Whether this attribute differs from the base here, or is on its way.
    pub fn is_edited(&self, index: usize) -> bool {
        let name = self
            .entity
            .attributes
            .get(index)
            .map_or("", |attribute| attribute.name.as_str());
        self.in_flight.is_some_and(|sent| sent.values.has(name))
            || match (self.mine, self.base) {
                (Some(mine), Some(base)) => mine.get(index) != base.get(index),
                (Some(_), None) => true,
                (None, _) => false,
            }
    }

    /// Whether the record is something else than what is on its way would make of it: there is more to send then.
    pub fn edited_since(&self) -> bool {
        let Some(sent) = self.in_flight else {
            return self.difference().is_some();
        };
        let (MutationKind::Create | MutationKind::Update, Some(mine)) = (sent.kind, self.mine) else {
            return self.mine.is_some() || sent.kind != MutationKind::Delete;
        };
        let attributes = self.entity.attributes.iter().enumerate();
        let mut travels =
            attributes.filter(|(index, attribute)| !attribute.local && !self.entity.is_key(*index));
        travels.any(|(index, attribute)| {
            let expected = match sent.values.has(&attribute.name) {
                true => Some(sent.values.value(&attribute.name)),
                false => self.base.and_then(|base| base.get(index)),
            };
            mine.get(index) != expected
        })
    }

    /// Three-way merge per attribute: edited ones (and what travels together with them) keep the local value, all others take
    /// the incoming one. None where the record was deleted here.
    pub fn merged(&self, incoming: &Row) -> Option<Row> {
        let mine = self.mine?;
        let mut merged = incoming.clone();
        for index in (0..merged.len()).filter(|index| self.is_edited(*index)) {
            for member in self.entity.together_with(index) {
                if let (Some(place), Some(value)) = (merged.get_mut(member), mine.get(member)) {
                    place.clone_from(value);
                }
            }
        }
        Some(merged)
    }

    /// The change that would bring the server from base to mine: all that travels for a create, the edited attributes (and
    /// what travels together with them) for an update. None where there is no difference.
    pub fn difference(&self) -> Option<Change> {
        let travels = |index: &usize| !self.entity.attributes[*index].local;
        match (self.base, self.mine) {
            (None, None) => None,
            (Some(_), None) => Some(Change {
                kind: MutationKind::Delete,
                attributes: Vec::new(),
            }),
            (None, Some(_)) => Some(Change {
                kind: MutationKind::Create,
                attributes: (0..self.entity.attributes.len()).filter(travels).collect(),
            }),
            (Some(base), Some(mine)) => {
                let mut attributes: Vec<usize> = (0..self.entity.attributes.len())
                    .filter(|index| travels(index) && mine.get(*index) != base.get(*index))
                    .flat_map(|index| self.entity.together_with(index))
                    .collect();
                attributes.sort_unstable();
                attributes.dedup();
                (!attributes.is_empty()).then_some(Change {
                    kind: MutationKind::Update,
                    attributes,
                })
            }
        }
    }
}

/// What a pattern wants sent for one dirty record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What to do on the server.
    pub kind: MutationKind,
    /// Positions of the attributes whose local values are sent.
    pub attributes: Vec<usize>,
}

/// Which local records [`SyncPattern::plan`] wants to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViewNeed {
    /// None: every incoming record replaces the local one.
    Nothing,
    /// The dirty ones among those a page names or, in a snapshot, covers.
    Dirty,
}

/// What arrives for one record.
#[derive(Clone, Debug)]
pub enum Incoming<'a> {
    /// The server's content.
    Row(&'a Row),
    /// The record no longer exists on the server.
    Deleted,
    /// The record exists but left the device's scope.
    Removed,
}

/// What happens to a dirty local record when something arrives for it. Clean records simply take what arrives.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// The base takes the incoming content, the app sees `visible` (none: stays deleted here); edits stay unsent.
    Rebase {
        /// What the app sees from now on.
        visible: Option<Row>,
    },
    /// The record takes the incoming content or leaves; the edits go to the bin.
    Discard(BinReason),
    /// The record takes the incoming content or leaves; the edits are forgotten, because they are sent or equal.
    Accept,
    /// The edits become one side of a durable conflict and stay visible.
    Conflict(ConflictKind),
    /// Nothing is touched: base, edits and what the app sees stay as they are. For an own create, sent or not, that meets a
    /// deletion of its key, and for what is made again while the delete before it is on its way.
    Keep,
}

/// What an outcome does to the record it is about.
#[derive(Clone, Debug, PartialEq)]
pub enum Settlement {
    /// The server has it: the base takes what was sent (or is stored), later edits stay unsent.
    Acknowledge,
    /// The record leaves the device; what was sent, and later edits, go to the bin.
    Discard(BinReason),
    /// The record leaves the device without a trace: the server has it and the device needs it no longer.
    Forget,
    /// The change goes to the durable list of rejected ones; it stays visible and is not sent again by itself.
    Reject(Rejection),
    /// A durable conflict; the change stays visible.
    Conflict(ConflictKind),
    /// Send the same mutation again later.
    Retry,
    /// Nobody knows whether it was applied: listed as *may have been applied*.
    Unknown,
}

impl Settlement {
    /// What an outcome does by default: acknowledges what was applied, discards what is gone (also what was applied and is gone by
    /// now), lists rejections, keeps conflicts.
    pub fn usual(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Applied { gone: true, .. } | Outcome::Gone => Self::Discard(BinReason::Gone),
            Outcome::Applied { .. } => Self::Acknowledge,
            Outcome::Rejected(rejection) => Self::Reject(rejection.clone()),
            Outcome::Conflict { kind, .. } => Self::Conflict(*kind),
            Outcome::Retry(_) => Self::Retry,
            Outcome::Renew => Self::Unknown,
        }
    }
}

/// How far the device is, as the server reads its checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Everything up to this position has been delivered.
    pub position: u64,
    /// The newest position at which this entity changed.
    pub newest: u64,
}

/// What an answer holds for one entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selection {
    /// Nothing changed.
    Nothing,
    /// The whole set in scope.
    Full,
    /// What changed since the checkpoint.
    Delta,
}

/// The server's record that a mutation is about, read under lock in the committing transaction.
#[derive(Clone, Debug)]
pub struct ServerView<'a> {
    /// The entity.
    pub entity: &'a EntitySchema,
    /// The record over the device's columns; none if there is none (or it counts as deleted).
    pub current: Option<&'a Fields>,
    /// Its content version over the device's column list.
    pub version: Option<Version>,
}

/// What the server does with a mutation.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Insert the record with the mutation's values.
    Insert,
    /// Write these attributes of the existing record.
    Update(Fields),
    /// Delete the record.
    Delete,
    /// Nothing needs to be written: the server is as the mutation wants it.
    Nothing,
    /// The record is gone; nothing is done.
    Gone,
    /// Nothing is overwritten; the device gets the server's record.
    Conflict(ConflictKind),
    /// Refused for good.
    Reject(Rejection),
}

/// A rule by which an entity's records travel, chosen by name in the configuration.
///
/// # Contract
/// - Every function is pure: the same input gives the same output, nothing else is touched.
/// - `request` returns nothing for a record that does not differ from its base.
/// - `plan` never lets an unsent edit vanish: it stays (`Rebase`, `Keep`, `Conflict`) or goes to the bin (`Discard`); `Accept` is
///   for edits that hold nothing unsent.
/// - `settle` never drops an edit made after the mutation was cut, except by `Discard`, which puts it in the bin.
/// - `decide` gives the same verdict for the same view and mutation.
/// - No function panics on any input.
///
/// ```
/// use onsync_core::mutation::{Mutation, MutationKind, Rejection};
/// use onsync_core::page::PageKind;
/// use onsync_core::pattern::{
///     Action, Change, Direction, DirtyRecord, Incoming, Progress, Selection, ServerView, SyncPattern, Verdict,
/// };
/// use onsync_core::schema::{Attribute, EntitySchema};
/// use onsync_core::{Row, ValueType, two_way};
///
/// /// As last-write-wins, but nobody deletes what the server has.
/// struct NothingIsDeleted;
///
/// impl SyncPattern for NothingIsDeleted {
///     fn name(&self) -> &'static str {
///         "nothing-is-deleted"
///     }
///
///     fn direction(&self) -> Direction {
///         Direction::ReadWrite
///     }
///
///     fn request(&self, dirty: &DirtyRecord<'_>) -> Option<Change> {
///         dirty.difference()
///     }
///
///     fn plan(&self, dirty: &DirtyRecord<'_>, incoming: Incoming<'_>, _kind: &PageKind) -> Action {
///         two_way::plan(dirty, &incoming)
///     }
///
///     fn select(&self, progress: Option<Progress>) -> Selection {
///         two_way::select(progress)
///     }
///
///     fn decide(&self, view: &ServerView<'_>, mutation: &Mutation) -> Verdict {
///         match (mutation.kind, view.current) {
///             (MutationKind::Delete, Some(_)) => Verdict::Reject(Rejection {
///                 code: "never_deleted".to_owned(),
///                 message: "what the office has is never deleted; mark it as done instead".to_owned(),
///             }),
///             _ => two_way::decide(view, mutation),
///         }
///     }
/// }
///
/// // A device has edited the name, and a page brings another note: both stay, and the name waits to be sent.
/// let attributes = ["id", "name", "note"].map(|name| Attribute::new(name, ValueType::Text));
/// let visit = EntitySchema::new("Visit", "nothing-is-deleted", &["id"], attributes.to_vec());
/// let row = |name: &str, note: &str| -> Row { vec!["1".into(), name.into(), note.into()] };
/// let (base, mine, theirs) = (row("old", "old"), row("mine", "old"), row("old", "theirs"));
/// let dirty = DirtyRecord { entity: &visit, base: Some(&base), mine: Some(&mine), in_flight: None };
/// assert_eq!(
///     NothingIsDeleted.plan(&dirty, Incoming::Row(&theirs), &PageKind::Delta),
///     Action::Rebase { visible: Some(row("mine", "theirs")) }
/// );
/// let change = NothingIsDeleted.request(&dirty).expect("a difference");
/// assert_eq!((change.kind, change.attributes), (MutationKind::Update, vec![1]));
/// ```
pub trait SyncPattern: MaybeSend + MaybeSync {
    /// The name in configuration, wire, logs and docs.
    fn name(&self) -> &'static str;

    /// In which directions changes travel.
    fn direction(&self) -> Direction;

    /// Which local records `plan` wants to see.
    fn view(&self) -> ViewNeed {
        ViewNeed::Dirty
    }

    /// What travels and becomes visible as one. Engine and server see to it; the other functions decide record by record.
    fn unit(&self) -> Unit {
        Unit::Record
    }

    /// Whether a page set becomes visible only as a whole, up to the refresh limit.
    fn whole_refresh(&self) -> bool {
        false
    }

    /// Device: what to send for a dirty record without a mutation in flight.
    fn request(&self, dirty: &DirtyRecord<'_>) -> Option<Change>;

    /// Device: what an incoming record does to a dirty one.
    fn plan(&self, dirty: &DirtyRecord<'_>, incoming: Incoming<'_>, kind: &PageKind) -> Action;

    /// Device: what an outcome does. The default acknowledges, discards what is gone (also what was applied and is gone
    /// by now), lists rejections, keeps conflicts.
    fn settle(&self, dirty: &DirtyRecord<'_>, outcome: &Outcome) -> Settlement {
        let _ = dirty;
        Settlement::usual(outcome)
    }

    /// Server: what the answer holds. `progress` is none for a device without a usable checkpoint. Not asked for [`Direction::SendOnly`].
    fn select(&self, progress: Option<Progress>) -> Selection;

    /// Server: what a mutation does.
    fn decide(&self, view: &ServerView<'_>, mutation: &Mutation) -> Verdict;
}
