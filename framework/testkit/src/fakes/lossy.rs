//! A network that loses, repeats, delays and cuts off messages, as told or by chance.

use super::{Dice, guard};
use onsync_core::runtime::Runtime;
use onsync_core::transport::{Answer, Exchange, Transport};
use onsync_core::wire::{AnswerFrame, Health};
use onsync_core::{Error, ErrorKind, Result, portable_async};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What happens to one exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes well.
    Arrives,
    /// There is no network.
    Offline,
    /// The request is lost on its way; the server never sees it.
    DropRequest,
    /// The server does everything; the whole answer is lost.
    DropAnswer,
    /// The server gets the request twice, one after the other; the second answer arrives.
    Duplicate,
    /// The request waits so long before it is delivered.
    DelayRequest(Duration),
    /// The answer is ready, and waits so long before it arrives.
    DelayAnswer(Duration),
    /// The answer is cut off after so many frames.
    TruncateAfter(usize),
    /// The device gives up at once; the request reaches the server so much later, and its answer nobody.
    LateRequest(Duration),
    /// It goes well, and a copy of the request reaches the server so much later.
    LateDuplicate(Duration),
    /// The request is swallowed, and the device waits so long before it gives up.
    BlackHole(Duration),
    /// Something else answers in place of the server, as a captive portal does.
    WrongPeer,
    /// Whatever stands before the server refuses the request with this HTTP status.
    Status(u16),
}

/// How often each fate is drawn when none is scripted, in a thousand; what remains arrives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// [`Fate::Offline`]
    pub offline: u32,
    /// [`Fate::DropRequest`]
    pub drop_request: u32,
    /// [`Fate::DropAnswer`]
    pub drop_answer: u32,
    /// [`Fate::Duplicate`]
    pub duplicate: u32,
    /// [`Fate::DelayAnswer`] of up to a minute
    pub delay: u32,
    /// [`Fate::TruncateAfter`] up to 8 frames
    pub truncate: u32,
}

struct State {
    script: VecDeque<Fate>,
    rates: Rates,
    dice: Dice,
    happened: Vec<Fate>,
}

/// A decorator of a [`Transport`] that decides the fate of each exchange: first those scripted, then drawn by rates.
pub struct Lossy {
    inner: Arc<dyn Transport>,
    runtime: Arc<dyn Runtime>,
    state: Mutex<State>,
}

impl Lossy {
    /// Everything arrives until told otherwise. The runtime gives the time for delays.
    pub fn new(inner: Arc<dyn Transport>, runtime: Arc<dyn Runtime>) -> Self {
        Self {
            inner,
            runtime,
            state: Mutex::new(State {
                script: VecDeque::new(),
                rates: Rates::default(),
                dice: Dice::new(0),
                happened: Vec::new(),
            }),
        }
    }

    /// Adds fates of the next exchanges, in order.
    pub fn script(&self, fates: impl IntoIterator<Item = Fate>) {
        guard(&self.state).script.extend(fates);
    }

    /// Draws the fate of exchanges that are not scripted.
    pub fn by_chance(&self, seed: u64, rates: Rates) {
        let mut state = guard(&self.state);
        state.dice = Dice::new(seed);
        state.rates = rates;
    }

    /// The script is forgotten and everything arrives from now on.
    pub fn heal(&self) {
        let mut state = guard(&self.state);
        state.script.clear();
        state.rates = Rates::default();
    }

    /// The fates so far, in order.
    pub fn happened(&self) -> Vec<Fate> {
        guard(&self.state).happened.clone()
    }

    /// Delivers a request after a while; nobody hears the answer.
    fn later(&self, wait: Duration, exchange: Exchange) {
        let (inner, sleep) = (self.inner.clone(), self.runtime.sleep(wait));
        self.runtime.spawn(Box::pin(async move {
            sleep.await;
            if let Ok(answer) = inner.exchange(exchange).await {
                // Nobody waits for what it says.
                let _ = drain(answer).await;
            }
        }));
    }

    fn next_fate(&self) -> Fate {
        let mut state = guard(&self.state);
        let fate = match state.script.pop_front() {
            Some(fate) => fate,
            None => draw(state.rates, &mut state.dice),
        };
        state.happened.push(fate);
        fate
    }
}

