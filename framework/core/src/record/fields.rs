//! [`Fields`]: a record as its app sees it, values by attribute name.

use crate::error::Result;
use crate::value::{FromValue, IntoValue, Value};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smol_str::SmolStr;
use std::fmt;

/// A record as its app sees it: values by attribute name. Attributes that are not set are absent.
///
/// The names are kept in order, each name once. A name of up to 23 bytes costs no memory of its own.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Fields(Vec<(SmolStr, Value)>);

impl Fields {
    /// No fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// No fields yet, with room for so many.
    pub fn with_capacity(number: usize) -> Self {
        Self(Vec::with_capacity(number))
    }

    /// Sets one attribute.
    pub fn set(&mut self, name: impl AsRef<str>, value: impl IntoValue) {
        let name = name.as_ref();
        let value = value.into_value();
        match self.place(name) {
            Ok(place) => self.0[place].1 = value,
            Err(place) => self.0.insert(place, (SmolStr::new(name), value)),
        }
    }

    /// Sets one attribute and returns the fields, for building in one expression.
    ///
    /// ```
    /// # use onsync_core::Fields;
    /// let fields = Fields::new().with("name", "Ada").with("age", 36i64);
    /// assert_eq!(fields.get::<i64>("age").unwrap(), 36);
    /// ```
    #[must_use]
    pub fn with(mut self, name: impl AsRef<str>, value: impl IntoValue) -> Self {
        self.set(name, value);
        self
    }

    /// One attribute as a Rust type; an absent one reads as null.
    ///
    /// # Errors
    /// `invalid_value` when it is of another type.
    pub fn get<T: FromValue>(&self, name: &str) -> Result<T> {
        T::from_value(self.value(name).clone()).map_err(|error| error.at(name))
    }

    /// One attribute's value; an absent one is null.
    pub fn value(&self, name: &str) -> &Value {
        self.place(name)
            .ok()
            .map_or(&Value::Null, |place| &self.0[place].1)
    }

    /// Whether the attribute is set, also to null.
    pub fn has(&self, name: &str) -> bool {
        self.place(name).is_ok()
    }

    /// Removes and returns one attribute's value; an absent one is null.
    pub fn take(&mut self, name: &str) -> Value {
        match self.place(name) {
            Ok(place) => self.0.remove(place).1,
            Err(_) => Value::Null,
        }
    }

    /// Names and values, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// How many attributes are set.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none is set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Pairs in any order; of a name that comes twice the last value stays.
    fn of(mut pairs: Vec<(SmolStr, Value)>) -> Self {
        if !pairs.is_sorted_by(|(name, _), (next, _)| name < next) {
            pairs.sort_by(|(name, _), (other, _)| name.cmp(other));
            pairs.dedup_by(|(later, value), (name, kept)| {
                let same = later == name;
                if same {
                    std::mem::swap(value, kept);
                }
                same
            });
        }
        Self(pairs)
    }

    /// Where a name stands, or where it would.
    fn place(&self, name: &str) -> std::result::Result<usize, usize> {
        match self.0.last() {
            Some((last, _)) if last.as_str() < name => Err(self.0.len()),
            _ => self.0.binary_search_by(|(other, _)| other.as_str().cmp(name)),
        }
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// Of a name that comes twice the last value stays.
impl<N: AsRef<str>> FromIterator<(N, Value)> for Fields {
    fn from_iter<I: IntoIterator<Item = (N, Value)>>(pairs: I) -> Self {
        let pairs = pairs.into_iter();
        Self::of(pairs.map(|(name, value)| (SmolStr::new(name), value)).collect())
    }
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_map(Named)
    }
}

/// Reads a map of names and values.
struct Named;

/// What a map's own word on its size may reserve at most, as nobody has proved it yet.
const MOST_RESERVED: usize = 64;

impl<'de> Visitor<'de> for Named {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of attribute names and values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Fields, A::Error> {
        let mut pairs = Vec::with_capacity(map.size_hint().unwrap_or(0).min(MOST_RESERVED));
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(Fields::of(pairs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_order_and_each_once_however_they_came() {
        let pairs = [("b", 1i64), ("a", 2), ("c", 3), ("a", 4), ("b", 5)];
        let collected: Fields = pairs
            .iter()
            .map(|(name, value)| (*name, Value::Integer(*value)))
            .collect();
        let mut set = Fields::new();
        for (name, value) in pairs {
            set.set(name, value);
        }
        let names: Vec<&str> = collected.iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["a", "b", "c"]);
        assert_eq!(collected, set);
        assert_eq!(collected.get::<i64>("a").unwrap(), 4);
    }

    #[test]
    fn what_is_taken_is_gone_and_what_is_absent_is_null() {
        let mut fields = Fields::new()
            .with("long names stay what they are", 1i64)
            .with("b", 2i64);
        assert_eq!(fields.take("b"), Value::Integer(2));
        assert_eq!(fields.take("b"), Value::Null);
        assert!(!fields.has("b"));
        assert_eq!(fields.len(), 1);
        assert_eq!(fields.value("long names stay what they are"), &Value::Integer(1));
        assert_eq!(fields.value("z"), &Value::Null);
    }

    #[test]
    fn a_map_survives_both_encodings() {
        let fields = Fields::new()
            .with("a", "x")
            .with("b", Value::Null)
            .with("c", 7i64);
        let json = serde_json::to_vec(&fields).unwrap();
        assert_eq!(serde_json::from_slice::<Fields>(&json).unwrap(), fields);
        let packed = rmp_serde::to_vec_named(&fields).unwrap();
        assert_eq!(rmp_serde::from_slice::<Fields>(&packed).unwrap(), fields);
        let value = |number: i64| rmp_serde::to_vec_named(&Value::Integer(number)).unwrap();
        let repeated = [&[0x82, 0xa1, b'a'][..], &value(1), &[0xa1, b'a'], &value(2)].concat();
        assert_eq!(
            rmp_serde::from_slice::<Fields>(&repeated).unwrap(),
            Fields::new().with("a", 2i64)
        );
    }
}
