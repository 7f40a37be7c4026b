//! When the server is asked next: pure, from what was found and heard.

use crate::ProbeMonitorOptions;
use crate::verdict::Verdict;
use onsync_core::network::{NetworkNews, NetworkStatus, OfflineReason};
use std::time::Duration;

/// How long after its start the monitor asks for the first time, unless a run has reached the server by then.
const FIRST_LOOK: Duration = Duration::from_secs(1);
/// Between the beginnings of two probes, whatever happens around.
const GAP: Duration = Duration::from_secs(1);
/// A server may not ask for more patience than this.
const LONGEST_REST: Duration = Duration::from_secs(3_600);

/// What to do with a probe that is under way when something new is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnderWay {
    /// Its answer still tells how things are.
    Keep,
    /// It began in another world: give it up.
    GiveUp,
}

/// What is known of the server, and when it is asked next. Times are the runtime's elapsed time.
#[derive(Debug)]
pub(crate) struct Schedule {
    options: ProbeMonitorOptions,
    status: NetworkStatus,
    /// What the monitors before this one in a combination see.
    before: Option<NetworkStatus>,
    /// Probes in a row that missed the server.
    misses: u32,
    asked: Option<Duration>,
    next: Option<Duration>,
}

impl Schedule {
    pub(crate) fn new(options: ProbeMonitorOptions, now: Duration) -> Self {
        Self {
            options,
            status: NetworkStatus::assumed(),
            before: None,
            misses: 0,
            asked: None,
            next: Some(now + FIRST_LOOK),
        }
    }

    pub(crate) fn status(&self) -> NetworkStatus {
        self.status
    }

    /// When the server is to be asked; none while there is nothing to ask it by, or no reason to.
    pub(crate) fn due(&self) -> Option<Duration> {
        if self.before.is_some_and(|before| !before.online) {
            return None;
        }
        let earliest = self.asked.map_or(Duration::ZERO, |asked| asked + GAP);
        self.next.map(|next| next.max(earliest))
    }

    /// A probe begins.
    pub(crate) fn begin(&mut self, now: Duration) {
        self.asked = Some(now);
        self.next = None;
    }

    /// A probe has ended. `chance` is drawn from [0, 1).
    pub(crate) fn found(&mut self, verdict: Verdict, now: Duration, chance: f64) {
        let (wait, rest) = match verdict {
            Verdict::Reached { rest } => {
                self.misses = 0;
                self.status = NetworkStatus::assumed();
                (self.options.interval, rest)
            }
            Verdict::Missed { reason, rest } => {
                self.misses = self.misses.saturating_add(1);
                self.status = NetworkStatus::offline(reason);
                (Some(self.back_off()), rest)
            }
        };
        let wait = wait.map(|wait| self.jittered(wait, chance));
        let rest = rest.unwrap_or_default().min(LONGEST_REST);
        self.next = wait.map(|wait| now + wait.max(rest));
    }

    /// Something was heard.
    pub(crate) fn hear(&mut self, news: NetworkNews, now: Duration, chance: f64) -> UnderWay {
        match news {
            NetworkNews::ServerReached => {
                self.found(Verdict::Reached { rest: None }, now, chance);
                UnderWay::GiveUp
            }
            // One that is known to be missing is not asked more often because runs miss it too.
            NetworkNews::ServerMissed if !self.status.online => UnderWay::Keep,
            NetworkNews::ServerMissed | NetworkNews::LookAgain => {
                self.next = Some(now);
                UnderWay::Keep
            }
            NetworkNews::Told(_) => {
                self.next = Some(now);
                UnderWay::GiveUp
            }
            NetworkNews::Before(before) => self.hear_before(before, now),
        }
    }

    fn hear_before(&mut self, before: NetworkStatus, now: Duration) -> UnderWay {
        let last = self.before.replace(before);
        if last == Some(before) {
            return UnderWay::Keep;
        }
        if !before.online {
            let reason = before.reason.unwrap_or(OfflineReason::NoNetwork);
            self.status = NetworkStatus::offline(reason);
            return UnderWay::GiveUp;
        }
        // What is said at the start is no change: the first look is soon enough, and a run may come first.
        if last.is_none() {
            return UnderWay::Keep;
        }
        // There is a network again, and what stands at its end is not known yet.
        self.status.reason = None;
        self.misses = 0;
        self.next = Some(now);
        UnderWay::GiveUp
    }

    fn back_off(&self) -> Duration {
        let steps = i32::try_from(self.misses.saturating_sub(1)).unwrap_or(i32::MAX);
        let grown = self.options.retry_interval.as_secs_f64() * self.options.factor.powi(steps.min(1_000));
        let longest = self.options.cap.max(self.options.retry_interval);
        // What is too long for a duration is longer than the cap.
        Duration::try_from_secs_f64(grown).map_or(longest, |wait| wait.min(longest))
    }

