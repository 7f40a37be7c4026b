//! What rmp-serde writes is read as it was, and what nobody wrote is refused.

use onsync_core::msgpack::{Unreadable, from_slice};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Form {
    Nothing,
    One(i64),
    Two(u8, String),
    Named { real: f64, maybe: Option<bool> },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Tagged {
    Small { number: u32 },
    Large { text: String },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Wrapped(Vec<u64>);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct All {
    forms: Vec<Form>,
    tagged: [Tagged; 2],
    wrapped: Wrapped,
    numbers: (i8, i16, i32, i64, u8, u16, u32, u64, f32),
    #[serde(with = "serde_bytes")]
    bytes: Vec<u8>,
    texts: BTreeMap<String, Option<String>>,
    id: uuid::Uuid,
    unit: (),
    #[serde(default)]
    missing: Vec<u8>,
}

fn all(length: usize) -> All {
    All {
        forms: vec![
            Form::Nothing,
            Form::One(-5),
            Form::Two(7, "x".repeat(length)),
            Form::Named {
                real: -0.5,
                maybe: None,
            },
            Form::Named {
                real: 1e300,
                maybe: Some(true),
            },
        ],
        tagged: [
            Tagged::Small { number: 70_000 },
            Tagged::Large {
                text: "höher".to_owned(),
            },
        ],
        wrapped: Wrapped((0..length as u64).map(|number| number << (number % 60)).collect()),
        numbers: (
            i8::MIN,
            i16::MIN,
            i32::MIN,
            i64::MIN,
            u8::MAX,
            u16::MAX,
            u32::MAX,
            u64::MAX,
            0.25,
        ),
        bytes: vec![0xff; length],
        texts: (0..length % 40)
            .map(|number| (number.to_string(), (number % 2 == 0).then(|| "t".repeat(number))))
            .collect(),
        id: uuid::Uuid::from_u128(length as u128),
        unit: (),
        missing: vec![1],
    }
}

#[test]
fn what_is_written_with_names_is_read_at_every_size_of_lengths() {
    for length in [0, 1, 15, 16, 31, 32, 33, 255, 256, 65_535, 65_536] {
        let value = all(length);
        let named = rmp_serde::to_vec_named(&value).unwrap();
        assert_eq!(from_slice::<All>(&named), Ok(value.clone()), "{length}");
        // Nothing of OnSync writes structures without names.
        let listed = rmp_serde::to_vec(&value).unwrap();
        assert!(from_slice::<All>(&listed).is_err(), "{length}");
    }
}

#[test]
fn fields_that_are_not_known_are_skipped_and_those_that_are_missing_default() {
    #[derive(Serialize)]
    struct Newer<'a> {
        forms: &'a str,
        number: Vec<BTreeMap<&'a str, Option<f64>>>,
        text: &'a str,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    struct Older {
        text: String,
        #[serde(default)]
        other: Option<u8>,
    }
    let newer = Newer {
        forms: "x",
        number: vec![BTreeMap::from([("a", None), ("b", Some(1.5))])],
        text: "here",
    };
    let bytes = rmp_serde::to_vec_named(&newer).unwrap();
    let older = Older {
        text: "here".to_owned(),
        other: None,
    };
    assert_eq!(from_slice::<Older>(&bytes), Ok(older));
}

#[test]
fn bytes_cut_off_anywhere_are_refused() {
    let bytes = rmp_serde::to_vec_named(&all(20)).unwrap();
    for end in 0..bytes.len() {
        assert!(from_slice::<All>(&bytes[..end]).is_err(), "{end}");
    }
}

#[test]
fn any_byte_changed_is_refused_or_another_value_and_never_a_panic() {
    let value = all(3);
    let bytes = rmp_serde::to_vec_named(&value).unwrap();
    let mut refused = 0;
    for place in 0..bytes.len() {
        for byte in 0..=u8::MAX {
            let mut changed = bytes.clone();
            changed[place] = byte;
            refused += usize::from(from_slice::<All>(&changed).is_err());
        }
    }
    assert!(refused > bytes.len() * 100, "{refused}");
}

#[test]
fn lengths_that_are_not_there_cost_nothing_and_depth_is_bounded() {
    // An array of four thousand million elements, of which none follows.
    let huge = [0xdd, 0xff, 0xff, 0xff, 0xff];
    assert!(from_slice::<Vec<u64>>(&huge).is_err());
    let text = [0xdb, 0xff, 0xff, 0xff, 0xff, b'x'];
    assert!(from_slice::<String>(&text).is_err());
    let deep = vec![0x91; 100_000];
    let told: Unreadable = from_slice::<serde::de::IgnoredAny>(&deep).unwrap_err();
    assert!(told.to_string().contains("deeper than 64"), "{told}");
}

#[test]
fn other_types_than_wanted_are_named() {
    let told = from_slice::<Vec<u8>>(&rmp_serde::to_vec("text").unwrap()).unwrap_err();
    assert!(told.to_string().contains("text"), "{told}");
    assert!(from_slice::<u8>(&rmp_serde::to_vec(&300).unwrap()).is_err());
    assert!(from_slice::<bool>(&[0xc1]).is_err());
    assert!(from_slice::<(u8,)>(&rmp_serde::to_vec(&(1, 2)).unwrap()).is_err());
    assert!(from_slice::<String>(&[0xa1, 0xff]).is_err());
}
