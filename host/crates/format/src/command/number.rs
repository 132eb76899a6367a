//! Numbers as the C library reads them, because the command has always read its numbers that way.
//!
//! This module stops at the first non-digit where C does, and clamps or wraps where C does.

/// A number read and what follows it.
pub(super) struct Read<'a, T> {
    pub(super) value: T,
    pub(super) rest: &'a str,
}

/// isspace(3) in the C locale.
const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}

fn without_spaces(text: &str) -> &str {
    text.trim_start_matches(|c: char| u8::try_from(c).is_ok_and(is_space))
}

fn sign(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

/// The leading digits; a number above 64 bits becomes the largest number. `None` if there are no digits.
fn digits(text: &str, radix: u32) -> Option<Read<'_, u128>> {
    let mut value = Some(0_u64);
    let mut end = 0_usize;
    for digit in text.bytes().map_while(|byte| char::from(byte).to_digit(radix)) {
        value = value.and_then(|value| value.checked_mul(radix.into())?.checked_add(digit.into()));
        end += 1;
    }
    let rest = text.get(end..)?;
    (end != 0).then_some(Read { value: value.map_or(u128::MAX, u128::from), rest })
}

/// strtol(3) with base 10, for a 64-bit `long`. Without a number the value is 0, and the whole text is the rest.
pub(super) fn decimal(text: &str) -> Read<'_, i64> {
    let (negative, number) = sign(without_spaces(text));
    let Some(Read { value, rest }) = digits(number, 10) else { return Read { value: 0, rest: text } };
    let magnitude = i64::try_from(value);
    let value = if negative { magnitude.map_or(i64::MIN, |value| -value) } else { magnitude.unwrap_or(i64::MAX) };
    Read { value, rest }
}

/// The low 32 bits of atoi(3), from which a port, a code or a tag takes its bits.
pub(super) fn low_bits(text: &str) -> u32 {
    let [a, b, c, d, ..] = decimal(text).value.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// The low 32 bits of a number.
pub(super) const fn low32(value: u128) -> u32 {
    let [a, b, c, d, ..] = value.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// The low 16 bits of a number.
pub(super) const fn low16(value: u32) -> u16 {
    let [a, b, ..] = value.to_le_bytes();
    u16::from_le_bytes([a, b])
}

/// The low 8 bits of a number.
pub(super) const fn low8(value: u32) -> u8 {
    let [low, ..] = value.to_le_bytes();
    low
}

/// strtoul(3) with base 0: decimal, 0x hexadecimal or 0 octal; a minus sign negates within 64 bits. `None` if there is
/// no number; a number that is too large becomes `u64::MAX`.
pub(super) fn any_base(text: &str) -> Option<Read<'_, u64>> {
    let (negative, number) = sign(without_spaces(text));
    let hexadecimal = number.strip_prefix("0x").or_else(|| number.strip_prefix("0X")).and_then(|text| digits(text, 16));
    let Read { value, rest } = match hexadecimal {
        Some(read) => read,
        None if number.starts_with('0') => digits(number, 8)?,
        None => digits(number, 10)?,
    };
    let value = match u64::try_from(value) {
        Ok(value) if negative => value.wrapping_neg(),
        Ok(value) => value,
        Err(_) => u64::MAX,
    };
    Some(Read { value, rest })
}

/// A whole word that is a number of any base, up to `most`.
pub(super) fn whole(text: &str, most: u32) -> Option<u32> {
    let read = any_base(text).filter(|read| read.rest.is_empty())?;
    u32::try_from(read.value).ok().filter(|value| *value <= most)
}

/// A mark: `value` or `value/mask`. An empty mask is 0, and only the low 32 bits of a mask count.
pub(super) fn value_and_mask(text: &str) -> Option<(u32, u32)> {
    let read = any_base(text)?;
    let value = u32::try_from(read.value).ok()?;
    if read.rest.is_empty() {
        return Some((value, u32::MAX));
    }
    let mask = read.rest.strip_prefix('/')?;
    if mask.is_empty() {
        return Some((value, 0));
    }
    let mask = any_base(mask).filter(|read| read.rest.is_empty())?.value;
    let [a, b, c, d, ..] = mask.to_le_bytes();
    Some((value, u32::from_le_bytes([a, b, c, d])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_what_c_reads() {
        for (text, expected) in [("5", 5), (" \t5x", 5), ("-1", u32::MAX), ("x", 0), ("", 0), ("4294967297", 1)] {
            assert_eq!(low_bits(text), expected, "{text}");
        }
        assert_eq!(decimal("99999999999999999999").value, i64::MAX);
        assert_eq!(decimal("-99999999999999999999").value, i64::MIN);
        for (text, expected) in [
            ("0x10", Some(16)),
            ("010", Some(8)),
            ("0x", None),
            ("08", None),
            ("-0", Some(0)),
            ("-1", None),
            ("+7", Some(7)),
        ] {
            assert_eq!(whole(text, u32::MAX), expected, "{text}");
        }
        assert_eq!(
            (whole("65535", 65535), whole("65536", 65535), whole("", 9), whole("5 ", 9)),
            (Some(65535), None, None, None)
        );
    }

    #[test]
    fn a_mark_may_have_a_mask() {
        for (text, expected) in [
            ("5", Some((5, u32::MAX))),
            ("0x5/0xff", Some((5, 255))),
            ("5/", Some((5, 0))),
            ("5/-1", Some((5, u32::MAX))),
            ("5/0x1000000ff", Some((5, 255))),
            ("/5", None),
            ("5/x", None),
            ("5x", None),
            ("-1", None),
            ("4294967296", None),
        ] {
            assert_eq!(value_and_mask(text), expected, "{text}");
        }
    }
}
