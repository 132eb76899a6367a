//! Addresses in the forms that the command accepts: every form of IPv4 that inet_aton(3) knows, IPv6, a length after a
//! slash, and the port of a translation.

use alloc::format;
use alloc::string::{String, ToString};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::error::Problem;
use super::number;

/// The text after the slash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PrefixLength {
    /// There is no slash.
    None,
    Bits(u8),
    /// Not a valid length of that family.
    Invalid,
}

/// Maximum length of an address text (`INET6_ADDRSTRLEN` without the closing zero). The rest is ignored.
const TEXT_MAX: usize = 45;

/// inet_aton(3): up to four numbers of any base; the last number fills the remaining bytes. Text after a space is
/// ignored.
fn ipv4(text: &str) -> Option<Ipv4Addr> {
    let mut high: u32 = 0;
    let mut rest = text;
    for left in [32_u32, 24, 16, 8] {
        if !rest.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        let read = number::any_base(rest)?;
        let value = u32::try_from(read.value).ok()?;
        if let (Some(next), 9..) = (read.rest.strip_prefix('.'), left) {
            let value = u8::try_from(value).ok()?;
            high |= u32::from(value) << (left - 8);
            rest = next;
            continue;
        }
        let ends = read.rest.is_empty() || read.rest.starts_with([' ', '\t', '\n', '\x0b', '\x0c', '\r']);
        let fits = left == 32 || value >> left == 0;
        return (ends && fits).then(|| Ipv4Addr::from_bits(high | value));
    }
    None
}

fn address(text: &str) -> Option<IpAddr> {
    // Nearly all addresses are plain dotted decimals, which have the same meaning for every parser.
    if let Ok(plain) = text.parse::<Ipv4Addr>() {
        return Some(IpAddr::V4(plain));
    }
    ipv4(text).map(IpAddr::V4).or_else(|| text.parse::<Ipv6Addr>().ok().map(IpAddr::V6))
}

/// An address with the text after its slash.
pub(super) fn with_length(text: &str) -> Option<(IpAddr, PrefixLength)> {
    let mut end = text.len().min(TEXT_MAX);
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    let text = text.get(..end)?;
    let Some((host, length)) = text.split_once('/') else {
        return address(text).map(|address| (address, PrefixLength::None));
    };
    let address = address(host)?;
    let read = number::decimal(length);
    // An empty length is 0, as in strtol(3); only the low 32 bits count.
    let whole = read.rest.is_empty();
    let bits = number::low_bits(length);
    let most = if address.is_ipv4() { 32 } else { 128 };
    let length = if whole && bits <= most { PrefixLength::Bits(number::low8(bits)) } else { PrefixLength::Invalid };
    Some((address, length))
}

/// The mask of that many leading bits, in the family of `like`.
pub(super) fn mask(like: IpAddr, bits: u8) -> IpAddr {
    match like {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from_bits(!u32::MAX.checked_shr(bits.into()).unwrap_or(0))),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from_bits(!u128::MAX.checked_shr(bits.into()).unwrap_or(0))),
    }
}

/// The number of leading bits of the mask, if it has no others.
pub(super) const fn length_of(mask: IpAddr) -> Option<u8> {
    let (ones, zeros, bits) = match mask {
        IpAddr::V4(mask) => (mask.to_bits().leading_ones(), mask.to_bits().trailing_zeros(), 32),
        IpAddr::V6(mask) => (mask.to_bits().leading_ones(), mask.to_bits().trailing_zeros(), 128),
    };
    if ones + zeros >= bits { Some(number::low8(ones)) } else { None }
}

/// The address of a translation, and its port: `192.0.2.1:80`, `[2001:db8::1]:80`. Brackets are allowed only with a
/// port.
pub(super) fn split_port(text: &str) -> Result<(String, Option<u16>), Problem> {
    let refused = |text: String| Err(Problem::Parameter(text));
    let (address, port) = match text.split_once('[') {
        Some((_, inner)) => match inner.split_once(']') {
            Some(("", _)) => return refused("No IPv6 address specified".to_string()),
            None => return refused("No closing ']' around IPv6 address".to_string()),
            Some((inside, behind)) => match behind.split_once(':') {
                Some((_, port)) => (inside, Some(port)),
                None => (text, None),
            },
        },
        None => match text.split_once(':') {
            Some((address, port)) if !port.contains(':') => (address, Some(port)),
            Some(_) | None => (text, None),
        },
    };
    let port = match port {
        None => None,
        Some("") => return refused("No port specified after `:'".to_string()),
        Some(port) => {
            let digits = port.bytes().all(|byte| byte.is_ascii_digit());
            match u16::try_from(number::decimal(port).value) {
                Ok(number) if digits => Some(number),
                Ok(_) | Err(_) => return refused(format!("Invalid port `{port}'")),
            }
        }
    };
    Ok((address.to_string(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv4_has_many_forms() {
        for (text, expected) in [
            ("1.2.3.4", Some("1.2.3.4")),
            ("1", Some("0.0.0.1")),
            ("1.2", Some("1.0.0.2")),
            ("1.2.3", Some("1.2.0.3")),
            ("0x7f000001", Some("127.0.0.1")),
            ("0x7f.1", Some("127.0.0.1")),
            ("010.1.1.1", Some("8.1.1.1")),
            ("1.2.3.4 and more", Some("1.2.3.4")),
            ("1.65536.1", None),
            ("1.2.65536", None),
            ("1.2.3.256", None),
            ("1.2.3.4.5", None),
            ("1.2.3.", None),
            ("1.2.3.4x", None),
            ("08.1.1.1", None),
            ("4294967296", None),
            ("-1", None),
            ("", None),
        ] {
            assert_eq!(ipv4(text).map(|address| address.to_string()).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_length_is_one_of_its_family() {
        for (text, expected) in [
            ("1.2.3.4", PrefixLength::None),
            ("1.2.3.4/0", PrefixLength::Bits(0)),
            ("1.2.3.4/", PrefixLength::Bits(0)),
            ("1.2.3.4/32", PrefixLength::Bits(32)),
            ("1.2.3.4/33", PrefixLength::Invalid),
            ("1.2.3.4/-1", PrefixLength::Invalid),
            ("1.2.3.4/8x", PrefixLength::Invalid),
            ("::1/128", PrefixLength::Bits(128)),
            ("::1/129", PrefixLength::Invalid),
        ] {
            assert_eq!(with_length(text).map(|(_, length)| length), Some(expected), "{text}");
        }
        assert_eq!(with_length("host/8"), None);
    }

    #[test]
    fn masks_and_lengths_are_each_others_complement() {
        for bits in 0..=32 {
            assert_eq!(length_of(mask(Ipv4Addr::UNSPECIFIED.into(), bits)), Some(bits));
        }
        assert_eq!(length_of(mask(Ipv6Addr::UNSPECIFIED.into(), 128)), Some(128));
        assert_eq!(length_of("255.0.255.0".parse().unwrap()), None);
    }
}
