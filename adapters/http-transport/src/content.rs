//! The way in: bytes as they arrive become frames, decompressed in small steps so that no answer costs more memory than a
//! frame.

#[cfg(not(target_family = "wasm"))]
use crate::error;
use bytes::Bytes;
use onsync_core::error::Result;
use onsync_core::wire::Decoder;

/// What one step brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Decoded bytes.
    Some,
    /// Nothing: more bytes must arrive.
    Starved,
    /// Nothing: the body is over.
    End,
}

/// Undoes the content encoding of a body.
pub(crate) enum Content {
    /// None, or undone by the browser.
    Plain { waiting: Option<Bytes>, closed: bool },
    /// gzip or zstd.
    #[cfg(not(target_family = "wasm"))]
    Coded(crate::platform::Coded),
}

impl Content {
    /// For a `Content-Encoding` header.
    pub(crate) fn new(encoding: Option<&str>) -> Result<Self> {
        let plain = Self::Plain {
            waiting: None,
            closed: false,
        };
        match encoding.map(str::trim) {
            None | Some("") => Ok(plain),
            Some(name) if name.eq_ignore_ascii_case("identity") => Ok(plain),
            #[cfg(not(target_family = "wasm"))]
            Some(name) => crate::platform::Coded::new(name).map(Self::Coded),
            #[cfg(target_family = "wasm")]
            Some(_) => Ok(plain),
        }
    }

    /// Adds bytes; only when starved.
    pub(crate) fn push(&mut self, bytes: Bytes) {
        match self {
            Self::Plain { waiting, .. } => *waiting = Some(bytes),
            #[cfg(not(target_family = "wasm"))]
            Self::Coded(coded) => coded.push(bytes),
        }
    }

    /// Nothing more will arrive.
    pub(crate) fn close(&mut self) {
        match self {
            Self::Plain { closed, .. } => *closed = true,
            #[cfg(not(target_family = "wasm"))]
            Self::Coded(coded) => coded.close(),
        }
    }

    /// Takes one step.
    pub(crate) fn step(&mut self, sink: &mut impl Sink) -> Result<Step> {
        match self {
            Self::Plain { waiting, closed } => Ok(match waiting.take() {
                Some(bytes) => {
                    sink.take(&bytes);
                    Step::Some
                }
                None if *closed => Step::End,
                None => Step::Starved,
            }),
            #[cfg(not(target_family = "wasm"))]
            Self::Coded(coded) => coded.step(sink).map_err(|cause| {
                if cause.kind() == std::io::ErrorKind::UnexpectedEof {
                    error::truncated("the compressed body ended early")
                } else {
                    error::undecodable(&cause)
                }
            }),
        }
    }
}

/// Takes decoded bytes.
pub(crate) trait Sink {
    fn take(&mut self, bytes: &[u8]);
}

impl Sink for Decoder {
    fn take(&mut self, bytes: &[u8]) {
        self.push(bytes);
    }
}

impl Sink for Vec<u8> {
    fn take(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}
