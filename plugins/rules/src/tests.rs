//! Tests of the policy on the host of the SDK's harness.

use std::time::Duration;

use ctwarden_sdk::prelude::*;
use ctwarden_sdk::testing::{Answer, FlowBuilder, Harness, Host, flow, json, start};
use proptest::prelude::*;
use serde_json::Value;

use super::RulesPolicy;

fn policy(rules: Value) -> Harness<RulesPolicy> {
    start(json!({ "rule": rules })).unwrap()
}

fn ssh(from: &str) -> FlowBuilder {
    flow().tcp().from(&format!("{from}:40000")).to("198.51.100.1:22")
}

#[test]
fn verdicts_have_the_name_of_the_rule_and_their_flow() {
    let mut policy = policy(json!([
        { "name": "no-telnet", "match": { "protocols": ["tcp"], "dst-ports": [23] }, "then": "delete" },
        { "name": "slow", "when": "flow.dst_port == 873", "then": { "mark": "0x8/0xff", "label": [3], "timeout": "1m" } },
        { "name": "seen", "match": { "dst-ports": [23] }, "then": { "alert": { "title": "{src} to {dst-port}", "severity": "notice" } } },
    ]));
    let telnet = flow().tcp().to("198.51.100.1:23");
    let backup = flow().tcp().to("198.51.100.1:873");
    assert_eq!(
        policy.events([ssh("192.0.2.7"), backup, telnet]).lines(),
        [
            "mark 0x8/0xff on entry 0: slow",
            "labels +[3] -[] on entry 0: slow",
            "timeout 60 s on entry 0: slow",
            "delete on entry 1: no-telnet",
            "alert \"192.0.2.1 to 23\" on entry 1: seen",
        ],
        "SSH is not delivered, so the other entries have 0 and 1"
    );
    let rows = policy.sweep([flow().tcp().to("198.51.100.1:873").mark(8).labels(&[3]).timeout(30)]);
    assert!(rows.is_empty(), "what is already right is left alone: {:?}", rows.lines());
}

#[test]
fn the_subscription_is_what_the_rules_need_and_no_more() {
    let policy = policy(json!([
        { "name": "a", "match": { "protocols": ["tcp"], "dst-ports": [22, "80-90"], "original-src": ["10.0.0.0/8"] }, "then": "delete" },
        { "name": "b", "when": "flow.protocol == \"udp\" && flow.dst_port == 53 && flow.bytes > 5", "then": { "mark": "0x10/0xf0", "label": [5] } },
    ]));
    let first = Filter::new().tcp().from("10.0.0.0/8".parse::<Prefix>().unwrap()).dst_port(22).dst_port(80..=90);
    let first = first.family(Family::Ipv4);
    let expected = Subscription::to(&[Kind::Row, Kind::New])
        .needs([VerdictKind::Delete, VerdictKind::Mark, VerdictKind::Labels])
        .only(first)
        .only(Filter::new().udp().dst_port(53))
        .changes_mark(0xf0)
        .changes_labels([5])
        .code("a")
        .code("b")
        .sweep_every(Duration::from_secs(60))
        .tick_every(Duration::from_secs(60));
    assert_eq!(*policy.subscription(), expected);
    let whole = |rules| {
        let policy: Harness<RulesPolicy> = Host::new().set("banned", []).start(json!({ "rule": rules })).unwrap();
        policy.subscription().clone()
    };
    let counting = json!([
        { "name": "scan", "per": "source", "count": 5, "within": "1m", "then": { "block": { "set": "drop", "for": "1h" } } },
        { "name": "much", "per": "pair", "bytes": "1GiB", "within": "4m", "then": "alert" },
    ]);
    let expected = Subscription::to(&[Kind::Row, Kind::New, Kind::Destroy])
        .needs([VerdictKind::Alert, VerdictKind::Block])
        .blocks_in("drop")
        .code("scan")
        .code("much")
        .counter(&Counter::<Sum>::named("scan", Duration::from_secs(60)))
        .counter(&Counter::<Sum>::named("much", Duration::from_secs(240)))
        .sweep_every(Duration::from_secs(60))
        .tick_every(Duration::from_secs(60));
    assert_eq!(whole(counting), expected);
    let sets = json!([{ "name": "s", "match": { "sets": ["banned"] }, "then": "delete" }]);
    let expected = Subscription::to(&[Kind::Row, Kind::New])
        .needs([VerdictKind::Delete, VerdictKind::Sweep])
        .set("banned")
        .code("s")
        .selects()
        .tick_every(Duration::from_secs(60));
    assert_eq!(whole(sets), expected);
}

