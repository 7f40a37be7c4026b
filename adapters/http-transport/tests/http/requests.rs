//! What leaves the device.

use crate::peer::{Peer, Reply, TOKEN, all, answer, exchange, frames, options, request, response, welcome};
use onsync_core::error::ErrorKind;
use onsync_core::transport::{Credentials, Exchange, Transport};
use onsync_core::wire::{AnswerFrame, Decoder, Format, RequestFrame};
use onsync_http_transport::{Compression, HttpTransport, WireFormat};

fn large_request() -> Vec<RequestFrame> {
    let mut frames = request();
    if let RequestFrame::Hello(hello) = &mut frames[0] {
        hello.context = "Online ".repeat(1000);
    }
    frames
}

async fn good_peer(format: Format) -> Peer {
    let body = frames(format, &[welcome(), AnswerFrame::End {}]);
    let reply = match format {
        Format::Binary => answer(&body, &[]),
        Format::JsonLines => response("200 OK", &[("content-type", format.media_type())], &body),
    };
    Peer::start(vec![Reply::Close(reply)]).await
}

#[tokio::test]
async fn headers_say_what_is_sent_and_wanted() {
    for (wire, format) in [
        (WireFormat::Binary, Format::Binary),
        (WireFormat::JsonLines, Format::JsonLines),
    ] {
        let peer = good_peer(format).await;
        let mut options = options(format!("{}/apps/one/", peer.url()));
        options.format = wire;
        let transport = HttpTransport::new(options).unwrap();
        assert!(!format!("{transport:?}").contains(TOKEN));
        let answer = transport.exchange(exchange()).await.unwrap();
        assert_eq!(all(answer).await.unwrap().len(), 2);
        let head = peer.requests()[0].to_ascii_lowercase();
        assert!(head.starts_with("post /apps/one/v1/sync http/1.1\r\n"), "{head}");
        for wanted in [
            format!("content-type: {}\r\n", format.media_type()),
            format!("accept: {}\r\n", format.media_type()),
            "accept-encoding: zstd, gzip\r\n".to_owned(),
            format!("authorization: bearer {TOKEN}\r\n"),
        ] {
            assert!(head.contains(&wanted), "{wanted} in {head}");
        }
        let mut decoder = Decoder::new(format, 1 << 20);
        decoder.push(&peer.body());
        let first: Option<RequestFrame> = decoder.next_frame().unwrap();
        assert!(matches!(first, Some(RequestFrame::Hello(_))));
    }
}

#[tokio::test]
async fn large_bodies_are_compressed_where_it_is_worth_it() {
    for (compression, small, packed, accepts) in [
        (Compression::On, false, true, true),
        (Compression::On, true, false, true),
        // The peer is on this machine.
        (Compression::Auto, false, false, true),
        (Compression::Off, false, false, false),
    ] {
        let peer = good_peer(Format::Binary).await;
        let mut options = options(peer.url());
        options.compression = compression;
        let transport = HttpTransport::new(options).unwrap();
        let frames = if small { request() } else { large_request() };
        let exchange = Exchange {
            frames,
            credentials: None,
            time_out: None,
        };
        all(transport.exchange(exchange).await.unwrap()).await.unwrap();
        let head = peer.requests()[0].to_ascii_lowercase();
        assert_eq!(
            head.contains("content-encoding: zstd"),
            packed,
            "{compression:?} {small}"
        );
        assert_eq!(head.contains("accept-encoding"), accepts, "{compression:?}");
        assert!(!head.contains("authorization"));
        if packed {
            let plain = zstd::bulk::decompress(&peer.body(), 1 << 20).unwrap();
            assert!(plain.len() > 7000 && peer.body().len() < 1000);
        }
    }
}

#[tokio::test]
async fn too_large_a_request_is_not_sent_at_all() {
    let peer = good_peer(Format::Binary).await;
    let mut options = options(peer.url());
    options.max_request_bytes = 1000;
    let transport = HttpTransport::new(options).unwrap();
    let exchange = Exchange {
        frames: large_request(),
        ..exchange()
    };
    let error = transport.exchange(exchange).await.err().unwrap();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Rejected, "request_too_large")
    );
    assert_eq!(peer.requests().len(), 0);
}

#[tokio::test]
async fn a_token_that_fits_in_no_header_is_refused_without_being_repeated() {
    let peer = good_peer(Format::Binary).await;
    let transport = HttpTransport::new(options(peer.url())).unwrap();
    let exchange = Exchange {
        credentials: Some(Credentials::bearer(format!("{TOKEN}\r\nx-evil: 1"))),
        ..exchange()
    };
    let error = transport.exchange(exchange).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Unauthorised);
    assert!(!format!("{error:?}").contains(TOKEN));
    assert_eq!(peer.requests().len(), 0);
}

#[tokio::test]
async fn answers_are_read_compressed_either_way_and_counted_as_they_came() {
    let whole = frames(Format::Binary, &[welcome(), AnswerFrame::End {}]);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, &whole).unwrap();
    for (encoding, body) in [
        ("identity", whole.clone()),
        ("zstd", zstd::bulk::compress(&whole, 3).unwrap()),
        ("gzip", gzip.finish().unwrap()),
    ] {
        let reply = answer(&body, &[("content-encoding", encoding)]);
        let peer = Peer::start(vec![Reply::Close(reply)]).await;
        let transport = HttpTransport::new(options(peer.url())).unwrap();
        let mut answer = transport.exchange(exchange()).await.unwrap();
        let mut count = 0;
        while answer.next().await.unwrap().is_some() {
            count += 1;
        }
        assert_eq!((count, answer.bytes()), (2, body.len() as u64), "{encoding}");
        assert!(answer.next().await.unwrap().is_none());
    }
}
