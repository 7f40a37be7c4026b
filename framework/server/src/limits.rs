//! What one request may hold, and the clock that paces history marks.

use onsync_core::bin::BinLimit;
use onsync_core::ordered::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Bounds on requests and answers. Everything a device sends is held against them before it costs anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Mutations in one request.
    pub max_mutations: usize,
    /// Entities, one per scope value, in one request.
    pub max_entities: usize,
    /// Bytes of the values of one record.
    pub max_record_bytes: usize,
    /// Bytes of one request, decoded; also of all its mutations together.
    pub max_request_bytes: usize,
    /// Rows of one page, whatever the device asks for.
    pub max_page_rows: usize,
    /// Bytes of values of one page, whatever the device asks for.
    pub max_page_bytes: usize,
    /// Records of the changes of one entity family that are answered from one view of the database; more are answered page by page.
    pub group_records: usize,
    /// Bytes of values of such changes.
    pub group_bytes: usize,
    /// Creates of one device whose outcomes it has not confirmed to have stored.
    pub max_unsettled: usize,
    /// How long the bin keeps what devices' changes replaced without having seen it.
    pub bin_keep: Duration,
    /// Bytes the bin keeps.
    pub bin_bytes: u64,
    /// What the bin keeps of single entities, by name.
    pub bins: BTreeMap<String, BinLimit>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_mutations: 10_000,
            max_entities: 1_000,
            max_record_bytes: 1 << 20,
            max_request_bytes: 16 << 20,
            max_page_rows: 10_000,
            max_page_bytes: 4 << 20,
            group_records: 5_000,
            group_bytes: 8 << 20,
            max_unsettled: 50_000,
            bin_keep: Duration::from_secs(30 * 86_400),
            bin_bytes: 64 << 20,
            bins: BTreeMap::new(),
        }
    }
}

/// Time. It paces history marks (at most one a second) and tells how old they are, and decides nothing else.
pub trait Clock: Send + Sync {
    /// Time since some fixed point. Never goes back.
    fn elapsed(&self) -> Duration;

    /// Time since 1970 in UTC, the same for all servers on one database; the system's unless given.
    fn now(&self) -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }
}

/// The system's monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock(Instant);

impl Default for SystemClock {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock for SystemClock {
    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}
