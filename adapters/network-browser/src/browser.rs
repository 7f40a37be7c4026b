//! The browser's side: reads `navigator` and listens to its events.

use crate::Signals;
use js_sys::Reflect;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::EventTarget;

/// A property that is there and not empty. What a getter throws counts as nothing.
fn property(of: &JsValue, name: &str) -> Option<JsValue> {
    let value = Reflect::get(of, &JsValue::from_str(name)).ok()?;
    (!value.is_undefined() && !value.is_null()).then_some(value)
}

fn connection() -> Option<JsValue> {
    property(&property(&js_sys::global(), "navigator")?, "connection")
}

/// What the browser tells now.
pub(crate) fn signals() -> Signals {
    let navigator = property(&js_sys::global(), "navigator");
    let connection = connection();
    let of_connection = |name| connection.as_ref().and_then(|value| property(value, name));
    Signals {
        online: navigator
            .and_then(|navigator| property(&navigator, "onLine"))
            .and_then(|value| value.as_bool()),
        connection_type: of_connection("type").and_then(|value| value.as_string()),
        save_data: of_connection("saveData").and_then(|value| value.as_bool()),
    }
}

/// Listens until it is dropped.
pub(crate) struct Listeners {
    closure: Closure<dyn Fn()>,
    targets: Vec<(EventTarget, &'static str)>,
}

impl Listeners {
    /// Calls `changed` whenever the browser says that something is new.
    pub(crate) fn new(changed: impl Fn() + 'static) -> Self {
        let global: JsValue = js_sys::global().into();
        let wanted = [
            (Some(global.clone()), "online"),
            (Some(global), "offline"),
            (connection(), "change"),
        ];
        let closure = Closure::<dyn Fn()>::new(changed);
        let function = closure.as_ref().unchecked_ref();
        let mut targets = Vec::new();
        for (target, event) in wanted {
            let target = target.and_then(|target| target.dyn_into::<EventTarget>().ok());
            let Some(target) = target else { continue };
            // Adding a listener fails in no browser; one that could not be added would just say nothing.
            if target.add_event_listener_with_callback(event, function).is_ok() {
                targets.push((target, event));
            }
        }
        Self { closure, targets }
    }
}

impl Drop for Listeners {
    fn drop(&mut self) {
        let function = self.closure.as_ref().unchecked_ref();
        for (target, event) in &self.targets {
            // One that is gone already is removed as well.
            let _ = target.remove_event_listener_with_callback(event, function);
        }
    }
}
