//! Dates, times and UUIDs as text without allocating: the same text as their `Display`.

use onsync_core::value::{Date, LocalTimestamp, Time, Timestamp};
use uuid::Uuid;

const DAY: i64 = 86_400_000_000;

/// A place for the text of one value, used again for the next.
pub(crate) struct TextBuffer {
    bytes: [u8; 40],
}

impl TextBuffer {
    /// An empty buffer.
    pub(crate) fn new() -> Self {
        Self { bytes: [0; 40] }
    }

    fn text(&self, length: usize) -> &str {
        // Only ASCII is ever written, so this cannot fail.
        std::str::from_utf8(&self.bytes[..length]).unwrap_or_default()
    }

    /// `YYYY-MM-DD`
    pub(crate) fn date(&mut self, date: Date) -> &str {
        self.write_date(i64::from(date.count()));
        self.text(10)
    }

    /// `HH:MM:SS.ffffff`
    pub(crate) fn time(&mut self, time: Time) -> &str {
        self.write_time(0, time.count());
        self.text(15)
    }

    /// `YYYY-MM-DDTHH:MM:SS.ffffff`
    pub(crate) fn local_timestamp(&mut self, moment: LocalTimestamp) -> &str {
        self.write_moment(moment.count());
        self.text(26)
    }

    /// `YYYY-MM-DDTHH:MM:SS.ffffffZ`
    pub(crate) fn timestamp(&mut self, moment: Timestamp) -> &str {
        self.write_moment(moment.count());
        self.bytes[26] = b'Z';
        self.text(27)
    }

    /// lower-case, hyphenated
    pub(crate) fn uuid(&mut self, uuid: Uuid) -> &str {
        uuid.hyphenated().encode_lower(&mut self.bytes)
    }

    fn digits(&mut self, at: usize, count: usize, mut number: i64) {
        for place in (at..at + count).rev() {
            self.bytes[place] = b'0' + (number % 10) as u8;
            number /= 10;
        }
    }

    fn write_moment(&mut self, micros: i64) {
        self.write_date(micros.div_euclid(DAY));
        self.bytes[10] = b'T';
        self.write_time(11, micros.rem_euclid(DAY));
    }

    fn write_date(&mut self, days: i64) {
        // Civil from days, as published by Howard Hinnant in "chrono-compatible low-level date algorithms".
        let days = days + 719_468;
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 {
            shifted_month + 3
        } else {
            shifted_month - 9
        };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        self.digits(0, 4, year);
        self.bytes[4] = b'-';
        self.digits(5, 2, month);
        self.bytes[7] = b'-';
        self.digits(8, 2, day);
    }

    fn write_time(&mut self, at: usize, micros: i64) {
        let seconds = micros / 1_000_000;
        self.digits(at, 2, seconds / 3600);
        self.bytes[at + 2] = b':';
        self.digits(at + 3, 2, seconds / 60 % 60);
        self.bytes[at + 5] = b':';
        self.digits(at + 6, 2, seconds % 60);
        self.bytes[at + 8] = b'.';
        self.digits(at + 9, 6, micros % 1_000_000);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_what_display_writes() {
        let mut buffer = TextBuffer::new();
        for days in (-719_528..=2_932_896).step_by(61) {
            let date = Date::from_count(days).unwrap();
            assert_eq!(buffer.date(date), date.to_string());
            let micros = i64::from(days) * DAY + (i64::from(days) * 7_777_777_777).rem_euclid(DAY);
            let moment = Timestamp::from_count(micros).unwrap();
            assert_eq!(buffer.timestamp(moment), moment.to_string());
            let local = LocalTimestamp::from_count(micros).unwrap();
            assert_eq!(buffer.local_timestamp(local), local.to_string());
            let time = Time::from_count(micros.rem_euclid(DAY)).unwrap();
            assert_eq!(buffer.time(time), time.to_string());
        }
        let uuid = Uuid::from_u128(0xABCD);
        assert_eq!(buffer.uuid(uuid), uuid.to_string());
    }
}
