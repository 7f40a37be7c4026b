//! What commits overwrote while somebody was reading: one value per commit and object store, forgotten when nobody reads.

use crate::error::{corrupt, from_js};
use crate::kept::Patch;
use crate::layout::UNDO;
use crate::request::{Raw, done, from_bytes, to_js};
use js_sys::Array;
use onsync_core::Result;
use onsync_core::ordered::BTreeMap;
use wasm_bindgen::JsValue;
use web_sys::IdbKeyRange;

fn key(store: &str, commit: u64) -> JsValue {
    // Commits are counted far below 2⁵³.
    Array::of2(&store.into(), &JsValue::from_f64(commit as f64)).into()
}

/// Stores what a commit overwrites under some keys of an object store.
pub(crate) fn write<'a>(
    raw: &Raw,
    store: &str,
    commit: u64,
    keys: impl Iterator<Item = &'a Vec<u8>>,
    before: &BTreeMap<Vec<u8>, Vec<u8>>,
) -> Result<()> {
    let mut bytes = Vec::new();
    for key in keys {
        push(&mut bytes, Some(key));
        push(&mut bytes, before.get(key));
    }
    raw.store(UNDO)?
        .put_with_key(&to_js(&bytes), &self::key(store, commit))
        .map_err(|exception| from_js("keeping what readers see", &exception))?;
    Ok(())
}

/// The length plus one, then the bytes; zero for none.
fn push(bytes: &mut Vec<u8>, item: Option<&Vec<u8>>) {
    let length = item.map_or(0, |item| item.len() as u64 + 1);
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(item.map_or(&[], Vec::as_slice));
}

fn pull(bytes: &mut &[u8]) -> Option<Option<Vec<u8>>> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let length = usize::try_from(u64::from_be_bytes(*length)).ok()?;
    let Some(length) = length.checked_sub(1) else {
        *bytes = rest;
        return Some(None);
    };
    let (item, rest) = rest.split_at_checked(length)?;
    *bytes = rest;
    Some(Some(item.to_vec()))
}

/// Adds to a patch what the commits after `seen`, up to `now`, overwrote. What an earlier one overwrote stays.
pub(crate) async fn read(raw: &Raw, store: &str, seen: u64, now: u64, patch: &mut Patch) -> Result<()> {
    let doing = "reading an earlier state";
    let range = IdbKeyRange::bound(&key(store, seen + 1), &key(store, now))
        .map_err(|exception| from_js(doing, &exception))?;
    let found = done(doing, raw.store(UNDO)?.get_all_with_key(&range)).await?;
    for value in Array::from(&found).iter() {
        let value = from_bytes(&value);
        let mut bytes = value.as_slice();
        while !bytes.is_empty() {
            let key = pull(&mut bytes)
                .flatten()
                .ok_or_else(|| corrupt("what commits overwrote"))?;
            let before = pull(&mut bytes).ok_or_else(|| corrupt("what commits overwrote"))?;
            patch.entry(key).or_insert(before);
        }
    }
    Ok(())
}
