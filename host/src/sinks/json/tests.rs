//! The expected lines. A change here changes the format that other programs read.

use ctwarden_model::{
    Alert, Block, ChangedSet, ClaimsChange, ClaimsChangeKind, Fault, FlowId, ListCounts, Mode, PluginName, Prefix,
    Protocol, SecondsRange, SetName, Unblock, Verdict, VerdictKind, Zone,
};

use super::*;

/// Asserts that the line is a record as the published schema describes it.
#[track_caller]
fn assert_in_schema(line: &str) {
    let schema = serde_json::from_str(include_str!("../../../../docs/records.schema.json")).unwrap();
    let validator = jsonschema::draft202012::options().build(&schema).unwrap();
    let record = serde_json::from_str(line).unwrap();
    let faults: Vec<_> = validator.iter_errors(&record).map(|fault| fault.to_string()).collect();
    assert!(faults.is_empty(), "{line}: {faults:?}");
}

const AT: Timestamp = Timestamp(1_790_000_000_000_000_042);

fn key(layer4: Layer4, protocol: Protocol, src: &str, dst: &str) -> FlowKey {
    let original = Tuple { src: src.parse().unwrap(), dst: dst.parse().unwrap(), protocol, layer4 };
    FlowKey { id: FlowId(305_419_896), zone: Zone(3), original }
}

fn tcp() -> FlowKey {
    key(Layer4::Ports { src: 40000, dst: 443 }, Protocol::TCP, "192.0.2.1", "198.51.100.2")
}

fn record(action: Action, flow: Option<FlowKey>, outcome: Outcome) -> VerdictRecord {
    let target = flow.map_or(Target::None, Target::Key);
    VerdictRecord {
        at: AT,
        plugin: PluginName::new("ban-follower").unwrap(),
        mode: Mode::Enforce,
        verdict: Verdict { target, action, code: "banned".into(), reason: "on the \"list\"\n".into() },
        flow,
        outcome,
        tally: None,
        took: Duration::from_nanos(1_234_567),
    }
}

#[track_caller]
fn assert_verdict(record: VerdictRecord, middle: &str) {
    let begin =
        r#"{"time":"2026-09-21T14:13:20.000000042Z","record":"verdict","plugin":"ban-follower","mode":"enforce","#;
    let line = line(&Record::Verdict(Box::new(record))).unwrap();
    assert_eq!(line, format!("{begin}{middle},\"took_us\":1234}}"));
    assert_in_schema(&line);
}

const TCP: &str = r#""flow":{"id":305419896,"zone":3,"protocol":"tcp","src":"192.0.2.1","dst":"198.51.100.2","src_port":40000,"dst_port":443}"#;
const WHY: &str = r#""code":"banned","reason":"on the \"list\"\n""#;

