//! Counters against a model that remembers everything, and under floods.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use ctwarden_counters::{Counter, DISTINCT_MAX, LIMIT_MIN, SUB_WINDOWS, Seed};
use ctwarden_model::{CounterKey, Steady};
use proptest::prelude::*;

const SEED: Seed = Seed([11, 12]);
const SECOND: u64 = 1_000_000_000;
/// Room for every key of a test.
const ROOMY: usize = 64 << 20;

fn at(seconds: u64) -> Steady {
    Steady(seconds * SECOND)
}

fn source(number: u32) -> CounterKey {
    CounterKey::Address(IpAddr::V4(Ipv4Addr::from_bits(number)))
}

/// One addition: key, amount or value, time.
type Added = (u32, u64, u64);

/// The additions of a key from this long before a time until that time.
fn within(added: &[Added], key: u32, now: u64, nanoseconds: u64) -> impl Iterator<Item = u64> {
    let from = now.saturating_sub(nanoseconds);
    added.iter().filter(move |(of, _, then)| *of == key && *then >= from && *then <= now).map(|(_, amount, _)| *amount)
}

fn sum(amounts: impl Iterator<Item = u64>) -> u64 {
    amounts.fold(0, u64::saturating_add)
}

/// The window and one sub-window more, in nanoseconds.
fn stretched(window: u32) -> (u64, u64) {
    let window = u64::from(window) * SECOND;
    (window, window + window / SUB_WINDOWS)
}

/// Steps of time as they happen: none, parts of a sub-window, some sub-windows, far more than a window.
fn steps(window: u32) -> impl Strategy<Value = u64> {
    let window = u64::from(window) * SECOND;
    prop_oneof![
        3 => Just(0),
        4 => 0..=window / SUB_WINDOWS,
        4 => 0..=window / 3,
        1 => window - 1..=window + 1,
        1 => window..=window * 40,
    ]
}

fn window() -> impl Strategy<Value = u32> {
    prop_oneof![Just(1_u32), Just(2), Just(7), Just(60), Just(86_400)]
}

fn history(values: u64) -> impl Strategy<Value = (u32, Vec<(u64, u32, u64)>)> {
    window().prop_flat_map(move |window| {
        (Just(window), prop::collection::vec((steps(window), 0..4_u32, 0..values), 1..200))
    })
}

