//! Networks of one family with their values, in the order of their addresses: a tree of short lists.
//!
//! A search is one binary search over the first network of each branch, and one search within a branch and within a
//! leaf. The branches of a million networks stay in the cache, so that a search waits for memory only in the leaf.
//!
//! Copies share the branches and leaves. A change copies only the leaf that it touches, and the branch above it.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::network::Network;
use super::short_list::ShortList;

type Leaf<N, V> = ShortList<N, V>;
/// Leaves, each by its first network.
type Branch<N, V> = ShortList<N, Arc<Leaf<N, V>>>;

/// No branch and no leaf is empty.
#[derive(Clone)]
pub(super) struct Sorted<N: Network, V> {
    branches: Vec<Arc<Branch<N, V>>>,
    /// The first network of each branch.
    firsts: Vec<N>,
    len: usize,
}

/// A network of the list, with the place of its value.
pub(super) struct Entry<'a, N, V> {
    pub(super) network: N,
    leaf: &'a Leaf<N, V>,
    index: usize,
}

/// Where a network is, until the next insertion or removal.
#[derive(Clone, Copy)]
struct Place {
    branch: usize,
    leaf: usize,
    index: usize,
}

impl Place {
    const FIRST: Self = Self { branch: 0, leaf: 0, index: 0 };
}

impl<'a, N: Network, V> Entry<'a, N, V> {
    #[inline]
    pub(super) fn value(&self) -> Option<&'a V> {
        self.leaf.item(self.index)
    }
}

impl<N: Network, V> Sorted<N, V> {
    pub(super) const fn new() -> Self {
        Self { branches: Vec::new(), firsts: Vec::new(), len: 0 }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Takes networks that are in order and differ.
    pub(super) fn from_ordered(ordered: impl Iterator<Item = (N, V)>) -> Self {
        let mut sorted = Self::new();
        let (mut branch, mut leaf) = (Branch::new(), Leaf::new());
        for (network, value) in ordered {
            if leaf.is_full() {
                if branch.is_full() {
                    sorted.push_branch(core::mem::replace(&mut branch, Branch::new()));
                }
                push_leaf(&mut branch, core::mem::replace(&mut leaf, Leaf::new()));
            }
            leaf.push(network, value);
            sorted.len += 1;
        }
        if branch.is_full() {
            sorted.push_branch(core::mem::replace(&mut branch, Branch::new()));
        }
        push_leaf(&mut branch, leaf);
        sorted.push_branch(branch);
        sorted
    }

    /// Adds a branch behind all others, unless the branch is empty.
    fn push_branch(&mut self, branch: Branch<N, V>) {
        self.insert_branch(self.branches.len(), branch);
    }

    fn insert_branch(&mut self, at: usize, branch: Branch<N, V>) {
        if let Some(first) = branch.first() {
            self.firsts.insert(at, first);
            self.branches.insert(at, Arc::new(branch));
        }
    }

    /// The last network that is not behind the key, and its place.
    #[inline]
    fn search(&self, key: N) -> Option<(Place, Entry<'_, N, V>)> {
        let branch = self.firsts.partition_point(|first| *first <= key).checked_sub(1)?;
        let leaves = self.branches.get(branch)?;
        let at = leaves.last_until(key)?;
        let leaf = leaves.item(at)?;
        let index = leaf.last_until(key)?;
        Some((Place { branch, leaf: at, index }, Entry { network: leaf.network(index)?, leaf, index }))
    }

    /// The last network that is not behind the key.
    #[inline]
    pub(super) fn last_until(&self, key: N) -> Option<Entry<'_, N, V>> {
        self.search(key).map(|(_, entry)| entry)
    }

    /// The network with exactly this key.
    #[inline]
    pub(super) fn find(&self, key: N) -> Option<Entry<'_, N, V>> {
        self.last_until(key).filter(|entry| entry.network.is(key))
    }

    fn place_until(&self, key: N) -> Option<Place> {
        self.search(key).map(|(place, _)| place)
    }

    /// The place of exactly this network.
    fn place_of(&self, network: N) -> Option<Place> {
        self.search(network).filter(|(_, entry)| entry.network.is(network)).map(|(place, _)| place)
    }

    /// The place behind the last network that is not behind the key.
    fn place_behind(&self, key: N) -> Place {
        self.place_until(key).map_or(Place::FIRST, |place| Place { index: place.index + 1, ..place })
    }

    /// The networks and values behind the key, in order.
    pub(super) fn iter_behind(&self, key: N) -> impl Iterator<Item = (N, &V)> {
        self.iter_from(self.place_behind(key))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (N, &V)> {
        self.iter_from(Place::FIRST)
    }

    fn iter_from(&self, place: Place) -> impl Iterator<Item = (N, &V)> {
        let first = self.branches.get(place.branch).into_iter().flat_map(move |branch| branch.iter_from(place.leaf));
        let others = self.branches.iter().skip(place.branch + 1).flat_map(|branch| branch.iter_from(0));
        let mut skipped = place.index;
        first.chain(others).flat_map(move |(_, leaf)| leaf.iter_from(core::mem::take(&mut skipped)))
    }
}

/// Changes. A branch or leaf that a copy shares is copied first.
impl<N: Network, V: Clone> Sorted<N, V> {
    fn leaf_mut(&mut self, branch: usize, leaf: usize) -> Option<&mut Leaf<N, V>> {
        Arc::make_mut(self.branches.get_mut(branch)?).item_mut(leaf).map(Arc::make_mut)
    }

