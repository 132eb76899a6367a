//! Address sets in the real kernel. The real `nft` serves as an independent witness.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::*;
use crate::witness::{in_own_namespace, nft};

const MAKE: &str = "add table inet t; \
    add set inet t n4 { type ipv4_addr; flags interval, timeout; }; \
    add set inet t n6 { type ipv6_addr; flags interval, timeout; }";

fn table() -> TableName {
    "inet t".parse().unwrap()
}

fn networks() -> Sets {
    nft(MAKE);
    Sets::open(&table(), Some("n4"), Some("n6")).unwrap()
}

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

/// The elements of a set as `nft` prints them, without remaining lifetimes.
fn listed(set: &str) -> Vec<String> {
    let text = nft(&format!("list set inet t {set}"));
    let Some((_, list)) = text.split_once("elements = {") else { return Vec::new() };
    let (list, _) = list.split_once('}').unwrap();
    list.split(',').map(|element| element.split(" expires").next().unwrap().trim().to_owned()).collect()
}

#[test]
fn nft_prints_what_was_added() {
    in_own_namespace(|| {
        let mut sets = networks();
        assert_eq!(sets.add(prefix("192.0.2.0/24"), Some(3600)).unwrap(), Added::New);
        assert_eq!(sets.add(prefix("198.51.100.7"), None).unwrap(), Added::New);
        assert_eq!(sets.add(prefix("2001:db8::/32"), Some(60)).unwrap(), Added::New);
        assert_eq!(sets.add(prefix("2001:db9::1"), None).unwrap(), Added::New);
        assert_eq!(listed("n4"), ["192.0.2.0/24 timeout 1h", "198.51.100.7"]);
        assert_eq!(listed("n6"), ["2001:db8::/32 timeout 1m", "2001:db9::1"]);
    });
}

#[test]
fn the_borders_of_the_address_space_are_networks_too() {
    in_own_namespace(|| {
        let mut sets = networks();
        for text in ["0.0.0.0/8", "255.255.255.0/24", "::/16", "ffff::/16"] {
            assert_eq!(sets.add(prefix(text), Some(60)).unwrap(), Added::New, "{text}");
        }
        assert_eq!(listed("n4"), ["0.0.0.0/8 timeout 1m", "255.255.255.0/24 timeout 1m"]);
        assert_eq!(listed("n6"), ["::/16 timeout 1m", "ffff::/16 timeout 1m"]);
        assert_eq!(sets.add(prefix("255.255.255.255"), Some(30)).unwrap(), Added::AlreadyThere);
        assert_eq!(sets.remove(prefix("255.255.255.255")).unwrap(), Removed::Removed);
        assert_eq!(listed("n4"), ["0.0.0.0/8 timeout 1m", "255.255.255.0-255.255.255.254 timeout 1m"]);
        for text in ["0.0.0.0/0", "::/0"] {
            assert_eq!(sets.add(prefix(text), None).unwrap(), Added::Renewed, "{text}");
        }
        assert_eq!(listed("n4"), ["0.0.0.0/0"]);
        assert_eq!(listed("n6"), ["::/0"]);
    });
}

#[test]
fn again_is_renewed_and_never_shortened() {
    in_own_namespace(|| {
        nft(MAKE);
        let mut sets = Sets::open(&table(), Some("n4"), None).unwrap();
        let one = prefix("192.0.2.1");
        assert_eq!(sets.add(one, Some(60)).unwrap(), Added::New);
        assert_eq!(sets.add(one, Some(30)).unwrap(), Added::AlreadyThere);
        assert_eq!(listed("n4"), ["192.0.2.1 timeout 1m"]);
        assert_eq!(sets.add(one, Some(3600)).unwrap(), Added::Renewed);
        assert_eq!(listed("n4"), ["192.0.2.1 timeout 1h"]);
        assert_eq!(sets.add(one, None).unwrap(), Added::Renewed);
        assert_eq!(listed("n4"), ["192.0.2.1"]);
        assert_eq!(sets.add(one, Some(3600)).unwrap(), Added::AlreadyThere);
        assert_eq!(sets.add(one, None).unwrap(), Added::AlreadyThere);
        assert_eq!(sets.remove(one).unwrap(), Removed::Removed);
        assert_eq!(sets.remove(one).unwrap(), Removed::NotThere);
        assert_eq!(listed("n4"), [""; 0]);
    });
}

