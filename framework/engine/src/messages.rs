//! The status in English, for apps that have no words of their own yet.
//!
//! Each message has a key that stays the same, so that an app may put its own text, or its own language, in its place.

use crate::status::Status;
use onsync_core::handler::Phase;
use onsync_core::network::OfflineReason;
use onsync_core::value::Timestamp;

/// One thing worth saying about how syncing stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusMessage {
    /// Which message this is: one of [`StatusMessage::KEYS`].
    pub key: &'static str,
    /// It in English.
    pub text: String,
}

impl StatusMessage {
    /// Every key there is. The reference of the status has a line for each.
    pub const KEYS: &'static [&'static str] = &[
        "syncing",
        "sending",
        "receiving",
        "catching_up",
        "signed_out",
        "sign_in_again",
        "offline",
        "server_unreachable",
        "captive_portal",
        "sync_failed",
        "sync_failed_next_try",
        "up_to_date",
        "not_all_fetched",
        "not_synced_yet",
        "stalled",
        "waiting",
        "conflicts",
        "refused",
        "unknown",
        "not_on_metered",
    ];
}

/// A time as people read it: to the second.
fn second(at: Timestamp) -> String {
    let exact = at.to_string();
    match exact.split_once('.') {
        Some((second, _)) => format!("{second}Z"),
        None => exact,
    }
}

fn message(key: &'static str, text: impl Into<String>) -> StatusMessage {
    StatusMessage {
        key,
        text: text.into(),
    }
}

impl Status {
    /// What is worth saying, the most important first.
    pub fn messages(&self) -> Vec<StatusMessage> {
        let mut messages = vec![self.headline()];
        if let Some(since) = self.stalled_since {
            messages.push(message("stalled", format!("no progress since {}", second(since))));
        }
        for (key, number, one, many) in [
            ("waiting", self.waiting, "1 change waiting", "changes waiting"),
            ("conflicts", self.conflicts, "1 conflict", "conflicts"),
            ("refused", self.rejected, "1 change refused", "changes refused"),
            (
                "unknown",
                self.unknown,
                "1 change may have been applied",
                "changes may have been applied",
            ),
        ] {
            match number {
                0 => {}
                1 => messages.push(message(key, one)),
                number => messages.push(message(key, format!("{number} {many}"))),
            }
        }
        if self.held_by_metered > 0 {
            let text = "waiting for a network that costs nothing by volume";
            messages.push(message("not_on_metered", text));
        }
        messages
    }

