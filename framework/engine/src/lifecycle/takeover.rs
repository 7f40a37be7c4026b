//! When a process that holds the sync lock is taken for frozen: pure, told what was seen and the time.
//!
//! The system frees the lock of a process that dies. One that is stopped, or sleeps with its machine's other half awake, keeps it.
//! The holder writes a pulse into the store while it works. Whoever wants to sync and sees the same pulse again and again, for long
//! enough by its own count of time, takes over: it raises the fence, and what the frozen one writes when it goes on is refused.
//! No clock is compared with another one's.

use crate::sync::Pulse;
use std::time::Duration;

/// How often a holder writes its pulse.
pub(crate) const BEAT: Duration = Duration::from_secs(5);
/// A holder without a new pulse for so long is taken for frozen …
const FROZEN: Duration = Duration::from_secs(30);
/// … if it was looked at so often.
const LOOKS: u32 = 3;

/// What was seen of a holder.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    seen: Option<(Pulse, Duration)>,
    looks: u32,
    /// The fence that was taken from a frozen holder.
    taken: Option<u64>,
}

impl Patience {
    /// Syncing was taken over with this fence. While it is the newest, nobody else is at work, whoever has the lock.
    pub(crate) fn took(&mut self, fence: u64) {
        self.taken = Some(fence);
    }

    /// Whether syncing was taken over before and still is.
    pub(crate) fn has_taken(&self, pulse: Pulse) -> bool {
        self.taken == Some(pulse.fence)
    }

    /// Looks at the holder; true if it is to be taken over.
    pub(crate) fn look(&mut self, pulse: Pulse, now: Duration) -> bool {
        match self.seen {
            Some((seen, since)) if seen == pulse => {
                self.looks += 1;
                self.looks >= LOOKS && now.saturating_sub(since) >= FROZEN
            }
            _ => {
                self.seen = Some((pulse, now));
                self.looks = 1;
                false
            }
        }
    }

    /// The lock was free.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pulse(fence: u64, beats: u64) -> Pulse {
        Pulse { fence, beats }
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_holder_without_a_pulse_is_taken_over_after_a_while_of_looking() {
        let mut patience = Patience::default();
        assert!(!patience.look(pulse(1, 7), seconds(0)));
        assert!(!patience.look(pulse(1, 7), seconds(29)));
        assert!(patience.look(pulse(1, 7), seconds(31)));
        // Nobody is taken for frozen by two looks, however far apart: the one who looks may itself have slept.
        patience.forget();
        assert!(!patience.look(pulse(1, 7), seconds(100)));
        assert!(!patience.look(pulse(1, 7), seconds(1_000)));
    }

    #[test]
    fn who_has_taken_over_goes_on_until_somebody_else_has() {
        let mut patience = Patience::default();
        assert!(!patience.has_taken(pulse(2, 0)));
        patience.took(2);
        assert!(patience.has_taken(pulse(2, 9)) && !patience.has_taken(pulse(3, 0)));
        patience.forget();
        assert!(!patience.has_taken(pulse(2, 9)));
    }

    #[test]
    fn a_holder_that_works_is_never_taken_over() {
        let mut patience = Patience::default();
        for beat in 0..1_000 {
            assert!(!patience.look(pulse(1, beat), seconds(beat * 10)));
        }
        for fence in 0..1_000 {
            assert!(!patience.look(pulse(fence, 0), seconds(20_000 + fence * 20)));
        }
    }
}
