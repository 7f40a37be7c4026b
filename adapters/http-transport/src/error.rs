//! What can go wrong, in the words of OnSync: one table from statuses and failures to kinds and codes.

use crate::answer::small_body;
#[cfg(not(target_family = "wasm"))]
use crate::platform::Chain;
use crate::platform::{self, Failure, Reason, Response};
use crate::request::Target;
use onsync_core::error::{Error, ErrorKind};
use onsync_core::wire::{AnswerFrame, Decoder, Format, WireError};
use std::fmt::Display;
use std::time::Duration;

/// No server is obeyed beyond this.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// How much of a foreign text goes into a message.
const EXCERPT: usize = 500;

/// The `Content-Type`, for choosing and for messages.
pub(crate) fn content_type(response: &Response) -> Option<String> {
    let value = response.header("content-type")?;
    Some(value.chars().take(100).collect())
}

/// The request did not reach the server, or its answer did not begin.
pub(crate) fn unreachable(target: &Target, failure: Failure) -> Error {
    let host = target.host();
    let error = match failure.reason {
        Reason::TimedOut => Error::transient(
            "time_out",
            format!("wanted a connection to {host}, found none in time; check the network"),
        ),
        Reason::Untrusted => Error::transient(
            "tls_failed",
            format!(
                "wanted a trusted TLS connection to {host}, found that its certificate or handshake is not acceptable; check \
                 this machine's clock, the server's certificate, and whether the network asks to sign in"
            ),
        ),
        Reason::Unreachable => Error::offline(
            "server_unreachable",
            format!(
                "wanted to reach the server at {host}, found no connection; check the network, `transport.url`, and that the \
                 server runs"
            ),
        ),
        Reason::Lost => Error::transient(
            "connection_lost",
            format!(
                "wanted an answer from {host}, found that the connection broke before it began; the request may or may not \
                 have arrived"
            ),
        ),
    };
    error.with_source(failure.chain)
}

/// Something did not happen in time.
pub(crate) fn timed_out(target: &Target, what: &str, wait: Duration) -> Error {
    Error::transient(
        "time_out",
        format!(
            "wanted {what} from {} within {} ms, found nothing; check the network, or raise `transport.time_out`",
            target.host(),
            wait.as_millis()
        ),
    )
}

/// The answer ended early.
pub(crate) fn truncated(found: &str) -> Error {
    Error::transient(
        "answer_truncated",
        format!("wanted an answer up to its `end` frame, found that {found}; it is asked for again"),
    )
}

/// The bytes are not what the headers say.
pub(crate) fn undecodable(found: &dyn Display) -> Error {
    Error::corrupt(
        "invalid_answer",
        format!("wanted a body as its headers describe it, found: {found}"),
    )
}

/// The server's content encoding is none that was asked for.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn unknown_encoding(found: &str) -> Error {
    let found: String = found.chars().take(60).collect();
    Error::corrupt(
        "invalid_answer",
        format!(
            "wanted an answer that is not compressed, or by zstd or gzip, found Content-Encoding `{found}`"
        ),
    )
}

/// What answers is no OnSync server.
pub(crate) fn not_onsync(target: &Target, status: u16, content_type: Option<&str>) -> Error {
    let found = content_type.unwrap_or("no content type");
    let html = content_type.is_some_and(|found| found.to_ascii_lowercase().contains("html"));
    let (kind, hint) = if html && is_success(status) {
        (
            ErrorKind::Offline,
            "the network may want you to sign in (captive portal), or `transport.url` names a web page",
        )
    } else if content_type.is_none() {
        (
            ErrorKind::Transient,
            "something between here and the server may have answered; check `transport.url`",
        )
    } else {
        (ErrorKind::Unsupported, "check `transport.url`")
    };
    Error::new(
        kind,
        "not_onsync",
        format!(
            "wanted the answer of an OnSync server at {}, found status {} with {found}; {hint}",
            target.host(),
            status,
        ),
    )
}

/// A right head with nothing behind it.
pub(crate) fn empty_body(target: &Target) -> Error {
    Error::transient(
        "not_onsync",
        format!(
            "wanted the answer of an OnSync server at {}, found status 200 with an empty body; something between here and the \
             server may have answered",
            target.host()
        ),
    )
}

