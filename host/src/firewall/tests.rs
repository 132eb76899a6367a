//! The packet filter in the real kernel. The real `nft` serves as an independent witness.

use std::time::Instant;

use ctwarden_model::{Prefix, PrefixMap};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;
use crate::clock;
use crate::witness::{in_own_namespace, nft};

fn firewall() -> (Firewall, UnboundedReceiver<FirewallNews>) {
    let (results, received) = unbounded_channel();
    (Firewall::start(results).unwrap(), received)
}

fn name(set: &str) -> SetName {
    SetName(set.to_owned())
}

fn member(text: &str) -> Member {
    text.parse().unwrap()
}

fn managed(set: &str, list: &[&str], claims: &[(&str, Option<u64>)]) -> MirroredSet {
    let networks: PrefixMap<Arc<str>> =
        list.iter().map(|text| (text.parse::<Prefix>().unwrap(), Arc::default())).collect();
    let claims = claims.iter().map(|(text, seconds)| (member(text), seconds.map(after))).collect();
    let list = (!networks.is_empty()).then(|| Arc::new(networks));
    MirroredSet { name: name(set), mirror: Mirror::Managed(FilterVerdict::Drop), list, claims }
}

/// So many seconds from now.
fn after(seconds: u64) -> Timestamp {
    Timestamp(clock::now().wall.0 + seconds * 1_000_000_000)
}

fn none() -> PrefixSet {
    PrefixSet::new()
}

/// The elements of a set as `nft` prints them, without lifetimes.
fn listed(set: &str) -> Vec<String> {
    let text = nft(&format!("list set inet ctwarden {set}"));
    let Some((_, list)) = text.split_once("elements = {") else { return Vec::new() };
    let (list, _) = list.split_once('}').unwrap();
    list.split(',').map(|element| element.split(" timeout").next().unwrap().trim().to_owned()).collect()
}

