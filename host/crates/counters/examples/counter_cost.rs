//! Measures memory and time of counters: `cargo run --release -p ctwarden-counters --example counter_cost`.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use ctwarden_counters::{Counter, Seed};
use ctwarden_model::{CounterKey, Steady};

const KEYS: u32 = 100_000;
const ROUNDS: u32 = 20;
const ROOM: usize = 1 << 30;
const SECOND: u64 = 1_000_000_000;

fn ipv4(number: u32) -> CounterKey {
    CounterKey::Address(IpAddr::V4(Ipv4Addr::from_bits(number)))
}

fn ipv6(number: u32) -> CounterKey {
    CounterKey::Address(IpAddr::V6(Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(number) << 64)))
}

/// The keys in no order, each once: 61,803 and 100,000 have no common factor.
fn scattered(number: u32) -> u32 {
    (u64::from(number) * 61_803 % u64::from(KEYS)) as u32
}

/// The shortest of several runs, for each operation.
fn fastest(operations: u32, mut run: impl FnMut()) -> f64 {
    let times = (0..ROUNDS).map(|_| {
        let begin = Instant::now();
        run();
        begin.elapsed()
    });
    times.min().unwrap_or(Duration::ZERO).as_secs_f64() * 1e9 / f64::from(operations)
}

fn main() {
    for (name, key) in [("IPv4", ipv4 as fn(u32) -> CounterKey), ("IPv6", ipv6)] {
        let keys: Vec<CounterKey> = (0..KEYS).map(|number| key(scattered(number))).collect();
        let per_key = |bytes: usize| bytes as f64 / f64::from(KEYS);
        let mut counter = Counter::sum(Seed([1, 2]), 60, ROOM);
        let add = |counter: &mut Counter<_>, seconds: u64| {
            for key in &keys {
                let _ = black_box(counter.add(black_box(key), 1, Steady(seconds * SECOND)));
            }
        };
        add(&mut counter, 0);
        println!("{name}, sum, one sub-window: {:.0} bytes a key", per_key(counter.bytes()));
        let same = fastest(KEYS, || add(&mut counter, 0));
        add(&mut counter, 20);
        println!("{name}, sum, several sub-windows: {:.0} bytes a key", per_key(counter.bytes()));
        let mut now = 20;
        let next = fastest(KEYS, || {
            now += 4;
            add(&mut counter, now);
        });
        println!("{name}, sum, {KEYS} keys: {same:.0} ns an addition, {next:.0} ns in a new sub-window");

        let mut counter = Counter::distinct(Seed([1, 2]), 60, ROOM);
        let mut see = |values: u64| {
            for key in &keys {
                let _ = black_box(counter.see(black_box(key), &CounterKey::Number(values), Steady(0)));
            }
            counter.bytes()
        };
        let bytes: Vec<_> = (0..32).map(&mut see).collect();
        for values in [1, 2, 8, 32] {
            let bytes = bytes.get(values - 1).copied().unwrap_or(0);
            println!("{name}, distinct, {values} values: {:.0} bytes a key", per_key(bytes));
        }
        let known = fastest(KEYS, || {
            black_box(see(31));
        });
        println!("{name}, distinct, {KEYS} keys of 32 values: {known:.0} ns for a known value");
    }
    few_keys();
    flood();
    many_values();
}

/// Additions to keys that stay in the caches of the processor.
fn few_keys() {
    let keys: Vec<CounterKey> = (0..1_000).map(ipv4).collect();
    let mut counter = Counter::sum(Seed([1, 2]), 60, ROOM);
    let each = fastest(KEYS, || {
        for _ in 0..KEYS / 1_000 {
            for key in &keys {
                let _ = black_box(counter.add(black_box(key), 1, Steady(0)));
            }
        }
    });
    println!("IPv4, sum, 1,000 keys: {each:.0} ns an addition");
}

/// Keys that occur once, when the memory is used up: each evicts another.
fn flood() {
    let mut counter = Counter::sum(Seed([1, 2]), 60, 16 << 20);
    let mut number = 0;
    let mut add = |many: u32| {
        for _ in 0..many {
            number += 1;
            let _ = black_box(counter.add(&ipv4(number), 1, Steady(u64::from(number) * 1_000)));
        }
    };
    add(1_000_000);
    let each = fastest(KEYS, || add(KEYS));
    println!("flood at 16 MiB: {each:.0} ns a key, {} keys, {} evictions", counter.len(), counter.evictions());
}

/// New values of one key that has as many as are told apart.
fn many_values() {
    let mut counter = Counter::distinct(Seed([1, 2]), 60, 16 << 20);
    let mut value = 0;
    let each = fastest(10_000, || {
        for _ in 0..10_000 {
            value += 1;
            let _ = black_box(counter.see(&ipv4(1), &CounterKey::Number(value), Steady(0)));
        }
    });
    println!("one key with 1,024 values: {each:.0} ns for a new value");
}