#[test]
fn a_set_with_a_lifetime_of_its_own_keeps_what_is_for_ever() {
    in_own_namespace(|| {
        nft("add table inet t; add set inet t s { type ipv4_addr; flags interval, timeout; timeout 10m; }");
        let mut sets = Sets::open(&table(), Some("s"), None).unwrap();
        assert_eq!(sets.add(prefix("192.0.2.1"), None).unwrap(), Added::New);
        assert_eq!(sets.add(prefix("192.0.2.1"), Some(3600)).unwrap(), Added::AlreadyThere);
        nft("add element inet t s { 198.51.100.0/24 }");
        assert_eq!(sets.add(prefix("198.51.100.0/25"), Some(60)).unwrap(), Added::AlreadyThere);
        assert_eq!(sets.remove(prefix("198.51.100.128/25")).unwrap(), Removed::Removed);
        let text = nft("list set inet t s");
        assert!(text.contains("198.51.100.0/25 expires 9m59s"), "{text}");
        assert!(!text.contains("192.0.2.1 expires"), "{text}");
    });
}

#[test]
fn an_address_in_a_blocked_network_is_done() {
    in_own_namespace(|| {
        let mut sets = networks();
        nft("add element inet t n4 { 192.0.2.0/24 timeout 10m comment \"by hand\" }");
        assert_eq!(sets.add(prefix("192.0.2.77"), Some(60)).unwrap(), Added::AlreadyThere);
        assert_eq!(sets.add(prefix("192.0.2.64/26"), Some(60)).unwrap(), Added::AlreadyThere);
        // A longer block of one address stays, even if the network around it changes.
        assert_eq!(sets.add(prefix("192.0.2.77"), Some(3600)).unwrap(), Added::Renewed);
        assert_eq!(
            listed("n4"),
            ["192.0.2.0-192.0.2.76 timeout 10m", "192.0.2.77 timeout 1h", "192.0.2.78-192.0.2.255 timeout 10m"]
        );
        assert_eq!(nft("list set inet t n4").matches("comment \"by hand\"").count(), 2);
        assert_eq!(sets.remove(prefix("192.0.2.0/24")).unwrap(), Removed::Removed);
        assert_eq!(listed("n4"), [""; 0]);
    });
}

#[test]
fn a_network_takes_in_what_ends_sooner() {
    in_own_namespace(|| {
        let mut sets = networks();
        nft("add element inet t n4 { 192.0.2.5 timeout 10s, 192.0.2.9, 192.0.2.200-192.0.3.7 timeout 1m }");
        assert_eq!(sets.add(prefix("192.0.2.0/24"), Some(3600)).unwrap(), Added::Renewed);
        assert_eq!(
            listed("n4"),
            [
                "192.0.2.0-192.0.2.8 timeout 1h",
                "192.0.2.9",
                "192.0.2.10-192.0.2.255 timeout 1h",
                "192.0.3.0/29 timeout 1m"
            ]
        );
    });
}

#[test]
fn neighbours_are_not_torn_open() {
    in_own_namespace(|| {
        let mut sets = networks();
        nft("add element inet t n4 { 192.0.2.0/25, 192.0.2.128/25 timeout 1h, 192.0.3.0/24 }");
        assert_eq!(sets.remove(prefix("192.0.2.0/24")).unwrap(), Removed::Removed);
        assert_eq!(listed("n4"), ["192.0.3.0/24"]);
        assert_eq!(sets.add(prefix("192.0.2.255"), None).unwrap(), Added::New);
        assert_eq!(sets.add(prefix("192.0.4.0"), None).unwrap(), Added::New);
        assert_eq!(sets.remove(prefix("192.0.3.0/24")).unwrap(), Removed::Removed);
        assert_eq!(listed("n4"), ["192.0.2.255", "192.0.4.0"]);
    });
}

#[test]
fn what_has_expired_is_added_anew() {
    in_own_namespace(|| {
        nft(MAKE);
        let mut sets = Sets::open(&table(), Some("n4"), None).unwrap();
        nft("add element inet t n4 { 192.0.2.1 timeout 50ms }");
        let end = Instant::now() + Duration::from_secs(5);
        while !listed("n4").is_empty() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(sets.add(prefix("192.0.2.1"), Some(60)).unwrap(), Added::New);
        assert_eq!(listed("n4"), ["192.0.2.1 timeout 1m"]);
    });
}

