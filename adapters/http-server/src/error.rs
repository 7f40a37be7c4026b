//! From OnSync's errors to statuses and bodies: one table.

use crate::metrics;
use axum::body::Body;
use axum::http::header::{
    ACCEPT_ENCODING, CONTENT_TYPE, HeaderValue, RETRY_AFTER, UPGRADE, WWW_AUTHENTICATE,
};
use axum::http::{Response, StatusCode};
use onsync_core::error::{Error, ErrorKind};
use onsync_core::wire::{self, AnswerFrame, Format, WireError};

/// How long a client stays away when nobody says how long, in seconds.
const RETRY_AFTER_SECONDS: u64 = 2;

/// The status that says the same as the error.
pub(crate) fn status(error: &Error) -> StatusCode {
    match (error.kind(), error.code()) {
        (_, "request_too_large" | "too_many_mutations") => StatusCode::PAYLOAD_TOO_LARGE,
        (_, "format_unsupported" | "encoding_unsupported") => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        (_, "not_acceptable") => StatusCode::NOT_ACCEPTABLE,
        (_, "request_time_out") => StatusCode::REQUEST_TIMEOUT,
        (_, "forbidden" | "not_allowed") => StatusCode::FORBIDDEN,
        (ErrorKind::Unauthorised, _) => StatusCode::UNAUTHORIZED,
        (ErrorKind::Unsupported, "protocol_unsupported") => StatusCode::UPGRADE_REQUIRED,
        (ErrorKind::Unsupported | ErrorKind::Rejected | ErrorKind::Corrupt, _) => StatusCode::BAD_REQUEST,
        (ErrorKind::ConflictsPending, _) => StatusCode::CONFLICT,
        (ErrorKind::Transient | ErrorKind::Busy | ErrorKind::Offline, _) => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The error as a stranger may see it. What the server could not do for reasons of its own is logged, not told.
pub(crate) fn told(error: &Error) -> WireError {
    if status(error) != StatusCode::INTERNAL_SERVER_ERROR {
        return WireError::from(error);
    }
    tracing::error!(code = error.code(), %error, "a request failed");
    internal()
}

/// The error that hides the server's inside.
pub(crate) fn internal() -> WireError {
    WireError {
        kind: ErrorKind::Fatal.as_str().to_owned(),
        code: "internal_error".to_owned(),
        message: "the server failed while it handled the request; its log says more".to_owned(),
        retry_after: None,
    }
}

/// The whole response: the status, and a `failed` frame.
pub(crate) fn response(error: &Error, format: Format) -> Response<Body> {
    let status = status(error);
    metrics::refused(error.code());
    let mut wire = told(error);
    if matches!(
        status,
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::REQUEST_TIMEOUT
    ) {
        wire.retry_after.get_or_insert(RETRY_AFTER_SECONDS);
    }
    let mut response = failed(status, wire.clone(), format);
    let headers = response.headers_mut();
    if let Some(seconds) = wire.retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    match status {
        StatusCode::UNAUTHORIZED => {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        StatusCode::UPGRADE_REQUIRED => {
            headers.insert(UPGRADE, HeaderValue::from_static("onsync/1"));
        }
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("zstd, gzip, identity"));
        }
        _ => {}
    }
    response
}

/// A response whose body is one `failed` frame.
pub(crate) fn failed(status: StatusCode, error: WireError, format: Format) -> Response<Body> {
    let mut body = Vec::new();
    if wire::encode(format, &AnswerFrame::Failed(error), &mut body).is_err() {
        body.clear();
    }
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_status() {
        for (kind, code, wanted) in [
            (ErrorKind::Unauthorised, "unauthorised", 401),
            (ErrorKind::Fatal, "forbidden", 403),
            (ErrorKind::Rejected, "invalid_request", 400),
            (ErrorKind::Corrupt, "invalid_frame", 400),
            (ErrorKind::Rejected, "too_many_mutations", 413),
            (ErrorKind::Unsupported, "pattern_mismatch", 400),
            (ErrorKind::Unsupported, "protocol_unsupported", 426),
            (ErrorKind::ConflictsPending, "conflicts_pending", 409),
            (ErrorKind::Transient, "database_locked", 503),
            (ErrorKind::Busy, "busy", 503),
            (ErrorKind::Offline, "database_unreachable", 503),
            (ErrorKind::Fatal, "whatever", 500),
        ] {
            assert_eq!(status(&Error::new(kind, code, "x")), wanted, "{kind:?} {code}");
        }
    }

    #[test]
    fn the_inside_of_the_server_is_not_told() {
        let error = Error::fatal("disk_broken", "table customers of /var/lib/x is gone");
        let told = told(&error);
        assert_eq!(
            (told.kind.as_str(), told.code.as_str()),
            ("fatal", "internal_error")
        );
        assert!(!told.message.contains("customers"));
        let response = response(&Error::busy("busy", "later"), Format::Binary);
        assert_eq!(response.headers()[RETRY_AFTER], "2");
    }
}
