//! What an answer to a probe means.

use onsync_core::network::OfflineReason;
use onsync_core::wire::Health;
use onsync_core::{ErrorKind, Result};
use std::time::Duration;

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The server answers. It may ask to be left alone for a while.
    Reached { rest: Option<Duration> },
    /// It does not.
    Missed {
        reason: OfflineReason,
        rest: Option<Duration>,
    },
}

impl Verdict {
    /// What an answer that did not come in time means.
    pub(crate) const SILENCE: Self = Self::Missed {
        reason: OfflineReason::ServerUnreachable,
        rest: None,
    };

    /// Reads an answer. The transport has checked the `service` of a health answer, and tells by its codes whether something else
    /// answered.
    pub(crate) fn of(answer: &Result<Health>) -> Self {
        let error = match answer {
            Ok(_) => return Self::Reached { rest: None },
            Err(error) => error,
        };
        let rest = error.retry_after();
        match (error.kind(), error.code()) {
            (_, "not_onsync" | "redirect_refused") => Self::Missed {
                reason: OfflineReason::CaptivePortal,
                rest,
            },
            // It is there, and says no: what that means is for a run to find out.
            (ErrorKind::Unauthorised | ErrorKind::Rejected | ErrorKind::Unsupported, _)
            | (ErrorKind::Transient, "server_busy") => Self::Reached { rest },
            _ => Self::Missed {
                reason: OfflineReason::ServerUnreachable,
                rest,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use onsync_core::Error;

    #[test]
    fn each_failure_means_what_the_table_of_the_front_page_says() {
        let missed = |reason| Verdict::Missed { reason, rest: None };
        let reached = Verdict::Reached { rest: None };
        let portal = missed(OfflineReason::CaptivePortal);
        let away = missed(OfflineReason::ServerUnreachable);
        for (kind, code, wanted) in [
            (ErrorKind::Offline, "not_onsync", portal),
            (ErrorKind::Transient, "not_onsync", portal),
            (ErrorKind::Unsupported, "not_onsync", portal),
            (ErrorKind::Offline, "redirect_refused", portal),
            (ErrorKind::Offline, "server_unreachable", away),
            (ErrorKind::Transient, "time_out", away),
            (ErrorKind::Transient, "tls_failed", away),
            (ErrorKind::Transient, "server_error", away),
            (ErrorKind::Transient, "server_busy", reached),
            (ErrorKind::Unauthorised, "unauthorised", reached),
            (ErrorKind::Unsupported, "protocol_unsupported", reached),
            (ErrorKind::Fatal, "forbidden", away),
        ] {
            let answer = Err(Error::new(kind, code, "x"));
            assert_eq!(Verdict::of(&answer), wanted, "{kind:?} {code}");
        }
    }

    #[test]
    fn the_server_is_left_alone_as_long_as_it_asks() {
        let rest = Duration::from_secs(120);
        let answer = Err(Error::transient("server_busy", "x").with_retry_after(rest));
        assert_eq!(Verdict::of(&answer), Verdict::Reached { rest: Some(rest) });
    }
}
