//! The canonical encoding: one byte string per value, self-delimiting, sorting as the value sorts.
//!
//! Record keys are ordered by it and the content version of a record is a hash over it. `docs/wire.md` holds the same
//! table for other languages:
//!
//! | value | bytes |
//! |---|---|
//! | null | `00` |
//! | boolean | `01`, then `00` or `01` |
//! | integer | `02`, then 8 bytes big-endian with the sign bit flipped |
//! | real | `04`, then 8 bytes big-endian; sign bit flipped if positive, all bits if negative; zero has no sign |
//! | decimal, text, json | `03`, `05`, `0b`, then UTF-8, then `00` |
//! | date | `06`, then 4 bytes of days, sign bit flipped |
//! | time, timestamp, local timestamp | `07`, `08`, `09`, then 8 bytes of microseconds, sign bit flipped |
//! | uuid | `0a`, then 16 bytes |
//! | bytes | `0c`, then the bytes with `00` written as `00 ff`, then `00 01` |

use super::{Date, LocalTimestamp, Time, Timestamp, Value};
use crate::error::{Error, Result};
use uuid::Uuid;

const SIGN: u64 = 1 << 63;

/// Negative zero compares and hashes as zero.
pub(super) fn plain_zero(real: f64) -> f64 {
    if real == 0.0 { 0.0 } else { real }
}

/// The canonical bytes of a list of values, one after the other.
pub fn canonical_bytes(values: &[Value]) -> Vec<u8> {
    let mut out = Vec::with_capacity(values.len() * 12);
    for value in values {
        write_canonical(value, &mut out);
    }
    out
}

/// Appends the canonical bytes of one value.
pub fn write_canonical(value: &Value, out: &mut Vec<u8>) {
    let mut count = |tag: u8, count: i64| {
        out.push(tag);
        out.extend_from_slice(&((count as u64) ^ SIGN).to_be_bytes());
    };
    match value {
        Value::Null => out.push(0),
        Value::Boolean(value) => out.extend_from_slice(&[1, u8::from(*value)]),
        Value::Integer(value) => count(2, *value),
        Value::Real(value) => {
            let bits = plain_zero(*value).to_bits();
            out.push(4);
            out.extend_from_slice(&(if bits & SIGN == 0 { bits ^ SIGN } else { !bits }).to_be_bytes());
        }
        Value::Decimal(value) => write_text(3, value.as_str(), out),
        Value::Text(value) => write_text(5, value, out),
        Value::Date(value) => {
            out.push(6);
            out.extend_from_slice(&((value.count() as u32) ^ (1 << 31)).to_be_bytes());
        }
        Value::Time(value) => count(7, value.count()),
        Value::Timestamp(value) => count(8, value.count()),
        Value::LocalTimestamp(value) => count(9, value.count()),
        Value::Uuid(value) => {
            out.push(0x0a);
            out.extend_from_slice(value.as_bytes());
        }
        Value::Json(value) => write_text(0x0b, value, out),
        Value::Bytes(value) => {
            out.push(0x0c);
            for byte in value {
                out.push(*byte);
                if *byte == 0 {
                    out.push(0xff);
                }
            }
            out.extend_from_slice(&[0, 1]);
        }
    }
}

fn write_text(tag: u8, text: &str, out: &mut Vec<u8>) {
    out.push(tag);
    out.extend_from_slice(text.as_bytes());
    out.push(0);
}

fn corrupt() -> Error {
    Error::corrupt(
        "corrupt_key",
        "wanted canonical bytes of values, found bytes that are none",
    )
}

/// Reads back all the values of a canonical byte string.
///
/// # Errors
/// `corrupt_key` when the bytes are not canonical.
pub fn decode_canonical(mut bytes: &[u8]) -> Result<Vec<Value>> {
    let mut values = Vec::new();
    while let Some((tag, rest)) = bytes.split_first() {
        bytes = rest;
        values.push(read(*tag, &mut bytes)?);
    }
    Ok(values)
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk::<N>().ok_or_else(corrupt)?;
    *bytes = rest;
    Ok(*head)
}

