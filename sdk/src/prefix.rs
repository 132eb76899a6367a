//! Networks: an address and a prefix length. Bans, exemptions and filters are lists of networks.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::bindings::ctwarden::conntrack::types as wit;
use crate::{Family, PrefixError};

/// A network in CIDR form, or one address. In a configuration: text such as `"192.0.2.0/24"` or `"2001:db8::1"`.
///
/// Bits after the prefix length are zero, so equal networks are equal prefixes. Prefixes are ordered by address, the
/// wider first. An IPv4-mapped IPv6 address (`::ffff:192.0.2.7`) is the IPv4 address, and a network of such addresses
/// is the IPv4 network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(transparent)]
pub struct Prefix(
    // Always canonical. The host's own type does not convert a mapped address of the kernel.
    ctwarden_net::Prefix,
);

impl Prefix {
    /// Returns the network with this prefix length and clears the bits after it.
    ///
    /// # Errors
    /// [`PrefixError::Length`] if `length` is greater than the number of bits of the address.
    pub const fn new(address: IpAddr, length: u8) -> Result<Self, PrefixError> {
        let bits = ctwarden_net::Prefix::host(address).length();
        if length > bits {
            Err(PrefixError::Length { address, length, bits })
        } else {
            Ok(Self::around(address, length))
        }
    }

    /// Returns the network of the given length around an address. A length greater than the number of bits gives the
    /// address itself.
    #[must_use]
    pub const fn around(address: IpAddr, length: u8) -> Self {
        Self::meant(ctwarden_net::Prefix::around(address, length))
    }

    pub(crate) const fn meant(network: ctwarden_net::Prefix) -> Self {
        Self(network.canonical())
    }

    pub(crate) const fn network(self) -> ctwarden_net::Prefix {
        self.0
    }

    /// Returns the first address of the network.
    #[must_use]
    pub const fn address(self) -> IpAddr {
        self.0.address()
    }

    /// Returns the last address of the network.
    #[must_use]
    pub const fn last(self) -> IpAddr {
        self.0.last()
    }

    /// Returns the prefix length in bits: 0 to 32 for IPv4, 0 to 128 for IPv6.
    #[must_use]
    pub const fn length(self) -> u8 {
        self.0.length()
    }

    /// Returns the address family of the network.
    #[must_use]
    pub const fn family(self) -> Family {
        self.0.family()
    }

    /// Whether the network contains the address. The families must be equal, but an IPv4-mapped address counts as an
    /// IPv4 address too.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        let meant = address.to_canonical();
        self.0.contains(meant) || meant != address && self.0.contains(address)
    }

    /// Whether this network contains the whole other network.
    #[must_use]
    pub fn covers(self, other: Self) -> bool {
        self.length() <= other.length() && self.contains(other.address())
    }
}

impl From<IpAddr> for Prefix {
    /// Returns the network of this one address.
    fn from(address: IpAddr) -> Self {
        Self::meant(ctwarden_net::Prefix::host(address))
    }
}

impl FromStr for Prefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        text.parse().map(Self::meant)
    }
}

impl fmt::Display for Prefix {
    /// Writes CIDR form, or only the address if the network is one address.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Prefix> for wit::Prefix {
    fn from(prefix: Prefix) -> Self {
        Self { address: prefix.address().into(), length: prefix.length() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PrefixError;

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
        assert!(said.ends_with("is wider than all of IPv4; write 198.51.100.66/24 if you mean that network"), "{said}");
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
