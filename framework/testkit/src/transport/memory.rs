//! A correct transport without a network: the reference for the suite and a fake for tests of the engine.

use super::script::{Piece, Reply, ScriptedServer};
use futures_util::future::{Either, select};
use onsync_core::transport::{Answer, Exchange, Transport};
use onsync_core::wire::{AnswerFrame, Format, Health, encode};
use onsync_core::{Error, ErrorKind, Result, portable_async};
use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::Duration;

/// Reaches a [`ScriptedServer`] in the same process, or nobody.
pub struct MemoryTransport {
    server: Option<Arc<ScriptedServer>>,
}

impl MemoryTransport {
    /// To this server.
    pub fn new(server: Arc<ScriptedServer>) -> Self {
        Self { server: Some(server) }
    }

    /// To an address where nobody listens.
    pub fn to_nobody() -> Self {
        Self { server: None }
    }

    fn server(&self) -> Result<&Arc<ScriptedServer>> {
        self.server.as_ref().ok_or_else(|| {
            Error::offline(
                "unreachable",
                "wanted a server, found nobody listening; it is tried again when there is one",
            )
        })
    }
}

/// A time-out without a runtime: a thread that sleeps.
async fn wall_clock(duration: Duration) {
    struct Shared {
        done: bool,
        waker: Option<Waker>,
    }
    let shared = Arc::new(Mutex::new(Shared {
        done: false,
        waker: None,
    }));
    let other = shared.clone();
    std::thread::spawn(move || {
        std::thread::sleep(duration);
        let mut shared = crate::fakes::guard(&other);
        shared.done = true;
        shared.waker.take().into_iter().for_each(Waker::wake);
    });
    std::future::poll_fn(|context| {
        let mut shared = crate::fakes::guard(&shared);
        if shared.done {
            return Poll::Ready(());
        }
        shared.waker = Some(context.waker().clone());
        Poll::Pending
    })
    .await;
}

async fn within<T>(limit: Option<Duration>, future: impl Future<Output = T>) -> Result<T> {
    let Some(limit) = limit else {
        return Ok(future.await);
    };
    match select(pin!(future), pin!(wall_clock(limit))).await {
        Either::Left((output, _)) => Ok(output),
        Either::Right(_) => Err(Error::transient(
            "time_out",
            format!("wanted an answer within {limit:?}, found silence; it is tried again"),
        )),
    }
}

fn not_onsync(found: &str) -> Error {
    Error::transient(
        "not_onsync",
        format!("wanted an answer of an OnSync server, found {found}; a captive portal may be in the way"),
    )
}

/// Reports that an unfinished exchange ended.
struct Unfinished {
    server: Arc<ScriptedServer>,
    finished: bool,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.finished {
            self.server.gone();
        }
    }
}

async fn refusal(reply: Reply, time_out: Option<Duration>) -> Result<Vec<Piece>> {
    match reply {
        Reply::Answer(pieces) => Ok(pieces),
        Reply::Page => Err(not_onsync("a page for people")),
        Reply::Empty => Err(not_onsync("nothing")),
        Reply::Unauthorised => Err(Error::new(
            ErrorKind::Unauthorised,
            "unauthorised",
            "the server refused the credentials; sign in again",
        )),
        Reply::Busy(wait) => {
            let error = Error::transient("server_busy", "the server asks for patience");
            Err(match wait {
                Some(wait) => error.with_retry_after(wait),
                None => error,
            })
        }
        Reply::Broken => Err(Error::transient(
            "server_error",
            "the server failed; it is tried again",
        )),
        Reply::Elsewhere => Err(Error::unsupported(
            "redirect_refused",
            "the server sends to another host; configure the right address",
        )),
        Reply::Silent => {
            within(time_out, std::future::pending::<()>()).await?;
            Ok(Vec::new())
        }
    }
}

#[portable_async]
impl Transport for MemoryTransport {
    async fn exchange(&self, exchange: Exchange) -> Result<Box<dyn Answer>> {
        let server = self.server()?.clone();
        let mut unfinished = Unfinished {
            server: server.clone(),
            finished: false,
        };
        let token = exchange
            .credentials
            .as_ref()
            .map(|credentials| credentials.token().to_owned());
        let reply = server.accept(token, exchange.frames);
        let pieces = refusal(reply, exchange.time_out).await;
        if pieces.is_err() {
            unfinished.finished = true;
        }
        Ok(Box::new(MemoryAnswer {
            pieces: pieces?.into(),
            unfinished,
            time_out: exchange.time_out,
            bytes: 0,
        }))
    }

    async fn health(&self) -> Result<Health> {
        match self.server()?.accept_health(None) {
            Some(Reply::Answer(_)) | None => Ok(ScriptedServer::health()),
            Some(reply) => refusal(reply, None).await.map(|_| ScriptedServer::health()),
        }
    }
}

struct MemoryAnswer {
    pieces: VecDeque<Piece>,
    unfinished: Unfinished,
    time_out: Option<Duration>,
    bytes: u64,
}

impl MemoryAnswer {
    fn frame(&mut self, frame: AnswerFrame) -> Result<Option<AnswerFrame>> {
        let mut bytes = Vec::new();
        encode(Format::Binary, &frame, &mut bytes)?;
        self.bytes += bytes.len() as u64;
        self.unfinished.server.sent();
        if matches!(frame, AnswerFrame::End {} | AnswerFrame::Failed(_)) {
            self.unfinished.finished = true;
        }
        Ok(Some(frame))
    }
}

#[portable_async]
impl Answer for MemoryAnswer {
    async fn next(&mut self) -> Result<Option<AnswerFrame>> {
        if self.unfinished.finished {
            return Ok(None);
        }
        loop {
            match self.pieces.pop_front() {
                Some(Piece::Frame(frame)) => return self.frame(frame),
                Some(Piece::Repeat(frame, times)) => {
                    if times > 1 {
                        self.pieces.push_front(Piece::Repeat(frame.clone(), times - 1));
                    }
                    return self.frame(frame);
                }
                Some(Piece::Hold) => {
                    within(self.time_out, self.unfinished.server.held()).await?;
                }
                Some(Piece::Garbage) => {
                    self.pieces.clear();
                    return Err(Error::corrupt(
                        "invalid_frame",
                        "wanted a frame, found other bytes",
                    ));
                }
                Some(Piece::Half(_)) | None => {
                    self.pieces.clear();
                    return Err(Error::transient(
                        "answer_truncated",
                        "the answer ended before its end frame; it is asked for again",
                    ));
                }
            }
        }
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }
}
