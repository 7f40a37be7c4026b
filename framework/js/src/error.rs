//! Errors as JavaScript sees them: an `Error` with `code` and `kind`.

use js_sys::{Error as JsError, Reflect};
use onsync::{Error, ErrorKind};
use wasm_bindgen::{JsCast, JsValue};

/// What a function for JavaScript returns.
pub(crate) type JsResult<T = JsValue> = Result<T, JsValue>;

/// An error for JavaScript.
#[expect(clippy::needless_pass_by_value, reason = "it is given to map_err")]
pub(crate) fn to_js(error: Error) -> JsValue {
    let thrown = JsError::new(&error.to_string());
    thrown.set_name("OnSyncError");
    for (name, value) in [("code", error.code()), ("kind", error.kind().as_str())] {
        // An error is an object like any other, and not frozen.
        let _set = Reflect::set(&thrown, &name.into(), &value.into());
    }
    thrown.into()
}

/// What a function of the app threw. Its `kind`, where it has one, says what is done next.
pub(crate) fn from_js(thrown: &JsValue) -> Error {
    let text = |name: &str| {
        Reflect::get(thrown, &name.into())
            .ok()
            .and_then(|value| value.as_string())
    };
    let message = match thrown.dyn_ref::<JsError>() {
        Some(error) => String::from(error.message()),
        None => thrown.as_string().unwrap_or_else(|| format!("{thrown:?}")),
    };
    let kind = text("kind").map_or(ErrorKind::Fatal, |kind| ErrorKind::from_name(&kind));
    let code = text("code").map(|code| format!("{code}: ")).unwrap_or_default();
    Error::new(
        kind,
        "app_failed",
        format!("a function of the app failed: {code}{message}"),
    )
}

/// Something handed in is not what was wanted.
pub(crate) fn wanted(what: &str, found: &JsValue) -> Error {
    let mut shown = match js_sys::JSON::stringify(found) {
        Ok(text) => String::from(text),
        Err(_) => format!("{found:?}"),
    };
    if shown.chars().count() > 80 {
        shown = shown.chars().take(80).chain("…".chars()).collect();
    }
    Error::new(
        ErrorKind::Rejected,
        "invalid_value",
        format!("wanted {what}, found {shown}"),
    )
}
