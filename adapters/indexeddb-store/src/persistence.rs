//! Whether the browser keeps the database when it runs out of space.

use js_sys::{Function, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};

/// What an app developer is told.
pub(crate) const WARNING: &str = "there are unsent changes, and the browser does not promise to keep this site's data: it may delete \
    them when it runs out of space; let the user install the app, or ask for persistent storage upon a click";

/// Whether the database is kept; if not, the browser is asked to keep it, which takes effect later.
pub(crate) async fn ask() -> bool {
    if call("persisted").await.is_ok_and(|kept| kept.is_truthy()) {
        return true;
    }
    // Some browsers ask the user: nobody waits for that. Workers cannot ask.
    spawn_local(async {
        let answer = call("persist").await;
        tracing::debug!(
            kept = answer.is_ok_and(|kept| kept.is_truthy()),
            "asked the browser to keep the database"
        );
    });
    false
}

/// Calls a function of the browser's storage manager.
async fn call(name: &str) -> Result<JsValue, JsValue> {
    let navigator = Reflect::get(&js_sys::global(), &"navigator".into())?;
    let storage = Reflect::get(&navigator, &"storage".into())?;
    let function: Function = Reflect::get(&storage, &name.into())?.dyn_into()?;
    let promise: Promise = function.call0(&storage)?.dyn_into()?;
    JsFuture::from(promise).await
}
