//! A list of few networks in order, each with an item: the part of a large list that a change copies.
//!
//! Networks and items lie in one allocation, the networks next to each other. A search reads the first network of each
//! group and then one group. The reads of each step do not depend on each other, so that the processor waits for memory
//! once and not once for each halving of the list.

use super::network::Network;

/// Most networks of a list. Few in tests, so that short histories split and join lists.
pub(super) const MOST: usize = if cfg!(test) { 4 } else { 64 };
/// Eight IPv4 networks fill a line of the processor's cache.
const GROUP: usize = if cfg!(test) { 2 } else { 8 };

#[derive(Clone)]
pub(super) struct ShortList<N, T> {
    /// [`Network::PADDING`] behind the last network.
    networks: [N; MOST],
    /// An item for each network, in the same order.
    items: [Option<T>; MOST],
    len: usize,
}

impl<N: Network, T> ShortList<N, T> {
    pub(super) fn new() -> Self {
        Self { networks: [N::PADDING; MOST], items: core::array::from_fn(|_| None), len: 0 }
    }

    pub(super) fn of(network: N, item: T) -> Self {
        let mut list = Self::new();
        list.push(network, item);
        list
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) const fn is_full(&self) -> bool {
        self.len >= MOST
    }

    /// Number of networks that are not behind the key.
    #[inline]
    pub(super) fn begun(&self, key: N) -> usize {
        let (groups, _) = self.networks.as_chunks::<GROUP>();
        let begun = groups.iter().filter(|[first, ..]| *first <= key).count();
        let Some(last) = begun.checked_sub(1) else { return 0 };
        let within = groups.get(last).map_or(0, |group| group.iter().filter(|network| **network <= key).count());
        last * GROUP + within
    }

    /// The position of the last network that is not behind the key.
    #[inline]
    pub(super) fn last_until(&self, key: N) -> Option<usize> {
        self.begun(key).checked_sub(1)
    }

    #[inline]
    pub(super) fn network(&self, at: usize) -> Option<N> {
        self.networks.get(at).copied()
    }

    pub(super) fn first(&self) -> Option<N> {
        self.present().first().copied()
    }

    #[inline]
    pub(super) fn item(&self, at: usize) -> Option<&T> {
        self.items.get(at)?.as_ref()
    }

    pub(super) fn item_mut(&mut self, at: usize) -> Option<&mut T> {
        self.items.get_mut(at)?.as_mut()
    }

    fn present(&self) -> &[N] {
        self.networks.get(..self.len).unwrap_or_default()
    }

    /// The networks from a position on, for changes that keep their order.
    pub(super) fn networks_mut(&mut self, from: usize) -> impl Iterator<Item = &mut N> {
        self.networks.get_mut(from..self.len).into_iter().flatten()
    }

    pub(super) fn items_mut(&mut self, from: usize) -> impl Iterator<Item = &mut T> {
        self.items.iter_mut().skip(from).flatten()
    }

    /// The networks and items from a position on.
    pub(super) fn iter_from(&self, from: usize) -> impl Iterator<Item = (N, &T)> {
        self.present().iter().copied().zip(self.items.iter().flatten()).skip(from)
    }

    pub(super) fn push(&mut self, network: N, item: T) {
        self.insert(self.len, network, item);
    }

    /// Adds a network at its position. The list must not be full.
    pub(super) fn insert(&mut self, at: usize, network: N, item: T) {
        let (Some(networks), Some(items)) = (self.networks.get_mut(at..=self.len), self.items.get_mut(at..=self.len))
        else {
            return;
        };
        networks.rotate_right(1);
        items.rotate_right(1);
        if let (Some(first), Some(first_item)) = (networks.first_mut(), items.first_mut()) {
            (*first, *first_item) = (network, Some(item));
        }
        self.len += 1;
    }

    pub(super) fn remove(&mut self, at: usize) -> Option<(N, T)> {
        let (networks, items) = (self.networks.get_mut(at..self.len)?, self.items.get_mut(at..self.len)?);
        let removed = (*networks.first()?, items.first_mut()?.take()?);
        networks.rotate_left(1);
        items.rotate_left(1);
        *networks.last_mut()? = N::PADDING;
        self.len -= 1;
        Some(removed)
    }

    /// Takes the second half out of the list.
    pub(super) fn split(&mut self) -> Self {
        let half = self.len / 2;
        let mut second = Self::new();
        let both = self.networks.iter_mut().zip(&mut self.items);
        for (network, item) in both.take(self.len).skip(half) {
            if let Some(item) = item.take() {
                second.push(*network, item);
            }
            *network = N::PADDING;
        }
        self.len = half;
        second
    }

    /// Whether both lists together are short enough for one list, so that soon added networks do not split it again.
    pub(super) const fn joins(&self, next: &Self) -> bool {
        self.len + next.len <= MOST / 2
    }

    /// Adds the networks of the next list.
    pub(super) fn join(&mut self, next: Self) {
        for (network, item) in next.networks.into_iter().zip(next.items.into_iter().flatten()) {
            self.push(network, item);
        }
    }

    /// Replaces a network by another that keeps the order.
    pub(super) fn rename(&mut self, at: usize, network: N) {
        if let Some(old) = self.networks.get_mut(at) {
            *old = network;
        }
    }
}
