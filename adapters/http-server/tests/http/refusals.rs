//! Requests that are not as they should be, each with its status, and what a browser asks first.

use crate::fake::{
    Next, ask, body, decode, encoded, exchange, fake, post, refusing, request, small, start,
    transport_options, welcome,
};
use axum::body::{Body, Bytes};
use axum::http::header::{self, HeaderValue};
use axum::http::{Method, Request, StatusCode};
use flate2::write::GzEncoder;
use onsync_core::error::{Error, ErrorKind};
use onsync_core::transport::Transport;
use onsync_core::wire::{AnswerFrame, Format, Health, RequestFrame};
use onsync_http_server::HttpServerOptions;
use onsync_http_transport::HttpTransport;
use std::io::Write;
use std::time::Duration;

fn options() -> HttpServerOptions {
    HttpServerOptions::default()
}

/// The code in the body of a refusal.
async fn code(response: axum::http::Response<Body>) -> String {
    let content_type = response.headers()[header::CONTENT_TYPE].to_str().unwrap();
    let format = Format::from_media_type(content_type).unwrap();
    let frames = decode(format, &body(response).await);
    let [AnswerFrame::Failed(error)] = frames.as_slice() else {
        panic!("{frames:?}")
    };
    error.code.clone()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn headers_that_are_not_understood_are_refused() {
    let good = encoded(Format::Binary, &request());
    let (binary, json) = (Format::Binary.media_type(), Format::JsonLines.media_type());
    for (content_type, accept, encoding, status, wanted) in [
        ("", binary, "", 415, "format_unsupported"),
        ("text/plain", binary, "", 415, "format_unsupported"),
        ("application/json", "*/*", "", 415, "format_unsupported"),
        (binary, "text/html", "", 406, "not_acceptable"),
        (binary, binary, "br", 415, "encoding_unsupported"),
        (binary, json, "gzip, gzip", 415, "encoding_unsupported"),
        (binary, binary, "gzip", 400, "invalid_encoding"),
        (binary, binary, "zstd", 400, "invalid_encoding"),
    ] {
        let mut request = Request::post("/v1/sync").body(Body::from(good.clone())).unwrap();
        for (name, value) in [
            (header::CONTENT_TYPE, content_type),
            (header::ACCEPT, accept),
            (header::CONTENT_ENCODING, encoding),
        ] {
            if !value.is_empty() {
                request
                    .headers_mut()
                    .insert(name, HeaderValue::from_str(value).unwrap());
            }
        }
        let response = ask(fake(small), options(), request).await;
        assert_eq!(response.status(), status, "{content_type} {accept} {encoding}");
        assert_eq!(code(response).await, wanted, "{content_type} {accept} {encoding}");
    }
}

#[tokio::test]
async fn only_a_bearer_token_reaches_the_service() {
    for (value, wanted) in [
        (Some("Bearer abc"), Some("abc")),
        (Some("Basic abc"), None),
        (Some("Bearer"), None),
        (None, None),
    ] {
        let service = fake(small);
        let seen = service.seen.clone();
        let mut builder = post(Format::Binary);
        if let Some(value) = value {
            builder = builder.header(header::AUTHORIZATION, value);
        }
        let request = builder
            .body(Body::from(encoded(Format::Binary, &request())))
            .unwrap();
        let response = ask(service, options(), request).await;
        assert_eq!(response.status(), 200);
        let seen = seen.requests.lock().unwrap().clone();
        assert_eq!(seen, [(wanted.map(str::to_owned), 2)]);
    }
}

#[tokio::test]
async fn requests_that_are_no_whole_request_never_reach_the_service() {
    let whole = encoded(Format::Binary, &request());
    let only_hello = encoded(Format::Binary, &request()[..1]);
    let behind = encoded(Format::Binary, &[RequestFrame::End {}, RequestFrame::End {}]);
    for (bytes, wanted) in [
        (whole[..whole.len() - 1].to_vec(), "request_truncated"),
        (only_hello, "request_truncated"),
        (Vec::new(), "request_truncated"),
        (behind, "invalid_request"),
        (b"\0\0\0\x06<html>".to_vec(), "invalid_frame"),
        (b"<html></html>".to_vec(), "frame_too_large"),
    ] {
        let service = fake(small);
        let seen = service.seen.clone();
        let request = post(Format::Binary).body(Body::from(bytes)).unwrap();
        let response = ask(service, options(), request).await;
        assert_eq!(response.status(), 400, "{wanted}");
        assert_eq!(code(response).await, wanted);
        assert!(seen.requests.lock().unwrap().is_empty());
    }
    let deep = [b"{\"hello\":".as_slice(), &b"[".repeat(100_000), b"\n"].concat();
    let request = post(Format::JsonLines).body(Body::from(deep)).unwrap();
    assert_eq!(ask(fake(small), options(), request).await.status(), 400);
}

#[tokio::test]
async fn the_limit_is_on_decoded_bytes_and_bombs_stop_at_it() {
    let mut limited = options();
    limited.max_request_bytes = 64 << 10;
    let zeros = vec![b' '; 64 << 20];
    let padded = |length: usize| {
        let mut frames = request();
        if let RequestFrame::Hello(hello) = &mut frames[0] {
            hello.context = "x".repeat(length);
        }
        encoded(Format::JsonLines, &frames)
    };
    let empty_members = gzip(b"").repeat(20_000);
    for (encoding, bytes, status) in [
        ("identity", padded(60 << 10), 200),
        ("gzip", gzip(&padded(60 << 10)), 200),
        ("zstd", zstd::bulk::compress(&padded(60 << 10), 1).unwrap(), 200),
        ("identity", padded(64 << 10), 413),
        ("gzip", gzip(&padded(64 << 10)), 413),
        ("zstd", zstd::bulk::compress(&padded(64 << 10), 1).unwrap(), 413),
        ("gzip", gzip(&zeros), 413),
        ("zstd", zstd::bulk::compress(&zeros, 1).unwrap(), 413),
        ("gzip", empty_members, 413),
    ] {
        for announced in [true, false] {
            let body = if announced {
                Body::from(bytes.clone())
            } else {
                let pieces: Vec<_> = bytes
                    .chunks(1000)
                    .map(|piece| Ok::<_, std::io::Error>(Bytes::copy_from_slice(piece)))
                    .collect();
                Body::from_stream(futures_util::stream::iter(pieces))
            };
            let request = post(Format::JsonLines)
                .header(header::CONTENT_ENCODING, encoding)
                .body(body)
                .unwrap();
            let response = ask(fake(small), limited.clone(), request).await;
            assert_eq!(response.status(), status, "{encoding} {}", bytes.len());
        }
    }
}

#[tokio::test]
async fn a_body_that_drips_is_given_up() {
    let mut impatient = options();
    impatient.body_time_out = Duration::from_millis(20);
    let drip = futures_util::stream::pending::<std::io::Result<Bytes>>();
    let request = post(Format::Binary).body(Body::from_stream(drip)).unwrap();
    let response = ask(fake(small), impatient, request).await;
    assert_eq!(response.status(), 408);
    assert_eq!(code(response).await, "request_time_out");
}

#[tokio::test]
async fn what_the_service_refuses_has_its_status_and_no_internals() {
    use ErrorKind::{Busy, Fatal, Rejected, Transient, Unauthorised, Unsupported};
    for (kind, name, status, told) in [
        (Unauthorised, "unauthorised", 401, "unauthorised"),
        (Rejected, "forbidden", 403, "forbidden"),
        (Rejected, "too_many_mutations", 413, "too_many_mutations"),
        (Unsupported, "pattern_mismatch", 400, "pattern_mismatch"),
        (Unsupported, "protocol_unsupported", 426, "protocol_unsupported"),
        (Transient, "database_locked", 503, "database_locked"),
        (Busy, "busy", 503, "busy"),
        (Fatal, "corrupted_pages", 500, "internal_error"),
    ] {
        for format in [Format::Binary, Format::JsonLines] {
            let error = Error::new(kind, name, "table customers");
            let body = Body::from(encoded(format, &request()));
            let response = ask(refusing(error), options(), post(format).body(body).unwrap()).await;
            assert_eq!(response.status(), status, "{name}");
            let headers = response.headers();
            assert_eq!(headers.contains_key(header::WWW_AUTHENTICATE), status == 401);
            assert_eq!(headers.contains_key(header::RETRY_AFTER), status == 503);
            assert_eq!(headers.contains_key(header::UPGRADE), status == 426);
            assert_eq!(headers[header::CONTENT_TYPE], format.media_type());
            assert_eq!(code(response).await, told);
        }
    }
}

#[tokio::test]
async fn a_panic_in_a_plug_in_ends_its_request_alone() {
    let running = start(
        fake(|number| match number {
            0 => Next::Panic,
            _ => Next::Done,
        }),
        options(),
    )
    .await;
    let transport = HttpTransport::new(transport_options(&running.url)).unwrap();
    for _ in 0..2 {
        let error = transport.exchange(exchange()).await.err().unwrap();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Fatal, "internal_error"));
    }
    // In the middle of an answer it is a `failed` frame.
    let running = start(
        fake(|number| match number {
            0 => Next::Frame(welcome()),
            _ => Next::Panic,
        }),
        options(),
    )
    .await;
    let transport = HttpTransport::new(transport_options(&running.url)).unwrap();
    let mut answer = transport.exchange(exchange()).await.unwrap();
    assert!(matches!(
        answer.next().await.unwrap(),
        Some(AnswerFrame::Welcome(_))
    ));
    let Some(AnswerFrame::Failed(error)) = answer.next().await.unwrap() else {
        panic!()
    };
    assert_eq!(error.code, "internal_error");
}

