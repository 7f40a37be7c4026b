//! What the browser says about the space it gives, and whether it promises to keep it.

use crate::app::OnSync;
use crate::error::{JsResult, to_js};
use crate::values::set;
use js_sys::{Function, Object, Promise, Reflect};
use onsync::Error;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

/// Calls a function of the browser's storage manager.
async fn ask(name: &str) -> Result<JsValue, JsValue> {
    let navigator = Reflect::get(&js_sys::global(), &"navigator".into())?;
    let storage = Reflect::get(&navigator, &"storage".into())?;
    let function: Function = Reflect::get(&storage, &name.into())?.dyn_into()?;
    let promise: Promise = function.call0(&storage)?.dyn_into()?;
    JsFuture::from(promise).await
}

async fn answered(name: &str) -> JsResult {
    ask(name).await.map_err(|_| {
        to_js(Error::fatal(
            "store_unavailable",
            "wanted the browser's storage manager, found none; serve the page over HTTPS or from localhost",
        ))
    })
}

#[wasm_bindgen]
impl OnSync {
    /// Whether the browser promises to keep the site's data, how much there is and may be, and whether unsent changes are at risk.
    pub async fn storage(&self) -> JsResult {
        let app = self.app()?;
        let persisted = answered("persisted").await?.is_truthy();
        let estimate = answered("estimate").await?;
        let unsent = !app.waiting(1).await.map_err(to_js)?.is_empty();
        let told = Object::new();
        set(&told, "persisted", &persisted.into());
        for name in ["usage", "quota"] {
            set(
                &told,
                name,
                &Reflect::get(&estimate, &name.into()).unwrap_or(JsValue::NULL),
            );
        }
        set(&told, "atRisk", &(unsent && !persisted).into());
        Ok(told.into())
    }

    /// Asks the browser to keep the site's data, best upon a click; some browsers ask the user. Whether it does.
    #[wasm_bindgen(js_name = persistStorage)]
    pub async fn persist_storage(&self) -> JsResult<bool> {
        Ok(answered("persist").await?.is_truthy())
    }
}
