//! A network: an address and how many of its first bits count. Bans, exemptions and filters are lists of them.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};
use thiserror::Error;

use crate::bindings::ctwarden::policy::types as wit;
use crate::{Family, number_or_text};

/// A network in CIDR form, or one address. In a configuration: text such as `"192.0.2.0/24"` or `"2001:db8::1"`.
///
/// Bits behind the length are zero, so two prefixes are equal where their networks are. They are ordered by address, the
/// wider first. An IPv4-mapped IPv6 address (`::ffff:192.0.2.7`) is the IPv4 address, as is a network of such.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Prefix {
    address: IpAddr,
    length: u8,
}

/// As one number and its length, which a map of many sources feels.
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
    /// More bits than the address has.
    #[error("{address}/{length}: an address of this family has {bits} bits")]
    Length {
        /// The address.
        address: IpAddr,
        /// The length asked for.
        length: u8,
        /// The greatest length there is.
        bits: u8,
    },
    /// An IPv4 address in IPv6's form with a length that counts none of its bits.
    #[error("\"{text}\" is wider than all of IPv4; write {address}/{length} if that is meant")]
    Mapped {
        /// What was written.
        text: String,
        /// The IPv4 address.
        address: Ipv4Addr,
        /// The length given, if it could be one of IPv4.
        length: u8,
    },
    /// Something else.
    #[error("\"{0}\" is not an address or network; write for example 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32")]
    Text(String),
}

impl Prefix {
    /// A network; bits behind `length` are cleared.
    ///
    /// # Errors
    /// [`PrefixError::Length`] where the address has fewer bits than `length`.
    pub const fn new(address: IpAddr, length: u8) -> Result<Self, PrefixError> {
        let bits = bits(address);
        if length > bits {
            Err(PrefixError::Length { address, length, bits })
        } else {
            Ok(Self::around(address, length))
        }
    }

    /// The network of the given length around an address; the address itself where the length is greater than it has bits.
    #[must_use]
    pub const fn around(address: IpAddr, length: u8) -> Self {
        let most = bits(address);
        let length = if length < most { length } else { most };
        let address = match address {
            IpAddr::V4(address) => IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & !host_v4(length))),
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !host_v6(length))),
        };
        Self { address, length }.canonical()
    }

    const fn canonical(self) -> Self {
        match (self.address, self.length.checked_sub(MAPPED_BITS)) {
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

    /// Last address of the network.
    #[must_use]
    pub const fn last(self) -> IpAddr {
        match self.address {
            IpAddr::V4(address) => IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() | host_v4(self.length))),
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() | host_v6(self.length))),
        }
    }

    /// How many bits count.
    #[must_use]
    pub const fn length(self) -> u8 {
        self.length
    }

    /// Family of its addresses.
    #[must_use]
    pub const fn family(self) -> Family {
        Family::of(self.address)
    }

    /// Whether the address lies in the network; never across families, but an IPv4-mapped address is one of IPv4.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        let meant = address.to_canonical();
        self.holds(meant) || meant != address && self.holds(address)
    }

    fn holds(self, address: IpAddr) -> bool {
        self.family() == Family::of(address) && Self::around(address, self.length).address == self.address
    }

    /// Whether all of the other network lies in this one.
    #[must_use]
    pub fn covers(self, other: Self) -> bool {
        self.length <= other.length && self.contains(other.address)
    }
}

/// The bits before the IPv4 address in an IPv4-mapped one (RFC 4291, 2.5.5.2).
pub(crate) const MAPPED_BITS: u8 = 96;

const fn bits(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// The bits behind the length; shifting by the full width is no shift in Rust, hence the check.
const fn host_v4(length: u8) -> u32 {
    match u32::MAX.checked_shr(length as u32) {
        Some(mask) => mask,
        None => 0,
    }
}

const fn host_v6(length: u8) -> u128 {
    match u128::MAX.checked_shr(length as u32) {
        Some(mask) => mask,
        None => 0,
    }
}

impl From<IpAddr> for Prefix {
    /// The network of this one address.
    fn from(address: IpAddr) -> Self {
        Self { address, length: bits(address) }.canonical()
    }
}

impl FromStr for Prefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let nonsense = || PrefixError::Text(text.to_owned());
        let Some((address, length)) = text.split_once('/') else {
            return text.parse().map(IpAddr::into).map_err(|_| nonsense());
        };
        // `parse` alone would take "+8".
        let digits = length.bytes().all(|byte| byte.is_ascii_digit());
        let length: u8 = length.parse().ok().filter(|_| digits).ok_or_else(nonsense)?;
        match address.parse().map_err(|_| nonsense())? {
            // Most likely an IPv4 length behind an address that a program wrote in the other form.
            IpAddr::V6(mapped) if length < MAPPED_BITS => match mapped.to_ipv4_mapped() {
                Some(address) => {
                    let length = if length < 32 { length } else { 32 };
                    Err(PrefixError::Mapped { text: text.to_owned(), address, length })
                }
                None => Self::new(IpAddr::V6(mapped), length),
            },
            address @ (IpAddr::V4(_) | IpAddr::V6(_)) => Self::new(address, length),
        }
    }
}

