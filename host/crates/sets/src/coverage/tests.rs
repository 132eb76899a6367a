//! Examples of ranges, and the comparison of ranges with single addresses.

use core::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;

fn second(seconds: u64) -> Timestamp {
    Timestamp(seconds * 1_000_000_000)
}

fn network(text: &str) -> Prefix {
    text.parse().unwrap()
}

fn address(text: &str) -> u128 {
    number_of(text.parse().unwrap())
}

fn coverage(networks: &[(&str, Option<u64>)]) -> Coverage {
    let mut coverage = Coverage::new();
    for (text, until) in networks {
        coverage.put(network(text), until.map(second));
    }
    coverage
}

#[test]
fn a_narrow_network_that_ends_later_is_cut_out_of_a_wide_one() {
    let coverage = coverage(&[("10.0.0.0/24", Some(60)), ("10.0.0.7", Some(90)), ("10.0.0.9", Some(30))]);
    let pieces = coverage.pieces(network("10.0.0.0/24"), &PrefixSet::new());
    let expected = [("10.0.0.0", "10.0.0.6", 60), ("10.0.0.7", "10.0.0.7", 90), ("10.0.0.8", "10.0.0.255", 60)];
    let expected = expected.map(|(first, last, until)| Piece {
        first: address(first),
        last: address(last),
        until: Some(second(until)),
    });
    assert_eq!(pieces, expected);
}

#[test]
fn a_network_that_overlaps_a_forbidden_address_covers_nothing_but_its_parts_do() {
    let coverage = coverage(&[("10.0.0.0/8", None), ("10.9.0.0/16", None), ("10.1.2.3", None)]);
    let never: PrefixSet = [network("10.1.2.3")].into_iter().collect();
    let pieces = coverage.pieces(network("10.0.0.0/8"), &never);
    assert_eq!(pieces, [Piece { first: address("10.9.0.0"), last: address("10.9.255.255"), until: None }]);
}

#[test]
fn the_region_is_the_widest_network_around_a_change() {
    let mut coverage = coverage(&[("10.0.0.0/8", None), ("10.1.0.0/16", None), ("2001:db8::/32", None)]);
    assert_eq!(coverage.region(network("10.1.2.3")), network("10.0.0.0/8"));
    assert_eq!(coverage.region(network("10.0.0.0/8")), network("10.0.0.0/8"));
    assert_eq!(coverage.region(network("192.0.2.1")), network("192.0.2.1"));
    assert_eq!(coverage.region(network("2001:db8::1")), network("2001:db8::/32"));
    coverage.remove(network("10.0.0.0/8"));
    assert_eq!(coverage.region(network("10.1.2.3")), network("10.1.0.0/16"));
    assert_eq!(coverage.region(network("10.0.0.0/8")), network("10.0.0.0/8"));
}

#[test]
fn the_whole_of_a_family_is_one_piece() {
    let coverage = coverage(&[("::/0", None), ("ffff::/16", Some(5)), ("0.0.0.0/0", Some(5)), ("255.0.0.0/8", None)]);
    let all = |family| coverage.all_pieces(family, &PrefixSet::new());
    assert_eq!(all(Family::Ipv6), [Piece { first: 0, last: u128::MAX, until: None }]);
    let last = Piece { first: 0xff00_0000, last: 0xffff_ffff, until: None };
    assert_eq!(all(Family::Ipv4), [Piece { first: 0, last: 0xfeff_ffff, until: Some(second(5)) }, last]);
}

fn networks() -> impl Strategy<Value = Vec<(Prefix, Option<u64>)>> {
    let one = (any::<u8>(), 24_u8..=32, proptest::option::of(1_u64..5));
    proptest::collection::vec(one, 0..12).prop_map(|networks| {
        let near = |low: u8| IpAddr::V4(Ipv4Addr::new(192, 0, 2, low));
        networks.into_iter().map(|(low, length, until)| (Prefix::around(near(low), length), until)).collect()
    })
}

fn later(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    Some(a?.max(b?))
}

proptest! {
    #[test]
    fn each_address_stays_as_long_as_the_last_network_around_it(
        networks in networks(),
        removed in networks(),
        never in proptest::collection::vec(any::<u8>(), 0..2),
    ) {
        let mut coverage = Coverage::new();
        let mut model: BTreeMap<Prefix, Option<u64>> = BTreeMap::new();
        let never: PrefixSet =
            never.into_iter().map(|low| Prefix::host(IpAddr::V4(Ipv4Addr::new(192, 0, 2, low)))).collect();
        // What a mirror holds that replaces the region of each change.
        let mut mirror: BTreeMap<u128, Piece> = BTreeMap::new();
        let changes = networks.iter().map(|(network, until)| (*network, Some(*until)));
        for (network, change) in changes.chain(removed.iter().map(|(network, _)| (*network, None))) {
            let before = coverage.region(network);
            match change {
                Some(until) => {
                    coverage.put(network, until.map(second));
                    model.insert(network, until);
                }
                None => {
                    coverage.remove(network);
                    model.remove(&network);
                }
            }
            prop_assert_eq!(coverage.region(network), before);
            let (first, last) = (number_of(before.address()), number_of(before.last()));
            let crosses = mirror.values().any(|piece| piece.first < first && first <= piece.last
                || piece.first <= last && last < piece.last);
            prop_assert!(!crosses, "a piece reaches beyond the region {before}");
            mirror.retain(|place, _| !(first..=last).contains(place));
            mirror.extend(coverage.pieces(before, &never).into_iter().map(|piece| (piece.first, piece)));
        }
        let whole = coverage.all_pieces(Family::Ipv4, &never);
        let by_address = |pieces: &[Piece]| {
            let mut map = BTreeMap::new();
            for piece in pieces {
                for address in piece.first..=piece.last {
                    assert_eq!(map.insert(address, piece.until), None, "pieces overlap: {pieces:?}");
                }
            }
            map
        };
        let mut expected = BTreeMap::new();
        for (network, until) in model.iter().filter(|(network, _)| !never.overlaps(**network)) {
            for address in number_of(network.address())..=number_of(network.last()) {
                let there = expected.entry(address).or_insert(*until);
                *there = later(*there, *until);
            }
        }
        let expected: BTreeMap<u128, Option<Timestamp>> =
            expected.into_iter().map(|(address, until)| (address, until.map(second))).collect();
        prop_assert_eq!(by_address(&whole), expected.clone());
        prop_assert_eq!(by_address(&mirror.into_values().collect::<Vec<_>>()), expected);
    }
}
