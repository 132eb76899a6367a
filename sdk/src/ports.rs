//! A port or a range of ports, as filters and configurations name services.

use std::borrow::Cow;
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};
use thiserror::Error;

use crate::bindings::ctwarden::policy::types as wit;
use crate::number_or_text;

/// Ports from the first to the last, both included. In a configuration: `22` or `"8000-8999"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ports {
    first: u16,
    last: u16,
}

/// Text that is no port and no range.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("\"{0}\" is not a port or a range of ports; write for example 22 or 8000-8999")]
pub struct PortsError(String);

impl Ports {
    /// Whether the port is one of them.
    #[must_use]
    pub const fn contains(self, port: u16) -> bool {
        self.first <= port && port <= self.last
    }
}

impl From<u16> for Ports {
    fn from(port: u16) -> Self {
        Self { first: port, last: port }
    }
}

impl From<RangeInclusive<u16>> for Ports {
    /// A range written the wrong way round is turned.
    fn from(range: RangeInclusive<u16>) -> Self {
        let (a, b) = range.into_inner();
        Self { first: a.min(b), last: a.max(b) }
    }
}

impl FromStr for Ports {
    type Err = PortsError;

    fn from_str(text: &str) -> Result<Self, PortsError> {
        let nonsense = || PortsError(text.to_owned());
        let port = |text: &str| {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse::<u16>().ok().filter(|_| digits).ok_or_else(nonsense)
        };
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let range = Self { first: port(first)?, last: port(last)? };
        if range.first <= range.last { Ok(range) } else { Err(nonsense()) }
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last { self.first.fmt(f) } else { write!(f, "{}-{}", self.first, self.last) }
    }
}

impl<'de> Deserialize<'de> for Ports {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        number_or_text::deserialize(deserializer, "a port or a range of ports", |text| text.parse())
    }
}

impl JsonSchema for Ports {
    fn schema_name() -> Cow<'static, str> {
        "Ports".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A port such as 22, or a range such as \"8000-8999\".",
            "anyOf": [{ "type": "integer", "minimum": 0, "maximum": 65535 }, { "type": "string" }],
        })
    }
}

impl From<Ports> for wit::PortRange {
    fn from(ports: Ports) -> Self {
        Self { first: ports.first, last: ports.last }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_written_as_number_or_range() {
        let read: Vec<Ports> = serde_json::from_str("[22, \"80\", \"8000-8999\"]").unwrap();
        assert_eq!(read, [22.into(), 80.into(), (8000..=8999).into()]);
        assert_eq!(read.iter().map(Ports::to_string).collect::<Vec<_>>(), ["22", "80", "8000-8999"]);
        assert!(read[2].contains(8000) && read[2].contains(8999) && !read[2].contains(9000));
        for text in ["", "-", "1-", "-1", "+1", "2-1", "65536", "1-2-3", "http"] {
            assert_eq!(text.parse::<Ports>(), Err(PortsError(text.to_owned())));
        }
        assert!(serde_json::from_str::<Ports>("65536").is_err() && serde_json::from_str::<Ports>("22.5").is_err());
    }
}
