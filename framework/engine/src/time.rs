//! Small helpers around time.

use onsync_core::runtime::Runtime;
use std::time::Duration;

/// The start of 1970, for clocks that say nothing usable.
#[cfg(feature = "native")]
#[expect(clippy::expect_used, reason = "zero is a valid timestamp")]
pub(crate) fn epoch() -> onsync_core::value::Timestamp {
    onsync_core::value::Timestamp::from_count(0).expect("zero is a valid timestamp")
}

/// A sleep until a moment of the runtime's `elapsed`; for ever where there is none.
pub(crate) async fn sleep_until(runtime: &dyn Runtime, until: Option<Duration>) {
    match until {
        Some(until) => loop {
            let now = runtime.elapsed();
            if now >= until {
                return;
            }
            runtime.sleep(until.saturating_sub(now)).await;
        },
        None => std::future::pending().await,
    }
}
