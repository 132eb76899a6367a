//! Date and time of day, for the daemon's records and for the conntrack command.
//!
//! A pure crate knows no time zone, so the program supplies a function from Unix seconds to this type.

use alloc::vec::Vec;

use crate::append::Append;

/// A date and a time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CivilTime {
    /// Year of the common era.
    pub year: i32,
    /// Month, 1 to 12.
    pub month: u8,
    /// Day of the month, 1 to 31.
    pub day: u8,
    /// Day of the week, 0 (Sunday) to 6.
    pub weekday: u8,
    /// Hour, 0 to 23.
    pub hour: u8,
    /// Minute, 0 to 59.
    pub minute: u8,
    /// Second, 0 to 60 (a leap second).
    pub second: u8,
}

const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

const DAY: i64 = 24 * 60 * 60;
/// Number of days in 400 years. The Gregorian calendar repeats after them.
const CYCLE: i64 = 146_097;
/// Days from 1 March of the year 0 to the Unix epoch.
const EPOCH: i64 = 719_468;

impl CivilTime {
    /// The UTC time of Unix seconds.
    #[must_use]
    pub fn utc(seconds: i64) -> Self {
        let days = seconds.div_euclid(DAY);
        let clock = seconds.rem_euclid(DAY);
        // The years of the calculation begin in March, so that a leap day is the last day of its year: Howard Hinnant,
        // "chrono-Compatible Low-Level Date Algorithms", civil_from_days.
        let since = days.saturating_add(EPOCH);
        let cycle = since.div_euclid(CYCLE);
        let day_of_cycle = since.rem_euclid(CYCLE);
        let year_of_cycle =
            (day_of_cycle - day_of_cycle / 1_460 + day_of_cycle / 36_524 - day_of_cycle / 146_096) / 365;
        let day_of_year = day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = cycle * 400 + year_of_cycle + i64::from(month <= 2);
        let byte = |number: i64| u8::try_from(number).unwrap_or_default();
        Self {
            year: i32::try_from(year).unwrap_or(i32::MAX),
            month: byte(month),
            day: byte(day),
            // 1 January 1970 was a Thursday.
            weekday: byte((days + 4).rem_euclid(7)),
            hour: byte(clock / 3_600),
            minute: byte(clock / 60 % 60),
            second: byte(clock % 60),
        }
    }

    /// Converts the time, taken as UTC, to seconds since the Unix epoch. `None` if the calendar has no such day.
    #[must_use]
    pub fn utc_seconds(&self) -> Option<i64> {
        // Howard Hinnant, as above: days_from_civil.
        let month_from_march = i64::from(self.month.checked_sub(1).filter(|month| *month < 12)?.wrapping_add(10) % 12);
        let year = i64::from(self.year).checked_sub(i64::from(self.month <= 2))?;
        let (cycle, year_of_cycle) = (year.div_euclid(400), year.rem_euclid(400));
        let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(self.day) - 1;
        let day_of_cycle = 365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100 + day_of_year;
        let days = cycle * CYCLE + day_of_cycle - EPOCH;
        let clock = (i64::from(self.hour) * 60 + i64::from(self.minute)) * 60 + i64::from(self.second);
        let seconds = days * DAY + clock;
        let same = Self::utc(days * DAY);
        let is_there = (same.day, same.month) == (self.day, self.month);
        (is_there && self.hour < 24 && self.minute < 60 && self.second <= 60).then_some(seconds)
    }

    /// Parses the output of the C library's `ctime`. The day of the week is ignored, because the other fields imply it.
    pub(crate) fn of_ctime(text: &str) -> Option<Self> {
        let mut words = text.split_ascii_whitespace();
        let weekday = words.next()?;
        let weekday = u8::try_from(WEEKDAYS.iter().position(|name| *name == weekday)?).ok()?;
        let month = words.next()?;
        let month = u8::try_from(MONTHS.iter().position(|name| *name == month)?).ok()?.checked_add(1)?;
        let day = words.next()?.parse().ok()?;
        let mut clock = words.next()?.split(':').map(|part| part.parse().ok());
        let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
        let year = words.next()?.parse().ok()?;
        let time = Self { year, month, day, weekday, hour, minute, second };
        let ended = words.next().is_none() && clock.next().is_none();
        (ended && time.utc_seconds().is_some()).then_some(time)
    }