/// Waits until the set holds these elements, at most a second.
fn wait_for(set: &str, elements: &[&str]) {
    let begin = Instant::now();
    while begin.elapsed().as_millis() < 1000 {
        let there = std::panic::catch_unwind(|| listed(set)).unwrap_or_default();
        if there == elements {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert_eq!(listed(set), elements);
}

fn change(
    (firewall, results): &mut (Firewall, UnboundedReceiver<FirewallNews>),
    set: &str,
    members: &[(&str, Option<Option<u64>>)],
) -> Result<(), FirewallError> {
    let members = members.iter().map(|(text, until)| (member(text), until.map(|seconds| seconds.map(after))));
    let ticket = firewall.change(name(set), members.collect());
    loop {
        match results.blocking_recv().unwrap() {
            FirewallNews::Done(done, result) => {
                assert_eq!(done, ticket);
                return result;
            }
            FirewallNews::Repaired(_) => {}
        }
    }
}

#[test]
fn the_table_holds_lists_and_claims_of_every_kind() {
    in_own_namespace(|| {
        let mut world = firewall();
        let sets = vec![
            managed("banned", &["192.0.2.0/24", "2001:db8::/32"], &[("198.51.100.7", Some(60)), ("192.0.2.9", None)]),
            managed("ports", &[], &[("203.0.113.5 tcp/22", None), ("2001:db8::5 udp", Some(60))]),
        ];
        world.0.configure(sets, false, none()).unwrap();
        assert_eq!(listed("banned4"), ["192.0.2.0/24", "198.51.100.7"]);
        assert_eq!(listed("banned6"), ["2001:db8::/32"]);
        assert_eq!(listed("ports4p"), ["203.0.113.5 . tcp . 22"]);
        assert_eq!(listed("ports6p"), ["2001:db8::5 . udp . 0-65535"]);
        let rules = nft("list table inet ctwarden");
        for rule in [
            "ip saddr @banned4 counter name \"banned\" drop",
            "ip6 daddr @banned6 counter name \"banned\" drop",
            "ip saddr . meta l4proto . th dport @ports4p counter name \"ports\" drop",
            "ip6 daddr . meta l4proto . th dport @ports6p counter name \"ports\" drop",
            "type filter hook prerouting priority raw; policy accept;",
            "type filter hook output priority raw; policy accept;",
            "hook forward priority",
            "hook input priority",
            "ct state invalid",
            "comment \"managed by ctwarden\"",
        ] {
            assert!(rules.contains(rule), "{rule} is missing in {rules}");
        }
        // A change of one network, inside of a wider one and beside it.
        change(&mut world, "banned", &[("192.0.2.9", Some(Some(5))), ("198.51.100.8", Some(None))]).unwrap();
        assert_eq!(listed("banned4"), ["192.0.2.0/24", "198.51.100.7", "198.51.100.8"]);
        change(&mut world, "banned", &[("198.51.100.7", None), ("198.51.100.8 tcp/80-90", Some(None))]).unwrap();
        assert_eq!(listed("banned4"), ["192.0.2.0/24", "198.51.100.8"]);
        assert_eq!(listed("banned4p"), ["198.51.100.8 . tcp . 80-90"]);
        // A new list, and then no set at all.
        world.0.use_list(
            name("banned"),
            Arc::new([("192.0.2.128/25".parse().unwrap(), Arc::default())].into_iter().collect()),
        );
        wait_for("banned4", &["192.0.2.9", "192.0.2.128/25", "198.51.100.8"]);
        world.0.configure(Vec::new(), false, none()).unwrap();
        assert!(!nft("list ruleset").contains("ctwarden"));
    });
}

#[test]
fn whatever_another_program_changes_comes_back_within_a_second() {
    in_own_namespace(|| {
        let mut world = firewall();
        let sets =
            vec![managed("banned", &["192.0.2.0/24"], &[("198.51.100.7", Some(600)), ("203.0.113.5 tcp/22", None)])];
        world.0.configure(sets, false, none()).unwrap();
        let whole = ["192.0.2.0/24", "198.51.100.7"];
        for command in [
            "flush ruleset",
            "delete table inet ctwarden",
            "delete element inet ctwarden banned4 { 198.51.100.7 }",
            "flush set inet ctwarden banned4",
            "add element inet ctwarden banned4 { 203.0.113.9 }",
            "flush chain inet ctwarden blocked",
            "insert rule inet ctwarden blocked accept",
            "flush set inet ctwarden banned4p",
        ] {
            nft(command);
            wait_for("banned4", &whole);
            wait_for("banned4p", &["203.0.113.5 . tcp . 22"]);
            let begin = Instant::now();
            let is_whole = || {
                let rules = nft("list chain inet ctwarden blocked");
                rules.contains("@banned4 counter") && !rules.contains("accept")
            };
            while !is_whole() && begin.elapsed().as_secs() < 1 {}
            assert!(is_whole(), "after {command}");
        }
        assert!(world.0.state().repairs >= 8, "{:?}", world.0.state());
    });
}

#[test]
fn a_protected_address_is_held_back_with_the_network_around_it() {
    in_own_namespace(|| {
        let mut world = firewall();
        let never: PrefixSet = ["192.0.2.7".parse().unwrap()].into_iter().collect();
        let sets = || vec![managed("banned", &["192.0.0.0/16", "192.0.2.64/26", "10.0.0.0/8"], &[])];
        world.0.configure(sets(), false, never).unwrap();
        assert_eq!(listed("banned4"), ["10.0.0.0/8", "192.0.2.64/26"]);
        let state = world.0.state().sets[&name("banned")].clone();
        assert_eq!((state.held_back.count, state.held_back.first), (1, vec!["192.0.0.0/16".parse().unwrap()]));
        world.0.use_never(none());
        wait_for("banned4", &["10.0.0.0/8", "192.0.0.0/16"]);
        world.0.use_never(["10.1.1.1".parse().unwrap()].into_iter().collect());
        wait_for("banned4", &["192.0.0.0/16"]);
    });
}

#[test]
fn a_table_of_somebody_else_is_not_touched() {
    in_own_namespace(|| {
        nft("add table inet ctwarden; add set inet ctwarden mine { type ipv4_addr; }");
        let mut world = firewall();
        world.0.configure(Vec::new(), false, none()).unwrap();
        let refused = world.0.configure(vec![managed("banned", &[], &[])], false, none()).unwrap_err().to_string();
        assert!(refused.contains("there is a table inet ctwarden that ctwarden did not create"), "{refused}");
        assert!(nft("list ruleset").contains("mine"));
    });
}

#[test]
fn a_table_of_an_earlier_run_is_replaced_without_a_gap_and_goes_with_the_last_set() {
    in_own_namespace(|| {
        let mut world = firewall();
        world.0.configure(vec![managed("banned", &["192.0.2.0/24"], &[])], false, none()).unwrap();
        drop(world);
        assert_eq!(listed("banned4"), ["192.0.2.0/24"], "a ban outlives the daemon");
        let mut world = firewall();
        let reject = MirroredSet {
            mirror: Mirror::Managed(FilterVerdict::Reject),
            ..managed("other", &[], &[("198.51.100.7", None)])
        };
        world.0.configure(vec![reject], false, none()).unwrap();
        let table = nft("list table inet ctwarden");
        assert!(!table.contains("banned") && table.contains("reject with icmpx"), "{table}");
        world.0.configure(Vec::new(), false, none()).unwrap();
        assert!(!nft("list ruleset").contains("ctwarden"));
    });
}

#[test]
fn sets_of_the_operator_get_ours_and_keep_theirs() {
    in_own_namespace(|| {
        nft("add table inet t; add set inet t b4 { type ipv4_addr; flags interval, timeout; }; \
             add element inet t b4 { 203.0.113.1, 192.0.2.0/28 }");
        let mut world = firewall();
        let open = || Sets::open(&"inet t".parse().unwrap(), Some("b4"), None).unwrap();
        let mirrored = |claims: &[(&str, Option<u64>)]| {
            vec![MirroredSet { mirror: Mirror::Operators(Box::new(open())), ..managed("banned", &[], claims) }]
        };
        world.0.configure(mirrored(&[("198.51.100.7", None), ("192.0.2.0/24", Some(600))]), false, none()).unwrap();
        let elements = || nft("list set inet t b4");
        assert!(elements().contains("203.0.113.1") && elements().contains("198.51.100.7"), "{}", elements());
        // A narrower network of the same set goes, and the wider one stays whole.
        change(&mut world, "banned", &[("192.0.2.77", Some(Some(60)))]).unwrap();
        change(&mut world, "banned", &[("192.0.2.77", None)]).unwrap();
        assert!(nft("get element inet t b4 { 192.0.2.77 }").contains("192.0.2."));
        nft("flush set inet t b4");
        let begin = Instant::now();
        while !elements().contains("198.51.100.7") && begin.elapsed().as_secs() < 1 {}
        assert!(elements().contains("198.51.100.7") && elements().contains("192.0.2."), "{}", elements());
        change(&mut world, "banned", &[("198.51.100.7", None)]).unwrap();
        assert!(!elements().contains("198.51.100.7"));
    });
}

#[test]
fn the_packets_of_killed_flows_are_dropped_for_a_time() {
    in_own_namespace(|| {
        let mut world = firewall();
        let tuple = |src: &str, dst: &str, ports: (u16, u16)| Tuple {
            src: src.parse().unwrap(),
            dst: dst.parse().unwrap(),
            protocol: ctwarden_model::Protocol::TCP,
            layer4: ctwarden_model::Layer4::Ports { src: ports.0, dst: ports.1 },
        };
        let flows = [
            PerDirection {
                original: tuple("192.0.2.1", "198.51.100.1", (1000, 80)),
                reply: tuple("10.0.0.1", "192.0.2.1", (8080, 1000)),
            },
            PerDirection {
                original: tuple("2001:db8::1", "2001:db8::2", (1000, 80)),
                reply: tuple("2001:db8::2", "2001:db8::1", (80, 1000)),
            },
        ];
        let mut dropper = world.0.flow_dropper();
        assert_eq!(dropper.block(&flows), Err(KillRefusal::NoSocket), "there is no table");
        world.0.configure(Vec::new(), true, none()).unwrap();
        assert_eq!(dropper.block(&flows), Ok(()));
        assert_eq!(dropper.block(&flows), Ok(()), "once more is no error");
        let ipv4 = listed("_killed4");
        assert!(ipv4.contains(&"192.0.2.1 . 198.51.100.1 . tcp . 1000 . 80".to_owned()), "{ipv4:?}");
        assert!(ipv4.contains(&"10.0.0.1 . 192.0.2.1 . tcp . 8080 . 1000".to_owned()), "{ipv4:?}");
        assert_eq!(listed("_killed6").len(), 2);
        let rules = nft("list chain inet ctwarden killed");
        let key = "ip6 saddr . ip6 daddr . meta l4proto . th sport . th dport @_killed6";
        assert!(rules.contains(&format!("{key} meta l4proto tcp reject with tcp reset")), "{rules}");
        nft("flush ruleset");
        assert_eq!(dropper.block(&flows), Ok(()), "a table that is gone comes back");
        let icmp = Tuple { layer4: ctwarden_model::Layer4::None, ..flows[0].original };
        assert_eq!(dropper.block(&[PerDirection { original: icmp, reply: icmp }]), Err(KillRefusal::NoSocket));
    });
}

#[test]
fn a_configuration_that_the_kernel_refuses_changes_nothing() {
    in_own_namespace(|| {
        nft("add table inet t; add set inet t small { type ipv4_addr; flags interval, timeout; size 1; }; \
             add set inet t b4 { type ipv4_addr; flags interval, timeout; }");
        let operators = |kernel: &str, claims: &[(&str, Option<u64>)]| MirroredSet {
            mirror: Mirror::Operators(Box::new(Sets::open(&"inet t".parse().unwrap(), Some(kernel), None).unwrap())),
            ..managed("theirs", &[], claims)
        };
        let mut world = firewall();
        let ours = || managed("banned", &["192.0.2.0/24"], &[]);
        world.0.configure(vec![ours(), operators("b4", &[("203.0.113.1", None)])], false, none()).unwrap();
        let too_many = operators("small", &[("203.0.113.1", None), ("203.0.113.9", None)]);
        let refused = world.0.configure(vec![too_many], false, none()).unwrap_err().to_string();
        assert!(refused.contains("set small"), "{refused}");
        assert!(world.0.mirrors(&name("banned")), "the sets of before stay in force");
        assert_eq!(listed("banned4"), ["192.0.2.0/24"]);
        change(&mut world, "banned", &[("198.51.100.7", Some(None))]).unwrap();
        assert_eq!(listed("banned4"), ["192.0.2.0/24", "198.51.100.7"]);
        assert!(nft("list set inet t b4").contains("203.0.113.1"));
        // A set that is mirrored elsewhere takes its elements along.
        nft("delete set inet t small; add set inet t small { type ipv4_addr; flags interval, timeout; }");
        world.0.configure(vec![ours(), operators("small", &[("203.0.113.1", None)])], false, none()).unwrap();
        assert!(nft("list set inet t small").contains("203.0.113.1"));
        assert!(!nft("list set inet t b4").contains("203.0.113.1"));
    });
}
