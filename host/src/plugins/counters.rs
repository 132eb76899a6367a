//! The counters of plugins. The host keeps them beside the instances, so that they survive faults and reloads.
//!
//! A counter lives as long as the thread of a plugin holds it. A reload starts the new thread before it stops the old
//! one, so the new thread finds the counters of the old one. Both hold the same counters only if name, kind and window
//! are the same: a counter of another window is another counter.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use ctwarden_counters::{Counter, Distinct, KeyTooLong, Seed, Sum};
use ctwarden_guest::no_counter;
use ctwarden_model::{CounterKey, CounterKind, CounterSpec, PluginName, Steady};

use crate::seed;

/// The counters of all plugins of the daemon.
pub(crate) struct CounterStore {
    seed: Seed,
    counters: Mutex<BTreeMap<(PluginName, CounterSpec), WeakCounter>>,
}

/// A counter that lives as long as an instance of its plugin.
type WeakCounter = Weak<Mutex<Kept>>;

/// One counter.
#[derive(Debug)]
enum Kept {
    Sum(Counter<Sum>),
    Distinct(Counter<Distinct>),
}

/// The counters of one plugin, shared by its instances.
#[derive(Clone)]
pub(crate) struct PluginCounters {
    store: Arc<CounterStore>,
    plugin: PluginName,
    /// Bytes of all counters together.
    limit: usize,
    open: Arc<Mutex<OpenCounters>>,
}

/// The counters of one subscription.
#[derive(Clone, Debug, Default)]
pub(crate) struct OpenCounters(Vec<(CounterSpec, Arc<Mutex<Kept>>)>);

/// The size of a counter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CounterSize {
    pub(crate) name: String,
    pub(crate) keys: usize,
    pub(crate) bytes: usize,
    /// Bytes that the counter may take.
    pub(crate) limit: usize,
    pub(crate) evictions: u64,
}

impl CounterStore {
    /// Creates a store without counters.
    ///
    /// # Errors
    /// The kernel gives no random numbers.
    pub(crate) fn new() -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self { seed: seed::random()?, counters: Mutex::default() }))
    }

    /// Returns the counters of a plugin, which are opened later.
    pub(crate) fn plugin(self: &Arc<Self>, plugin: &PluginName, limit: usize) -> PluginCounters {
        PluginCounters { store: Arc::clone(self), plugin: plugin.clone(), limit, open: Arc::default() }
    }

    /// Returns a counter: the existing one, or a new one.
    fn open(&self, plugin: &PluginName, spec: &CounterSpec, limit: usize) -> Arc<Mutex<Kept>> {
        let mut counters = lock(&self.counters);
        counters.retain(|_, counter| counter.strong_count() > 0);
        let place = (plugin.clone(), spec.clone());
        if let Some(counter) = counters.get(&place).and_then(Weak::upgrade) {
            lock(&counter).set_limit(limit);
            return counter;
        }
        let counter = Arc::new(Mutex::new(match spec.kind() {
            CounterKind::Sum => Kept::Sum(Counter::sum(self.seed, spec.window(), limit)),
            CounterKind::Distinct => Kept::Distinct(Counter::distinct(self.seed, spec.window(), limit)),
        }));
        counters.insert(place, Arc::downgrade(&counter));
        counter
    }
}

impl PluginCounters {
    /// Opens the counters of a subscription, each with an equal share of the memory. Closes those that the plugin no
    /// longer has.
    pub(crate) fn open(&self, specs: &[CounterSpec]) -> OpenCounters {
        let share = self.share(specs.len());
        let one = |spec: &CounterSpec| (spec.clone(), self.store.open(&self.plugin, spec, share));
        let open = OpenCounters(specs.iter().map(one).collect());
        *lock(&self.open) = open.clone();
        open
    }

    fn share(&self, counters: usize) -> usize {
        self.limit / counters.max(1)
    }