#[tokio::test]
async fn more_requests_than_places_are_sent_away_and_places_come_back() {
    let mut narrow = options();
    narrow.max_concurrent_requests = 1;
    let running = start(
        fake(|number| match number {
            0 => Next::Frame(welcome()),
            _ => Next::Wait,
        }),
        narrow,
    )
    .await;
    let transport = HttpTransport::new(transport_options(&running.url)).unwrap();
    let first = transport.exchange(exchange()).await.unwrap();
    let error = transport.exchange(exchange()).await.err().unwrap();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Busy, "server_busy"));
    assert!(error.retry_after().is_some());
    drop(first);
    running.seen.dropped.notified().await;
    // The place is free once the task is gone, which is a moment after its answer.
    while transport.exchange(exchange()).await.is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn browsers_of_configured_origins_may_ask() {
    let mut web = options();
    web.cors_origins = vec!["https://app.example.org".into()];
    for (origin, allowed) in [
        ("https://app.example.org", true),
        ("https://evil.example.org", false),
    ] {
        let preflight = Request::builder()
            .method(Method::OPTIONS)
            .uri("/v1/sync")
            .header(header::ORIGIN, origin)
            .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
            .header(
                header::ACCESS_CONTROL_REQUEST_HEADERS,
                "authorization,content-type",
            )
            .body(Body::empty())
            .unwrap();
        let response = ask(fake(small), web.clone(), preflight).await;
        assert_eq!(response.status(), StatusCode::OK);
        let headers = response.headers();
        assert_eq!(headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN), allowed);
        let granted = headers[header::ACCESS_CONTROL_ALLOW_HEADERS].to_str().unwrap();
        assert!(granted.contains("authorization"), "{granted}");
    }
    // An error answer, too, can be read there.
    let refused = Request::post("/v1/sync")
        .header(header::ORIGIN, "https://app.example.org")
        .body(Body::empty())
        .unwrap();
    let response = ask(fake(small), web, refused).await;
    assert_eq!(response.status(), 415);
    assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
    assert!(
        response
            .headers()
            .contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN)
    );
    let mut wrong = options();
    wrong.cors_origins = vec!["app.example.org".into()];
    let error = onsync_http_server::router(std::sync::Arc::new(fake(small)), wrong).unwrap_err();
    assert_eq!(error.code(), "invalid_options");
}

#[tokio::test]
async fn health_tells_the_smaller_limit_and_needs_no_token() {
    let request = Request::get("/v1/health")
        .header("x-request-id", "from-the-proxy")
        .body(Body::empty())
        .unwrap();
    let response = ask(fake(small), options(), request).await;
    assert_eq!(response.headers()["x-request-id"], "from-the-proxy");
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
    assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
    let health: Health = serde_json::from_slice(&body(response).await).unwrap();
    assert_eq!(
        (health.service.as_str(), health.max_request_bytes),
        ("onsync", 16 << 20)
    );
    let wrong = Request::get("/v1/sync").body(Body::empty()).unwrap();
    assert_eq!(ask(fake(small), options(), wrong).await.status(), 405);
}
