//! Tests of the policy in the harness: a pair is new once, also after a restart.

use std::time::Duration;

use ctwarden_sdk::testing::{FlowBuilder, Harness, flow, json, start};
use serde_json::Value;

use crate::LateralMovement;

fn ssh(from: &str, to: &str) -> FlowBuilder {
    flow().tcp().from(&format!("{from}:40000")).to(&format!("{to}:22"))
}

fn started(config: Value) -> Harness<LateralMovement> {
    start(config).unwrap()
}

const WHY: &str = "10.0.0.2 reaches port 22 of 10.0.0.3 for the first time";

#[test]
fn a_pair_is_new_once_also_after_a_restart() {
    let mut policy = started(json!({ "internal": ["10.0.0.0/8"], "learn-seconds": 100 }));
    assert!(policy.event(ssh("10.0.0.1", "10.0.0.3")).is_empty(), "it learns");
    policy.advance(Duration::from_secs(101));
    assert!(policy.event(ssh("10.0.0.1", "10.0.0.3")).is_empty(), "it has learnt");
    let said = policy.event(ssh("10.0.0.2", "10.0.0.3")).lines();
    assert_eq!(said, [format!("alert \"{WHY}\" on entry 0: new-pair: {WHY}")]);
    let mut policy = policy.restart().unwrap();
    assert!(policy.events([ssh("10.0.0.1", "10.0.0.3"), ssh("10.0.0.2", "10.0.0.3")]).is_empty());
    assert_eq!(policy.sweep([ssh("10.0.0.3", "10.0.0.2")]).len(), 1, "the other way is another pair");
}

#[test]
fn a_pair_that_stays_away_is_new_again() {
    let config = json!({ "internal": ["10.0.0.0/8"], "learn-seconds": 0, "forget-seconds": 1000 });
    let mut policy = started(config);
    assert_eq!(policy.event(ssh("10.0.0.2", "10.0.0.3")).len(), 1);
    for _ in 0..4 {
        policy.advance(Duration::from_secs(600));
        assert!(policy.event(ssh("10.0.0.2", "10.0.0.3")).is_empty(), "each connection keeps it");
    }
    policy.advance(Duration::from_secs(1001));
    assert_eq!(policy.event(ssh("10.0.0.2", "10.0.0.3")).len(), 1);
}

#[test]
fn others_are_left_alone() {
    let config = json!({ "internal": ["10.0.0.0/8"], "learn-seconds": 0, "exempt": ["10.9.0.0/16"] });
    let mut policy = started(config);
    let web = flow().tcp().from("10.0.0.1:40000").to("10.0.0.3:443");
    let others = [ssh("192.0.2.1", "10.0.0.3"), ssh("10.0.0.1", "192.0.2.1"), ssh("10.9.0.1", "10.0.0.3"), web];
    assert!(policy.events(others).is_empty());
}

#[test]
fn a_pair_that_is_deleted_does_not_become_known() {
    let config = json!({ "internal": ["10.0.0.0/8"], "learn-seconds": 0, "action": "delete" });
    let mut policy = started(config);
    for _ in 0..2 {
        let said = policy.event(ssh("10.0.0.2", "10.0.0.3")).lines();
        assert_eq!(said[1], format!("delete on entry 0: new-pair: {WHY}"));
    }
}

#[test]
fn no_network_is_refused() {
    let refused = start::<LateralMovement>(json!({ "internal": [] })).map(drop).unwrap_err();
    assert!(refused.contains("internal"), "{refused}");
}
