//! Frames to bytes and back, incrementally, in both formats.
//!
//! Binary: each frame is its length as a 32-bit big-endian number and a MessagePack map. JSON lines: each frame is one line.

use crate::error::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// An encoding of frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// length-prefixed MessagePack: the default
    #[default]
    Binary,
    /// one JSON object per line: for debugging and other languages
    JsonLines,
}

impl Format {
    /// The media type in `Content-Type` and `Accept`.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Binary => "application/vnd.onsync.v1+msgpack",
            Self::JsonLines => "application/vnd.onsync.v1+jsonl",
        }
    }

    /// The format a `Content-Type` or `Accept` value names, parameters ignored.
    pub fn from_media_type(value: &str) -> Option<Self> {
        let name = value.split(';').next().unwrap_or_default().trim();
        [Self::Binary, Self::JsonLines]
            .into_iter()
            .find(|format| format.media_type().eq_ignore_ascii_case(name))
    }
}

/// Appends one frame.
///
/// # Errors
/// `frame_too_large` beyond 4 GiB; `unencodable` never for OnSync's own frames.
pub fn encode<F: Serialize>(format: Format, frame: &F, out: &mut Vec<u8>) -> Result<()> {
    let unencodable =
        |cause: String| Error::fatal("unencodable", format!("a frame could not be encoded: {cause}"));
    match format {
        Format::JsonLines => {
            serde_json::to_writer(&mut *out, frame).map_err(|error| unencodable(error.to_string()))?;
            out.push(b'\n');
        }
        Format::Binary => {
            let start = out.len();
            out.extend_from_slice(&[0; 4]);
            let mut serializer = rmp_serde::Serializer::new(&mut *out).with_struct_map();
            frame
                .serialize(&mut serializer)
                .map_err(|error| unencodable(error.to_string()))?;
            let length = u32::try_from(out.len() - start - 4)
                .map_err(|_| Error::fatal("frame_too_large", "a frame is larger than 4 GiB"))?;
            out[start..start + 4].copy_from_slice(&length.to_be_bytes());
        }
    }
    Ok(())
}

/// Takes bytes as they arrive and gives frames.
#[derive(Debug)]
pub struct Decoder {
    format: Format,
    limit: usize,
    buffer: Vec<u8>,
    read: usize,
    /// How much behind `read` is known to hold no line end, so that a long line is not searched again with each piece of it.
    searched: usize,
}

impl Decoder {
    /// A decoder that refuses frames larger than `limit` bytes.
    pub fn new(format: Format, limit: usize) -> Self {
        Self {
            format,
            limit,
            buffer: Vec::new(),
            read: 0,
            searched: 0,
        }
    }

    /// Adds bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.read > 0 && (self.read == self.buffer.len() || self.read > 1 << 16) {
            self.buffer.drain(..self.read);
            self.read = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame, if its bytes are there.
    ///
    /// # Errors
    /// `frame_too_large`, `invalid_frame`: nothing more can be read from this message.
    pub fn next_frame<F: DeserializeOwned>(&mut self) -> Result<Option<F>> {
        match self.format {
            Format::Binary => self.next_binary(),
            Format::JsonLines => self.next_line(),
        }
    }

    /// Whether bytes remain that are no whole frame: the message was cut off.
    pub fn has_rest(&self) -> bool {
        self.buffer[self.read..]
            .iter()
            .any(|byte| !byte.is_ascii_whitespace())
    }

    fn too_large(&self, found: usize) -> Error {
        Error::corrupt(
            "frame_too_large",
            format!("wanted a frame of at most {} bytes, found {found}", self.limit),
        )
    }

    fn next_binary<F: DeserializeOwned>(&mut self) -> Result<Option<F>> {
        let rest = &self.buffer[self.read..];
        let Some((head, body)) = rest.split_first_chunk::<4>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*head) as usize;
        if length > self.limit {
            return Err(self.too_large(length));
        }
        let Some(body) = body.get(..length) else {
            return Ok(None);
        };
        let frame = crate::msgpack::from_slice(body).map_err(|error| invalid(&error.to_string()))?;
        self.read += 4 + length;
        Ok(Some(frame))
    }

    fn next_line<F: DeserializeOwned>(&mut self) -> Result<Option<F>> {
        loop {
            let rest = &self.buffer[self.read..];
            let fresh = &rest[self.searched..];
            let Some(end) = fresh.iter().position(|byte| *byte == b'\n') else {
                self.searched = rest.len();
                return if rest.len() > self.limit {
                    Err(self.too_large(rest.len()))
                } else {
                    Ok(None)
                };
            };
            let end = self.searched + end;
            self.searched = 0;
            if end > self.limit {
                return Err(self.too_large(end));
            }
            let line = rest[..end].trim_ascii();
            if line.is_empty() {
                self.read += end + 1;
                continue;
            }
            let frame = crate::json::from_slice(line).map_err(|error| invalid(&error.to_string()))?;
            self.read += end + 1;
            return Ok(Some(frame));
        }
    }
}

