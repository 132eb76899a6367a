//! Sentences about sets, and a comparison with a plain list of claims.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use ctwarden_model::{PortRange, Protocol};
use proptest::prelude::*;

use super::*;

const OPERATOR: fn() -> Source = || Source::Control("alice".into());

fn second(seconds: u64) -> Timestamp {
    Timestamp(seconds * 1_000_000_000)
}

fn network(text: &str) -> Member {
    Member::network(text.parse().unwrap())
}

fn claim(until: Option<u64>) -> Claim {
    Claim::new(second(0), until.map(second), "", "")
}

fn web(text: &str) -> Member {
    Member::service(
        text.parse().unwrap(),
        Service { protocol: Protocol::TCP, ports: PortRange { first: 443, last: 443 } },
    )
}

fn longest(set: &AddressSet, address: &str, now: u64) -> Option<String> {
    set.lookup(address.parse().unwrap(), second(now)).map(|found| format!("{} by {}", found.network, found.source))
}

#[test]
fn a_network_stays_while_any_source_claims_it() {
    let mut set = AddressSet::new();
    for source in [OPERATOR(), Source::File] {
        assert_eq!(set.add(&source, network("198.51.100.7"), claim(None)), Added::New);
    }
    assert!(set.remove(&OPERATOR(), network("198.51.100.7")).is_some());
    let left: Vec<_> = set.covering(network("198.51.100.7"), second(0)).map(|(_, source, _)| source.clone()).collect();
    assert_eq!(left, [Source::File]);
    assert_eq!(set.remove(&OPERATOR(), network("198.51.100.7")), None, "not claimed any more");
    assert!(set.remove(&Source::File, network("198.51.100.7")).is_some());
    assert_eq!((set.len(), longest(&set, "198.51.100.7", 0)), (0, None));
}

#[test]
fn the_claims_of_one_source_that_end_first_go_first() {
    let mut set = AddressSet::new();
    let policy = Source::Plugin(ctwarden_model::PluginName::new("port-scan").unwrap());
    for (address, until) in [("192.0.2.1", Some(90)), ("192.0.2.2", None), ("192.0.2.3", Some(60))] {
        set.add(&policy, network(address), claim(until));
    }
    set.add(&policy, web("192.0.2.3"), claim(Some(30)));
    set.add(&OPERATOR(), network("192.0.2.3"), claim(Some(10)));
    let evicted: Vec<_> = set.evict(&policy, 2).into_iter().map(|evicted| evicted.member).collect();
    assert_eq!(evicted, [web("192.0.2.3"), network("192.0.2.3")]);
    assert_eq!(longest(&set, "192.0.2.3", 0).unwrap(), "192.0.2.3 by alice", "the claims of others stay");
    assert_eq!(set.evict(&policy, 9).len(), 1, "what has no end stays");
    assert_eq!((set.evict(&policy, 9).len(), set.claims_of(&policy)), (0, 1));
}

#[test]
fn a_wider_network_and_a_narrower_one_do_not_take_each_other_away() {
    let mut set = AddressSet::new();
    set.add(&OPERATOR(), network("198.51.100.0/24"), claim(None));
    set.add(&OPERATOR(), network("198.51.100.7"), claim(Some(60)));
    assert_eq!(longest(&set, "198.51.100.7", 1).unwrap(), "198.51.100.7 by alice");
    assert_eq!(longest(&set, "198.51.100.7", 60).unwrap(), "198.51.100.0/24 by alice", "the narrower one has ended");
    set.remove(&OPERATOR(), network("198.51.100.0/24"));
    assert_eq!(longest(&set, "198.51.100.7", 1).unwrap(), "198.51.100.7 by alice");
    assert_eq!(longest(&set, "198.51.100.8", 1), None);
}