/// A redirect that is not followed.
pub(crate) fn redirect_refused(target: &Target, to: Option<&str>) -> Error {
    Error::offline(
        "redirect_refused",
        format!(
            "wanted the answer of an OnSync server at {}, found a redirect to {}, which is not followed with credentials; the \
             network may want you to sign in (captive portal), or `transport.url` should name the new address",
            target.host(),
            to.unwrap_or("nowhere")
        ),
    )
}

/// A redirect that leads in circles.
pub(crate) fn too_many_redirects(target: &Target, limit: usize) -> Error {
    Error::offline(
        "redirect_refused",
        format!(
            "wanted the answer of an OnSync server at {}, found more than {limit} redirects; check `transport.url`",
            target.host()
        ),
    )
}

/// A token that fits in no header.
pub(crate) fn unusable_token() -> Error {
    Error::new(
        ErrorKind::Unauthorised,
        "unauthorised",
        "wanted a token of visible ASCII characters, found others; sign in again",
    )
}

fn is_success(status: u16) -> bool {
    (200..300).contains(&status)
}

/// A status that is no answer: its own error if the server is OnSync's, else what the status says.
pub(crate) async fn refused(target: &Target, response: Response, wait: Duration) -> Error {
    let status = response.status();
    let pause = retry_after(|name| response.header(name));
    let found = content_type(&response);
    let told = if is_success(status) {
        None
    } else {
        small_body(target, response, wait)
            .await
            .ok()
            .and_then(|body| wire_error(found.as_deref(), &body))
    };
    let error = match told {
        Some(wire) => from_server(status, wire),
        None => from_status(target, status, found.as_deref()),
    };
    match pause {
        Some(pause) if error.kind().may_pass() => error.with_retry_after(pause),
        _ => error,
    }
}

/// The error in a body, if an OnSync server wrote it.
fn wire_error(content_type: Option<&str>, body: &[u8]) -> Option<WireError> {
    let content_type = content_type?;
    if let Some(format) = Format::from_media_type(content_type) {
        let mut decoder = Decoder::new(format, body.len());
        decoder.push(body);
        return match decoder.next_frame() {
            Ok(Some(AnswerFrame::Failed(error))) => Some(error),
            _ => None,
        };
    }
    let json = content_type.split(';').next().unwrap_or_default().trim();
    json.eq_ignore_ascii_case("application/json")
        .then(|| onsync_core::json::from_slice(body).ok())?
}

fn from_server(status: u16, mut wire: WireError) -> Error {
    wire.message = wire.message.chars().take(EXCERPT).collect();
    wire.code = wire.code.chars().take(EXCERPT).collect();
    let longest = LONGEST_RETRY_AFTER.as_secs();
    wire.retry_after = wire.retry_after.map(|seconds| seconds.min(longest));
    let kind = match ErrorKind::from_name(&wire.kind) {
        _ if status == 401 => ErrorKind::Unauthorised,
        // The server was reached: that it misses something itself is for it to mend.
        ErrorKind::Offline => ErrorKind::Transient,
        kind => kind,
    };
    wire.kind = kind.as_str().to_owned();
    Error::from(wire)
}

fn from_status(target: &Target, status: u16, content_type: Option<&str>) -> Error {
    let host = target.host();
    match status {
        401 => Error::new(
            ErrorKind::Unauthorised,
            "unauthorised",
            format!(
                "wanted access to {host}, found that the credentials are missing or refused; sign in again"
            ),
        ),
        403 => Error::fatal(
            "forbidden",
            format!(
                "wanted access to {host}, found that this user may not sync there; ask who runs the server"
            ),
        ),
        404 | 405 => Error::unsupported(
            "not_onsync",
            format!(
                "wanted an OnSync server at {host}, found status {status}: there is none at this path; `transport.url` is the \
                 part in front of /v1/sync"
            ),
        ),
        408 => Error::transient(
            "time_out",
            format!("{host} gave up waiting for the request (status 408)"),
        ),
        410 | 426 => Error::unsupported(
            "protocol_unsupported",
            format!(
                "wanted a server that speaks this protocol version, found status {status} from {host}; update the app"
            ),
        ),
        413 => Error::rejected(
            "request_too_large",
            format!(
                "wanted to send one request, found that {host} takes only smaller ones; send it in parts"
            ),
        ),
        425 | 429 | 503 => Error::transient(
            "server_busy",
            format!("{host} has no room for the request now (status {status}); it is sent again"),
        ),
        511 => Error::offline(
            "not_onsync",
            "wanted the server, found a network that wants you to sign in (status 511)",
        ),
        500..=599 => Error::transient(
            "server_error",
            format!("{host} could not handle the request (status {status}); it is sent again"),
        ),
        400..=499 => Error::fatal(
            "request_refused",
            format!("wanted an answer, found that {host} refuses the request with status {status}"),
        ),
        _ => not_onsync(target, status, content_type),
    }
}

