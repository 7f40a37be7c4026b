//! When a failed run is tried again: pure, from the error, the configuration and what was tried before.

use crate::config::RetrySettings;
use backon::{BackoffBuilder as _, ExponentialBuilder};
use onsync_core::{Error, ErrorKind};
use std::collections::VecDeque;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3_600);
/// A server may not ask for more patience than this.
const LONGEST_PATIENCE: Duration = Duration::from_secs(3_600);

/// What happens after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// The run ends as failed.
    Fail,
    /// It is tried again so much later.
    After(Duration),
    /// It waits until there are new credentials; who waits for the outcome is told now.
    AwaitCredentials,
}

/// The retries of the last hour, to keep to a budget: in microseconds of the runtime's `elapsed`, before its start negative.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    spent: VecDeque<i64>,
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

impl Budget {
    /// Takes one retry at or after `wanted`, and says when it may be made.
    fn take(&mut self, now: Duration, wanted: Duration, per_hour: u32) -> Duration {
        let (now, wanted, hour) = (micros(now), micros(wanted), micros(HOUR));
        while self
            .spent
            .front()
            .is_some_and(|at| at.saturating_add(hour) <= now)
        {
            self.spent.pop_front();
        }
        let limit = usize::try_from(per_hour).unwrap_or(usize::MAX).max(1);
        let free = self
            .spent
            .len()
            .checked_sub(limit)
            .and_then(|index| self.spent.get(index))
            .map_or(wanted, |at| wanted.max(at.saturating_add(hour)));
        self.spent.push_back(free);
        Duration::from_micros(u64::try_from(free).unwrap_or_default())
    }

    /// The retries as times of a clock that shows `clock` now.
    pub(crate) fn by_clock(&self, now: Duration, clock: i64) -> Vec<i64> {
        let offset = clock.saturating_sub(micros(now));
        self.spent.iter().map(|at| at.saturating_add(offset)).collect()
    }

    /// Takes up retries from before a restart. A clock that was put back makes them as new, not newer; one that was put forward
    /// forgets them: the budget is for politeness, nothing else hangs on it.
    pub(crate) fn resume(&mut self, noted: &[i64], now: Duration, clock: i64) {
        let offset = micros(now).saturating_sub(clock);
        let before = noted.iter().map(|at| at.saturating_add(offset).min(micros(now)));
        let mut spent: Vec<i64> = before.chain(self.spent.drain(..)).collect();
        spent.sort_unstable();
        self.spent = spent.into();
    }
}

/// Decides after a failed attempt. `failures` counts this one; `chance` is drawn from [0, 1).
pub(crate) fn next(
    error: &Error,
    settings: &RetrySettings,
    failures: u32,
    chance: f64,
    now: Duration,
    budget: &mut Budget,
) -> Next {
    match error.kind() {
        ErrorKind::Unauthorised => Next::AwaitCredentials,
        kind if !kind.may_pass() || !settings.enabled => Next::Fail,
        _ => {
            let jittered = longest_wait(settings, failures).mul_f64(chance.clamp(0.0, 1.0));
            let asked = error.retry_after().unwrap_or_default().min(LONGEST_PATIENCE);
            let at = budget.take(now, now + jittered.max(asked), settings.attempts_per_hour);
            Next::After(onsync_core::mutant!(
                "a-failed-run-is-tried-again-at-once",
                at.saturating_sub(now),
                Duration::ZERO
            ))
        }
    }
}

