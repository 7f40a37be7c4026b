//! Randomness for keys, nonces and history marks.

use onsync_core::error::{Error, Result};

/// Random bytes fit for keys.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N]> {
    let mut out = [0; N];
    getrandom::fill(&mut out).map_err(|cause| {
        Error::fatal(
            "no_randomness",
            format!("the system gave no random bytes ({cause}); without them checkpoints cannot be sealed"),
        )
    })?;
    Ok(out)
}

/// A random number.
pub(crate) fn number() -> Result<u64> {
    bytes().map(u64::from_be_bytes)
}
