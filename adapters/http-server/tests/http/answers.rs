//! Answers: streamed, compressed, stopped; with the real transport at the other end.

use crate::fake::{
    Next, ask, body, decode, encoded, exchange, fake, page, post, request, small, start, start_router,
    transport_options, welcome,
};
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, header};
use axum::middleware::map_request;
use onsync_core::error::{Error, ErrorKind};
use onsync_core::transport::{Exchange, Transport};
use onsync_core::wire::{AnswerFrame, Format, RequestFrame};
use onsync_http_server::{Compression, HttpServerOptions, router};
use onsync_http_transport::{Compression as Requests, HttpTransport, WireFormat};
use std::collections::BTreeSet;
use std::io::Read;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

const PAGES: usize = 200;
const ROWS: usize = 500;

fn pages(number: usize) -> Next {
    match number {
        0 => Next::Frame(welcome()),
        number if number <= PAGES => Next::Frame(page(number - 1, ROWS)),
        _ => Next::Frame(AnswerFrame::End {}),
    }
}

fn compressing(compression: Compression) -> HttpServerOptions {
    let mut options = HttpServerOptions::default();
    options.compression = compression;
    options
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_ends_carry_every_frame_in_every_form() {
    for format in [WireFormat::Binary, WireFormat::JsonLines] {
        let mut sizes = Vec::new();
        for (server, client) in [
            (Compression::Off, Requests::Off),
            (Compression::On, Requests::On),
            // The client does not accept it.
            (Compression::On, Requests::Off),
            // Both are on this machine.
            (Compression::Auto, Requests::Auto),
        ] {
            let running = start(fake(pages), compressing(server)).await;
            let mut options = transport_options(&running.url);
            options.format = format;
            options.compression = client;
            let transport = HttpTransport::new(options).unwrap();
            let mut frames = request();
            if let RequestFrame::Hello(hello) = &mut frames[0] {
                hello.context = "Online ".repeat(1000);
            }
            let exchange = Exchange { frames, ..exchange() };
            let mut answer = transport.exchange(exchange).await.unwrap();
            assert!(matches!(
                answer.next().await.unwrap(),
                Some(AnswerFrame::Welcome(_))
            ));
            for number in 0..PAGES {
                let Some(AnswerFrame::Page(found)) = answer.next().await.unwrap() else {
                    panic!()
                };
                let AnswerFrame::Page(wanted) = page(number, ROWS) else {
                    panic!()
                };
                assert_eq!(found.rows.len(), ROWS);
                assert_eq!(found.rows.row(ROWS - 1), wanted.rows.row(ROWS - 1));
            }
            assert!(matches!(answer.next().await.unwrap(), Some(AnswerFrame::End {})));
            assert!(answer.next().await.unwrap().is_none());
            sizes.push(answer.bytes());
            let seen = running.seen.requests.lock().unwrap().clone();
            assert_eq!(seen, [(Some("token-1".to_owned()), 2)]);
        }
        assert!(
            sizes[1] < sizes[0] * 3 / 4 && sizes[2] == sizes[0] && sizes[3] == sizes[0],
            "{sizes:?}"
        );
    }
}

#[tokio::test]
async fn codings_are_negotiated_and_tiny_answers_left_alone() {
    let asked = |accept: &'static str| {
        post(Format::Binary)
            .header(header::ACCEPT_ENCODING, accept)
            .body(Body::from(encoded(Format::Binary, &request())))
            .unwrap()
    };
    for (accept, wanted) in [("zstd, gzip", Some("zstd")), ("gzip", Some("gzip")), ("br", None)] {
        // A router without a known peer compresses.
        let response = ask(fake(pages), compressing(Compression::Auto), asked(accept)).await;
        let coding = response
            .headers()
            .get(header::CONTENT_ENCODING)
            .map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(coding.as_deref(), wanted);
        assert_eq!(response.headers()[header::VARY], "accept, accept-encoding");
        let mut plain = Vec::new();
        let raw = body(response).await;
        match wanted {
            Some("zstd") => plain = zstd::stream::decode_all(raw.as_slice()).unwrap(),
            Some(_) => {
                flate2::read::GzDecoder::new(raw.as_slice())
                    .read_to_end(&mut plain)
                    .unwrap();
            }
            None => plain = raw,
        }
        assert_eq!(decode(Format::Binary, &plain).len(), PAGES + 2);

        let tiny = ask(fake(small), compressing(Compression::On), asked(accept)).await;
        assert!(!tiny.headers().contains_key(header::CONTENT_ENCODING));
        assert_eq!(decode(Format::Binary, &body(tiny).await).len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_stands_still_slows_the_service_down() {
    // An endless answer: were it not held back, it would fill the memory.
    let endless = |number: usize| match number {
        0 => Next::Frame(welcome()),
        number => Next::Frame(page(number, 5000)),
    };
    let running = start(fake(endless), HttpServerOptions::default()).await;
    let transport = HttpTransport::new(transport_options(&running.url)).unwrap();
    let mut answer = transport.exchange(exchange()).await.unwrap();
    for _ in 0..3 {
        answer.next().await.unwrap();
    }
    // What both sockets hold, and no more, whatever else the server finds time for.
    for _ in 0..300 {
        transport.health().await.unwrap();
    }
    let last = running.seen.asked.load(Ordering::SeqCst);
    assert!(
        last < 100,
        "{last} pages of 200 kB were made for three that were read"
    );
    drop(answer);
    running.seen.dropped.notified().await;
}

#[tokio::test]
async fn a_client_that_goes_away_stops_the_work() {
    let stuck = |number: usize| match number {
        0 => Next::Frame(welcome()),
        _ => Next::Wait,
    };
    let running = start(fake(stuck), HttpServerOptions::default()).await;
    let transport = HttpTransport::new(transport_options(&running.url)).unwrap();
    // What is ready arrives although the service is not.
    let mut answer = transport.exchange(exchange()).await.unwrap();
    assert!(matches!(
        answer.next().await.unwrap(),
        Some(AnswerFrame::Welcome(_))
    ));
    drop(answer);
    running.seen.dropped.notified().await;

    // Also before the answer has begun.
    let running = start(fake(|_| Next::Wait), HttpServerOptions::default()).await;
    let transport = HttpTransport::new(transport_options(&running.url)).unwrap();
    let asking = tokio::spawn(async move { transport.exchange(exchange()).await.err() });
    while running.seen.asked.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    asking.abort();
    running.seen.dropped.notified().await;
}

#[tokio::test]
async fn errors_within_an_answer_arrive_as_frames_and_unfinished_ones_as_failed() {
    for (last, code) in [
        (Error::busy("database_locked", "busy"), "database_locked"),
        (Error::fatal("secret_inside", "table customers"), "internal_error"),
    ] {
        let failing = move |number: usize| match number {
            0 => Next::Frame(welcome()),
            _ => Next::Fail(last.clone()),
        };
        let running = start(fake(failing), HttpServerOptions::default()).await;
        let transport = HttpTransport::new(transport_options(&running.url)).unwrap();
        let mut answer = transport.exchange(exchange()).await.unwrap();
        answer.next().await.unwrap();
        let Some(AnswerFrame::Failed(error)) = answer.next().await.unwrap() else {
            panic!()
        };
        assert_eq!(error.code, code);
        assert!(answer.next().await.unwrap().is_none());
    }
    let unfinished = |number: usize| match number {
        0 => Next::Frame(welcome()),
        _ => Next::Done,
    };
    let running = start(fake(unfinished), HttpServerOptions::default()).await;
    let transport = HttpTransport::new(transport_options(&running.url)).unwrap();
    let mut answer = transport.exchange(exchange()).await.unwrap();
    answer.next().await.unwrap();
    assert!(matches!(
        answer.next().await.unwrap(),
        Some(AnswerFrame::Failed(_))
    ));
}

#[tokio::test]
async fn connections_are_used_again() {
    let peers = Arc::new(Mutex::new(BTreeSet::new()));
    let service = fake(pages);
    let seen = service.seen.clone();
    let noted = peers.clone();
    let router = router(Arc::new(service), HttpServerOptions::default())
        .unwrap()
        .layer(map_request(
            move |ConnectInfo(peer): ConnectInfo<SocketAddr>, request: Request<Body>| {
                noted.lock().unwrap().insert(peer);
                std::future::ready(request)
            },
        ));
    let mut running = start_router(router, seen).await;
    let transport = HttpTransport::new(transport_options(&running.url)).unwrap();
    for _ in 0..3 {
        let mut answer = transport.exchange(exchange()).await.unwrap();
        while answer.next().await.unwrap().is_some() {}
    }
    transport.health().await.unwrap();
    assert_eq!(peers.lock().unwrap().len(), 1);
    // An orderly end waits for nothing that is idle.
    running.stop.take().unwrap().send(()).unwrap();
    running.ended.await.unwrap().unwrap();
    let error = transport.exchange(exchange()).await.err().unwrap();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Offline, "server_unreachable")
    );
}

#[tokio::test]
async fn stopping_lets_running_answers_end() {
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let opened = gate.clone();
    let slow = move |number: usize| match number {
        0 => Next::Frame(welcome()),
        number if number < 5 => Next::Frame(page(number, 2000)),
        _ if opened.is_closed() => Next::Frame(AnswerFrame::End {}),
        _ => Next::Frame(page(number, 2000)),
    };
    let mut running = start(fake(slow), HttpServerOptions::default()).await;
    let transport = HttpTransport::new(transport_options(&running.url)).unwrap();
    let mut answer = transport.exchange(exchange()).await.unwrap();
    answer.next().await.unwrap();
    running.stop.take().unwrap().send(()).unwrap();
    answer.next().await.unwrap();
    gate.close();
    while answer.next().await.unwrap().is_some() {}
    running.ended.await.unwrap().unwrap();
}
