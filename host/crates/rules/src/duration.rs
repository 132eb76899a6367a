//! Durations and amounts as operators write them: `10s`, `1h30m`, `500KiB`.

const SECOND: i64 = 1_000_000_000;
/// Units of time in nanoseconds.
const UNITS: [(&str, i64); 8] = [
    ("w", 604_800 * SECOND),
    ("d", 86_400 * SECOND),
    ("h", 3600 * SECOND),
    ("m", 60 * SECOND),
    ("s", SECOND),
    ("ms", 1_000_000),
    ("us", 1000),
    ("ns", 1),
];
/// Units of amounts.
const AMOUNTS: [(&str, u64); 9] = [
    ("B", 1),
    ("kB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// Reads a duration in nanoseconds.
pub(crate) fn nanoseconds(text: &str) -> Result<i64, String> {
    let wrong = || {
        let text: String = text.chars().take(40).collect();
        format!("\"{text}\" is not a duration; write a number with a unit of {}, such as 10s or 1h30m", units())
    };
    let (mut rest, mut total) = (text, 0_i64);
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let (number, behind) = split(rest, |c| !c.is_ascii_digit());
        let (unit, next) = split(behind, |c| c.is_ascii_digit());
        let number: i64 = number.parse().map_err(|_| wrong())?;
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        total = number.checked_mul(*factor).and_then(|part| total.checked_add(part)).ok_or_else(wrong)?;
        rest = next;
    }
    Ok(total)
}

/// Reads a duration of whole seconds, at least one.
pub(crate) fn seconds(text: &str) -> Result<u32, String> {
    let nanoseconds = nanoseconds(text)?;
    let whole = u32::try_from(nanoseconds / SECOND).ok().filter(|_| nanoseconds % SECOND == 0);
    whole.filter(|seconds| *seconds > 0).ok_or_else(|| {
        let text: String = text.chars().take(40).collect();
        format!("\"{text}\" is not from 1 to 4294967295 whole seconds; write for example 10s or 1h30m")
    })
}

/// Reads a number of bytes.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text.trim(), |c| !c.is_ascii_digit());
    let factor = AMOUNTS.iter().find(|(name, _)| *name == unit.trim()).map(|(_, factor)| *factor);
    let amount = number.parse::<u64>().ok().zip(factor).and_then(|(number, factor)| number.checked_mul(factor));
    amount.ok_or_else(|| {
        let (text, units) = (text.chars().take(40).collect::<String>(), AMOUNTS.map(|(name, _)| name).join(", "));
        format!("\"{text}\" is not an amount of bytes; write a number with a unit of {units}, such as 500MiB")
    })
}

fn units() -> String {
    UNITS.map(|(name, _)| name).join(", ")
}

fn split(text: &str, at: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at_checked(text.find(at).unwrap_or(text.len())).unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        for (text, expected) in [("10s", 10), ("1h30m", 5400), ("1d", 86_400), ("2w", 1_209_600), ("1000ms", 1)] {
            assert_eq!(seconds(text), Ok(expected), "{text}");
        }
        for text in ["", "10", "s", "1x", "1h30", "-1s", "99999999999999w", "1.5s", "1 s"] {
            let error = nanoseconds(text).unwrap_err();
            assert!(error.starts_with(&format!("\"{text}\" is not a duration; write a number with a unit")), "{error}");
        }
        for text in ["0s", "1500ms", "9000w"] {
            assert!(seconds(text).unwrap_err().contains("whole seconds"), "{text}");
        }
    }

    #[test]
    fn amounts_have_units() {
        for (text, expected) in [("1B", 1), ("500MiB", 500 << 20), ("2 GB", 2_000_000_000), ("1kB", 1000)] {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
        for text in ["", "5", "MiB", "5mib", "99999999999TiB", "-1B"] {
            assert!(bytes(text).unwrap_err().contains("is not an amount of bytes"), "{text}");
        }
    }
}
