//! The address of one family as a record and an index key hold it.
//!
//! Records of IPv4 and IPv6 lie in slabs of their own, so that an IPv4 flow does not pay for the longer addresses.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ctwarden_model::Family;

use crate::slab::Handle;

/// An address of one family.
pub(crate) trait Address: Copy + Ord {
    /// Which one.
    const FAMILY: Family;

    /// The unspecified address.
    const ZERO: Self;

    /// An address and the handle of a flow that has it, ordered by address.
    type Key: Copy + Ord;

    /// `None` where it is of the other family.
    fn from_ip(address: IpAddr) -> Option<Self>;

    fn to_ip(self) -> IpAddr;

    fn key(self, handle: Handle) -> Self::Key;

    fn parts(key: Self::Key) -> (Self, Handle);

    /// Both addresses of a tuple, for the hash.
    fn words(src: Self, dst: Self) -> [u64; 4];
}

/// IPv4, as a number.
impl Address for u32 {
    const FAMILY: Family = Family::Ipv4;
    const ZERO: Self = 0;

    type Key = u64;

    fn from_ip(address: IpAddr) -> Option<Self> {
        match address {
            IpAddr::V4(address) => Some(address.to_bits()),
            IpAddr::V6(_) => None,
        }
    }

    fn to_ip(self) -> IpAddr {
        Ipv4Addr::from_bits(self).into()
    }

    fn key(self, handle: Handle) -> u64 {
        u64::from(self) << 32 | u64::from(handle)
    }

    fn parts(key: u64) -> (Self, Handle) {
        ((key >> 32) as u32, key as Handle)
    }

    fn words(src: Self, dst: Self) -> [u64; 4] {
        [u64::from(src) << 32 | u64::from(dst), 0, 0, 0]
    }
}

/// IPv6, as four numbers, highest first: aligned to four bytes, records and keys have no gaps.
impl Address for [u32; 4] {
    const FAMILY: Family = Family::Ipv6;
    const ZERO: Self = [0; 4];

    type Key = ([u32; 4], Handle);

    fn from_ip(address: IpAddr) -> Option<Self> {
        match address {
            IpAddr::V4(_) => None,
            IpAddr::V6(address) => {
                let bits = address.to_bits();
                Some([(bits >> 96) as u32, (bits >> 64) as u32, (bits >> 32) as u32, bits as u32])
            }
        }
    }

    fn to_ip(self) -> IpAddr {
        Ipv6Addr::from_bits(self.into_iter().fold(0, |bits, part| bits << 32 | u128::from(part))).into()
    }

    fn key(self, handle: Handle) -> Self::Key {
        (self, handle)
    }

    fn parts(key: Self::Key) -> (Self, Handle) {
        key
    }

    fn words([a, b, c, d]: Self, [e, f, g, h]: Self) -> [u64; 4] {
        [
            u64::from(a) << 32 | u64::from(b),
            u64::from(c) << 32 | u64::from(d),
            u64::from(e) << 32 | u64::from(f),
            u64::from(g) << 32 | u64::from(h),
        ]
    }
}
