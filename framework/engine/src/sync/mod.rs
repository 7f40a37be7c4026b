//! One sync step: cut → request → exchange → apply.
//!
//! ```text
//! cut        durable mutations from dirty records            one transaction, before anything is sent
//! request    bounded requests from the outbox, checkpoints   no transaction
//! exchange   frames out, frames in                           no transaction is open across the network
//! settle     outcomes                                        one transaction per answer
//! apply      view → plan → write                             one transaction per page, with its checkpoint
//! ```
//!
//! Policy is the patterns' business; storage the store's. This module holds what lies between: the outbox, the key map, the
//! checkpoints, the bin and the lists of what went wrong, all kept in areas of the store.

mod apply;
pub(crate) mod areas;
mod atomic;
mod bin;
mod budget;
mod conflicts;
mod cut;
mod dependents;
mod exchange;
mod expected;
mod freeze;
mod groups;
mod keys;
mod lists;
mod notes;
pub(crate) mod open_conflicts;
mod outbox;
mod page_write;
mod parents;
mod pending;
mod refused;
mod rejected;
mod release;
mod renew;
mod request;
pub(crate) mod resolve;
mod revisit;
mod search;
mod seen;
mod settle;
mod together;
mod units;

pub(crate) use areas::CONFLICT as CONFLICT_AREA;
pub use areas::Fence;
pub(crate) use atomic::bind_group;
pub use budget::StepBudget;
pub use lists::{
    BinEntry, BinFilter, Discarded, DiscardedRecord, Fetched, HeldRecord, RecordRef, RejectedChange,
    RejectedEntry,
};
pub(crate) use notes::{Notes, OwnNotes, Pulse};
pub use open_conflicts::OpenConflict;

use crate::sync::areas::Areas;
use onsync_core::bin::BinLimit;
use onsync_core::conflict::ConflictResolver;
use onsync_core::family::Families;
use onsync_core::handler::{Phase, Summary, SyncDirection};
use onsync_core::ordered::BTreeMap;
use onsync_core::pattern::{SyncPattern, Unit};
use onsync_core::platform::{MaybeSend, MaybeSync};
use onsync_core::runtime::Runtime;
use onsync_core::schema::{EntitySchema, Schema};
use onsync_core::store::local::{Access, LocalStore, LocalTransaction};
use onsync_core::transport::{CredentialsProvider, Transport};
use onsync_core::{Error, Key, Result};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Sizes that a sync step keeps to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Rows a page; adapted downwards so that one apply takes at most [`Limits::apply_target`].
    pub page_rows: u32,
    /// Bytes of values a page.
    pub page_bytes: u32,
    /// Bytes of mutations a request.
    pub max_request_bytes: usize,
    /// Mutations a request.
    pub max_mutations: usize,
    /// Bytes of values a record that a resolution makes.
    pub max_record_bytes: usize,
    /// Records up to which what belongs together travels and becomes visible as one.
    pub group_limit: usize,
    /// Bytes of such records.
    pub group_bytes: usize,
    /// Records up to which a full refresh becomes visible in one transaction.
    pub refresh_limit: usize,
    /// How long values stay in the bin.
    pub bin_keep: Duration,
    /// Bytes of values the bin keeps.
    pub bin_bytes: u64,
    /// What the bin keeps of single entities, by name.
    pub bins: BTreeMap<String, BinLimit>,
    /// How long one apply may hold the writer.
    pub apply_target: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            page_rows: 2_000,
            page_bytes: 1 << 20,
            max_request_bytes: 1 << 20,
            max_mutations: 1_000,
            max_record_bytes: 1 << 20,
            group_limit: 5_000,
            group_bytes: 8 << 20,
            refresh_limit: 20_000,
            bin_keep: Duration::from_secs(30 * 86_400),
            bin_bytes: 64 << 20,
            bins: BTreeMap::new(),
            apply_target: Duration::from_millis(20),
        }
    }
}

