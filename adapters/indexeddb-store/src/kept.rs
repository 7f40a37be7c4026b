//! One transaction of the store over the object stores of the database, as maps from bytes to bytes.
//!
//! A writer keeps what it writes here and gives it to IndexedDB in one piece when it commits: so an app may await what it
//! likes in a transaction, where IndexedDB would end its own. Nobody else writes meanwhile: the writer holds the turn, a Web
//! Lock over all tabs. A reader sees the state it began with: while any reader is open, commits leave behind what they
//! overwrote ([`crate::commit`]), and the reader reads through that.

use crate::database::{Connection, Database};
use crate::error::corrupt;
use crate::layout::{COMMITS, META, UNDO};
use crate::locks::{self, Held, Want};
use crate::request::{Bytes, Mode, Raw, all_done, done, from_bytes, limit, to_js};
use crate::undo;
use crate::values::stored_bytes;
use js_sys::Array;
use onsync_core::Result;
use onsync_core::ordered::{BTreeMap, BTreeSet};
use std::rc::Rc;
use wasm_bindgen::JsValue;
use web_sys::IdbObjectStore;

/// What differs from the object store: bytes put, or none where something was removed.
pub(crate) type Patch = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// Up to so many keys are always read one by one.
const FEW: usize = 16;

/// Who the transaction is.
enum Who {
    Writer {
        _turn: Held,
        /// The number of commits when it first read.
        began: Option<u64>,
    },
    Reader {
        /// Held from the first read on.
        open: Option<Held>,
        /// The number of commits in the state it sees.
        state: Option<u64>,
        /// Up to which commit each object store's patch is complete.
        undone: BTreeMap<String, u64>,
    },
}

/// See the [module](self).
pub(crate) struct Kept {
    pub(crate) database: Rc<Database>,
    who: Who,
    patches: BTreeMap<String, Patch>,
}

/// The lock that readers share while they are open.
pub(crate) fn readers_lock(database: &str) -> String {
    format!("onsync:{database}:readers")
}

impl Kept {
    pub(crate) fn writer(database: Rc<Database>, turn: Held) -> Self {
        Self {
            database,
            who: Who::Writer {
                _turn: turn,
                began: None,
            },
            patches: BTreeMap::new(),
        }
    }

    pub(crate) fn reader(database: Rc<Database>) -> Self {
        Self {
            database,
            who: Who::Reader {
                open: None,
                state: None,
                undone: BTreeMap::new(),
            },
            patches: BTreeMap::new(),
        }
    }

    pub(crate) fn is_reader(&self) -> bool {
        matches!(self.who, Who::Reader { .. })
    }

    /// The number of commits when this writer first read; none if it never did.
    pub(crate) fn began(&self) -> Option<u64> {
        match &self.who {
            Who::Writer { began, .. } => *began,
            Who::Reader { state, .. } => *state,
        }
    }

    /// What was written, by object store.
    pub(crate) fn written(&self) -> &BTreeMap<String, Patch> {
        &self.patches
    }

    /// Begins to read an object store; the patch is complete for what the transaction of IndexedDB sees.
    pub(crate) async fn look(&mut self, store: &str) -> Result<(Rc<Connection>, Raw)> {
        match &mut self.who {
            Who::Writer { began: Some(_), .. } => self.database.begin(&[store], Mode::Read).await,
            Who::Writer { began, .. } => {
                let (connection, raw) = self.database.begin(&distinct(&[store, META]), Mode::Read).await?;
                *began = Some(commits(&raw).await?);
                Ok((connection, raw))
            }
            Who::Reader { open, state, undone } => {
                if open.is_none() {
                    *open = locks::request(&readers_lock(&self.database.name), Want::Shared).await?;
                }
                let stores = distinct(&[store, META, UNDO]);
                let (connection, raw) = self.database.begin(&stores, Mode::Read).await?;
                let now = commits(&raw).await?;
                let state = *state.get_or_insert(now);
                let seen = undone.get(store).copied().unwrap_or(state);
                if seen < now {
                    let patch = self.patches.entry(store.to_owned()).or_default();
                    undo::read(&raw, store, seen, now, patch).await?;
                    undone.insert(store.to_owned(), now);
                }
                Ok((connection, raw))
            }
        }
    }

