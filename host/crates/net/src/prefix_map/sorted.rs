//! Networks of one family with their values, in the order of their addresses: a list of short lists.
//!
//! A search is one binary search over the first network of each short list and one within that list. The addresses lie
//! next to each other and apart from the values, so that a search among a million networks touches few cache lines. An
//! insertion moves at most [`MOST`] networks.
//!
//! Copies share the short lists. A change copies only the short lists that it touches.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::network::Network;

/// Most networks of one short list. Few in tests, so that short histories split and join lists.
const MOST: usize = if cfg!(test) { 4 } else { 128 };

#[derive(Clone)]
struct Run<N, V> {
    networks: Vec<N>,
    /// As many as networks, in the same order.
    values: Vec<V>,
}

/// Where a network is, until the next insertion or removal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    run: usize,
    index: usize,
}

/// No run is empty.
#[derive(Clone)]
pub(super) struct Sorted<N: Network, V> {
    runs: Vec<Arc<Run<N, V>>>,
    /// The first network of each run.
    firsts: Vec<N>,
    len: usize,
}

impl<N: Network, V> Sorted<N, V> {
    pub(super) const fn new() -> Self {
        Self { runs: Vec::new(), firsts: Vec::new(), len: 0 }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Takes networks that are in order and differ.
    pub(super) fn from_ordered(ordered: impl Iterator<Item = (N, V)>) -> Self {
        let mut sorted = Self::new();
        let mut last = Run::new();
        for (network, value) in ordered {
            if last.networks.len() >= MOST {
                sorted.append(core::mem::replace(&mut last, Run::new()));
            }
            last.networks.push(network);
            last.values.push(value);
        }
        sorted.append(last);
        sorted
    }

    /// Adds a run behind all others, unless the run is empty.
    fn append(&mut self, run: Run<N, V>) {
        if let Some(first) = run.networks.first() {
            self.firsts.push(*first);
            self.len += run.networks.len();
            self.runs.push(Arc::new(run));
        }
    }

    /// The run that holds the key, if any run does.
    #[inline]
    fn run_of(&self, key: N) -> Option<usize> {
        self.firsts.partition_point(|first| *first <= key).checked_sub(1)
    }

    /// The last network that is not behind the key.
    #[inline]
    pub(super) fn last_until(&self, key: N) -> Option<Place> {
        let run = self.run_of(key)?;
        let index = self.runs.get(run)?.networks.partition_point(|network| *network <= key).checked_sub(1)?;
        Some(Place { run, index })
    }

    /// The first network that is behind the key.
    pub(super) fn first_behind(&self, key: N) -> Place {
        self.last_until(key).map_or(Place { run: 0, index: 0 }, |place| Place { index: place.index + 1, ..place })
    }

    /// The network with exactly this key.
    #[inline]
    pub(super) fn find(&self, key: N) -> Option<Place> {
        let place = self.last_until(key)?;
        self.network(place).filter(|network| network.is(key)).map(|_| place)
    }

    #[inline]
    pub(super) fn network(&self, place: Place) -> Option<N> {
        self.runs.get(place.run)?.networks.get(place.index).copied()
    }

    #[inline]
    pub(super) fn value(&self, place: Place) -> Option<&V> {
        self.runs.get(place.run)?.values.get(place.index)
    }

    /// The networks and values from a place on.
    pub(super) fn iter_from(&self, place: Place) -> impl Iterator<Item = (N, &V)> {
        let first = self.runs.get(place.run).into_iter().flat_map(move |run| run.from(place.index));
        first.chain(self.runs.iter().skip(place.run + 1).flat_map(|run| run.from(0)))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (N, &V)> {
        self.iter_from(Place { run: 0, index: 0 })
    }
}

/// Changes. A short list that a copy shares is copied first.
impl<N: Network, V: Clone> Sorted<N, V> {
    pub(super) fn value_mut(&mut self, place: Place) -> Option<&mut V> {
        Arc::make_mut(self.runs.get_mut(place.run)?).values.get_mut(place.index)
    }

    /// Adds a network that the list does not have.
    pub(super) fn insert(&mut self, network: N, value: V) {
        let Some(at) = self.run_of(network).or_else(|| (!self.runs.is_empty()).then_some(0)) else {
            return self.append(Run::of(network, value));
        };
        let Some(run) = self.runs.get_mut(at).map(Arc::make_mut) else { return };
        let index = run.networks.partition_point(|other| *other < network);
        if run.networks.len() >= MOST {
            let last = at + 1 == self.firsts.len();
            if last && index == run.networks.len() {
                // Networks that arrive in order fill each run.
                return self.append(Run::of(network, value));
            }
            self.split(at);
            return self.insert(network, value);
        }
        run.networks.insert(index, network);
        run.values.insert(index, value);
        self.len += 1;
        self.note_first(at);
    }

    /// Removes the network at a place. `None` if the place has no network.
    pub(super) fn remove(&mut self, place: Place) -> Option<(N, V)> {
        let run = Arc::make_mut(self.runs.get_mut(place.run)?);
        if place.index >= run.networks.len() {
            return None;
        }
        let removed = (run.networks.remove(place.index), run.values.remove(place.index));
        let left = run.networks.len();
        self.len -= 1;
        if left == 0 {
            self.runs.remove(place.run);
            self.firsts.remove(place.run);
        } else {
            self.note_first(place.run);
            self.join(place.run);
        }
        Some(removed)
    }

    /// Changes the networks from a place on, for as long as `change` returns true.
    pub(super) fn change_from(&mut self, place: Place, mut change: impl FnMut(&mut N) -> bool) {
        let mut skipped = place.index;
        for run in self.runs.iter_mut().skip(place.run) {
            for network in Arc::make_mut(run).networks.iter_mut().skip(skipped) {
                if !change(network) {
                    return;
                }
            }
            skipped = 0;
        }
    }

    /// Makes two runs of one.
    fn split(&mut self, at: usize) {
        let Some(run) = self.runs.get_mut(at).map(Arc::make_mut) else { return };
        let half = run.networks.len() / 2;
        let second = Run { networks: run.networks.split_off(half), values: run.values.split_off(half) };
        if let Some(first) = second.networks.first() {
            self.firsts.insert(at + 1, *first);
            self.runs.insert(at + 1, Arc::new(second));
        }
    }

    /// Makes one run of this one and the next, if both are short.
    fn join(&mut self, at: usize) {
        let length = |at: usize| self.runs.get(at).map(|run| run.networks.len());
        let (Some(this), Some(next)) = (length(at), length(at + 1)) else { return };
        if this + next > MOST / 2 {
            return;
        }
        let Run { networks, values } = Arc::unwrap_or_clone(self.runs.remove(at + 1));
        self.firsts.remove(at + 1);
        if let Some(run) = self.runs.get_mut(at).map(Arc::make_mut) {
            run.networks.extend(networks);
            run.values.extend(values);
        }
    }

    fn note_first(&mut self, at: usize) {
        let first = self.runs.get(at).and_then(|run| run.networks.first()).copied();
        if let (Some(noted), Some(first)) = (self.firsts.get_mut(at), first) {
            *noted = first;
        }
    }
}

impl<N: Network, V> Run<N, V> {
    const fn new() -> Self {
        Self { networks: Vec::new(), values: Vec::new() }
    }

    fn of(network: N, value: V) -> Self {
        let mut run = Self::new();
        run.networks.push(network);
        run.values.push(value);
        run
    }

    fn from(&self, index: usize) -> impl Iterator<Item = (N, &V)> {
        self.networks.iter().copied().zip(&self.values).skip(index)
    }
}
