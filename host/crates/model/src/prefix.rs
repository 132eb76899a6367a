//! A network: an address and how many of its first bits count.

use alloc::string::{String, ToString};
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::str::FromStr;

use thiserror::Error;

use crate::Family;

/// A network in CIDR form; the bits behind the length are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    address: IpAddr,
    length: u8,
}

/// Why a network was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PrefixError {
    /// Longer than the address.
    #[error("prefix length {length} is longer than the {bits} bits of {address}")]
    Length {
        /// The address given.
        address: IpAddr,
        /// The length given.
        length: u8,
        /// What the family allows.
        bits: u8,
    },
    /// Not an address or address/length.
    #[error("\"{0}\" is not an address or network; write for example 192.0.2.0/24 or 2001:db8::1")]
    Text(String),
}

impl Prefix {
    /// A network; bits behind `length` are cleared.
    ///
    /// # Errors
    /// [`PrefixError::Length`] where the length is greater than the address has bits.
    pub fn new(address: IpAddr, length: u8) -> Result<Self, PrefixError> {
        let bits = address_bits(address);
        if length > bits {
            return Err(PrefixError::Length { address, length, bits });
        }
        Ok(Self { address: cut(address, length), length })
    }

    /// One address.
    #[must_use]
    pub const fn host(address: IpAddr) -> Self {
        Self { address, length: address_bits(address) }
    }

    /// First address of the network.
    #[must_use]
    pub const fn address(self) -> IpAddr {
        self.address
    }

    /// How many bits count.
    #[must_use]
    pub const fn length(self) -> u8 {
        self.length
    }

    /// Family of the address.
    #[must_use]
    pub const fn family(self) -> Family {
        match self.address {
            IpAddr::V4(_) => Family::Ipv4,
            IpAddr::V6(_) => Family::Ipv6,
        }
    }

    /// Last address of the network.
    #[must_use]
    pub fn last(self) -> IpAddr {
        match self.address {
            IpAddr::V4(a) => {
                IpAddr::V4(Ipv4Addr::from_bits(a.to_bits() | u32::MAX.checked_shr(self.length.into()).unwrap_or(0)))
            }
            IpAddr::V6(a) => {
                IpAddr::V6(Ipv6Addr::from_bits(a.to_bits() | u128::MAX.checked_shr(self.length.into()).unwrap_or(0)))
            }
        }
    }

    /// Whether the address lies in the network; never across families.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(_), IpAddr::V4(_)) | (IpAddr::V6(_), IpAddr::V6(_)) => {
                cut(address, self.length) == self.address
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

const fn address_bits(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// The address with all bits behind `length` cleared.
pub(crate) fn cut(address: IpAddr, length: u8) -> IpAddr {
    match address {
        IpAddr::V4(a) => {
            let mask = !u32::MAX.checked_shr(length.into()).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(a.to_bits() & mask))
        }
        IpAddr::V6(a) => {
            let mask = !u128::MAX.checked_shr(length.into()).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(a.to_bits() & mask))
        }
    }
}

impl FromStr for Prefix {
    type Err = PrefixError;

    /// `address` or `address/length`.
    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let refused = || PrefixError::Text(text.to_string());
        match text.split_once('/') {
            None => text.parse().map(Self::host).map_err(|_| refused()),
            Some((address, length)) => {
                let address = address.parse().map_err(|_| refused())?;
                let digits = length.bytes().all(|b| b.is_ascii_digit());
                let length = length.parse().ok().filter(|_| digits).ok_or_else(refused)?;
                Self::new(address, length)
            }
        }
    }
}

impl fmt::Display for Prefix {
    /// A host without its length, as people write it.
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
    }

    #[test]
    fn nonsense_is_named() {
        assert!(matches!("10.0.0.0/33".parse::<Prefix>(), Err(PrefixError::Length { length: 33, bits: 32, .. })));
        for text in ["", "10.0.0", "10.0.0.0/", "10.0.0.0/+8", "10.0.0.0/999", "::g", "a/8"] {
            assert!(text.parse::<Prefix>().is_err(), "{text}");
        }
    }
}
