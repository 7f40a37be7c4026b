//! The device store seam: transactions over rows, overlays and named areas of bytes.
//!
//! A store knows *rows* (what the app sees, one table per entity), *overlays* (the base copy and edit number of
//! each record with unsent changes) and *areas* (ordered maps from bytes to bytes, for the engine's outbox, key map,
//! checkpoints, bin …). What these mean is the engine's business: it opens a write transaction, reads, lets a pure
//! pattern plan, writes, and commits, so that a store author implements storage and change tracking and nothing else.

use crate::error::Result;
use crate::page::KeyRange;
use crate::platform::{MaybeSend, MaybeSync};
use crate::query::Query;
use crate::record::{Key, Row};
use crate::rows::RowSet;
use crate::schema::{EntitySchema, Schema};
use crate::value::Value;
use onsync_macros::portable_async;
use std::sync::Arc;

/// What a transaction is for; it decides tracking and durability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reads one consistent state; writes are refused.
    Read,
    /// The app's own writes: tracked, and on disk when `commit` returns.
    App,
    /// The sync's writes: not tracked; `durable` ones are on disk when `commit` returns, others survive a crash of the
    /// process but perhaps not a loss of power.
    Sync {
        /// Whether to wait for the disk.
        durable: bool,
    },
}

/// Where a record with unsent changes stands. Shown in the `<Entity>_sync` view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RecordState {
    /// edited, not sent yet
    Waiting,
    /// sent, not answered yet
    InFlight,
    /// in an open conflict
    Conflicted,
    /// the server refused the change
    Rejected,
}

impl RecordState {
    /// The name in the view and in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::InFlight => "in_flight",
            Self::Conflicted => "conflicted",
            Self::Rejected => "rejected",
        }
    }

    /// Whether a record in this state may be sent: nothing of it is on its way, and no conflict holds it.
    pub fn may_be_sent(self) -> bool {
        !matches!(self, Self::InFlight | Self::Conflicted)
    }

    /// The state with that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Waiting, Self::InFlight, Self::Conflicted, Self::Rejected]
            .into_iter()
            .find(|state| state.as_str() == name)
    }
}

/// What the store keeps for a record with unsent changes. The visible row is apart, in the entity's table.
#[derive(Clone, Debug, PartialEq)]
pub struct Overlay {
    /// The local key.
    pub key: Key,
    /// The server's last known content; none if the server does not have the record.
    pub base: Option<Row>,
    /// Raised by every tracked write; only ever grows, over the whole store.
    pub edit: u64,
    /// The edit number up to which the server has everything; the record waits while `edit` is greater.
    pub acknowledged_to: u64,
    /// Where the record stands.
    pub state: RecordState,
}

impl Overlay {
    /// Whether there are edits the server has not acknowledged.
    pub fn is_waiting(&self) -> bool {
        self.edit > self.acknowledged_to
    }

    /// Whether these edits may be cut and sent now: nothing of the record is on its way, and no conflict holds it.
    pub fn may_be_sent(&self) -> bool {
        self.is_waiting() && self.state.may_be_sent()
    }
}

