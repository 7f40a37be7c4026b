//! Dates and times as text and as numbers.

use super::Unit;

pub(crate) const DAY: i64 = 86_400_000_000;

/// A date with a time of day, as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TextMoment {
    /// between date and time
    pub(crate) separator: char,
    /// what says that it is UTC
    pub(crate) suffix: &'static str,
    /// digits of the fraction, at least; more are written where they are not zero
    pub(crate) digits: usize,
}

impl TextMoment {
    /// What SQLite's `datetime()` writes.
    pub(crate) const SQLITE: Self = Self {
        separator: ' ',
        suffix: "",
        digits: 0,
    };

    /// The form of a stored text.
    pub(crate) fn like(text: &str) -> Self {
        let time = text.get(10..).unwrap_or_default();
        let digits = time
            .split_once('.')
            .map_or(0, |(_, rest)| rest.bytes().take_while(u8::is_ascii_digit).count());
        Self {
            separator: if time.starts_with(['T', 't']) { 'T' } else { ' ' },
            suffix: match time {
                _ if time.ends_with(['Z', 'z']) => "Z",
                _ if time.contains(['+', '-']) => "+00:00",
                _ => "",
            },
            digits: digits.min(6),
        }
    }

    /// Writes `2026-11-22T13:45:00.000000`, with or without `Z`, in this form.
    pub(crate) fn write(self, canonical: &str) -> String {
        let canonical = canonical.trim_end_matches('Z');
        let (date, time) = canonical.split_once('T').unwrap_or((canonical, "00:00:00"));
        let mut out = String::with_capacity(32);
        out.push_str(date);
        out.push(self.separator);
        out.push_str(&with_digits(time, self.digits));
        out.push_str(self.suffix);
        out
    }
}

/// A time of day, as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TextTime {
    /// digits of the fraction, at least
    digits: usize,
    /// whether `:00` for the seconds is written
    seconds: bool,
}

impl Default for TextTime {
    fn default() -> Self {
        Self {
            digits: 0,
            seconds: true,
        }
    }
}

impl TextTime {
    /// The form of a stored text.
    pub(crate) fn like(text: &str) -> Self {
        Self {
            digits: text.split_once('.').map_or(0, |(_, digits)| digits.len().min(6)),
            seconds: text.len() > 5,
        }
    }

    /// Writes `13:45:00.000000` in this form.
    pub(crate) fn write(self, canonical: &str) -> String {
        match canonical.strip_suffix(":00.000000") {
            Some(minutes) if !self.seconds => minutes.to_owned(),
            _ => with_digits(canonical, self.digits),
        }
    }
}

/// `13:45:00.250000` with at least so many digits, and 3 or 6 where those would cut.
fn with_digits(time: &str, digits: usize) -> String {
    let (whole, fraction) = time.split_once('.').unwrap_or((time, ""));
    let used = fraction.trim_end_matches('0').len();
    let digits = match used {
        used if used <= digits => digits,
        used if used <= 3 => 3,
        _ => 6,
    };
    match fraction.get(..digits) {
        Some(fraction) if digits > 0 => format!("{whole}.{fraction}"),
        _ => whole.to_owned(),
    }
}

/// Microseconds since 1970 that an integer stands for.
pub(crate) fn from_integer(number: i64, unit: Unit) -> Option<i64> {
    match unit {
        Unit::Seconds => number.checked_mul(1_000_000),
        Unit::Millis => number.checked_mul(1_000),
        Unit::Micros => Some(number),
        Unit::Julian => from_real(number as f64, unit),
    }
}

/// Microseconds since 1970 that a real stands for. A julian day is exact to the millisecond, as in SQLite.
pub(crate) fn from_real(number: f64, unit: Unit) -> Option<i64> {
    let micros = match unit {
        Unit::Seconds => (number * 1e6).round(),
        Unit::Millis => (number * 1e3).round(),
        Unit::Micros => number.round(),
        Unit::Julian => ((number * 86_400_000.0 + 0.5).floor() - 210_866_760_000_000.0) * 1e3,
    };
    (micros.is_finite() && micros.abs() < 9e18).then_some(micros as i64)
}

/// Microseconds as the number a column keeps; what is finer than its unit is dropped.
pub(crate) fn to_number(micros: i64, unit: Unit, real: bool) -> rusqlite::types::Value {
    use rusqlite::types::Value::{Integer, Real};
    match unit {
        Unit::Seconds if real => Real(micros as f64 / 1e6),
        Unit::Seconds => Integer(micros.div_euclid(1_000_000)),
        Unit::Millis => Integer(micros.div_euclid(1_000)),
        Unit::Micros => Integer(micros),
        Unit::Julian => Real(((micros.div_euclid(1_000)) as f64 + 210_866_760_000_000.0) / 86_400_000.0),
    }
}

