//! The runtime keeps the contract of [`Runtime`], and the page's return is noticed.

#![cfg(target_family = "wasm")]

use onsync_core::runtime::Runtime;
use onsync_runtime_browser::{BrowserRuntime, Resumes};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

#[wasm_bindgen_test]
async fn a_sleep_ends_at_its_moment_and_elapsed_never_goes_back() {
    let runtime = BrowserRuntime::new();
    let mut last = runtime.elapsed();
    for milliseconds in [0, 1, 20] {
        let sleep = Duration::from_millis(milliseconds);
        runtime.sleep(sleep).await;
        let now = runtime.elapsed();
        assert!(
            now >= last + sleep.saturating_sub(Duration::from_micros(200)),
            "{now:?} after {last:?}"
        );
        last = now;
    }
    assert!(
        runtime.now().count() > 1_700_000_000_000_000,
        "{:?}",
        runtime.now()
    );
}

#[wasm_bindgen_test]
async fn a_spawned_task_runs_without_anybody_waiting() {
    let runtime = BrowserRuntime::new();
    let done = Rc::new(Cell::new(false));
    let flag = done.clone();
    runtime.spawn(Box::pin(async move { flag.set(true) }));
    runtime.sleep(Duration::from_millis(1)).await;
    assert!(done.get());
}

#[wasm_bindgen_test]
fn randomness_differs() {
    let runtime = BrowserRuntime::new();
    assert_ne!(runtime.random_uuid(), runtime.random_uuid());
}

#[wasm_bindgen_test]
fn the_pages_return_is_noticed_until_the_guard_is_dropped() {
    let count = Rc::new(Cell::new(0));
    let counted = count.clone();
    let resumes = Resumes::new(move || counted.set(counted.get() + 1));
    let window: web_sys::EventTarget = wasm_bindgen::JsValue::from(js_sys::global()).into();
    let show = || web_sys::Event::new("pageshow").map(|event| window.dispatch_event(&event));
    assert!(show().is_ok());
    assert_eq!(count.get(), 1);
    drop(resumes);
    assert!(show().is_ok());
    assert_eq!(count.get(), 1);
}
