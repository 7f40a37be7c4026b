//! The way of an answer: service → frames → encoded and compressed pieces → socket.
//!
//! It runs in a task of its own with a small bounded channel in between, so that reading the database and sending overlap while
//! a slow reader still slows the database down. When the response is dropped, because the client went away, the task stops.

use crate::compress::{COMPRESS_FROM, Compressor};
use crate::error;
use crate::metrics;
use crate::negotiate::Coding;
use axum::body::Body;
use axum::http::Response;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, VARY};
use bytes::Bytes;
use futures_util::{FutureExt, Stream, poll};
use onsync_core::error::{Error, Result};
use onsync_core::transport::Answer;
use onsync_core::wire::{self, AnswerFrame, Format, RequestFrame, WireError};
use onsync_server::SyncService;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::AbortHandle;

/// Small frames are sent together up to about this size.
const PIECE: usize = 64 << 10;

/// How many pieces wait for the socket.
const QUEUE: usize = 2;

/// Everything a request's answer depends on.
pub(crate) struct Work {
    pub(crate) service: Arc<dyn SyncService>,
    pub(crate) token: Option<String>,
    pub(crate) frames: Vec<RequestFrame>,
    pub(crate) format: Format,
    /// Identity, or how pieces are compressed once that is worth it.
    pub(crate) coding: Coding,
    pub(crate) send_time_out: Duration,
    /// Held until the answer is over.
    pub(crate) permit: OwnedSemaphorePermit,
}

/// What leaves the task.
enum Piece {
    /// Frames; no more follow if `last`.
    Bytes {
        bytes: Bytes,
        coding: Coding,
        last: bool,
    },
    /// Refused before the first frame.
    Refused(Error),
}

/// Starts the work and waits until its answer begins.
pub(crate) async fn answer(work: Work) -> Response<Body> {
    let format = work.format;
    let (sender, mut receiver) = mpsc::channel(QUEUE);
    let span = tracing::Span::current();
    let task = tokio::spawn(tracing::Instrument::instrument(run(work, sender), span));
    let guard = StopOnDrop(task.abort_handle());
    match receiver.recv().await {
        Some(Piece::Bytes { bytes, coding, last }) => {
            let body = if last {
                Body::from(bytes)
            } else {
                Body::from_stream(Pieces {
                    first: Some(bytes),
                    receiver,
                    ended: false,
                    _guard: guard,
                })
            };
            begin(body, format, coding)
        }
        Some(Piece::Refused(error)) => error::response(&error, format),
        // The task panicked outside the service, or was stopped with the runtime.
        None => error::response(&Error::fatal("answer_lost", "the answer's task ended"), format),
    }
}

fn begin(body: Body, format: Format, coding: Coding) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
    headers.insert(VARY, HeaderValue::from_static("accept, accept-encoding"));
    let name = match coding {
        Coding::Identity => return response,
        Coding::Gzip => "gzip",
        Coding::Zstd => "zstd",
    };
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static(name));
    response
}

/// The service's work from request to last piece; a panic in a plug-in ends this request alone.
async fn run(work: Work, sender: mpsc::Sender<Piece>) {
    let Work {
        service,
        token,
        frames,
        format,
        coding,
        send_time_out,
        permit: _permit,
    } = work;
    let mut out = Out {
        sender,
        format,
        wanted: coding,
        compressor: None,
        buffer: Vec::new(),
        send_time_out,
    };
    let _at_work = metrics::AtWork::begin();
    let whole = async {
        let mut answer = service.sync(token.as_deref(), frames).await?;
        pass_on(answer.as_mut(), &mut out).await
    };
    let result = match AssertUnwindSafe(whole).catch_unwind().await {
        Ok(result) => result,
        Err(_) => Err(Error::fatal("plugin_panicked", "a panic ended the request")),
    };
    if let Err(error) = result {
        out.fail(error).await;
    }
}

