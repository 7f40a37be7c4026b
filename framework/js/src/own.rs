//! Plug-ins of a module of one's own: Rust that is compiled together with this crate.

use onsync::{Registries, Result};
use std::cell::RefCell;

type Add = fn(&mut Registries) -> Result<()>;

thread_local! {
    static OWN: RefCell<Vec<Add>> = const { RefCell::new(Vec::new()) };
}

/// Has `add` called with the plug-ins of every app that is opened from now on, after those that come with OnSync. To be
/// called from the `#[wasm_bindgen(start)]` function of one's own module; what `add` fails with, `OnSync.open` fails with.
///
/// ```ignore
/// #[wasm_bindgen(start)]
/// fn start() {
///     onsync_js::register(|registries| registries.pattern(AppendOnly));
/// }
/// ```
pub fn register(add: Add) {
    OWN.with_borrow_mut(|own| own.push(add));
}

/// What comes with OnSync, and what the module has of its own.
pub(crate) fn registries() -> Result<Registries> {
    let mut registries = onsync::registries();
    let own = OWN.with_borrow(Clone::clone);
    own.into_iter().try_for_each(|add| add(&mut registries))?;
    Ok(registries)
}
