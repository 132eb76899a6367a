//! A key as bytes: up to 22 of them in place, which are all addresses, services and networks, and all short texts.

use alloc::boxed::Box;
use alloc::string::String;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ctwarden_hash::{Seed, keyed_hash};
use ctwarden_model::{COUNTER_KEY_BYTES, CounterKey, Prefix};

const IN_PLACE: usize = 22;
/// The longest key: a kind, and a text.
const LONGEST: usize = COUNTER_KEY_BYTES + 1;

/// The first byte of a key.
const TEXT: u8 = 0;
const NUMBER: u8 = 1;
const ADDRESS: u8 = 2;
const PAIR: u8 = 3;
const SERVICE: u8 = 4;
const NETWORK: u8 = 5;

/// The bytes of a key, which are zero after its length.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PackedKey {
    Short([u8; IN_PLACE], u8),
    Long(Box<[u8]>),
}

impl PackedKey {
    /// Packs a key, unless its text is too long.
    pub(crate) fn new(key: &CounterKey) -> Option<Self> {
        if let CounterKey::Text(text) = key {
            return Self::text(text);
        }
        let mut packed = Writer { bytes: [0; IN_PLACE + 13], length: 0 };
        match key {
            CounterKey::Text(_) => {}
            CounterKey::Number(number) => {
                packed.put(&[NUMBER]);
                packed.put(&number.to_be_bytes());
            }
            CounterKey::Address(address) => {
                packed.put(&[ADDRESS]);
                packed.address(*address);
            }
            CounterKey::Pair(one, other) => {
                packed.put(&[PAIR]);
                packed.address(*one);
                packed.address(*other);
            }
            CounterKey::Service(address, protocol, port) => {
                packed.put(&[SERVICE]);
                packed.address(*address);
                packed.put(&[*protocol]);
                packed.put(&port.to_be_bytes());
            }
            CounterKey::Network(network) => {
                packed.put(&[NETWORK]);
                packed.address(network.address());
                packed.put(&[network.length()]);
            }
        }
        Some(Self::of(packed.bytes.get(..packed.length).unwrap_or_default()))
    }

    fn text(text: &str) -> Option<Self> {
        if text.len() > COUNTER_KEY_BYTES {
            return None;
        }
        let mut bytes = [TEXT; LONGEST];
        bytes.get_mut(1..=text.len())?.copy_from_slice(text.as_bytes());
        Some(Self::of(bytes.get(..=text.len())?))
    }

    fn of(bytes: &[u8]) -> Self {
        let mut short = [0; IN_PLACE];
        match short.get_mut(..bytes.len()) {
            Some(place) => {
                place.copy_from_slice(bytes);
                Self::Short(short, bytes.len() as u8)
            }
            None => Self::Long(bytes.into()),
        }
    }

    fn as_slice(&self) -> &[u8] {
        match self {
            Self::Short(bytes, length) => bytes.get(..usize::from(*length)).unwrap_or_default(),
            Self::Long(bytes) => bytes,
        }
    }

    /// Heap memory in bytes, with 16 bytes of the allocator.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Short(..) => 0,
            Self::Long(bytes) => bytes.len() + 16,
        }
    }

    pub(crate) fn hash(&self, seed: Seed) -> u64 {
        match self {
            Self::Short(bytes, length) => {
                // The bytes after the length are zero, and the length tells them from zeros of the key.
                let [first, second, third] = words(bytes);
                keyed_hash(seed, [first, second, third | u64::from(*length) << 56])
            }
            Self::Long(bytes) => bytes.chunks(16).fold(bytes.len() as u64, |hash, chunk| {
                let [first, second] = words(chunk);
                keyed_hash(seed, [hash, first, second])
            }),
        }
    }

    /// Returns the key. `None` never comes from a key that [`PackedKey::new`] packed.
    pub(crate) fn unpack(&self) -> Option<CounterKey> {
        let (kind, rest) = self.as_slice().split_first()?;
        let mut reader = Reader(rest);
        Some(match *kind {
            TEXT => CounterKey::Text(String::from_utf8(rest.to_vec()).ok()?),
            NUMBER => CounterKey::Number(u64::from_be_bytes(reader.take()?)),
            ADDRESS => CounterKey::Address(reader.address()?),
            PAIR => CounterKey::Pair(reader.address()?, reader.address()?),
            SERVICE => {
                let (address, [protocol]) = (reader.address()?, reader.take()?);
                CounterKey::Service(address, protocol, u16::from_be_bytes(reader.take()?))
            }
            NETWORK => {
                let (address, [length]) = (reader.address()?, reader.take()?);
                CounterKey::Network(Prefix::new(address, length).ok()?)
            }
            _ => return None,
        })
    }
}

/// Bytes as words. Bytes that are missing are zero.
fn words<const N: usize>(bytes: &[u8]) -> [u64; N] {
    let mut words = [0; N];
    for (word, chunk) in words.iter_mut().zip(bytes.chunks(8)) {
        let mut padded = [0; 8];
        if let Some(place) = padded.get_mut(..chunk.len()) {
            place.copy_from_slice(chunk);
        }
        *word = u64::from_le_bytes(padded);
    }
    words
}

struct Writer {
    /// Room for a pair of IPv6 addresses.
    bytes: [u8; IN_PLACE + 13],
    length: usize,
}

impl Writer {
    fn put(&mut self, bytes: &[u8]) {
        let end = self.length + bytes.len();
        if let Some(place) = self.bytes.get_mut(self.length..end) {
            place.copy_from_slice(bytes);
            self.length = end;
        }
    }

    fn address(&mut self, address: IpAddr) {
        match address {
            IpAddr::V4(address) => {
                self.put(&[4]);
                self.put(&address.octets());
            }
            IpAddr::V6(address) => {
                self.put(&[6]);
                self.put(&address.octets());
            }
        }
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    fn address(&mut self) -> Option<IpAddr> {
        match self.take()? {
            [4] => Some(Ipv4Addr::from(self.take::<4>()?).into()),
            [6] => Some(Ipv6Addr::from(self.take::<16>()?).into()),
            _ => None,
        }
    }
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
        let mut keys: Vec<CounterKey> = [0, 1, 20, 21, 22, 23, 255, 256]
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
