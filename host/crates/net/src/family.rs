//! The two families of addresses that connection tracking knows.

use core::net::IpAddr;

/// Family of the addresses of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4 (`AF_INET`), addresses of 32 bits.
    Ipv4,
    /// IPv6 (`AF_INET6`), addresses of 128 bits.
    Ipv6,
}

impl Family {
    /// The family to which an address belongs. An IPv4-mapped address is an IPv6 address.
    #[must_use]
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::Ipv4,
            IpAddr::V6(_) => Self::Ipv6,
        }
    }
}
