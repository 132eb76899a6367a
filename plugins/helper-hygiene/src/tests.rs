//! Tests of the decision. The harness delivers flows only, so the expectations here are made by hand; the scenario in
//! `tests/` has those of the kernel.

use ctwarden_sdk::prelude::*;
use ctwarden_sdk::testing::{Harness, json, start};
use serde_json::Value;

use crate::{Expected, HelperHygiene};

fn ends(src: [u8; 4], dst: [u8; 4], src_port: u16, dst_port: u16) -> Endpoints {
    Endpoints { src: src.into(), dst: dst.into(), src_port, dst_port }
}

fn code(config: Value, helper: &str, port: u16, mask: u16) -> Option<&'static str> {
    let policy: Harness<HelperHygiene> = start(config).unwrap();
    let expected = Expected {
        helper: Some(helper),
        protocol: Protocol::TCP,
        to: ends([10, 0, 0, 1], [192, 0, 2, 9], 0, port),
        mask: ends([255; 4], [255; 4], 0, mask),
        master: ends([10, 0, 0, 1], [192, 0, 2, 1], 40_000, 21),
    };
    policy.policy().fault(expected).map(|(code, _)| code)
}

#[test]
fn only_helpers_that_are_allowed_may_expect() {
    assert_eq!(code(json!({}), "ftp", 20_021, u16::MAX), Some("helper"));
    assert_eq!(code(json!({ "helpers": ["ftp"] }), "ftp", 20_021, u16::MAX), None);
    assert_eq!(code(json!({ "helpers": ["sip"] }), "sip-5062", 20_021, u16::MAX), None);
    assert_eq!(code(json!({ "helpers": ["si"] }), "sip", 20_021, u16::MAX), Some("helper"));
}

#[test]
fn a_low_port_stays_closed() {
    let ftp = || json!({ "helpers": ["ftp"] });
    assert_eq!(code(ftp(), "ftp", 22, u16::MAX), Some("low-port"));
    assert_eq!(code(ftp(), "ftp", 1024, u16::MAX), None);
    assert_eq!(code(ftp(), "ftp", 0, 0), None, "any port is expected");
    assert_eq!(code(json!({ "helpers": ["ftp"], "lowest-port": 0 }), "ftp", 22, u16::MAX), None);
}

#[test]
fn another_host_may_be_refused() {
    assert_eq!(code(json!({ "helpers": ["ftp"], "same-hosts": true }), "ftp", 20_021, u16::MAX), Some("other-host"));
}

#[test]
fn an_empty_name_is_refused() {
    let refused = start::<HelperHygiene>(json!({ "helpers": ["ftp", ""] })).map(drop).unwrap_err();
    assert!(refused.contains("number 2"), "{refused}");
}
