//! Reading MessagePack: the binary wire and what the engine keeps in a store's areas.
//!
//! Writing is rmp-serde's. Its reader answers every request of a type with a function that knows every form there is, a copy of it for
//! each type that is read: 0.55 MB of a module for browsers, a sixth of it. Here the form is found out once, in code that knows no type, and a type's own part is only what it can take. A
//! decision record of the book says more.

use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, Unexpected,
    VariantAccess, Visitor,
};
use std::fmt;

/// How deep values may be nested. What OnSync writes is never deeper than a dozen.
const DEPTH: u16 = 64;

/// Why bytes are not what was wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable(pub(crate) String);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unreadable {}

impl de::Error for Unreadable {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

type Read<T> = Result<T, Unreadable>;

/// Reads one value; what stands behind it is left alone.
///
/// # Errors
/// Bytes that end early, are no MessagePack, hold another type than the wanted one, or are nested too deep.
pub fn from_slice<T: DeserializeOwned>(bytes: &[u8]) -> Read<T> {
    read(bytes, false)
}

/// Reads one value in the binary forms of types, or in those that people can read, as they have them in JSON.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8], human: bool) -> Read<T> {
    let mut reader = Reader {
        rest: bytes,
        depth: DEPTH,
        human,
    };
    T::deserialize(&mut reader)
}

/// What stands next, without the elements of what has some.
#[derive(Clone, Copy)]
enum Token<'de> {
    Nil,
    Boolean(bool),
    Unsigned(u64),
    Negative(i64),
    Real(f64),
    Text(&'de [u8]),
    Bytes(&'de [u8]),
    Array(usize),
    Map(usize),
}

struct Reader<'de> {
    rest: &'de [u8],
    depth: u16,
    human: bool,
}

impl<'de> Reader<'de> {
    fn take(&mut self, length: usize) -> Read<&'de [u8]> {
        let Some((taken, rest)) = self.rest.split_at_checked(length) else {
            return Err(Unreadable("it ends early".to_owned()));
        };
        self.rest = rest;
        Ok(taken)
    }

    fn fixed<const N: usize>(&mut self) -> Read<[u8; N]> {
        let mut fixed = [0; N];
        fixed.copy_from_slice(self.take(N)?);
        Ok(fixed)
    }

    /// A length of 1, 2 or 4 bytes.
    fn length(&mut self, bytes: usize) -> Read<usize> {
        let mut length = 0;
        for byte in self.take(bytes)? {
            length = length << 8 | usize::from(*byte);
        }
        Ok(length)
    }

    fn token(&mut self) -> Read<Token<'de>> {
        let [marker] = self.fixed()?;
        let low = usize::from(marker & 0x1f);
        Ok(match marker {
            0x00..=0x7f => Token::Unsigned(marker.into()),
            0x80..=0x8f => Token::Map(low & 0x0f),
            0x90..=0x9f => Token::Array(low & 0x0f),
            0xa0..=0xbf => Token::Text(self.take(low)?),
            0xc0 => Token::Nil,
            0xc2 | 0xc3 => Token::Boolean(marker == 0xc3),
            0xc4..=0xc6 => {
                let length = self.length(1 << (marker - 0xc4))?;
                Token::Bytes(self.take(length)?)
            }
            0xca => Token::Real(f32::from_be_bytes(self.fixed()?).into()),
            0xcb => Token::Real(f64::from_be_bytes(self.fixed()?)),
            0xcc => Token::Unsigned(u8::from_be_bytes(self.fixed()?).into()),
            0xcd => Token::Unsigned(u16::from_be_bytes(self.fixed()?).into()),
            0xce => Token::Unsigned(u32::from_be_bytes(self.fixed()?).into()),
            0xcf => Token::Unsigned(u64::from_be_bytes(self.fixed()?)),
            0xd0 => signed(i8::from_be_bytes(self.fixed()?).into()),
            0xd1 => signed(i16::from_be_bytes(self.fixed()?).into()),
            0xd2 => signed(i32::from_be_bytes(self.fixed()?).into()),
            0xd3 => signed(i64::from_be_bytes(self.fixed()?)),
            0xd9..=0xdb => {
                let length = self.length(1 << (marker - 0xd9))?;
                Token::Text(self.take(length)?)
            }
            0xdc | 0xdd => Token::Array(self.length(if marker == 0xdc { 2 } else { 4 })?),
            0xde | 0xdf => Token::Map(self.length(if marker == 0xde { 2 } else { 4 })?),
            0xe0..=0xff => Token::Negative(i8::from_be_bytes([marker]).into()),
            0xc1 | 0xc7..=0xc9 | 0xd4..=0xd8 => {
                return Err(Unreadable(format!(
                    "it holds the byte {marker:#04x}, which is not used"
                )));
            }
        })
    }

    /// One level deeper, for as long as `work` reads.
    fn nested<T>(&mut self, work: impl FnOnce(&mut Self) -> Read<T>) -> Read<T> {
        let Some(depth) = self.depth.checked_sub(1) else {
            return Err(Unreadable(format!("it is nested deeper than {DEPTH} levels")));
        };
        self.depth = depth;
        let done = work(self)?;
        self.depth += 1;
        Ok(done)
    }

    fn elements<V: Visitor<'de>>(&mut self, length: usize, visitor: V) -> Read<V::Value> {
        self.nested(|reader| {
            let mut left = Left { reader, left: length };
            let found = visitor.visit_seq(&mut left)?;
            left.all_read(found)
        })
    }

    fn entries<V: Visitor<'de>>(&mut self, length: usize, visitor: V) -> Read<V::Value> {
        self.nested(|reader| {
            let mut left = Left { reader, left: length };
            let found = visitor.visit_map(&mut left)?;
            left.all_read(found)
        })
    }
}

