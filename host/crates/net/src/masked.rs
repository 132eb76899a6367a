//! A value under a mask, used to match marks and status bits and to change marks.

use alloc::string::{String, ToString};
use core::fmt;
use core::str::FromStr;

use thiserror::Error;

/// A value, and the mask of the bits that count.
///
/// As a match: `field & mask == value`. As a change: `field = field & !mask | value`. The value has no bit outside the
/// mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Masked {
    value: u32,
    mask: u32,
}

/// Why a value under a mask was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MaskedError {
    /// The value has a bit outside the mask.
    #[error("value {value:#x} has bits outside its mask {mask:#x}; widen the mask or clear those bits")]
    Outside {
        /// The value as it was given.
        value: u32,
        /// The mask as it was given.
        mask: u32,
    },
    /// The text is not of the form `value` or `value/mask`.
    #[error("\"{0}\" is not a number or number/mask; write for example 0x10/0xff")]
    Text(String),
}

impl Masked {
    /// A value under a mask.
    ///
    /// # Errors
    /// Returns [`MaskedError::Outside`] if the value has a bit outside the mask.
    pub const fn new(value: u32, mask: u32) -> Result<Self, MaskedError> {
        if value & !mask == 0 { Ok(Self { value, mask }) } else { Err(MaskedError::Outside { value, mask }) }
    }

    /// A value for all 32 bits of the field.
    #[must_use]
    pub const fn all(value: u32) -> Self {
        Self { value, mask: u32::MAX }
    }

    /// A value under a mask. Bits of `value` outside the mask are dropped.
    #[must_use]
    pub const fn within(value: u32, mask: u32) -> Self {
        Self { value: value & mask, mask }
    }

    /// The bits that a match compares with, or that a change writes.
    #[must_use]
    pub const fn value(self) -> u32 {
        self.value
    }

    /// The mask: a set bit counts, a clear bit does not.
    #[must_use]
    pub const fn mask(self) -> u32 {
        self.mask
    }

    /// Whether the field holds the value under the mask.
    #[must_use]
    #[inline]
    pub const fn matches(self, field: u32) -> bool {
        field & self.mask == self.value
    }

    /// The field after the change.
    #[must_use]
    pub const fn apply(self, field: u32) -> u32 {
        field & !self.mask | self.value
    }

    /// Both changes as one. `later` wins for the bits that both changes touch.
    #[must_use]
    pub const fn then(self, later: Self) -> Self {
        Self { value: later.apply(self.value), mask: self.mask | later.mask }
    }
}

impl From<u32> for Masked {
    /// A value for all 32 bits of the field, as [`Masked::all`] gives.
    fn from(value: u32) -> Self {
        Self::all(value)
    }
}

impl FromStr for Masked {
    type Err = MaskedError;

    /// Reads `value` or `value/mask`. Each number is decimal, hexadecimal (`0x`) or octal (`0`), as for `conntrack -m`.
    fn from_str(text: &str) -> Result<Self, MaskedError> {
        let number = |part: &str| parse_number(part).ok_or_else(|| MaskedError::Text(text.to_string()));
        match text.split_once('/') {
            Some((value, mask)) => Self::new(number(value)?, number(mask)?),
            None => number(text).map(Self::all),
        }
    }
}

fn parse_number(text: &str) -> Option<u32> {
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None if text.len() > 1 && text.starts_with('0') => (text, 8),
        None => (text, 10),
    };
    if digits.starts_with('+') {
        return None;
    }
    u32::from_str_radix(digits, radix).ok()
}

impl fmt::Display for Masked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}/{:#x}", self.value, self.mask)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_outside_its_mask_is_refused() {
        assert_eq!(Masked::new(0x100, 0xff), Err(MaskedError::Outside { value: 0x100, mask: 0xff }));
    }

    #[test]
    fn numbers_are_read_as_c_writes_them() {
        for (text, value, mask) in [
            ("16", 16, u32::MAX),
            ("0x10/0xff", 16, 255),
            ("0XFF/0xFF", 255, 255),
            ("020/037", 16, 31),
            ("0", 0, u32::MAX),
            ("0/0", 0, 0),
        ] {
            let masked: Masked = text.parse().unwrap();
            assert_eq!((masked.value(), masked.mask()), (value, mask), "{text}");
        }
        assert_eq!("0x100/0xff".parse::<Masked>(), Err(MaskedError::Outside { value: 256, mask: 255 }));
        for text in ["", "/", "1/", "/1", "x", "0x", "-1", "+1", "0x+1", "08", "4294967296", "1/2/3"] {
            assert!(matches!(text.parse::<Masked>(), Err(MaskedError::Text(_))), "{text}");
        }
        assert_eq!(Masked::new(0x10, 0xff).unwrap().to_string(), "0x10/0xff");
    }

    #[test]
    fn bits_outside_the_mask_are_left_alone() {
        let masked = Masked::new(0x10, 0xff).unwrap();
        assert_eq!(masked.apply(0xabcd), 0xab10);
        assert!(masked.matches(0xab10) && !masked.matches(0xab11));
    }

    #[test]
    fn a_later_change_wins_where_both_touch() {
        let first = Masked::new(0x11, 0xff).unwrap();
        let later = Masked::new(0x02, 0x0f).unwrap();
        let both = first.then(later);
        assert_eq!((both.value(), both.mask()), (0x12, 0xff));
        assert_eq!(both.apply(0xabcd_ef00), later.apply(first.apply(0xabcd_ef00)));
    }
}
