//! A server that says what a test wrote down, and remembers what it heard. How it is reached is the carrier's business.

use crate::fakes::guard;
use onsync_core::wire::{AnswerFrame, Health, PROTOCOL, RequestFrame};
use std::collections::VecDeque;
use std::sync::Mutex;
use std::task::{Poll, Waker};
use std::time::Duration;

/// One piece of an answer.
#[derive(Clone, Debug)]
pub enum Piece {
    /// A frame.
    Frame(AnswerFrame),
    /// The same frame so many times.
    Repeat(AnswerFrame, usize),
    /// The first half of a frame's bytes.
    Half(AnswerFrame),
    /// Bytes that are no frame.
    Garbage,
    /// Nothing, until [`ScriptedServer::release`].
    Hold,
}

/// What the server does with one request. An answer whose last piece is not the `end` frame is cut off there: the connection ends.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Answers with these pieces, each sent by itself.
    Answer(Vec<Piece>),
    /// A page for people, as a captive portal sends it (`200`, `text/html`).
    Page,
    /// `200` with the right media type, and an empty body.
    Empty,
    /// The credentials are refused (`401`).
    Unauthorised,
    /// Too busy (`503`), with the time to stay away.
    Busy(Option<Duration>),
    /// Broken (`500`).
    Broken,
    /// Nothing at all, for ever.
    Silent,
    /// Go to another host (`307`).
    Elsewhere,
}

/// One request as it arrived.
#[derive(Clone, Debug)]
pub struct Received {
    /// The token, if one came.
    pub token: Option<String>,
    /// The frames.
    pub frames: Vec<RequestFrame>,
}

#[derive(Default)]
struct State {
    replies: VecDeque<Reply>,
    health: VecDeque<Reply>,
    received: Vec<Received>,
    health_asked: Vec<Option<String>>,
    released: u64,
    gone: u64,
    sent: u64,
    waiting: Vec<Waker>,
}

/// The scripted server. A carrier (an HTTP server in a test, [`MemoryTransport`](super::memory::MemoryTransport)) calls
/// [`accept`](Self::accept), sends what comes back, and reports with [`sent`](Self::sent) and [`gone`](Self::gone).
#[derive(Default)]
pub struct ScriptedServer(Mutex<State>);

impl ScriptedServer {
    /// A server without a script: it answers every request with `welcome` and `end`.
    pub fn new() -> Self {
        Self::default()
    }

    /// A server with one reply.
    pub fn with(reply: Reply) -> Self {
        let server = Self::new();
        server.reply(reply);
        server
    }

    /// Adds the reply to the next request.
    pub fn reply(&self, reply: Reply) {
        guard(&self.0).replies.push_back(reply);
    }

    /// Adds what the next question for health gets instead of [`Self::health`].
    pub fn reply_to_health(&self, reply: Reply) {
        guard(&self.0).health.push_back(reply);
    }

    /// The requests so far, in order.
    pub fn received(&self) -> Vec<Received> {
        guard(&self.0).received.clone()
    }

    /// The token of each question for health so far.
    pub fn health_asked(&self) -> Vec<Option<String>> {
        guard(&self.0).health_asked.clone()
    }

    /// Lets one [`Piece::Hold`] pass, now or when it is reached.
    pub fn release(&self) {
        self.change(|state| state.released += 1);
    }

    /// How many pieces have been handed to the carrier.
    pub fn sent_so_far(&self) -> u64 {
        guard(&self.0).sent
    }

    /// What it says about itself.
    pub fn health() -> Health {
        Health {
            service: "onsync".into(),
            protocol: PROTOCOL,
            max_request_bytes: 4 << 20,
            max_mutations: 1234,
        }
    }

    /// Carrier: a request has arrived; its reply.
    pub fn accept(&self, token: Option<String>, frames: Vec<RequestFrame>) -> Reply {
        let mut reply = None;
        self.change(|state| {
            state.received.push(Received { token, frames });
            reply = state.replies.pop_front();
        });
        reply.unwrap_or_else(|| {
            let welcome = onsync_core::wire::Welcome::new();
            Reply::Answer(vec![
                Piece::Frame(AnswerFrame::Welcome(welcome)),
                Piece::Frame(AnswerFrame::End {}),
            ])
        })
    }

    /// Carrier: somebody asked for health; what to reply instead of it, if anything.
    pub fn accept_health(&self, token: Option<String>) -> Option<Reply> {
        let mut state = guard(&self.0);
        state.health_asked.push(token);
        state.health.pop_front()
    }

    /// Carrier: one frame of an answer is being sent.
    pub fn sent(&self) {
        self.change(|state| state.sent += 1);
    }

    /// Carrier: the other end of an exchange that was not finished is gone.
    pub fn gone(&self) {
        self.change(|state| state.gone += 1);
    }

    /// Carrier: waits at a [`Piece::Hold`].
    pub async fn held(&self) {
        self.wait(|state| {
            let passes = state.released > 0;
            state.released -= u64::from(passes);
            passes
        })
        .await;
    }

    /// Waits until the other end of an unfinished exchange is gone.
    pub async fn until_gone(&self) {
        self.wait(|state| state.gone > 0).await;
    }

    /// Waits until so many requests have arrived.
    pub async fn until_received(&self, requests: usize) {
        self.wait(|state| state.received.len() >= requests).await;
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = guard(&self.0);
        change(&mut state);
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
    }

    async fn wait(&self, mut until: impl FnMut(&mut State) -> bool) {
        std::future::poll_fn(|context| {
            let mut state = guard(&self.0);
            if until(&mut state) {
                return Poll::Ready(());
            }
            state.waiting.push(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}