#[test]
fn what_cannot_be_added_is_named() {
    in_own_namespace(|| {
        nft(MAKE);
        let mut sets = Sets::open(&table(), Some("n4"), None).unwrap();
        assert!(matches!(sets.add(prefix("192.0.2.1"), Some(0)), Err(ChangeError::NoTime(_))));
        assert!(matches!(sets.add(prefix("::1"), None), Err(ChangeError::NoSet(_))));
        nft("add set inet t full { type ipv4_addr; flags interval, timeout; size 1; }");
        let mut sets = Sets::open(&table(), Some("full"), None).unwrap();
        sets.add(prefix("192.0.2.1"), Some(60)).unwrap();
        let error = sets.add(prefix("192.0.2.2"), Some(60)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "nftables refused 192.0.2.2 in set full: Too many open files in system (os error 23)"
        );
        nft("delete set inet t full");
        assert!(matches!(sets.remove(prefix("192.0.2.2")), Err(ChangeError::SetGone { .. })));
        let error = sets.add(prefix("192.0.2.2"), None).unwrap_err();
        assert_eq!(error.to_string(), "nftables set full in table inet t no longer exists");
        // The set is found by name, not by handle, so a rule set that was loaded again is used at once.
        nft("add set inet t full { type ipv4_addr; flags interval, timeout; }");
        assert_eq!(sets.add(prefix("192.0.2.2"), None).unwrap(), Added::New);
    });
}

#[test]
fn a_set_that_cannot_be_used_is_named_with_the_way_out() {
    in_own_namespace(|| {
        let open = |ipv4: Option<&str>, ipv6: Option<&str>| Sets::open(&table(), ipv4, ipv6).unwrap_err().to_string();
        let way_out = |name: &str, kind: &str| {
            format!("nft 'add table inet t; add set inet t {name} {{ type {kind}; flags interval, timeout; }}'")
        };
        let missing = open(Some("n4"), None);
        let command = way_out("n4", "ipv4_addr");
        assert_eq!(missing, format!("there is no nftables set n4 in table inet t; create it with: {command}"));
        // The suggested command works.
        nft(command.trim_start_matches("nft '").trim_end_matches('\''));
        Sets::open(&table(), Some("n4"), None).unwrap();
        assert!(open(Some("n4"), Some("n6")).ends_with(&way_out("n6", "ipv6_addr")));
        assert!(open(None, Some("n4")).contains("set n4 in table inet t does not hold IPv6 addresses;"));
        assert!(open(None, None).contains("no set is named"));
        nft("add set inet t ports { type inet_service; flags timeout; }; \
             add set inet t plain { type ipv4_addr; flags interval; }; \
             add set inet t single { type ipv4_addr; flags timeout; }; \
             add map inet t m { type ipv4_addr : verdict; flags timeout; }; \
             add set inet t fixed { type ipv4_addr; flags constant; }");
        assert!(open(Some("ports"), None).contains("does not hold IPv4 addresses"));
        assert!(open(Some("plain"), None).contains("lacks \"flags timeout\""));
        assert!(open(Some("single"), None).contains("lacks \"flags interval\" and holds no networks"));
        assert!(open(Some("m"), None).contains("is a map"));
        assert!(open(Some("fixed"), None).contains("cannot be changed"));
    });
}

#[test]
fn two_at_a_time_do_not_tear_the_set() {
    in_own_namespace(|| {
        networks();
        let outside = ["10.0.0.0/8", "192.0.1.255", "192.0.3.0", "255.255.255.0/24"];
        nft(&format!("add element inet t n4 {{ {} }}", outside.join(", ")));
        let busy = |seed: u8| {
            let mut sets = Sets::open(&table(), Some("n4"), None).unwrap();
            let mut random = u32::from(seed);
            for _ in 0..400 {
                // The generator of Numerical Recipes. Any order will do, but it must be the same each time.
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let [low, length, add, _] = random.to_be_bytes();
                let network = Prefix::new([192, 0, 2, low].into(), 24 + length % 9).unwrap();
                let result = match add % 2 {
                    0 => sets.add(network, Some(3600 + u32::from(add))).map(drop),
                    _ => sets.remove(network).map(drop),
                };
                // The other thread may have been faster at every attempt.
                let lost = Errno::EAGAIN as i32;
                assert!(result.is_ok() || matches!(result, Err(ChangeError::Refused { errno, .. }) if errno == lost));
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(|| busy(1));
            scope.spawn(|| busy(2));
        });
        let mut sets = Sets::open(&table(), Some("n4"), None).unwrap();
        sets.remove(prefix("192.0.2.0/24")).unwrap();
        assert_eq!(listed("n4"), outside);
    });
}

/// The hours that each address of a small network stays, by the last octet of the address. 0 means forever.
type Stays = BTreeMap<u8, u32>;

