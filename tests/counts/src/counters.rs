//! Counters with 100,000 keys: additions to known keys, and new keys when the memory is used up.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use anyhow::Result;
use ctwarden_counters::{Counter, Distinct, Seed, Sum};
use ctwarden_model::{CounterKey, Steady};

use crate::Prepared;

const KEYS: u32 = 100_000;
const ADDITIONS: usize = 2_000;
/// Fixed, so that collisions are the same in each run.
const SEED: Seed = Seed([0x0123_4567, 0x89ab_cdef]);
const NOW: Steady = Steady(0);

fn address(number: u32) -> CounterKey {
    CounterKey::Address(IpAddr::V4(Ipv4Addr::from_bits(number)))
}

/// Keys from all parts of the counter.
fn some() -> Vec<CounterKey> {
    (0..KEYS).step_by(KEYS as usize / ADDITIONS).map(address).collect()
}

fn sums(limit: usize) -> Counter<Sum> {
    let mut counter = Counter::sum(SEED, 60, limit);
    for number in 0..KEYS {
        let _ = counter.add(&address(number), 1, NOW);
    }
    counter
}

pub(crate) fn add() -> Result<Prepared> {
    let (mut counter, keys) = (sums(usize::MAX / 2), some());
    Prepared::new(keys.len(), move || {
        keys.iter().filter(|key| counter.add(black_box(key), 1, NOW).is_ok_and(|sum| black_box(sum) > 1)).count()
    })
}

pub(crate) fn distinct() -> Result<Prepared> {
    let (mut counter, keys) = (Counter::<Distinct>::distinct(SEED, 60, usize::MAX / 2), some());
    for number in 0..KEYS {
        for value in 0..10 {
            let _ = counter.see(&address(number), &CounterKey::Number(value), NOW);
        }
    }
    Prepared::new(keys.len(), move || {
        let value = CounterKey::Number(7);
        keys.iter().filter(|key| counter.see(black_box(key), black_box(&value), NOW) == Ok(10)).count()
    })
}

pub(crate) fn flood() -> Result<Prepared> {
    let mut counter = sums(4 << 20);
    let mut number = KEYS;
    Prepared::new(ADDITIONS, move || {
        let keys = (0..ADDITIONS).filter(|_| {
            number = number.wrapping_add(1);
            counter.add(&address(number), 1, NOW) == Ok(1)
        });
        keys.count()
    })
}
