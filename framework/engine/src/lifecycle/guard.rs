//! The guard against sync loops: a context whose end starts itself again and again.

use super::triggers::Cause;
use onsync_core::ordered::BTreeMap;
use onsync_core::{Error, Result};
use std::time::Duration;

/// A request so soon after a run of its own context ended counts as caused by it.
const SOON: Duration = Duration::from_secs(1);
/// So many in a row are taken for a loop when one more ends.
const RUNS: u32 = 10;
/// How long a context is then refused.
const PAUSE: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
struct History {
    ended: Option<Duration>,
    streak: u32,
    paused_until: Option<Duration>,
}

/// What is remembered about the runs of each context.
#[derive(Debug, Default)]
pub(crate) struct LoopGuard {
    contexts: BTreeMap<String, History>,
}

impl LoopGuard {
    /// Refuses a request for a context that is paused.
    pub(crate) fn check(&mut self, context: &str, now: Duration) -> Result<()> {
        let Some(history) = self.contexts.get_mut(context) else {
            return Ok(());
        };
        match history.paused_until {
            Some(until) if now < until => Err(loop_error(context, until.saturating_sub(now))),
            Some(_) => {
                *history = History::default();
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Notes the end of a run that was asked for at `asked`; an error if this looks like a loop.
    pub(crate) fn ended(
        &mut self,
        context: &str,
        asked: Duration,
        cause: Cause,
        now: Duration,
    ) -> Option<Error> {
        let history = self.contexts.entry(context.to_owned()).or_default();
        let soon = |ended: Duration| asked >= ended && asked - ended <= SOON;
        let caused = match cause {
            Cause::Call => history.ended.is_some_and(soon),
            Cause::Run => history.ended.is_some(),
            Cause::World => false,
        };
        history.streak = if caused { history.streak + 1 } else { 0 };
        history.ended = Some(now);
        if history.streak <= RUNS {
            return None;
        }
        history.streak = 0;
        history.paused_until = Some(now + PAUSE);
        Some(loop_error(context, PAUSE))
    }
}

fn loop_error(context: &str, wait: Duration) -> Error {
    Error::unsupported(
        "sync_loop",
        format!(
            "more than {RUNS} runs of context {context:?} were each caused by the one before, most likely by a listener or \
             handler that calls on_sync({context:?}), or writes records, whenever a sync runs or ends; \
             the context is paused for {} s: break that loop",
            wait.as_secs().max(1)
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_ten_runs_soon_after_their_own_end_pause_the_context() {
        let mut guard = LoopGuard::default();
        let second = Duration::from_secs(1);
        assert!(guard.ended("A", Duration::ZERO, Cause::Call, second).is_none());
        for _ in 0..10 {
            assert!(guard.ended("A", second, Cause::Call, second).is_none());
        }
        let error = guard.ended("A", second, Cause::Call, second).unwrap();
        assert_eq!(error.code(), "sync_loop");
        assert!(guard.check("A", second * 2).is_err());
        assert!(guard.check("B", second * 2).is_ok());
        assert!(guard.check("A", second * 61).is_ok());
    }

    #[test]
    fn what_a_run_writes_counts_whenever_and_what_the_world_does_never() {
        let mut guard = LoopGuard::default();
        let mut ended = |cause| {
            (0..20u32).any(|run| {
                let end = Duration::from_secs(5) * run;
                guard
                    .ended("A", end + Duration::from_secs(2), cause, end)
                    .is_some()
            })
        };
        assert!(!ended(Cause::World));
        assert!(ended(Cause::Run));
    }

    #[test]
    fn runs_asked_for_before_the_end_or_much_later_are_no_loop() {
        let mut guard = LoopGuard::default();
        for run in 0..100 {
            let end = Duration::from_secs(run * 10);
            assert!(
                guard
                    .ended("A", end.saturating_sub(Duration::from_secs(5)), Cause::Call, end)
                    .is_none()
            );
        }
    }
}
