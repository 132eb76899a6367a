//! Tests of the policy in the harness: who scans is found once, and nobody else is.

use std::time::Duration;

use ctwarden_sdk::prelude::*;
use ctwarden_sdk::testing::{FlowBuilder, Harness, flow, json, start};
use serde_json::Value;

use crate::{Config, PortScan};

fn to(port: u16) -> FlowBuilder {
    flow().tcp().from("192.0.2.1:40000").to(&format!("198.51.100.1:{port}"))
}

fn scan(ports: std::ops::RangeInclusive<u16>) -> impl Iterator<Item = FlowBuilder> {
    ports.map(to)
}

fn started(config: Value) -> Harness<PortScan> {
    start(config).unwrap()
}

fn blocking() -> Harness<PortScan> {
    started(json!({ "limit": 3, "action": "block", "block-set": "scanners", "longest-block-seconds": 2000 }))
}

#[test]
fn who_tries_more_ports_than_are_allowed_is_told_about() {
    let mut policy = started(json!({ "limit": 3 }));
    assert!(policy.events(scan(1..=3)).is_empty());
    let why = "192.0.2.1 tried 4 ports in 60 s, 3 are allowed";
    assert_eq!(policy.event(to(4)).lines(), [format!("alert \"{why}\" on entry 0: port-scan: {why}")]);
}

#[test]
fn the_same_port_again_is_no_scan() {
    let mut policy = started(json!({ "limit": 3 }));
    for _ in 0..50 {
        assert!(policy.events(scan(1..=3)).is_empty());
    }
    let udp = |port| flow().udp().from("192.0.2.1:40000").to(&format!("198.51.100.1:{port}"));
    assert_eq!(policy.event(udp(1)).len(), 1, "a port of another protocol is another port");
}

#[test]
fn a_slow_scan_is_no_scan() {
    let mut policy = started(json!({ "limit": 3, "window-seconds": 10 }));
    for port in 1..100 {
        assert!(policy.event(to(port)).is_empty(), "{port}");
        policy.advance(Duration::from_secs(4));
    }
}

#[test]
fn others_are_not_held_responsible() {
    let mut policy = started(json!({ "limit": 3, "exempt": ["203.0.113.0/24"] }));
    let from = |source: &str, port: u16| flow().tcp().from(source).to(&format!("198.51.100.1:{port}"));
    assert!(policy.events((1..=20).map(|port| from(&format!("192.0.2.{port}"), port))).is_empty());
    assert!(policy.events((1..=20).map(|port| from("203.0.113.9", port))).is_empty(), "who is exempt may scan");
    assert_eq!(policy.events(scan(1..=4)).len(), 1);
}

#[test]
fn one_customer_is_one_source() {
    let mut policy = started(json!({ "limit": 3 }));
    let customer = |n: u16| flow().tcp().from(&format!("2001:db8:0:1::{n:x}")).to(&format!("[2001:db8:ffff::1]:{n}"));
    let answer = policy.events((1..=4).map(customer));
    assert!(answer.lines()[0].contains("2001:db8:0:1::/64 tried 4 ports"), "{:?}", answer.lines());
}

#[test]
fn a_block_doubles_when_the_source_returns() {
    let mut policy = blocking();
    let mut seconds = Vec::new();
    for _ in 0..4 {
        let answer = policy.events(scan(1..=4));
        assert_eq!(answer.kinds(), [VerdictKind::Alert, VerdictKind::Block]);
        seconds.push(answer.lines()[1].split(' ').nth(5).unwrap().to_owned());
        policy.advance(Duration::from_secs(2000));
    }
    assert_eq!(seconds, ["600", "1200", "2000", "2000"]);
    policy.advance(Duration::from_secs(86_400));
    let answer = policy.events(scan(1..=4));
    assert!(answer.lines()[1].starts_with("block 192.0.2.1 in scanners for 600 s on "), "{:?}", answer.lines());
}

#[test]
fn a_fast_scan_is_caught_once_and_its_block_does_not_double() {
    let mut policy = blocking();
    assert_eq!(policy.events(scan(1..=1000)).kinds(), [VerdictKind::Alert, VerdictKind::Block]);
    policy.advance(Duration::from_secs(11));
    let answer = policy.events(scan(1..=4));
    assert!(answer.lines()[1].contains(" for 1200 s "), "it goes on although it is blocked: {:?}", answer.lines());
}

#[test]
fn addresses_and_services_can_count_instead() {
    let to = |address: u8, port: u16| flow().tcp().from("192.0.2.1").to(&format!("198.51.100.{address}:{port}"));
    let mut policy = started(json!({ "limit": 3, "count": "addresses" }));
    assert!(policy.events((1..=50).map(|port| to(1, port))).is_empty());
    assert!(policy.events((2..=3).map(|address| to(address, 22))).is_empty());
    assert!(policy.event(to(4, 22)).lines()[0].contains("tried 4 addresses"));
    let mut policy = started(json!({ "limit": 3, "count": "services" }));
    assert!(policy.events([to(1, 22), to(1, 80), to(2, 22)]).is_empty());
    assert!(policy.event(to(2, 80)).lines()[0].contains("tried 4 services"));
}

#[test]
fn flows_without_ports_count_as_addresses_only() {
    let ping = |n: u16| flow().ping(n).from("192.0.2.1").to(&format!("198.51.100.{n}"));
    assert!(started(json!({ "limit": 3 })).events((1..=50).map(ping)).is_empty());
    assert_eq!(started(json!({ "limit": 3, "count": "addresses" })).events((1..=4).map(ping)).len(), 1);
}

#[test]
fn only_new_flows_of_the_protocols_are_subscribed_to() {
    let mut policy = started(json!({ "limit": 1, "protocols": ["tcp"] }));
    assert!(policy.sweep(scan(1..=9)).is_empty());
    assert!(policy.events(scan(1..=9).map(FlowBuilder::destroyed)).is_empty());
    let udp = (1..=9).map(|port| flow().udp().from("192.0.2.1").to(&format!("198.51.100.1:{port}")));
    assert!(policy.events(udp).is_empty());
    assert_eq!(policy.needs(), [VerdictKind::Alert]);
    assert_eq!(blocking().needs(), [VerdictKind::Alert, VerdictKind::Block]);
}

#[test]
fn a_configuration_that_makes_no_sense_is_refused() {
    let refused = |config| start::<PortScan>(config).map(|_| ()).unwrap_err();
    assert!(refused(json!({})).starts_with("missing field `limit`"));
    for limit in [0, 1001] {
        assert_eq!(refused(json!({ "limit": limit })), format!("limit: {limit} is not 1 to 1000"));
    }
    assert_eq!(refused(json!({ "limit": 1, "window-seconds": 0 })), "window-seconds: 0 is not 1 to 86400");
    assert_eq!(refused(json!({ "limit": 1, "action": "block" })), "action \"block\" needs block-set");
    let useless = "block-set has no effect without action = \"block\"";
    assert_eq!(refused(json!({ "limit": 1, "block-set": "x" })), useless);
    let long = json!({ "limit": 1, "block-seconds": 50_000 });
    assert!(refused(long).starts_with("block-seconds: a block lasts at least 1 second"));
    let ports = "protocols: icmp has no ports; write count = \"addresses\"";
    assert_eq!(refused(json!({ "limit": 1, "protocols": ["icmp"] })), ports);
    assert!(start::<PortScan>(json!({ "limit": 1, "protocols": ["icmp"], "count": "addresses" })).is_ok());
    assert!(<Config as Configuration>::schema().contains("How many distinct targets one source may try"));
}