#[test]
fn what_time_or_traffic_makes_true_is_looked_for_in_the_table() {
    let swept = |rule: Value| policy(json!([rule])).subscription().clone();
    let every = |seconds| Subscription::to(&[Kind::Row, Kind::New]).sweep_every(Duration::from_secs(seconds));
    let expected = |seconds| every(seconds).needs([VerdictKind::Delete]).code("r").tick_every(Duration::from_secs(60));
    let rule = |when: &str| json!({ "name": "r", "when": when, "then": "delete" });
    assert_eq!(swept(rule("flow.age > duration(\"1d\")")), expected(60));
    assert_eq!(swept(rule("!(now.getHours() < 8) && flow.zone != 3")), expected(60));
    assert_eq!(swept(rule("flow.zone != 3 && !has(flow.helper)")), expected(0), "events tell");
    let mut slow = rule("flow.bytes - flow.reply.bytes > 5");
    slow["every"] = "1h".into();
    assert_eq!(swept(slow.clone()), expected(3600));
    slow["on"] = json!(["new"]);
    let refused = Host::new().start::<RulesPolicy>(json!({ "rule": [slow] })).err().unwrap().to_string();
    assert!(refused.contains("add \"row\" to on"), "{refused}");
    let mut old = policy(json!([rule("flow.timeout > duration(\"1d\")")]));
    let expires = |seconds| flow().tcp().to("198.51.100.1:80").timeout(seconds);
    assert_eq!((old.sweep([expires(60)]).len(), old.sweep([expires(172_800)]).len()), (0, 1));
}

#[test]
fn many_filters_or_one_that_is_empty_mean_every_flow() {
    let port = |port: u16| json!({ "name": format!("p{port}"), "match": { "dst-ports": [port] }, "then": "log" });
    let mut all: Vec<Value> = (1..=64).map(port).collect();
    let other = || flow().tcp().to("198.51.100.1:9999");
    let subscribed = |rules: &[Value]| policy(json!(rules)).subscription().clone();
    assert_ne!(subscribed(&all), subscribed(&[json!({ "name": "x", "then": "log" })]));
    assert!(policy(json!(all)).event(other()).is_empty());
    all.push(port(65));
    assert_eq!(policy(json!(all)).event(flow().tcp().to("198.51.100.1:65")).lines().len(), 1);
    all.push(json!({ "name": "every", "then": "log" }));
    assert_eq!(policy(json!(all)).event(other()).len(), 1);
}

#[test]
fn a_changed_set_ends_the_flows_that_exist() {
    let rules = json!([
        { "name": "banned", "match": { "protocols": ["tcp"] }, "when": "flow.src in sets.banned && flow.dst_port == 22", "then": "delete" },
        { "name": "geo", "when": "sets.geo[flow.dst] in [\"XX\"]", "on": ["new"], "then": "log" },
    ]);
    let host = Host::new().set("banned", []).set("geo", ["203.0.113.0/24 XX", "203.0.113.9 YY"]);
    let mut policy: Harness<RulesPolicy> = host.start(json!({ "rule": rules })).unwrap();
    assert!(policy.events([ssh("192.0.2.7")]).is_empty());
    let answer = policy.change_set("banned", ["192.0.2.7"]);
    assert_eq!(answer.lines(), ["sweep on every match: set-changed: banned"]);
    assert_eq!(*answer.filter(), Filter::new().tcp().dst_port(22).in_set("banned"));
    let swept = policy.sweep_of(answer.filter(), [ssh("192.0.2.8"), ssh("192.0.2.7")]);
    assert_eq!(swept.lines(), ["delete on entry 0: banned"]);
    assert_eq!(policy.events([ssh("192.0.2.9"), ssh("192.0.2.7")]).entries(VerdictKind::Delete), [1]);
    assert!(policy.change_set("geo", []).is_empty(), "no rule on rows reads this set");
    policy.change_set("geo", ["203.0.113.0/24 XX", "203.0.113.9 YY"]);
    let logged = policy.events([flow().to("203.0.113.9:80"), flow().to("203.0.113.8:80")]);
    assert_eq!(logged.entries(VerdictKind::Log), [1]);
}