/// Everything one sync step needs; cheap to clone.
#[derive(Clone)]
pub struct Syncer {
    /// The device's database.
    pub store: Arc<dyn LocalStore>,
    /// The way to the server.
    pub transport: Arc<dyn Transport>,
    /// Time and randomness.
    pub runtime: Arc<dyn Runtime>,
    /// Who is signed in.
    pub credentials: Option<Arc<dyn CredentialsProvider>>,
    /// What syncs.
    pub schema: Arc<Schema>,
    /// The pattern of each entity.
    pub patterns: Arc<BTreeMap<String, Arc<dyn SyncPattern>>>,
    /// The conflict resolver of each entity that has one; conflicts of others are left to a person.
    pub resolvers: Arc<BTreeMap<String, Arc<dyn ConflictResolver>>>,
    /// Which entities travel as families.
    pub families: Arc<Families>,
    /// Sizes.
    pub limits: Limits,
    /// Rows a page, as adapted to this device.
    pub page_rows: Arc<AtomicU32>,
    /// The fence this syncer took last: as long as it is the newest, nobody else has synced since, and it holds on.
    taken: Arc<Mutex<Option<Fence>>>,
    /// When the bin was last looked through, in the runtime's elapsed time.
    trimmed: Arc<Mutex<Option<Duration>>>,
}

/// What is asked of one step.
#[derive(Clone, Debug)]
pub struct Step {
    /// The context's name, for the server's logs.
    pub context: String,
    /// The entities, in the order in which they are fetched.
    pub entities: Vec<String>,
    /// Send, fetch, or both.
    pub direction: SyncDirection,
    /// How long to wait for an answer to begin, and between two of its pieces.
    pub time_out: Option<Duration>,
    /// How much it may do.
    pub budget: StepBudget,
}

/// How far a step has got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The entity at work.
    pub entity: String,
    /// What is done.
    pub phase: Phase,
    /// Records so far.
    pub done: u64,
    /// Records in all, where known.
    pub total: Option<u64>,
    /// Bytes received so far in this step.
    pub bytes: u64,
}

/// Hears of progress; a closure will do.
pub trait ProgressSink: MaybeSend + MaybeSync {
    /// The step got on.
    fn progress(&self, progress: Progress);

    /// A conflict was found, is durable, and its resolver left it to a person.
    fn conflict(&self, entity: &str, key: &Key) {
        let _ = (entity, key);
    }
}

impl<F: Fn(Progress) + MaybeSend + MaybeSync> ProgressSink for F {
    fn progress(&self, progress: Progress) {
        self(progress);
    }
}

/// What waits, for the status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pending {
    /// Records with changes the server has not acknowledged.
    pub waiting: u64,
    /// Changes the server refused.
    pub rejected: u64,
    /// Open conflicts.
    pub conflicts: u64,
    /// Changes that may have been applied.
    pub unknown: u64,
}

impl Syncer {
    /// A syncer with default page size.
    pub fn new(
        store: Arc<dyn LocalStore>,
        transport: Arc<dyn Transport>,
        runtime: Arc<dyn Runtime>,
        schema: Arc<Schema>,
        patterns: Arc<BTreeMap<String, Arc<dyn SyncPattern>>>,
        limits: Limits,
    ) -> Self {
        let page_rows = Arc::new(AtomicU32::new(limits.page_rows));
        let unit = |entity: &EntitySchema| match patterns.get(&entity.name) {
            Some(pattern) => pattern.unit(),
            None => Unit::Record,
        };
        let families = Arc::new(Families::new(&schema, unit));
        Self {
            families,
            store,
            transport,
            runtime,
            credentials: None,
            schema,
            patterns,
            resolvers: Arc::default(),
            limits,
            page_rows,
            taken: Arc::default(),
            trimmed: Arc::default(),
        }
    }