impl fmt::Display for Prefix {
    /// One address without its length, as people write it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.length == bits(self.address) {
            self.address.fmt(f)
        } else {
            write!(f, "{}/{}", self.address, self.length)
        }
    }
}

impl<'de> Deserialize<'de> for Prefix {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        number_or_text::deserialize(deserializer, "an address or network", |text| text.parse())
    }
}

impl JsonSchema for Prefix {
    fn schema_name() -> Cow<'static, str> {
        "Prefix".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "An address or a network, such as \"192.0.2.7\", \"192.0.2.0/24\" or \"2001:db8::/32\".",
            "type": "string",
        })
    }
}

impl From<Prefix> for wit::Prefix {
    fn from(prefix: Prefix) -> Self {
        Self { address: prefix.address.into(), length: prefix.length }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> Prefix {
        text.parse().unwrap()
    }

    #[test]
    fn bits_behind_the_length_do_not_count() {
        assert_eq!(prefix("192.0.2.200/25"), prefix("192.0.2.128/25"));
        assert_eq!(prefix("10.9.8.7/0").to_string(), "0.0.0.0/0");
        assert_eq!(prefix("2001:db8:1::/32").to_string(), "2001:db8::/32");
        assert_eq!(prefix("2001:db8::7/128").to_string(), "2001:db8::7");
    }

    #[test]
    fn a_mapped_address_is_the_ipv4_address() {
        for (mapped, plain) in [
            ("::ffff:198.51.100.66", "198.51.100.66"),
            ("::FFFF:c633:6442/128", "198.51.100.66"),
            ("::ffff:198.51.100.66/120", "198.51.100.0/24"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
        ] {
            assert_eq!(prefix(mapped), prefix(plain), "{mapped}");
            assert_eq!(prefix(mapped).to_string(), plain, "{mapped}");
        }
        let mapped: IpAddr = "::ffff:198.51.100.66".parse().unwrap();
        let plain = prefix("198.51.100.66");
        assert_eq!(Prefix::from(mapped), plain);
        assert_eq!(Prefix::new(mapped, 128), Ok(plain));
        assert_eq!(Prefix::around(mapped, 112), prefix("198.51.0.0/16"));
        assert!(plain.contains(mapped) && prefix("198.51.100.0/24").contains(mapped));
        assert!(prefix("::/0").contains(mapped), "it is in the wide networks of both");
        assert!(!prefix("198.51.101.0/24").contains(mapped));
        for text in ["::fffe:198.51.100.66", "::198.51.100.66", "64:ff9b::198.51.100.66"] {
            assert_eq!(prefix(text).family(), Family::Ipv6, "{text}");
        }
        let said = "::ffff:198.51.100.66/24".parse::<Prefix>().unwrap_err().to_string();
        assert!(said.ends_with("is wider than all of IPv4; write 198.51.100.66/24 if that is meant"), "{said}");
        assert_eq!(serde_json::from_str::<Prefix>("\"::ffff:198.51.100.66\"").unwrap(), plain);
    }

    #[test]
    fn a_network_holds_its_addresses_and_networks() {
        let network = prefix("10.1.0.0/16");
        assert!(network.contains("10.1.255.255".parse().unwrap()) && !network.contains("10.2.0.0".parse().unwrap()));
        assert!(!prefix("0.0.0.0/0").contains("::".parse().unwrap()));
        assert!(!prefix("::/0").contains("0.0.0.0".parse().unwrap()));
        assert!(prefix("::/0").contains("ffff::".parse().unwrap()));
        assert!(network.covers(prefix("10.1.2.0/24")) && network.covers(network));
        assert!(!network.covers(prefix("10.0.0.0/8")));
        assert_eq!(network.last().to_string(), "10.1.255.255");
        assert_eq!(prefix("::/0").last().to_string(), "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
    }

    #[test]
    fn what_is_no_network_is_named() {
        assert_eq!(prefix("::/0").length(), 0);
        assert!(matches!("10.0.0.0/33".parse::<Prefix>(), Err(PrefixError::Length { length: 33, bits: 32, .. })));
        for text in ["", "/", "10.0.0", "10.0.0.0/", "10.0.0.0/+8", "10.0.0.0/256", "::g", "a/8", " ::"] {
            assert!(matches!(text.parse::<Prefix>(), Err(PrefixError::Text(_))), "{text}");
        }
    }
}