#[test]
fn a_set_that_requires_the_absence_of_an_address_sweeps_every_flow_of_the_rule() {
    let rules = json!([{ "name": "strangers", "match": { "dst-ports": [22] }, "when": "!(flow.src in sets.friends)", "then": "delete" }]);
    let host = Host::new().set("friends", ["192.0.2.7"]);
    let mut policy: Harness<RulesPolicy> = host.start(json!({ "rule": rules })).unwrap();
    assert!(policy.event(ssh("192.0.2.7")).is_empty());
    let answer = policy.change_set("friends", []);
    assert_eq!(*answer.filter(), Filter::new().dst_port(22));
    assert_eq!(policy.sweep_of(answer.filter(), [ssh("192.0.2.7")]).len(), 1);
}

#[test]
fn a_flood_is_blocked_for_longer_each_time_also_after_a_restart() {
    let rules = json!([{
        "name": "flood", "match": { "protocols": ["tcp"], "dst-ports": [22] }, "per": "source", "count": 3, "within": "10s",
        "then": { "block": { "set": "drop", "for": "1m", "at-most": "3m" }, "alert": "{key} floods" },
    }]);
    let mut policy = policy(rules);
    let flood = |policy: &mut Harness<RulesPolicy>| -> Answer {
        policy.events((0..4).map(|_| ssh("192.0.2.7")).chain([ssh("192.0.2.8")]))
    };
    let why = "flood: 192.0.2.7: 3 new flows within 10 s";
    let lines = |seconds| {
        [
            format!("block 192.0.2.7 in drop for {seconds} s on entry 2: {why}"),
            format!("alert \"192.0.2.7 floods\" on entry 2: {why}"),
        ]
    };
    assert_eq!(flood(&mut policy).lines(), lines(60));
    policy.advance(Duration::from_secs(61));
    policy.tick();
    assert_eq!(flood(&mut policy).lines(), lines(120));
    policy.advance(Duration::from_secs(121));
    let mut policy = policy.restart().unwrap();
    assert_eq!(flood(&mut policy).lines(), lines(180));
}

#[test]
fn the_counters_are_those_of_the_host() {
    let rules = json!([{ "name": "scan", "per": "source", "distinct": { "of": "service", "count": 3 }, "within": "10s", "then": "kill" }]);
    let mut policy = policy(rules);
    assert_eq!(policy.needs(), [VerdictKind::Kill]);
    let probe = |port: u16| flow().tcp().from("192.0.2.7:40000").to(&format!("198.51.100.1:{port}"));
    let other = flow().tcp().from("192.0.2.8:40000").to("198.51.100.1:3");
    assert!(policy.events([probe(1), probe(2), probe(2), other]).is_empty());
    assert_eq!(policy.event(probe(3)).lines(), ["kill on entry 0: scan: 192.0.2.7: 3 different values within 10 s"]);
    policy.advance(Duration::from_secs(20));
    assert!(policy.event(probe(4)).is_empty(), "the window is over");
}

#[test]
fn a_mistake_is_told_on_one_line_with_rule_and_column() {
    let refused = |rules: Value| start::<RulesPolicy>(json!({ "rule": rules })).map(drop).unwrap_err();
    let said = refused(json!([{ "name": "a", "when": "flow.orig.src in sets.x", "then": "delete" }]));
    assert_eq!(said, "rule \"a\": when: column 1: there is no field flow.orig.src; did you mean flow.original.src?");
    let said = refused(json!([{ "name": "a", "when": "flow.src in sets.x", "then": "delete" }, { "name": "b" }]));
    let expected = "rule \"a\": when: column 18: there is no set \"x\"; rule \"b\": then is missing; write for example then = \"alert\"";
    assert_eq!(said, expected);
    let schema: Value = serde_json::from_str(&<super::Config as Configuration>::schema()).unwrap();
    assert!(schema["properties"]["rule"].is_object());
}

