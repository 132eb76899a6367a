//! Counters of the test's host: exact, because they remember every addition of the window.
//!
//! The host's own counters are exact to a sixteenth of the window. A test that depends on less than that is wrong.

use std::time::Duration;

use crate::bindings::ctwarden::conntrack::counters::Key;
use crate::bindings::exports::ctwarden::conntrack::policy as wit;
use crate::{CounterKey, Timestamp};

/// Distinct values that the host tells apart.
const DISTINCT_MAX: usize = 1_024;
/// Limits of the host.
const COUNTERS_MAX: usize = 16;
const NAME_BYTES: usize = 64;
const TEXT_BYTES: usize = 256;
const WINDOW_MAX: u32 = 86_400;
const LARGEST_MAX: usize = 1_000;

/// One counter and its additions.
#[derive(Clone, Debug)]
pub(crate) struct TestCounter {
    spec: wit::Counter,
    /// Key, amount or value, and time.
    added: Vec<(Key, Added, Timestamp)>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Added {
    Amount(u64),
    Value(Key),
}

/// Returns the counters of a subscription.
///
/// # Errors
/// The host would refuse the subscription.
pub(crate) fn open(specs: impl ExactSizeIterator<Item = wit::Counter>) -> Result<Vec<TestCounter>, String> {
    if specs.len() > COUNTERS_MAX {
        return Err(format!("the subscription has {} counters, and the host accepts {COUNTERS_MAX}", specs.len()));
    }
    let mut open: Vec<TestCounter> = Vec::new();
    for spec in specs {
        let name = &spec.name;
        let fits = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if name.is_empty() || name.len() > NAME_BYTES || !fits {
            return Err(format!(
                "the counter name \"{name}\" is not a name: use 1 to {NAME_BYTES} letters, digits or -"
            ));
        }
        if spec.window == 0 || spec.window > WINDOW_MAX {
            let window = spec.window;
            return Err(format!("the counter {name} has a window of {window} seconds; use 1 to {WINDOW_MAX}"));
        }
        if open.iter().any(|other| other.spec.name == *name) {
            return Err(format!("two counters have the name {name}; give each its own"));
        }
        open.push(TestCounter { spec, added: Vec::new() });
    }
    Ok(open)
}

/// Returns the counter with this name.
pub(crate) fn named<'a>(counters: &'a mut [TestCounter], name: &str) -> Result<&'a mut TestCounter, String> {
    counters.iter_mut().find(|counter| counter.spec.name == name).ok_or_else(|| {
        format!("there is no counter \"{name}\"; name it in the subscription, and use it after configure")
    })
}

impl TestCounter {
    /// Adds, and returns the value of the key.
    pub(crate) fn add(&mut self, key: &Key, added: Added, now: Timestamp) -> Result<u64, String> {
        let name = &self.spec.name;
        let fits = match (&added, self.spec.kind) {
            (Added::Amount(_), wit::CounterKind::Sum) => true,
            (Added::Value(value), wit::CounterKind::Distinct) => {
                check(value)?;
                true
            }
            (Added::Amount(_), wit::CounterKind::Distinct) | (Added::Value(_), wit::CounterKind::Sum) => false,
        };
        if !fits {
            return Err(format!("the counter {name} is of the other kind"));
        }
        check(key)?;
        self.added.push((key.clone(), added, now));
        self.value(key, now)
    }

    pub(crate) fn value(&self, key: &Key, now: Timestamp) -> Result<u64, String> {
        check(key)?;
        let window = Duration::from_secs(self.spec.window.into());
        let of_key = self.added.iter().filter(|(of, _, then)| of == key && now.since(*then) <= window);
        let (mut sum, mut values): (u64, Vec<&Key>) = (0, Vec::new());
        for (_, added, _) in of_key {
            match added {
                Added::Amount(amount) => sum = sum.saturating_add(*amount),
                Added::Value(value) if !values.contains(&value) => values.push(value),
                Added::Value(_) => {}
            }
        }
        let distinct = u64::try_from(values.len().min(DISTINCT_MAX)).unwrap_or(u64::MAX);
        Ok(sum.saturating_add(distinct))
    }

    pub(crate) fn largest(&self, most: u32, now: Timestamp) -> Vec<(Key, u64)> {
        let mut keys: Vec<&Key> = Vec::new();
        for (key, _, _) in &self.added {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        let value = |key: &Key| self.value(key, now).ok().filter(|value| *value > 0);
        let mut largest: Vec<_> = keys.into_iter().filter_map(|key| Some((key.clone(), value(key)?))).collect();
        let text = |key: &Key| CounterKey(key.clone()).to_string();
        largest.sort_by(|(one, more), (other, less)| less.cmp(more).then_with(|| text(one).cmp(&text(other))));
        largest.truncate(usize::try_from(most).unwrap_or(LARGEST_MAX).min(LARGEST_MAX));
        largest
    }

    pub(crate) fn reset(&mut self, key: &Key) -> Result<(), String> {
        check(key)?;
        self.added.retain(|(of, _, _)| of != key);
        Ok(())
    }
}

fn check(key: &Key) -> Result<(), String> {
    match key {
        Key::Text(text) if text.len() > TEXT_BYTES => {
            Err(format!("the text of a counter's key is longer than {TEXT_BYTES} bytes"))
        }
        Key::Text(_) | Key::Number(_) | Key::Address(_) | Key::Pair(_) | Key::Service(_) | Key::Network(_) => Ok(()),
    }
}
