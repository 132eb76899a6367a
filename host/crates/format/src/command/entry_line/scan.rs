//! Words, numbers and addresses of a line, read in place. Each function takes its item and the blank after it.
//!
//! The functions accept only the common spelling. The general reader handles every other spelling.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::slice::Iter;

use super::super::number::{low8, low16, low32};

/// The rest of the line.
pub(super) type Rest<'a> = Iter<'a, u8>;

/// An address as a number. It becomes an `IpAddr` only when needed, because most lines are only checked, and each
/// address is copied many times.
#[derive(Clone, Copy)]
pub(super) struct Address {
    pub(super) ipv4: bool,
    bits: u128,
}

impl From<Address> for IpAddr {
    fn from(Address { ipv4, bits }: Address) -> Self {
        // An IPv4 address has at most 32 bits.
        if ipv4 { Ipv4Addr::from_bits(low32(bits)).into() } else { Ipv6Addr::from_bits(bits).into() }
    }
}

/// An address, and its text with the blank after it.
pub(super) type Ended<'a> = (Address, &'a [u8]);

/// Takes everything up to and including the next blank.
pub(super) fn word<'a>(rest: &mut Rest<'a>) -> &'a [u8] {
    let all = rest.as_slice();
    let (word, behind) = all.split_at(length(all));
    *rest = behind.get(1..).unwrap_or_default().iter();
    word
}

/// Number of bytes before the first blank. Examines eight bytes at once, because most words have no more.
fn length(text: &[u8]) -> usize {
    /// The lowest bit of each byte; `HIGHEST` has the highest.
    const LOWEST: u64 = u64::from_ne_bytes([1; 8]);
    const HIGHEST: u64 = u64::from_ne_bytes([0x80; 8]);
    let (eights, last) = text.as_chunks();
    let mut before = 0;
    for eight in eights {
        // A blank has become a zero byte, which borrows into its highest bit. A byte after it may borrow, too, but only
        // the first one counts.
        let bytes = u64::from_le_bytes(*eight) ^ u64::from_ne_bytes([b' '; 8]);
        let blanks = bytes.wrapping_sub(LOWEST) & !bytes & HIGHEST;
        if blanks != 0 {
            return before + usize::from(low8(blanks.trailing_zeros() / 8));
        }
        before += 8;
    }
    before + last.iter().position(|byte| *byte == b' ').unwrap_or(last.len())
}

/// A decimal number up to the next blank. Leading zeros are refused, because some options read them as octal.
pub(super) fn decimal(text: &mut Rest<'_>, most: u32) -> Option<u32> {
    let (mut value, mut digits) = (0_u64, 0_u32);
    for byte in text {
        if *byte == b' ' {
            break;
        }
        if digits > 9 || (digits > 0 && value == 0) {
            return None;
        }
        value = value * 10 + u64::from(digit_of(*byte)?);
        digits += 1;
    }
    u32::try_from(value).ok().filter(|value| digits > 0 && *value <= most)
}

const fn digit_of(byte: u8) -> Option<u8> {
    let digit = byte.wrapping_sub(b'0');
    if digit < 10 { Some(digit) } else { None }
}

pub(super) fn two_bytes(text: &mut Rest<'_>) -> Option<u16> {
    decimal(text, u16::MAX.into()).map(low16)
}

pub(super) fn byte(text: &mut Rest<'_>, most: u8) -> Option<u8> {
    decimal(text, most.into()).map(low8)
}

pub(super) fn end<'a>(text: &mut Rest<'a>) -> Option<Ended<'a>> {
    let all = text.as_slice();
    let address = address(text)?;
    Some((address, all.get(..all.len() - text.len()).unwrap_or_default()))
}

/// The address of an end in the reply direction. Its text is nearly always the same as in the original direction.
pub(super) fn other_end(text: &mut Rest<'_>, original: Option<Ended<'_>>) -> Option<Address> {
    if let Some((address, written)) = original
        && let Some(behind) = text.as_slice().strip_prefix(written)
        && written.last() == Some(&b' ')
    {
        *text = behind.iter();
        return Some(address);
    }
    address(text)
}

/// An address without anything after it, in the common forms.
pub(super) fn address(text: &mut Rest<'_>) -> Option<Address> {
    let begin = text.clone();
    if let Some(address) = dotted(text) {
        return Some(Address { ipv4: true, bits: address.into() });
    }
    *text = begin;
    groups(text).map(|bits| Address { ipv4: false, bits })
}

