//! Rows and overlays as values of IndexedDB.

use crate::error::{corrupt, from_js};
use crate::layout::{Form, Table, index_property};
use crate::request::{from_bytes, to_js};
use js_sys::{Object, Reflect, Uint8Array};
use onsync_core::store::local::{Overlay, RecordState};
use onsync_core::value::decode_canonical;
use onsync_core::{Key, Result};
use wasm_bindgen::{JsCast, JsValue};

/// The property of a stored row that holds its bytes, where the row has indexes.
const ROW: &str = "r";

/// A row as it is stored: its bytes, and beside them the keys of its indexes.
pub(crate) fn row_value(table: &Table, bytes: &[u8]) -> Result<JsValue> {
    if table.indexes.is_empty() {
        return Ok(to_js(bytes));
    }
    let value = Object::new();
    let set = |name: &str, bytes: &[u8]| {
        Reflect::set(&value, &name.into(), &to_js(bytes))
            .map_err(|exception| from_js("storing a row", &exception))
    };
    set(ROW, bytes)?;
    for (index, key) in table.index_keys(&decode_canonical(bytes)?).iter().enumerate() {
        set(&index_property(index), key)?;
    }
    Ok(value.into())
}

/// The bytes of a stored value.
pub(crate) fn stored_bytes(value: &JsValue) -> Result<Vec<u8>> {
    if let Some(bytes) = value.dyn_ref::<Uint8Array>() {
        return Ok(bytes.to_vec());
    }
    let bytes = Reflect::get(value, &ROW.into()).map_err(|_| corrupt("a table"))?;
    if bytes.is_undefined() {
        return Err(corrupt("a table"));
    }
    Ok(from_bytes(&bytes))
}

/// An overlay whose base is in stored form.
#[derive(Clone)]
pub(crate) struct StoredOverlay {
    pub(crate) base: Option<Vec<u8>>,
    pub(crate) edit: u64,
    pub(crate) acknowledged_to: u64,
    pub(crate) state: RecordState,
}

impl StoredOverlay {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(18 + self.base.as_ref().map_or(0, Vec::len));
        bytes.extend_from_slice(&self.edit.to_be_bytes());
        bytes.extend_from_slice(&self.acknowledged_to.to_be_bytes());
        bytes.push(match self.state {
            RecordState::Waiting => 0,
            RecordState::InFlight => 1,
            RecordState::Conflicted => 2,
            RecordState::Rejected => 3,
        });
        bytes.push(u8::from(self.base.is_some()));
        bytes.extend_from_slice(self.base.as_deref().unwrap_or_default());
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Self::read(bytes).ok_or_else(|| corrupt("the overlays"))
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (edit, rest) = bytes.split_first_chunk::<8>()?;
        let (acknowledged_to, rest) = rest.split_first_chunk::<8>()?;
        let ([state, has_base], base) = rest.split_first_chunk::<2>()?;
        let state = match state {
            0 => RecordState::Waiting,
            1 => RecordState::InFlight,
            2 => RecordState::Conflicted,
            3 => RecordState::Rejected,
            _ => return None,
        };
        Some(Self {
            base: (*has_base == 1).then(|| base.to_vec()),
            edit: u64::from_be_bytes(*edit),
            acknowledged_to: u64::from_be_bytes(*acknowledged_to),
            state,
        })
    }

    /// As a caller sees it.
    pub(crate) fn visible(&self, form: &Form, key: Key) -> Result<Overlay> {
        Ok(Overlay {
            key,
            base: self.base.as_deref().map(|base| form.visible(base)).transpose()?,
            edit: self.edit,
            acknowledged_to: self.acknowledged_to,
            state: self.state,
        })
    }
}