    /// Takes over syncing: called with the store's sync lock held. Every write of a step checks the fence number returned here, so
    /// that a holder that froze and lost the lock can do no harm when it goes on.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn take_over(&self) -> Result<Fence> {
        let last = *self.taken();
        if let Some(fence) = last {
            let mut tx = self.store.begin(Access::Read).await?;
            if tx.check_fence(fence).await.is_ok() {
                return Ok(fence);
            }
        }
        self.take_fence().await
    }

    /// Takes over from a holder that is taken for frozen: what it writes from now on is refused.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn take_fence(&self) -> Result<Fence> {
        // A loss of power ends every holder, so the number need not outlive one.
        let mut tx = self.store.begin(Access::Sync { durable: false }).await?;
        let fence = tx.next_fence().await?;
        tx.commit().await?;
        *self.taken() = Some(fence);
        Ok(fence)
    }

    /// Who holds syncing, and how it does.
    pub(crate) async fn pulse(&self) -> Result<Pulse> {
        let mut tx = self.store.begin(Access::Read).await?;
        let fence = tx.fence().await?.map_or(0, Fence::number);
        let beats = tx.load::<Pulse>(areas::STATE, areas::PULSE).await?;
        let beats = beats.filter(|pulse| pulse.fence == fence);
        Ok(beats.unwrap_or(Pulse { fence, beats: 0 }))
    }

    /// Shows that this holder is alive.
    ///
    /// # Errors
    /// `another_process_syncs` when it was taken over; those of the store.
    pub(crate) async fn beat(&self, fence: Fence) -> Result<()> {
        let mut tx = self.begin(fence, false).await?;
        let seen = tx.load::<Pulse>(areas::STATE, areas::PULSE).await?;
        let beats = seen.map_or(0, |pulse| pulse.beats).wrapping_add(1);
        let fence = fence.number();
        tx.store(areas::STATE, areas::PULSE, &Pulse { fence, beats })
            .await?;
        tx.commit().await
    }

    fn taken(&self) -> MutexGuard<'_, Option<Fence>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Syncs: sends what waits in as many bounded requests as it takes, and fetches with the last of them.
    ///
    /// # Errors
    /// Those of store, transport and server. What was done until then stays done, and the next step continues there.
    pub async fn run(&self, fence: Fence, step: &Step, sink: &dyn ProgressSink) -> Result<Summary> {
        exchange::Run::new(self, fence, step, sink).run().await
    }

    /// Counts what waits.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn pending(&self) -> Result<Pending> {
        let mut tx = self.store.begin(Access::Read).await?;
        let mut pending = Pending {
            rejected: tx.area_count(areas::REJECTED).await?,
            conflicts: tx.area_count(areas::CONFLICT).await?,
            unknown: tx.area_count(areas::UNKNOWN).await?,
            ..Pending::default()
        };
        for entity in self.schema.entities.iter().filter(|entity| !entity.local) {
            let waiting = tx.count_waiting(entity).await?;
            pending.waiting += waiting;
            if waiting > 0 && pending.conflicts > 0 {
                let over = open_conflicts::count_over(tx.as_mut(), entity).await?;
                pending.conflicts = pending.conflicts.saturating_sub(over);
            }
        }
        Ok(pending)
    }

    /// The pattern of an entity.
    pub(crate) fn pattern(&self, entity: &str) -> Result<&dyn SyncPattern> {
        self.patterns.get(entity).map(AsRef::as_ref).ok_or_else(|| {
            Error::fatal(
                "unknown_entity",
                format!("entity `{entity}` has no pattern; configure one under entities.{entity}"),
            )
        })
    }

    /// A write transaction of the sync, after checking that nobody has taken over.
    pub(crate) async fn begin(&self, fence: Fence, durable: bool) -> Result<Box<dyn LocalTransaction>> {
        let mut tx = self.store.begin(Access::Sync { durable }).await?;
        if onsync_core::mutant!("a-holder-at-work-is-not-waited-for", true, false) {
            tx.check_fence(fence).await?;
        }
        Ok(tx)
    }

    /// Whether it is time to look through the bin again; asking notes the time.
    pub(crate) fn trim_is_due(&self) -> bool {
        let now = self.runtime.elapsed();
        let mut trimmed = self.trimmed.lock().unwrap_or_else(PoisonError::into_inner);
        let due = trimmed.is_none_or(|last| now.saturating_sub(last) >= Duration::from_secs(3600));
        if due {
            *trimmed = Some(now);
        }
        due
    }

    /// Keeps one apply within its time by asking for smaller or, again, larger pages.
    pub(crate) fn adapt_page(&self, rows: usize, took: Duration) {
        let asked = self.page_rows.load(Ordering::Relaxed);
        let adapted = if took > self.limits.apply_target && rows > 100 {
            (asked / 2).max(100)
        } else if took < self.limits.apply_target / 4 {
            (asked.saturating_mul(2)).min(self.limits.page_rows)
        } else {
            asked
        };
        self.page_rows.store(adapted, Ordering::Relaxed);
    }
}