fn dotted(text: &mut Rest<'_>) -> Option<u32> {
    let mut bits = 0;
    for end in [b'.', b'.', b'.', b' '] {
        let mut number = u32::from(digit_of(*text.next()?)?);
        loop {
            match text.next() {
                None if end == b' ' => break,
                None => return None,
                Some(byte) if *byte == end => break,
                // Leading zeros are refused.
                Some(_) if number == 0 => return None,
                Some(byte) => number = number * 10 + u32::from(digit_of(*byte)?),
            }
            if number > 255 {
                return None;
            }
        }
        bits = bits << 8 | number;
    }
    Some(bits)
}

/// Hexadecimal groups; `::` may replace some of them. Dotted decimals at the end are not read.
fn groups(text: &mut Rest<'_>) -> Option<u128> {
    // `front` has the groups before `::`; `bits` has the groups after it, or all groups.
    let (mut front, mut bits) = (None, 0_u128);
    let (mut group, mut digits, mut count) = (0_u32, 0_u32, 0_u32);
    let mut last = b' ';
    for byte in text {
        if *byte == b' ' {
            break;
        }
        if let Some(digit) = char::from(*byte).to_digit(16) {
            // A single colon does not start an address.
            if digits == 4 || (last == b':' && count == 0 && front.is_none()) {
                return None;
            }
            group = group << 4 | digit;
            digits += 1;
        } else if *byte != b':' {
            return None;
        } else if digits > 0 {
            bits = bits << 16 | u128::from(group);
            count += 1;
            (group, digits) = (0, 0);
            if count > 7 {
                return None;
            }
        } else if last == b':' && front.is_none() {
            front = Some((bits, count));
            bits = 0;
        } else if last != b' ' {
            return None;
        }
        last = *byte;
    }
    if digits > 0 {
        bits = bits << 16 | u128::from(group);
        count += 1;
    } else if front.is_none_or(|(_, before)| before != count) {
        // A single colon does not end an address either.
        return None;
    }
    match front {
        None => (count == 8).then_some(bits),
        // The gap stands for at least one group.
        Some((front, before)) => (count < 8).then(|| front.checked_shl(128 - 16 * before).unwrap_or(0) | bits),
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_are_what_everybody_reads() {
        for text in [
            "0.0.0.0",
            "255.255.255.255",
            "1.2.3",
            "1.2.3.4.5",
            "256.1.1.1",
            "01.1.1.1",
            "1..1.1",
            ".1.1.1.1",
            "1.1.1.1.",
            "1.1.1.0001",
            "",
            "::",
            "::1",
            "1::",
            "1::2",
            ":1",
            "1:",
            ":",
            ":::",
            "1:::2",
            "::1::",
            "1::2::3",
            "::ffff:1.2.3.4",
            "1:2:3:4:5:6:7:8",
            "1:2:3:4:5:6:7",
            "1:2:3:4:5:6:7::",
            "::2:3:4:5:6:7:8",
            "1:2:3:4::5:6:7:8",
            "1:2:3:4:5:6:7:8:9",
            "1:2:3:4:5:6:7:8::",
            "::1:2:3:4:5:6:7:8",
            "12345::",
            "ABCD:ef01::",
            "g::",
            "fe80::1%lo",
            "1:2:3:4:5:6:7:8:",
        ] {
            let expected = text.parse::<IpAddr>().ok().filter(|_| text != "::ffff:1.2.3.4");
            assert_eq!(address(&mut text.as_bytes().iter()).map(IpAddr::from), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_word_ends_at_the_first_blank(text in proptest::collection::vec(prop_oneof![Just(b' '), Just(b'!'), any::<u8>()], 0..40)) {
            let mut rest = text.iter();
            let mut words: Vec<&[u8]> = Vec::new();
            while !rest.as_slice().is_empty() {
                words.push(word(&mut rest));
            }
            let expected = text.strip_suffix(b" ").unwrap_or(&text);
            prop_assert!(text.is_empty() || expected.split(|byte| *byte == b' ').eq(words));
        }

        #[test]
        fn ipv6_is_what_everybody_reads(text in "[0-9a-f:]{0,20}|([0-9a-f]{1,4}:){0,8}:?([0-9a-f]{1,4}:){0,8}[0-9a-f]{0,4}") {
            prop_assert_eq!(groups(&mut text.as_bytes().iter()).map(Ipv6Addr::from_bits), text.parse().ok());
        }
    }
}
