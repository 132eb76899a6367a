//! The texts for people, and the report for machines.

use std::collections::BTreeMap;

use crate::{
    Colour, CounterReport, Fault, FlowTable, LastRefusal, Outcomes, PluginCondition, PluginReport, ReplicaReport, Sent,
    StatusReport, Warning,
};

fn report() -> StatusReport {
    let counts = |pairs: &[(&str, u64)]| pairs.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
    StatusReport {
        version: "1.2.3".into(),
        pid: 42,
        configuration: "/etc/ctwarden/ctwarden.toml".into(),
        uptime_ms: 93_784_000,
        table: Some(FlowTable { entries: 950, maximum: 1000, early_dropped: 7, ..FlowTable::default() }),
        replica: Some(ReplicaReport {
            flows: 948,
            bytes: 70_000,
            limit: 256 << 20,
            complete: false,
            hears: true,
            turned_away: 3,
        }),
        events: 123_456,
        overruns: 2,
        sweeps: 3,
        rows: 2850,
        records: 77,
        warnings: vec![Warning {
            about: "hooks".into(),
            text: "conntrack is not active".into(),
            change: Some("nft -f".into()),
        }],
        plugins: vec![
            PluginReport {
                name: "ban-follower".into(),
                version: "0.1.0".into(),
                mode: "enforce".into(),
                queue: 5,
                queue_limit: 65_536,
                delivered: 120_000,
                verdicts: BTreeMap::from([
                    ("delete".into(), counts(&[("applied", 10), ("gone", 2), ("refused", 1), ("observed", 0)])),
                    ("block".into(), counts(&[("applied", 1)])),
                ]),
                counters: vec![
                    CounterReport { name: "ports".into(), keys: 5_000, bytes: 1 << 20, limit: 1 << 20, evictions: 7 },
                    CounterReport { name: "quiet".into(), keys: 1, bytes: 9_000, limit: 1 << 20, evictions: 0 },
                ],
                not_granted: vec!["its configuration needs sweep, which is not granted".into()],
                last_refusal: Some(LastRefusal {
                    time: "2026-11-22T12:00:01.000000000Z".into(),
                    kind: "delete".into(),
                    text: "no answer".into(),
                }),
                ..PluginReport::default()
            },
            PluginReport {
                name: "cap".into(),
                version: "12.0.1".into(),
                mode: "observe".into(),
                state: PluginCondition::Quarantined,
                until_ms: Some(61_000),
                queue_limit: 8,
                missed: 99,
                faults: 3,
                last_fault: Some(Fault {
                    time: "2026-11-22T12:00:00.000000000Z".into(),
                    kind: "trap".into(),
                    text: "trapped: unreachable\nat f".into(),
                }),
                ..PluginReport::default()
            },
        ],
        ..StatusReport::default()
    }
}

#[test]
fn the_report_for_people() {
    let expected = "\
ctwarden 1.2.3, pid 42, up 1d 2h, /etc/ctwarden/ctwarden.toml
table:   950 of 1000 entries (95 %), 7 evicted early
replica: 948 flows, 1 of 256 MiB, not complete, 3 turned away
events:  123456, 2 overruns
sweeps:  3, 2850 rows
records: 77
warning: hooks: conntrack is not active; to change it: nft -f

PLUGIN        VERSION  MODE     STATE                  QUEUE  DELIVERED  MISSED  VERDICTS  FAULTS
ban-follower  0.1.0    enforce  running              5/65536     120000       0        14       0
  block: 1 applied
  delete: 10 applied, 2 gone, 1 refused
  not granted: its configuration needs sweep, which is not granted
  counter ports: 5000 keys, 7 keys evicted; see counters in its [plugin.limits]
  last refusal: delete: no answer 2026-11-22T12:00:01.000000000Z
cap           12.0.1   observe  quarantined (1m 1s)      0/8          0      99         0       3
  last fault: trap: trapped: unreachable; at f 2026-11-22T12:00:00.000000000Z
";
    assert_eq!(report().to_text(Colour::Off), expected);
    let coloured = report().to_text(Colour::On);
    assert!(coloured.contains("\x1b[32mrunning") && coloured.contains("\x1b[31mquarantined"));
    let mut plain = String::new();
    let mut rest = coloured.as_str();
    while let Some(at) = rest.find('\x1b') {
        plain.push_str(&rest[..at]);
        rest = &rest[at + rest[at..].find('m').unwrap() + 1..];
    }
    assert_eq!(plain + rest, expected, "colour changes nothing but colour");
    assert!(StatusReport::default().to_text(Colour::Off).contains("no plugins; add [[plugin]] to "));
}

#[test]
fn the_report_for_machines_goes_there_and_back() {
    let text = serde_json::to_string(&report()).unwrap();
    assert_eq!(serde_json::from_str::<StatusReport>(&text).unwrap(), report());
    assert!(text.contains("\"state\":\"quarantined\",\"until_ms\":61000"));
    assert!(text.contains("\"verdicts\":{\"block\":{\"applied\":1},\"delete\":{"));
}

#[test]
fn what_came_of_a_message_in_words() {
    let outcomes = BTreeMap::from([
        ("delete".to_owned(), BTreeMap::from([("applied".to_owned(), 3), ("gone".to_owned(), 1)])),
        ("block".to_owned(), BTreeMap::from([("applied".to_owned(), 1)])),
    ]);
    let words = |text: &str, outcomes: &Outcomes| {
        Sent { text: text.into(), outcomes: outcomes.clone(), ..Sent::default() }.to_string()
    };
    assert_eq!(words("banned\n", &outcomes), "banned (block: 1 applied; delete: 3 applied, 1 gone)");
    assert_eq!(words("", &outcomes), "block: 1 applied; delete: 3 applied, 1 gone");
    assert_eq!(words("ok", &BTreeMap::new()), "ok");
    assert_eq!(words("", &BTreeMap::new()), "done, no verdicts");
    let refusals = vec!["no room".to_owned(), "no set".to_owned()];
    let refused = Sent { text: "banned".into(), outcomes, refusals, ..Sent::default() };
    assert_eq!(
        refused.to_string(),
        "banned (block: 1 applied; delete: 3 applied, 1 gone); refused: no room; refused: no set"
    );
}