    fn jittered(&self, wait: Duration, chance: f64) -> Duration {
        wait.mul_f64(1.0 - self.options.jitter * chance.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use onsync_core::network::NetworkKind;

    const REACHED: Verdict = Verdict::Reached { rest: None };

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn schedule() -> Schedule {
        Schedule::new(ProbeMonitorOptions::default(), Duration::ZERO)
    }

    #[test]
    fn waits_double_up_to_the_cap_and_are_jittered_within_their_part() {
        let mut schedule = schedule();
        for wait in [2, 4, 8, 16, 32, 60, 60] {
            schedule.found(Verdict::SILENCE, seconds(100), 0.0);
            assert_eq!(schedule.due(), Some(seconds(100 + wait)));
        }
        schedule.misses = u32::MAX - 1;
        schedule.found(Verdict::SILENCE, seconds(100), 1.0);
        assert_eq!(schedule.due(), Some(seconds(130)));
    }

    #[test]
    fn a_run_that_reaches_the_server_counts_as_a_probe() {
        let mut schedule = schedule();
        for minute in 0..60 {
            let now = seconds(minute * 60);
            assert_eq!(
                schedule.hear(NetworkNews::ServerReached, now, 0.0),
                UnderWay::GiveUp
            );
            assert_eq!(schedule.due(), Some(now + seconds(300)));
        }
    }

    #[test]
    fn without_an_interval_a_server_that_is_there_is_not_asked() {
        let options = ProbeMonitorOptions {
            interval: None,
            ..ProbeMonitorOptions::default()
        };
        let mut schedule = Schedule::new(options, Duration::ZERO);
        assert_eq!(schedule.due(), Some(FIRST_LOOK));
        schedule.found(REACHED, seconds(1), 0.0);
        assert_eq!(schedule.due(), None);
        schedule.hear(NetworkNews::ServerMissed, seconds(50), 0.0);
        assert_eq!(schedule.due(), Some(seconds(50)));
    }

    #[test]
    fn a_missing_server_is_not_asked_more_often_because_runs_miss_it_too() {
        let mut schedule = schedule();
        schedule.found(Verdict::SILENCE, seconds(10), 0.0);
        schedule.hear(NetworkNews::ServerMissed, seconds(10), 0.0);
        assert_eq!(schedule.due(), Some(seconds(12)));
        schedule.hear(NetworkNews::LookAgain, seconds(11), 0.0);
        assert_eq!(schedule.due(), Some(seconds(11)));
    }

    #[test]
    fn nothing_is_asked_without_a_network_and_at_once_when_it_is_back() {
        let mut schedule = schedule();
        let (wifi, none) = (
            NetworkStatus::online(NetworkKind::Wifi),
            NetworkStatus::offline(OfflineReason::NoNetwork),
        );
        schedule.hear(NetworkNews::Before(wifi), Duration::ZERO, 0.0);
        assert_eq!(
            schedule.due(),
            Some(FIRST_LOOK),
            "what is said at the start is no change"
        );
        schedule.found(REACHED, seconds(1), 0.0);
        assert_eq!(
            schedule.hear(NetworkNews::Before(none), seconds(20), 0.0),
            UnderWay::GiveUp
        );
        assert_eq!((schedule.due(), schedule.status()), (None, none));
        schedule.hear(NetworkNews::LookAgain, seconds(25), 0.0);
        assert_eq!(schedule.due(), None);
        schedule.hear(NetworkNews::Before(wifi), seconds(30), 0.0);
        assert_eq!(schedule.due(), Some(seconds(30)));
        let status = schedule.status();
        assert_eq!(
            (status.online, status.reason),
            (false, None),
            "a network is no server yet"
        );
    }

    #[test]
    fn a_flapping_network_asks_at_most_once_a_second() {
        let mut schedule = schedule();
        let mut probes = 0;
        for tenth in 0..600_u32 {
            let now = Duration::from_millis(100) * tenth;
            let status = if tenth % 2 == 0 {
                NetworkStatus::assumed()
            } else {
                NetworkStatus::offline(OfflineReason::NoNetwork)
            };
            schedule.hear(NetworkNews::Before(status), now, 0.0);
            if schedule.due().is_some_and(|due| due <= now) {
                schedule.begin(now);
                probes += 1;
            }
        }
        assert!((1..=60).contains(&probes), "{probes} probes in a minute");
    }

    #[test]
    fn a_server_that_asks_for_patience_gets_it_within_reason() {
        let mut schedule = schedule();
        for (asked, given) in [(10, 10), (3_600, 3_600), (u64::MAX, 3_600), (0, 2)] {
            let rest = Some(seconds(asked));
            let reason = OfflineReason::ServerUnreachable;
            schedule.misses = 0;
            schedule.found(Verdict::Missed { reason, rest }, Duration::ZERO, 0.0);
            assert_eq!(schedule.due(), Some(seconds(given)));
        }
    }
}