/// `Retry-After` as seconds or as a date against the server's own clock; nonsense is ignored.
fn retry_after(header: impl Fn(&'static str) -> Option<String>) -> Option<Duration> {
    let text = header("retry-after")?;
    let text = text.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let until = httpdate::parse_http_date(text).ok()?;
            let now = header("date")
                .and_then(|text| httpdate::parse_http_date(&text).ok())
                .or_else(platform::now)?;
            until.duration_since(now).unwrap_or_default()
        }
    };
    Some(wait.min(LONGEST_RETRY_AFTER))
}

/// `Result` with an error of this module.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn client_failed<T>(result: Result<T, impl std::error::Error>) -> onsync_core::error::Result<T> {
    result.map_err(|cause| {
        Error::fatal(
            "tls_unavailable",
            "wanted an HTTP client with this system's certificate store, found that it cannot be set up; check the system's \
             list of certificate authorities",
        )
        .with_source(Chain::of(&cause))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date_and_never_nonsense() {
        let date = "Sun, 22 Nov 2026 10:00:00 GMT";
        for (value, wanted) in [
            ("7", Some(7)),
            ("0", Some(0)),
            ("86400", Some(3600)),
            ("Sun, 22 Nov 2026 10:01:30 GMT", Some(90)),
            ("Sun, 22 Nov 2026 09:00:00 GMT", Some(0)),
            ("Mon, 22 Nov 2027 10:00:00 GMT", Some(3600)),
            ("-5", None),
            ("soon", None),
            ("1.5", None),
            ("99999999999999999999999", None),
            ("", None),
        ] {
            let header = |name: &str| Some(if name == "date" { date } else { value }.to_owned());
            let found = retry_after(header);
            assert_eq!(found, wanted.map(Duration::from_secs), "{value}");
        }
        assert_eq!(retry_after(|_| None), None);
    }

    #[test]
    fn every_status_has_its_kind_and_code() {
        use ErrorKind::{Fatal, Offline, Rejected, Transient, Unauthorised, Unsupported};
        let target = Target::parse("https://sync.example.org:8443").unwrap();
        for (status, kind, code) in [
            (201, Transient, "not_onsync"),
            (204, Transient, "not_onsync"),
            (304, Transient, "not_onsync"),
            (400, Fatal, "request_refused"),
            (401, Unauthorised, "unauthorised"),
            (403, Fatal, "forbidden"),
            (404, Unsupported, "not_onsync"),
            (408, Transient, "time_out"),
            (410, Unsupported, "protocol_unsupported"),
            (413, Rejected, "request_too_large"),
            (425, Transient, "server_busy"),
            (426, Unsupported, "protocol_unsupported"),
            (429, Transient, "server_busy"),
            (500, Transient, "server_error"),
            (502, Transient, "server_error"),
            (503, Transient, "server_busy"),
            (504, Transient, "server_error"),
            (511, Offline, "not_onsync"),
        ] {
            let error = from_status(&target, status, None);
            assert_eq!((error.kind(), error.code()), (kind, code), "{status}");
        }
    }

    #[test]
    fn the_server_s_own_error_counts_but_never_as_being_offline() {
        let wire = |kind: &str| WireError {
            kind: kind.into(),
            code: "some_code".into(),
            message: "x".repeat(10_000),
            retry_after: Some(1 << 40),
        };
        let error = from_server(503, wire("offline"));
        assert_eq!((error.kind(), error.code()), (ErrorKind::Transient, "some_code"));
        assert_eq!(error.message().len(), EXCERPT);
        assert_eq!(error.retry_after(), Some(LONGEST_RETRY_AFTER));
        let error = from_server(401, wire("fatal"));
        assert_eq!(error.kind(), ErrorKind::Unauthorised);
    }
}
