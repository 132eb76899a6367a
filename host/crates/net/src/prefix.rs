//! A network: an address and the number of its leading bits that count.

use alloc::string::{String, ToString};
use core::fmt;
use core::hash::{Hash, Hasher};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::str::FromStr;

use thiserror::Error;

use crate::Family;

/// A network in CIDR form. The bits after the length are zero. Networks are ordered by address, and the wider network
/// comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Prefix {
    address: IpAddr,
    length: u8,
}

/// Hashes the address as one number, then the length. The derived hash takes more steps, which slows maps of many
/// sources.
impl Hash for Prefix {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self.address {
            IpAddr::V4(address) => state.write_u32(address.to_bits()),
            IpAddr::V6(address) => state.write_u128(address.to_bits()),
        }
        state.write_u8(self.length);
    }
}

/// Why a network was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PrefixError {
    /// The length exceeds the number of bits of the address.
    #[error("prefix length {length} is longer than the {bits} bits of {address}")]
    Length {
        /// The address as it was given.
        address: IpAddr,
        /// The length as it was given.
        length: u8,
        /// Bits of an address of this family: 32 or 128.
        bits: u8,
    },
    /// An IPv4-mapped IPv6 address with a length below 96, which covers none of the bits of the IPv4 address.
    #[error("\"{text}\" is wider than all of IPv4; write {address}/{length} if you mean that network")]
    Mapped {
        /// The text as it was given.
        text: String,
        /// The IPv4 address inside the mapped address.
        address: Ipv4Addr,
        /// The given length, at most 32, for the suggestion in the error text.
        length: u8,
    },
    /// The text is neither an address nor `address/length`.
    #[error("\"{0}\" is not an address or network; write for example 192.0.2.0/24 or 2001:db8::1")]
    Text(String),
}

impl Prefix {
    /// Number of bits before the IPv4 address in an IPv4-mapped address (RFC 4291, 2.5.5.2).
    pub const MAPPED_BITS: u8 = 96;

    /// A network. Bits after `length` are cleared.
    ///
    /// # Errors
    /// Returns [`PrefixError::Length`] if `length` exceeds the number of bits of the address.
    pub const fn new(address: IpAddr, length: u8) -> Result<Self, PrefixError> {
        let bits = address_bits(address);
        if length > bits {
            Err(PrefixError::Length { address, length, bits })
        } else {
            Ok(Self { address: cut(address, length), length })
        }
    }

    /// The network of the given length that contains the address. A `length` beyond the bits of the address gives the
    /// network of that address alone.
    #[must_use]
    pub const fn around(address: IpAddr, length: u8) -> Self {
        let bits = address_bits(address);
        let length = if length < bits { length } else { bits };
        Self { address: cut(address, length), length }
    }

    /// The network that contains one address only.
    #[must_use]
    pub const fn host(address: IpAddr) -> Self {
        Self { address, length: address_bits(address) }
    }

    /// The network in the form that people mean: an IPv4-mapped IPv6 address (`::ffff:192.0.2.7`) becomes the IPv4
    /// address. Programs with one socket for both families write the mapped form.
    ///
    /// Addresses from the kernel are not converted: a flow with a mapped tuple is an IPv6 flow. Packets cannot create
    /// such a flow, because `ip6_rcv_core` in net/ipv6/ip6_input.c drops them.
    #[must_use]
    pub const fn canonical(self) -> Self {
        match (self.address, self.length.checked_sub(Self::MAPPED_BITS)) {
            (IpAddr::V6(address), Some(length)) => match address.to_ipv4_mapped() {
                Some(address) => Self { address: IpAddr::V4(address), length },
                None => self,
            },
            (IpAddr::V4(_) | IpAddr::V6(_), _) => self,
        }
    }

    /// First address of the network.
    #[must_use]
    pub const fn address(self) -> IpAddr {
        self.address
    }

    /// Number of leading bits that count: 0 to 32, or 0 to 128.
    #[must_use]
    pub const fn length(self) -> u8 {
        self.length
    }

    /// Family of the address.
    #[must_use]
    pub const fn family(self) -> Family {
        Family::of(self.address)
    }

    /// Last address of the network.
    #[must_use]
    pub const fn last(self) -> IpAddr {
        match self.address {
            IpAddr::V4(a) => IpAddr::V4(Ipv4Addr::from_bits(a.to_bits() | behind_v4(self.length))),
            IpAddr::V6(a) => IpAddr::V6(Ipv6Addr::from_bits(a.to_bits() | behind_v6(self.length))),
        }
    }

    /// Whether the address lies in the network. Networks contain only addresses of their own family.
    #[must_use]
    #[inline]
    pub fn contains(self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(_), IpAddr::V4(_)) | (IpAddr::V6(_), IpAddr::V6(_)) => {
                cut(address, self.length) == self.address
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }

    /// Whether this network contains the whole of the other one.
    #[must_use]
    pub fn covers(self, other: Self) -> bool {
        self.length <= other.length && self.contains(other.address)
    }
}

