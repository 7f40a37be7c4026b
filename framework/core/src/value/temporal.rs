//! Dates and times as counts, so that they are exact, small and sort; text only at the edges.

use crate::error::{Error, Result};
use jiff::civil;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

const DAY: i64 = 86_400_000_000;

macro_rules! temporal {
    ($(#[$doc:meta])* $name:ident, $count:ty, $wanted:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name($count);

        impl $name {
            /// The count this value is kept as.
            pub fn count(self) -> $count {
                self.0
            }
        }

        impl Serialize for $name {
            /// ISO 8601 text in readable formats, the count in binary ones.
            fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
                if serializer.is_human_readable() { serializer.collect_str(self) } else { self.0.serialize(serializer) }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    std::borrow::Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
                } else {
                    Self::from_count(<$count>::deserialize(deserializer)?).map_err(serde::de::Error::custom)
                }
            }
        }

        impl $name {
            fn invalid(found: impl fmt::Display) -> Error {
                Error::rejected("invalid_value", format!(concat!("wanted ", $wanted, ", found {:?}"), found.to_string()))
            }
        }
    };
}

temporal!(
    /// A calendar date: days since 1970-01-01, years 0 to 9999.
    Date, i32, "a date such as 2026-11-22"
);
temporal!(
    /// A time of day: microseconds since midnight.
    Time, i64, "a time such as 13:45:00"
);
temporal!(
    /// A moment: microseconds since 1970-01-01T00:00:00Z, years 0 to 9999.
    Timestamp, i64, "a UTC timestamp such as 2026-11-22T13:45:00Z"
);
temporal!(
    /// A date and time of day without a zone: microseconds since 1970-01-01T00:00:00 on that clock, years 0 to 9999.
    LocalTimestamp, i64, "a local timestamp such as 2026-11-22T13:45:00"
);

/// 0000-01-01 and the last day of 9999, in days.
const FIRST_DAY: i64 = -719_528;
const LAST_DAY: i64 = 2_932_896;

fn days_of(date: civil::Date) -> i64 {
    // Days from civil, as published by Howard Hinnant in "chrono-compatible low-level date algorithms".
    let (year, month, day) = (
        i64::from(date.year()),
        i64::from(date.month()),
        i64::from(date.day()),
    );
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn micros_of(time: civil::Time) -> i64 {
    let seconds = i64::from(time.hour()) * 3600 + i64::from(time.minute()) * 60 + i64::from(time.second());
    seconds * 1_000_000 + i64::from(time.subsec_nanosecond()) / 1_000
}

/// Year, month and day; the inverse of [`days_of`], from the same source.
fn civil_of(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// Text of fixed width, made without the formatting machinery: a first sync writes millions of these.
struct Fixed<const N: usize>([u8; N]);

impl<const N: usize> Fixed<N> {
    /// Writes a number with leading zeros into these places.
    fn put(&mut self, places: std::ops::Range<usize>, mut number: i64) {
        for place in places.rev() {
            self.0[place] = b'0' + (number % 10).unsigned_abs() as u8;
            number /= 10;
        }
    }

    fn put_date(&mut self, days: i64) {
        let (year, month, day) = civil_of(days);
        self.put(0..4, year);
        self.put(5..7, month);
        self.put(8..10, day);
    }

    fn put_time(&mut self, from: usize, micros: i64) {
        let seconds = micros / 1_000_000;
        self.put(from..from + 2, seconds / 3600);
        self.put(from + 3..from + 5, seconds / 60 % 60);
        self.put(from + 6..from + 8, seconds % 60);
        self.put(from + 9..from + 15, micros % 1_000_000);
    }

    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.0).unwrap_or_default())
    }
}

fn moment_in_range(micros: i64) -> bool {
    (FIRST_DAY * DAY..(LAST_DAY + 1) * DAY).contains(&micros)
}

impl Date {
    /// From days since 1970-01-01.
    ///
    /// # Errors
    /// `invalid_value` outside the years 0 to 9999.
    pub fn from_count(days: i32) -> Result<Self> {
        if (FIRST_DAY..=LAST_DAY).contains(&i64::from(days)) {
            Ok(Self(days))
        } else {
            Err(Self::invalid(days))
        }
    }
}

impl Time {
    /// From microseconds since midnight.
    ///
    /// # Errors
    /// `invalid_value` outside one day.
    pub fn from_count(micros: i64) -> Result<Self> {
        if (0..DAY).contains(&micros) {
            Ok(Self(micros))
        } else {
            Err(Self::invalid(micros))
        }
    }
}

impl Timestamp {
    /// From microseconds since 1970-01-01T00:00:00Z.
    ///
    /// # Errors
    /// `invalid_value` outside the years 0 to 9999.
    pub fn from_count(micros: i64) -> Result<Self> {
        if moment_in_range(micros) {
            Ok(Self(micros))
        } else {
            Err(Self::invalid(micros))
        }
    }
}