fn invalid(cause: &str) -> Error {
    let cause: String = cause.chars().take(200).collect();
    Error::corrupt(
        "invalid_frame",
        format!("wanted an OnSync frame, found something else: {cause}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::{Checkpoint, KeyRange, Page, PageKind};
    use crate::record::Key;
    use crate::rows::RowSet;
    use crate::value::{Value, ValueType};
    use crate::wire::AnswerFrame;

    fn page() -> AnswerFrame {
        let texts = [
            "true",
            "-9007199254740993",
            "1.50",
            "0.1",
            "x",
            "2026-11-22",
            "01:02:03",
            "2026-11-22T01:02:03Z",
            "2026-11-22T01:02:03",
            "00000000-0000-0000-0000-000000000007",
            "{\"a\":[1]}",
            "AAEC",
        ];
        let mut rows = RowSet::new(ValueType::ALL, 2);
        rows.push(
            ValueType::ALL
                .iter()
                .zip(texts)
                .map(|(kind, text)| kind.parse(text).unwrap())
                .collect(),
        )
        .unwrap();
        rows.push(vec![Value::Null; 12]).unwrap();
        AnswerFrame::Page(Page {
            entity: "E".into(),
            scope: String::new(),
            kind: PageKind::Snapshot(KeyRange {
                after: None,
                to: Some(Key::one(5i64)),
            }),
            rows,
            deleted: vec![Key(vec![Value::Text("a".into()), Value::Integer(1)])],
            removed: vec![],
            created: vec![],
            checkpoint: Checkpoint(vec![1, 2, 3]),
            last: true,
        })
    }

    #[test]
    fn every_type_survives_both_formats_byte_by_byte() {
        for format in [Format::Binary, Format::JsonLines] {
            let mut bytes = Vec::new();
            encode(format, &page(), &mut bytes).unwrap();
            encode(format, &AnswerFrame::End {}, &mut bytes).unwrap();
            let mut decoder = Decoder::new(format, 1 << 20);
            let mut frames: Vec<AnswerFrame> = Vec::new();
            for byte in &bytes {
                decoder.push(std::slice::from_ref(byte));
                frames.extend(decoder.next_frame().unwrap());
            }
            let [AnswerFrame::Page(found), AnswerFrame::End {}] = frames.as_slice() else {
                panic!("{frames:?}")
            };
            let AnswerFrame::Page(wanted) = page() else {
                panic!()
            };
            assert_eq!(
                found.rows.iter().collect::<Vec<_>>(),
                wanted.rows.iter().collect::<Vec<_>>()
            );
            assert_eq!(
                (&found.kind, &found.deleted, &found.checkpoint),
                (&wanted.kind, &wanted.deleted, &wanted.checkpoint)
            );
            assert!(!decoder.has_rest());
        }
    }

    #[test]
    fn cut_off_large_and_foreign_bytes_are_told() {
        let mut bytes = Vec::new();
        encode(Format::Binary, &page(), &mut bytes).unwrap();
        let mut decoder = Decoder::new(Format::Binary, 1 << 20);
        decoder.push(&bytes[..bytes.len() - 1]);
        assert!(decoder.next_frame::<AnswerFrame>().unwrap().is_none() && decoder.has_rest());
        let mut small = Decoder::new(Format::Binary, 16);
        small.push(&bytes);
        assert_eq!(
            small.next_frame::<AnswerFrame>().unwrap_err().code(),
            "frame_too_large"
        );
        let mut html = Decoder::new(Format::JsonLines, 1 << 20);
        html.push(b"<html>\n");
        assert_eq!(
            html.next_frame::<AnswerFrame>().unwrap_err().code(),
            "invalid_frame"
        );
        let mut deep = Decoder::new(Format::JsonLines, 1 << 20);
        deep.push(&[b"{\"page\":".as_slice(), &b"[".repeat(100_000), b"\n"].concat());
        assert_eq!(
            deep.next_frame::<AnswerFrame>().unwrap_err().code(),
            "invalid_frame"
        );
    }
}
