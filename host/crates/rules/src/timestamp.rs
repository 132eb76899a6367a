//! Times and time zones as CEL writes them: RFC 3339, and `+02:00`.

const SECOND: i64 = 1_000_000_000;

/// Reads a time of RFC 3339 in nanoseconds since the Unix epoch.
pub(crate) fn read(text: &str) -> Result<i64, String> {
    let wrong = || {
        let text: String = text.chars().take(40).collect();
        format!("\"{text}\" is not a time; write for example 2026-01-31T18:00:00Z or 2026-01-31T18:00:00+02:00")
    };
    parse(text).ok_or_else(wrong)
}

fn parse(text: &str) -> Option<i64> {
    let (date, time) = text.split_once(['T', 't'])?;
    let [year, month, day] = numbers(date, '-')?;
    let split = time.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = time.split_at_checked(split)?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let [hour, minute, second] = numbers(clock, ':')?;
    let within = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second < 60;
    if !within || !(1970..=2261).contains(&year) || day > days_in(year, month) || fraction.len() > 9 {
        return None;
    }
    let digits: i64 = if fraction.is_empty() { 0 } else { digits(fraction)? };
    let nanoseconds =
        digits.checked_mul(10_i64.checked_pow(9_u32.checked_sub(u32::try_from(fraction.len()).ok()?)?)?)?;
    let offset = if zone.eq_ignore_ascii_case("z") { 0 } else { offset(zone).ok()? };
    let seconds = days_since_epoch(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    seconds.checked_mul(SECOND)?.checked_add(nanoseconds)?.checked_sub(offset)
}

/// Reads a time zone in nanoseconds east of UTC: `+02:00`, `-05:30`, `UTC`.
pub(crate) fn offset(text: &str) -> Result<i64, String> {
    let parse = || {
        if text == "UTC" {
            return Some(0);
        }
        let (sign, rest) = match text.as_bytes().first()? {
            b'+' => (1, text.get(1..)?),
            b'-' => (-1, text.get(1..)?),
            _ => (1, text),
        };
        let [hours, minutes] = numbers(rest, ':')?;
        (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60) * SECOND)
    };
    parse().ok_or_else(|| {
        let text: String = text.chars().take(40).collect();
        format!("\"{text}\" is not a time zone with a fixed offset; write UTC or for example +02:00")
    })
}

fn numbers<const N: usize>(text: &str, separator: char) -> Option<[i64; N]> {
    let all = text.split(separator).map(digits).collect::<Option<Vec<i64>>>()?;
    all.try_into().ok()
}

fn digits(text: &str) -> Option<i64> {
    (!text.is_empty() && text.len() <= 9 && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().ok())?
}

const fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1 January 1970 (the algorithm `days_from_civil` of Howard Hinnant).
const fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2026-01-01T00:00:00Z", 1_767_225_600),
            ("2026-01-01T02:00:00+02:00", 1_767_225_600),
            ("2000-02-29T12:30:15Z", 951_827_415),
            ("2024-12-31T23:59:59-05:30", 1_735_709_399),
        ] {
            assert_eq!(read(text), Ok(seconds * SECOND), "{text}");
        }
        assert_eq!(read("1970-01-01T00:00:00.25Z"), Ok(SECOND / 4));
        for text in ["", "2026", "2026-01-01", "2026-13-01T00:00:00Z", "2025-02-29T00:00:00Z", "2026-01-01T24:00:00Z"] {
            assert!(read(text).unwrap_err().contains("is not a time; write for example"), "{text}");
        }
        assert_eq!((offset("+02:00"), offset("-00:30"), offset("UTC")), (Ok(7200 * SECOND), Ok(-1800 * SECOND), Ok(0)));
        assert!(offset("Europe/Berlin").unwrap_err().contains("fixed offset"));
    }
}
