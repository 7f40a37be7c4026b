//! How syncing stands, as one value that any UI can draw.

use onsync_core::handler::Phase;
use onsync_core::network::NetworkStatus;
use onsync_core::ordered::BTreeMap;
use onsync_core::value::Timestamp;
use std::fmt;
use std::time::Duration;

/// A run that has not got on for so long stands still.
const RUN_STALLS: Duration = Duration::from_secs(60);

/// Changes that were not sent, and runs that only failed, for so long mean that syncing stands still.
const SYNC_STALLS: Duration = Duration::from_secs(600);

/// The run at work.
#[derive(Clone, Debug, PartialEq)]
pub struct RunningStatus {
    /// Its context.
    pub context: String,
    /// How far it is; none before the first record.
    pub progress: Option<RunProgress>,
    /// When it began, or last got on.
    pub got_on_at: Timestamp,
}

/// How far a run is.
#[derive(Clone, Debug, PartialEq)]
pub struct RunProgress {
    /// The entity at work.
    pub entity: String,
    /// What is done.
    pub phase: Phase,
    /// Records so far.
    pub done: u64,
    /// Records in all, where known.
    pub total: Option<u64>,
    /// Bytes received so far.
    pub bytes: u64,
}

impl RunProgress {
    /// Hundredths of the whole; only where the total is known.
    pub fn percent(&self) -> Option<u64> {
        self.total
            .filter(|total| *total > 0)
            .map(|total| (self.done.min(total).saturating_mul(100)) / total)
    }
}

/// What went wrong last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastError {
    /// The context of the run.
    pub context: String,
    /// The stable code.
    pub code: String,
    /// The sentence.
    pub message: String,
    /// When it happened.
    pub at: Timestamp,
    /// How long after that it is tried again; none if not by itself.
    pub next_try: Option<Duration>,
}

/// How syncing stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// The network, as far as known.
    pub network: NetworkStatus,
    /// The server could not be reached at the last attempt.
    pub server_unreachable: bool,
    /// The run at work.
    pub running: Option<RunningStatus>,
    /// Runs that wait for their turn, for their next try or for the network.
    pub queued: usize,
    /// Runs among them that wait for a network which costs nothing by volume (`not_on_metered`).
    pub held_by_metered: usize,
    /// Every entity is at least as new as this. Set only if each was fetched after the last change the server accepted.
    pub up_to_date_as_of: Option<Timestamp>,
    /// When each entity was last fetched whole. An entity is missing that never was, or that was pushed and not fetched since.
    pub fetched_at: BTreeMap<String, Timestamp>,
    /// When a run of each context last ended well, also before this start.
    pub completed_at: BTreeMap<String, Timestamp>,
    /// Records with changes the server does not have.
    pub waiting: u64,
    /// Since when, without a break, there has been such a change: no change waits for longer. Also before this start.
    pub waiting_since: Option<Timestamp>,
    /// Since when every run has failed.
    pub failing_since: Option<Timestamp>,
    /// Since when syncing has stood still, if it has for long: a run that gets no further, changes that are not sent, or nothing
    /// but failures.
    pub stalled_since: Option<Timestamp>,
    /// Changes the server refused.
    pub rejected: u64,
    /// Open conflicts.
    pub conflicts: u64,
    /// Changes that may have been applied.
    pub unknown: u64,
    /// Nobody is signed in, in an app whose users sign in: no store is open.
    pub signed_out: bool,
    /// Syncing waits for new credentials.
    pub needs_credentials: bool,
    /// What went wrong last, until a run of the same context ends well.
    pub last_error: Option<LastError>,
}

impl Status {
    /// The status of an app that has just been opened.
    pub(crate) fn new(network: NetworkStatus) -> Self {
        Self {
            network,
            server_unreachable: false,
            running: None,
            queued: 0,
            held_by_metered: 0,
            up_to_date_as_of: None,
            fetched_at: BTreeMap::new(),
            completed_at: BTreeMap::new(),
            waiting: 0,
            waiting_since: None,
            failing_since: None,
            stalled_since: None,
            rejected: 0,
            conflicts: 0,
            unknown: 0,
            signed_out: false,
            needs_credentials: false,
            last_error: None,
        }
    }

    /// Whether the device cannot reach the server, as far as it knows.
    pub fn is_offline(&self) -> bool {
        !self.network.online || self.server_unreachable
    }

    /// Since when syncing has stood still, by a clock that shows `now`; none if it does not.
    ///
    /// A device without a network does not stand still, it waits; and while a run is at work only the run itself can.
    pub(crate) fn stalled(&self, now: Timestamp) -> Option<Timestamp> {
        let long = |since: &Timestamp, limit: Duration| age(*since, now) >= limit;
        if let Some(running) = &self.running {
            return Some(running.got_on_at).filter(|since| long(since, RUN_STALLS));
        }
        if !self.network.online {
            return None;
        }
        let last = self.completed_at.values().max().copied();
        let unsent = self
            .waiting_since
            .map(|since| last.map_or(since, |last| since.max(last)));
        let rest = [unsent, self.failing_since].into_iter().flatten();
        rest.filter(|since| long(since, SYNC_STALLS)).min()
    }

    /// The most important thing in one English sentence, then what waits: the texts of [`Status::messages`].
    pub fn message(&self) -> String {
        let texts: Vec<String> = self.messages().into_iter().map(|message| message.text).collect();
        texts.join(" · ")
    }
}

/// How long ago something was; nothing for what a clock that was put back has not reached yet.
pub(crate) fn age(since: Timestamp, now: Timestamp) -> Duration {
    let micros = now.count().saturating_sub(since.count());
    Duration::from_micros(u64::try_from(micros).unwrap_or_default())
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message())
    }
}
