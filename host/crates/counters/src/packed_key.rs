//! A key in 24 bytes: all addresses, services, networks and numbers, and texts of up to 16 bytes. Other keys have an
//! allocation.
//!
//! A short key is made of numbers, so that an addition copies and compares no bytes.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ctwarden_hash::{Seed, keyed_hash};
use ctwarden_model::{COUNTER_KEY_BYTES, CounterKey, Prefix};

/// Longest text without an allocation in bytes.
const SHORT_TEXT: usize = 16;

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PackedKey {
    Short {
        kind: Kind,
        /// The length of a text or network, or protocol and port.
        extra: u32,
        content: [u64; 2],
    },
    Text(Box<str>),
    /// A pair with an IPv6 address.
    Pair(Box<(IpAddr, IpAddr)>),
}

/// The kind of a short key, with the family of its addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Number,
    Ipv4,
    Ipv6,
    Ipv4Pair,
    Ipv4Service,
    Ipv6Service,
    Ipv4Network,
    Ipv6Network,
}

impl PackedKey {
    /// Packs a key, unless its text is too long.
    #[inline]
    pub(crate) fn new(key: &CounterKey) -> Option<Self> {
        Some(match key {
            CounterKey::Text(text) => return Self::text(text),
            CounterKey::Number(number) => Self::Short { kind: Kind::Number, extra: 0, content: [*number, 0] },
            CounterKey::Address(address) => Self::of_address(*address, [Kind::Ipv4, Kind::Ipv6], 0),
            CounterKey::Pair(IpAddr::V4(one), IpAddr::V4(other)) => {
                let pair = u64::from(one.to_bits()) << 32 | u64::from(other.to_bits());
                Self::Short { kind: Kind::Ipv4Pair, extra: 0, content: [pair, 0] }
            }
            CounterKey::Pair(one, other) => Self::Pair(Box::new((*one, *other))),
            CounterKey::Service(address, protocol, port) => {
                let extra = u32::from(*protocol) << 16 | u32::from(*port);
                Self::of_address(*address, [Kind::Ipv4Service, Kind::Ipv6Service], extra)
            }
            CounterKey::Network(network) => {
                let kinds = [Kind::Ipv4Network, Kind::Ipv6Network];
                Self::of_address(network.address(), kinds, network.length().into())
            }
        })
    }

    fn of_address(address: IpAddr, [ipv4, ipv6]: [Kind; 2], extra: u32) -> Self {
        match address {
            IpAddr::V4(address) => Self::Short { kind: ipv4, extra, content: [address.to_bits().into(), 0] },
            IpAddr::V6(address) => {
                let bits = address.to_bits();
                Self::Short { kind: ipv6, extra, content: [(bits >> 64) as u64, bits as u64] }
            }
        }
    }

    fn text(text: &str) -> Option<Self> {
        if text.len() <= SHORT_TEXT {
            Some(Self::Short { kind: Kind::Text, extra: text.len() as u32, content: words(text.as_bytes()) })
        } else if text.len() <= COUNTER_KEY_BYTES {
            Some(Self::Text(text.into()))
        } else {
            None
        }
    }