/// Frames one after the other; what is ready is sent before waiting for more.
async fn pass_on(answer: &mut dyn Answer, out: &mut Out) -> Result<()> {
    loop {
        let frame = {
            let mut next = answer.next();
            match poll!(&mut next) {
                Poll::Ready(frame) => frame?,
                Poll::Pending => {
                    if !out.buffer.is_empty() && !out.send(false).await {
                        return Ok(());
                    }
                    next.await?
                }
            }
        };
        match frame {
            Some(AnswerFrame::Failed(wire)) => return Err(Error::from(wire)),
            Some(frame) => {
                let ended = matches!(frame, AnswerFrame::End {});
                wire::encode(out.format, &frame, &mut out.buffer)?;
                if ended {
                    out.send(true).await;
                    return Ok(());
                }
            }
            None => {
                return Err(Error::fatal(
                    "answer_unfinished",
                    "the service's answer ended without `end`",
                ));
            }
        }
        if out.buffer.len() >= PIECE && !out.send(false).await {
            return Ok(());
        }
    }
}

/// The way out of the task.
struct Out {
    sender: mpsc::Sender<Piece>,
    format: Format,
    wanted: Coding,
    /// None until the first piece has shown whether compressing is worth it.
    compressor: Option<(Coding, Compressor)>,
    buffer: Vec<u8>,
    send_time_out: Duration,
}

impl Out {
    /// Sends what is buffered; false when nobody takes it any more.
    async fn send(&mut self, last: bool) -> bool {
        let piece = match self.compress(last) {
            Ok((coding, bytes)) => Piece::Bytes { bytes, coding, last },
            Err(error) => {
                tracing::error!(%error, "an answer was broken off");
                return false;
            }
        };
        let length = match &piece {
            Piece::Bytes { bytes, .. } => bytes.len(),
            Piece::Refused(_) => 0,
        };
        let sent = tokio::time::timeout(self.send_time_out, self.sender.send(piece)).await;
        if matches!(sent, Ok(Ok(()))) {
            metrics::sent(length);
        }
        if sent.is_err() {
            tracing::info!("an answer was given up: the client does not read it");
        }
        matches!(sent, Ok(Ok(())))
    }

    fn compress(&mut self, last: bool) -> Result<(Coding, Bytes)> {
        let (coding, compressor) = match &mut self.compressor {
            Some(chosen) => chosen,
            none => {
                let tiny = last && self.buffer.len() < COMPRESS_FROM;
                let coding = if tiny { Coding::Identity } else { self.wanted };
                none.insert((coding, Compressor::new(coding)?))
            }
        };
        Ok((*coding, compressor.piece(&mut self.buffer, last)?))
    }

    /// Ends with an error: by a status if nothing was made yet, else by a `failed` frame behind what was.
    async fn fail(mut self, error: Error) {
        if self.compressor.is_none() && self.buffer.is_empty() {
            let _ = self.sender.send(Piece::Refused(error)).await;
            return;
        }
        metrics::refused(error.code());
        let told: WireError = error::told(&error);
        if wire::encode(self.format, &AnswerFrame::Failed(told), &mut self.buffer).is_ok() {
            self.send(true).await;
        }
    }
}

/// Ends the task with the response.
struct StopOnDrop(AbortHandle);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The body of a streamed answer.
struct Pieces {
    first: Option<Bytes>,
    receiver: mpsc::Receiver<Piece>,
    ended: bool,
    _guard: StopOnDrop,
}

impl Stream for Pieces {
    type Item = std::io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(bytes) = self.first.take() {
            return Poll::Ready(Some(Ok(bytes)));
        }
        if self.ended {
            return Poll::Ready(None);
        }
        let piece = match self.receiver.poll_recv(context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(piece) => piece,
        };
        match piece {
            Some(Piece::Bytes { bytes, last, .. }) => {
                self.ended = last;
                Poll::Ready(Some(Ok(bytes)))
            }
            // Breaking the connection is what a client cannot mistake for a whole answer.
            _ => {
                self.ended = true;
                Poll::Ready(Some(Err(std::io::ErrorKind::BrokenPipe.into())))
            }
        }
    }
}