#[test]
fn every_rule_of_the_example_acts() {
    let text = include_str!("../examples/rules.toml");
    assert!(ctwarden_rules::file::read(text, &|_| Ok(())).is_ok());
    let configuration: Value = example(text);
    let host = Host::new().set("banned", ["203.0.113.7"]).set("scanners", []).set("countries", ["203.0.113.0/24 XX"]);
    let mut policy: Harness<RulesPolicy> = host.start(configuration).unwrap();
    // 10 o'clock.
    policy.advance(Duration::from_secs(9 * 3600));
    let mut codes = std::collections::BTreeSet::new();
    let mut note = |answer: Answer| codes.extend(answer.iter().map(|verdict| verdict.code().to_owned()));
    note(policy.event(ssh("203.0.113.7")));
    note(policy.events((0..10).map(|_| ssh("192.0.2.9"))));
    note(policy.events((0..20).map(|port| flow().from("192.0.2.10").to(&format!("198.51.100.1:{}", 2000 + port)))));
    note(policy.event(flow().tcp().to("198.51.100.1:873")));
    note(policy.event(flow().to("203.0.113.8:80")));
    let began = policy.now();
    policy.advance(Duration::from_secs(2 * 3600));
    let idle = flow().tcp().established().timeout(1000).started(began).id(77);
    let big = |bytes| flow().from("10.1.2.3").to("198.51.100.1:443").id(78).counters((1, bytes), (1, 0));
    note(policy.sweep([idle, big(0)]));
    note(policy.sweep([big(6 << 30)]));
    note(policy.event(flow().appearing_as("198.51.100.200").destroyed()));
    let all = ["backup", "banned", "countries", "exfiltration", "idle-tcp", "nat-log", "port-scan", "ssh-flood"];
    assert_eq!(codes.into_iter().collect::<Vec<_>>(), all);
}

/// Reads the example as the host does: TOML as JSON.
fn example(text: &str) -> Value {
    let table: toml::Table = toml::from_str(text).unwrap();
    serde_json::to_value(table).unwrap()
}

fn any_part() -> impl Strategy<Value = (String, Value)> {
    let network = || {
        prop::sample::subsequence(vec!["10.0.0.0/8", "10.1.0.0/16", "192.0.2.1", "2001:db8::/32", "0.0.0.0/0"], 1..3)
    };
    let ports = || prop::sample::subsequence(vec![json!(22), json!("80-90"), json!(443), json!("0-65535")], 1..3);
    let part =
        |key: &'static str, values: BoxedStrategy<Value>| values.prop_map(move |value| (key.to_owned(), value)).boxed();
    prop_oneof![
        part("family", prop::sample::select(vec![json!("ipv4"), json!("ipv6")]).boxed()),
        part(
            "protocols",
            prop::sample::subsequence(vec![json!("tcp"), json!(17), json!("icmp")], 1..3).prop_map(Value::from).boxed()
        ),
        part(
            "zones",
            prop::sample::subsequence(vec![json!(0), json!(1), json!(2)], 1..3).prop_map(Value::from).boxed()
        ),
        part("original-src", network().prop_map(|list| json!(list)).boxed()),
        part("original-dst", network().prop_map(|list| json!(list)).boxed()),
        part("reply-src", network().prop_map(|list| json!(list)).boxed()),
        part("reply-dst", network().prop_map(|list| json!(list)).boxed()),
        part("either", network().prop_map(|list| json!(list)).boxed()),
        part("src-ports", ports().prop_map(Value::from).boxed()),
        part("dst-ports", ports().prop_map(Value::from).boxed()),
        part(
            "states",
            prop::sample::subsequence(vec![json!(1), json!(2), json!(3)], 1..3).prop_map(Value::from).boxed()
        ),
        part("mark", prop::sample::select(vec![json!(0), json!("0x1/0x3"), json!("0x0/0x1")]).boxed()),
        part(
            "status",
            prop::sample::subsequence(vec![json!("ASSURED"), json!("!SEEN_REPLY"), json!("0x8/0x8")], 1..3)
                .prop_map(Value::from)
                .boxed()
        ),
        part("timeout-seconds", prop::sample::select(vec![json!("0-30"), json!("600-"), json!(120)]).boxed()),
        part("labels", prop::sample::subsequence(vec![json!(0), json!(5)], 1..3).prop_map(Value::from).boxed()),
    ]
}

