//! Tests of the policy in the harness: counts are exact whatever is lost, and no connection ends on a guess.

use std::time::Duration;

use ctwarden_sdk::prelude::*;
use ctwarden_sdk::testing::{FlowBuilder, Harness, flow, json, start};
use serde_json::Value;

use crate::{Config, ConnectionCap};

fn from(source: &str) -> FlowBuilder {
    flow().tcp().from(source).to("198.51.100.1:80")
}

fn many(source: &str, count: usize) -> Vec<FlowBuilder> {
    (0..count).map(|_| from(source)).collect()
}

fn started(config: Value) -> Harness<ConnectionCap> {
    start(config).unwrap()
}

/// Returns a policy with a limit of 3 that has seen an empty table.
fn cap(action: &str) -> Harness<ConnectionCap> {
    let mut config = json!({ "limit": 3, "action": action });
    if action == "block" {
        config["block-set"] = json!("drop");
    }
    let mut policy = started(config);
    assert!(policy.sweep([]).is_empty());
    policy
}

fn gone(flows: &[FlowBuilder]) -> impl Iterator<Item = FlowBuilder> {
    flows.iter().cloned().map(FlowBuilder::destroyed)
}

const DELETE: VerdictKind = VerdictKind::Delete;

#[test]
fn the_connection_over_the_cap_is_ended_and_people_are_told() {
    let mut policy = cap("delete");
    assert!(policy.events(many("192.0.2.1", 3)).is_empty());
    let answer = policy.events([from("192.0.2.2"), from("192.0.2.1")]);
    let why = "192.0.2.1 has 4 connections, 3 are allowed";
    let lines = [format!("alert \"{why}\" on entry 1: over-cap: {why}"), format!("delete on entry 1: over-cap: {why}")];
    assert_eq!(answer.lines(), lines);
    let answer = policy.event(from("192.0.2.1"));
    assert_eq!(answer.kinds(), [DELETE], "people were told a moment ago");
    policy.advance(Duration::from_secs(60));
    assert_eq!(policy.event(from("192.0.2.1")).kinds(), [VerdictKind::Alert, DELETE]);
}

#[test]
fn what_has_ended_counts_no_more() {
    let mut policy = cap("delete");
    let flows = many("192.0.2.1", 4);
    assert_eq!(policy.events(flows.clone()).entries(DELETE), [3]);
    policy.events([flows[3].clone().destroyed().by_us()]);
    assert_eq!(policy.event(from("192.0.2.1")).entries(DELETE), [0], "three are left, one comes");
    policy.events(gone(&flows[..3]));
    assert!(policy.events(many("192.0.2.1", 2)).is_empty());
    assert_eq!(policy.events(gone(&flows)).len(), 0, "ends that are told twice count once");
    assert_eq!(policy.policy().ledger.len(), 3);
}

#[test]
fn nothing_stays_behind() {
    let mut policy = cap("alert");
    let flows: Vec<FlowBuilder> = (0..200).flat_map(|n| many(&format!("192.0.2.{n}"), 5)).collect();
    policy.events(flows.clone());
    policy.events(gone(&flows));
    let ledger = &policy.policy().ledger;
    assert_eq!((ledger.len(), ledger.sources()), (0, 0));
}

#[test]
fn connections_older_than_the_policy_are_counted_by_the_first_sweep() {
    let mut policy = started(json!({ "limit": 3, "action": "delete" }));
    let old = many("192.0.2.1", 2);
    policy.sweep_begin();
    policy.sweep_rows(old.clone());
    let new = many("192.0.2.1", 2);
    assert!(policy.events(new.clone()).is_empty(), "not before all is known");
    policy.sweep_rows(new[..1].to_vec());
    let answer = policy.sweep_end(true);
    assert_eq!(answer.kinds(), [VerdictKind::Alert, DELETE]);
    assert_eq!(policy.event(from("192.0.2.1")).entries(DELETE), [0]);
    policy.events(gone(&old));
    assert!(policy.event(from("192.0.2.1").destroyed()).is_empty(), "the end of one that was never told");
    assert_eq!(policy.policy().ledger.len(), 3);
}

#[test]
fn the_newest_by_the_kernels_own_clock_go_first() {
    let mut policy = started(json!({ "limit": 1, "action": "delete" }));
    let at = |seconds| from("192.0.2.1").started(Timestamp::from_secs(seconds));
    let rows = [at(300), at(100), at(200)];
    let keys = [rows[0].key(), rows[2].key()];
    let answer = policy.sweep(rows);
    let deleted: Vec<_> = answer.iter().filter(|verdict| verdict.kind() == DELETE).map(Verdict::target).collect();
    assert_eq!(deleted, keys.map(|key| Some(key.into())).each_ref().map(Option::as_ref));
}

