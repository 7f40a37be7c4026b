//! The seam for time, tasks and randomness: tokio natively, timers in the browser, virtual time in tests.

use crate::platform::{BoxFuture, MaybeSend, MaybeSync};
use crate::value::Timestamp;
use std::time::Duration;
use uuid::Uuid;

/// Time, tasks and randomness.
///
/// # Contract
/// - `now` may jump in either direction; nothing but display depends on it.
/// - `elapsed` never goes back.
/// - A spawned future runs to its end without anybody waiting for it.
pub trait Runtime: MaybeSend + MaybeSync {
    /// The wall clock, for display.
    fn now(&self) -> Timestamp;

    /// Time since some fixed point, for intervals.
    fn elapsed(&self) -> Duration;

    /// Ends after that time.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;

    /// Runs a future in the background.
    fn spawn(&self, future: BoxFuture<'static, ()>);

    /// Fills bytes with randomness fit for ids.
    fn random(&self, bytes: &mut [u8]);

    /// A random UUID (version 4).
    fn random_uuid(&self) -> Uuid {
        let mut bytes = [0; 16];
        self.random(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }

    /// A UUID that sorts by time of creation (version 7).
    fn sortable_uuid(&self) -> Uuid {
        let mut bytes = [0; 10];
        self.random(&mut bytes);
        let millis = u64::try_from(self.now().count() / 1000).unwrap_or_default();
        uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid()
    }
}
