//! The network as users configure it: the normative sample, and a captive portal over real HTTP.

#![cfg(all(feature = "http", feature = "network", feature = "patterns"))]
#![expect(
    clippy::unwrap_used,
    reason = "the helpers of a test fail by panicking, as the test does"
)]

use onsync::config::Config;
use onsync::{App, Fields, OfflineReason, Outcome, Status};
use onsync_core::memory::server::MemoryServerStore;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

#[test]
fn the_network_of_the_normative_sample_is_one_that_can_be_built() {
    let sample = include_str!("../../engine/tests/data/onsync.toml");
    let network = sample.split("[network]").nth(1).unwrap();
    let kind = network.trim().lines().next().unwrap();
    let config = Config::from_text(&format!("[network]\n{kind}")).unwrap();
    assert_eq!(config.network.kind, "os+probe");
    onsync::registries().check_network(&config).unwrap();
}

const NOTES: &str = r#"
    [store]
    kind = "memory"
    [network]
    kind = "os+probe"
    [network.probe]
    retry_interval = "200ms"
    cap = "200ms"
    [retry]
    retry_interval = "1h"
    cap = "1h"
    [entities.Note]
    pattern = "read-write-last-write-wins"
    attributes = { id = "uuid", text = "text" }
"#;

/// A server, and what it holds.
async fn server() -> (SocketAddr, MemoryServerStore) {
    let store = MemoryServerStore::new(3);
    let server = onsync_server::Server::builder()
        .schema(Config::from_text(NOTES).unwrap().schema)
        .patterns(onsync::registries().patterns)
        .store(Arc::new(store.clone()))
        .authenticator(onsync_server::NoAuthentication)
        .build()
        .await
        .unwrap();
    let router = onsync_http_server::router(Arc::new(server), Default::default()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(onsync_http_server::serve(
        listener,
        router,
        std::future::pending(),
    ));
    (address, store)
}

/// What stands between the device and the server.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Open,
    Page,
    Redirect,
    NoContent,
}

impl Way {
    fn answer(self) -> &'static str {
        match self {
            Self::Open => "",
            Self::Page => {
                "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: text/html\r\ncontent-length: 13\r\n\r\n<html></html>"
            }
            Self::Redirect => {
                "HTTP/1.1 302 Found\r\nconnection: close\r\nlocation: http://login.portal.test/\r\ncontent-length: 0\r\n\r\n"
            }
            Self::NoContent => "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n",
        }
    }
}

/// A network in front of the server that answers in its place until somebody signed in.
async fn portal(server: SocketAddr, way: watch::Receiver<Way>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let way = *way.borrow();
            tokio::spawn(async move {
                if way == Way::Open {
                    let mut there = TcpStream::connect(server).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut stream, &mut there).await;
                    return;
                }
                let mut request = [0; 65_536];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(way.answer().as_bytes()).await;
                let _ = stream.shutdown().await;
            });
        }
    });
    format!("http://{address}")
}

/// Waits until the status is as wanted.
async fn until(app: &App, wanted: impl Fn(&Status) -> bool) -> Status {
    let mut watch = app.watch_status();
    let waits = async {
        loop {
            let status = watch.next().await.unwrap();
            if wanted(&status) {
                return status;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waits)
        .await
        .unwrap()
}

async fn is_told_apart(way: Way) {
    let (server, _store) = server().await;
    let (sender, receiver) = watch::channel(way);
    let mut config = Config::from_text(NOTES).unwrap();
    config.transport.url = Some(portal(server, receiver).await);
    let app = onsync::open_config(config).await.unwrap();
    app.create("Note", Fields::new().with("text", "written in a train"))
        .await
        .unwrap();
    let run = app.on_sync("", &Default::default()).unwrap();
    let status = until(&app, |status| !status.network.online && status.running.is_none()).await;
    assert_eq!(
        status.network.reason,
        Some(OfflineReason::CaptivePortal),
        "{way:?}: {status}"
    );
    assert_eq!(app.waiting(10).await.unwrap().len(), 1, "nothing is lost");
    // Somebody signs in. The wait of the run would last an hour; the probe ends it.
    sender.send_replace(Way::Open);
    let outcome = tokio::time::timeout(Duration::from_secs(30), run.outcome())
        .await
        .unwrap();
    assert!(
        matches!(outcome, Outcome::Completed(ref summary) if summary.applied == 1),
        "{outcome:?}"
    );
    assert!(until(&app, |status| status.waiting == 0).await.network.online);
}

#[tokio::test]
async fn a_portal_with_a_page_is_told_apart_and_the_run_goes_on_by_itself() {
    is_told_apart(Way::Page).await;
}

#[tokio::test]
async fn a_portal_that_redirects_is_told_apart_and_the_run_goes_on_by_itself() {
    is_told_apart(Way::Redirect).await;
}

#[tokio::test]
async fn a_portal_without_content_is_told_apart_and_the_run_goes_on_by_itself() {
    is_told_apart(Way::NoContent).await;
}