fn signed(number: i64) -> Token<'static> {
    u64::try_from(number).map_or(Token::Negative(number), Token::Unsigned)
}

fn text(bytes: &[u8]) -> Read<&str> {
    std::str::from_utf8(bytes).map_err(|_| Unreadable("it holds text that is no UTF-8".to_owned()))
}

/// Something else stands there than `visitor` can take.
fn mismatch<T>(found: Token<'_>, wanted: &dyn de::Expected) -> Read<T> {
    let found = match found {
        Token::Nil => Unexpected::Unit,
        Token::Boolean(value) => Unexpected::Bool(value),
        Token::Unsigned(value) => Unexpected::Unsigned(value),
        Token::Negative(value) => Unexpected::Signed(value),
        Token::Real(value) => Unexpected::Float(value),
        Token::Text(_) => Unexpected::Other("text"),
        Token::Bytes(_) => Unexpected::Other("bytes"),
        Token::Array(_) => Unexpected::Seq,
        Token::Map(_) => Unexpected::Map,
    };
    Err(de::Error::invalid_type(found, wanted))
}

impl<'de> Reader<'de> {
    fn integer<V: Visitor<'de>>(&mut self, visitor: V) -> Read<V::Value> {
        match self.token()? {
            Token::Unsigned(value) => visitor.visit_u64(value),
            Token::Negative(value) => visitor.visit_i64(value),
            other => mismatch(other, &visitor),
        }
    }

    fn real<V: Visitor<'de>>(&mut self, visitor: V) -> Read<V::Value> {
        match self.token()? {
            Token::Real(value) => visitor.visit_f64(value),
            Token::Unsigned(value) => visitor.visit_u64(value),
            Token::Negative(value) => visitor.visit_i64(value),
            other => mismatch(other, &visitor),
        }
    }

    fn text<V: Visitor<'de>>(&mut self, visitor: V) -> Read<V::Value> {
        match self.token()? {
            Token::Text(bytes) => visitor.visit_borrowed_str(text(bytes)?),
            other => mismatch(other, &visitor),
        }
    }

    fn bytes<V: Visitor<'de>>(&mut self, visitor: V) -> Read<V::Value> {
        match self.token()? {
            Token::Bytes(bytes) | Token::Text(bytes) => visitor.visit_borrowed_bytes(bytes),
            other => mismatch(other, &visitor),
        }
    }
}

