//! The address of one family, as records and index keys store it.
//!
//! IPv4 and IPv6 have separate slabs. IPv4 flows therefore do not take the memory of the longer addresses.

use core::cmp::Ordering;
use core::fmt::Debug;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ctwarden_hash::{Seed, keyed_hash, upper_half};
use ctwarden_model::Family;

use crate::slab::Handle;

/// An address of one family.
pub(crate) trait Address: Copy + Ord {
    const FAMILY: Family;

    const ZERO: Self;

    /// An address and the handle of a flow that has it. Keys are ordered by address.
    type Key: Copy + Ord + Debug;

    /// `None` if the address is of the other family.
    fn from_ip(address: IpAddr) -> Option<Self>;

    fn to_ip(self) -> IpAddr;

    fn key(self, handle: Handle) -> Self::Key;

    fn parts(key: Self::Key) -> (Self, Handle);

    /// Hash of both addresses of a tuple and of the other parts of the flow's identity.
    fn hash(src: Self, dst: Self, rest: [u64; 2], seed: Seed) -> u32;
}

/// An IPv4 address as a number.
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

    fn hash(src: Self, dst: Self, [a, b]: [u64; 2], seed: Seed) -> u32 {
        upper_half(keyed_hash(seed, [u64::from(src) << 32 | u64::from(dst), a, b]))
    }
}

/// An IPv6 address as four numbers, most significant first. Two numbers of 64 bits would leave gaps in records and
/// keys; four numbers are aligned to four bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Long([u32; 4]);

impl Long {
    const fn bits(self) -> u128 {
        let [a, b, c, d] = self.0;
        (a as u128) << 96 | (b as u128) << 64 | (c as u128) << 32 | d as u128
    }
}

impl Ord for Long {
    fn cmp(&self, other: &Self) -> Ordering {
        self.bits().cmp(&other.bits())
    }
}

impl PartialOrd for Long {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The index key of [`Long`], ordered by address, then by handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LongKey(Long, Handle);

impl Ord for LongKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0).then(self.1.cmp(&other.1))
    }
}

impl PartialOrd for LongKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }

    fn lt(&self, other: &Self) -> bool {
        let (a, b) = (self.0.bits(), other.0.bits());
        (a < b) | ((a == b) & (self.1 < other.1))
    }
}

impl Address for Long {
    const FAMILY: Family = Family::Ipv6;
    const ZERO: Self = Self([0; 4]);

    type Key = LongKey;

    fn from_ip(address: IpAddr) -> Option<Self> {
        match address {
            IpAddr::V4(_) => None,
            IpAddr::V6(address) => {
                let bits = address.to_bits();
                Some(Self([(bits >> 96) as u32, (bits >> 64) as u32, (bits >> 32) as u32, bits as u32]))
            }
        }
    }

    fn to_ip(self) -> IpAddr {
        Ipv6Addr::from_bits(self.bits()).into()
    }

    fn key(self, handle: Handle) -> LongKey {
        LongKey(self, handle)
    }

    fn parts(LongKey(address, handle): LongKey) -> (Self, Handle) {
        (address, handle)
    }

    fn hash(src: Self, dst: Self, [a, b]: [u64; 2], seed: Seed) -> u32 {
        let (src, dst) = (src.bits(), dst.bits());
        upper_half(keyed_hash(seed, [(src >> 64) as u64, src as u64, (dst >> 64) as u64, dst as u64, a, b]))
    }
}