#[test]
fn after_lost_events_nobody_is_cut_off_on_a_guess() {
    let mut policy = cap("delete");
    let flows = many("192.0.2.1", 3);
    policy.events(flows.clone());
    for missed in [0, 17] {
        policy.overrun(missed);
        // The first two have ended, but their ends were lost.
        assert!(policy.event(from("192.0.2.1")).is_empty());
        let first = flows[2].clone();
        let last = from("192.0.2.1");
        let answer = policy.sweep([first, last]);
        assert!(answer.is_empty(), "{:?}", answer.lines());
        assert_eq!(policy.policy().ledger.len(), 2);
    }
    policy.event(from("192.0.2.1"));
    assert_eq!(policy.event(from("192.0.2.1")).entries(DELETE), [0]);
}

#[test]
fn connections_that_came_while_events_were_lost_are_the_newest() {
    let mut policy = cap("delete");
    let known = many("192.0.2.1", 3);
    policy.events(known.clone());
    policy.advance(Duration::from_secs(1));
    policy.overrun(0);
    let unknown = from("192.0.2.1");
    let rows = [&[unknown.clone()][..], &known].concat();
    let answer = policy.sweep(rows);
    assert_eq!(answer.kinds(), [VerdictKind::Alert, DELETE]);
    assert_eq!(answer[1].target(), Some(&unknown.key().into()));
}

#[test]
fn an_end_that_overtakes_its_row_is_not_undone() {
    let mut policy = cap("alert");
    let short = from("192.0.2.1");
    policy.event(short.clone());
    policy.sweep_begin();
    policy.event(short.clone().destroyed());
    policy.sweep_rows([short.clone()]);
    assert_eq!(policy.policy().ledger.len(), 0);
    policy.event(short.clone());
    assert_eq!(policy.policy().ledger.len(), 1, "a successor with the same id");
    policy.sweep_rows([short]);
    policy.sweep_end(true);
    assert_eq!(policy.policy().ledger.len(), 1);
}

#[test]
fn an_interrupted_sweep_takes_nobody_off_the_list() {
    let mut policy = cap("delete");
    policy.events(many("192.0.2.1", 3));
    policy.sweep_begin();
    assert!(policy.sweep_end(false).is_empty(), "events told it all, the sweep was only to make sure");
    assert_eq!(policy.policy().ledger.len(), 3);
    policy.overrun(0);
    for _ in 0..3 {
        policy.sweep_begin();
        assert_eq!(policy.sweep_end(false).lines(), ["sweep: recount: the sweep was interrupted"]);
    }
    policy.sweep_begin();
    assert!(policy.sweep_end(false).is_empty(), "the next timed one will do");
    assert!(policy.event(from("192.0.2.1")).is_empty(), "still a guess");
    assert!(policy.sweep(many("192.0.2.1", 3)).is_empty());
    assert_eq!(policy.event(from("192.0.2.1")).entries(DELETE), [0]);
}

#[test]
fn a_source_is_blocked_once_in_a_batch_and_again_when_it_returns() {
    let mut policy = cap("block");
    let answer = policy.events(many("192.0.2.1", 5));
    assert_eq!(answer.kinds(), [VerdictKind::Alert, VerdictKind::Block, DELETE, DELETE]);
    let why = "192.0.2.1 has 4 connections, 3 are allowed";
    assert_eq!(answer.lines()[1], format!("block 192.0.2.1 in drop for 600 s on entry 3: over-cap: {why}"));
    // The block before may have been refused.
    assert_eq!(policy.event(from("192.0.2.1")).kinds(), [VerdictKind::Block, DELETE]);
    assert_eq!(policy.sweep(many("192.0.2.1", 5)).kinds()[..2], [VerdictKind::Block, DELETE]);
}

#[test]
fn a_block_may_have_no_end() {
    let config = json!({ "limit": 1, "action": "block", "block-set": "drop", "block-seconds": 0 });
    let mut policy = started(config);
    policy.sweep([]);
    let answer = policy.events(many("192.0.2.1", 2));
    assert!(answer.lines()[1].starts_with("block 192.0.2.1 in drop on entry 1: "), "{:?}", answer.lines());
}

#[test]
fn an_alert_alone_ends_nothing() {
    let mut policy = cap("alert");
    assert_eq!(policy.events(many("192.0.2.1", 10)).kinds(), [VerdictKind::Alert]);
    policy.advance(Duration::from_secs(60));
    policy.sweep_begin();
    assert_eq!(policy.sweep_end(false).kinds(), [VerdictKind::Alert]);
}

#[test]
fn one_customer_is_one_source() {
    let mut policy = cap("delete");
    let customer = |n: u16| flow().tcp().from(&format!("2001:db8:0:1::{n:x}")).to("2001:db8:ffff::1");
    let answer = policy.events((1..=4).map(customer));
    let why = "2001:db8:0:1::/64 has 4 connections, 3 are allowed";
    assert_eq!(answer.lines()[1], format!("delete on entry 3: over-cap: {why}"));
    let mut policy = started(json!({ "limit": 3, "ipv4-prefix-length": 24, "ipv6-prefix-length": 128 }));
    policy.sweep([]);
    assert!(policy.events((1..=4).map(customer)).is_empty());
    assert_eq!(policy.events((1..=4).map(|n| from(&format!("192.0.2.{n}")))).len(), 1);
}

