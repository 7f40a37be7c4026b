//! Answers compressed as they are made.

use crate::negotiate::Coding;
use bytes::Bytes;
use onsync_core::error::{Error, Result};
use std::io::{self, Write};

/// A smaller answer is not worth compressing.
pub(crate) const COMPRESS_FROM: usize = 1024;

/// Rows compress well at zstd's quickest ordinary level; higher ones cost more time than they save.
const ZSTD_LEVEL: i32 = 1;

/// The compressor of one answer.
pub(crate) enum Compressor {
    Identity,
    Gzip(Box<flate2::write::GzEncoder<Vec<u8>>>),
    Zstd(Box<zstd::stream::write::Encoder<'static, Vec<u8>>>),
}

fn failed(cause: io::Error) -> Error {
    Error::fatal("compression_failed", "an answer could not be compressed").with_source(cause)
}

impl Compressor {
    pub(crate) fn new(coding: Coding) -> Result<Self> {
        Ok(match coding {
            Coding::Identity => Self::Identity,
            Coding::Gzip => Self::Gzip(Box::new(flate2::write::GzEncoder::new(
                Vec::new(),
                flate2::Compression::fast(),
            ))),
            Coding::Zstd => Self::Zstd(Box::new(
                zstd::stream::write::Encoder::new(Vec::new(), ZSTD_LEVEL).map_err(failed)?,
            )),
        })
    }

    /// The piece as it travels; complete frames leave at once, so that the client can work on them. With `last`, the stream ends.
    /// The buffer is empty afterwards, with room for another piece like it.
    pub(crate) fn piece(&mut self, buffer: &mut Vec<u8>, last: bool) -> Result<Bytes> {
        let compressed = match self {
            Self::Identity => {
                let next = Vec::with_capacity(if last { 0 } else { buffer.len() });
                return Ok(Bytes::from(std::mem::replace(buffer, next)));
            }
            Self::Gzip(encoder) => {
                encoder.write_all(buffer).map_err(failed)?;
                if last {
                    encoder.try_finish().map_err(failed)?;
                } else {
                    encoder.flush().map_err(failed)?;
                }
                std::mem::take(encoder.get_mut())
            }
            Self::Zstd(encoder) => {
                encoder.write_all(buffer).map_err(failed)?;
                if last {
                    encoder.do_finish().map_err(failed)?;
                } else {
                    encoder.flush().map_err(failed)?;
                }
                std::mem::take(encoder.get_mut())
            }
        };
        buffer.clear();
        Ok(Bytes::from(compressed))
    }
}
