//! A port or a range of ports, as filters and configurations name services.

use alloc::borrow::ToOwned;
use alloc::string::String;
use core::fmt;
use core::ops::RangeInclusive;
use core::str::FromStr;

use thiserror::Error;

/// Ports from `first` to `last`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortRange {
    /// Lowest port of the range.
    pub first: u16,
    /// Highest port of the range. If it is below `first`, the range is empty.
    pub last: u16,
}

/// The text is neither a port nor a range of ports.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("\"{0}\" is not a port or a range of ports; write for example 22 or 8000-8999")]
pub struct PortRangeError(String);

impl PortRange {
    /// Whether the port lies in the range.
    #[must_use]
    #[inline]
    pub const fn contains(self, port: u16) -> bool {
        self.first <= port && port <= self.last
    }
}

impl From<u16> for PortRange {
    fn from(port: u16) -> Self {
        Self { first: port, last: port }
    }
}

impl From<RangeInclusive<u16>> for PortRange {
    /// Swaps the ends of a range that is written the wrong way round.
    fn from(range: RangeInclusive<u16>) -> Self {
        let (a, b) = range.into_inner();
        Self { first: a.min(b), last: a.max(b) }
    }
}

impl FromStr for PortRange {
    type Err = PortRangeError;

    /// Reads `port` or `first-last`, and refuses an empty range.
    fn from_str(text: &str) -> Result<Self, PortRangeError> {
        let refused = || PortRangeError(text.to_owned());
        let port = |text: &str| {
            // `parse` alone would accept "+8".
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse::<u16>().ok().filter(|_| digits).ok_or_else(refused)
        };
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let range = Self { first: port(first)?, last: port(last)? };
        if range.first <= range.last { Ok(range) } else { Err(refused()) }
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last { self.first.fmt(f) } else { write!(f, "{}-{}", self.first, self.last) }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn ports_are_written_as_number_or_range() {
        let ranges: [(&str, PortRange); 3] =
            [("22", 22.into()), ("80-80", 80.into()), ("8000-8999", (8000..=8999).into())];
        for (text, range) in ranges {
            assert_eq!(text.parse(), Ok(range), "{text}");
        }
        assert_eq!(ranges.map(|(_, range)| range.to_string()), ["22", "80", "8000-8999"]);
        let wide = PortRange::from(RangeInclusive::new(8999, 8000));
        assert!(wide.contains(8000) && wide.contains(8999) && !wide.contains(9000));
        for text in ["", "-", "1-", "-1", "+1", "2-1", "65536", "1-2-3", "http"] {
            assert_eq!(text.parse::<PortRange>(), Err(PortRangeError(text.to_owned())));
        }
    }
}
