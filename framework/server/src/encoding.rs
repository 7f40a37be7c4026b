//! How the server writes its own bookkeeping into areas: MessagePack maps, as on the wire.

use onsync_core::error::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The area of receipts, by mutation id.
pub(crate) const RECEIPT: &str = "receipt";
/// The area that lists the receipts of one transaction, by owner and the greatest of their numbers.
pub(crate) const RECEIPT_LIST: &str = "receipt_list";
/// The area of device instances, by owner.
pub(crate) const INSTANCE: &str = "instance";
/// The area of history marks, by position.
pub(crate) const HISTORY: &str = "history";
/// The area that holds the newest history mark, under [`NEWEST`].
pub(crate) const HISTORY_NEWEST: &str = "history_newest";
/// The one key of [`HISTORY_NEWEST`].
pub(crate) const NEWEST: &[u8] = b"newest";
/// The area of the bin, by sortable ids.
pub(crate) const BIN: &str = "bin";
/// The area of the keys that seal checkpoints.
pub(crate) const KEY: &str = "key";

/// As bytes.
pub(crate) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    rmp_serde::to_vec_named(value).map_err(|cause| {
        Error::fatal(
            "unencodable",
            format!("the server's own bookkeeping could not be encoded: {cause}"),
        )
    })
}

/// As bytes, without names: for what is written once per mutation.
pub(crate) fn encode_short<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    rmp_serde::to_vec(value).map_err(|cause| {
        Error::fatal(
            "unencodable",
            format!("the server's own bookkeeping could not be encoded: {cause}"),
        )
    })
}

/// From bytes the server wrote.
pub(crate) fn decode<T: DeserializeOwned>(area: &str, bytes: &[u8]) -> Result<T> {
    rmp_serde::from_slice(bytes).map_err(|cause| {
        Error::corrupt(
            "bookkeeping_corrupt",
            format!("wanted an entry of the server's area `{area}`, found bytes that are none: {cause}; restore the server's database from a backup"),
        )
    })
}
