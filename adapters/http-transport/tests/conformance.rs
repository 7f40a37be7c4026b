//! The contract of transports, kept over real sockets in both formats: the testkit's scripted server behind axum.
#![expect(
    clippy::unwrap_used,
    reason = "the helpers of a test fail by panicking, as the test does"
)]

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, LOCATION, RETRY_AFTER};
use axum::http::{Response, StatusCode};
use axum::routing::{get, post};
use futures_util::stream::unfold;
use onsync_core::platform::BoxFuture;
use onsync_core::transport::Transport;
use onsync_core::wire::{self, AnswerFrame, Decoder, Format, RequestFrame};
use onsync_core::{Result, portable_async};
use onsync_http_transport::{Compression, HttpTransport, HttpTransportOptions, WireFormat};
use onsync_testkit::transport::TransportPlace;
use onsync_testkit::transport::script::{Piece, Reply, ScriptedServer};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// Serves scripted servers on loopback; the other host is this machine by another name.
struct Loopback {
    format: WireFormat,
    compression: Compression,
    elsewhere: Arc<ScriptedServer>,
}

impl Loopback {
    fn new(format: WireFormat, compression: Compression) -> Self {
        Self {
            format,
            compression,
            elsewhere: Arc::new(ScriptedServer::new()),
        }
    }

    fn transport(&self, url: String) -> Result<Arc<dyn Transport>> {
        let mut options = HttpTransportOptions::new(url);
        options.format = self.format;
        options.compression = self.compression;
        options.time_out = Duration::from_secs(20);
        Ok(Arc::new(HttpTransport::new(options)?))
    }
}

#[derive(Clone)]
struct Carrier {
    server: Arc<ScriptedServer>,
    elsewhere: String,
}

async fn start(server: Arc<ScriptedServer>, elsewhere: String) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let router = Router::new()
        .route("/v1/sync", post(sync))
        .route("/v1/health", get(health))
        .with_state(Carrier { server, elsewhere });
    tokio::spawn(async move { axum::serve(listener, router).await });
    port
}

#[portable_async]
impl TransportPlace for Loopback {
    async fn connect(&self, server: Arc<ScriptedServer>) -> Result<Arc<dyn Transport>> {
        let other = start(self.elsewhere.clone(), String::new()).await;
        let port = start(server, format!("http://localhost:{other}/v1/sync")).await;
        self.transport(format!("http://127.0.0.1:{port}"))
    }

    async fn to_nobody(&self) -> Result<Arc<dyn Transport>> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let nobody = listener.local_addr().unwrap();
        drop(listener);
        self.transport(format!("http://{nobody}"))
    }

    fn elsewhere(&self) -> Option<Arc<ScriptedServer>> {
        Some(self.elsewhere.clone())
    }
}

fn token(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(AUTHORIZATION)?.to_str().unwrap();
    Some(value.strip_prefix("Bearer ").unwrap().to_owned())
}

fn respond(status: u16, headers: &[(axum::http::HeaderName, &str)], body: Body) -> Response<Body> {
    let mut response = Response::builder().status(StatusCode::from_u16(status).unwrap());
    for (name, value) in headers {
        response = response.header(name, *value);
    }
    response.body(body).unwrap()
}

async fn health(State(carrier): State<Carrier>, request: Request) -> Response<Body> {
    match carrier.server.accept_health(token(request.headers())) {
        Some(reply) => reply_with(&carrier, reply, Format::JsonLines).await,
        None => {
            let health = serde_json::to_vec(&ScriptedServer::health()).unwrap();
            respond(200, &[(CONTENT_TYPE, "application/json")], Body::from(health))
        }
    }
}

async fn sync(State(carrier): State<Carrier>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let media_type = parts.headers[CONTENT_TYPE].to_str().unwrap();
    let format = Format::from_media_type(media_type).unwrap();
    let mut body = to_bytes(body, 8 << 20).await.unwrap().to_vec();
    if parts.headers.contains_key(CONTENT_ENCODING) {
        body = zstd::stream::decode_all(body.as_slice()).unwrap();
    }
    let mut decoder = Decoder::new(format, 8 << 20);
    decoder.push(&body);
    let mut frames = Vec::new();
    while let Some(frame) = decoder.next_frame::<RequestFrame>().unwrap() {
        frames.push(frame);
    }
    let reply = carrier.server.accept(token(&parts.headers), frames);
    reply_with(&carrier, reply, format).await
}

