//! Tests of the policy in the harness: what it deletes at which fill, and when it tells people.

use std::time::Duration;

use ctwarden_sdk::table::Statistics;
use ctwarden_sdk::testing::{FlowBuilder, Harness, Host, flow, json, start};

use crate::TablePressure;

fn filled(entries: u32) -> Harness<TablePressure> {
    let statistics = Statistics { entries, maximum: Some(100), ..Statistics::default() };
    Host::new().statistics(statistics).start(json!({ "at-most": 7 })).unwrap()
}

#[test]
fn a_table_with_room_is_left_alone() {
    assert!(filled(79).tick().is_empty());
    let unlimited = Statistics { entries: 1_000_000, ..Statistics::default() };
    let mut policy: Harness<TablePressure> = Host::new().statistics(unlimited).start(json!({})).unwrap();
    assert!(policy.tick().is_empty(), "an unlimited table is never full");
}

#[test]
fn closed_and_unassured_flows_make_room() {
    let answer = filled(90).tick();
    let codes: Vec<&str> = answer.iter().map(|verdict| verdict.code()).collect();
    assert_eq!(codes, ["closed", "unassured", "count"]);
    assert!(answer.iter().all(|verdict| verdict.reason() == "90 of 100 entries"));
    assert_eq!(filled(89).tick().iter().map(|verdict| verdict.code().to_owned()).collect::<Vec<_>>(), ["count"]);
}

#[test]
fn the_alert_discounts_what_the_kernel_can_evict() {
    let rows = |assured: usize| -> Vec<FlowBuilder> {
        (0..100).map(|n| if n < assured { flow().established() } else { flow() }).collect()
    };
    let mut policy = filled(100);
    assert!(policy.sweep(rows(79)).is_empty());
    let answer = policy.sweep(rows(80));
    let why = "80 % of the table are flows that the kernel cannot evict";
    assert_eq!(answer.lines(), [format!("alert \"{why}\": table-full: {why}")]);
    policy.sweep_begin();
    policy.sweep_rows(rows(100));
    assert!(policy.sweep_end(false).is_empty(), "an interrupted sweep counts some flows twice");
}

#[test]
fn the_table_is_counted_once_in_a_while() {
    let mut policy = filled(85);
    assert_eq!(policy.tick().len(), 1);
    policy.advance(Duration::from_secs(59));
    assert!(policy.tick().is_empty());
    policy.advance(Duration::from_secs(1));
    assert_eq!(policy.tick().len(), 1);
}

#[test]
fn a_percentage_beyond_a_hundred_is_refused() {
    let refused = start::<TablePressure>(json!({ "delete-percent": 101 })).map(drop).unwrap_err();
    assert!(refused.contains("delete-percent"), "{refused}");
}