fn take_text(bytes: &mut &[u8]) -> Result<String> {
    let end = bytes.iter().position(|byte| *byte == 0).ok_or_else(corrupt)?;
    let text = std::str::from_utf8(&bytes[..end])
        .map_err(|_| corrupt())?
        .to_owned();
    *bytes = &bytes[end + 1..];
    Ok(text)
}

fn read(tag: u8, bytes: &mut &[u8]) -> Result<Value> {
    let count = |bytes: &mut &[u8]| -> Result<i64> { Ok((u64::from_be_bytes(take(bytes)?) ^ SIGN) as i64) };
    Ok(match tag {
        0 => Value::Null,
        1 => Value::Boolean(take::<1>(bytes)?[0] != 0),
        2 => Value::Integer(count(bytes)?),
        4 => {
            let bits = u64::from_be_bytes(take(bytes)?);
            Value::Real(f64::from_bits(if bits & SIGN == 0 { !bits } else { bits ^ SIGN }))
        }
        3 => Value::Decimal(take_text(bytes)?.parse()?),
        5 => Value::Text(take_text(bytes)?),
        6 => Value::Date(Date::from_count(
            (u32::from_be_bytes(take(bytes)?) ^ (1 << 31)) as i32,
        )?),
        7 => Value::Time(Time::from_count(count(bytes)?)?),
        8 => Value::Timestamp(Timestamp::from_count(count(bytes)?)?),
        9 => Value::LocalTimestamp(LocalTimestamp::from_count(count(bytes)?)?),
        0x0a => Value::Uuid(Uuid::from_bytes(take(bytes)?)),
        0x0b => Value::Json(take_text(bytes)?),
        0x0c => {
            let mut out = Vec::new();
            loop {
                match (take::<1>(bytes)?[0], bytes.first()) {
                    (0, Some(0xff)) => out.push(0),
                    (0, Some(1)) => break,
                    (0, _) => return Err(corrupt()),
                    (byte, _) => {
                        out.push(byte);
                        continue;
                    }
                }
                *bytes = &bytes[1..];
            }
            *bytes = &bytes[1..];
            Value::Bytes(out)
        }
        _ => return Err(corrupt()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples() -> Vec<Value> {
        vec![
            Value::Null,
            Value::Boolean(true),
            Value::Integer(i64::MIN),
            Value::Integer(-1),
            Value::Integer(0),
            Value::Integer(i64::MAX),
            Value::Real(-1.5),
            Value::Real(0.0),
            Value::Real(1e300),
            Value::Decimal("-12.50".parse().unwrap()),
            Value::Text(String::new()),
            Value::Text("Å\u{1}z".into()),
            Value::Date("2026-11-22".parse().unwrap()),
            Value::Time("23:59:59.999999".parse().unwrap()),
            Value::Timestamp("1960-01-01T00:00:00Z".parse().unwrap()),
            Value::LocalTimestamp("9999-12-31T23:59:59".parse().unwrap()),
            Value::Uuid(Uuid::from_u128(7)),
            Value::Json("{\"a\":1}".into()),
            Value::Bytes(vec![]),
            Value::Bytes(vec![0, 0xff, 1, 0, 0]),
        ]
    }

    #[test]
    fn every_value_survives() {
        let all = samples();
        assert_eq!(decode_canonical(&canonical_bytes(&all)).unwrap(), all);
    }

    #[test]
    fn bytes_sort_as_values_do() {
        let mut by_value = samples();
        by_value.sort();
        let mut by_bytes = samples();
        by_bytes.sort_by_key(|value| canonical_bytes(std::slice::from_ref(value)));
        assert_eq!(by_value, by_bytes);
    }

    #[test]
    fn garbage_is_an_error_not_a_panic() {
        for bytes in [
            &[9u8][..],
            &[5, 65],
            &[12, 0],
            &[12, 0, 2],
            &[99],
            &[7, 255, 255, 255, 255, 255, 255, 255, 255],
        ] {
            assert!(decode_canonical(bytes).is_err(), "{bytes:?}");
        }
    }
}
