//! A value under a mask: how marks and status bits are compared and changed without touching other people's bits.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};
use thiserror::Error;

use crate::bindings::ctwarden::policy::types as wit;
use crate::number_or_text;

/// Bits of a 32-bit field and what they are or become. In a configuration: `"0x10/0xff"`, or a number for the whole field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Masked {
    value: u32,
    mask: u32,
}

/// Why a value under a mask was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MaskedError {
    /// Bits that the mask says do not count.
    #[error("{value:#x} has bits outside its mask {mask:#x}")]
    Outside {
        /// The value.
        value: u32,
        /// The mask.
        mask: u32,
    },
    /// Something else.
    #[error("\"{0}\" is not a value under a mask; write for example 0x10/0xff, or 16 for the whole field")]
    Text(String),
}

impl Masked {
    /// A value under a mask.
    ///
    /// # Errors
    /// [`MaskedError::Outside`] where the value has bits that the mask lacks.
    pub const fn new(value: u32, mask: u32) -> Result<Self, MaskedError> {
        if value & !mask == 0 { Ok(Self { value, mask }) } else { Err(MaskedError::Outside { value, mask }) }
    }

    /// A value of which only the bits of the mask are taken.
    pub(crate) const fn within(value: u32, mask: u32) -> Self {
        Self { value: value & mask, mask }
    }

    /// The bits that count.
    #[must_use]
    pub const fn mask(self) -> u32 {
        self.mask
    }

    /// What they are or become.
    #[must_use]
    pub const fn value(self) -> u32 {
        self.value
    }

    /// Whether the field holds the value.
    #[must_use]
    pub const fn matches(self, field: u32) -> bool {
        field & self.mask == self.value
    }

    /// The field as the change leaves it.
    #[must_use]
    pub const fn apply(self, field: u32) -> u32 {
        field & !self.mask | self.value
    }
}

impl From<u32> for Masked {
    /// The whole field.
    fn from(value: u32) -> Self {
        Self { value, mask: u32::MAX }
    }
}

impl FromStr for Masked {
    type Err = MaskedError;

    /// Numbers as `conntrack --mark` takes them: decimal, 0x hexadecimal, 0 octal.
    fn from_str(text: &str) -> Result<Self, MaskedError> {
        let part = |part: &str| number(part).ok_or_else(|| MaskedError::Text(text.to_owned()));
        match text.split_once('/') {
            Some((value, mask)) => Self::new(part(value)?, part(mask)?),
            None => Ok(part(text)?.into()),
        }
    }
}

fn number(text: &str) -> Option<u32> {
    let lower = text.to_ascii_lowercase();
    let (digits, radix) = match lower.strip_prefix('0') {
        Some("") | None => (lower.as_str(), 10),
        Some(rest) => rest.strip_prefix('x').map_or((rest, 8), |digits| (digits, 16)),
    };
    u32::from_str_radix(digits, radix).ok().filter(|_| !digits.starts_with('+'))
}

impl fmt::Display for Masked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}/{:#x}", self.value, self.mask)
    }
}

impl<'de> Deserialize<'de> for Masked {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        number_or_text::deserialize(deserializer, "a value under a mask", |text| text.parse())
    }
}

impl JsonSchema for Masked {
    fn schema_name() -> Cow<'static, str> {
        "Masked".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A value under a mask such as \"0x10/0xff\", or a number for all 32 bits.",
            "anyOf": [{ "type": "string" }, { "type": "integer", "minimum": 0, "maximum": 4_294_967_295_u32 }],
        })
    }
}

impl From<Masked> for wit::Masked {
    fn from(masked: Masked) -> Self {
        Self { value: masked.value, mask: masked.mask }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_conntrack_reads_them() {
        for (text, value, mask) in [
            ("16", 16, u32::MAX),
            ("0x10/0xff", 16, 255),
            ("0XFF/0xFF", 255, 255),
            ("020/037", 16, 31),
            ("0", 0, u32::MAX),
            ("0/0", 0, 0),
        ] {
            assert_eq!(text.parse(), Ok(Masked { value, mask }), "{text}");
        }
        assert_eq!("0x100/0xff".parse::<Masked>(), Err(MaskedError::Outside { value: 256, mask: 255 }));
        for text in ["", "/", "1/", "/1", "x", "0x", "-1", "+1", "0x+1", "08", "4294967296", "1/2/3"] {
            assert!(matches!(text.parse::<Masked>(), Err(MaskedError::Text(_))), "{text}");
        }
        assert_eq!(serde_json::from_str::<Masked>("7").unwrap(), 7.into());
        assert_eq!(Masked::new(0x10, 0xff).unwrap().to_string(), "0x10/0xff");
    }

    #[test]
    fn bits_outside_the_mask_are_left_alone() {
        let masked = Masked::new(0x10, 0xff).unwrap();
        assert_eq!(masked.apply(0xabcd), 0xab10);
        assert!(masked.matches(0xab10) && !masked.matches(0xab11));
    }
}
