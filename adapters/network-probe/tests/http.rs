//! Over real HTTP: a server, a captive portal in its shapes, and nobody.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers of a test fail by panicking, as the test does"
)]

use onsync_core::network::{NetworkMonitor, NetworkStatus, OfflineReason};
use onsync_core::platform::BoxFuture;
use onsync_core::runtime::Runtime;
use onsync_core::value::Timestamp;
use onsync_http_transport::{HttpTransport, HttpTransportOptions};
use onsync_network_probe::{ProbeMonitor, ProbeMonitorOptions};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

struct Tokio(Instant);

impl Runtime for Tokio {
    fn now(&self) -> Timestamp {
        Timestamp::from_count(0).unwrap()
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }

    fn spawn(&self, future: BoxFuture<'static, ()>) {
        tokio::spawn(future);
    }

    fn random(&self, bytes: &mut [u8]) {
        bytes.fill(0);
    }
}

/// Answers every request with these bytes.
async fn answering(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut request = [0; 4_096];
                // The head of a request without a body comes in one piece on loopback.
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    format!("http://{address}")
}

/// What the monitor finds at this address at last.
async fn found(url: &str) -> NetworkStatus {
    let transport = HttpTransport::new(HttpTransportOptions::new(url)).unwrap();
    let monitor = ProbeMonitor::start(
        Arc::new(transport),
        Arc::new(Tokio(Instant::now())),
        ProbeMonitorOptions::default(),
    );
    let change = monitor.changed(NetworkStatus::assumed());
    tokio::time::timeout(Duration::from_secs(30), change)
        .await
        .unwrap()
}

async fn is_portal(answer: &'static str) {
    let status = found(&answering(answer).await).await;
    assert_eq!(status.reason, Some(OfflineReason::CaptivePortal), "{answer}");
}

#[tokio::test]
async fn a_page_for_people_is_a_captive_portal() {
    is_portal("HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 13\r\n\r\n<html></html>").await;
}

#[tokio::test]
async fn a_redirect_to_a_login_page_is_a_captive_portal() {
    is_portal("HTTP/1.1 302 Found\r\nlocation: http://login.portal.test/\r\ncontent-length: 0\r\n\r\n").await;
}

#[tokio::test]
async fn no_content_is_a_captive_portal() {
    is_portal("HTTP/1.1 204 No Content\r\n\r\n").await;
}

#[tokio::test]
async fn a_network_that_wants_a_sign_in_is_a_captive_portal() {
    is_portal("HTTP/1.1 511 Network Authentication Required\r\ncontent-length: 0\r\n\r\n").await;
}

#[tokio::test]
async fn another_service_is_a_captive_portal() {
    is_portal(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 76\r\n\r\n\
         {\"service\":\"other\",\"protocol\":1,\"max_request_bytes\":1024,\"max_mutations\":1024}",
    )
    .await;
}

#[tokio::test]
async fn nobody_is_a_server_that_cannot_be_reached() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let status = found(&url).await;
    assert_eq!(status.reason, Some(OfflineReason::ServerUnreachable));
}

#[tokio::test]
async fn the_real_server_is_online_again_after_a_portal() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (signed_in, mut wait) = tokio::sync::watch::channel(false);
    let portal = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: text/html\r\ncontent-length: 13\r\n\r\n<html></html>";
    let body = r#"{"service":"onsync","protocol":1,"max_request_bytes":1024,"max_mutations":1}"#;
    let server = format!(
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4_096];
            let _ = stream.read(&mut request).await;
            let answer = if *wait.borrow_and_update() {
                server.as_str()
            } else {
                portal
            };
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    let transport = HttpTransport::new(HttpTransportOptions::new(&url)).unwrap();
    let monitor = ProbeMonitor::start(
        Arc::new(transport),
        Arc::new(Tokio(Instant::now())),
        ProbeMonitorOptions::default(),
    );
    let limit = Duration::from_secs(30);
    let change = monitor.changed(monitor.current());
    let status = tokio::time::timeout(limit, change).await.unwrap();
    assert_eq!(status.reason, Some(OfflineReason::CaptivePortal));
    signed_in.send_replace(true);
    let status = tokio::time::timeout(limit, monitor.changed(status))
        .await
        .unwrap();
    assert!(status.online);
}
