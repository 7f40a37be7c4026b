//! What the browser's exceptions mean.

use onsync_core::Error;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::DomException;

/// An exception as an error of the store.
pub(crate) fn from_js(doing: &str, exception: &JsValue) -> Error {
    let (name, message) = described(exception);
    match name.as_str() {
        "QuotaExceededError" => Error::fatal(
            "disk_full",
            format!(
                "the browser gives this site no more storage while {doing}; nothing was stored, free space and do it again"
            ),
        ),
        "VersionError" => Error::transient(
            "store_unavailable",
            format!("another tab changed the database while {doing}; do it again"),
        ),
        _ => Error::fatal(
            "store_unavailable",
            format!("IndexedDB failed while {doing}: {name}: {message}"),
        ),
    }
}

/// The name and message of an exception, whatever it is.
pub(crate) fn described(exception: &JsValue) -> (String, String) {
    if let Some(exception) = exception.dyn_ref::<DomException>() {
        return (exception.name(), exception.message());
    }
    if let Some(error) = exception.dyn_ref::<js_sys::Error>() {
        return (error.name().into(), error.message().into());
    }
    ("unknown".to_owned(), format!("{exception:?}"))
}

/// The database was deleted by the browser or its user while the app was open.
pub(crate) fn wiped(name: &str) -> Error {
    Error::fatal(
        "store_unavailable",
        format!(
            "the browser has deleted the database `{name}` of this site; load the page again, and the records are fetched anew"
        ),
    )
}

/// What this version cannot read.
pub(crate) fn corrupt(place: &str) -> Error {
    Error::corrupt(
        "store_corrupt",
        format!("the database holds something in {place} that this version cannot read"),
    )
}
