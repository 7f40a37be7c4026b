//! Word of commits between tabs and workers: a `BroadcastChannel` of the database. It carries nothing but that there was one.

use onsync_core::store::local::CommitListener;
use std::sync::Arc;
use wasm_bindgen::prelude::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{BroadcastChannel, Event};

/// One handle's end of the channel. A handle does not hear itself.
pub(crate) struct Channel {
    channel: BroadcastChannel,
    _heard: Closure<dyn FnMut(Event)>,
}

impl Channel {
    /// None where the browser has no such channels.
    pub(crate) fn open(database: &str, listener: Arc<dyn CommitListener>) -> Option<Self> {
        let channel = BroadcastChannel::new(&format!("onsync:{database}")).ok()?;
        let heard = Closure::new(move |_: Event| listener.committed());
        channel.set_onmessage(Some(heard.as_ref().unchecked_ref()));
        Some(Self {
            channel,
            _heard: heard,
        })
    }

    /// Tells the others. Whoever is not reached looks by themselves, a second later.
    pub(crate) fn committed(&self) {
        if let Err(refused) = self.channel.post_message(&JsValue::TRUE) {
            tracing::debug!(?refused, "other tabs could not be told of a commit");
        }
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.channel.set_onmessage(None);
        self.channel.close();
    }
}
