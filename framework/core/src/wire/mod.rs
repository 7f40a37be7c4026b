//! What travels between device and server: frames, and their two encodings.
//!
//! A request is a sequence of [`RequestFrame`]s, an answer a sequence of [`AnswerFrame`]s; both end with an `end` frame, so that
//! a cut-off message is never taken for a whole one. `docs/wire.md` describes them for other languages.

mod codec;
mod frame;

pub use codec::{Decoder, Format, encode};
pub use frame::{
    AnswerFrame, AnswerState, EntityAnswer, EntityRequest, Health, Hello, OutcomeFrame, RequestFrame,
    Welcome, WireError,
};

/// The protocol version in `hello` and in the media types.
pub const PROTOCOL: u32 = 1;

/// The largest frame either side reads unless configured otherwise: 16 MiB.
pub const MAX_FRAME_BYTES: usize = 16 << 20;
