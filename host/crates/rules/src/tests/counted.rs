//! Counters without a host: exact, because they remember every addition.

use std::collections::BTreeSet;

use super::SECOND;
use crate::counters::{Counter, Counters, Key};

pub(super) struct Counted {
    windows: Vec<u64>,
    pub(super) now: u64,
    added: Vec<(usize, Key, Amount, u64)>,
    /// Number of calls.
    pub(super) asked: usize,
    /// Whether the counters are refused.
    pub(super) broken: bool,
}

#[derive(Clone, Copy)]
enum Amount {
    Of(u64),
    Value(Key),
}

impl Counted {
    pub(super) fn new(counters: &[Counter]) -> Self {
        let windows = counters.iter().map(|counter| u64::from(counter.window) * SECOND).collect();
        Self { windows, now: 0, added: Vec::new(), asked: 0, broken: false }
    }

    fn ask(&mut self) -> Result<(), String> {
        self.asked += 1;
        if self.broken { Err("the counter is broken".to_owned()) } else { Ok(()) }
    }

    fn add(&mut self, counter: usize, key: Key, amount: Amount) -> impl Iterator<Item = Amount> {
        self.added.push((counter, key, amount, self.now));
        let since = self.now - self.windows[counter];
        let counted =
            self.added.iter().filter(move |(of, added, _, at)| (*of, *added) == (counter, key) && *at > since);
        counted.map(|(_, _, amount, _)| *amount)
    }
}

impl Counters for Counted {
    fn add_all(&mut self, counter: usize, additions: &[(Key, u64)]) -> Result<Vec<u64>, String> {
        self.ask()?;
        let amount = |amount| if let Amount::Of(amount) = amount { amount } else { 0 };
        Ok(additions.iter().map(|(key, of)| self.add(counter, *key, Amount::Of(*of)).map(amount).sum()).collect())
    }

    fn add_all_distinct(&mut self, counter: usize, additions: &[(Key, Key)]) -> Result<Vec<u64>, String> {
        self.ask()?;
        let number = |(key, value): &(Key, Key)| {
            let values = self.add(counter, *key, Amount::Value(*value));
            let different: BTreeSet<String> = values
                .filter_map(|amount| if let Amount::Value(value) = amount { Some(format!("{value:?}")) } else { None })
                .collect();
            different.len() as u64
        };
        Ok(additions.iter().map(number).collect())
    }
}