    /// The sizes of the counters. A long addition or search of the plugin may hold a counter for some milliseconds.
    pub(crate) fn sizes(&self) -> Vec<CounterSize> {
        let open = lock(&self.open);
        let limit = self.share(open.0.len());
        let size = |(spec, counter): &(CounterSpec, Arc<Mutex<Kept>>)| {
            let (keys, bytes, evictions) = lock(counter).size();
            CounterSize { name: spec.name().to_owned(), keys, bytes, limit, evictions }
        };
        open.0.iter().map(size).collect()
    }
}

impl OpenCounters {
    pub(crate) fn add(&self, name: &str, additions: &[(CounterKey, u64)], now: Steady) -> Result<Vec<u64>, String> {
        match &mut *self.get(name)? {
            Kept::Sum(counter) => told(additions.iter().map(|(key, amount)| counter.add(key, *amount, now)).collect()),
            Kept::Distinct(_) => Err(format!("the counter {name} counts distinct values; call add-distinct")),
        }
    }

    pub(crate) fn see(
        &self,
        name: &str,
        additions: &[(CounterKey, CounterKey)],
        now: Steady,
    ) -> Result<Vec<u64>, String> {
        match &mut *self.get(name)? {
            Kept::Distinct(counter) => {
                told(additions.iter().map(|(key, value)| counter.see(key, value, now)).collect())
            }
            Kept::Sum(_) => Err(format!("the counter {name} counts sums; call add")),
        }
    }

    pub(crate) fn value(&self, name: &str, key: &CounterKey, now: Steady) -> Result<u64, String> {
        Ok(match &*self.get(name)? {
            Kept::Sum(counter) => counter.value(key, now),
            Kept::Distinct(counter) => counter.value(key, now),
        })
    }

    pub(crate) fn largest(&self, name: &str, most: usize, now: Steady) -> Result<Vec<(CounterKey, u64)>, String> {
        Ok(match &*self.get(name)? {
            Kept::Sum(counter) => counter.largest(most, now),
            Kept::Distinct(counter) => counter.largest(most, now),
        })
    }

    pub(crate) fn reset(&self, name: &str, key: &CounterKey) -> Result<(), String> {
        match &mut *self.get(name)? {
            Kept::Sum(counter) => counter.reset(key),
            Kept::Distinct(counter) => counter.reset(key),
        }
        Ok(())
    }

    fn get(&self, name: &str) -> Result<MutexGuard<'_, Kept>, String> {
        let found = self.0.iter().find(|(spec, _)| spec.name() == name);
        found.map(|(_, counter)| lock(counter)).ok_or_else(|| no_counter(name))
    }
}

impl Kept {
    fn set_limit(&mut self, limit: usize) {
        match self {
            Self::Sum(counter) => counter.set_limit(limit),
            Self::Distinct(counter) => counter.set_limit(limit),
        }
    }

    /// Keys, bytes, evictions.
    fn size(&self) -> (usize, usize, u64) {
        match self {
            Self::Sum(counter) => (counter.len(), counter.bytes(), counter.evictions()),
            Self::Distinct(counter) => (counter.len(), counter.bytes(), counter.evictions()),
        }
    }
}

fn told(values: Result<Vec<u64>, KeyTooLong>) -> Result<Vec<u64>, String> {
    values.map_err(|error| error.to_string())
}