async fn reply_with(carrier: &Carrier, reply: Reply, format: Format) -> Response<Body> {
    match reply {
        Reply::Answer(pieces) => answer(carrier, pieces, format),
        Reply::Page => respond(200, &[(CONTENT_TYPE, "text/html")], Body::from("<html>")),
        Reply::Empty => respond(200, &[(CONTENT_TYPE, format.media_type())], Body::empty()),
        Reply::Unauthorised => respond(401, &[], Body::empty()),
        Reply::Busy(None) => respond(503, &[], Body::empty()),
        Reply::Busy(Some(wait)) => {
            let seconds = wait.as_secs().to_string();
            respond(503, &[(RETRY_AFTER, &seconds)], Body::empty())
        }
        Reply::Broken => respond(500, &[], Body::empty()),
        Reply::Elsewhere => respond(307, &[(LOCATION, &carrier.elsewhere)], Body::empty()),
        Reply::Silent => {
            let _unfinished = Unfinished::of(carrier);
            std::future::pending().await
        }
    }
}

/// Reports an exchange that was not finished when it is dropped.
struct Unfinished(Option<Arc<ScriptedServer>>);

impl Unfinished {
    fn of(carrier: &Carrier) -> Self {
        Self(Some(carrier.server.clone()))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(server) = self.0.take() {
            server.gone();
        }
    }
}

struct Script {
    server: Arc<ScriptedServer>,
    pieces: VecDeque<Piece>,
    format: Format,
    whole: bool,
    unfinished: Unfinished,
}

fn answer(carrier: &Carrier, pieces: Vec<Piece>, format: Format) -> Response<Body> {
    let whole = matches!(
        pieces.last(),
        Some(Piece::Frame(AnswerFrame::End {} | AnswerFrame::Failed(_)))
    );
    let script = Script {
        server: carrier.server.clone(),
        pieces: pieces.into(),
        format,
        whole,
        unfinished: Unfinished::of(carrier),
    };
    let body = Body::from_stream(unfold(script, |mut script| async move {
        script.next().await.map(|bytes| (bytes, script))
    }));
    respond(200, &[(CONTENT_TYPE, format.media_type())], body)
}

impl Script {
    fn bytes(&self, frame: &AnswerFrame) -> Vec<u8> {
        let mut bytes = Vec::new();
        wire::encode(self.format, frame, &mut bytes).unwrap();
        bytes
    }

    async fn next(&mut self) -> Option<std::io::Result<Bytes>> {
        // What was said before is on its way before the next is made, and before the connection breaks.
        tokio::task::yield_now().await;
        loop {
            let bytes = match self.pieces.pop_front() {
                Some(Piece::Hold) => {
                    self.server.held().await;
                    continue;
                }
                Some(Piece::Frame(frame)) => self.bytes(&frame),
                Some(Piece::Repeat(_, 0)) => continue,
                Some(Piece::Repeat(frame, times)) => {
                    let bytes = self.bytes(&frame);
                    self.pieces.push_front(Piece::Repeat(frame, times - 1));
                    bytes
                }
                Some(Piece::Half(frame)) => {
                    let mut bytes = self.bytes(&frame);
                    bytes.truncate(bytes.len() / 2);
                    bytes
                }
                Some(Piece::Garbage) => b"\0\0\0\x04\xc1\xc1\xc1\n".to_vec(),
                None => {
                    self.unfinished.0 = None;
                    return (!self.whole).then(|| Err(std::io::ErrorKind::BrokenPipe.into()));
                }
            };
            self.server.sent();
            return Some(Ok(Bytes::from(bytes)));
        }
    }
}

/// The transport's futures need a tokio runtime.
fn on_tokio<T>(future: BoxFuture<'_, T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

mod binary {
    use super::*;
    onsync_testkit::transport_tests!(Loopback::new(WireFormat::Binary, Compression::Auto), on_tokio);
}

mod json_lines_compressed {
    use super::*;
    onsync_testkit::transport_tests!(Loopback::new(WireFormat::JsonLines, Compression::On), on_tokio);
}