/// A database on the device.
///
/// # Contract
/// - Opening creates one table per entity of the schema, with a primary key, plain indexes for `indexes` and for each
///   relation's attribute, and no foreign key, unique or check constraint. New attributes are added to existing
///   tables as null; tables and columns that are not configured are never touched.
/// - There is one writer at a time; readers are never blocked by it and see only committed states.
/// - Whatever was committed is there after a kill at any instant; what was not committed is not.
/// - A store file that is no database is set aside under another name, and `open` says so in [`Opened`].
///
/// How the engine uses one, here the reference implementation:
///
/// ```
/// use onsync_core::memory::local::MemoryStore;
/// use onsync_core::schema::{Attribute, EntitySchema, Schema};
/// use onsync_core::store::local::{Access, LocalStore, RecordState};
/// use onsync_core::ValueType;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> onsync_core::Result<()> {
/// let attributes = ["id", "name"].map(|name| Attribute::new(name, ValueType::Text));
/// let visit = EntitySchema::new("Visit", "read-write-last-write-wins", &["id"], attributes.to_vec());
/// let store: &dyn LocalStore = &MemoryStore::new(7);
/// store.open(&Schema { entities: vec![visit.clone()], relations: vec![] }).await?;
///
/// // The app's writes are tracked: the record gets an overlay, which waits.
/// let mut app = store.begin(Access::App).await?;
/// let key = app.insert(&visit, &vec!["1".into(), "first".into()]).await?;
/// app.commit().await?;
///
/// // The sync's writes are not: it marks what it sends, and takes the overlay away once the server has it.
/// let mut sync = store.begin(Access::Sync { durable: true }).await?;
/// sync.set_states(&visit, &[key.clone()], RecordState::InFlight).await?;
/// sync.remove_overlay(&visit, &key).await?;
/// sync.commit().await?;
///
/// // What is not committed never was.
/// let mut forgotten = store.begin(Access::App).await?;
/// forgotten.remove(&visit, &[key.clone()]).await?;
/// drop(forgotten);
/// let mut reader = store.begin(Access::Read).await?;
/// assert!(reader.get(&visit, &[key.clone()]).await?[0].is_some());
/// assert_eq!(reader.overlays(&visit, &[key]).await?, [None]);
/// # Ok(())
/// # }
/// ```
#[portable_async]
pub trait LocalStore: MaybeSend + MaybeSync {
    /// Opens or creates the tables of a schema. Called once, before anything else; calling it again with another schema
    /// adds what is new.
    ///
    /// # Errors
    /// `store_unavailable`, `store_schema` (a table or column of another type is in the way), `disk_full`.
    async fn open(&self, schema: &Schema) -> Result<Opened>;

    /// Starts a transaction. A write waits for its turn; the turn is given in order of asking.
    ///
    /// # Errors
    /// `store_busy` when another process holds the database too long, `store_unavailable`.
    async fn begin(&self, access: Access) -> Result<Box<dyn LocalTransaction>>;

    /// Tries to become the one that syncs this store, over all processes and tabs. Held until the guard is dropped or
    /// its process dies; never by a clock. None if somebody else has it.
    ///
    /// # Errors
    /// `store_unavailable`.
    async fn try_lock(&self) -> Result<Option<Box<dyn SyncLock>>>;

    /// A number that changes when another process or tab committed, for live queries.
    ///
    /// # Errors
    /// `store_unavailable`.
    async fn foreign_commits(&self) -> Result<u64>;

    /// Has a listener told of commits by other processes and tabs as they happen, until the store is dropped; whether this store can. Where
    /// it cannot, [`foreign_commits`](Self::foreign_commits) is looked at every second, which stays the truth in any case: a
    /// listener may be told too often, late, or in vain.
    fn tell_foreign_commits(&self, listener: Arc<dyn CommitListener>) -> bool {
        drop(listener);
        false
    }
}

/// Hears that another process or tab has committed.
pub trait CommitListener: MaybeSend + MaybeSync {
    /// Something may have been committed. Returns at once.
    fn committed(&self);
}

/// Keeps the sync lock until dropped.
pub trait SyncLock: MaybeSend + MaybeSync {}

/// What happened while a store was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opened {
    /// The store had no data of OnSync before.
    pub created: bool,
    /// Where an unreadable file was put, if one was found.
    pub set_aside: Option<String>,
    /// Entities that gained attributes, whose records must be fetched again.
    pub extended: Vec<String>,
    /// Things an app developer should know: foreign triggers, unique indexes on a synced table, …
    pub warnings: Vec<String>,
}