    pub(crate) fn patch(&self, store: &str) -> Option<&Patch> {
        self.patches.get(store).filter(|patch| !patch.is_empty())
    }

    pub(crate) fn put(&mut self, store: &str, key: Vec<u8>, value: Vec<u8>) {
        self.change(store, key, Some(value));
    }

    pub(crate) fn remove(&mut self, store: &str, key: Vec<u8>) {
        self.change(store, key, None);
    }

    fn change(&mut self, store: &str, key: Vec<u8>, value: Option<Vec<u8>>) {
        match self.patches.get_mut(store) {
            Some(patch) => {
                patch.insert(key, value);
            }
            None => {
                self.patches.insert(store.to_owned(), Patch::from([(key, value)]));
            }
        }
    }

    pub(crate) async fn get(&mut self, store: &str, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let found = self.get_many(store, &[key.to_vec()]).await?;
        Ok(found.into_iter().next().flatten())
    }

    /// The bytes under these keys, in that order.
    pub(crate) async fn get_many(&mut self, store: &str, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>> {
        let known = |kept: &Self| {
            keys.iter()
                .all(|key| kept.patch(store).is_some_and(|patch| patch.contains_key(key)))
        };
        if keys.is_empty() || (!self.is_reader() && known(self)) {
            let patch = self.patch(store);
            let of = |key: &Vec<u8>| patch.and_then(|patch| patch.get(key)).cloned().flatten();
            return Ok(keys.iter().map(of).collect());
        }
        let (_connection, raw) = self.look(store).await?;
        let patch = self.patch(store);
        let missing: BTreeSet<&[u8]> = keys
            .iter()
            .filter(|key| patch.is_none_or(|patch| !patch.contains_key(*key)))
            .map(Vec::as_slice)
            .collect();
        let found = read_many(&raw.store(store)?, &missing).await?;
        Ok(keys
            .iter()
            .map(|key| match patch.and_then(|patch| patch.get(key)) {
                Some(changed) => changed.clone(),
                None => found.get(key.as_slice()).cloned(),
            })
            .collect())
    }

    /// Keys and bytes in a range, in key order, at most `most`.
    pub(crate) async fn scan(
        &mut self,
        store: &str,
        range: &Bytes,
        most: usize,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        if most == 0 || range.is_empty() {
            return Ok(Vec::new());
        }
        let (_connection, raw) = self.look(store).await?;
        let patch = self.patch(store);
        let wanted = most.saturating_add(patch.map_or(0, BTreeMap::len));
        let found = read_range(&raw.store(store)?, range, wanted).await?;
        Ok(merge(found, patch, range, most))
    }

    /// The keys in a range, in order.
    pub(crate) async fn keys(&mut self, store: &str, range: &Bytes) -> Result<Vec<Vec<u8>>> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let (_connection, raw) = self.look(store).await?;
        let found = done(
            "reading keys",
            raw.store(store)?.get_all_keys_with_key(&range.to_js()?),
        )
        .await?;
        let found = Array::from(&found)
            .iter()
            .map(|key| (from_bytes(&key), Vec::new()))
            .collect();
        let merged = merge(found, self.patch(store), range, usize::MAX);
        Ok(merged.into_iter().map(|(key, _)| key).collect())
    }

    /// How many keys there are.
    pub(crate) async fn count(&mut self, store: &str) -> Result<u64> {
        let (_connection, raw) = self.look(store).await?;
        let place = raw.store(store)?;
        let all = done("counting", place.count())
            .await?
            .as_f64()
            .unwrap_or_default() as u64;
        let Some(patch) = self.patch(store) else {
            return Ok(all);
        };
        let changed: BTreeSet<&[u8]> = patch.keys().map(Vec::as_slice).collect();
        let there = read_many(&place, &changed).await?.len() as u64;
        let put = patch.values().filter(|value| value.is_some()).count() as u64;
        Ok((all + put).saturating_sub(there))
    }

    /// A number the store keeps of itself.
    pub(crate) async fn number(&mut self, key: &[u8]) -> Result<Option<u64>> {
        self.get(META, key).await?.map(|bytes| number(&bytes)).transpose()
    }

