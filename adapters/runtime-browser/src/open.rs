//! The runtime on every platform: where there is no browser it is refused.

use onsync_core::Result;
use onsync_core::runtime::Runtime;
use std::sync::Arc;

/// The browser's runtime.
///
/// # Errors
/// Outside a browser `missing_runtime`.
#[cfg(target_family = "wasm")]
pub fn runtime() -> Result<Arc<dyn Runtime>> {
    Ok(Arc::new(crate::BrowserRuntime::new()))
}

/// The browser's runtime.
///
/// # Errors
/// Outside a browser `missing_runtime`.
#[cfg(not(target_family = "wasm"))]
pub fn runtime() -> Result<Arc<dyn Runtime>> {
    Err(onsync_core::Error::unsupported(
        "missing_runtime",
        "wanted the runtime of a browser, found no browser; use the feature `native` here",
    ))
}
