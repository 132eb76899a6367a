//! Reads the times of records and answers, and those that people write.

use ctwarden_model::Timestamp;

/// Parses "2026-11-30T12:00:00.5+01:00". A date alone is its midnight in UTC.
#[must_use]
pub fn parse_time(text: &str) -> Option<Timestamp> {
    let (date, time) = match text.split_once(['T', 't', ' ']) {
        Some((date, time)) => (date, time),
        None => (text, "00:00:00Z"),
    };
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    if !(1970..=2500).contains(&year) || !(1..=12).contains(&month) || !(1..=days(year, month)).contains(&day) {
        return None;
    }
    let (clock, offset) = split_offset(time)?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let seconds = days_since_1970(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - offset;
    let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    let nanos = u64::try_from(seconds).ok()?.checked_mul(1_000_000_000)?;
    if !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    Some(Timestamp(nanos.checked_add(digits.parse().ok()?)?))
}

/// Three numbers with these numbers of digits.
fn numbers(text: &str, separator: char, lengths: [usize; 3]) -> Option<[i64; 3]> {
    let mut parts = text.split(separator).zip(lengths).map(|(part, length)| {
        (part.len() == length && part.bytes().all(|digit| digit.is_ascii_digit())).then(|| part.parse().ok())?
    });
    let numbers = [parts.next()??, parts.next()??, parts.next()??];
    (text.split(separator).count() == 3).then_some(numbers)
}

/// The time of day, and the seconds that the offset is ahead of UTC.
fn split_offset(time: &str) -> Option<(&str, i64)> {
    if let Some(clock) = time.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let (place, sign) = time.rfind('+').map(|place| (place, 1)).or_else(|| time.rfind('-').map(|place| (place, -1)))?;
    let (clock, offset) = time.split_at_checked(place)?;
    let [hours, minutes, _] = numbers(&format!("{}:00", offset.get(1..)?), ':', [2, 2, 2])?;
    (hours <= 23 && minutes <= 59).then_some((clock, sign * (hours * 3_600 + minutes * 60)))
}

const fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

const fn days(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil, for years after 1969.
const fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let cycle = year / 400;
    let year_of_cycle = year - cycle * 400;
    let month_from_march = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_cycle = year_of_cycle * 365 + year_of_cycle / 4 - year_of_cycle / 100 + day_of_year;
    cycle * 146_097 + day_of_cycle - 719_468
}
