//! A network of one family as the map stores it, with a pointer to the next wider network of the map.
//!
//! Address, length and pointer are one number (IPv4) or three (IPv6), so that a search compares without branches.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::Prefix;

/// Instead of the length of a wider network: the map has none.
pub(super) const NO_WIDER: u8 = u8::MAX;

/// A network, and the length of the longest network of the map that covers it and is not the same; or [`NO_WIDER`].
///
/// The order is by address, the wider network first. [`NO_WIDER`] is the last of the same network.
pub(super) trait Network: Copy + Ord {
    /// An address of the family.
    type Address: Copy;

    /// Number of bits of an address.
    const BITS: u8;

    /// Behind every network and every key of a search.
    const PADDING: Self;

    fn new(address: Self::Address, length: u8, wider: u8) -> Self;

    fn length(self) -> u8;

    fn wider(self) -> u8;

    fn set_wider(&mut self, wider: u8);

    /// How many of the first bits of its address the other address shares.
    fn shares(self, address: Self::Address) -> u8;

    fn address(self) -> Self::Address;

    /// The network of this length that covers this one, for a search.
    fn shortened(self, length: u8) -> Self;

    fn prefix(self) -> Prefix;

    #[inline]
    fn contains(self, address: Self::Address) -> bool {
        self.length() <= self.shares(address)
    }

    /// Whether both are the same network, wherever they point.
    #[inline]
    fn is(self, mut other: Self) -> bool {
        other.set_wider(self.wider());
        self == other
    }
}

/// From the highest bit: 32 bits of address, 8 of length, 8 of pointer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ipv4(u64);

impl Network for Ipv4 {
    type Address = u32;

    const BITS: u8 = 32;

    const PADDING: Self = Self(u64::MAX);

    #[inline]
    fn new(address: u32, length: u8, wider: u8) -> Self {
        Self(u64::from(address) << 16 | u64::from(length) << 8 | u64::from(wider))
    }

    #[inline]
    fn length(self) -> u8 {
        let [.., length, _] = self.0.to_be_bytes();
        length
    }

    #[inline]
    fn wider(self) -> u8 {
        let [.., wider] = self.0.to_be_bytes();
        wider
    }

    #[inline]
    fn set_wider(&mut self, wider: u8) {
        self.0 = self.0 & !0xff | u64::from(wider);
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "at most 32")]
    fn shares(self, address: u32) -> u8 {
        (self.address() ^ address).leading_zeros() as u8
    }

    #[inline]
    fn address(self) -> u32 {
        let [_, _, a, b, c, d, ..] = self.0.to_be_bytes();
        u32::from_be_bytes([a, b, c, d])
    }

    #[inline]
    fn shortened(self, length: u8) -> Self {
        Self::new(self.address() & !u32::MAX.checked_shr(length.into()).unwrap_or_default(), length, NO_WIDER)
    }

    fn prefix(self) -> Prefix {
        Prefix::around(IpAddr::V4(Ipv4Addr::from_bits(self.address())), self.length())
    }
}

/// Two halves of the address instead of one number, because a `u128` would be aligned to 16 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ipv6 {
    first: u64,
    second: u64,
    length: u8,
    wider: u8,
}

impl Network for Ipv6 {
    type Address = u128;

    const BITS: u8 = 128;

    const PADDING: Self = Self { first: u64::MAX, second: u64::MAX, length: u8::MAX, wider: u8::MAX };

    #[inline]
    fn new(address: u128, length: u8, wider: u8) -> Self {
        let [a, b, c, d, e, f, g, h, second @ ..] = address.to_be_bytes();
        let first = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
        Self { first, second: u64::from_be_bytes(second), length, wider }
    }

    #[inline]
    fn length(self) -> u8 {
        self.length
    }

    #[inline]
    fn wider(self) -> u8 {
        self.wider
    }

    #[inline]
    fn set_wider(&mut self, wider: u8) {
        self.wider = wider;
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "at most 128")]
    fn shares(self, address: u128) -> u8 {
        (self.address() ^ address).leading_zeros() as u8
    }

    #[inline]
    fn address(self) -> u128 {
        u128::from(self.first) << 64 | u128::from(self.second)
    }

    #[inline]
    fn shortened(self, length: u8) -> Self {
        Self::new(self.address() & !u128::MAX.checked_shr(length.into()).unwrap_or_default(), length, NO_WIDER)
    }

    fn prefix(self) -> Prefix {
        Prefix::around(IpAddr::V6(Ipv6Addr::from_bits(self.address())), self.length())
    }
}
