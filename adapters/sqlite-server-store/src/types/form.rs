//! The storage form of a column: which there are, and how one is recognised.

use super::moment::{TextMoment, TextTime};
use crate::catalog::{Affinity, Column};
use onsync_core::ValueType;
use rusqlite::types::Value as Stored;

/// What a number that stands for a moment counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// seconds since 1970
    Seconds,
    /// milliseconds since 1970
    Millis,
    /// microseconds since 1970
    Micros,
    /// days since noon in Greenwich on 24 November 4714 BC, SQLite's `julianday()`
    Julian,
}

impl Unit {
    pub(crate) const ALL: [Self; 4] = [Self::Seconds, Self::Millis, Self::Micros, Self::Julian];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Seconds => "s",
            Self::Millis => "ms",
            Self::Micros => "us",
            Self::Julian => "julian",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|unit| unit.as_str() == name)
    }
}

/// How a UUID is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UuidForm {
    Lower,
    Upper,
    SimpleLower,
    SimpleUpper,
    Blob,
}

impl UuidForm {
    pub(crate) const ALL: [Self; 5] = [
        Self::Lower,
        Self::Upper,
        Self::SimpleLower,
        Self::SimpleUpper,
        Self::Blob,
    ];
}

/// Words for true and false.
pub(crate) const BOOLEAN_WORDS: [(&str, &str); 9] = [
    ("true", "false"),
    ("TRUE", "FALSE"),
    ("True", "False"),
    ("t", "f"),
    ("T", "F"),
    ("1", "0"),
    ("yes", "no"),
    ("y", "n"),
    ("Y", "N"),
];

/// How new values of a column are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// in the storage class of the value itself
    Plain,
    /// a boolean as 0 or 1
    BooleanNumber,
    /// a boolean as a pair of [`BOOLEAN_WORDS`]
    BooleanWord(usize),
    /// a decimal in a column that keeps numbers
    DecimalNumber,
    /// a decimal as text
    DecimalText,
    /// a date as `2026-11-22`
    DateText,
    /// a date or moment as text with a time
    Moment(TextMoment),
    /// a date or moment as a number
    Number(Unit),
    /// a time of day as text
    Time(TextTime),
    /// a UUID
    Uuid(UuidForm),
}

impl Form {
    /// What numbers in the column count.
    pub(crate) fn unit(self) -> Unit {
        match self {
            Self::Number(unit) => unit,
            _ => Unit::Seconds,
        }
    }

    /// Whether a conversion of its own stands between the stored and the declared value, so that equal values may be stored
    /// in different ways.
    pub(crate) fn is_converted(self) -> bool {
        !matches!(self, Self::Plain)
    }
}

/// Why a column cannot hold a declared type; none if it can.
pub(crate) fn mappable(wanted: ValueType, affinity: Affinity) -> Option<&'static str> {
    use ValueType as T;
    let fits = match affinity {
        Affinity::Blob { declared: true } => matches!(wanted, T::Bytes | T::Uuid),
        Affinity::Blob { declared: false } | Affinity::Numeric => true,
        Affinity::Text => !matches!(wanted, T::Integer | T::Real | T::Bytes),
        Affinity::Integer => !matches!(wanted, T::Time | T::Uuid | T::Json | T::Bytes),
        Affinity::Real => matches!(
            wanted,
            T::Integer
                | T::Decimal
                | T::Real
                | T::Boolean
                | T::Text
                | T::Date
                | T::Timestamp
                | T::LocalTimestamp
        ),
    };
    if fits {
        return None;
    }
    Some(match affinity {
        Affinity::Blob { .. } => "declare the attribute as bytes or uuid, or leave it out",
        Affinity::Text => "declare the attribute as text, or leave it out",
        Affinity::Integer => "declare the attribute as integer or text, or leave it out",
        Affinity::Real | Affinity::Numeric => "declare the attribute as real or text, or leave it out",
    })
}

