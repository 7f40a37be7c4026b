//! The answer: frames as they arrive.

use crate::content::{Content, Step};
use crate::error;
use crate::platform::{self, ByteStream, Response};
use crate::request::Target;
use bytes::Bytes;
use futures_util::StreamExt;
use onsync_core::error::{Error, Result};
use onsync_core::portable_async;
use onsync_core::transport::Answer;
use onsync_core::wire::{AnswerFrame, Decoder, Format, MAX_FRAME_BYTES};
use std::time::Duration;

/// An error's body is read up to here.
const SMALL_BODY: usize = 64 << 10;

/// How long the connection gets to show that it can be used again.
const LINGER: Duration = Duration::from_millis(250);

/// One answer. Dropping it ends the exchange.
pub(crate) struct HttpAnswer {
    source: Source,
    decoder: Decoder,
    wait: Duration,
    state: State,
}

enum State {
    Open,
    Ended,
    Failed(Error),
}

impl HttpAnswer {
    pub(crate) fn new(target: &Target, response: Response, format: Format, wait: Duration) -> Result<Self> {
        Ok(Self {
            source: Source::new(target, response)?,
            decoder: Decoder::new(format, MAX_FRAME_BYTES),
            wait,
            state: State::Open,
        })
    }

    async fn read(&mut self) -> Result<AnswerFrame> {
        loop {
            if let Some(frame) = self.decoder.next_frame()? {
                if matches!(frame, AnswerFrame::End {} | AnswerFrame::Failed(_)) {
                    self.source.linger().await;
                }
                return Ok(frame);
            }
            match self.source.content.step(&mut self.decoder)? {
                Step::Some => {}
                Step::Starved => self.source.receive(self.wait).await?,
                Step::End if self.source.bytes == 0 => return Err(self.source.empty()),
                Step::End => return Err(error::truncated("the connection ended before the `end` frame")),
            }
        }
    }
}

#[portable_async]
impl Answer for HttpAnswer {
    async fn next(&mut self) -> Result<Option<AnswerFrame>> {
        match &self.state {
            State::Open => {}
            State::Ended => return Ok(None),
            State::Failed(error) => return Err(error.clone()),
        }
        match self.read().await {
            Ok(frame) => {
                if matches!(frame, AnswerFrame::End {} | AnswerFrame::Failed(_)) {
                    self.state = State::Ended;
                }
                Ok(Some(frame))
            }
            Err(error) => {
                self.state = State::Failed(error.clone());
                Err(error)
            }
        }
    }

    fn bytes(&self) -> u64 {
        self.source.bytes
    }
}

/// The body of a response as it arrives.
struct Source {
    target: Target,
    stream: ByteStream,
    content: Content,
    bytes: u64,
}

impl Source {
    fn new(target: &Target, response: Response) -> Result<Self> {
        let content = Content::new(response.header("content-encoding").as_deref())?;
        Ok(Self {
            target: target.clone(),
            stream: response.into_stream(),
            content,
            bytes: 0,
        })
    }

    /// Waits for the next bytes.
    async fn receive(&mut self, wait: Duration) -> Result<()> {
        let received = platform::time_out(wait, self.stream.next())
            .await
            .ok_or_else(|| error::timed_out(&self.target, "more of the answer", wait))?;
        match received {
            None => self.content.close(),
            Some(Ok(bytes)) => {
                self.bytes += bytes.len() as u64;
                self.content.push(bytes);
            }
            Some(Err(cause)) => {
                return Err(error::truncated("the connection broke").with_source(cause.chain));
            }
        }
        Ok(())
    }

    /// Reads the end of the body, so that the connection goes back to the pool.
    async fn linger(&mut self) {
        let stream = &mut self.stream;
        let _ = platform::time_out(LINGER, async { while let Some(Ok(_)) = stream.next().await {} }).await;
    }

    fn empty(&self) -> Error {
        error::empty_body(&self.target)
    }
}

/// The whole body, refused beyond 64 KiB: for health and errors.
pub(crate) async fn small_body(target: &Target, response: Response, wait: Duration) -> Result<Bytes> {
    let mut source = Source::new(target, response)?;
    let mut body = Vec::new();
    loop {
        if body.len() > SMALL_BODY {
            return Err(error::undecodable(&"more than 64 KiB"));
        }
        match source.content.step(&mut body)? {
            Step::Some => {}
            Step::Starved => source.receive(wait).await?,
            Step::End => return Ok(Bytes::from(body)),
        }
    }
}