/// Locks a mutex, poisoned or not: a counter that a panic left halfway counts too much or too little, and no more.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Steady = Steady(5_000_000_000);
    const LIMIT: usize = 1 << 20;

    fn spec(name: &str, kind: CounterKind, window: u32) -> CounterSpec {
        CounterSpec::new(name.to_owned(), kind, window).unwrap()
    }

    fn named(name: &str) -> PluginName {
        PluginName::new(name).unwrap()
    }

    fn add(counters: &OpenCounters, name: &str) -> Result<u64, String> {
        counters.add(name, &[(CounterKey::Number(1), 1)], NOW).map(|sums| sums[0])
    }

    #[test]
    fn a_later_instance_finds_the_counters_of_an_earlier_one() {
        let plugin = CounterStore::new().unwrap().plugin(&named("a"), LIMIT);
        let specs = [spec("rate", CounterKind::Sum, 60)];
        assert_eq!(add(&plugin.open(&specs), "rate"), Ok(1));
        assert_eq!(add(&plugin.open(&specs), "rate"), Ok(2));
        let [size] = &plugin.sizes()[..] else { panic!("{:?}", plugin.sizes()) };
        assert_eq!((size.name.as_str(), size.keys, size.limit, size.evictions), ("rate", 1, LIMIT, 0));
    }

    #[test]
    fn a_reload_keeps_the_counters_that_stay_the_same() {
        let store = CounterStore::new().unwrap();
        let old = store.plugin(&named("a"), LIMIT);
        let specs = [spec("rate", CounterKind::Sum, 60), spec("other", CounterKind::Sum, 60)];
        let before = old.open(&specs);
        assert_eq!((add(&before, "rate"), add(&before, "other")), (Ok(1), Ok(1)));
        let new = store.plugin(&named("a"), LIMIT);
        let after = new.open(&[spec("rate", CounterKind::Sum, 60), spec("other", CounterKind::Sum, 30)]);
        assert_eq!((add(&after, "rate"), add(&after, "other")), (Ok(2), Ok(1)), "another window is another counter");
        let neighbour = store.plugin(&named("b"), LIMIT).open(&specs);
        assert_eq!(add(&neighbour, "rate"), Ok(1), "counters are private");
        // The old plugin goes on as before until it stops, also if the reload fails.
        assert_eq!((add(&before, "rate"), add(&before, "other")), (Ok(3), Ok(2)));
        drop((old, before, new, after));
        assert_eq!(add(&store.plugin(&named("a"), LIMIT).open(&specs), "rate"), Ok(1), "nobody held it");
    }

    #[test]
    fn a_wrong_name_or_kind_is_an_error_that_says_so() {
        let plugin = CounterStore::new().unwrap().plugin(&named("a"), LIMIT);
        let open = plugin.open(&[spec("rate", CounterKind::Sum, 60), spec("ports", CounterKind::Distinct, 60)]);
        let no = |name| {
            format!(
                "there is no counter \"{name}\"; name it in subscription.counters, and use it after \
                                 configure has returned"
            )
        };
        assert_eq!(add(&open, "rates"), Err(no("rates")));
        assert_eq!(add(&OpenCounters::default(), "rate"), Err(no("rate")));
        assert_eq!(add(&open, "ports").unwrap_err(), "the counter ports counts distinct values; call add-distinct");
        let (key, seen) =
            (CounterKey::Number(1), |name| open.see(name, &[(CounterKey::Number(1), CounterKey::Number(2))], NOW));
        assert_eq!(seen("rate").unwrap_err(), "the counter rate counts sums; call add");
        assert_eq!(seen("ports"), Ok(vec![1]));
        assert_eq!(open.value("ports", &key, NOW), Ok(1));
        assert_eq!(open.largest("ports", 5, NOW), Ok(vec![(key.clone(), 1)]));
        assert_eq!(open.reset("ports", &key), Ok(()));
        assert_eq!(open.value("ports", &key, NOW), Ok(0));
    }

    #[test]
    fn counters_share_the_memory_in_equal_parts() {
        let plugin = CounterStore::new().unwrap().plugin(&named("a"), LIMIT);
        let open = plugin.open(&[spec("flood", CounterKind::Sum, 60), spec("quiet", CounterKind::Sum, 60)]);
        add(&open, "quiet").unwrap();
        for number in 0..50_000 {
            open.add("flood", &[(CounterKey::Number(number), 1)], NOW).unwrap();
        }
        let [flood, quiet] = &plugin.sizes()[..] else { panic!("{:?}", plugin.sizes()) };
        assert!(flood.evictions > 0 && flood.bytes <= LIMIT / 2 && flood.limit == LIMIT / 2, "{flood:?}");
        assert_eq!((quiet.keys, quiet.evictions), (1, 0));
    }
}
