//! One span and one line per request: method, path, status, time and an id. Never headers, tokens or bodies.

use crate::metrics;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use std::time::Instant;
use tracing::Instrument;

/// The header that names a request in the logs of both sides.
pub(crate) const REQUEST_ID: &str = "x-request-id";

/// A client's or proxy's own id, if it is one that can stand in a log.
fn given(headers: &HeaderMap) -> Option<&str> {
    let id = headers.get(REQUEST_ID)?.to_str().ok()?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    ((1..=64).contains(&id.len()) && id.bytes().all(plain)).then_some(id)
}

/// The middleware. The time it tells ends when the answer begins.
pub(crate) async fn trace(request: Request, next: Next) -> Response {
    let id = match given(request.headers()) {
        Some(id) => id.to_owned(),
        None => uuid::Uuid::new_v4().simple().to_string(),
    };
    let span = tracing::info_span!(
        "request",
        method = %request.method(),
        path = request.uri().path(),
        id
    );
    async move {
        let began = Instant::now();
        let path = request.uri().path().to_owned();
        let mut response = next.run(request).await;
        let (status, took) = (response.status().as_u16(), began.elapsed());
        metrics::answered(&path, status, took);
        tracing::info!(
            status,
            milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            "answered"
        );
        if let Ok(value) = HeaderValue::from_str(&id) {
            response.headers_mut().insert(REQUEST_ID, value);
        }
        response
    }
    .instrument(span)
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_could_forge_log_lines_are_replaced() {
        for (value, wanted) in [
            ("a-1_b.C", true),
            ("", false),
            ("a b", false),
            ("a\"b", false),
            ("é", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, HeaderValue::from_bytes(value.as_bytes()).unwrap());
            assert_eq!(given(&headers).is_some(), wanted, "{value}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST_ID, "x".repeat(65).parse().unwrap());
        assert!(given(&headers).is_none());
    }
}