#[test]
fn the_exempt_may_have_any_number() {
    let mut policy = started(json!({ "limit": 3, "exempt": ["10.0.0.0/8"] }));
    policy.sweep([]);
    assert!(policy.events(many("10.1.2.3", 50)).is_empty());
    assert_eq!(policy.policy().ledger.len(), 0);
}

#[test]
fn only_answered_connections_count_where_that_is_wanted() {
    let mut policy = started(json!({ "limit": 1, "action": "delete", "count": "replied" }));
    policy.sweep([from("192.0.2.1")]);
    assert!(policy.events(many("192.0.2.1", 10)).is_empty(), "forged or refused");
    let flows: Vec<FlowBuilder> = many("192.0.2.1", 2).into_iter().map(FlowBuilder::established).collect();
    assert!(policy.events(many("192.0.2.1", 2)).is_empty());
    let answered = flows.iter().cloned().map(FlowBuilder::updated);
    assert_eq!(policy.events(answered.clone()).entries(DELETE), [1]);
    assert!(policy.events(answered).is_empty(), "further changes");
    policy.events(gone(&flows));
    assert_eq!(policy.policy().ledger.len(), 0);
}

#[test]
fn only_what_was_asked_for_is_subscribed_to() {
    let policy = started(json!({ "limit": 1, "protocols": ["tcp"], "ports": [80, "8000-8999"], "sweep-seconds": 0 }));
    let expected = Subscription::to(&[Kind::New, Kind::Destroy, Kind::Row])
        .needs([VerdictKind::Alert, VerdictKind::Sweep])
        .own_changes()
        .only(Filter::new().tcp().dst_port(80).dst_port(8000..=8999));
    assert_eq!(*policy.subscription(), expected);
    let policy = started(json!({ "limit": 1, "count": "replied" }));
    let expected = Subscription::to(&[Kind::New, Kind::Update, Kind::Destroy, Kind::Row])
        .needs([VerdictKind::Alert, VerdictKind::Sweep])
        .own_changes()
        .sweep_every(Duration::from_secs(300))
        .only(Filter::new().status(Status::SEEN_REPLY));
    assert_eq!(*policy.subscription(), expected);
}

#[test]
fn a_full_ledger_lets_through_and_says_so() {
    let mut policy = started(json!({ "limit": 3, "action": "delete", "max-connections": 2 }));
    policy.sweep([]);
    let flows = many("192.0.2.1", 3);
    let answer = policy.events(flows.clone());
    let title = "more than 2 connections: the rest is not counted; raise max-connections";
    assert_eq!(answer.lines(), [format!("alert \"{title}\" on entry 2: full")]);
    assert!(policy.event(from("192.0.2.2")).is_empty(), "told a moment ago");
    policy.events(gone(&flows));
    assert_eq!(policy.policy().ledger.len(), 0);
}

#[test]
fn one_sweep_ends_no_more_than_it_should() {
    let mut policy = started(json!({ "limit": 1, "action": "delete", "alert-seconds": 0 }));
    let answer = policy.sweep(many("192.0.2.1", 1500));
    assert_eq!(answer.iter().filter(|verdict| verdict.kind() == DELETE).count(), 1000);
}

#[test]
fn a_configuration_that_makes_no_sense_is_refused() {
    let refused = |config| start::<ConnectionCap>(config).map(|_| ()).unwrap_err();
    assert!(refused(json!({})).starts_with("missing field `limit`"));
    assert_eq!(refused(json!({ "limit": 0 })), "limit: a source must be allowed at least 1 connection");
    assert_eq!(refused(json!({ "limit": 1, "action": "block" })), "action \"block\" needs block-set");
    let useless = "block-set has no effect without action = \"block\"";
    assert_eq!(refused(json!({ "limit": 1, "action": "delete", "block-set": "x" })), useless);
    assert!(refused(json!({ "limit": 1, "action": "drop" })).starts_with("unknown variant `drop`"));
    let length = "a prefix length is at most 32 for IPv4 and 128 for IPv6";
    assert_eq!(refused(json!({ "limit": 1, "ipv4-prefix-length": 33 })), length);
    let ports = "ports: one of the given protocols has no ports; remove one of the two";
    assert_eq!(refused(json!({ "limit": 1, "protocols": ["icmp"], "ports": [1] })), ports);
    assert!(<Config as Configuration>::schema().contains("How many connections one source may have at a time."));
}

#[test]
fn no_more_is_needed_than_its_action_takes() {
    let needs = |action: &str, set: Option<&str>| {
        let config = json!({ "limit": 1, "action": action, "block-set": set });
        start::<ConnectionCap>(config).unwrap().needs().to_vec()
    };
    let base = [VerdictKind::Alert, VerdictKind::Sweep];
    assert_eq!(needs("alert", None), base);
    assert_eq!(needs("delete", None), [&base[..], &[VerdictKind::Delete]].concat());
    assert_eq!(needs("block", Some("s")), [&base[..], &[VerdictKind::Delete, VerdictKind::Block]].concat());
}
