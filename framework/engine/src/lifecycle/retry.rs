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

/// The retries of the last hour, to keep to a budget.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    spent: VecDeque<Duration>,
}

impl Budget {
    /// Takes one retry at or after `wanted`, and says when it may be made.
    fn take(&mut self, now: Duration, wanted: Duration, per_hour: u32) -> Duration {
        while self.spent.front().is_some_and(|at| *at + HOUR <= now) {
            self.spent.pop_front();
        }
        let limit = usize::try_from(per_hour).unwrap_or(usize::MAX).max(1);
        let free = self
            .spent
            .len()
            .checked_sub(limit)
            .and_then(|index| self.spent.get(index))
            .map_or(wanted, |at| wanted.max(*at + HOUR));
        self.spent.push_back(free);
        free
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
            Next::After(at.saturating_sub(now))
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
