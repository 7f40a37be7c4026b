//! Users who sign in and out.

use crate::app::OnSync;
use crate::error::{JsResult, to_js, wanted};
use crate::plugins::Token;
use crate::values::set;
use js_sys::{Function, Object};
use onsync::LogoutPolicy;
use std::sync::Arc;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
impl OnSync {
    /// Signs a user in, with a function that gives the tokens.
    pub async fn login(&self, user: String, credentials: Function) -> JsResult<()> {
        self.app()?
            .login(&user, Arc::new(Token(credentials)))
            .await
            .map_err(to_js)
    }

    /// Signs the user out, and says what was not sent.
    pub async fn logout(&self, policy: String) -> JsResult {
        let policy = match policy.as_str() {
            "send" => LogoutPolicy::Send,
            "keep" => LogoutPolicy::Keep,
            "discard" => LogoutPolicy::Discard,
            other => return Err(to_js(wanted("\"send\", \"keep\" or \"discard\"", &other.into()))),
        };
        let unsent = self.app()?.logout(policy).await.map_err(to_js)?;
        let told = Object::new();
        for (name, count) in [
            ("waiting", unsent.waiting),
            ("rejected", unsent.rejected),
            ("conflicts", unsent.conflicts),
        ] {
            set(&told, name, &JsValue::from_f64(count as f64));
        }
        Ok(told.into())
    }

    /// The user who is signed in; null if nobody is.
    pub fn user(&self) -> JsResult {
        Ok(self.app()?.user().map_or(JsValue::NULL, JsValue::from))
    }
}