fn draw(rates: Rates, dice: &mut Dice) -> Fate {
    let delay = Duration::from_millis(dice.below(60_000));
    let frames = usize::try_from(dice.below(9)).unwrap_or_default();
    let fates = [
        (rates.offline, Fate::Offline),
        (rates.drop_request, Fate::DropRequest),
        (rates.drop_answer, Fate::DropAnswer),
        (rates.duplicate, Fate::Duplicate),
        (rates.delay, Fate::DelayAnswer(delay)),
        (rates.truncate, Fate::TruncateAfter(frames)),
    ];
    let mut left = u32::try_from(dice.below(1000)).unwrap_or_default();
    for (rate, fate) in fates {
        if left < rate {
            return fate;
        }
        left -= rate;
    }
    Fate::Arrives
}

fn lost() -> Error {
    Error::transient(
        "time_out",
        "the lossy network of this test lost the message: no answer came in time",
    )
}

/// What a transport makes of a status that is no answer.
fn refused(status: u16) -> Error {
    let message = format!("the lossy network of this test refused the request with status {status}");
    match status {
        401 => Error::new(ErrorKind::Unauthorised, "unauthorised", message),
        403 => Error::fatal("forbidden", message),
        410 => Error::unsupported("protocol_unsupported", message),
        413 => Error::rejected("request_too_large", message),
        429 | 503 => Error::transient("server_busy", message).with_retry_after(Duration::from_secs(20)),
        500..=599 => Error::transient("server_error", message),
        _ => Error::fatal("request_refused", message),
    }
}

/// Reads an answer to its end, so that the server has done everything.
async fn drain(mut answer: Box<dyn Answer>) -> Result<()> {
    while answer.next().await?.is_some() {}
    Ok(())
}

#[portable_async]
impl Transport for Lossy {
    async fn exchange(&self, exchange: Exchange) -> Result<Box<dyn Answer>> {
        match self.next_fate() {
            Fate::Arrives => self.inner.exchange(exchange).await,
            Fate::Offline => Err(Error::offline(
                "offline",
                "the lossy network of this test is down",
            )),
            Fate::DropRequest => Err(lost()),
            Fate::DropAnswer => {
                drain(self.inner.exchange(exchange).await?).await?;
                Err(lost())
            }
            Fate::Duplicate => {
                drain(self.inner.exchange(exchange.clone()).await?).await?;
                self.inner.exchange(exchange).await
            }
            Fate::DelayRequest(wait) => {
                self.runtime.sleep(wait).await;
                self.inner.exchange(exchange).await
            }
            Fate::DelayAnswer(wait) => {
                let answer = self.inner.exchange(exchange).await?;
                self.runtime.sleep(wait).await;
                Ok(answer)
            }
            Fate::TruncateAfter(frames) => {
                let inner = self.inner.exchange(exchange).await?;
                Ok(Box::new(Truncated {
                    inner,
                    frames_left: frames,
                }))
            }
            Fate::LateRequest(wait) => {
                self.later(wait, exchange);
                Err(lost())
            }
            Fate::LateDuplicate(wait) => {
                self.later(wait, exchange.clone());
                self.inner.exchange(exchange).await
            }
            Fate::BlackHole(wait) => {
                self.runtime.sleep(wait).await;
                Err(lost())
            }
            Fate::WrongPeer => Err(Error::offline(
                "not_onsync",
                "the lossy network of this test answered as a captive portal does",
            )),
            Fate::Status(status) => Err(refused(status)),
        }
    }

    async fn health(&self) -> Result<Health> {
        self.inner.health().await
    }
}

struct Truncated {
    inner: Box<dyn Answer>,
    frames_left: usize,
}

#[portable_async]
impl Answer for Truncated {
    async fn next(&mut self) -> Result<Option<AnswerFrame>> {
        if self.frames_left == 0 {
            return Err(Error::transient(
                "answer_truncated",
                "the lossy network of this test cut the answer off",
            ));
        }
        self.frames_left -= 1;
        self.inner.next().await
    }

    fn bytes(&self) -> u64 {
        self.inner.bytes()
    }
}
