//! Tests of the policy in the harness: ports are counted for each server, and only closed connections end.

use ctwarden_sdk::prelude::*;
use ctwarden_sdk::testing::{FlowBuilder, Harness, flow, json, start};

use crate::NatExhaustion;

fn translated(count: u16, server: &str) -> Vec<FlowBuilder> {
    let nat = Status::CONFIRMED | Status::SRC_NAT;
    let one = |port: u16| flow().tcp().to(server).appearing_as(&format!("203.0.113.1:{}", 1024 + port)).status(nat);
    (0..count).map(one).collect()
}

#[test]
fn the_ports_of_each_server_are_counted() {
    let mut policy: Harness<NatExhaustion> = start(json!({ "ports": 10 })).unwrap();
    let (mut one, other) = (translated(7, "198.51.100.1:443"), translated(7, "198.51.100.2:443"));
    one.extend(other);
    assert!(policy.sweep(one).is_empty(), "7 of 10 for each");
    let answer = policy.sweep(translated(8, "198.51.100.1:443"));
    assert_eq!(answer.kinds(), [VerdictKind::Alert], "it only tells");
    let said = answer.lines().remove(0);
    assert!(said.contains("8 of 10 ports of 203.0.113.1 are in use for tcp to 198.51.100.1 port 443"), "{said}");
    assert!(policy.sweep(translated(7, "198.51.100.1:443")).is_empty(), "each sweep begins again");
}

#[test]
fn flows_without_translation_hold_no_port_of_it() {
    let mut policy: Harness<NatExhaustion> = start(json!({ "ports": 10 })).unwrap();
    assert!(policy.sweep((0..50).map(|_| flow().tcp().established())).is_empty());
}

#[test]
fn closed_connections_of_that_server_end() {
    let mut policy: Harness<NatExhaustion> = start(json!({ "ports": 10, "end-closed": 5 })).unwrap();
    let answer = policy.sweep(translated(9, "198.51.100.1:443"));
    assert_eq!(answer.kinds(), [VerdictKind::Alert, VerdictKind::Delete]);
    let filter = answer.filter();
    assert_eq!(*filter, {
        let closed = Filter::new().tcp().state(TcpState::TIME_WAIT).state(TcpState::CLOSE);
        let (address, server): (Prefix, Prefix) = ("203.0.113.1".parse().unwrap(), "198.51.100.1".parse().unwrap());
        closed.reply_to(address).reply_from(server).reply_src_port(443)
    });
}

#[test]
fn an_interrupted_sweep_counts_nothing() {
    let mut policy: Harness<NatExhaustion> = start(json!({ "ports": 10 })).unwrap();
    policy.sweep_begin();
    policy.sweep_rows(translated(10, "198.51.100.1:443"));
    assert!(policy.sweep_end(false).is_empty());
}

#[test]
fn numbers_out_of_range_are_refused() {
    for config in [json!({ "ports": 0 }), json!({ "percent": 101 }), json!({ "sweep-seconds": 0 })] {
        assert!(start::<NatExhaustion>(config).is_err());
    }
}
