//! Sizes and times as a configuration writes them: "64MiB", "30s".
//!
//! A bare number is refused because its unit would be unclear. Each unit has exactly one spelling.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;
use thiserror::Error;

/// A number of bytes: digits and one of B, KiB, MiB, GiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Size(pub u64);

/// A time: digits and one of us, ms, s, m, h, d, once or several times, as in "1h30m".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Period(pub Duration);

/// Why a size or a time was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum QuantityError {
    #[error("\"{0}\" is not a size; write digits and one of B, KiB, MiB, GiB, for example \"64MiB\"")]
    Size(String),
    #[error("\"{0}\" is not a time; write digits and one of us, ms, s, m, h, d, for example \"30s\" or \"1h30m\"")]
    Period(String),
}

/// The number and the factor of its unit.
fn split(text: &str, units: &[(&str, u64)]) -> Option<(u64, u64)> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (digits, unit) = text.split_at_checked(end)?;
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    Some((digits.parse().ok()?, *factor))
}

impl FromStr for Size {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        split(text, &[("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)])
            .and_then(|(number, factor)| number.checked_mul(factor))
            .map(Self)
            .ok_or_else(|| QuantityError::Size(text.to_owned()))
    }
}

impl FromStr for Period {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let units = [
            ("us", 1),
            ("ms", 1_000),
            ("s", 1_000_000),
            ("m", 60_000_000),
            ("h", 3_600_000_000),
            ("d", 86_400_000_000),
        ];
        let refused = || QuantityError::Period(text.to_owned());
        let mut rest = text;
        let mut total = 0_u64;
        loop {
            // Up to the start of the next number.
            let unit = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let behind = rest.get(unit..).unwrap_or_default();
            let end = behind.find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |next| unit + next);
            let (part, next) = rest.split_at_checked(end).ok_or_else(refused)?;
            let micros = split(part, &units).and_then(|(number, micros)| number.checked_mul(micros));
            total = micros.and_then(|micros| total.checked_add(micros)).ok_or_else(refused)?;
            if next.is_empty() {
                return Ok(Self(Duration::from_micros(total)));
            }
            rest = next;
        }
    }
}

impl TryFrom<String> for Size {
    type Error = QuantityError;

    fn try_from(text: String) -> Result<Self, QuantityError> {
        text.parse()
    }
}

impl TryFrom<String> for Period {
    type Error = QuantityError;

    fn try_from(text: String) -> Result<Self, QuantityError> {
        text.parse()
    }
}

impl fmt::Display for Size {
    /// Formats the size in the largest unit that divides it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        match units.into_iter().find(|(factor, _)| self.0 != 0 && self.0.is_multiple_of(*factor)) {
            Some((factor, unit)) => write!(f, "{}{unit}", self.0 / factor),
            None => write!(f, "{}B", self.0),
        }
    }
}

impl fmt::Display for Period {
    /// Formats the time in the largest unit that divides it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.as_micros();
        let units = [(86_400_000_000, "d"), (3_600_000_000, "h"), (60_000_000, "m"), (1_000_000, "s"), (1_000, "ms")];
        match units.into_iter().find(|(factor, _)| micros != 0 && micros.is_multiple_of(*factor)) {
            Some((factor, unit)) => write!(f, "{}{unit}", micros / factor),
            None => write!(f, "{micros}us"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_unit_has_one_spelling() {
        for (text, bytes) in [("64MiB", 64 << 20), ("1 KiB", 1024), ("0B", 0), ("3GiB", 3 << 30)] {
            assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
        }
        for (text, micros) in
            [("30s", 30_000_000), ("5 ms", 5_000), ("2h", 7_200_000_000), ("0s", 0), ("1h30m", 5_400_000_000)]
        {
            assert_eq!(text.parse(), Ok(Period(Duration::from_micros(micros))), "{text}");
        }
        for text in ["", "64", "MiB", "64MB", "64mib", "-1B", "1.5GiB", "99999999999GiB", "１B"] {
            let error = text.parse::<Size>().unwrap_err().to_string();
            assert!(error.contains(&format!("\"{text}\"")) && error.contains("for example"), "{error}");
        }
        for text in ["", "30", "s", "30sec", "1h30", "-1s", "99999999999999d", "30m1", "1h 30m"] {
            let error = text.parse::<Period>().unwrap_err().to_string();
            assert!(error.contains(&format!("\"{text}\"")) && error.contains("for example"), "{error}");
        }
    }

    #[test]
    fn a_size_is_written_as_it_is_read() {
        for text in ["64MiB", "1KiB", "1025B", "0B", "7GiB"] {
            assert_eq!(text.parse::<Size>().unwrap().to_string(), text);
        }
    }
}