proptest! {
    #[test]
    fn a_sum_has_the_window_and_at_most_one_sub_window_more((window, steps) in history(1_000)) {
        let mut counter = Counter::sum(SEED, window, ROOMY);
        let (exact, most) = stretched(window);
        let (mut added, mut now) = (Vec::new(), 77);
        for (step, key, amount) in steps {
            now += step;
            added.push((key, amount, now));
            let told = counter.add(&source(key), amount, Steady(now)).unwrap();
            prop_assert_eq!(told, counter.value(&source(key), Steady(now)));
            for key in 0..4 {
                let told = counter.value(&source(key), Steady(now));
                let (least, most) = (sum(within(&added, key, now, exact)), sum(within(&added, key, now, most)));
                prop_assert!((least..=most).contains(&told), "{} is not {} to {}", told, least, most);
            }
        }
        prop_assert_eq!(counter.evictions(), 0);
    }

    #[test]
    fn distinct_values_are_those_of_the_window_and_at_most_one_sub_window_more((window, steps) in history(12)) {
        let mut counter = Counter::distinct(SEED, window, ROOMY);
        let (exact, most) = stretched(window);
        let (mut added, mut now) = (Vec::new(), 77);
        for (step, key, value) in steps {
            now += step;
            added.push((key, value, now));
            let told = counter.see(&source(key), &CounterKey::Number(value), Steady(now)).unwrap();
            prop_assert_eq!(told, counter.value(&source(key), Steady(now)));
            for key in 0..4 {
                let told = counter.value(&source(key), Steady(now));
                let distinct = |nanoseconds| within(&added, key, now, nanoseconds).collect::<BTreeSet<_>>().len() as u64;
                let (least, most) = (distinct(exact), distinct(most));
                prop_assert!((least..=most).contains(&told), "{} is not {} to {}", told, least, most);
            }
        }
        prop_assert_eq!(counter.evictions(), 0);
    }

    #[test]
    fn the_largest_are_those_with_the_largest_values(
        amounts in prop::collection::vec((0..50_u32, 0..9_u64), 0..300),
        most in 0..60_usize,
    ) {
        let mut counter = Counter::sum(SEED, 60, ROOMY);
        for (key, amount) in &amounts {
            counter.add(&source(*key), *amount, at(1)).unwrap();
        }
        let mut expected: Vec<_> = (0..50).map(|key| (source(key), counter.value(&source(key), at(1)))).collect();
        expected.retain(|(_, value)| *value > 0);
        expected.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
        let told = counter.largest(most, at(1));
        let values = |keys: &[(CounterKey, u64)]| keys.iter().map(|(_, value)| *value).collect::<Vec<_>>();
        prop_assert_eq!(values(&told), values(&expected[..most.min(expected.len())]));
        prop_assert!(told.iter().all(|key| expected.contains(key)));
        prop_assert!(counter.largest(most, at(120)).is_empty());
    }

    #[test]
    fn no_value_is_too_high_and_no_limit_is_passed_when_memory_is_short(
        steps in prop::collection::vec((0..SECOND, 0..3_000_u32, 1..9_u64), 1..4_000),
    ) {
        let limit = LIMIT_MIN;
        let mut sums = Counter::sum(SEED, 60, limit);
        let mut distinct = Counter::distinct(SEED, 60, limit);
        let most = stretched(60).1;
        let (mut added, mut now) = (Vec::new(), 0);
        for (step, key, amount) in steps {
            now += step;
            added.push((key, amount, now));
            let told = sums.add(&source(key), amount, Steady(now)).unwrap();
            prop_assert!(told >= amount && told <= sum(within(&added, key, now, most)));
            let told = distinct.see(&source(key), &CounterKey::Number(amount), Steady(now)).unwrap();
            prop_assert!(told >= 1 && told <= within(&added, key, now, most).collect::<BTreeSet<_>>().len() as u64);
            prop_assert!(sums.bytes() <= limit && distinct.bytes() <= limit, "{} {}", sums.bytes(), distinct.bytes());
        }
    }
}

#[test]
fn a_window_of_one_second_slides() {
    let mut counter = Counter::sum(SEED, 1, ROOMY);
    for tenth in 0..100 {
        let told = counter.add(&source(1), 1, Steady(tenth * SECOND / 10)).unwrap();
        assert!((10.min(tenth + 1)..=11).contains(&told), "{told} after {tenth} tenths");
    }
    assert_eq!(counter.value(&source(1), at(12)), 0);
}

#[test]
fn time_that_goes_back_counts_as_now() {
    let mut counter = Counter::sum(SEED, 60, ROOMY);
    counter.add(&source(1), 1, at(1_000)).unwrap();
    assert_eq!(counter.add(&source(1), 1, at(10)), Ok(2));
    assert_eq!(counter.value(&source(1), at(0)), 2);
    assert_eq!(counter.add(&source(1), 1, Steady(u64::MAX)), Ok(1));
}

#[test]
fn sums_saturate_and_recover() {
    let mut counter = Counter::sum(SEED, 60, ROOMY);
    assert_eq!(counter.add(&source(1), u64::MAX, at(0)), Ok(u64::MAX));
    assert_eq!(counter.add(&source(1), 5, at(0)), Ok(u64::MAX));
    assert_eq!(counter.add(&source(1), u64::MAX, at(30)), Ok(u64::MAX));
    assert_eq!(counter.add(&source(1), 7, at(60)), Ok(u64::MAX));
    assert_eq!(counter.add(&source(1), 1, at(100)), Ok(8), "the large amounts are over");
}

#[test]
fn a_key_that_was_idle_begins_again_and_frees_its_memory() {
    let mut counter = Counter::sum(SEED, 60, ROOMY);
    let quiet = counter.bytes();
    for second in 0..60 {
        counter.add(&source(1), 1, at(second)).unwrap();
    }
    let busy = counter.bytes();
    assert_eq!(counter.add(&source(1), 1, at(1_000_000)), Ok(1));
    assert!(quiet < counter.bytes() && counter.bytes() < busy);
    counter.reset(&source(1));
    assert_eq!((counter.value(&source(1), at(1_000_000)), counter.len()), (0, 0));
}