const fn address_bits(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// The address with all bits after `length` cleared.
const fn cut(address: IpAddr, length: u8) -> IpAddr {
    match address {
        IpAddr::V4(a) => IpAddr::V4(Ipv4Addr::from_bits(a.to_bits() & !behind_v4(length))),
        IpAddr::V6(a) => IpAddr::V6(Ipv6Addr::from_bits(a.to_bits() & !behind_v6(length))),
    }
}

/// The bits after the length. A shift by the full width overflows in Rust, hence the check.
const fn behind_v4(length: u8) -> u32 {
    match u32::MAX.checked_shr(length as u32) {
        Some(bits) => bits,
        None => 0,
    }
}

const fn behind_v6(length: u8) -> u128 {
    match u128::MAX.checked_shr(length as u32) {
        Some(bits) => bits,
        None => 0,
    }
}

impl FromStr for Prefix {
    type Err = PrefixError;

    /// Reads `address` or `address/length`, and converts the network with [`Self::canonical`].
    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let refused = || PrefixError::Text(text.to_string());
        let network = match text.split_once('/') {
            None => text.parse().map(Self::host).map_err(|_| refused())?,
            Some((address, length)) => {
                let address = address.parse().map_err(|_| refused())?;
                let digits = length.bytes().all(|b| b.is_ascii_digit());
                let length: u8 = length.parse().ok().filter(|_| digits).ok_or_else(refused)?;
                match address {
                    // Probably an IPv4 length behind an address that a program wrote in the mapped form.
                    IpAddr::V6(mapped) if length < Self::MAPPED_BITS => match mapped.to_ipv4_mapped() {
                        Some(address) => {
                            let length = length.min(address_bits(IpAddr::V4(address)));
                            return Err(PrefixError::Mapped { text: text.to_string(), address, length });
                        }
                        None => Self::new(IpAddr::V6(mapped), length)?,
                    },
                    address @ (IpAddr::V4(_) | IpAddr::V6(_)) => Self::new(address, length)?,
                }
            }
        };
        Ok(network.canonical())
    }
}

impl fmt::Display for Prefix {
    /// Writes a network of one address without its length.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.length == address_bits(self.address) {
            write!(f, "{}", self.address)
        } else {
            write!(f, "{}/{}", self.address, self.length)
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    fn prefix(text: &str) -> Prefix {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_behind_the_length_does_not_count() {
        assert_eq!(prefix("192.0.2.77/24"), prefix("192.0.2.0/24"));
        assert_eq!(prefix("2001:db8::1/32").to_string(), "2001:db8::/32");
        assert_eq!(prefix("192.0.2.7").to_string(), "192.0.2.7");
    }

    #[test]
    fn holds_exactly_its_addresses() {
        let p = prefix("10.1.0.0/16");
        assert!(p.contains("10.1.255.255".parse().unwrap()));
        assert!(!p.contains("10.2.0.0".parse().unwrap()));
        assert!(prefix("0.0.0.0/0").contains("255.1.2.3".parse().unwrap()));
        assert!(!prefix("0.0.0.0/0").contains("::1".parse().unwrap()));
        assert!(prefix("::/0").contains("ffff::1".parse().unwrap()));
        assert_eq!(p.last().to_string(), "10.1.255.255");
        assert_eq!(prefix("::/0").last().to_string(), "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
        assert!(p.covers(prefix("10.1.2.0/24")) && p.covers(p));
        assert!(!p.covers(prefix("10.0.0.0/8")) && !prefix("0.0.0.0/0").covers(prefix("::1")));
    }

    #[test]
    fn a_network_around_an_address_is_as_wide_as_there_are_bits() {
        let around = |text: &str, length| Prefix::around(text.parse().unwrap(), length);
        assert_eq!(around("192.0.2.77", 24), prefix("192.0.2.0/24"));
        assert_eq!(around("192.0.2.77", 200), prefix("192.0.2.77"));
        assert_eq!(around("2001:db8::1", 32), prefix("2001:db8::/32"));
    }

    #[test]
    fn a_mapped_address_is_the_ipv4_address() {
        for (mapped, plain) in [
            ("::ffff:198.51.100.66", "198.51.100.66"),
            ("::FFFF:c633:6442", "198.51.100.66"),
            ("0:0:0:0:0:ffff:198.51.100.66/128", "198.51.100.66"),
            ("::ffff:198.51.100.66/120", "198.51.100.0/24"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
        ] {
            assert_eq!(prefix(mapped), prefix(plain), "{mapped}");
            assert_eq!(prefix(mapped).to_string(), plain, "{mapped}");
        }
        // Addresses that look similar but are not IPv4-mapped.
        for text in ["::fffe:198.51.100.66", "::198.51.100.66", "64:ff9b::198.51.100.66", "::/0", "::fffe:0:0/95"] {
            assert_eq!(prefix(text).family(), Family::Ipv6, "{text}");
        }
        for (text, plain) in [("::ffff:198.51.100.66/24", "198.51.100.66/24"), ("::ffff:0:0/95", "0.0.0.0/32")] {
            let said = text.parse::<Prefix>().unwrap_err().to_string();
            assert_eq!(said, format!("\"{text}\" is wider than all of IPv4; write {plain} if you mean that network"));
        }
        let raw = Prefix::host("::ffff:198.51.100.66".parse().unwrap());
        assert_eq!(raw.family(), Family::Ipv6, "what the kernel says stays as it is");
        assert_eq!(raw.canonical(), prefix("198.51.100.66"));
    }

    #[test]
    fn nonsense_is_named() {
        assert!(matches!("10.0.0.0/33".parse::<Prefix>(), Err(PrefixError::Length { length: 33, bits: 32, .. })));
        for text in ["", "10.0.0", "10.0.0.0/", "10.0.0.0/+8", "10.0.0.0/999", "::g", "a/8"] {
            assert!(text.parse::<Prefix>().is_err(), "{text}");
        }
    }
}
