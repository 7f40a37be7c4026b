//! How syncing stands, as one value that any UI can draw.

use onsync_core::handler::Phase;
use onsync_core::network::{NetworkStatus, OfflineReason};
use onsync_core::value::Timestamp;
use std::fmt;
use std::time::Duration;

/// The run at work.
#[derive(Clone, Debug, PartialEq)]
pub struct RunningStatus {
    /// Its context.
    pub context: String,
    /// How far it is; none before the first record.
    pub progress: Option<RunProgress>,
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
    /// Records with changes the server does not have.
    pub waiting: u64,
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
            waiting: 0,
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

    /// The most important thing in one English sentence, then what waits.
    pub fn message(&self) -> String {
        let mut parts = vec![self.headline()];
        for (number, one, many) in [
            (self.waiting, "1 change waiting", "changes waiting"),
            (self.conflicts, "1 conflict", "conflicts"),
            (self.rejected, "1 change refused", "changes refused"),
            (
                self.unknown,
                "1 change may have been applied",
                "changes may have been applied",
            ),
        ] {
            match number {
                0 => {}
                1 => parts.push(one.to_owned()),
                number => parts.push(format!("{number} {many}")),
            }
        }
        if self.held_by_metered > 0 {
            parts.push("waiting for a network that costs nothing by volume".to_owned());
        }
        parts.join(" · ")
    }

    fn headline(&self) -> String {
        if let Some(running) = &self.running {
            return match &running.progress {
                None => "syncing".to_owned(),
                Some(progress) => {
                    let verb = match progress.phase {
                        Phase::Push => "sending",
                        Phase::Pull => "receiving",
                    };
                    match progress.percent() {
                        Some(percent) => format!("{verb} {}: {percent} %", progress.entity),
                        None => format!("{verb} {}: {}", progress.entity, progress.done),
                    }
                }
            };
        }
        if self.signed_out {
            return "signed out".to_owned();
        }
        if self.needs_credentials {
            return "sign in again to sync".to_owned();
        }
        if !self.network.online {
            return match self.network.reason {
                None | Some(OfflineReason::NoNetwork) => "you are offline".to_owned(),
                Some(OfflineReason::ServerUnreachable) => "the server cannot be reached".to_owned(),
                Some(OfflineReason::CaptivePortal) => {
                    "something else answers in the server's place: the network may want you to sign in"
                        .to_owned()
                }
            };
        }
        if let Some(error) = &self.last_error {
            let lead = if self.server_unreachable {
                "the server cannot be reached"
            } else {
                "sync failed"
            };
            return match error.next_try {
                Some(wait) => format!(
                    "{lead}: {}, next try in {} s",
                    error.message,
                    wait.as_secs().max(1)
                ),
                None => format!("{lead}: {}", error.message),
            };
        }
        match self.up_to_date_as_of {
            Some(at) => format!("up to date as of {at}"),
            None => "not synced yet".to_owned(),
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message())
    }
}
