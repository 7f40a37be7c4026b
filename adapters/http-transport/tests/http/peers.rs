//! Every way in which what answers may be broken, hostile, or no OnSync server at all.

use crate::peer::{Peer, Reply, TOKEN, answer, exchange, failure, frames, options, response, run, welcome};
use onsync_core::error::ErrorKind;
use onsync_core::transport::Transport;
use onsync_core::wire::{AnswerFrame, Format, MAX_FRAME_BYTES, WireError};
use onsync_http_transport::{HttpTransport, WireFormat};
use std::io::Write;
use std::time::Duration;

fn close(status: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    Reply::Close(response(status, headers, body))
}

#[tokio::test]
async fn what_is_no_onsync_server_is_told_and_gives_no_frame() {
    let html = ("content-type", "text/html; charset=utf-8");
    let cases = [
        (
            close("200 OK", &[html], b"<html>sign in</html>"),
            ErrorKind::Offline,
            "text/html",
        ),
        (close("200 OK", &[], b""), ErrorKind::Transient, "no content type"),
        (close("204 No Content", &[], b""), ErrorKind::Transient, "204"),
        (Reply::Close(answer(b"", &[])), ErrorKind::Transient, "empty body"),
        (
            close("200 OK", &[("content-type", "application/json")], b"[]"),
            ErrorKind::Unsupported,
            "application/json",
        ),
        (
            close("404 Not Found", &[html], b"<html>"),
            ErrorKind::Unsupported,
            "/v1/sync",
        ),
    ];
    for (reply, kind, found) in cases {
        let error = failure(reply).await;
        assert_eq!((error.kind(), error.code()), (kind, "not_onsync"), "{error}");
        assert!(error.to_string().contains(found), "{error}");
    }
}

#[tokio::test]
async fn an_answer_that_ends_early_fails_after_the_frames_that_came() {
    let whole = frames(Format::Binary, &[welcome(), AnswerFrame::End {}]);
    let end = frames(Format::Binary, &[AnswerFrame::End {}]).len();
    for cut in [1, whole.len() - end, whole.len() - 1] {
        let error = failure(Reply::Close(answer(&whole[..cut], &[]))).await;
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::Transient, "answer_truncated"),
            "{cut}"
        );
    }
    // A length that is announced and not kept.
    let length = (whole.len() + 5).to_string();
    let cut = answer(
        &whole[..whole.len() - end],
        &[("content-length", length.as_str())],
    );
    assert_eq!(failure(Reply::Close(cut)).await.code(), "answer_truncated");
    // A compressed body that is cut.
    let packed = zstd::bulk::compress(&whole, 1).unwrap();
    let cut = answer(&packed[..packed.len() - 4], &[("content-encoding", "zstd")]);
    assert_eq!(failure(Reply::Close(cut)).await.code(), "answer_truncated");
}

#[tokio::test]
async fn a_failed_answer_stays_failed() {
    let peer = Peer::start(vec![Reply::Close(answer(
        &frames(Format::Binary, &[welcome()]),
        &[],
    ))])
    .await;
    let transport = HttpTransport::new(options(peer.url())).unwrap();
    let mut answer = transport.exchange(exchange()).await.unwrap();
    assert!(matches!(
        answer.next().await.unwrap(),
        Some(AnswerFrame::Welcome(_))
    ));
    for _ in 0..2 {
        assert_eq!(answer.next().await.unwrap_err().code(), "answer_truncated");
    }
}