#[test]
fn the_latest_end_counts_and_a_short_claim_ends_no_long_one() {
    let mut set = AddressSet::new();
    assert_eq!(set.add(&OPERATOR(), network("198.51.100.7"), claim(Some(60))), Added::New);
    let again = set.add(&OPERATOR(), network("198.51.100.7"), claim(Some(30)));
    assert_eq!(again, Added::AlreadyThere { until: Some(second(60)) });
    let longer = set.add(&OPERATOR(), network("198.51.100.7"), claim(Some(90)));
    assert_eq!(longer, Added::Longer { before: Some(second(60)) });
    set.add(&Source::File, network("198.51.100.7"), claim(Some(70)));
    assert_eq!(set.lookup("198.51.100.7".parse().unwrap(), second(0)).unwrap().until, Some(second(90)));
    assert_eq!(set.expire(second(60), usize::MAX), []);
    let ended: Vec<_> = set.expire(second(90), usize::MAX).into_iter().map(|ended| ended.source).collect();
    assert_eq!((ended.len(), set.len(), set.next_end()), (2, 0, None));
}

#[test]
fn an_ipv4_mapped_address_is_the_ipv4_address() {
    let mut set = AddressSet::new();
    set.add(&OPERATOR(), network("::ffff:198.51.100.7"), claim(None));
    assert!(longest(&set, "198.51.100.7", 0).is_some() && longest(&set, "::ffff:198.51.100.7", 0).is_some());
}

#[test]
fn a_service_is_claimed_alone_and_all_traffic_covers_it() {
    let mut set = AddressSet::new();
    set.add(&OPERATOR(), web("198.51.100.7"), claim(None));
    let port = |port| Service { protocol: Protocol::TCP, ports: PortRange { first: port, last: port } };
    let address = "198.51.100.7".parse().unwrap();
    assert!(set.lookup_service(address, port(443), second(0)).is_some());
    assert!(set.lookup_service(address, port(22), second(0)).is_none());
    assert!(set.lookup(address, second(0)).is_none(), "only one service is claimed");
    set.add(&OPERATOR(), network("198.51.100.0/24"), claim(None));
    assert!(set.lookup_service(address, port(22), second(0)).is_some());
    let holders: Vec<_> = set.covering(web("198.51.100.7"), second(0)).map(|(member, ..)| member.to_string()).collect();
    assert_eq!(holders, ["198.51.100.7 tcp/443", "198.51.100.0/24"]);
}

#[test]
fn a_version_of_a_list_replaces_its_claims_alone_and_keeps_their_begin() {
    let mut set = AddressSet::new();
    set.add(&OPERATOR(), network("198.51.100.7"), claim(Some(60)));
    let at = |seconds| Claim::new(second(seconds), None, "", "");
    let first =
        set.replace(&Source::File, [("198.51.100.7", 1), ("203.0.113.0/24", 1)].map(|(n, t)| (network(n), at(t))));
    assert_eq!(first, Replaced { added: 2, kept: 0, removed: 0 });
    let members = ["203.0.113.0/24", "192.0.2.1", "192.0.2.1"].map(|n| (network(n), at(5)));
    let second_version = set.replace(&Source::File, members);
    assert_eq!(second_version, Replaced { added: 1, kept: 1, removed: 1 });
    let all: Vec<_> = set
        .iter()
        .map(|(member, source, claim)| format!("{member} {source} {}", claim.since.0 / 1_000_000_000))
        .collect();
    assert_eq!(all, ["192.0.2.1 the list file 5", "198.51.100.7 alice 0", "203.0.113.0/24 the list file 1"]);
    assert_eq!((set.len(), set.claims_of(&Source::File), set.claims_of(&OPERATOR())), (3, 2, 1));
}

#[test]
fn a_claim_takes_few_bytes() {
    assert!(size_of::<Claims>() <= 32, "{} bytes", size_of::<Claims>());
}

#[test]
fn ends_of_claims_that_were_made_longer_do_not_pile_up() {
    let mut set = AddressSet::new();
    for until in 1..100_000 {
        set.add(&OPERATOR(), network("198.51.100.7"), claim(Some(until)));
    }
    assert!(set.ends.len() <= 4096 + 1, "{}", set.ends.len());
    assert_eq!(set.expire(second(99_998), usize::MAX), []);
    assert_eq!(set.expire(second(99_999), usize::MAX).len(), 1);
}