/// Reads `2026-11-22`, or with `13:45:00`, or with a fraction and `Z`: what nearly every stored text is, without a general
/// parser. Returns microseconds since 1970 and whether a `Z` ended it.
pub(crate) fn quick(text: &[u8]) -> Option<(i64, bool)> {
    let number = |from: usize, length: usize| -> Option<i64> {
        text.get(from..from + length)?.iter().try_fold(0i64, |sum, byte| {
            byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0'))
        })
    };
    let is = |at: usize, wanted: &[u8]| text.get(at).is_some_and(|byte| wanted.contains(byte));
    let (year, month, day) = (number(0, 4)?, number(5, 2)?, number(8, 2)?);
    if !is(4, b"-") || !is(7, b"-") || !(1..=12).contains(&month) || day < 1 || day > last_day(year, month) {
        return None;
    }
    let days = days_of(year, month, day) * DAY;
    if text.len() == 10 {
        return Some((days, false));
    }
    let (hour, minute, second) = (number(11, 2)?, number(14, 2)?, number(17, 2)?);
    let shaped = is(10, b" T") && is(13, b":") && is(16, b":");
    if !shaped || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut micros = days + ((hour * 60 + minute) * 60 + second) * 1_000_000;
    let mut at = 19;
    if is(at, b".") {
        let mut worth = 100_000;
        at += 1;
        while let Some(byte) = text.get(at).filter(|byte| byte.is_ascii_digit()) {
            micros += i64::from(byte - b'0') * worth;
            worth /= 10;
            at += 1;
        }
        if at == 20 {
            return None;
        }
    }
    match &text[at..] {
        [] => Some((micros, false)),
        [b'Z'] => Some((micros, true)),
        _ => None,
    }
}

fn last_day(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days from civil, as published by Howard Hinnant in "chrono-compatible low-level date algorithms".
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use onsync_core::value::{Date, Timestamp};

    #[test]
    fn the_quick_reader_agrees_with_the_general_one() {
        for text in [
            "2026-11-22 13:45:00",
            "2026-11-22T13:45:00Z",
            "1969-12-31T23:59:59.999999Z",
            "2024-02-29T00:00:00.25",
            "0000-01-01 00:00:00",
        ] {
            let (micros, _) = quick(text.as_bytes()).unwrap();
            assert_eq!(micros, text.parse::<Timestamp>().unwrap().count(), "{text}");
        }
        for days in (-719_528..=2_932_896).step_by(89) {
            let text = Date::from_count(days).unwrap().to_string();
            assert_eq!(
                quick(text.as_bytes()),
                Some((i64::from(days) * DAY, false)),
                "{text}"
            );
        }
        for text in [
            "2026-02-30",
            "2026-11-22 24:00:00",
            "2026-11-22 13:45",
            "2026-11-22T13:45:00+02:00",
            "20261122",
            "2026-11-22T13:45:00.",
            "",
        ] {
            assert_eq!(quick(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn text_keeps_its_form() {
        for (like, wanted) in [
            ("2020-01-01 00:00:00", "2026-11-22 13:45:00"),
            ("2020-01-01T00:00:00Z", "2026-11-22T13:45:00Z"),
            ("2020-01-01T00:00:00.000Z", "2026-11-22T13:45:00.000Z"),
            (
                "2020-01-01 00:00:00.000000+00:00",
                "2026-11-22 13:45:00.000000+00:00",
            ),
        ] {
            assert_eq!(
                TextMoment::like(like).write("2026-11-22T13:45:00.000000Z"),
                wanted
            );
        }
        let plain = TextMoment::like("2020-01-01 00:00:00");
        assert_eq!(
            plain.write("2026-11-22T13:45:00.250000"),
            "2026-11-22 13:45:00.250"
        );
        assert_eq!(TextTime::like("10:00").write("13:45:00.000000"), "13:45");
        assert_eq!(TextTime::like("10:00").write("13:45:01.000000"), "13:45:01");
    }

    #[test]
    fn numbers_count_what_the_unit_says() {
        let moment = 1_763_819_100_250_000;
        assert_eq!(
            from_integer(1_763_819_100, Unit::Seconds),
            Some(1_763_819_100_000_000)
        );
        assert_eq!(from_integer(1_763_819_100_250, Unit::Millis), Some(moment));
        for unit in [Unit::Millis, Unit::Micros, Unit::Julian] {
            let back = match to_number(moment, unit, true) {
                rusqlite::types::Value::Integer(number) => from_integer(number, unit),
                rusqlite::types::Value::Real(number) => from_real(number, unit),
                other => panic!("{other:?}"),
            };
            assert_eq!(back, Some(moment), "{unit:?}");
        }
        assert_eq!(from_real(f64::NAN, Unit::Seconds), None);
    }
}
