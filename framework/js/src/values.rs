//! Values between OnSync and JavaScript: the table of types of the docs.

use crate::error::wanted;
use js_sys::{Array, BigInt, Date, JSON, JsString, Object, Reflect, Uint8Array};
use onsync::core::schema::EntitySchema;
use onsync::{Error, Fields, Key, Parameters, Result, Value, ValueType};
use wasm_bindgen::{JsCast, JsValue};

/// Integers up to this are numbers: 2⁵³ − 1.
const SAFE: i64 = (1 << 53) - 1;

/// A value: bigint for integers beyond 2⁵³, text for decimals, dates, times and uuids, `Uint8Array` for bytes.
pub(crate) fn to_js(value: &Value) -> JsValue {
    match value {
        Value::Null => JsValue::NULL,
        Value::Boolean(value) => JsValue::from_bool(*value),
        Value::Integer(value) if (-SAFE..=SAFE).contains(value) => JsValue::from_f64(*value as f64),
        Value::Integer(value) => BigInt::from(*value).into(),
        Value::Real(value) => JsValue::from_f64(*value),
        Value::Json(text) => JSON::parse(text).unwrap_or_else(|_| text.into()),
        Value::Bytes(bytes) => Uint8Array::from(bytes.as_slice()).into(),
        other => other.to_string().into(),
    }
}

/// A value of the declared type.
pub(crate) fn from_js(value_type: ValueType, value: &JsValue) -> Result<Value> {
    if value.is_null() || value.is_undefined() {
        return Ok(Value::Null);
    }
    let refuse = || wanted(value_type.as_str(), value);
    let found = match value_type {
        ValueType::Boolean => Value::Boolean(value.as_bool().ok_or_else(refuse)?),
        ValueType::Integer => Value::Integer(integer(value).ok_or_else(refuse)?),
        ValueType::Real => Value::Real(value.as_f64().ok_or_else(refuse)?),
        ValueType::Decimal => {
            let text = match value.as_f64() {
                Some(number) => number.to_string(),
                None => value.as_string().ok_or_else(refuse)?,
            };
            Value::Decimal(text.parse()?)
        }
        ValueType::Json => Value::Json(JSON::stringify(value).map_err(|_| refuse())?.into()),
        ValueType::Bytes => Value::Bytes(value.dyn_ref::<Uint8Array>().ok_or_else(refuse)?.to_vec()),
        ValueType::Timestamp if value.is_instance_of::<Date>() => {
            let text = value.unchecked_ref::<Date>().to_iso_string();
            value_type.parse(&String::from(text))?
        }
        _ => value_type.parse(&value.as_string().ok_or_else(refuse)?)?,
    };
    found.check(value_type)?;
    Ok(found)
}

fn integer(value: &JsValue) -> Option<i64> {
    if let Some(number) = value.as_f64() {
        let whole = number.fract() == 0.0 && number.abs() <= SAFE as f64;
        return whole.then_some(number as i64);
    }
    if value.is_bigint() {
        return i64::try_from(value.clone().unchecked_into::<BigInt>()).ok();
    }
    value.as_string()?.parse().ok()
}

/// A plain object as fields of an entity.
pub(crate) fn fields(entity: &EntitySchema, object: &JsValue) -> Result<Fields> {
    let mut fields = Fields::new();
    for (name, value) in entries(object)? {
        let index = entity.require(&name)?;
        let wanted = entity.attributes[index].value_type;
        let value = from_js(wanted, &value).map_err(|error| error.at(format!("{}.{name}", entity.name)))?;
        fields.set(name, value);
    }
    Ok(fields)
}

/// The names and values of a plain object.
pub(crate) fn entries(object: &JsValue) -> Result<Vec<(String, JsValue)>> {
    if !object.is_object() || Array::is_array(object) {
        return Err(wanted("an object", object));
    }
    let pairs = Object::entries(object.unchecked_ref());
    Ok(pairs
        .iter()
        .map(|pair| {
            let pair = Array::from(&pair);
            (pair.get(0).as_string().unwrap_or_default(), pair.get(1))
        })
        .collect())
}

/// Fields as a plain object.
pub(crate) fn record(fields: &Fields) -> JsValue {
    let object = Object::new();
    for (name, value) in fields.iter() {
        set(&object, name, &to_js(value));
    }
    object.into()
}

/// Records as an array of plain objects; the names are made once.
pub(crate) fn records(many: &[Fields]) -> JsValue {
    let mut names: Vec<(String, JsString)> = Vec::new();
    let all = Array::new_with_length(u32::try_from(many.len()).unwrap_or_default());
    for (row, fields) in (0..).zip(many) {
        let object = Object::new();
        for (place, (name, value)) in fields.iter().enumerate() {
            if names.get(place).is_none_or(|(known, _)| known != name) {
                names.truncate(place);
                names.push((name.to_owned(), name.into()));
            }
            // A new object takes every property.
            let _set = Reflect::set(&object, &names[place].1, &to_js(value));
        }
        all.set(row, object.into());
    }
    all.into()
}

/// Sets a property of an object made here, which takes every property.
pub(crate) fn set(object: &Object, name: &str, value: &JsValue) {
    let _set = Reflect::set(object, &name.into(), value);
}

/// A key as JavaScript has it: its value, or an array of them.
pub(crate) fn key_to_js(key: &Key) -> JsValue {
    match key.values() {
        [one] => to_js(one),
        many => many.iter().map(to_js).collect::<Array>().into(),
    }
}

/// A key of an entity from its value, or an array of them.
pub(crate) fn key(entity: &EntitySchema, key: &JsValue) -> Result<Key> {
    let types = entity.key_types();
    let parts: Vec<JsValue> = if types.len() == 1 && !Array::is_array(key) {
        vec![key.clone()]
    } else {
        Array::from(key).iter().collect()
    };
    if parts.len() != types.len() {
        return Err(Error::rejected(
            "invalid_key",
            format!(
                "wanted a key of {} values ({}), found {}",
                types.len(),
                entity.key.join(", "),
                parts.len()
            ),
        )
        .at(&entity.name));
    }
    let values: Result<Vec<Value>> = types
        .into_iter()
        .zip(&parts)
        .map(|(wanted, part)| from_js(wanted, part).map_err(|error| error.at(&entity.name)))
        .collect();
    Ok(Key(values?))
}

/// The parameters of `onSync`: texts, numbers, bigints and booleans by name.
pub(crate) fn parameters(object: &JsValue) -> Result<Parameters> {
    if object.is_undefined() || object.is_null() {
        return Ok(Parameters::new());
    }
    entries(object)?
        .into_iter()
        .map(|(name, value)| {
            let found = if let Some(value) = value.as_bool() {
                Value::Boolean(value)
            } else if let Some(value) = integer(&value).filter(|_| !value.is_string()) {
                Value::Integer(value)
            } else if let Some(value) = value.as_f64() {
                Value::Real(value)
            } else if let Some(value) = value.as_string() {
                Value::Text(value)
            } else {
                return Err(wanted("a text, number, bigint or boolean", &value).at(name));
            };
            Ok((name, found))
        })
        .collect()
}

/// Parameters as a plain object.
pub(crate) fn parameters_to_js(parameters: &Parameters) -> JsValue {
    let object = Object::new();
    for (name, value) in parameters {
        set(&object, name, &to_js(value));
    }
    object.into()
}