    /// Heap memory in bytes, with 16 bytes of the allocator.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Short { .. } => 0,
            Self::Text(text) => text.len() + 16,
            Self::Pair(pair) => size_of_val(&**pair) + 16,
        }
    }

    #[inline]
    pub(crate) fn hash(&self, seed: Seed) -> u64 {
        match self {
            Self::Short { kind, extra, content: [first, second] } => {
                keyed_hash(seed, [*first, *second, (*kind as u64) << 32 | u64::from(*extra)])
            }
            Self::Text(text) => text.as_bytes().chunks(SHORT_TEXT).fold(text.len() as u64, |hash, chunk| {
                let [first, second] = words(chunk);
                keyed_hash(seed, [hash, first, second])
            }),
            Self::Pair(pair) => {
                let [one, other] = [pair.0, pair.1].map(halves);
                keyed_hash(seed, [one[0], one[1], other[0], other[1]])
            }
        }
    }

    /// Returns the key. `None` never comes from a key that [`PackedKey::new`] packed.
    pub(crate) fn unpack(&self) -> Option<CounterKey> {
        let (kind, extra, [first, second]) = match self {
            Self::Text(text) => return Some(CounterKey::Text(String::from(&**text))),
            Self::Pair(pair) => return Some(CounterKey::Pair(pair.0, pair.1)),
            Self::Short { kind, extra, content } => (*kind, *extra, *content),
        };
        let ipv4 = |bits: u64| IpAddr::V4(Ipv4Addr::from_bits(bits as u32));
        let ipv6 = || IpAddr::V6(Ipv6Addr::from_bits(u128::from(first) << 64 | u128::from(second)));
        let service = |address| CounterKey::Service(address, (extra >> 16) as u8, extra as u16);
        let network = |address| Some(CounterKey::Network(Prefix::new(address, extra as u8).ok()?));
        Some(match kind {
            Kind::Text => {
                let bytes: Vec<u8> = [first, second].into_iter().flat_map(u64::to_le_bytes).collect();
                let text = bytes.get(..usize::try_from(extra).ok()?)?;
                CounterKey::Text(String::from(core::str::from_utf8(text).ok()?))
            }
            Kind::Number => CounterKey::Number(first),
            Kind::Ipv4 => CounterKey::Address(ipv4(first)),
            Kind::Ipv6 => CounterKey::Address(ipv6()),
            Kind::Ipv4Pair => CounterKey::Pair(ipv4(first >> 32), ipv4(first)),
            Kind::Ipv4Service => service(ipv4(first)),
            Kind::Ipv6Service => service(ipv6()),
            Kind::Ipv4Network => return network(ipv4(first)),
            Kind::Ipv6Network => return network(ipv6()),
        })
    }
}

/// The halves of an address, which differ between the families.
fn halves(address: IpAddr) -> [u64; 2] {
    match address {
        // An address in ::/96 has the same hash and is another key.
        IpAddr::V4(address) => [0, address.to_bits().into()],
        IpAddr::V6(address) => [(address.to_bits() >> 64) as u64, address.to_bits() as u64],
    }
}

/// Bytes as words. Bytes that are missing are zero.
fn words(bytes: &[u8]) -> [u64; 2] {
    let mut words = [0; 2];
    for (word, chunk) in words.iter_mut().zip(bytes.chunks(8)) {
        let mut padded = [0; 8];
        if let Some(place) = padded.get_mut(..chunk.len()) {
            place.copy_from_slice(chunk);
        }
        *word = u64::from_le_bytes(padded);
    }
    words
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn a_key_is_unpacked_as_it_was_packed_and_differs_from_every_other() {
        let four = IpAddr::from([192, 0, 2, 1]);
        let six: IpAddr = "2001:db8::1".parse().unwrap();
        let mut keys: Vec<CounterKey> = [0, 1, 15, 16, 17, 32, 33, 255, 256]
            .into_iter()
            .map(|length| CounterKey::Text("x".repeat(length)))
            .chain([0, 1, u64::MAX].map(CounterKey::Number))
            .collect();
        keys.push(CounterKey::Text("x\0".into()));
        for address in [four, six] {
            keys.push(CounterKey::Address(address));
            keys.extend([four, six].map(|other| CounterKey::Pair(address, other)));
            keys.extend([(6, 443), (17, 443), (6, 444)].map(|(p, port)| CounterKey::Service(address, p, port)));
            keys.extend([0, 24, 32].map(|length| CounterKey::Network(Prefix::around(address, length))));
        }
        let mut hashes = BTreeSet::new();
        for key in &keys {
            let packed = PackedKey::new(key).unwrap();
            assert_eq!(packed.unpack().as_ref(), Some(key));
            assert!(hashes.insert(packed.hash(Seed([1, 2]))), "{key:?}");
            let in_place = !matches!(key, CounterKey::Pair(_, _) | CounterKey::Text(_));
            assert!(packed.bytes() == 0 || !in_place, "{key:?}");
        }
        assert_eq!(PackedKey::new(&CounterKey::Text("x".repeat(257))), None);
        assert_eq!(size_of::<PackedKey>(), 24);
    }
}