    /// Writes the time as the C library's `ctime` does, without its line end: `Sun Nov 22 15:20:29 2026`.
    pub(crate) fn write_ctime(&self, out: &mut Vec<u8>) {
        out.text(WEEKDAYS.get(usize::from(self.weekday)).copied().unwrap_or("???"));
        out.push(b' ');
        out.text(self.month.checked_sub(1).and_then(|at| MONTHS.get(usize::from(at))).copied().unwrap_or("???"));
        out.push(b' ');
        if self.day < 10 {
            out.push(b' ');
        }
        out.decimal(self.day);
        for (sign, part) in [(b' ', self.hour), (b':', self.minute), (b':', self.second)] {
            out.push(sign);
            out.padded(part, 2);
        }
        out.push(b' ');
        self.write_year(out);
    }

    /// The year, with a minus before the common era.
    pub(crate) fn write_year(&self, out: &mut Vec<u8>) {
        if self.year < 0 {
            out.push(b'-');
        }
        out.decimal(self.year.unsigned_abs());
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use super::*;

    #[test]
    fn seconds_become_a_date() {
        // `TZ=UTC date -d @N`.
        for (seconds, text) in [
            (0, "Thu Jan  1 00:00:00 1970"),
            (951_782_399, "Mon Feb 28 23:59:59 2000"),
            (951_782_400, "Tue Feb 29 00:00:00 2000"),
            (1_795_360_829, "Sun Nov 22 15:20:29 2026"),
            (-1, "Wed Dec 31 23:59:59 1969"),
            (4_107_542_400, "Mon Mar  1 00:00:00 2100"),
        ] {
            let mut out = Vec::new();
            CivilTime::utc(seconds).write_ctime(&mut out);
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }

    #[test]
    fn each_day_follows_the_one_before() {
        let mut expected = (1970, 1, 1, 4);
        for days in 0..215_000 {
            let CivilTime { year, month, day, weekday, .. } = CivilTime::utc(days * DAY);
            assert_eq!((year, month, day, weekday), expected, "day {days}");
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let last = match month {
                2 => 28 + u8::from(leap),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            let weekday = (weekday + 1) % 7;
            expected = match (day == last, month) {
                (false, _) => (year, month, day + 1, weekday),
                (true, 12) => (year + 1, 1, 1, weekday),
                (true, _) => (year, month + 1, 1, weekday),
            };
        }
    }

    #[test]
    fn a_date_becomes_seconds() {
        for seconds in [0, -1, 951_782_399, 951_782_400, 1_795_360_829, 4_107_542_400, -62_135_596_800, 253_402_300_799]
        {
            let mut out = Vec::new();
            CivilTime::utc(seconds).write_ctime(&mut out);
            let text = String::from_utf8(out).unwrap();
            assert_eq!(CivilTime::of_ctime(&text).and_then(|time| time.utc_seconds()), Some(seconds), "{text}");
        }
        for text in [
            "",
            "Sun Nov 22 15:20:29",
            "Sun Nov 22 15:20 2026",
            "Sun Nov 31 15:20:29 2026",
            "Thu Feb 29 00:00:00 2001",
            "Sun Nov 22 24:00:00 2026",
            "Sun Nov 22 15:20:29 2026 CET",
            "Sun Nov 22 15:20:29:1 2026",
            "Sun Nov 0 15:20:29 2026",
            "So Nov 22 15:20:29 2026",
            "Sun Nov 22 15:20:29 99999999999",
        ] {
            assert_eq!(CivilTime::of_ctime(text), None, "{text}");
        }
    }

    #[test]
    fn no_second_is_too_far() {
        for seconds in [i64::MIN, i64::MAX] {
            CivilTime::utc(seconds).write_ctime(&mut Vec::new());
        }
    }
}
