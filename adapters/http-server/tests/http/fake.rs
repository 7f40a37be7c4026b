//! A service that answers as scripted, and what is needed to ask it.

use axum::Router;
use axum::body::Body;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{Request, Response};
use futures_util::StreamExt;
use onsync_core::error::Result;
use onsync_core::page::{Checkpoint, KeyRange, Page, PageKind};
use onsync_core::portable_async;
use onsync_core::rows::RowSet;
use onsync_core::transport::{Answer, Credentials, Exchange};
use onsync_core::value::{Value, ValueType};
use onsync_core::wire::{self, AnswerFrame, Decoder, Format, Health, Hello, PROTOCOL, RequestFrame, Welcome};
use onsync_http_server::{HttpServerOptions, router, serve};
use onsync_http_transport::HttpTransportOptions;
use onsync_server::SyncService;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot};
use tower::ServiceExt;

/// Gives the next frame, or what else happens when it is asked for.
#[expect(clippy::large_enum_variant, reason = "made and taken apart at once")]
pub(crate) enum Next {
    Frame(AnswerFrame),
    Done,
    Fail(onsync_core::Error),
    Panic,
    /// Never anything.
    Wait,
}

/// From the number of the frame to the frame.
pub(crate) type Script = Arc<dyn Fn(usize) -> Next + Send + Sync>;

/// What a test learns from the service.
#[derive(Default)]
pub(crate) struct Seen {
    /// Tokens and numbers of frames, per request.
    pub(crate) requests: Mutex<Vec<(Option<String>, usize)>>,
    /// How many frames were asked for.
    pub(crate) asked: AtomicUsize,
    /// Told when an answer is dropped.
    pub(crate) dropped: Notify,
}

pub(crate) struct Fake {
    pub(crate) seen: Arc<Seen>,
    pub(crate) refuse: Option<onsync_core::Error>,
    pub(crate) script: Script,
}

struct Scripted {
    seen: Arc<Seen>,
    script: Script,
    number: usize,
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.seen.dropped.notify_one();
    }
}

#[portable_async]
impl Answer for Scripted {
    async fn next(&mut self) -> Result<Option<AnswerFrame>> {
        self.seen.asked.fetch_add(1, Ordering::SeqCst);
        self.number += 1;
        match (self.script)(self.number - 1) {
            Next::Frame(frame) => Ok(Some(frame)),
            Next::Done => Ok(None),
            Next::Fail(error) => Err(error),
            Next::Panic => panic!("a plug-in's own fault"),
            Next::Wait => std::future::pending().await,
        }
    }

    fn bytes(&self) -> u64 {
        0
    }
}

#[portable_async]
impl SyncService for Fake {
    async fn sync(&self, token: Option<&str>, frames: Vec<RequestFrame>) -> Result<Box<dyn Answer>> {
        let seen = (token.map(str::to_owned), frames.len());
        self.seen.requests.lock().unwrap().push(seen);
        match &self.refuse {
            Some(error) => Err(error.clone()),
            None => Ok(Box::new(Scripted {
                seen: self.seen.clone(),
                script: self.script.clone(),
                number: 0,
            })),
        }
    }

    fn health(&self) -> Health {
        Health {
            service: "onsync".into(),
            protocol: PROTOCOL,
            max_request_bytes: 1 << 40,
            max_mutations: 1000,
        }
    }
}

pub(crate) fn fake(script: impl Fn(usize) -> Next + Send + Sync + 'static) -> Fake {
    Fake {
        seen: Arc::default(),
        refuse: None,
        script: Arc::new(script),
    }
}

pub(crate) fn refusing(error: onsync_core::Error) -> Fake {
    Fake {
        refuse: Some(error),
        ..fake(|_| Next::Done)
    }
}

/// `welcome`, `end`.
pub(crate) fn small(number: usize) -> Next {
    match number {
        0 => Next::Frame(welcome()),
        1 => Next::Frame(AnswerFrame::End {}),
        _ => Next::Done,
    }
}

pub(crate) fn welcome() -> AnswerFrame {
    AnswerFrame::Welcome(Welcome::new())
}

/// A page of so many rows whose text does not compress to nothing.
pub(crate) fn page(number: usize, rows: usize) -> AnswerFrame {
    let mut set = RowSet::new([ValueType::Integer, ValueType::Text], rows);
    for row in 0..rows {
        let id = i64::try_from(number * rows + row).unwrap();
        let text = format!(
            "{:032x}",
            (id as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060)
        );
        set.push(vec![Value::Integer(id), Value::Text(text)]).unwrap();
    }
    AnswerFrame::Page(Page {
        entity: "E".into(),
        scope: String::new(),
        kind: PageKind::Snapshot(KeyRange::default()),
        rows: set,
        deleted: vec![],
        removed: vec![],
        created: vec![],
        checkpoint: Checkpoint(vec![1]),
        last: false,
    })
}

pub(crate) fn request() -> Vec<RequestFrame> {
    vec![
        RequestFrame::Hello(Hello {
            context: "Online".into(),
            ..Hello::new(uuid::Uuid::nil(), 0)
        }),
        RequestFrame::End {},
    ]
}

pub(crate) fn encoded(format: Format, frames: &[RequestFrame]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for frame in frames {
        wire::encode(format, frame, &mut bytes).unwrap();
    }
    bytes
}

/// A well-formed request, to be spoilt.
pub(crate) fn post(format: Format) -> axum::http::request::Builder {
    Request::post("/v1/sync")
        .header(CONTENT_TYPE, format.media_type())
        .header(ACCEPT, format.media_type())
}

pub(crate) async fn ask(fake: Fake, options: HttpServerOptions, request: Request<Body>) -> Response<Body> {
    let router = router(Arc::new(fake), options).unwrap();
    router.oneshot(request).await.unwrap()
}

pub(crate) async fn body(response: Response<Body>) -> Vec<u8> {
    let mut stream = response.into_body().into_data_stream();
    let mut bytes = Vec::new();
    while let Some(piece) = stream.next().await {
        bytes.extend_from_slice(&piece.unwrap());
    }
    bytes
}

pub(crate) fn decode(format: Format, bytes: &[u8]) -> Vec<AnswerFrame> {
    let mut decoder = Decoder::new(format, 1 << 24);
    decoder.push(bytes);
    let mut frames = Vec::new();
    while let Some(frame) = decoder.next_frame().unwrap() {
        frames.push(frame);
    }
    assert!(!decoder.has_rest());
    frames
}

/// A server on loopback; it stops with the value.
pub(crate) struct Running {
    pub(crate) url: String,
    pub(crate) seen: Arc<Seen>,
    pub(crate) stop: Option<oneshot::Sender<()>>,
    pub(crate) ended: tokio::task::JoinHandle<std::io::Result<()>>,
}

pub(crate) async fn start(fake: Fake, options: HttpServerOptions) -> Running {
    let seen = fake.seen.clone();
    start_router(router(Arc::new(fake), options).unwrap(), seen).await
}

pub(crate) async fn start_router(router: Router, seen: Arc<Seen>) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (stop, stopped) = oneshot::channel::<()>();
    let ended = tokio::spawn(serve(listener, router, async move {
        let _ = stopped.await;
    }));
    Running {
        url,
        seen,
        stop: Some(stop),
        ended,
    }
}

pub(crate) fn transport_options(url: &str) -> HttpTransportOptions {
    let mut options = HttpTransportOptions::new(url);
    options.time_out = Duration::from_secs(20);
    options
}

pub(crate) fn exchange() -> Exchange {
    Exchange {
        frames: request(),
        credentials: Some(Credentials::bearer("token-1")),
        time_out: None,
    }
}
