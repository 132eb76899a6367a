//! The page of metrics, and that everything that names metrics names some that exist.

use std::collections::{BTreeMap, BTreeSet};

use ctwarden_control::{CounterReport, FirewallReport, FlowTable, ListReport, ReplicaReport};

use super::*;

fn status() -> StatusReport {
    let outcomes = BTreeMap::from([("delete".to_owned(), BTreeMap::from([("applied".to_owned(), 3)]))]);
    StatusReport {
        version: "1.2.3".into(),
        table: Some(FlowTable { entries: 950, maximum: 1000, ..FlowTable::default() }),
        replica: Some(ReplicaReport { flows: 948, complete: true, hears: true, ..ReplicaReport::default() }),
        overruns: 2,
        plugins: vec![PluginReport {
            name: "ban".into(),
            mode: "enforce".into(),
            calls: 7,
            cpu_us: 1_500_000,
            verdicts: outcomes.clone(),
            flows: outcomes.clone(),
            codes: BTreeMap::from([("banned".to_owned(), outcomes)]),
            counters: vec![CounterReport { name: "ports".into(), evictions: 1, ..CounterReport::default() }],
            ..PluginReport::default()
        }],
        sets: vec![SetReport {
            name: "bans".into(),
            file: Some("/x".into()),
            networks: 5,
            firewall: Some(FirewallReport::default()),
            list: Some(ListReport { read: "2026-11-30T12:00:00.000000000Z".into(), ..ListReport::default() }),
            ..SetReport::default()
        }],
        ..StatusReport::default()
    }
}

/// All names of samples.
fn names(page: &str) -> BTreeSet<&str> {
    let samples = page.lines().filter(|line| !line.starts_with('#'));
    samples.map(|line| line.split(['{', ' ']).next().unwrap()).collect()
}

#[test]
fn the_page_has_each_number_under_its_name() {
    let page = text(Some(&status()), &Tally::default()).unwrap();
    for line in [
        "ctwarden_up 1",
        "ctwarden_verdicts_total{plugin=\"ban\",kind=\"delete\",outcome=\"applied\"} 3",
        "ctwarden_verdict_codes_total{plugin=\"ban\",code=\"banned\",kind=\"delete\",outcome=\"applied\"} 3",
        "ctwarden_plugin_calls_total{plugin=\"ban\"} 7",
        "ctwarden_plugin_cpu_seconds_total{plugin=\"ban\"} 1.5",
        "ctwarden_plugin_state{plugin=\"ban\",state=\"running\"} 1",
        "ctwarden_lost_total{stage=\"events\",cause=\"overrun\"} 2",
        "ctwarden_table_entries 950",
        "ctwarden_set_networks{set=\"bans\"} 5",
        "ctwarden_feed_read_timestamp_seconds{set=\"bans\"} 1796040000",
        "ctwarden_feed_refused{set=\"bans\"} 0",
    ] {
        assert!(page.lines().any(|of_page| of_page == line), "{line} in\n{page}");
    }
    assert!(page.ends_with("# EOF\n"));
}

#[test]
fn a_daemon_that_does_not_answer_is_down() {
    let page = text(None, &Tally::default()).unwrap();
    assert!(page.contains("\nctwarden_up 0\n") && page.contains("ctwarden_agent_records_total 0"), "{page}");
    assert!(!page.contains("ctwarden_table_entries"));
}

/// The names of metrics in a text.
fn named(text: &str) -> BTreeSet<&str> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split(|c| !is_name(c)).filter(|word| word.starts_with("ctwarden_") && !word.ends_with('_')).collect()
}

#[test]
fn rules_dashboard_and_page_name_metrics_that_exist() {
    let page = text(Some(&status()), &Tally::default()).unwrap();
    let there = names(&page);
    let packaging = concat!(env!("CARGO_MANIFEST_DIR"), "/../packaging/prometheus");
    let read = |path: String| std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let rules = read(format!("{packaging}/ctwarden.rules.yml"));
    let dashboard = read(format!("{packaging}/ctwarden.dashboard.json"));
    serde_json::from_str::<serde_json::Value>(&dashboard).unwrap();
    let listed = read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md").to_owned());
    for (what, text) in [("rules", &rules), ("dashboard", &dashboard), ("docs/metrics.md", &listed)] {
        let missing: Vec<_> = named(text).into_iter().filter(|name| !there.contains(name)).collect();
        assert!(missing.is_empty(), "{what} names {missing:?}");
        assert!(named(text).len() > 5, "{what} names some");
    }
    let unlisted: Vec<_> = there.iter().filter(|name| !named(&listed).contains(*name)).collect();
    assert!(unlisted.is_empty(), "docs/metrics.md lacks {unlisted:?}");
}
