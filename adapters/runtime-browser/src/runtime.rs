//! Time, tasks and randomness of the browser.

use js_sys::{Date, Function, Math, Reflect};
use onsync_core::platform::BoxFuture;
use onsync_core::runtime::Runtime;
use onsync_core::value::Timestamp;
use std::time::Duration;
use wasm_bindgen::{JsCast, JsValue};

/// Longer sleeps end early, because the browser's timers take no more; whoever sleeps looks again.
const LONGEST_SLEEP: Duration = Duration::from_secs(86_400 * 20);

/// The runtime of a page or worker.
#[derive(Clone, Copy, Debug, Default)]
pub struct BrowserRuntime;

impl BrowserRuntime {
    /// There is one browser.
    pub fn new() -> Self {
        Self
    }
}

/// Milliseconds since the page or worker began, with fractions; they never go back.
fn milliseconds() -> Result<f64, JsValue> {
    let performance = Reflect::get(&js_sys::global(), &"performance".into())?;
    let now: Function = Reflect::get(&performance, &"now".into())?.dyn_into()?;
    Ok(now.call0(&performance)?.as_f64().unwrap_or_default())
}

impl Runtime for BrowserRuntime {
    #[expect(clippy::expect_used, reason = "zero is a valid timestamp")]
    fn now(&self) -> Timestamp {
        let micros = Date::now() * 1_000.0;
        // A clock beyond the year 9999 shows the start of 1970.
        Timestamp::from_count(micros as i64)
            .or_else(|_| Timestamp::from_count(0))
            .expect("zero is a valid timestamp")
    }

    fn elapsed(&self) -> Duration {
        Duration::from_secs_f64(milliseconds().unwrap_or_default().max(0.0) / 1_000.0)
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        // Rounded up: whoever sleeps until a moment must not wake before it.
        let milliseconds = duration.min(LONGEST_SLEEP).as_nanos().div_ceil(1_000_000);
        let timer = u32::try_from(milliseconds).map(gloo_timers::future::TimeoutFuture::new);
        Box::pin(async {
            if let Ok(timer) = timer {
                timer.await;
            }
        })
    }

    fn spawn(&self, future: BoxFuture<'static, ()>) {
        wasm_bindgen_futures::spawn_local(future);
    }

    fn random(&self, bytes: &mut [u8]) {
        if getrandom::fill(bytes).is_err() {
            // Every browser has `crypto`; this is for what is none.
            bytes.fill_with(|| (Math::random() * 256.0) as u8);
        }
    }
}
