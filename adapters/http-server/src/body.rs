//! Request bodies: bounded in time and in decoded bytes, then frames.

use crate::metrics;
use crate::negotiate::Coding;
use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_LENGTH;
use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use futures_util::StreamExt;
use onsync_core::error::{Error, Result};
use onsync_core::wire::{Decoder, Format, RequestFrame};
use std::io::{self, Write};
use std::time::Duration;

/// The largest zstd window accepted, as a power of two: 8 MiB, what RFC 8878 asks every decoder to support.
const ZSTD_WINDOW_LOG: u32 = 23;

/// Limits of one body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Decoded, and on the wire.
    pub(crate) bytes: usize,
    /// From the first to the last byte.
    pub(crate) time: Duration,
}

fn too_large(limit: usize) -> Error {
    Error::rejected(
        "request_too_large",
        format!("wanted a request of at most {limit} bytes decoded, found a larger one; send it in parts"),
    )
}

/// The whole body, decoded.
pub(crate) async fn read(headers: &HeaderMap, body: Body, coding: Coding, limits: Limits) -> Result<Vec<u8>> {
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limits.bytes) {
        return Err(too_large(limits.bytes));
    }
    tokio::time::timeout(limits.time, collect(body, coding, limits.bytes))
        .await
        .map_err(|_| {
            Error::transient(
                "request_time_out",
                format!(
                    "wanted the request's body within {} ms, found it unfinished",
                    limits.time.as_millis()
                ),
            )
        })?
}

async fn collect(body: Body, coding: Coding, limit: usize) -> Result<Vec<u8>> {
    let mut sink = Inflate::new(coding, limit)?;
    let mut stream = body.into_data_stream();
    let mut arrived = 0usize;
    while let Some(chunk) = stream.next().await {
        let chunk: Bytes = chunk.map_err(|cause| {
            Error::rejected(
                "request_truncated",
                "wanted the whole request, found that the connection broke",
            )
            .with_source(cause)
        })?;
        // Frames of zstd and members of gzip may be empty: without this, bytes could arrive for ever.
        arrived = arrived.saturating_add(chunk.len());
        metrics::received(chunk.len());
        if arrived > limit {
            return Err(too_large(limit));
        }
        sink.push(&chunk).map_err(|cause| sink.explain(cause))?;
    }
    sink.finish()
}

/// Decoded bytes up to a limit.
#[derive(Debug)]
struct Bounded {
    bytes: Vec<u8>,
    limit: usize,
    exceeded: bool,
}

impl Write for Bounded {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + piece.len() > self.limit {
            self.exceeded = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A decoder per coding. Each hands on at most 128 KiB before the limit is looked at, however much its input promises.
enum Inflate {
    Identity(Bounded),
    Gzip(Box<MultiGzDecoder<Bounded>>),
    Zstd(Box<zstd::stream::write::Decoder<'static, Bounded>>),
}

impl Inflate {
    fn new(coding: Coding, limit: usize) -> Result<Self> {
        let sink = Bounded {
            bytes: Vec::new(),
            limit,
            exceeded: false,
        };
        Ok(match coding {
            Coding::Identity => Self::Identity(sink),
            Coding::Gzip => Self::Gzip(Box::new(MultiGzDecoder::new(sink))),
            Coding::Zstd => {
                let failed = |cause: io::Error| {
                    Error::fatal("decoder_failed", "wanted a zstd decoder, found none").with_source(cause)
                };
                let mut decoder = zstd::stream::write::Decoder::new(sink).map_err(failed)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(failed)?;
                Self::Zstd(Box::new(decoder))
            }
        })
    }

    fn sink(&self) -> &Bounded {
        match self {
            Self::Identity(sink) => sink,
            Self::Gzip(decoder) => decoder.get_ref(),
            Self::Zstd(decoder) => decoder.get_ref(),
        }
    }

    fn push(&mut self, piece: &[u8]) -> io::Result<()> {
        match self {
            Self::Identity(sink) => sink.write_all(piece),
            Self::Gzip(decoder) => decoder.write_all(piece),
            Self::Zstd(decoder) => decoder.write_all(piece),
        }
    }

    fn explain(&self, cause: io::Error) -> Error {
        if self.sink().exceeded {
            return too_large(self.sink().limit);
        }
        Error::corrupt(
            "invalid_encoding",
            "wanted a body compressed as `Content-Encoding` says, found other bytes",
        )
        .with_source(cause)
    }

    fn finish(mut self) -> Result<Vec<u8>> {
        let ended = match &mut self {
            Self::Identity(_) => Ok(()),
            Self::Gzip(decoder) => decoder.try_finish(),
            Self::Zstd(decoder) => decoder.flush(),
        };
        ended.map_err(|cause| self.explain(cause))?;
        Ok(match self {
            Self::Identity(sink) => sink.bytes,
            Self::Gzip(mut decoder) => std::mem::take(&mut decoder.get_mut().bytes),
            Self::Zstd(decoder) => decoder.into_inner().bytes,
        })
    }
}

/// The frames of a whole request, `end` included.
pub(crate) fn frames(body: &[u8], format: Format, limit: usize) -> Result<Vec<RequestFrame>> {
    let mut decoder = Decoder::new(format, limit);
    decoder.push(body);
    let mut frames = Vec::new();
    // It stops at the first `end`: a body full of them would cost many times its size.
    while let Some(frame) = decoder.next_frame::<RequestFrame>()? {
        let ended = matches!(frame, RequestFrame::End {});
        frames.push(frame);
        if !ended {
            continue;
        }
        if decoder.has_rest() {
            return Err(Error::corrupt(
                "invalid_request",
                "wanted nothing behind the `end` frame, found more bytes",
            ));
        }
        return Ok(frames);
    }
    Err(Error::corrupt(
        "request_truncated",
        format!(
            "wanted a request up to its `end` frame, found {} frames and then its end",
            frames.len()
        ),
    ))
}