fn any_flow() -> impl Strategy<Value = FlowBuilder> {
    let address = || prop::sample::select(vec!["10.0.0.1", "10.1.0.1", "192.0.2.1", "198.51.100.1"]);
    let port = || prop::sample::select(vec![22_u16, 80, 85, 443, 5000]);
    let ends = (address(), port(), address(), port());
    let rest = (0_u16..3, 0_u8..4, prop::option::of(0_u32..4), 0_u32..16, prop::sample::select(vec![10_u32, 120, 700]));
    (ends, rest, 0..4_usize, prop::bool::ANY, prop::bool::ANY).prop_map(
        |((src, sport, dst, dport), (zone, state, mark, status, timeout), kind, nat, labelled)| {
            let base = flow().from(&format!("{src}:{sport}")).to(&format!("{dst}:{dport}"));
            let base = match kind {
                0 => base.udp(),
                1 => base.ping(7),
                2 => base.from(&format!("[2001:db8::1]:{sport}")).to(&format!("[2001:db8::2]:{dport}")),
                _ => base.tcp().state(state),
            };
            let base = base.zone(zone).status(Status(status)).timeout(timeout);
            let base = mark.into_iter().fold(base, FlowBuilder::mark);
            let base = if labelled { base.labels(&[0, 5]) } else { base };
            if nat && kind != 2 { base.answered_by("10.0.0.1:80").appearing_as("192.0.2.1:5000") } else { base }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    /// A `match` means what the host's filter means, and the filter of the subscription loses no flow of the rule: if it
    /// did, the flow would not be delivered, and the rule without a filter would find it.
    #[test]
    fn a_match_means_what_the_hosts_filter_means(parts in prop::collection::vec(any_part(), 1..4), flows in prop::collection::vec(any_flow(), 1..8)) {
        let matching: serde_json::Map<String, Value> = parts.into_iter().collect();
        let rule = json!([{ "name": "r", "match": matching, "then": "log" }]);
        let Ok(mut narrow) = start::<RulesPolicy>(json!({ "rule": rule })) else { return Ok(()) };
        let every = json!([{ "name": "r", "match": matching, "then": "log" }, { "name": "every", "on": ["new"], "then": "alert" }]);
        let mut wide: Harness<RulesPolicy> = start(json!({ "rule": every })).unwrap();
        let compiled = ctwarden_rules::Rules::read(&json!({ "rule": rule }), &|_| Ok(())).unwrap();
        let filter = crate::subscribe::filter(compiled.rules()[0].filter());
        for flow in flows {
            let here = narrow.event(flow.clone()).len();
            let logged = wide.event(flow.clone()).entries(VerdictKind::Log).len();
            prop_assert_eq!(here, logged, "{:?} {:?}", matching, flow);
            let subscription = Subscription::to(&[Kind::New]).only(filter.clone());
            let by_host = Witness::delivered(subscription, flow.clone());
            prop_assert_eq!(here == 1, by_host, "{:?} {:?}", matching, flow);
        }
    }
}

/// A policy that receives what a filter of the host lets through.
struct Witness;

thread_local! {
    static SUBSCRIPTION: std::cell::RefCell<Subscription> = std::cell::RefCell::new(Subscription::default());
}

impl Witness {
    fn delivered(subscription: Subscription, flow: FlowBuilder) -> bool {
        SUBSCRIPTION.set(subscription);
        start::<Self>(json!({})).unwrap().event(flow).len() == 1
    }
}

impl Policy for Witness {
    type Config = Nothing;
    const WANTS: &'static [VerdictKind] = &[VerdictKind::Delete];

    fn configure(_: Nothing, _: Timestamp) -> Result<Self, Refusal> {
        Ok(Self)
    }

    fn subscription(&self) -> Subscription {
        SUBSCRIPTION.with_borrow(Clone::clone)
    }

    fn judge(&mut self, _: &Flow<'_>) -> Verdicts {
        delete().into()
    }
}