    pub(crate) fn set_number(&mut self, key: &[u8], value: u64) {
        self.put(META, key.to_vec(), value.to_be_bytes().to_vec());
    }
}

fn distinct<'a>(names: &[&'a str]) -> Vec<&'a str> {
    names
        .iter()
        .copied()
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect()
}

pub(crate) fn number(bytes: &[u8]) -> Result<u64> {
    let bytes = <[u8; 8]>::try_from(bytes).map_err(|_| corrupt("its numbers"))?;
    Ok(u64::from_be_bytes(bytes))
}

/// How many commits there were.
pub(crate) async fn commits(raw: &Raw) -> Result<u64> {
    let found = done("reading", raw.store(META)?.get(&to_js(COMMITS))).await?;
    if found.is_undefined() {
        return Ok(0);
    }
    number(&from_bytes(&found))
}

/// The bytes under keys, where there are any. Many keys are read as a range, if not much else lies between them.
pub(crate) async fn read_many(
    store: &IdbObjectStore,
    keys: &BTreeSet<&[u8]>,
) -> Result<BTreeMap<Vec<u8>, Vec<u8>>> {
    let doing = "reading records";
    let (Some(first), Some(last)) = (keys.first(), keys.last()) else {
        return Ok(BTreeMap::new());
    };
    if keys.len() > FEW {
        let range = Bytes {
            from: Some(first.to_vec()),
            to: Some(last.to_vec()),
            ..Bytes::default()
        };
        let within = done(doing, store.count_with_key(&range.to_js()?)).await?;
        let within = within.as_f64().unwrap_or_default() as usize;
        if within <= keys.len() * 4 {
            let found = read_range(store, &range, usize::MAX).await?;
            return Ok(found
                .into_iter()
                .filter(|(key, _)| keys.contains(key.as_slice()))
                .collect());
        }
    }
    let mut requests = Vec::with_capacity(keys.len());
    for key in keys {
        let request = store.get(&to_js(key));
        requests.push(request.map_err(|exception| crate::error::from_js(doing, &exception))?);
    }
    let mut found = BTreeMap::new();
    for (key, value) in keys.iter().zip(all_done(doing, requests).await?) {
        if !value.is_undefined() {
            found.insert(key.to_vec(), stored_bytes(&value)?);
        }
    }
    Ok(found)
}

/// Keys and bytes of a range that is not empty, in key order.
async fn read_range(store: &IdbObjectStore, range: &Bytes, most: usize) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let doing = "reading records";
    let range = range.to_js()?;
    let (keys, values) = match limit(most) {
        Some(most) => (
            store.get_all_keys_with_key_and_limit(&range, most),
            store.get_all_with_key_and_limit(&range, most),
        ),
        None => (
            store.get_all_keys_with_key(&range),
            store.get_all_with_key(&range),
        ),
    };
    let asked =
        |request: Result<_, JsValue>| request.map_err(|exception| crate::error::from_js(doing, &exception));
    let found = all_done(doing, vec![asked(keys)?, asked(values)?]).await?;
    let [keys, values] = found.as_slice() else {
        return Ok(Vec::new());
    };
    Array::from(keys)
        .iter()
        .zip(Array::from(values).iter())
        .map(|(key, value)| Ok((from_bytes(&key), stored_bytes(&value)?)))
        .collect()
}

/// What was found, with the changes of a patch, at most `most`.
fn merge(
    found: Vec<(Vec<u8>, Vec<u8>)>,
    patch: Option<&Patch>,
    range: &Bytes,
    most: usize,
) -> Vec<(Vec<u8>, Vec<u8>)> {
    let Some(patch) = patch else {
        let mut found = found;
        found.truncate(most);
        return found;
    };
    let mut all: BTreeMap<Vec<u8>, Vec<u8>> = found.into_iter().collect();
    for (key, value) in patch.iter().filter(|(key, _)| range.contains(key)) {
        match value {
            Some(value) => all.insert(key.clone(), value.clone()),
            None => all.remove(key),
        };
    }
    all.into_iter().take(most).collect()
}