/// One transaction. Dropping it without `commit` undoes everything.
///
/// # Contract
/// - Reads see the transaction's own writes; [`Access::Read`] sees one state throughout.
/// - Rows are aligned with the entity's attribute list; keys are local keys.
/// - Under [`Access::App`], before a row is inserted, changed, replaced or deleted, its overlay is made if there is none
///   (base: the row as it was; none if there was no row), and its edit number becomes a new, greatest one. A
///   record's key cannot be changed (`key_change_refused`). Writes to an entity with `refuse_local_writes` are refused
///   (`read_only_entity`); entities that are `local` are not tracked.
/// - Under [`Access::Sync`] no overlay is made or changed except by the overlay functions.
/// - A failed statement leaves the transaction usable and undoes only itself, except for `disk_full` and
///   `store_unavailable`, after which only dropping is allowed.
/// - Plain SQL, where the store has it, is tracked as [`Access::App`].
#[portable_async]
pub trait LocalTransaction: MaybeSend {
    /// The visible rows with these keys, in that order; none where there is no row.
    async fn get(&mut self, entity: &EntitySchema, keys: &[Key]) -> Result<Vec<Option<Row>>>;

    /// The visible rows a query selects, in its order. The join is not the store's business and is ignored.
    async fn query(&mut self, entity: &EntitySchema, query: &Query) -> Result<Vec<Row>>;

    /// How many visible rows the entity has.
    async fn count(&mut self, entity: &EntitySchema) -> Result<u64>;

    /// Keys of visible rows whose *local* key lies in the range, in key order.
    async fn keys_in(&mut self, entity: &EntitySchema, range: &KeyRange) -> Result<Vec<Key>>;

    /// Inserts a row whose key must not exist yet (`record_exists`). A key of null under `ids = "server"` gets a key from
    /// the local range, and a null uuid key a random one; the key is returned.
    async fn insert(&mut self, entity: &EntitySchema, row: &Row) -> Result<Key>;

    /// Inserts or replaces rows. `attributes` says which positions of the entity the columns of `rows` hold, key
    /// attributes among them; other attributes keep their value, or are null in new rows. Never deletes and re-creates.
    async fn put(&mut self, entity: &EntitySchema, attributes: &[usize], rows: &RowSet) -> Result<()>;

    /// Removes the rows with these keys; keys without a row are no error.
    async fn remove(&mut self, entity: &EntitySchema, keys: &[Key]) -> Result<()>;

    /// The overlays of these keys, in that order; none where there is none.
    async fn overlays(&mut self, entity: &EntitySchema, keys: &[Key]) -> Result<Vec<Option<Overlay>>>;

    /// The overlays whose key lies in the range of local keys, in key order, at most `limit`.
    async fn overlays_in(
        &mut self,
        entity: &EntitySchema,
        range: &KeyRange,
        limit: usize,
    ) -> Result<Vec<Overlay>>;

    /// The overlays in the range whose edits may be sent now: waiting ones that are neither in flight nor in a conflict. In key
    /// order, at most `limit`.
    ///
    /// Provided; a store that can tell them apart without reading the others overrides it.
    async fn overlays_to_send(
        &mut self,
        entity: &EntitySchema,
        range: &KeyRange,
        limit: usize,
    ) -> Result<Vec<Overlay>> {
        const STEP: usize = 500;
        let (mut found, mut range) = (Vec::new(), range.clone());
        loop {
            let overlays = self.overlays_in(entity, &range, STEP).await?;
            range.after = match overlays.last() {
                Some(last) => Some(last.key.clone()),
                None => return Ok(found),
            };
            for overlay in overlays.into_iter().filter(Overlay::may_be_sent) {
                if found.len() >= limit {
                    return Ok(found);
                }
                found.push(overlay);
            }
        }
    }

    /// How many overlays of the entity are waiting, whatever their state.
    ///
    /// Provided; a store that can count without reading overrides it.
    async fn count_waiting(&mut self, entity: &EntitySchema) -> Result<u64> {
        const STEP: usize = 500;
        let (mut count, mut range) = (0, KeyRange::all());
        loop {
            let overlays = self.overlays_in(entity, &range, STEP).await?;
            count += overlays.iter().filter(|overlay| overlay.is_waiting()).count() as u64;
            range.after = match overlays.into_iter().next_back() {
                Some(last) => Some(last.key),
                None => return Ok(count),
            };
        }
    }

