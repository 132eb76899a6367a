//! Lifetimes as people and programs write them: seconds, `1h`, `4h30m`, or -1 for no end.

use std::borrow::Cow;
use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use ctwarden_net::configuration::number_or_text;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};
use thiserror::Error;

const SECOND: u128 = 1_000_000_000;
/// Units and their length in nanoseconds.
const UNITS: [(&str, u128); 8] = [
    ("w", 604_800 * SECOND),
    ("d", 86_400 * SECOND),
    ("h", 3600 * SECOND),
    ("m", 60 * SECOND),
    ("s", SECOND),
    ("ms", SECOND / 1000),
    ("us", 1000),
    ("ns", 1),
];

/// How long something lasts: whole seconds, at least one, or without an end.
///
/// In a configuration: a number of seconds or text such as `"1h"` or `"4h30m"`. 0 and -1 mean no end, which is the
/// default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Lifetime(Option<NonZeroU32>);

/// The text is not a lifetime. The error names the text and the accepted forms.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("\"{0}\" is not a time; write seconds from 1 to 4294967295, a time such as 1h, 4h30m or 7d, or -1 for no end")]
pub struct LifetimeError(String);

impl Lifetime {
    /// A lifetime without an end.
    pub const FOREVER: Self = Self(None);

    /// Returns a lifetime of this many seconds; 0 means no end.
    #[must_use]
    pub const fn from_secs(seconds: u32) -> Self {
        Self(NonZeroU32::new(seconds))
    }

    /// Returns the seconds. `None` if the lifetime has no end.
    #[must_use]
    pub const fn as_secs(self) -> Option<u32> {
        match self.0 {
            Some(seconds) => Some(seconds.get()),
            None => None,
        }
    }
}

impl FromStr for Lifetime {
    type Err = LifetimeError;

    /// Reads a lifetime. A part of a second counts as a whole second. 0 is refused, because it could mean both nothing
    /// and no end.
    fn from_str(text: &str) -> Result<Self, LifetimeError> {
        if text == "-1" {
            return Ok(Self::FOREVER);
        }
        let seconds = nanoseconds(text).and_then(|nanoseconds| u32::try_from(nanoseconds.div_ceil(SECOND)).ok());
        let seconds = seconds.and_then(NonZeroU32::new);
        seconds.map(|seconds| Self(Some(seconds))).ok_or_else(|| LifetimeError(text.chars().take(40).collect()))
    }
}

fn nanoseconds(text: &str) -> Option<u128> {
    let is_digit = |c: char| c.is_ascii_digit() || c == '.';
    let mut rest = text;
    let mut total = 0_u128;
    loop {
        let (number, behind) = rest.split_at_checked(rest.find(|c| !is_digit(c)).unwrap_or(rest.len()))?;
        let (unit, next) = behind.split_at_checked(behind.find(is_digit).unwrap_or(behind.len()))?;
        // A number alone means seconds.
        let unit = if unit.is_empty() && rest == text { "s" } else { unit };
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
        total = total.checked_add(multiplied(number, *factor)?)?;
        if next.is_empty() {
            return Some(total);
        }
        rest = next;
    }
}

/// Multiplies a decimal number by a factor in nanoseconds.
fn multiplied(number: &str, factor: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole = whole.parse::<u64>().ok()?;
    let fraction = fraction.get(..fraction.len().min(9))?;
    let part = if fraction.is_empty() { 0 } else { fraction.parse::<u64>().ok()? };
    let scale = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    u128::from(whole).checked_mul(factor)?.checked_add(u128::from(part).checked_mul(factor)?.div_ceil(scale))
}

impl fmt::Display for Lifetime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(seconds) => write!(f, "{seconds} s"),
            None => f.write_str("ever"),
        }
    }
}

impl<'de> Deserialize<'de> for Lifetime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        number_or_text::deserialize(deserializer, "seconds or a time such as \"1h\"", |text| match text {
            "0" => Ok(Self::FOREVER),
            text => text.parse(),
        })
    }
}

impl JsonSchema for Lifetime {
    fn schema_name() -> Cow<'static, str> {
        "Lifetime".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Seconds, or a time such as \"1h\", \"4h30m\" or \"7d\"; 0 and -1 have no end.",
            "type": ["integer", "string"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_and_programs_write_them() {
        for (text, seconds) in [
            ("3600", Some(3600)),
            ("1h", Some(3600)),
            ("4h30m", Some(16_200)),
            ("4h30m0s", Some(16_200)),
            ("7d", Some(604_800)),
            ("1w1d", Some(691_200)),
            ("90s", Some(90)),
            ("3h59m57.96288s", Some(14_398)),
            ("1.5h", Some(5400)),
            ("500ms", Some(1)),
            ("4294967295", Some(u32::MAX)),
            ("-1", None),
        ] {
            assert_eq!(text.parse::<Lifetime>().map(Lifetime::as_secs), Ok(seconds), "{text}");
        }
        for text in
            ["", "0", "0s", "-2", "-1h", "1y", "h", "1h30", "1 h", "+1", "4294967296", "99999999999999d", "1..5s", "."]
        {
            let error = text.parse::<Lifetime>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("\"{text}\" is not a time; write seconds from 1 to")), "{error}");
        }
    }

    #[test]
    fn a_configuration_has_numbers_and_texts() {
        let read = |json: &str| serde_json::from_str::<Lifetime>(json).map(Lifetime::as_secs).ok();
        assert_eq!(read("60"), Some(Some(60)));
        assert_eq!(read("\"1h\""), Some(Some(3600)));
        assert_eq!((read("0"), read("-1"), read("\"-1\"")), (Some(None), Some(None), Some(None)));
        assert_eq!((read("-2"), read("\"soon\""), read("1.5")), (None, None, None));
    }
}
