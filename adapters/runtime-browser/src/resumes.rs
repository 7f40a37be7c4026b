//! Notices that the page is looked at again.

use js_sys::Reflect;
use wasm_bindgen::prelude::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Document, Event, EventTarget, VisibilityState};

/// Calls back whenever the page becomes visible or comes back from the browser's page cache, until it is dropped.
pub struct Resumes {
    listened: Vec<(EventTarget, &'static str)>,
    callback: Closure<dyn FnMut(Event)>,
}

impl Resumes {
    /// Begins to listen. Without a page, as in a worker, it is never called.
    pub fn new(resumed: impl Fn() + 'static) -> Self {
        let document = global("document");
        let visible = document.clone();
        let callback = Closure::new(move |_: Event| {
            let hidden = visible
                .as_ref()
                .and_then(|document| document.dyn_ref::<Document>())
                .is_some_and(|document| document.visibility_state() == VisibilityState::Hidden);
            if !hidden {
                resumed();
            }
        });
        let mut listened = Vec::new();
        for (target, event) in [(document, "visibilitychange"), (global("window"), "pageshow")] {
            let Some(target) = target.and_then(|target| target.dyn_into::<EventTarget>().ok()) else {
                continue;
            };
            if target
                .add_event_listener_with_callback(event, callback.as_ref().unchecked_ref())
                .is_ok()
            {
                listened.push((target, event));
            }
        }
        Self { listened, callback }
    }
}

impl Drop for Resumes {
    fn drop(&mut self) {
        for (target, event) in &self.listened {
            let callback = self.callback.as_ref().unchecked_ref();
            // What was added can be removed.
            let _removed = target.remove_event_listener_with_callback(event, callback);
        }
    }
}

fn global(name: &str) -> Option<JsValue> {
    let found = Reflect::get(&js_sys::global(), &name.into()).ok()?;
    (!found.is_undefined() && !found.is_null()).then_some(found)
}
