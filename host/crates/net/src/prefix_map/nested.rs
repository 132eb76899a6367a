//! The networks of one family, each with the length of the next wider network that covers it.
//!
//! The longest network that contains an address is the last one that begins at the address or before it, or one of
//! those that cover that one. So a lookup is one search, and one more for each level of nesting it has to climb.

use alloc::vec::Vec;

use super::network::{NO_WIDER, Network};
use super::sorted::{Entry, Sorted};

#[derive(Clone)]
pub(super) struct Nested<N: Network, V>(Sorted<N, V>);

impl<N: Network, V> Nested<N, V> {
    pub(super) const fn new() -> Self {
        Self(Sorted::new())
    }

    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    /// Takes networks that are in order and differ.
    pub(super) fn from_ordered(ordered: impl Iterator<Item = (N, V)>) -> Self {
        let mut covering = Vec::<N>::new();
        Self(Sorted::from_ordered(ordered.map(|(mut network, value)| {
            while covering.last().is_some_and(|last| !last.contains(network.address())) {
                covering.pop();
            }
            network.set_wider(covering.last().map_or(NO_WIDER, |last| last.length()));
            covering.push(network);
            (network, value)
        })))
    }

    pub(super) fn get(&self, network: N) -> Option<&V> {
        self.0.find(network)?.value()
    }

    /// The longest network that contains the address.
    #[inline]
    pub(super) fn longest(&self, address: N::Address) -> Option<(N, &V)> {
        shown(&self.longest_entry(address)?)
    }

    /// Every network that contains the address, the longest first.
    pub(super) fn containing(&self, address: N::Address) -> impl Iterator<Item = (N, &V)> {
        core::iter::successors(self.longest_entry(address), |entry| self.wider(entry.network))
            .filter_map(|entry| shown(&entry))
    }

    /// The networks that begin behind a network, or in it and are longer, in order.
    pub(super) fn behind(&self, network: N) -> impl Iterator<Item = (N, &V)> {
        self.0.iter_behind(network)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (N, &V)> {
        self.0.iter()
    }

    #[inline]
    fn longest_entry(&self, address: N::Address) -> Option<Entry<'_, N, V>> {
        self.climb(self.0.last_until(N::new(address, N::BITS, NO_WIDER))?, address)
    }

    /// The longest network that covers the given one and is not the same.
    fn covering(&self, network: N) -> Option<N> {
        // Nothing is wider than a network of length 0.
        let length = network.length().checked_sub(1)?;
        let last = self.0.last_until(N::new(network.address(), length, NO_WIDER))?;
        Some(self.climb(last, network.address())?.network)
    }

    /// The entry if its network contains the address, or the longest of those that cover it and do.
    #[inline]
    fn climb<'a>(&'a self, mut entry: Entry<'a, N, V>, address: N::Address) -> Option<Entry<'a, N, V>> {
        while !entry.network.contains(address) {
            entry = self.wider(entry.network)?;
        }
        Some(entry)
    }

    /// The next wider network that covers this one.
    #[inline]
    fn wider(&self, network: N) -> Option<Entry<'_, N, V>> {
        if network.wider() == NO_WIDER {
            return None;
        }
        self.0.find(network.shortened(network.wider()))
    }
}

#[inline]
fn shown<'a, N: Network, V>(entry: &Entry<'a, N, V>) -> Option<(N, &'a V)> {
    Some((entry.network, entry.value()?))
}

impl<N: Network, V: Clone> Nested<N, V> {
    /// Adds a network and returns the value that the network had. Costs time for each network that it covers.
    pub(super) fn insert(&mut self, mut network: N, value: V) -> Option<V> {
        if let Some(old) = self.get_mut(network) {
            return Some(core::mem::replace(old, value));
        }
        let wider = self.covering(network).map_or(NO_WIDER, |wider| wider.length());
        self.0.change_behind(network, |inner| {
            let inside = network.contains(inner.address());
            if inside && inner.wider() == wider {
                inner.set_wider(network.length());
            }
            inside
        });
        network.set_wider(wider);
        self.0.insert(network, value);
        None
    }

    /// Removes a network and returns its value. Costs time for each network that it covers.
    pub(super) fn remove(&mut self, network: N) -> Option<V> {
        let (removed, value) = self.0.remove(network)?;
        self.0.change_behind(network, |inner| {
            let inside = removed.contains(inner.address());
            if inside && inner.wider() == removed.length() {
                inner.set_wider(removed.wider());
            }
            inside
        });
        Some(value)
    }

    pub(super) fn get_mut(&mut self, network: N) -> Option<&mut V> {
        self.0.find_mut(network)
    }
}