    /// The value of exactly this network.
    pub(super) fn find_mut(&mut self, network: N) -> Option<&mut V> {
        let place = self.place_of(network)?;
        self.leaf_mut(place.branch, place.leaf)?.item_mut(place.index)
    }

    /// Adds a network that the list does not have.
    pub(super) fn insert(&mut self, network: N, value: V) {
        // A network before all others comes into the first leaf.
        let place = self.place_until(network).unwrap_or(Place::FIRST);
        let is_last_branch = place.branch + 1 == self.branches.len();
        let Some(branch) = self.branches.get_mut(place.branch).map(Arc::make_mut) else {
            self.len += 1;
            return self.push_branch(Branch::of(network, Arc::new(Leaf::of(network, value))));
        };
        let is_last = is_last_branch && place.leaf + 1 == branch.len();
        let Some(leaf) = branch.item_mut(place.leaf).map(Arc::make_mut) else { return };
        let at = leaf.begun(network);
        if !leaf.is_full() {
            leaf.insert(at, network, value);
            self.len += 1;
            self.note_first(place.branch, place.leaf);
        } else if is_last && at == leaf.len() {
            // Networks that arrive in order fill each leaf.
            self.len += 1;
            self.insert_leaf(place.branch, place.leaf + 1, network, Leaf::of(network, value));
        } else if let second = leaf.split()
            && let Some(first) = second.first()
        {
            self.insert_leaf(place.branch, place.leaf + 1, first, second);
            self.insert(network, value);
        }
    }

    /// Adds a leaf to a branch, but not as its first leaf.
    fn insert_leaf(&mut self, mut at: usize, mut position: usize, first: N, leaf: Leaf<N, V>) {
        let is_last = at + 1 == self.branches.len();
        let Some(branch) = self.branches.get_mut(at).map(Arc::make_mut) else { return };
        if branch.is_full() {
            if is_last && position == branch.len() {
                return self.push_branch(Branch::of(first, Arc::new(leaf)));
            }
            let second = branch.split();
            let half = branch.len();
            self.insert_branch(at + 1, second);
            if position > half {
                (at, position) = (at + 1, position - half);
            }
        }
        if let Some(branch) = self.branches.get_mut(at).map(Arc::make_mut) {
            branch.insert(position, first, Arc::new(leaf));
        }
    }

    /// Removes exactly this network.
    pub(super) fn remove(&mut self, network: N) -> Option<(N, V)> {
        let Place { branch: at, leaf: position, index } = self.place_of(network)?;
        let leaf = self.leaf_mut(at, position)?;
        let removed = leaf.remove(index)?;
        let is_empty = leaf.len() == 0;
        self.len -= 1;
        let branch = self.branches.get_mut(at).map(Arc::make_mut)?;
        if is_empty {
            branch.remove(position);
        }
        if branch.len() == 0 {
            self.branches.remove(at);
            self.firsts.remove(at);
        } else {
            join_leaf(branch, position);
            self.note_first(at, position);
            self.join_branch(at);
        }
        Some(removed)
    }

    /// Changes the networks behind a key, for as long as `change` returns true.
    pub(super) fn change_behind(&mut self, key: N, mut change: impl FnMut(&mut N) -> bool) {
        let place = self.place_behind(key);
        let (mut leaf, mut index) = (place.leaf, place.index);
        for branch in self.branches.iter_mut().skip(place.branch) {
            for leaf in Arc::make_mut(branch).items_mut(core::mem::take(&mut leaf)) {
                if !Arc::make_mut(leaf).networks_mut(core::mem::take(&mut index)).all(&mut change) {
                    return;
                }
            }
        }
    }

    /// Makes one branch of this one and the next, if both are short.
    fn join_branch(&mut self, at: usize) {
        let (Some(branch), Some(next)) = (self.branches.get(at), self.branches.get(at + 1)) else { return };
        if branch.joins(next) {
            let next = self.branches.remove(at + 1);
            self.firsts.remove(at + 1);
            if let Some(branch) = self.branches.get_mut(at).map(Arc::make_mut) {
                branch.join(Arc::unwrap_or_clone(next));
            }
        }
    }

    /// Notes the first network of a leaf in its branch, and that of the branch in the list.
    fn note_first(&mut self, at: usize, position: usize) {
        let Some(branch) = self.branches.get_mut(at).map(Arc::make_mut) else { return };
        if let Some(first) = branch.item(position).and_then(|leaf| leaf.first()) {
            branch.rename(position, first);
        }
        if let (Some(noted), Some(first)) = (self.firsts.get_mut(at), branch.first()) {
            *noted = first;
        }
    }
}

/// Adds a leaf behind the others of a branch, unless the leaf is empty.
fn push_leaf<N: Network, V>(branch: &mut Branch<N, V>, leaf: Leaf<N, V>) {
    if let Some(first) = leaf.first() {
        branch.push(first, Arc::new(leaf));
    }
}

/// Makes one leaf of this one and the next, if both are short.
fn join_leaf<N: Network, V: Clone>(branch: &mut Branch<N, V>, position: usize) {
    let (Some(leaf), Some(next)) = (branch.item(position), branch.item(position + 1)) else { return };
    if leaf.joins(next) {
        let next = branch.remove(position + 1);
        if let (Some(leaf), Some((_, next))) = (branch.item_mut(position), next) {
            Arc::make_mut(leaf).join(Arc::unwrap_or_clone(next));
        }
    }
}
