//! Tests of the policy in the harness: who is silent for long is found, and nobody else is.

use std::time::Duration;

use ctwarden_sdk::prelude::*;
use ctwarden_sdk::testing::{FlowBuilder, Harness, flow, json, start};

use crate::IdleReaper;

fn tcp(id: u32, left: u32) -> FlowBuilder {
    flow().tcp().established().id(id).timeout(left)
}

fn after(policy: &mut Harness<IdleReaper>, seconds: u64, flows: Vec<FlowBuilder>) -> Vec<String> {
    policy.advance(Duration::from_secs(seconds));
    policy.sweep(flows).lines()
}

#[test]
fn a_silent_connection_expires_and_a_busy_one_stays() {
    let mut policy: Harness<IdleReaper> = start(json!({ "idle-seconds": 600 })).unwrap();
    assert!(policy.sweep([tcp(1, 432_000), tcp(2, 432_000)]).is_empty());
    assert!(after(&mut policy, 300, vec![tcp(1, 431_700), tcp(2, 432_000)]).is_empty());
    let said = after(&mut policy, 300, vec![tcp(1, 431_400), tcp(2, 431_999)]);
    assert_eq!(said, ["timeout 30 s on entry 0: idle: silent for at least 600 s"]);
    assert!(after(&mut policy, 20, vec![tcp(1, 10), tcp(2, 432_000)]).is_empty(), "it expires already");
}

#[test]
fn a_packet_begins_a_new_silence() {
    let mut policy: Harness<IdleReaper> = start(json!({ "idle-seconds": 600 })).unwrap();
    policy.sweep([tcp(1, 432_000)]);
    assert!(after(&mut policy, 599, vec![tcp(1, 431_990)]).is_empty());
    assert!(after(&mut policy, 590, vec![tcp(1, 431_400)]).is_empty());
    assert_eq!(after(&mut policy, 10, vec![tcp(1, 431_390)]).len(), 1);
}

#[test]
fn what_others_keep_and_what_is_exempt_stays() {
    let mut policy: Harness<IdleReaper> =
        start(json!({ "idle-seconds": 1, "exempt": ["10.0.0.0/8"], "ports": ["1-499"] })).unwrap();
    let kept = || {
        let fixed = |bit| tcp(3, 1000).status(Status::CONFIRMED | Status::ASSURED | bit);
        let exempt = tcp(4, 1000).to("10.1.2.3:443");
        let closing = flow().tcp().established().state(TcpState::TIME_WAIT).id(5).timeout(1000);
        vec![fixed(Status::FIXED_TIMEOUT), fixed(Status::OFFLOAD), exempt, closing, tcp(6, 1000).to("192.0.2.1:500")]
    };
    policy.sweep(kept());
    assert!(after(&mut policy, 60, kept()).is_empty());
}

#[test]
fn an_interrupted_sweep_forgets_nothing() {
    let mut policy: Harness<IdleReaper> = start(json!({ "idle-seconds": 600 })).unwrap();
    policy.sweep([tcp(1, 432_000)]);
    policy.sweep_begin();
    policy.sweep_end(false);
    assert_eq!(after(&mut policy, 600, vec![tcp(1, 431_400)]).len(), 1);
}
