//! What the HTTP face counts, and `/metrics`, where a collector reads everything the process counts.
//!
//! `/metrics` has an address of its own: it is for those who run the server, not for devices.

use axum::Router;
use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use onsync_core::error::{Error, Result};
use onsync_core::metric::{MetricInfo, code_label};
use std::time::Duration;
use tokio::net::TcpListener;

static REQUESTS: MetricInfo = MetricInfo::counter(
    "onsync_server_requests_total",
    "requests",
    &["path", "status"],
    "requests by HTTP status; `path` is `/v1/sync`, `/v1/health` or `other`",
);
static DURATION: MetricInfo = MetricInfo::histogram(
    "onsync_server_request_duration_seconds",
    "seconds",
    &["path", "status"],
    "time from a request's head to the beginning of its answer",
);
static ANSWERS: MetricInfo = MetricInfo::histogram(
    "onsync_server_answer_duration_seconds",
    "seconds",
    &[],
    "time from a whole sync request to the end of its answer, which a slow device stretches",
);
static IN_PROGRESS: MetricInfo = MetricInfo::gauge(
    "onsync_server_requests_in_progress",
    "requests",
    &[],
    "sync requests at work",
);
static REFUSED: MetricInfo = MetricInfo::counter(
    "onsync_server_refused_requests_total",
    "requests",
    &["code"],
    "requests that were refused or broken off, by code",
);
static RECEIVED: MetricInfo = MetricInfo::counter(
    "onsync_server_received_bytes_total",
    "bytes",
    &[],
    "bytes of request bodies, as they were on the wire",
);
static SENT: MetricInfo = MetricInfo::counter(
    "onsync_server_sent_bytes_total",
    "bytes",
    &[],
    "bytes of the answers to sync requests, as they were on the wire",
);

/// Every number that the HTTP face counts.
pub const METRICS: &[&MetricInfo] = &[
    &REQUESTS,
    &DURATION,
    &ANSWERS,
    &IN_PROGRESS,
    &REFUSED,
    &RECEIVED,
    &SENT,
];

/// A request's answer begins.
pub(crate) fn answered(path: &str, status: u16, took: Duration) {
    let path = match path {
        "/v1/sync" | "/v1/health" => path,
        _ => onsync_core::metric::OTHER,
    };
    let status = status.to_string();
    REQUESTS.add(&[path, &status], 1);
    DURATION.observe(&[path, &status], took.as_secs_f64());
}

/// A request was refused, or its answer broken off.
pub(crate) fn refused(code: &str) {
    REFUSED.add(&[code_label(code)], 1);
}

/// So much of a body arrived.
pub(crate) fn received(bytes: usize) {
    RECEIVED.add(&[], bytes as u64);
}

/// So much of an answer left.
pub(crate) fn sent(bytes: usize) {
    SENT.add(&[], bytes as u64);
}

/// A sync request at work, until it is dropped.
pub(crate) struct AtWork(std::time::Instant);

impl AtWork {
    pub(crate) fn begin() -> Self {
        IN_PROGRESS.change(&[], 1.0);
        Self(std::time::Instant::now())
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        IN_PROGRESS.change(&[], -1.0);
        ANSWERS.observe(&[], self.0.elapsed().as_secs_f64());
    }
}

/// Bounds of the histograms of times, in seconds.
const SECONDS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];

/// How often what histograms took is put together, so that it does not pile up while nobody reads.
const UPKEEP: Duration = Duration::from_secs(5);

/// Everything the process counts, in the text form of Prometheus.
#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
}

impl Metrics {
    /// Takes what this process counts from now on, through the `metrics` crate's recorder, of which a process has one.
    ///
    /// # Errors
    /// `metrics_taken` when the program has installed a recorder already: then that one has OnSync's numbers too.
    pub fn install() -> Result<Self> {
        let builder =
            PrometheusBuilder::new().set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS);
        let handle = builder.and_then(PrometheusBuilder::install_recorder).map_err(|cause| {
            Error::unsupported(
                "metrics_taken",
                "wanted to install the recorder of metrics, found another one installed in this process, which has OnSync's numbers \
                 already; serve them from there, and leave `server.metrics` out",
            )
            .with_source(cause)
        })?;
        for info in METRICS.iter().chain(onsync_server::METRICS) {
            info.describe();
        }
        Ok(Self { handle })
    }

    /// What was counted until now, as Prometheus reads it.
    pub fn text(&self) -> String {
        self.handle.render()
    }

    /// `GET /metrics`, to serve on an address that devices do not reach. [`Metrics::serve`] does.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/metrics", get(metrics))
            .with_state(self.clone())
    }

    /// Serves [`Metrics::router`] until `shutdown` ends.
    ///
    /// # Errors
    /// When the listener is not usable.
    pub async fn serve<F>(self, listener: TcpListener, shutdown: F) -> std::io::Result<()>
    where
        F: Future<Output = ()>,
    {
        let upkeep = async {
            let mut ticks = tokio::time::interval(UPKEEP);
            loop {
                ticks.tick().await;
                self.handle.run_upkeep();
            }
        };
        tokio::select! {
            served = crate::serve(listener, self.router(), shutdown) => served,
            () = upkeep => Ok(()),
        }
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

async fn metrics(State(metrics): State<Metrics>) -> Response {
    let media_type = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    ([(CONTENT_TYPE, media_type)], metrics.text()).into_response()
}