/// The longest wait after so many failures in a row; the real one is drawn between nothing and this.
fn longest_wait(settings: &RetrySettings, failures: u32) -> Duration {
    // The factor is a configured number of at most a thousand.
    #[expect(clippy::cast_possible_truncation, reason = "a small number with few digits")]
    let factor = settings.factor as f32;
    let steps = usize::try_from(failures.saturating_sub(1))
        .unwrap_or(usize::MAX)
        .min(64);
    ExponentialBuilder::new()
        .with_min_delay(settings.interval)
        .with_factor(factor)
        .with_max_delay(settings.cap)
        .without_max_times()
        .build()
        .nth(steps)
        .unwrap_or(settings.cap)
        .min(settings.cap)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> RetrySettings {
        RetrySettings {
            enabled: true,
            interval: Duration::from_secs(5),
            factor: 2.0,
            cap: Duration::from_secs(300),
            attempts_per_hour: 60,
        }
    }

    fn after(error: &Error, failures: u32, chance: f64) -> Next {
        next(
            error,
            &settings(),
            failures,
            chance,
            Duration::from_secs(100),
            &mut Budget::default(),
        )
    }

    #[test]
    fn waits_double_up_to_the_cap_and_are_jittered_fully() {
        let error = Error::transient("x", "x");
        let longest = |failures| after(&error, failures, 1.0);
        let seconds = [5, 10, 20, 40, 80, 160, 300, 300];
        for (failures, seconds) in (1..).zip(seconds) {
            assert_eq!(longest(failures), Next::After(Duration::from_secs(seconds)));
        }
        assert_eq!(longest(u32::MAX), Next::After(Duration::from_secs(300)));
        assert_eq!(after(&error, 3, 0.0), Next::After(Duration::ZERO));
        assert_eq!(after(&error, 3, 0.5), Next::After(Duration::from_secs(10)));
    }

    #[test]
    fn only_errors_that_may_pass_are_tried_again() {
        assert_eq!(after(&Error::fatal("x", "x"), 1, 0.0), Next::Fail);
        assert_eq!(after(&Error::rejected("x", "x"), 1, 0.0), Next::Fail);
        assert_eq!(
            after(&Error::new(ErrorKind::Unauthorised, "x", "x"), 1, 0.0),
            Next::AwaitCredentials
        );
        assert_eq!(
            after(&Error::offline("x", "x"), 1, 0.0),
            Next::After(Duration::ZERO)
        );
        let off = RetrySettings {
            enabled: false,
            ..settings()
        };
        let error = Error::busy("x", "x");
        assert_eq!(
            next(&error, &off, 1, 0.0, Duration::ZERO, &mut Budget::default()),
            Next::Fail
        );
    }

    #[test]
    fn the_server_is_given_the_patience_it_asks_for_within_reason() {
        let error = |seconds| Error::transient("x", "x").with_retry_after(Duration::from_secs(seconds));
        assert_eq!(after(&error(120), 1, 1.0), Next::After(Duration::from_secs(120)));
        assert_eq!(after(&error(1), 1, 1.0), Next::After(Duration::from_secs(5)));
        assert_eq!(after(&error(u64::MAX), 1, 1.0), Next::After(HOUR));
    }

    #[test]
    fn the_budget_goes_on_after_a_restart_whatever_the_clock_does() {
        let per_hour = 2;
        let mut before = Budget::default();
        let at = Duration::from_secs(10_000);
        before.take(at, at, per_hour);
        before.take(at, at, per_hour);
        let clock = 1_700_000_000_000_000;
        let noted = before.by_clock(at, clock);
        assert_eq!(noted, [clock, clock]);
        let start = Duration::from_secs(1);
        let after = |clock: i64| {
            let mut budget = Budget::default();
            budget.resume(&noted, start, clock);
            budget.take(start, start, per_hour).as_secs()
        };
        let second = 1_000_000;
        assert_eq!(after(clock + 60 * second), 3_600 - 60 + 1, "a minute later");
        assert_eq!(after(clock + 3_700 * second), 1, "an hour later");
        assert_eq!(after(clock - 86_400 * second), 3_601, "the clock went back a day");
        assert_eq!(after(i64::MAX), 1);
    }

    #[test]
    fn retries_keep_to_their_budget_of_an_hour() {
        let error = Error::transient("x", "x");
        let settings = RetrySettings {
            attempts_per_hour: 2,
            ..settings()
        };
        let mut budget = Budget::default();
        let mut at = |seconds| {
            next(
                &error,
                &settings,
                1,
                0.0,
                Duration::from_secs(seconds),
                &mut budget,
            )
        };
        assert_eq!(at(0), Next::After(Duration::ZERO));
        assert_eq!(at(10), Next::After(Duration::ZERO));
        assert_eq!(at(20), Next::After(Duration::from_secs(3_580)));
        assert_eq!(at(3_700), Next::After(Duration::ZERO));
    }
}
