//! On native platforms: reqwest with rustls, tokio's timers, zstd and gzip.

mod address;
mod client;

pub(crate) use address::Address;
pub(crate) use client::{Client, Response};

use crate::content::{Sink, Step};
use crate::error;
use crate::options::{Compression, HttpTransportOptions};
use crate::platform::{Failure, Headers};
use bytes::{Buf, Bytes};
use flate2::bufread::MultiGzDecoder;
use futures_util::stream::BoxStream;
use onsync_core::error::Error;
use std::io::{self, BufRead, Read};
use std::time::{Duration, SystemTime};

/// Decoded bytes come in pieces of this size.
const STEP: usize = 64 << 10;

/// The zstd level of requests: small bodies, sent from devices with batteries.
const ZSTD_LEVEL: i32 = 1;

/// The largest zstd window accepted, as a power of two: 8 MiB, what RFC 8878 asks every decoder to support.
const ZSTD_WINDOW_LOG: u32 = 23;

/// The body of a response as it arrives.
pub(crate) type ByteStream = BoxStream<'static, Result<Bytes, Failure>>;

pub(crate) fn accept_compression(options: &HttpTransportOptions, headers: &mut Headers) {
    if options.compression != Compression::Off {
        headers.push(("accept-encoding", "zstd, gzip".to_owned()));
    }
}

pub(crate) fn compress(body: Vec<u8>, headers: &mut Headers) -> onsync_core::Result<Bytes> {
    let compressed = zstd::bulk::compress(&body, ZSTD_LEVEL).map_err(|cause| {
        Error::fatal("unencodable", "the request could not be compressed").with_source(cause)
    })?;
    headers.push(("content-encoding", "zstd".to_owned()));
    Ok(Bytes::from(compressed))
}

/// The future's output, or none when it takes longer.
pub(crate) async fn time_out<F: Future>(wait: Duration, future: F) -> Option<F::Output> {
    tokio::time::timeout(wait, future).await.ok()
}

/// The device's clock, for a server that sends none.
pub(crate) fn now() -> Option<SystemTime> {
    Some(SystemTime::now())
}

/// A compressed body, undone in pieces.
pub(crate) struct Coded {
    decoder: Codec,
    piece: Vec<u8>,
}

enum Codec {
    Gzip(Box<MultiGzDecoder<Arrived>>),
    Zstd(Box<zstd::Decoder<'static, Arrived>>),
}

impl Coded {
    pub(crate) fn new(encoding: &str) -> onsync_core::Result<Self> {
        let arrived = Arrived {
            bytes: Bytes::new(),
            closed: false,
        };
        let decoder = if encoding.eq_ignore_ascii_case("zstd") {
            let unusable = |cause: io::Error| error::undecodable(&cause);
            let mut decoder = zstd::Decoder::with_buffer(arrived).map_err(unusable)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(unusable)?;
            Codec::Zstd(Box::new(decoder))
        } else if encoding.eq_ignore_ascii_case("gzip") || encoding.eq_ignore_ascii_case("x-gzip") {
            Codec::Gzip(Box::new(MultiGzDecoder::new(arrived)))
        } else {
            return Err(error::unknown_encoding(encoding));
        };
        Ok(Self {
            decoder,
            piece: vec![0; STEP],
        })
    }

    fn arrived(&mut self) -> &mut Arrived {
        match &mut self.decoder {
            Codec::Gzip(decoder) => decoder.get_mut(),
            Codec::Zstd(decoder) => decoder.get_mut(),
        }
    }

    pub(crate) fn push(&mut self, bytes: Bytes) {
        self.arrived().bytes = bytes;
    }

    pub(crate) fn close(&mut self) {
        self.arrived().closed = true;
    }

    pub(crate) fn step(&mut self, sink: &mut impl Sink) -> io::Result<Step> {
        let read = match &mut self.decoder {
            Codec::Gzip(decoder) => decoder.read(&mut self.piece),
            Codec::Zstd(decoder) => decoder.read(&mut self.piece),
        };
        match read {
            Ok(0) => Ok(Step::End),
            Ok(length) => {
                sink.take(&self.piece[..length]);
                Ok(Step::Some)
            }
            Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => Ok(Step::Starved),
            Err(cause) => Err(cause),
        }
    }
}

/// The bytes that have arrived and are not decoded yet; "would block" instead of waiting.
struct Arrived {
    bytes: Bytes,
    closed: bool,
}

impl Read for Arrived {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let source = self.fill_buf()?;
        let length = source.len().min(target.len());
        target[..length].copy_from_slice(&source[..length]);
        self.consume(length);
        Ok(length)
    }
}

impl BufRead for Arrived {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.bytes.is_empty() && !self.closed {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(&self.bytes)
    }

    fn consume(&mut self, amount: usize) {
        self.bytes.advance(amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn both(text: &[u8]) -> [(&'static str, Vec<u8>); 2] {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(text).unwrap();
        [
            ("gzip", gzip.finish().unwrap()),
            ("zstd", zstd::bulk::compress(text, 1).unwrap()),
        ]
    }

    #[test]
    fn bodies_survive_whatever_pieces_they_arrive_in() {
        let text: Vec<u8> = (0..200_000u32).flat_map(|n| (n % 1000).to_be_bytes()).collect();
        for (name, compressed) in both(&text) {
            for size in [1, 7, 4096, compressed.len()] {
                let mut coded = Coded::new(name).unwrap();
                let mut found = Vec::new();
                assert_eq!(coded.step(&mut found).unwrap(), Step::Starved);
                for piece in compressed.chunks(size) {
                    coded.push(Bytes::copy_from_slice(piece));
                    while coded.step(&mut found).unwrap() == Step::Some {}
                }
                coded.close();
                while coded.step(&mut found).unwrap() == Step::Some {}
                assert!(found == text, "{name} by {size}");
            }
        }
    }

    #[test]
    fn a_body_that_ends_early_is_told_from_one_that_is_garbage() {
        let text = b"wanted, found, what to do ".repeat(1000);
        for (name, compressed) in both(&text) {
            let mut coded = Coded::new(name).unwrap();
            coded.push(Bytes::copy_from_slice(&compressed[..compressed.len() - 9]));
            coded.close();
            let failed = std::iter::repeat_with(|| coded.step(&mut Vec::new()))
                .find_map(std::result::Result::err)
                .unwrap();
            assert_eq!(failed.kind(), io::ErrorKind::UnexpectedEof, "{name}");
            let mut garbage = Coded::new(name).unwrap();
            garbage.push(Bytes::from_static(b"<html>this is neither</html>"));
            assert_ne!(
                garbage.step(&mut Vec::new()).unwrap_err().kind(),
                io::ErrorKind::UnexpectedEof,
                "{name}"
            );
        }
        assert!(Coded::new("br").is_err() && Coded::new("gzip, gzip").is_err());
    }
}
