//! Tests of the policy in the harness: the mark of each flow, the order of rules, and no repeated verdicts.

use ctwarden_sdk::prelude::*;
use ctwarden_sdk::testing::{FlowBuilder, Harness, flow, json, start};

use crate::{Config, MarkByService};

fn services() -> Harness<MarkByService> {
    let config = json!({
        "rules": [
            { "name": "backup", "protocols": ["tcp"], "ports": [22], "from": ["10.9.0.0/16"], "mark": "0x1/0xff" },
            { "name": "ssh", "protocols": ["tcp"], "ports": [22], "mark": "0x10/0xff" },
            { "name": "voice", "protocols": ["udp"], "ports": ["5060-5061", "16384-32767"], "mark": "0x2e/0xff", "labels": [3] },
            { "name": "v6", "to": ["2001:db8::/32"], "mark": "0x60/0xff" },
        ],
    });
    start(config).unwrap()
}

fn tcp(from: &str, port: u16) -> FlowBuilder {
    flow().tcp().from(&format!("{from}:40000")).to(&format!("198.51.100.1:{port}"))
}

#[test]
fn the_first_rule_that_fits_decides() {
    let answer = services().events([tcp("192.0.2.1", 22), tcp("10.9.1.1", 22), tcp("10.8.1.1", 22)]);
    let expected = [
        "mark 0x10/0xff on entry 0: ssh: service ssh",
        "mark 0x1/0xff on entry 1: backup: service backup",
        "mark 0x10/0xff on entry 2: ssh: service ssh",
    ];
    assert_eq!(answer.lines(), expected);
}

#[test]
fn every_part_of_a_rule_must_fit() {
    let voice = flow().udp().from("192.0.2.1:40000").to("198.51.100.1:20000");
    let ipv6 = flow().from("2001:db8:1::1").to("2001:db8::1").ping(1);
    let answer = services().events([voice, ipv6]);
    let expected = [
        "mark 0x2e/0xff on entry 0: voice: service voice",
        "labels +[3] -[] on entry 0: voice: service voice",
        "mark 0x60/0xff on entry 1: v6: service v6",
    ];
    assert_eq!(answer.lines(), expected);
    let wrong_protocol = flow().udp().from("192.0.2.1:40000").to("198.51.100.1:22");
    let wrong_port = tcp("192.0.2.1", 16384);
    assert!(services().events([wrong_protocol, wrong_port]).is_empty());
}

#[test]
fn what_is_right_already_is_left_alone() {
    let right = tcp("192.0.2.1", 22).mark(0x10);
    let right_with_foreign_bits = tcp("192.0.2.1", 22).mark(0xab10);
    let wrong = tcp("192.0.2.1", 22).mark(0xab11);
    let unmarked = tcp("192.0.2.1", 22);
    let answer = services().sweep([right, right_with_foreign_bits, wrong, unmarked]);
    assert_eq!(answer.entries(VerdictKind::Mark), [2, 3]);
    let voice = || flow().udp().to("198.51.100.1:5060").mark(0x2e);
    let answer = services().sweep([voice().labels(&[3, 7]), voice().labels(&[7]), voice()]);
    assert_eq!(answer.lines(), [1, 2].map(|entry| format!("labels +[3] -[] on entry {entry}: voice: service voice")));
}

#[test]
fn a_mark_of_zero_is_given_only_where_another_is() {
    let mut policy: Harness<MarkByService> = start(json!({ "default": { "mark": "0/0xff" } })).unwrap();
    let answer = policy.events([tcp("192.0.2.1", 1), tcp("192.0.2.1", 2).mark(0x100), tcp("192.0.2.1", 3).mark(7)]);
    assert_eq!(answer.lines(), ["mark 0x0/0xff on entry 2: default: service default"]);
}

#[test]
fn the_default_is_for_the_rest() {
    let rules = json!([{ "name": "ssh", "ports": [22], "mark": 16 }]);
    let config = json!({ "rules": rules, "default": { "mark": "1", "labels": [9] } });
    let mut policy: Harness<MarkByService> = start(config).unwrap();
    let answer = policy.events([tcp("192.0.2.1", 22), tcp("192.0.2.1", 80)]);
    let expected = [
        "mark 0x10/0xffffffff on entry 0: ssh: service ssh",
        "mark 0x1/0xffffffff on entry 1: default: service default",
        "labels +[9] -[] on entry 1: default: service default",
    ];
    assert_eq!(answer.lines(), expected);
}

#[test]
fn a_helper_and_what_it_expected_belong_together() {
    let config = json!({ "rules": [
        { "name": "ftp", "protocols": ["tcp"], "ports": [21], "related": true, "mark": "0x5/0xff" },
        { "name": "sip", "helper": "sip", "mark": "0x6/0xff" },
    ] });
    let mut policy: Harness<MarkByService> = start(config).unwrap();
    let control = tcp("192.0.2.1", 21).helper("ftp");
    let data = tcp("192.0.2.1", 50_000).expected_by(&control);
    let foreign = tcp("192.0.2.1", 50_001).expected_by(&tcp("192.0.2.1", 80));
    let other = tcp("192.0.2.1", 50_002).expected_by(&flow().udp().from("192.0.2.1:5000").to("198.51.100.1:21"));
    let sip = flow().udp().to("198.51.100.1:5099").helper("sip");
    let answer = policy.events([data, foreign, sip, control, other]);
    let expected = [
        "mark 0x5/0xff on entry 0: ftp: service ftp",
        "mark 0x6/0xff on entry 2: sip: service sip",
        "mark 0x5/0xff on entry 3: ftp: service ftp",
    ];
    assert_eq!(answer.lines(), expected);
}

