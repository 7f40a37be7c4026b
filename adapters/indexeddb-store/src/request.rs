//! Requests and transactions of IndexedDB as futures.
//!
//! While such a future is awaited the transaction stays alive, because the browser's event wakes it within the same task. Anything
//! else that is awaited (a timer, `fetch`, another database) ends the transaction.

use crate::error::from_js;
use js_sys::{Array, Object, Promise, Reflect, Uint8Array};
use onsync_core::Result;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{IdbDatabase, IdbKeyRange, IdbObjectStore, IdbRequest, IdbTransaction};

/// The result of a request.
pub(crate) async fn done(doing: &str, request: Result<IdbRequest, JsValue>) -> Result<JsValue> {
    let request = request.map_err(|exception| from_js(doing, &exception))?;
    let settled = Promise::new(&mut |resolve, reject| {
        request.set_onsuccess(Some(&resolve));
        request.set_onerror(Some(&reject));
    });
    match JsFuture::from(settled).await {
        Ok(_) => request.result().map_err(|exception| from_js(doing, &exception)),
        Err(event) => Err(from_js(doing, &failure(&request, event))),
    }
}

/// Why a request failed; the event if nothing better is known.
pub(crate) fn failure(request: &IdbRequest, event: JsValue) -> JsValue {
    match request.error() {
        Ok(Some(exception)) => exception.into(),
        _ => event,
    }
}

/// The results of several requests of one transaction, which end in the order in which they were made.
pub(crate) async fn all_done(doing: &str, mut requests: Vec<IdbRequest>) -> Result<Vec<JsValue>> {
    let Some(last) = requests.pop() else {
        return Ok(Vec::new());
    };
    let last = done(doing, Ok(last)).await?;
    let mut results = Vec::with_capacity(requests.len() + 1);
    for request in requests {
        results.push(request.result().map_err(|exception| from_js(doing, &exception))?);
    }
    results.push(last);
    Ok(results)
}

/// What a transaction of IndexedDB is begun for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Read,
    /// Writes that may be lost with the power.
    Relaxed,
    /// Writes that are on disk when they are complete.
    Strict,
}

/// One transaction of IndexedDB. It is aborted when it is dropped: left alone, IndexedDB would commit it.
pub(crate) struct Raw {
    inner: IdbTransaction,
    open: bool,
}

impl Raw {
    pub(crate) fn begin(database: &IdbDatabase, stores: &[&str], mode: Mode) -> Result<Self, JsValue> {
        let names: Array = stores.iter().map(|name| JsValue::from_str(name)).collect();
        let (word, durability) = match mode {
            Mode::Read => ("readonly", "default"),
            Mode::Relaxed => ("readwrite", "relaxed"),
            Mode::Strict => ("readwrite", "strict"),
        };
        let options = Object::new();
        Reflect::set(&options, &"durability".into(), &durability.into())?;
        // The form with options is not among the bindings' stable ones.
        let begin: js_sys::Function = Reflect::get(database, &"transaction".into())?.dyn_into()?;
        let inner = begin
            .call3(database, &names, &word.into(), &options)?
            .dyn_into::<IdbTransaction>()?;
        Ok(Self {
            inner,
            open: mode != Mode::Read,
        })
    }

    /// The transaction of an upgrade, which commits by itself.
    pub(crate) fn of_upgrade(inner: IdbTransaction) -> Self {
        Self { inner, open: false }
    }

    pub(crate) fn store(&self, name: &str) -> Result<IdbObjectStore> {
        self.inner
            .object_store(name)
            .map_err(|exception| from_js("opening an object store", &exception))
    }

    /// Commits, and waits until everything is stored.
    pub(crate) async fn complete(mut self) -> Result<()> {
        let doing = "committing";
        let settled = Promise::new(&mut |resolve, reject| {
            self.inner.set_oncomplete(Some(&resolve));
            self.inner.set_onabort(Some(&reject));
        });
        let commit: Result<js_sys::Function, JsValue> =
            Reflect::get(&self.inner, &"commit".into()).and_then(JsCast::dyn_into);
        if let Ok(commit) = commit {
            commit
                .call0(&self.inner)
                .map_err(|exception| from_js(doing, &exception))?;
        }
        self.open = false;
        match JsFuture::from(settled).await {
            Ok(_) => Ok(()),
            Err(event) => Err(from_js(doing, &self.inner.error().map_or(event, JsValue::from))),
        }
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        if self.open {
            // It fails where the transaction has ended already, which is as good.
            let _ended = self.inner.abort();
        }
    }
}

/// Bytes as a key or value of IndexedDB.
pub(crate) fn to_js(bytes: &[u8]) -> JsValue {
    Uint8Array::from(bytes).into()
}

/// Bytes from a key or value of IndexedDB.
pub(crate) fn from_bytes(value: &JsValue) -> Vec<u8> {
    Uint8Array::new(value).to_vec()
}

/// A range of keys in bytes: behind `after`, or from `from` on, up to and including `to`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bytes {
    pub(crate) from: Option<Vec<u8>>,
    pub(crate) after: Option<Vec<u8>>,
    pub(crate) to: Option<Vec<u8>>,
    pub(crate) before: Option<Vec<u8>>,
}

impl Bytes {
    /// Whether nothing lies in it; IndexedDB throws at such a range.
    pub(crate) fn is_empty(&self) -> bool {
        let (low, open_low) = match (&self.after, &self.from) {
            (Some(after), _) => (after, true),
            (None, Some(from)) => (from, false),
            (None, None) => return false,
        };
        let (high, open_high) = match (&self.before, &self.to) {
            (Some(before), _) => (before, true),
            (None, Some(to)) => (to, false),
            (None, None) => return false,
        };
        low > high || (low == high && (open_low || open_high))
    }

    pub(crate) fn contains(&self, key: &[u8]) -> bool {
        self.from.as_deref().is_none_or(|from| key >= from)
            && self.after.as_deref().is_none_or(|after| key > after)
            && self.to.as_deref().is_none_or(|to| key <= to)
            && self.before.as_deref().is_none_or(|before| key < before)
    }

    /// As IndexedDB takes it; undefined for every key. Not for an empty range.
    pub(crate) fn to_js(&self) -> Result<JsValue> {
        let low = self
            .after
            .as_deref()
            .map(|after| (after, true))
            .or(self.from.as_deref().map(|from| (from, false)));
        let high = self
            .before
            .as_deref()
            .map(|before| (before, true))
            .or(self.to.as_deref().map(|to| (to, false)));
        let range = match (low, high) {
            (None, None) => return Ok(JsValue::UNDEFINED),
            (Some((low, open)), None) => IdbKeyRange::lower_bound_with_open(&to_js(low), open),
            (None, Some((high, open))) => IdbKeyRange::upper_bound_with_open(&to_js(high), open),
            (Some((low, open_low)), Some((high, open_high))) => {
                IdbKeyRange::bound_with_lower_open_and_upper_open(
                    &to_js(low),
                    &to_js(high),
                    open_low,
                    open_high,
                )
            }
        };
        range
            .map(JsValue::from)
            .map_err(|exception| from_js("making a range of keys", &exception))
    }
}

/// A limit as IndexedDB takes it; none for one beyond its numbers.
pub(crate) fn limit(limit: usize) -> Option<u32> {
    u32::try_from(limit).ok()
}