#[test]
fn each_action_has_its_line() {
    let network: Prefix = "2001:db8::/32".parse().unwrap();
    let applied = Outcome::Applied;
    assert_verdict(
        record(Action::Delete, Some(tcp()), applied),
        &format!(r#""action":"delete","outcome":"applied",{WHY},{TCP}"#),
    );
    assert_verdict(
        record(Action::Mark(Masked::new(0x10, 0xff).unwrap()), Some(tcp()), applied),
        &format!(r#""action":"mark","outcome":"applied",{WHY},{TCP},"mark":{{"value":16,"mask":255}}"#),
    );
    assert_verdict(
        record(Action::Labels(LabelChange { set: 1 << 127 | 1, clear: 2 }), Some(tcp()), applied),
        &format!(r#""action":"labels","outcome":"applied",{WHY},{TCP},"labels":{{"set":[0,127],"clear":[1]}}"#),
    );
    assert_verdict(
        record(Action::Timeout(30), Some(tcp()), applied),
        &format!(r#""action":"timeout","outcome":"applied",{WHY},{TCP},"timeout_seconds":30"#),
    );
    let fields: Fields = [("a", "1"), ("b", "2"), ("a", "3")].map(|(n, v)| (n.into(), v.into())).to_vec();
    let alert = Alert { severity: 4, title: "t".into(), key: "k".into(), fields: fields.clone() };
    assert_verdict(
        record(Action::Alert(alert), None, Outcome::Observed),
        &format!(
            r#""action":"alert","outcome":"observed",{WHY},"alert":{{"severity":4,"title":"t","key":"k","fields":{{"a":["1","3"],"b":"2"}}}}"#
        ),
    );
    assert_verdict(
        record(Action::Log(fields), None, applied),
        &format!(r#""action":"log","outcome":"applied",{WHY},"fields":{{"a":["1","3"],"b":"2"}}"#),
    );
    let set = SetName("banned".into());
    assert_verdict(
        record(Action::Block(Block { set: set.clone(), network, service: None, seconds: Some(60) }), None, applied),
        &format!(
            r#""action":"block","outcome":"applied",{WHY},"block":{{"set":"banned","network":"2001:db8::/32","seconds":60}}"#
        ),
    );
    assert_verdict(
        record(Action::Unblock(Unblock { set, network, service: None }), None, applied),
        &format!(
            r#""action":"unblock","outcome":"applied",{WHY},"unblock":{{"set":"banned","network":"2001:db8::/32"}}"#
        ),
    );
    assert_verdict(
        record(Action::Protect(9), Some(tcp()), applied),
        &format!(r#""action":"protect","outcome":"applied",{WHY},{TCP},"protect_seconds":9"#),
    );
    assert_verdict(record(Action::Sweep, None, applied), &format!(r#""action":"sweep","outcome":"applied",{WHY}"#));
}

#[test]
fn each_outcome_has_its_name_and_a_refusal_its_reason() {
    let plain = [
        Outcome::Applied,
        Outcome::Gone,
        Outcome::Replaced,
        Outcome::OverBudget,
        Outcome::NotGranted,
        Outcome::Protected,
        Outcome::Observed,
        Outcome::Superseded,
    ];
    for outcome in plain {
        assert_verdict(
            record(Action::Delete, Some(tcp()), outcome),
            &format!(r#""action":"delete","outcome":"{}",{WHY},{TCP}"#, outcome.name()),
        );
    }
    assert_verdict(
        record(Action::Delete, Some(tcp()), Outcome::Refused(Refusal::Kernel(16))),
        &format!(
            r#""action":"delete","outcome":"refused","refusal":"the kernel answered with error number 16","errno":16,{WHY},{TCP}"#
        ),
    );
    assert_verdict(
        record(Action::Delete, None, Outcome::Refused(Refusal::WrongTarget)),
        &format!(r#""action":"delete","outcome":"refused","refusal":"this action does not accept this target",{WHY}"#),
    );
}

#[test]
fn each_layer_4_has_its_own_names() {
    for (flow, expected) in [
        (
            key(Layer4::Icmp { id: 7, kind: 128, code: 0 }, Protocol::ICMPV6, "::1", "2001:db8::1"),
            r#""protocol":"icmpv6","src":"::1","dst":"2001:db8::1","icmp_type":128,"icmp_code":0,"icmp_id":7}"#,
        ),
        (
            key(Layer4::Keys { src: 1, dst: 2 }, Protocol::GRE, "10.0.0.1", "10.0.0.2"),
            r#""protocol":"gre","src":"10.0.0.1","dst":"10.0.0.2","src_key":1,"dst_key":2}"#,
        ),
        (
            key(Layer4::None, Protocol(99), "10.0.0.1", "10.0.0.2"),
            r#""protocol":"99","src":"10.0.0.1","dst":"10.0.0.2"}"#,
        ),
    ] {
        assert_verdict(
            record(Action::Delete, Some(flow), Outcome::Gone),
            &format!(r#""action":"delete","outcome":"gone",{WHY},"flow":{{"id":305419896,"zone":3,{expected}"#),
        );
    }
}

#[test]
fn a_selection_tells_its_filter_and_its_tally() {
    let filter = Filter {
        family: Some(Family::Ipv4),
        protocols: [Protocol::TCP, Protocol(99)].into(),
        zones: [Zone(1)].into(),
        either: (0..40u8).map(|n| Prefix::host([10, 0, 0, n].into())).collect(),
        dst_ports: [PortRange { first: 80, last: 80 }, PortRange { first: 8000, last: 8100 }].into(),
        states: [3].into(),
        mark: Some(Masked::new(1, 15).unwrap()),
        status: Some(Masked::new(4, 4).unwrap()),
        timeout: Some(SecondsRange { first: 0, last: 30 }),
        labels: 0b101,
        rare: Some(Box::new(ctwarden_model::RareFilter {
            reply_src_ports: [PortRange { first: 8443, last: 8443 }].into(),
            sets: vec![ctwarden_model::NamedSet { name: SetName("feed".into()), networks: Default::default() }],
            ..Default::default()
        })),
        ..Filter::default()
    };
    let mut record = record(Action::Delete, None, Outcome::Applied);
    record.verdict.target = Target::Matching(Box::new(Selection { filter, limit: Some(100) }));
    record.tally = Some(Box::new(Tally { matched: 5, applied: 3, gone: 2, ..Tally::default() }));
    let networks: Vec<_> = (0..32).map(|n| format!("\"10.0.0.{n}\"")).collect();
    assert_verdict(
        record,
        &format!(
            r#""action":"delete","outcome":"applied",{WHY},"selection":{{"filter":{{"family":"ipv4","protocols":["tcp","99"],"zones":[1],"either":[{},"and 8 more"],"dst_ports":["80","8000-8100"],"states":[3],"mark":{{"value":1,"mask":15}},"status":{{"value":4,"mask":4}},"timeout_seconds":"0-30","labels":[0,2],"sets":["feed"],"reply_src_ports":["8443"]}},"limit":100}},"tally":{{"matched":5,"applied":3,"gone":2}}"#,
            networks.join(",")
        ),
    );
}

#[test]
fn no_list_of_a_filter_is_longer_than_people_read() {
    let ranges: ctwarden_model::PortRanges =
        (0..=u16::MAX).step_by(2).map(|port| PortRange { first: port, last: port }).collect();
    let filter = Filter {
        protocols: (0..=255).map(Protocol).collect(),
        zones: (0..1_000).map(Zone).collect(),
        src_ports: ranges.clone(),
        dst_ports: ranges.clone(),
        states: (0..=255).collect(),
        rare: Some(Box::new(ctwarden_model::RareFilter { reply_src_ports: ranges, ..Default::default() })),
        ..Filter::default()
    };
    let mut record = record(Action::Delete, None, Outcome::Applied);
    record.verdict.target = Target::Matching(Box::new(Selection { filter, limit: None }));
    let line = line(&Record::Verdict(Box::new(record))).unwrap();
    assert!(line.len() < 4_000, "{} bytes", line.len());
    assert_eq!(line.matches("and 32736 more").count(), 3, "{line}");
}

#[test]
fn many_fields_are_written_in_the_order_of_their_names_first_mention() {
    let fields: Fields = (0..20_000).map(|n| (format!("n{}", n % 10_000), n.to_string())).collect();
    let json = plain_json::to_string(&FieldsJson(&fields)).unwrap();
    assert!(json.starts_with(r#"{"n0":["0","10000"],"n1":["1","10001"],"n2":"#), "{}", &json[..60]);
    assert_eq!(json.matches('[').count(), 10_000);
}

#[test]
fn nothing_in_a_line_is_obeyed_by_a_terminal() {
    let mut record = record(Action::Delete, Some(tcp()), Outcome::Applied);
    record.verdict.reason = "\u{1b}[2J\u{7f}\u{9b}2J\u{202e}gpj.exe\u{2028}next ä\u{feff}\u{e0041}".into();
    let line = line(&Record::Verdict(Box::new(record.clone()))).unwrap();
    assert!(!line.contains(ctwarden_model::text::is_obeyed), "{line:?}");
    let read: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(read["reason"], record.verdict.reason, "and nothing is lost");
}

#[test]
fn a_fault_has_its_line() {
    let record = FaultRecord {
        at: AT,
        plugin: PluginName::new("x").unwrap(),
        fault: Fault::OutOfTime { limit: Duration::from_millis(100) },
        entries: 64,
        restart_in: Duration::from_millis(1500),
        quarantined: false,
    };
    assert_eq!(
        line(&Record::Fault(Box::new(record))).unwrap(),
        r#"{"time":"2026-09-21T14:13:20.000000042Z","record":"fault","plugin":"x","fault":"out-of-time","text":"used more than 100ms of processor time in one call","entries":64,"restart_ms":1500,"quarantined":false}"#
    );
}

#[test]
fn each_notice_has_its_line() {
    let plugin = PluginName::new("x").unwrap();
    let counts = ListCounts { lines: 9, entries: 4, bad: 1 };
    let changed = ChangedSet { name: SetName("s".into()), networks: 5, counts: Some(counts) };
    for (notice, expected) in [
        (Notice::Overrun, r#""notice":"overrun""#),
        (
            Notice::Swept { rows: 9, complete: true, took: Duration::from_millis(2) },
            r#""notice":"swept","rows":9,"complete":true,"took_us":2000"#,
        ),
        (Notice::Restarted(plugin.clone()), r#""notice":"restarted","plugin":"x""#),
        (
            Notice::BreakerOpened(plugin.clone(), Duration::from_secs(60)),
            r#""notice":"breaker-opened","plugin":"x","seconds":60"#,
        ),
        (Notice::BreakerClosed(plugin.clone()), r#""notice":"breaker-closed","plugin":"x""#),
        (Notice::Paused(plugin.clone(), None), r#""notice":"paused","plugin":"x""#),
        (
            Notice::Paused(plugin.clone(), Some(Duration::from_secs(60))),
            r#""notice":"paused","plugin":"x","seconds":60"#,
        ),
        (Notice::Resumed(plugin.clone()), r#""notice":"resumed","plugin":"x""#),
        (
            Notice::ModeChanged(plugin.clone(), Mode::Observe),
            r#""notice":"mode-changed","plugin":"x","mode":"observe""#,
        ),
        (Notice::Missed(plugin.clone(), 12), r#""notice":"missed","plugin":"x","entries":12"#),
        (
            Notice::RecordsFolded(
                plugin.clone(),
                [
                    (VerdictKind::Delete, "not-granted", 7),
                    (VerdictKind::Log, "applied", 2),
                    (VerdictKind::Log, "observed", 1),
                ]
                .map(|(kind, outcome, count)| FoldedCount { kind, outcome, count })
                .into(),
            ),
            r#""notice":"records-folded","plugin":"x","verdicts":{"delete":{"not-granted":7},"log":{"applied":2,"observed":1}}"#,
        ),
        (
            Notice::ComesBack {
                plugin,
                flow: tcp(),
                times: 10,
                blocked: Some((SetName("s".into()), "192.0.2.0/24".parse().unwrap())),
            },
            r#""notice":"comes-back","plugin":"x","flow":{"id":305419896,"zone":3,"protocol":"tcp","src":"192.0.2.1","dst":"198.51.100.2","src_port":40000,"dst_port":443},"times":10,"block":{"set":"s","network":"192.0.2.0/24"}"#,
        ),
        (
            Notice::SetChanged(changed.clone()),
            r#""notice":"set-changed","set":"s","networks":5,"lines":9,"entries":4,"skipped":1"#,
        ),
        (
            Notice::SetLinesSkipped(changed, "why".into()),
            r#""notice":"set-lines-skipped","set":"s","networks":5,"lines":9,"entries":4,"skipped":1,"text":"why""#,
        ),
        (
            Notice::SetRefused {
                set: SetName("s".into()),
                counts: Some(ListCounts { lines: 9, entries: 0, bad: 2 }),
                text: "why".into(),
            },
            r#""notice":"set-refused","set":"s","lines":9,"wrong":2,"text":"why""#,
        ),
        (
            Notice::SetRefused { set: SetName("s".into()), counts: None, text: "why".into() },
            r#""notice":"set-refused","set":"s","text":"why""#,
        ),
        (
            Notice::ClaimsChanged(Box::new(ClaimsChange {
                set: SetName("s".into()),
                source: "alice".into(),
                what: ClaimsChangeKind::Added,
                members: ["192.0.2.1".parse().unwrap(), "2001:db8::/32 tcp/22".parse().unwrap()].into(),
                count: 2,
                until: Some(AT),
                reason: "port scan".into(),
            })),
            r#""notice":"claims-changed","set":"s","source":"alice","change":"added","members":["192.0.2.1","2001:db8::/32 tcp/22"],"count":2,"until":"2026-09-21T14:13:20.000000042Z","reason":"port scan""#,
        ),
        (
            Notice::ClaimsChanged(Box::new(ClaimsChange {
                set: SetName("s".into()),
                source: "policy port-scan".into(),
                what: ClaimsChangeKind::Ended,
                members: [].into(),
                count: 40,
                until: None,
                reason: String::new(),
            })),
            r#""notice":"claims-changed","set":"s","source":"policy port-scan","change":"ended","members":[],"count":40"#,
        ),
        (Notice::FirewallRepaired("where".into()), r#""notice":"firewall-repaired","text":"where""#),
        (Notice::Reloaded, r#""notice":"reloaded""#),
        (Notice::ReloadFailed("why".into()), r#""notice":"reload-failed","text":"why""#),
        (
            Notice::Warned { about: "hooks".into(), text: "why".into() },
            r#""notice":"warned","about":"hooks","text":"why""#,
        ),
        (Notice::WarningOver("hooks".into()), r#""notice":"warning-over","about":"hooks""#),
        (Notice::Started, r#""notice":"started""#),
        (Notice::Stopping, r#""notice":"stopping""#),
    ] {
        let line = line(&Record::Notice(AT, Box::new(notice))).unwrap();
        assert_in_schema(&line);
        assert_eq!(line, format!(r#"{{"time":"2026-09-21T14:13:20.000000042Z","record":"notice",{expected}}}"#));
    }
    assert_in_schema(&lost_line(AT, 5).unwrap());
    assert_eq!(
        lost_line(AT, 5).unwrap(),
        r#"{"time":"2026-09-21T14:13:20.000000042Z","record":"notice","notice":"records-lost","lost":5}"#
    );
}

#[test]
fn a_flow_that_begins_or_ends_has_its_line() {
    let reply = Tuple { src: "198.51.100.2".parse().unwrap(), dst: "203.0.113.9".parse().unwrap(), ..tcp().original };
    let mut flow = Flow::new(ctwarden_model::PerDirection { original: tcp().original, reply });
    (flow.id, flow.zone) = (Some(FlowId(305_419_896)), Zone(3));
    let begin = flow_line(AT, "new", &tcp(), Some(&flow)).unwrap();
    assert_in_schema(&begin);
    let head = r#"{"time":"2026-09-21T14:13:20.000000042Z","record":"flow","event":"#;
    let reply =
        r#""reply":{"protocol":"tcp","src":"198.51.100.2","dst":"203.0.113.9","src_port":40000,"dst_port":443}"#;
    assert_eq!(begin, format!("{head}\"new\",{TCP},{reply}}}"));
    let end = flow_line(AT, "ended", &tcp(), None).unwrap();
    assert_in_schema(&end);
    assert_eq!(end, format!("{head}\"ended\",{TCP}}}"));
}

#[test]
fn the_schema_refuses_what_is_no_record() {
    let schema = serde_json::from_str(include_str!("../../../../docs/records.schema.json")).unwrap();
    let validator = jsonschema::draft202012::options().build(&schema).unwrap();
    let good = line(&Record::Notice(AT, Box::new(Notice::ReloadFailed("why".into())))).unwrap();
    let is_valid = |line: &str| validator.is_valid(&serde_json::from_str(line).unwrap());
    assert!(is_valid(&good));
    for (from, to) in [("reload-failed", "reload-worked"), ("\"text\":\"why\"", "\"note\":\"why\""), ("Z\"", "\"")] {
        assert!(!is_valid(&good.replace(from, to)), "{from} -> {to}");
    }
}