/// Reads the content of 192.0.2.0/24 from `nft`, with whole lifetimes in hours.
fn stays() -> Stays {
    let mut stays = Stays::new();
    for element in listed("n4") {
        let (range, timeout) = element.split_once(" timeout ").unwrap_or((&element, "0h"));
        let hours = if let Some((days, hours)) = timeout.split_once('d') {
            days.parse::<u32>().unwrap() * 24 + hours.trim_end_matches('h').parse::<u32>().unwrap_or(0)
        } else {
            timeout.trim_end_matches('h').parse().unwrap()
        };
        let (first, last) = match range.split_once('-') {
            Some((first, last)) => (first.parse().unwrap(), last.parse().unwrap()),
            None => (prefix(range).address(), prefix(range).last()),
        };
        let low = |address: std::net::IpAddr| match address {
            std::net::IpAddr::V4(address) => address.octets()[3],
            std::net::IpAddr::V6(_) => panic!("{address}"),
        };
        for address in low(first)..=low(last) {
            assert_eq!(stays.insert(address, hours), None, "{address} is listed twice");
        }
    }
    stays
}

#[test]
fn any_order_of_additions_and_removals_leaves_what_was_promised() {
    in_own_namespace(|| {
        networks();
        // The networks are close together, so that elements touch. Some are at the end of the address space.
        let step = (any::<bool>(), 224u8..=255, 27u8..=32, 0u32..40);
        let cases =
            (proptest::sample::select(vec![[192, 0, 2], [255, 255, 255]]), proptest::collection::vec(step, 1..20));
        let config = ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() };
        let tested = TestRunner::new(config).run(&cases, |([a, b, c], steps)| {
            nft("flush set inet t n4");
            let mut sets = Sets::open(&table(), Some("n4"), None).unwrap();
            let mut expected = Stays::new();
            for (add, low, length, hours) in steps {
                let network = Prefix::new([a, b, c, low].into(), length).unwrap();
                let inside = (0..=255).filter(|low| network.contains([a, b, c, *low].into()));
                if add {
                    sets.add(network, (hours != 0).then_some(hours * 3600)).unwrap();
                    for address in inside {
                        // Zero hours mean forever.
                        expected
                            .entry(address)
                            .and_modify(|old| *old = if *old == 0 || hours == 0 { 0 } else { hours.max(*old) })
                            .or_insert(hours);
                    }
                } else {
                    let was = inside.clone().any(|address| expected.contains_key(&address));
                    let removed = if was { Removed::Removed } else { Removed::NotThere };
                    prop_assert_eq!(sets.remove(network).unwrap(), removed);
                    inside.for_each(|address| {
                        expected.remove(&address);
                    });
                }
                prop_assert_eq!(stays(), expected.clone());
            }
            Ok(())
        });
        tested.unwrap();
    });
}

#[test]
fn an_address_between_touching_elements_is_found() {
    in_own_namespace(|| {
        let mut sets = networks();
        for text in ["192.0.2.0/29", "192.0.2.8", "192.0.2.9", "192.0.2.10/31"] {
            assert_eq!(sets.add(prefix(text), Some(60)).unwrap(), Added::New, "{text}");
        }
        assert_eq!(sets.add(prefix("192.0.2.8"), Some(3600)).unwrap(), Added::Renewed);
        assert_eq!(sets.remove(prefix("192.0.2.9")).unwrap(), Removed::Removed);
        assert_eq!(listed("n4"), ["192.0.2.0/29 timeout 1m", "192.0.2.8 timeout 1h", "192.0.2.10/31 timeout 1m"]);
    });
}

#[test]
fn a_set_of_thousands_is_changed_in_a_moment() {
    in_own_namespace(|| {
        let mut sets = networks();
        let elements: Vec<String> =
            (0..5000u32).map(|n| std::net::Ipv4Addr::from(0x0a00_0000 + n * 2).to_string()).collect();
        nft(&format!("add element inet t n4 {{ {} }}", elements.join(", ")));
        let since = Instant::now();
        assert_eq!(sets.add(prefix("10.0.0.0/22"), Some(60)).unwrap(), Added::Renewed);
        assert_eq!(sets.remove(prefix("10.0.0.0/22")).unwrap(), Removed::Removed);
        assert_eq!(sets.add(prefix("10.0.32.0"), Some(60)).unwrap(), Added::AlreadyThere);
        // Much longer than the changes need, and much shorter than a time that grows with the square of the size.
        assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
        assert_eq!(listed("n4").len(), 5000 - 512);
    });
}