    /// Sets the state of the overlays of these keys and nothing else of them; a key without overlay is no error.
    ///
    /// Provided; a store that can do it in fewer steps than reading and storing each overrides it.
    async fn set_states(&mut self, entity: &EntitySchema, keys: &[Key], state: RecordState) -> Result<()> {
        let found = self.overlays(entity, keys).await?;
        for overlay in found.into_iter().flatten() {
            self.put_overlay(entity, &Overlay { state, ..overlay }).await?;
        }
        Ok(())
    }

    /// Removes the overlay of each of these records if its edit number is still the one given: the record was not edited since, and
    /// is clean then. Says of each whether it was removed; where it was edited since, or has no overlay, nothing is changed.
    ///
    /// Provided; a store that can compare and remove in one step overrides it.
    async fn remove_unedited(&mut self, entity: &EntitySchema, records: &[(Key, u64)]) -> Result<Vec<bool>> {
        let keys: Vec<Key> = records.iter().map(|(key, _)| key.clone()).collect();
        let found = self.overlays(entity, &keys).await?;
        let mut gone = std::collections::HashSet::new();
        let mut removed = Vec::with_capacity(records.len());
        for ((key, edit), overlay) in records.iter().zip(found) {
            let unedited = overlay.is_some_and(|overlay| overlay.edit == *edit) && gone.insert(key);
            if unedited {
                self.remove_overlay(entity, key).await?;
            }
            removed.push(unedited);
        }
        Ok(removed)
    }

    /// Stores an overlay, replacing one with the same key.
    async fn put_overlay(&mut self, entity: &EntitySchema, overlay: &Overlay) -> Result<()>;

    /// Removes an overlay; the record is clean then. None there is no error.
    async fn remove_overlay(&mut self, entity: &EntitySchema, key: &Key) -> Result<()>;

    /// The bytes stored under a key of an area.
    async fn area_get(&mut self, area: &str, key: &[u8]) -> Result<Option<Vec<u8>>>;

    /// Stores bytes under a key of an area.
    async fn area_put(&mut self, area: &str, key: &[u8], value: &[u8]) -> Result<()>;

    /// Removes a key of an area; none there is no error.
    async fn area_remove(&mut self, area: &str, key: &[u8]) -> Result<()>;

    /// Keys and bytes of an area in byte order, behind `after` if given, at most `limit`.
    async fn area_scan(
        &mut self,
        area: &str,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>>;

    /// How many keys an area has.
    ///
    /// Provided; a store that can count without reading overrides it.
    async fn area_count(&mut self, area: &str) -> Result<u64> {
        const STEP: usize = 1_000;
        let (mut count, mut after) = (0, None::<Vec<u8>>);
        loop {
            let found = self.area_scan(area, after.as_deref(), STEP).await?;
            count += found.len() as u64;
            after = match found.into_iter().next_back() {
                Some((last, _)) => Some(last),
                None => return Ok(count),
            };
        }
    }

    /// Makes everything visible at once.
    ///
    /// # Errors
    /// `disk_full`, `store_unavailable`; nothing is visible then.
    async fn commit(self: Box<Self>) -> Result<()>;
}

/// The first integer key that devices make for records whose key the server issues: 2⁵².
pub const FIRST_LOCAL_INTEGER: i64 = 1 << 52;

/// What text keys made on devices start with, where the server issues keys.
pub const LOCAL_TEXT_PREFIX: &str = "local:";

/// Whether a key of an entity with server ids was made on a device: an integer from 2⁵² or a text `local:…`.
/// A uuid does not tell; the engine's key map knows.
pub fn is_local_key(value: &Value) -> bool {
    match value {
        Value::Integer(integer) => *integer >= FIRST_LOCAL_INTEGER,
        Value::Text(text) => text.starts_with(LOCAL_TEXT_PREFIX),
        _ => false,
    }
}
