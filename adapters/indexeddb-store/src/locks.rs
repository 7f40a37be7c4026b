//! Web Locks: turns over all tabs, which the browser frees when a tab dies.

use crate::error::described;
use js_sys::{Function, Object, Promise, Reflect};
use onsync_core::{Error, Result};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use wasm_bindgen::prelude::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::AbortController;

/// How a lock is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    /// Alone; waits for its turn, given in order of asking.
    Exclusive,
    /// Alone, or not at all.
    ExclusiveNow,
    /// With others that share; waits.
    Shared,
}

/// A lock that is held until this is dropped.
pub(crate) struct Held {
    release: Function,
}

impl Drop for Held {
    fn drop(&mut self) {
        // The function of a promise does not throw.
        let _released = self.release.call0(&JsValue::UNDEFINED);
    }
}

/// Gives a lock up that is waited for, or was granted to a future that is no more.
struct Waiting {
    controller: Option<AbortController>,
    given_up: Rc<Cell<bool>>,
    release: Rc<RefCell<Option<Function>>>,
}

impl Waiting {
    fn take(&self) -> Option<Held> {
        let release = self.release.borrow_mut().take();
        release.map(|release| Held { release })
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.given_up.set(true);
        if let Some(controller) = &self.controller {
            controller.abort();
        }
        drop(self.take());
    }
}

fn unavailable(exception: &JsValue) -> Error {
    let (name, message) = described(exception);
    Error::fatal(
        "store_unavailable",
        format!("the browser refused a Web Lock: {name}: {message}"),
    )
}

/// The browser's lock manager.
fn manager() -> Result<JsValue> {
    let found = Reflect::get(&js_sys::global(), &"navigator".into())
        .and_then(|navigator| Reflect::get(&navigator, &"locks".into()));
    match found {
        Ok(manager) if !manager.is_undefined() && !manager.is_null() => Ok(manager),
        _ => Err(Error::fatal(
            "store_unavailable",
            "wanted the browser's Web Locks, found none; serve the page over HTTPS or from localhost, and use a browser of 2022 or later",
        )),
    }
}

/// Whether this browser and page have Web Locks.
pub(crate) fn check() -> Result<()> {
    manager().map(|_| ())
}

/// How long a lock that was released just now may look held, and how often that is looked at.
const MOMENT: (i32, usize) = (5, 4);

/// Asks for a lock that is wanted now. The browser takes a moment to know that a lock was released, so it is asked again.
pub(crate) async fn try_request(name: &str) -> Result<Option<Held>> {
    for _ in 1..MOMENT.1 {
        let held = request(name, Want::ExclusiveNow).await?;
        if held.is_some() {
            return Ok(held);
        }
        pause(MOMENT.0)
            .await
            .map_err(|exception| unavailable(&exception))?;
    }
    request(name, Want::ExclusiveNow).await
}

async fn pause(milliseconds: i32) -> Result<(), JsValue> {
    let global = js_sys::global();
    let timer: Function = Reflect::get(&global, &"setTimeout".into())?.dyn_into()?;
    let over = Promise::new(&mut |resolve, reject| {
        if let Err(exception) = timer.call2(&global, &resolve, &milliseconds.into()) {
            let _told = reject.call1(&JsValue::UNDEFINED, &exception);
        }
    });
    JsFuture::from(over).await.map(|_| ())
}

/// Asks for a lock at once and waits for it; none if it is wanted now and somebody has it.
pub(crate) async fn request(name: &str, want: Want) -> Result<Option<Held>> {
    let manager = manager()?;
    let request: Function = Reflect::get(&manager, &"request".into())
        .and_then(JsCast::dyn_into)
        .map_err(|exception| unavailable(&exception))?;
    let waiting = Waiting {
        // A request for now cannot be given up, the browser refuses the combination.
        controller: (want != Want::ExclusiveNow)
            .then(AbortController::new)
            .transpose()
            .map_err(|exception| unavailable(&exception))?,
        given_up: Rc::default(),
        release: Rc::default(),
    };
    let mut answer_by = None;
    let answer = Promise::new(&mut |resolve, reject| answer_by = Some((resolve, reject)));
    let Some((resolve, reject)) = answer_by else {
        return Err(unavailable(&JsValue::NULL));
    };
    let (release, given_up) = (waiting.release.clone(), waiting.given_up.clone());
    let granted = Closure::once_into_js(move |lock: JsValue| -> JsValue {
        let mut held = JsValue::UNDEFINED;
        if !lock.is_null() && !given_up.get() {
            held = Promise::new(&mut |resolve, _| *release.borrow_mut() = Some(resolve)).into();
        }
        // The function of a promise does not throw.
        let _told = resolve.call0(&JsValue::UNDEFINED);
        held
    });
    let options = options(want, waiting.controller.as_ref()).map_err(|exception| unavailable(&exception))?;
    request
        .call3(&manager, &name.into(), &options, &granted)
        .and_then(|ended| {
            // A request that is given up or refused ends with an exception, which must have somebody to go to.
            let then: Function = Reflect::get(&ended, &"then".into())?.dyn_into()?;
            then.call2(&ended, &JsValue::UNDEFINED, &reject)
        })
        .map_err(|exception| unavailable(&exception))?;
    JsFuture::from(answer)
        .await
        .map_err(|exception| unavailable(&exception))?;
    Ok(waiting.take())
}

fn options(want: Want, controller: Option<&AbortController>) -> Result<Object, JsValue> {
    let options = Object::new();
    let mode = if want == Want::Shared {
        "shared"
    } else {
        "exclusive"
    };
    Reflect::set(&options, &"mode".into(), &mode.into())?;
    if want == Want::ExclusiveNow {
        Reflect::set(&options, &"ifAvailable".into(), &JsValue::TRUE)?;
    }
    if let Some(controller) = controller {
        Reflect::set(&options, &"signal".into(), &controller.signal())?;
    }
    Ok(options)
}