    fn headline(&self) -> StatusMessage {
        if let Some(running) = &self.running {
            let Some(progress) = &running.progress else {
                return message("syncing", "syncing");
            };
            let key = match progress.phase {
                Phase::Push => "sending",
                Phase::Pull => "receiving",
                Phase::CatchUp => "catching_up",
            };
            let verb = match progress.phase {
                Phase::CatchUp => "catching up:",
                Phase::Push | Phase::Pull => key,
            };
            return match progress.percent() {
                Some(percent) => message(key, format!("{verb} {}: {percent} %", progress.entity)),
                None => message(key, format!("{verb} {}: {}", progress.entity, progress.done)),
            };
        }
        if self.signed_out {
            return message("signed_out", "signed out");
        }
        if self.needs_credentials {
            return message("sign_in_again", "sign in again to sync");
        }
        if !self.network.online {
            return match self.network.reason {
                None | Some(OfflineReason::NoNetwork) => message("offline", "you are offline"),
                Some(OfflineReason::ServerUnreachable) => {
                    message("server_unreachable", "the server cannot be reached")
                }
                Some(OfflineReason::CaptivePortal) => message(
                    "captive_portal",
                    "something else answers in the server's place: the network may want you to sign in",
                ),
            };
        }
        if let Some(error) = &self.last_error {
            let (key, lead) = match (self.server_unreachable, error.next_try) {
                (true, _) => ("server_unreachable", "the server cannot be reached"),
                (false, Some(_)) => ("sync_failed_next_try", "sync failed"),
                (false, None) => ("sync_failed", "sync failed"),
            };
            return match error.next_try {
                Some(wait) => message(
                    key,
                    format!(
                        "{lead}: {}, next try in {} s",
                        error.message,
                        wait.as_secs().max(1)
                    ),
                ),
                None => message(key, format!("{lead}: {}", error.message)),
            };
        }
        match (self.up_to_date_as_of, self.completed_at.values().max()) {
            (Some(at), _) => message("up_to_date", format!("up to date as of {}", second(at))),
            // A run that only sends, or fetches some entities: done, and yet nothing is known of the rest.
            (None, Some(at)) => message(
                "not_all_fetched",
                format!(
                    "last sync at {}; not everything the server has was fetched",
                    second(*at)
                ),
            ),
            (None, None) => message("not_synced_yet", "not synced yet"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::{LastError, RunProgress, RunningStatus};
    use onsync_core::network::NetworkStatus;
    use onsync_core::ordered::{BTreeMap, BTreeSet};
    use std::time::Duration;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_count(minute * 60_000_000).unwrap()
    }

    fn status() -> Status {
        Status::new(NetworkStatus::assumed())
    }

    fn running(progress: Option<Phase>) -> Status {
        let progress = progress.map(|phase| RunProgress {
            entity: "Visit".to_owned(),
            phase,
            done: 5,
            total: Some(10),
            bytes: 1,
        });
        let (context, got_on_at) = ("Online".to_owned(), at(0));
        Status {
            running: Some(RunningStatus {
                context,
                progress,
                got_on_at,
            }),
            ..status()
        }
    }

    fn offline(reason: Option<OfflineReason>) -> Status {
        let mut status = status();
        status.network.online = false;
        status.network.reason = reason;
        status
    }

    fn failed(server_unreachable: bool, next_try: Option<Duration>) -> Status {
        let last_error = LastError {
            context: "Online".to_owned(),
            code: "code".to_owned(),
            message: "it broke".to_owned(),
            at: at(0),
            next_try,
        };
        Status {
            last_error: Some(last_error),
            server_unreachable,
            ..status()
        }
    }

    fn every_status() -> Vec<Status> {
        let second = Some(Duration::from_secs(20));
        vec![
            running(None),
            running(Some(Phase::Push)),
            running(Some(Phase::Pull)),
            running(Some(Phase::CatchUp)),
            Status {
                signed_out: true,
                ..status()
            },
            Status {
                needs_credentials: true,
                ..status()
            },
            offline(None),
            offline(Some(OfflineReason::ServerUnreachable)),
            offline(Some(OfflineReason::CaptivePortal)),
            failed(false, None),
            failed(false, second),
            failed(true, second),
            Status {
                up_to_date_as_of: Some(at(0)),
                ..status()
            },
            Status {
                completed_at: BTreeMap::from([("Send".to_owned(), at(0))]),
                ..status()
            },
            Status {
                waiting: 3,
                conflicts: 1,
                rejected: 1,
                unknown: 2,
                held_by_metered: 1,
                stalled_since: Some(at(0)),
                ..status()
            },
        ]
    }

    #[test]
    fn every_message_has_a_key_of_the_list_and_every_key_is_said_and_documented() {
        let said: BTreeSet<&str> = every_status()
            .iter()
            .flat_map(Status::messages)
            .map(|message| message.key)
            .collect();
        let listed: BTreeSet<&str> = StatusMessage::KEYS.iter().copied().collect();
        assert_eq!(said, listed);
        let page = std::fs::read_to_string(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../docs/reference/status.md"
        ))
        .unwrap();
        let documented: BTreeSet<&str> = page
            .lines()
            .skip_while(|line| *line != "## Messages")
            .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
            .collect();
        assert_eq!(documented, listed, "docs/reference/status.md");
    }

    #[test]
    fn the_words_are_those_of_the_page() {
        assert_eq!(
            failed(false, Some(Duration::from_secs(20))).message(),
            "sync failed: it broke, next try in 20 s"
        );
        assert_eq!(offline(None).message(), "you are offline");
        assert_eq!(running(Some(Phase::Pull)).message(), "receiving Visit: 50 %");
        assert_eq!(
            running(Some(Phase::CatchUp)).message(),
            "catching up: Visit: 50 %"
        );
        let waits = Status {
            waiting: 3,
            conflicts: 2,
            ..status()
        };
        assert_eq!(
            waits.message(),
            "not synced yet · 3 changes waiting · 2 conflicts"
        );
    }

    #[test]
    fn a_stall_shows_with_its_age_and_not_before() {
        let waits = Status {
            waiting: 1,
            waiting_since: Some(at(5)),
            ..status()
        };
        assert_eq!(waits.stalled(at(14)), None);
        assert_eq!(waits.stalled(at(15)), Some(at(5)));
        let mut worked = waits.clone();
        worked.completed_at.insert("Online".to_owned(), at(12));
        assert_eq!(worked.stalled(at(20)), None, "a run ended well since");
        assert_eq!(
            worked.stalled(at(22)),
            Some(at(12)),
            "and did not send it, long ago"
        );
        assert_eq!(running(None).stalled(at(0)), None);
        assert_eq!(running(None).stalled(at(1)), Some(at(0)));
        let fails = Status {
            failing_since: Some(at(1)),
            ..status()
        };
        assert_eq!(
            (fails.stalled(at(10)), fails.stalled(at(11))),
            (None, Some(at(1)))
        );
        assert_eq!(fails.stalled(at(-500)), None, "a clock that was put back");
    }
}