#[test]
fn keys_whose_window_is_over_make_room_without_an_eviction() {
    let mut counter = Counter::sum(SEED, 10, 1 << 20);
    for number in 0..200_000 {
        counter.add(&source(number), 1, Steady(u64::from(number) * SECOND / 100)).unwrap();
    }
    assert_eq!(counter.evictions(), 0);
    assert!(counter.len() < 4_000, "{} keys for the 1,000 of a window", counter.len());
}

#[test]
fn a_heavy_key_survives_a_flood_of_keys_that_occur_once() {
    let mut counter = Counter::sum(SEED, 60, 1 << 20);
    let mut told = 0;
    for number in 0..600_000_u32 {
        // A flood of 10,000 sources a second. Every 5,000th packet is from the heavy source: twice a second.
        let now = Steady(u64::from(number) * SECOND / 10_000);
        counter.add(&source(0x0a00_0000 + number), 1, now).unwrap();
        if number % 5_000 == 0 {
            told = counter.add(&source(1), 1, now).unwrap();
        }
    }
    assert_eq!(told, 120, "nothing of the heavy source is lost");
    assert!(counter.evictions() > 500_000 && counter.bytes() <= 1 << 20);
    assert_eq!(counter.largest(1, at(60)), [(source(1), 120)]);
}

#[test]
fn many_values_of_a_key_survive_a_flood_too() {
    let mut counter = Counter::distinct(SEED, 60, 1 << 20);
    let mut told = 0;
    for number in 0..600_000_u32 {
        let now = Steady(u64::from(number) * SECOND / 10_000);
        counter.see(&source(0x0a00_0000 + number), &CounterKey::Number(53), now).unwrap();
        if number % 3_000 == 0 {
            told = counter.see(&source(1), &CounterKey::Number(number.into()), now).unwrap();
        }
    }
    assert_eq!(told, 200);
    assert!(counter.evictions() > 500_000 && counter.bytes() <= 1 << 20);
}

#[test]
fn more_values_than_are_told_apart_are_at_least_that_many() {
    let mut counter = Counter::distinct(SEED, 16, ROOMY);
    for value in 0..5_000 {
        let told = counter.see(&source(1), &CounterKey::Number(value), at(value / 500)).unwrap();
        assert_eq!(told, (value + 1).min(DISTINCT_MAX as u64));
    }
    // The values of the last second are 4,500 to 4,999.
    assert_eq!(counter.value(&source(1), at(9 + 16)), 500);
    assert_eq!(counter.value(&source(1), at(9 + 17)), 0);
}

#[test]
fn a_lower_limit_keeps_the_heavy_keys() {
    let mut counter = Counter::sum(SEED, 60, 8 << 20);
    for number in 0..20_000 {
        counter.add(&source(number), if number % 1_000 == 0 { 50 } else { 1 }, at(0)).unwrap();
    }
    counter.set_limit(512 << 10);
    assert!(counter.bytes() <= 512 << 10);
    let heavy = (0..20_000).step_by(1_000).filter(|number| counter.value(&source(*number), at(0)) == 50).count();
    assert_eq!(heavy, 20);
}

#[test]
fn a_key_of_each_kind_is_told_as_it_was_given() {
    let mut counter = Counter::sum(SEED, 60, ROOMY);
    let six: IpAddr = "2001:db8::1".parse().unwrap();
    let keys = [
        CounterKey::Text("Zürich".into()),
        CounterKey::Text("x".repeat(256)),
        CounterKey::Number(443),
        CounterKey::Pair(six, [192, 0, 2, 1].into()),
        CounterKey::Service(six, 6, 443),
        CounterKey::Network("192.0.2.0/24".parse().unwrap()),
        source(1),
    ];
    for (key, amount) in keys.iter().zip(1..) {
        counter.add(key, amount, at(0)).unwrap();
    }
    let mut expected: Vec<_> = keys.into_iter().zip(1..).collect();
    expected.reverse();
    assert_eq!(counter.largest(10, at(0)), expected);
    let long = counter.add(&CounterKey::Text("x".repeat(257)), 1, at(0)).unwrap_err();
    assert_eq!(long.to_string(), "the text of a key is longer than 256 bytes");
}