/// Functions of the deserializer that are another one.
macro_rules! as_well {
    ($what:ident: $($name:ident)*) => {$(
        fn $name<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
            self.$what(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = Unreadable;

    fn is_human_readable(&self) -> bool {
        self.human
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        match self.token()? {
            Token::Nil => visitor.visit_unit(),
            Token::Boolean(value) => visitor.visit_bool(value),
            Token::Unsigned(value) => visitor.visit_u64(value),
            Token::Negative(value) => visitor.visit_i64(value),
            Token::Real(value) => visitor.visit_f64(value),
            Token::Text(bytes) => visitor.visit_borrowed_str(text(bytes)?),
            Token::Bytes(bytes) => visitor.visit_borrowed_bytes(bytes),
            Token::Array(length) => self.elements(length, visitor),
            Token::Map(length) => self.entries(length, visitor),
        }
    }

    as_well! { integer: deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 }
    as_well! { integer: deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 }
    as_well! { real: deserialize_f32 deserialize_f64 }
    as_well! { text: deserialize_char deserialize_str deserialize_string }
    as_well! { bytes: deserialize_bytes deserialize_byte_buf }
    as_well! { deserialize_any: deserialize_ignored_any }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        match self.token()? {
            Token::Boolean(value) => visitor.visit_bool(value),
            other => mismatch(other, &visitor),
        }
    }

    /// The name of a field or variant.
    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        match self.token()? {
            Token::Text(bytes) => visitor.visit_borrowed_str(text(bytes)?),
            other => mismatch(other, &visitor),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        match self.token()? {
            Token::Nil => visitor.visit_unit(),
            other => mismatch(other, &visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        if self.rest.first() == Some(&0xc0) {
            self.take(1)?;
            return visitor.visit_none();
        }
        visitor.visit_some(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        match self.token()? {
            Token::Array(length) => self.elements(length, visitor),
            other => mismatch(other, &visitor),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        match self.token()? {
            Token::Map(length) => self.entries(length, visitor),
            other => mismatch(other, &visitor),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Read<V::Value> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Read<V::Value> {
        self.deserialize_seq(visitor)
    }

    /// A map of names. As a list of values, which rmp-serde can write too, nothing of OnSync is written.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Read<V::Value> {
        match self.token()? {
            Token::Map(length) => self.entries(length, visitor),
            other => mismatch(other, &visitor),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Read<V::Value> {
        match self.token()? {
            Token::Nil | Token::Array(0) => visitor.visit_unit(),
            other => mismatch(other, &visitor),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Read<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    /// A variant without a value is its name, one with a value a map of one entry.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Read<V::Value> {
        let has_value = match self.rest.first() {
            Some(0x80..=0x8f | 0xde | 0xdf) => match self.token()? {
                Token::Map(1) => true,
                other => return mismatch(other, &"a variant and its value"),
            },
            _ => false,
        };
        self.nested(|reader| visitor.visit_enum(Variant { reader, has_value }))
    }
}

/// The elements, or entries, that were not read yet.
struct Left<'a, 'de> {
    reader: &'a mut Reader<'de>,
    left: usize,
}

impl Left<'_, '_> {
    fn all_read<T>(&self, found: T) -> Read<T> {
        match self.left {
            0 => Ok(found),
            left => Err(Unreadable(format!("it holds {left} elements more than wanted"))),
        }
    }

    /// For preparing space: never more than there are bytes.
    fn hint(&self) -> Option<usize> {
        Some(self.left.min(self.reader.rest.len()))
    }
}

impl<'de> SeqAccess<'de> for &mut Left<'_, 'de> {
    type Error = Unreadable;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Read<Option<T::Value>> {
        let Some(left) = self.left.checked_sub(1) else {
            return Ok(None);
        };
        self.left = left;
        seed.deserialize(&mut *self.reader).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        self.hint()
    }
}

impl<'de> MapAccess<'de> for &mut Left<'_, 'de> {
    type Error = Unreadable;

    fn next_key_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Read<Option<T::Value>> {
        let Some(left) = self.left.checked_sub(1) else {
            return Ok(None);
        };
        self.left = left;
        seed.deserialize(&mut *self.reader).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Read<T::Value> {
        seed.deserialize(&mut *self.reader)
    }

    fn size_hint(&self) -> Option<usize> {
        self.hint()
    }
}

struct Variant<'a, 'de> {
    reader: &'a mut Reader<'de>,
    has_value: bool,
}

impl<'de> EnumAccess<'de> for Variant<'_, 'de> {
    type Error = Unreadable;
    type Variant = Self;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Read<(T::Value, Self)> {
        let name = seed.deserialize(&mut *self.reader)?;
        Ok((name, self))
    }
}

impl<'de> Variant<'_, 'de> {
    fn value(&mut self) -> Read<&mut Reader<'de>> {
        if self.has_value {
            Ok(&mut *self.reader)
        } else {
            Err(Unreadable("a variant stands without its value".to_owned()))
        }
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, 'de> {
    type Error = Unreadable;

    fn unit_variant(self) -> Read<()> {
        if self.has_value {
            return serde::Deserialize::deserialize(self.reader);
        }
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(mut self, seed: T) -> Read<T::Value> {
        seed.deserialize(self.value()?)
    }

    fn tuple_variant<V: Visitor<'de>>(mut self, _: usize, visitor: V) -> Read<V::Value> {
        self.value()?.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        mut self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Read<V::Value> {
        self.value()?.deserialize_struct("", fields, visitor)
    }
}