/// What is done to a set.
#[derive(Clone, Debug)]
enum Step {
    Add(u8, u8, Option<u8>),
    Remove(u8, u8),
    Replace(u8, Vec<(u8, Option<u8>)>),
    Expire(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let end = || prop::option::of(any::<u8>());
    prop::collection::vec(
        prop_oneof![
            (0u8..3, 0u8..12, end()).prop_map(|(s, m, e)| Step::Add(s, m, e)),
            (0u8..3, 0u8..12).prop_map(|(s, m)| Step::Remove(s, m)),
            (0u8..3, prop::collection::vec((0u8..12, end()), 0..6)).prop_map(|(s, m)| Step::Replace(s, m)),
            any::<u8>().prop_map(Step::Expire),
        ],
        0..60,
    )
}

fn source(number: u8) -> Source {
    [Source::File, Source::Configuration, OPERATOR()].into_iter().nth(number.into()).unwrap()
}

/// Networks that nest, some with a service.
fn member(number: u8) -> Member {
    let networks = ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.1.2.3", "2001:db8::/32", "2001:db8::1"];
    let network = networks[usize::from(number) % networks.len()];
    if usize::from(number) < networks.len() { self::network(network) } else { web(network) }
}

proptest! {
    #[test]
    fn a_set_agrees_with_a_list_of_claims(steps in steps()) {
        let (mut set, mut now) = (AddressSet::new(), 0u64);
        let mut naive: BTreeMap<(Source, Member), Option<u64>> = BTreeMap::new();
        let later = |a: Option<u64>, b: Option<u64>| a.is_none_or(|a| b.is_some_and(|b| a > b));
        for step in steps {
            match step {
                Step::Add(s, m, end) => {
                    let (end, key) = (end.map(u64::from), (source(s), member(m)));
                    set.add(&key.0, key.1, claim(end));
                    match naive.get(&key) {
                        Some(old) if !later(end, *old) || *old == end => {}
                        _ => drop(naive.insert(key, end)),
                    }
                }
                Step::Remove(s, m) => {
                    let key = (source(s), member(m));
                    let removed = set.remove(&key.0, key.1);
                    prop_assert_eq!(removed.map(|claim| claim.until), naive.remove(&key).map(|end| end.map(second)));
                }
                Step::Replace(s, members) => {
                    naive.retain(|(of, _), _| *of != source(s));
                    naive.extend(members.iter().map(|(m, end)| ((source(s), member(*m)), end.map(u64::from))));
                    set.replace(&source(s), members.into_iter().map(|(m, end)| (member(m), claim(end.map(u64::from)))));
                }
                Step::Expire(at) => {
                    now = now.max(at.into());
                    let ended = set.expire(second(now), usize::MAX);
                    let over = |end: &Option<u64>| end.is_some_and(|end| end <= now);
                    prop_assert_eq!(ended.len(), naive.values().filter(|end| over(end)).count());
                    naive.retain(|_, end| !over(end));
                }
            }
            prop_assert_eq!(set.len(), naive.len());
            let mut all: Vec<_> = set.iter().map(|(m, s, c)| ((s.clone(), m), c.until)).collect();
            all.sort_by(|a, b| a.0.cmp(&b.0));
            let expected: Vec<_> = naive.iter().map(|(key, end)| (key.clone(), end.map(second))).collect();
            prop_assert_eq!(all, expected);
            for address in ["10.1.2.3", "10.9.9.9", "2001:db8::1", "192.0.2.1"] {
                let address: core::net::IpAddr = address.parse().unwrap();
                let holds = |member: &Member| member.only().is_none() && member.prefix().contains(address);
                let valid = naive.iter().filter(|((_, m), end)| holds(m) && end.is_none_or(|end| end > now));
                let best = valid.max_by_key(|((_, m), end)| (m.prefix().length(), end.unwrap_or(u64::MAX)));
                let found = set.lookup(address, second(now));
                prop_assert_eq!(
                    found.map(|found| (found.network, found.until)),
                    best.map(|((_, m), end)| (m.prefix(), end.map(second)))
                );
            }
        }
    }
}