impl LocalTimestamp {
    /// From microseconds since 1970-01-01T00:00:00 on the same clock.
    ///
    /// # Errors
    /// `invalid_value` outside the years 0 to 9999.
    pub fn from_count(micros: i64) -> Result<Self> {
        if moment_in_range(micros) {
            Ok(Self(micros))
        } else {
            Err(Self::invalid(micros))
        }
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Fixed(*b"0000-00-00");
        text.put_date(self.0.into());
        text.write(f)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Fixed(*b"00:00:00.000000");
        text.put_time(0, self.0);
        text.write(f)
    }
}

impl fmt::Display for LocalTimestamp {
    /// Always six fractional digits, so that text sorts as time does.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Fixed(*b"0000-00-00T00:00:00.000000");
        text.put_date(self.0.div_euclid(DAY));
        text.put_time(11, self.0.rem_euclid(DAY));
        text.write(f)
    }
}

impl fmt::Display for Timestamp {
    /// Always six fractional digits and `Z`, so that text sorts as time does.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Fixed(*b"0000-00-00T00:00:00.000000Z");
        text.put_date(self.0.div_euclid(DAY));
        text.put_time(11, self.0.rem_euclid(DAY));
        text.write(f)
    }
}

impl FromStr for Date {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let date: civil::Date = text.parse().map_err(|_| Self::invalid(text))?;
        Self::from_count(i32::try_from(days_of(date)).map_err(|_| Self::invalid(text))?)
    }
}

impl FromStr for Time {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let time: civil::Time = text.parse().map_err(|_| Self::invalid(text))?;
        Self::from_count(micros_of(time))
    }
}

impl FromStr for LocalTimestamp {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let moment: civil::DateTime = text.parse().map_err(|_| Self::invalid(text))?;
        Self::from_count(days_of(moment.date()) * DAY + micros_of(moment.time()))
    }
}

impl FromStr for Timestamp {
    type Err = Error;

    /// With a zone or offset, converted to UTC; without one, taken as UTC, as databases write it.
    fn from_str(text: &str) -> Result<Self> {
        let fixed = text.strip_suffix('Z').unwrap_or(text);
        if let Ok(moment) = fixed.parse::<civil::DateTime>()
            && (fixed.len() < text.len() || !has_offset(fixed))
        {
            return Self::from_count(days_of(moment.date()) * DAY + micros_of(moment.time()));
        }
        let moment: jiff::Timestamp = text.parse().map_err(|_| Self::invalid(text))?;
        Self::from_count(moment.as_microsecond())
    }
}

/// Whether something follows the time of day that says how far from UTC it is.
fn has_offset(text: &str) -> bool {
    text.get(10..).is_some_and(|time| time.contains(['+', '-', '[']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_count_agree() {
        assert_eq!("1970-01-01".parse::<Date>().unwrap().count(), 0);
        assert_eq!("2000-03-01".parse::<Date>().unwrap().count(), 11_017);
        assert_eq!("0000-01-01".parse::<Date>().unwrap().count(), -719_528);
        assert_eq!("9999-12-31".parse::<Date>().unwrap().to_string(), "9999-12-31");
        assert_eq!(
            "13:45:00.25".parse::<Time>().unwrap().to_string(),
            "13:45:00.250000"
        );
        assert_eq!(
            "1969-12-31T23:59:59.999999Z"
                .parse::<Timestamp>()
                .unwrap()
                .count(),
            -1
        );
        assert_eq!(
            "2009-01-01 00:00:00"
                .parse::<LocalTimestamp>()
                .unwrap()
                .to_string(),
            "2009-01-01T00:00:00.000000"
        );
        assert_eq!(
            "2026-11-22T01:00:00+02:00"
                .parse::<Timestamp>()
                .unwrap()
                .to_string(),
            "2026-11-21T23:00:00.000000Z"
        );
        assert_eq!(
            "2026-11-22 01:00:00".parse::<Timestamp>().unwrap().to_string(),
            "2026-11-22T01:00:00.000000Z"
        );
    }

    #[test]
    fn every_day_survives_text() {
        for days in (-719_528..=2_932_896).step_by(97) {
            let date = Date::from_count(days).unwrap();
            assert_eq!(date.to_string().parse::<Date>().unwrap(), date);
        }
    }

    #[test]
    fn nonsense_is_refused() {
        assert!("2026-02-30".parse::<Date>().is_err());
        assert!("25:00:00".parse::<Time>().is_err());
        assert!("yesterday".parse::<Timestamp>().is_err());
        assert!(Time::from_count(DAY).is_err());
        assert!(Date::from_count(i32::MAX).is_err());
    }
}
