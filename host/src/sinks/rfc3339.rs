//! A timestamp as RFC 3339 writes it, in UTC with nanoseconds.
//!
//! Records carry it in one fixed width, so that lines sort by it; a crate for calendars would bring time zones that are
//! not needed here.

use std::fmt;

use ctwarden_model::Timestamp;

const NANOS: u64 = 1_000_000_000;
const SECONDS_OF_DAY: u64 = 86_400;
const DAYS_OF_400_YEARS: u64 = 146_097;

/// Writes "2026-11-22T12:00:00.000000000Z".
pub(crate) struct Rfc3339(pub Timestamp);

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.0 / NANOS;
        let (year, month, day) = date(seconds / SECONDS_OF_DAY);
        let second = seconds % SECONDS_OF_DAY;
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:09}Z", self.0.0 % NANOS)
    }
}

/// Year, month and day of a number of days since 1970-01-01 in the Gregorian calendar. Years are counted from March, so
/// that the leap day is the last of its year.
const fn date(days: u64) -> (u64, u64, u64) {
    // From 0000-03-01, the begin of a cycle of 400 years.
    let days = days + 719_468;
    let cycle = days / DAYS_OF_400_YEARS;
    let day = days % DAYS_OF_400_YEARS;
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    // Months from March: 31, 30, 31, 30, 31 days and again, which 153 / 5 follows exactly.
    let month = (5 * day + 2) / 153;
    let day_of_month = day - (153 * month + 2) / 5 + 1;
    let (month, year) = if month < 10 { (month + 3, year) } else { (month - 9, year + 1) };
    (cycle * 400 + year, month, day_of_month)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(seconds: u64, nanos: u64) -> String {
        Rfc3339(Timestamp(seconds * NANOS + nanos)).to_string()
    }

    #[test]
    fn known_moments() {
        // As `date -u --date=@SECONDS` gives them.
        assert_eq!(written(0, 0), "1970-01-01T00:00:00.000000000Z");
        assert_eq!(written(951_782_400, 1), "2000-02-29T00:00:00.000000001Z");
        assert_eq!(written(1_709_251_199, 999_999_999), "2024-02-29T23:59:59.999999999Z");
        assert_eq!(written(4_107_542_400, 0), "2100-03-01T00:00:00.000000000Z");
        assert_eq!(written(1_000_000_000, 0), "2001-09-09T01:46:40.000000000Z");
        assert_eq!(Rfc3339(Timestamp(u64::MAX)).to_string(), "2554-07-21T23:34:33.709551615Z");
    }

    #[test]
    fn each_day_follows_the_one_before() {
        let mut expected = (1970, 1, 1);
        for days in 0..215_000 {
            assert_eq!(date(days), expected, "day {days}");
            let (year, month, day) = expected;
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let last = match month {
                2 => 28 + u64::from(leap),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            expected = match (day == last, month) {
                (false, _) => (year, month, day + 1),
                (true, 12) => (year + 1, 1, 1),
                (true, _) => (year, month + 1, 1),
            };
        }
    }
}
