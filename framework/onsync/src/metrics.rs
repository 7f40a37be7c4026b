//! What OnSync counts, and how an app gets to it.
//!
//! OnSync counts through the [`metrics`](https://docs.rs/metrics) crate: an app installs a recorder of its choice, and the numbers of
//! `docs/reference/metrics.md` are in it. Nothing is sent anywhere by OnSync itself.

use onsync_core::metric::MetricInfo;

/// Every number that a device counts.
pub fn of_device() -> impl Iterator<Item = &'static MetricInfo> {
    #[cfg(feature = "http")]
    let transport = onsync_http_transport::METRICS;
    #[cfg(not(feature = "http"))]
    let transport: &[&MetricInfo] = &[];
    onsync_engine::METRICS.iter().chain(transport).copied()
}

/// Every number that a server counts.
#[cfg(feature = "server")]
pub fn of_server() -> impl Iterator<Item = &'static MetricInfo> {
    onsync_server::METRICS
        .iter()
        .chain(onsync_http_server::METRICS)
        .copied()
}

/// Tells the recorder that the app has installed what the numbers of a device say, where it shows that.
pub fn describe() {
    of_device().for_each(MetricInfo::describe);
}
