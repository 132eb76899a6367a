//! Conversion of addresses between `std::net::IpAddr` and the numbers of the WIT.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::Family;
use crate::bindings::ctwarden::conntrack::types as wit;

impl From<Family> for wit::Family {
    fn from(family: Family) -> Self {
        match family {
            Family::Ipv4 => Self::Ipv4,
            Family::Ipv6 => Self::Ipv6,
        }
    }
}

impl From<wit::IpAddress> for IpAddr {
    #[inline]
    fn from(address: wit::IpAddress) -> Self {
        match address {
            wit::IpAddress::Ipv4(bits) => Self::V4(Ipv4Addr::from_bits(bits)),
            wit::IpAddress::Ipv6((high, low)) => {
                Self::V6(Ipv6Addr::from_bits(u128::from(high) << 64 | u128::from(low)))
            }
        }
    }
}

impl From<IpAddr> for wit::IpAddress {
    #[inline]
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::Ipv4(address.to_bits()),
            IpAddr::V6(address) => Self::Ipv6(halves(address.to_bits())),
        }
    }
}

/// Returns the high and the low 64 bits.
#[expect(clippy::cast_possible_truncation, reason = "taking the low half is what it is for")]
pub(crate) const fn halves(bits: u128) -> (u64, u64) {
    ((bits >> 64) as u64, bits as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_crosses_the_wall_and_comes_back() {
        for text in ["192.0.2.1", "0.0.0.0", "255.255.255.255", "2001:db8::1", "::", "ffff:ffff:ffff:ffff::1"] {
            let address: IpAddr = text.parse().unwrap();
            assert_eq!(IpAddr::from(wit::IpAddress::from(address)), address);
        }
        assert_eq!(wit::IpAddress::from(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))), wit::IpAddress::Ipv4(0xc000_0201));
        let ipv6: IpAddr = "2001:db8::1".parse().unwrap();
        assert_eq!(wit::IpAddress::from(ipv6), wit::IpAddress::Ipv6((0x2001_0db8_0000_0000, 1)));
    }
}