#[tokio::test]
async fn garbage_and_oversized_frames_are_refused() {
    let oversized = u32::try_from(MAX_FRAME_BYTES + 1).unwrap().to_be_bytes();
    for (body, headers, code) in [
        (b"\0\0\0\x05<htm>".to_vec(), vec![], "invalid_frame"),
        (oversized.to_vec(), vec![], "frame_too_large"),
        (
            b"this is not zstd".to_vec(),
            vec![("content-encoding", "zstd")],
            "invalid_answer",
        ),
        (
            b"this is not gzip".to_vec(),
            vec![("content-encoding", "gzip")],
            "invalid_answer",
        ),
        (b"x".to_vec(), vec![("content-encoding", "br")], "invalid_answer"),
    ] {
        let error = failure(Reply::Close(answer(&body, &headers))).await;
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::Corrupt, code),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_large_frame_passes_and_a_bomb_does_not() {
    let wire = |length: usize| WireError {
        kind: "transient".into(),
        code: "x".into(),
        message: "y".repeat(length),
        retry_after: None,
    };
    let large = frames(
        Format::JsonLines,
        &[AnswerFrame::Failed(wire(5 << 20)), AnswerFrame::End {}],
    );
    let mut zstd_bomb = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    let mut gzip_bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    for _ in 0..256 {
        zstd_bomb.write_all(&[b'x'; 1 << 20]).unwrap();
        gzip_bomb.write_all(&[b'x'; 1 << 20]).unwrap();
    }
    for (encoding, body, code) in [
        ("zstd", zstd::bulk::compress(&large, 1).unwrap(), None),
        ("zstd", zstd_bomb.finish().unwrap(), Some("frame_too_large")),
        ("gzip", gzip_bomb.finish().unwrap(), Some("frame_too_large")),
    ] {
        let reply = response(
            "200 OK",
            &[
                ("content-type", Format::JsonLines.media_type()),
                ("content-encoding", encoding),
            ],
            &body,
        );
        let peer = Peer::start(vec![Reply::Close(reply)]).await;
        let mut options = options(peer.url());
        options.format = WireFormat::JsonLines;
        let found = run(options).await;
        assert_eq!(found.as_ref().err().map(|error| error.code()), code);
    }
}

#[tokio::test]
async fn redirects_stay_within_the_origin_and_the_token_too() {
    let elsewhere = Peer::start(vec![Reply::Close(answer(b"", &[]))]).await;
    let to = format!("http://localhost:{}/v1/sync", elsewhere.address.port());
    for status in [
        "301 Moved",
        "302 Found",
        "303 See Other",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ] {
        let error = failure(close(status, &[("location", &to)], b"")).await;
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::Offline, "redirect_refused")
        );
        assert!(error.to_string().contains("localhost"), "{error}");
    }
    let error = failure(close("302 Found", &[], b"")).await;
    assert_eq!(error.code(), "redirect_refused");
    assert_eq!(elsewhere.requests().len(), 0);

    let whole = frames(Format::Binary, &[welcome(), AnswerFrame::End {}]);
    let moved = close("308 Permanent Redirect", &[("location", "/other/v1/sync")], b"");
    let peer = Peer::start(vec![moved.clone(), Reply::Close(answer(&whole, &[]))]).await;
    assert_eq!(run(options(peer.url())).await.unwrap().len(), 2);
    let requests = peer.requests();
    assert!(requests[1].starts_with("POST /other/v1/sync"), "{}", requests[1]);
    assert!(requests[1].contains(TOKEN));

    let circle = Peer::start(vec![moved]).await;
    let error = run(options(circle.url())).await.unwrap_err();
    assert_eq!(error.code(), "redirect_refused");
    assert_eq!(circle.requests().len(), 4);
}

#[tokio::test]
async fn statuses_have_their_kinds_and_patience() {
    use ErrorKind::{Fatal, Rejected, Transient, Unauthorised, Unsupported};
    for (status, pause, kind, code, wanted) in [
        ("401 Unauthorized", "", Unauthorised, "unauthorised", None),
        ("403 Forbidden", "", Fatal, "forbidden", None),
        ("413 Too Large", "", Rejected, "request_too_large", None),
        ("426 Upgrade", "", Unsupported, "protocol_unsupported", None),
        ("429 Slow Down", "7", Transient, "server_busy", Some(7)),
        ("503 Busy", "99999", Transient, "server_busy", Some(3600)),
        ("503 Busy", "whenever", Transient, "server_busy", None),
        ("502 Bad Gateway", "", Transient, "server_error", None),
    ] {
        let error = failure(close(
            status,
            &[("retry-after", pause), ("content-type", "text/html")],
            b"<html>",
        ))
        .await;
        assert_eq!((error.kind(), error.code()), (kind, code), "{status}: {error}");
        assert_eq!(
            error.retry_after(),
            wanted.map(Duration::from_secs),
            "{status} {pause}"
        );
    }
}

