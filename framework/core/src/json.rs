//! Reading JSON as a type.
//!
//! Natively this is serde_json. In browsers, where each type would bring a second reader of its own, the text becomes MessagePack
//! first, so that all types have one: [`crate::msgpack`]. What is read is the same.

use crate::msgpack::Unreadable;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Reads one value, which is all there is.
///
/// # Errors
/// Text that is no JSON, or holds another type than the wanted one.
pub fn from_slice<T: DeserializeOwned>(text: &[u8]) -> Result<T, Unreadable> {
    #[cfg(not(target_family = "wasm"))]
    return serde_json::from_slice(text).map_err(|cause| unreadable(&cause));
    #[cfg(target_family = "wasm")]
    return through_msgpack(&serde_json::from_slice::<Value>(text).map_err(|cause| unreadable(&cause))?);
}

/// Reads a value of JSON as a type.
///
/// # Errors
/// Another type than the wanted one.
pub fn from_value<T: DeserializeOwned>(value: &Value) -> Result<T, Unreadable> {
    #[cfg(not(target_family = "wasm"))]
    return T::deserialize(value).map_err(|cause| unreadable(&cause));
    #[cfg(target_family = "wasm")]
    return through_msgpack(value);
}

fn unreadable(cause: &dyn std::error::Error) -> Unreadable {
    Unreadable(cause.to_string())
}

#[cfg(any(target_family = "wasm", test))]
fn through_msgpack<T: DeserializeOwned>(value: &Value) -> Result<T, Unreadable> {
    let packed = rmp_serde::to_vec(value).map_err(|cause| unreadable(&cause))?;
    crate::msgpack::read(&packed, true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::{Mutation, Outcome};
    use crate::page::{Checkpoint, KeyRange, Page, PageKind};
    use crate::record::Key;
    use crate::rows::RowSet;
    use crate::value::{Value as Cell, ValueType};
    use crate::wire::{AnswerFrame, Health, RequestFrame, WireError};
    use serde::Serialize;
    use serde_json::json;

    /// Both ways read the same, or nothing.
    fn both<T: DeserializeOwned + Serialize>(value: &Value) -> Option<Value> {
        let native = serde_json::from_value::<T>(value.clone()).ok();
        let packed = through_msgpack::<T>(value).ok();
        let native = native.map(|read| serde_json::to_value(&read).unwrap());
        assert_eq!(
            native,
            packed.map(|read| serde_json::to_value(&read).unwrap()),
            "{value}"
        );
        native
    }

    fn page() -> AnswerFrame {
        let texts = [
            "true",
            "-9007199254740993",
            "1.50",
            "0.1",
            "x",
            "2026-11-22",
            "01:02:03",
            "2026-11-22T01:02:03Z",
            "2026-11-22T01:02:03",
            "00000000-0000-0000-0000-000000000007",
            "{\"a\":[1]}",
            "AAEC",
        ];
        let cells = ValueType::ALL.iter().zip(texts);
        let cells: Vec<Cell> = cells.map(|(kind, text)| kind.parse(text).unwrap()).collect();
        let mut rows = RowSet::new(ValueType::ALL, 2);
        rows.push(cells.clone()).unwrap();
        rows.push(vec![Cell::Null; 12]).unwrap();
        AnswerFrame::Page(Page {
            entity: "E".into(),
            scope: String::new(),
            kind: PageKind::Snapshot(KeyRange {
                after: None,
                to: Some(Key::one(5i64)),
            }),
            rows,
            deleted: vec![Key(cells)],
            removed: vec![],
            created: vec![],
            checkpoint: Checkpoint(vec![1, 2, 3]),
            last: true,
        })
    }

    #[test]
    fn frames_are_read_as_serde_json_reads_them() {
        for frame in [page(), AnswerFrame::End {}] {
            let value = serde_json::to_value(&frame).unwrap();
            assert_eq!(both::<AnswerFrame>(&value), Some(value));
        }
        let error = json!({ "kind": "fatal", "code": "c", "message": "m", "retry_after": 5 });
        assert!(both::<WireError>(&error).is_some());
        let real = json!([1, -1, 0.5, 1e300, u64::MAX, i64::MIN, -0.0]);
        assert!(both::<Vec<f64>>(&real).is_some());
    }

    #[test]
    fn what_is_cut_out_of_a_frame_is_refused_or_read_by_both() {
        fn without(value: &Value, at: usize, seen: &mut usize) -> Value {
            *seen += 1;
            if *seen == at + 1 {
                return Value::Null;
            }
            match value {
                Value::Array(all) => all.iter().map(|one| without(one, at, seen)).collect(),
                Value::Object(all) => {
                    let mut kept = serde_json::Map::new();
                    for (name, one) in all {
                        kept.insert(name.clone(), without(one, at, seen));
                    }
                    Value::Object(kept)
                }
                other => other.clone(),
            }
        }
        let value = serde_json::to_value(page()).unwrap();
        let (mut refused, mut at) = (0, 0);
        loop {
            let mut seen = 0;
            let cut = without(&value, at, &mut seen);
            refused += usize::from(both::<AnswerFrame>(&cut).is_none());
            both::<RequestFrame>(&cut);
            if at >= seen {
                break;
            }
            at += 1;
        }
        assert!(at > 60 && refused > 20, "{refused} of {at}");
        for nonsense in [json!([]), json!({}), json!("end"), json!(5), json!({ "end": 1 })] {
            both::<AnswerFrame>(&nonsense);
            both::<Health>(&nonsense);
            both::<Mutation>(&nonsense);
            both::<Outcome>(&nonsense);
        }
    }

    #[test]
    fn what_is_no_json_is_refused() {
        assert!(from_slice::<Vec<u8>>(b"[1, 2]").is_ok_and(|found| found == [1, 2]));
        for text in [b"[1".as_slice(), b"[1] 2", b"", b"<html>", b"[300]"] {
            assert!(from_slice::<Vec<u8>>(text).is_err());
        }
        assert!(from_value::<u8>(&json!("x")).is_err());
    }
}
