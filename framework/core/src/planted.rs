//! Bugs planted on purpose, each by a name, that the simulator must find: a check that finds nothing proves nothing.
//!
//! They are compiled only under `--cfg onsync_mutant`, which no feature of any crate switches on, and even then a process must
//! choose one. Everywhere else [`mutant!`](crate::mutant) is the right expression and nothing else.

/// The right expression; under `--cfg onsync_mutant`, where the bug of this name is chosen, the wrong one.
///
/// ```
/// let limit = onsync_core::mutant!("pages-are-too-short", 500, 499);
/// # #[cfg(not(onsync_mutant))]
/// assert_eq!(limit, 500);
/// ```
#[cfg(not(onsync_mutant))]
#[macro_export]
macro_rules! mutant {
    ($name:literal, $right:expr, $wrong:expr) => {
        $right
    };
}

/// The right expression, or the wrong one where the bug of this name is chosen.
#[cfg(onsync_mutant)]
#[macro_export]
macro_rules! mutant {
    ($name:literal, $right:expr, $wrong:expr) => {
        if $crate::planted::is_chosen(const { $crate::planted::number($name) }) {
            $wrong
        } else {
            $right
        }
    };
}

#[cfg(onsync_mutant)]
mod chosen {
    use std::sync::atomic::{AtomicU64, Ordering};

    static CHOSEN: AtomicU64 = AtomicU64::new(0);

    /// The number that stands for a name.
    pub const fn number(name: &str) -> u64 {
        let bytes = name.as_bytes();
        let mut hash = 0xcbf2_9ce4_8422_2325;
        let mut at = 0;
        while at < bytes.len() {
            hash = (hash ^ bytes[at] as u64).wrapping_mul(0x0100_0000_01b3);
            at += 1;
        }
        hash
    }

    /// From now on this bug is there; none where there is no name.
    pub fn choose(name: Option<&str>) {
        CHOSEN.store(name.map_or(0, number), Ordering::SeqCst);
    }

    /// Whether the bug with this number is there.
    pub fn is_chosen(number: u64) -> bool {
        CHOSEN.load(Ordering::Relaxed) == number
    }
}

#[cfg(onsync_mutant)]
pub use chosen::{choose, is_chosen, number};
