//! One field of a line of text: a key and a value.
//!
//! Flows and expectations share the fields of a tuple, and the spelling of numbers.

use core::net::IpAddr;

use super::super::error::LineProblem;
use super::super::tuple::TupleParts;

pub(super) const U8: &str = "a number from 0 to 255";
pub(super) const U16: &str = "a number from 0 to 65535";
pub(super) const U32: &str = "a number from 0 to 4294967295";
pub(super) const U64: &str = "a number of at most 64 bits";

/// Reads a field of the protocol's part of a tuple. Returns whether the field was one. The identifier of ICMP is
/// excluded: its key has another meaning elsewhere.
pub(super) fn layer4(parts: &mut TupleParts, key: &str, value: &str) -> Result<bool, LineProblem> {
    match key {
        "sport" => parts.ports.0 = Some(number("sport", U16, value)?),
        "dport" => parts.ports.1 = Some(number("dport", U16, value)?),
        "srckey" => parts.keys.0 = Some(key_of("srckey", value)?),
        "dstkey" => parts.keys.1 = Some(key_of("dstkey", value)?),
        "type" => parts.icmp_type = Some(number("type", U8, value)?),
        "code" => parts.icmp_code = Some(number("code", U8, value)?),
        _ => return Ok(false),
    }
    Ok(true)
}

pub(super) fn address(field: &'static str, value: &str) -> Result<IpAddr, LineProblem> {
    value.parse().map_err(|_| LineProblem::value(field, "an IPv4 or IPv6 address", value))
}

pub(super) fn number<T: TryFrom<u64>>(
    field: &'static str,
    expected: &'static str,
    value: &str,
) -> Result<T, LineProblem> {
    digits(value).ok_or_else(|| LineProblem::value(field, expected, value))
}

/// A number in decimal, or in hexadecimal after `0x`, as some programs write marks.
pub(super) fn any_number<T: TryFrom<u64>>(
    field: &'static str,
    expected: &'static str,
    value: &str,
) -> Result<T, LineProblem> {
    let hexadecimal = value.strip_prefix("0x").filter(|digits| !digits.starts_with('+'));
    match hexadecimal.and_then(|digits| u64::from_str_radix(digits, 16).ok()).and_then(|value| T::try_from(value).ok())
    {
        Some(number) => Ok(number),
        None => number(field, expected, value),
    }
}

fn key_of(field: &'static str, value: &str) -> Result<u16, LineProblem> {
    let digits = value.strip_prefix("0x").filter(|digits| !digits.starts_with('+'));
    let key = digits.and_then(|digits| u16::from_str_radix(digits, 16).ok());
    key.ok_or_else(|| LineProblem::value(field, "0x and at most four hexadecimal digits", value))
}

/// A decimal number that consists only of digits.
pub(super) fn digits<T: TryFrom<u64>>(text: &str) -> Option<T> {
    let number: u64 = text.parse().ok().filter(|_| !text.starts_with('+'))?;
    T::try_from(number).ok()
}
