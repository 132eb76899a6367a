//! What the host accepts of a subscription and of a verdict, and what it says about the rest.

use super::*;
use crate::state::VERDICT_BYTES;

fn any_flow() -> types::Filter {
    types::Filter {
        family: None,
        protocols: Vec::new(),
        zones: Vec::new(),
        original_src: Vec::new(),
        original_dst: Vec::new(),
        reply_src: Vec::new(),
        reply_dst: Vec::new(),
        either: Vec::new(),
        sets: Vec::new(),
        src_ports: Vec::new(),
        dst_ports: Vec::new(),
        reply_src_ports: Vec::new(),
        reply_dst_ports: Vec::new(),
        states: Vec::new(),
        mark: None,
        status: None,
        timeout: None,
        labels: Vec::new(),
    }
}

fn subscribed(filters: Vec<types::Filter>) -> Result<Subscription, String> {
    subscription(policy::Subscription { filters, ..nothing() })
}

fn nothing() -> policy::Subscription {
    policy::Subscription {
        needs: policy::VerdictKinds::empty(),
        kinds: policy::Kinds::empty(),
        filters: Vec::new(),
        sweep_every: 0,
        tick_every: 0,
        own_changes: false,
        counters: Vec::new(),
        sets: Vec::new(),
        selects: false,
        codes: Vec::new(),
        reach: policy::Reach { mark_bits: 0, label_bits: Vec::new(), block_sets: Vec::new(), read_sets: Vec::new() },
    }
}

#[test]
fn a_declared_code_can_be_a_label() {
    let declared = |codes: Vec<String>| subscription(policy::Subscription { codes, ..nothing() });
    let of = |codes: &[&str]| declared(codes.iter().map(|code| (*code).to_owned()).collect());
    let kept = of(&["web", "ssh-2", "web", &"x".repeat(64)]).unwrap().codes;
    assert_eq!(kept.iter().map(String::as_str).collect::<Vec<_>>(), ["ssh-2", "web", &"x".repeat(64)]);
    for wrong in ["", "two words", "ä", "a_b", &"x".repeat(65)] {
        let said = of(&["web", wrong]).unwrap_err();
        assert!(said.ends_with("is not 1 to 64 letters, digits or -"), "{said}");
    }
    let numbered = |count: usize| (0..count).map(|number| number.to_string()).collect();
    assert!(declared(numbered(256)).is_ok());
    let said = declared(numbered(257)).unwrap_err();
    assert_eq!(said, "257 codes, more than 256; declare fewer, the others count as other");
}

#[test]
fn a_subscription_has_its_counters_each_with_a_name_of_its_own() {
    let counted = |counters: &[(&str, u32)]| {
        let counter = |(name, window): &(&str, u32)| policy::Counter {
            name: (*name).to_owned(),
            kind: policy::CounterKind::Distinct,
            window: *window,
        };
        let counters = counters.iter().map(counter).collect();
        subscription(policy::Subscription { counters, ..nothing() })
    };
    let subscription = counted(&[("scans", 60), ("rate", 1)]).unwrap();
    assert_eq!(subscription.counters[0], CounterSpec::new("scans".to_owned(), CounterKind::Distinct, 60).unwrap());
    let names: Vec<String> = (0..17).map(|number| format!("c{number}")).collect();
    let many: Vec<(&str, u32)> = names.iter().map(|name| (name.as_str(), 1)).collect();
    for (counters, said) in [
        (&many[..], "17 counters, more than 16; count more keys in fewer counters"),
        (&[("a", 1), ("b", 1), ("a", 2)], "two counters have the name a; give each its own"),
        (&[("a", 0)], "the counter a has a window of 0 seconds; use 1 to 86400"),
        (&[("a b", 1)], "the counter name \"a b\" is not a name: use 1 to 64 letters, digits or -"),
    ] {
        assert_eq!(counted(counters).unwrap_err(), said);
    }
}

#[test]
fn a_subscription_has_its_number_of_filters() {
    assert!(subscribed(vec![any_flow(); 64]).is_ok());
    let said = subscribed(vec![any_flow(); 65]).unwrap_err();
    assert!(said.starts_with("65 filters, more than 64; merge filters"), "{said}");
}

#[test]
fn a_list_has_its_length_and_is_merged() {
    let ports = |count: u32| -> Vec<types::PortRange> {
        (0..count).map(|n| n as u16).map(|port| types::PortRange { first: port, last: port }).collect()
    };
    let of = |count| types::Filter { dst_ports: ports(count), ..any_flow() };
    let merged = subscribed(vec![of(65_536)]).unwrap();
    assert_eq!(*merged.filters[0].dst_ports, [PortRange { first: 0, last: u16::MAX }]);
    for long in [
        of(250_000),
        types::Filter { reply_src_ports: ports(65_537), ..any_flow() },
        types::Filter { states: vec![1; 65_537], ..any_flow() },
        types::Filter { protocols: vec![6; 65_537], ..any_flow() },
        types::Filter { zones: vec![0; 65_537], ..any_flow() },
        types::Filter {
            either: vec![types::Prefix { address: types::IpAddress::Ipv4(0), length: 32 }; 65_537],
            ..any_flow()
        },
    ] {
        let said = subscribed(vec![any_flow(), long]).unwrap_err();
        assert_eq!(said, format!("filter 1: {LONG}"));
    }
}

#[test]
fn a_verdict_needs_no_more_than_is_reckoned_with() {
    assert!(size_of::<policy::Verdict>() <= VERDICT_BYTES, "{}", size_of::<policy::Verdict>());
}