/// The form of a column, from its declared type and some of its values (none of them null).
pub(crate) fn detect(wanted: ValueType, column: &Column, samples: &[Stored]) -> Form {
    match wanted {
        ValueType::Boolean => boolean(column, samples),
        ValueType::Decimal => match (column.affinity, samples.first()) {
            (Affinity::Text, _) | (Affinity::Blob { .. }, Some(Stored::Text(_)) | None) => Form::DecimalText,
            _ => Form::DecimalNumber,
        },
        ValueType::Date => match samples.first() {
            Some(Stored::Text(text)) if text.len() == 10 => Form::DateText,
            None if !numeric(column) => Form::DateText,
            _ => moment(column, samples),
        },
        ValueType::Timestamp | ValueType::LocalTimestamp => moment(column, samples),
        ValueType::Time => match samples.first() {
            Some(Stored::Text(text)) => Form::Time(TextTime::like(text)),
            _ => Form::Time(TextTime::default()),
        },
        ValueType::Uuid => Form::Uuid(uuid_form(column, samples)),
        ValueType::Integer | ValueType::Real | ValueType::Text | ValueType::Json | ValueType::Bytes => {
            Form::Plain
        }
    }
}

/// Whether a column without values is meant for numbers.
fn numeric(column: &Column) -> bool {
    matches!(column.affinity, Affinity::Integer | Affinity::Real)
}

fn boolean(column: &Column, samples: &[Stored]) -> Form {
    let word = samples.iter().find_map(|sample| match sample {
        Stored::Text(text) => BOOLEAN_WORDS
            .iter()
            .position(|(yes, no)| text == yes || text == no),
        _ => None,
    });
    match word {
        Some(index) => Form::BooleanWord(index),
        None if samples.is_empty() && column.affinity == Affinity::Text => Form::BooleanWord(0),
        None => Form::BooleanNumber,
    }
}

/// Days between years 0 and 9999, as `julianday()` counts them.
const JULIAN_DAYS: std::ops::Range<f64> = 1_721_059.0..5_373_485.0;

fn moment(column: &Column, samples: &[Stored]) -> Form {
    let mut greatest = 0.0f64;
    let mut julian = true;
    let mut real = false;
    for sample in samples {
        match sample {
            Stored::Text(text) => return Form::Moment(TextMoment::like(text)),
            Stored::Integer(number) => {
                greatest = greatest.max(number.unsigned_abs() as f64);
                julian = false;
            }
            Stored::Real(number) => {
                greatest = greatest.max(number.abs());
                julian &= JULIAN_DAYS.contains(number);
                real = true;
            }
            Stored::Null | Stored::Blob(_) => {}
        }
    }
    if greatest == 0.0 && !real && samples.is_empty() {
        return match column.affinity {
            Affinity::Integer => Form::Number(Unit::Seconds),
            Affinity::Real => Form::Number(Unit::Julian),
            _ => Form::Moment(TextMoment::SQLITE),
        };
    }
    Form::Number(match greatest {
        _ if real && julian => Unit::Julian,
        seconds if seconds < 1e11 => Unit::Seconds,
        millis if millis < 1e14 => Unit::Millis,
        _ => Unit::Micros,
    })
}

fn uuid_form(column: &Column, samples: &[Stored]) -> UuidForm {
    match samples.first() {
        Some(Stored::Blob(_)) => UuidForm::Blob,
        Some(Stored::Text(text)) => {
            let upper = text.chars().any(|c| c.is_ascii_uppercase());
            match (text.contains('-'), upper) {
                (true, false) => UuidForm::Lower,
                (true, true) => UuidForm::Upper,
                (false, false) => UuidForm::SimpleLower,
                (false, true) => UuidForm::SimpleUpper,
            }
        }
        _ if matches!(column.affinity, Affinity::Blob { declared: true }) => UuidForm::Blob,
        _ if column.declared.to_ascii_uppercase().contains("BINARY") => UuidForm::Blob,
        _ => UuidForm::Lower,
    }
}