/// Seconds and dates, past and future, huge and nonsense, as real headers of a real answer; dates count by the server's own clock.
#[tokio::test]
async fn what_retry_after_asks_for_is_obeyed_within_reason() {
    const NOW: &str = "Sun, 22 Nov 2026 10:00:00 GMT";
    for (pause, wanted) in [
        ("0", Some(0)),
        ("120", Some(120)),
        ("3601", Some(3600)),
        ("18446744073709551615", Some(3600)),
        ("18446744073709551616", None),
        ("-5", None),
        ("1e3", None),
        ("12 s", None),
        ("\u{e9}", None),
        ("Sun, 22 Nov 2026 10:00:30 GMT", Some(30)),
        ("Sunday, 22-Nov-26 10:00:30 GMT", Some(30)),
        ("Sun Nov 22 10:00:30 2026", Some(30)),
        ("Sun, 22 Nov 2026 09:00:00 GMT", Some(0)),
        ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
        ("Fri, 31 Dec 9999 23:59:59 GMT", Some(3600)),
        ("Sun, 31 Nov 2026 10:00:00 GMT", None),
        ("Sun, 22 Nov 2026 25:00:00 GMT", None),
    ] {
        let headers = [
            ("retry-after", pause),
            ("date", NOW),
            ("content-type", "text/html"),
        ];
        for status in ["503 Busy", "429 Slow Down"] {
            let error = failure(close(status, &headers, b"<html>")).await;
            assert_eq!(
                error.retry_after(),
                wanted.map(Duration::from_secs),
                "{status} {pause}"
            );
        }
    }
    let twice = [
        ("retry-after", "7"),
        ("retry-after", "99"),
        ("content-type", "text/html"),
    ];
    let error = failure(close("503 Busy", &twice, b"")).await;
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    let permanent = [("retry-after", "7"), ("content-type", "text/html")];
    let error = failure(close("403 Forbidden", &permanent, b"")).await;
    assert_eq!(error.retry_after(), None, "it is not tried again");
}

#[tokio::test]
async fn the_server_s_own_words_count_in_either_form() {
    let wire = WireError {
        kind: "busy".into(),
        code: "database_locked".into(),
        message: "the database is busy".into(),
        retry_after: Some(3),
    };
    let json = serde_json::to_vec(&wire).unwrap();
    let binary = frames(Format::Binary, &[AnswerFrame::Failed(wire.clone())]);
    for (content_type, body) in [("application/json", json), (Format::Binary.media_type(), binary)] {
        let error = failure(close("503 Busy", &[("content-type", content_type)], &body)).await;
        assert_eq!(
            (error.kind(), error.code(), error.message()),
            (ErrorKind::Busy, "database_locked", "the database is busy")
        );
        assert_eq!(error.retry_after(), Some(Duration::from_secs(3)));
    }
}

#[tokio::test]
async fn silence_is_told_from_refusal() {
    let begun = answer(&frames(Format::Binary, &[welcome()]), &[]);
    for reply in [Reply::Hang(Vec::new()), Reply::Hang(begun)] {
        let peer = Peer::start(vec![reply]).await;
        let mut options = options(peer.url());
        options.time_out = Duration::from_millis(30);
        let error = run(options).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Transient, "time_out"));
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = listener.local_addr().unwrap();
    drop(listener);
    for url in [format!("http://{nobody}"), "http://nowhere.invalid".to_owned()] {
        let error = run(options(url.clone())).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::Offline, "server_unreachable"),
            "{error}"
        );
        assert!(
            error.to_string().contains(url.trim_start_matches("http://")),
            "{error}"
        );
    }
    let error = failure(Reply::Close(Vec::new())).await;
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Transient, "connection_lost")
    );
    let error = failure(Reply::Close(b"220 smtp.example.org\r\n".to_vec())).await;
    assert_eq!(error.kind(), ErrorKind::Transient, "{error}");
}

#[tokio::test]
async fn a_certificate_nobody_trusts_is_told() {
    // A peer that speaks no TLS at all fails the handshake the same way.
    let peer = Peer::start(vec![Reply::Greet(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec())]).await;
    let error = run(options(peer.url().replace("http://", "https://")))
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Transient, "tls_failed"),
        "{error}"
    );
}

#[tokio::test]
async fn an_endless_error_body_is_not_read_to_its_end() {
    let head = response("500 Oops", &[("content-type", "application/json")], b"");
    let error = failure(Reply::Repeat(head, vec![b' '; 1 << 16])).await;
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Transient, "server_error")
    );
}

#[tokio::test]
async fn health_is_believed_from_an_onsync_server_only() {
    let json = ("content-type", "application/json");
    let good = br#"{"service":"onsync","protocol":1,"max_request_bytes":9,"max_mutations":3}"#;
    let peer = Peer::start(vec![close("200 OK", &[json], good)]).await;
    let health = HttpTransport::new(options(peer.url()))
        .unwrap()
        .health()
        .await
        .unwrap();
    assert_eq!(health.max_request_bytes, 9);
    assert!(peer.requests()[0].starts_with("GET /v1/health "));
    for (headers, body) in [
        (
            json,
            &br#"{"service":"other","protocol":1,"max_request_bytes":9,"max_mutations":3}"#[..],
        ),
        (json, b"{}"),
        (("content-type", "text/html"), b"<html>"),
    ] {
        let peer = Peer::start(vec![close("200 OK", &[headers], body)]).await;
        let error = HttpTransport::new(options(peer.url()))
            .unwrap()
            .health()
            .await
            .unwrap_err();
        assert_eq!(error.code(), "not_onsync");
    }
}
