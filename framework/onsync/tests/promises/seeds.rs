//! Random histories that are the same in every run: an ordinary run draws them from a fixed seed. A campaign draws others, as many as asked for:
//!
//! ```text
//! ONSYNC_TIMES=50 ONSYNC_SEED=random cargo nextest run -p onsync -E 'test(any_history)'
//! ```
//!
//! A history that fails is shrunk, printed with its seed, and belongs in the test, as an example that failed once.

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::fmt::Debug;
use std::hash::{BuildHasher as _, RandomState};

/// The seed of ordinary runs.
const FIXED: u64 = 1;

/// The seed of this run: `ONSYNC_SEED`, a number or the word `random`.
fn seed() -> u64 {
    match std::env::var("ONSYNC_SEED") {
        Err(_) => FIXED,
        Ok(word) if word == "random" => RandomState::new().hash_one(0),
        Ok(number) => number
            .parse()
            .unwrap_or_else(|_| panic!("ONSYNC_SEED: wanted a number or `random`, found `{number}`")),
    }
}

/// How many histories: what the test runs ordinarily, `ONSYNC_TIMES` as many.
fn cases(ordinary: u32) -> u32 {
    match std::env::var("ONSYNC_TIMES") {
        Err(_) => ordinary,
        Ok(number) => number
            .parse()
            .map(|times: u32| ordinary.saturating_mul(times))
            .unwrap_or_else(|_| panic!("ONSYNC_TIMES: wanted a number, found `{number}`")),
    }
}

/// Runs random cases of a strategy; the first that fails is shrunk and named.
#[track_caller]
pub(crate) fn check<S: Strategy>(ordinary: u32, strategy: &S, test: impl Fn(S::Value))
where
    S::Value: Debug,
{
    let seed = seed();
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config {
        cases: cases(ordinary),
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let found = runner.run(strategy, |value| {
        test(value);
        Ok(())
    });
    if let Err(error) = found {
        panic!("ONSYNC_SEED={seed}: {error}");
    }
}