#[test]
fn no_more_is_needed_than_what_the_rules_change() {
    let needs = |config| start::<MarkByService>(config).unwrap().needs().to_vec();
    let rules = |change: &str| json!({ "rules": [{ "name": "a", "mark": 1 }], "default": { change: [1] } });
    assert_eq!(needs(json!({ "default": { "mark": 1 } })), [VerdictKind::Mark]);
    assert_eq!(needs(json!({ "default": { "labels": [1] } })), [VerdictKind::Labels]);
    assert_eq!(needs(rules("labels")), [VerdictKind::Mark, VerdictKind::Labels]);
}

#[test]
fn more_rules_than_the_host_takes_filters_are_matched_here() {
    let rules = |count: usize| -> Vec<_> {
        (1..=count)
            .map(|port| json!({ "name": format!("r{port}"), "protocols": ["tcp"], "ports": [port], "mark": 1 }))
            .collect()
    };
    let subscription = |count| {
        let policy: Harness<MarkByService> = start(json!({ "sweep-seconds": 0, "rules": rules(count) })).unwrap();
        policy.subscription().clone()
    };
    let all = |count: u16| {
        let all = Subscription::default().needs([VerdictKind::Mark]).changes_mark(u32::MAX);
        (1..=count).fold(all, |all, rule| all.code(format!("r{rule}")))
    };
    assert_eq!(subscription(65), all(65));
    assert_eq!(subscription(64), (1..=64_u16).fold(all(64), |all, port| all.only(Filter::new().tcp().dst_port(port))));
}

#[test]
fn no_more_is_subscribed_to_than_rules_speak_of() {
    let config = json!({ "sweep-seconds": 0, "rules": [
        { "name": "a", "protocols": ["tcp"], "ports": [22], "from": ["10.0.0.0/8"], "mark": 1 },
        { "name": "b", "protocols": ["tcp"], "ports": [22], "from": ["10.0.0.0/8"], "helper": "x", "mark": 2 },
        { "name": "c", "to": ["192.0.2.0/24"], "related": true, "mark": 3 },
    ] });
    let policy: Harness<MarkByService> = start(config).unwrap();
    let network = |text: &str| text.parse::<Prefix>().unwrap();
    let expected = Subscription::default()
        .needs([VerdictKind::Mark])
        .changes_mark(u32::MAX)
        .code("a")
        .code("b")
        .code("c")
        .only(Filter::new().tcp().dst_port(22).from(network("10.0.0.0/8")))
        .only(Filter::new().to(network("192.0.2.0/24")))
        .only(Filter::new().status(Status::EXPECTED));
    assert_eq!(*policy.subscription(), expected);
    let every = std::time::Duration::from_secs(300);
    for (config, codes) in [
        (json!({ "default": { "mark": 1 }, "rules": [{ "name": "a", "ports": [22], "mark": 1 }] }), &["a"][..]),
        (json!({ "rules": [{ "name": "a", "ports": [22], "mark": 1 }, { "name": "b", "mark": 1 }] }), &["a", "b"]),
    ] {
        let policy: Harness<MarkByService> = start(config).unwrap();
        let all = Subscription::default().sweep_every(every).needs([VerdictKind::Mark]).changes_mark(u32::MAX);
        assert_eq!(*policy.subscription(), codes.iter().copied().fold(all, Subscription::code));
    }
}

#[test]
fn a_configuration_that_makes_no_sense_is_refused() {
    let rule = |rule| start::<MarkByService>(json!({ "rules": [rule] })).map(|_| ()).unwrap_err();
    assert_eq!(rule(json!({ "name": "a" })), "rule \"a\": neither a mark nor labels are given; write one of them");
    assert_eq!(rule(json!({ "name": "a b", "mark": 1 })), "rule \"a b\": a name is 1 to 64 letters, digits or -");
    assert_eq!(rule(json!({ "name": "a", "labels": [128] })), "rule \"a\": label 128: the bits are numbered 0 to 127");
    let ports = json!({ "name": "a", "protocols": ["tcp", "icmp"], "ports": [22], "mark": 1 });
    assert_eq!(rule(ports), "rule \"a\": one of its protocols has no ports; split it into two rules");
    assert!(
        rule(json!({ "name": "a", "mark": "0x100/0xff" })).starts_with("value 0x100 has bits outside its mask 0xff")
    );
    assert!(rule(json!({ "name": "a", "marks": 1 })).starts_with("unknown field `marks`"));
    let refused = |config| start::<MarkByService>(config).map(|_| ()).unwrap_err();
    assert_eq!(
        refused(json!({})),
        "neither rules nor a default are given, so nothing would be marked; write one of them"
    );
    assert_eq!(refused(json!({ "default": {} })), "default: neither a mark nor labels are given; write one of them");
    let twice = json!({ "name": "a", "mark": 1 });
    assert_eq!(refused(json!({ "rules": [twice, twice] })), "two rules are named \"a\"");
    assert!(
        <Config as Configuration>::schema().contains("Services in order: the first that a flow belongs to decides.")
    );
}
