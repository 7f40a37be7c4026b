//! What went wrong and what was lost, for a person to decide: conflicts, refused changes, the bin.

use crate::app::{LIST, OnSync, list};
use crate::error::{JsResult, to_js, wanted};
use crate::forms;
use crate::live::{LiveQuery, Of};
use crate::plugins::{conflict_to_js, resolution};
use crate::values::{entries, key_to_js};
use js_sys::Array;
use onsync::core::value::Timestamp;
use onsync::{BinFilter, BinReason};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

fn limited(limit: Option<u32>) -> usize {
    limit.map_or(LIST, |limit| limit as usize)
}

/// The number of a refused change.
fn number(value: f64) -> JsResult<u64> {
    if value.fract() != 0.0 || !(0.0..9e15).contains(&value) {
        return Err(to_js(wanted("the number of a refused change", &value.into())));
    }
    Ok(value as u64)
}

fn uuid(text: &str) -> JsResult<uuid::Uuid> {
    text.parse()
        .map_err(|_| to_js(wanted("the id of an entry of the bin", &text.into())))
}

const REASONS: [(&str, BinReason); 5] = [
    ("overwritten", BinReason::Overwritten),
    ("discarded", BinReason::Discarded),
    ("gone", BinReason::Gone),
    ("left_scope", BinReason::LeftScope),
    ("read_only", BinReason::ReadOnly),
];

/// A number, or `{ entity, reason, since, limit }`.
fn filter(value: &JsValue) -> JsResult<BinFilter> {
    let mut filter = BinFilter::all();
    filter.limit = LIST;
    if value.is_undefined() || value.is_null() {
        return Ok(filter);
    }
    if let Some(limit) = value.as_f64() {
        filter.limit = limit as usize;
        return Ok(filter);
    }
    let refuse = |what: &str, value: &JsValue| to_js(wanted(what, value));
    for (name, value) in entries(value).map_err(to_js)? {
        if value.is_undefined() || value.is_null() {
            continue;
        }
        let text = value.as_string().unwrap_or_default();
        match name.as_str() {
            "entity" => filter.entity = Some(text),
            "reason" => {
                let found = REASONS.iter().find(|(known, _)| *known == text);
                let reason = found.ok_or_else(|| {
                    let known: Vec<&str> = REASONS.iter().map(|(name, _)| *name).collect();
                    refuse(&format!("one of {}", known.join(", ")), &value)
                })?;
                filter.reason = Some(reason.1);
            }
            "since" => {
                let since: Timestamp = text.parse().map_err(to_js)?;
                filter.since = Some(since);
            }
            "limit" => {
                let limit = value.as_f64().filter(|limit| *limit >= 0.0);
                filter.limit = limit.ok_or_else(|| refuse("a number", &value))? as usize;
            }
            _ => return Err(refuse("entity, reason, since or limit", &name.into())),
        }
    }
    Ok(filter)
}

#[wasm_bindgen]
impl OnSync {
    /// Open conflicts, of one entity if it is named.
    pub async fn conflicts(&self, entity: Option<String>, limit: Option<u32>) -> JsResult<Array> {
        let found = self.app()?.conflicts(entity.as_deref(), limited(limit)).await;
        list(&found.map_err(to_js)?, conflict_to_js)
    }

    /// The open conflict of a record; null if there is none.
    pub async fn conflict(&self, entity: String, name: JsValue) -> JsResult {
        let (app, name) = (self.app()?, self.key(&entity, &name)?);
        let found = app.conflict(&entity, name).await.map_err(to_js)?;
        found.map_or(Ok(JsValue::NULL), |found| conflict_to_js(&found).map_err(to_js))
    }

    /// Open conflicts, given again whenever they have changed.
    #[wasm_bindgen(js_name = watchConflicts)]
    pub fn watch_conflicts(&self) -> JsResult<LiveQuery> {
        Ok(LiveQuery::new(self.app()?, Of::Conflicts))
    }

    /// Ends an open conflict and gives the record's key.
    #[wasm_bindgen(js_name = resolveConflict)]
    pub async fn resolve_conflict(&self, entity: String, name: JsValue, how: JsValue) -> JsResult {
        let (app, name) = (self.app()?, self.key(&entity, &name)?);
        let how = resolution(self.entity(&entity)?, &how).map_err(to_js)?;
        let key = app.resolve_conflict(&entity, name, how).await.map_err(to_js)?;
        Ok(key_to_js(&key))
    }

    /// Changes the server refused.
    pub async fn rejected(&self, limit: Option<u32>) -> JsResult<Array> {
        let found = self.app()?.rejected(limited(limit)).await.map_err(to_js)?;
        list(&found, forms::rejected)
    }

    /// Changes the server refused, given again whenever they have changed.
    #[wasm_bindgen(js_name = watchRejected)]
    pub fn watch_rejected(&self, limit: Option<u32>) -> JsResult<LiveQuery> {
        Ok(LiveQuery::new(self.app()?, Of::Rejected(limited(limit))))
    }

    /// Sends a refused change again; false if it was sent or fixed already.
    #[wasm_bindgen(js_name = retryRejected)]
    pub async fn retry_rejected(&self, entry: f64) -> JsResult<bool> {
        self.app()?.retry_rejected(number(entry)?).await.map_err(to_js)
    }

    /// Gives a refused change up, with what depends on it, and says what became of each record.
    #[wasm_bindgen(js_name = discardRejected)]
    pub async fn discard_rejected(&self, entry: f64) -> JsResult<Array> {
        let discarded = self.app()?.discard_rejected(number(entry)?).await;
        list(&discarded.map_err(to_js)?, forms::discarded)
    }

    /// What `discardRejected` would discard; nothing is done.
    #[wasm_bindgen(js_name = showDiscard)]
    pub async fn show_discard(&self, entry: f64) -> JsResult<Array> {
        let discarded = self.app()?.show_discard(number(entry)?).await;
        list(&discarded.map_err(to_js)?, forms::discarded)
    }

    /// Values that were overwritten, discarded, or left the device while edited.
    pub async fn bin(&self, which: JsValue) -> JsResult<Array> {
        let found = self.app()?.bin(filter(&which)?).await.map_err(to_js)?;
        list(&found, forms::bin)
    }

    /// The bin, given again whenever it has changed.
    #[wasm_bindgen(js_name = watchBin)]
    pub fn watch_bin(&self, which: JsValue) -> JsResult<LiveQuery> {
        Ok(LiveQuery::new(self.app()?, Of::Bin(filter(&which)?)))
    }

    /// Writes values of the bin into their record again, and gives its key.
    pub async fn restore(&self, id: String) -> JsResult {
        let key = self.app()?.restore(uuid(&id)?).await.map_err(to_js)?;
        Ok(key_to_js(&key))
    }

    /// Removes entries of the bin for good, and says how many.
    #[wasm_bindgen(js_name = emptyBin)]
    pub async fn empty_bin(&self, which: JsValue) -> JsResult<f64> {
        let mut filter = filter(&which)?;
        if which.is_undefined() || which.is_null() {
            filter.limit = usize::MAX;
        }
        let removed = self.app()?.empty_bin(filter).await.map_err(to_js)?;
        Ok(removed as f64)
    }
}
