//! Values pass through the sandbox unchanged, in both directions.

use std::sync::Arc;

use ctwarden_model::{
    Action, Alert, Attribute, Batch, Block, Cause, Counters, Entries, Event, EventKind, Expectation, ExpectationBatch,
    ExpectationEvent, Extent, Filter, Flaw, Flow, FlowId, FlowKey, LabelChange, Labels, Layer4, Mark, Masked, NamedSet,
    Outcome, PerDirection, Prefix, PrefixMap, PrefixSet, Protocol, ProtocolInfo, RareFilter, Refusal, Report,
    ReportBatch, Selection, SetChange, SetName, Status, Tally, Target, TcpState, Timestamp, Tuple, Unblock, Verdict,
    VerdictKind, VerdictKinds, Zone,
};

use crate::setup::{NOW, PROVOCATION, batch, configured, flow, flows, limits, load, start, tuple};

fn verdict(target: Target, action: Action, code: &str) -> Verdict {
    Verdict { target, action, code: code.to_owned(), reason: String::new() }
}

#[test]
pub(crate) fn every_kind_of_verdict_comes_through_whole() {
    let (mut instance, _) = configured("guest-good", "\"every kind\"", limits());
    let judged = flow(443);
    let verdicts = instance.judge(&batch([flow(80), judged.clone()])).unwrap();
    let network: Prefix = "192.0.2.0/24".parse().unwrap();
    let set = SetName("banned".to_owned());
    let fields = vec![("name".to_owned(), "value".to_owned())];
    let alert = Alert { severity: 4, title: "title".to_owned(), key: "key".to_owned(), fields: fields.clone() };
    let filter = Filter {
        protocols: [Protocol::TCP].into(),
        either: PrefixSet::from_iter([network]),
        labels: 1 | 1 << 127,
        rare: Some(Box::new(RareFilter {
            sets: vec![NamedSet {
                name: SetName("known".to_owned()),
                networks: Arc::new(PrefixMap::from_iter([(network, Arc::default())])),
            }],
            ..RareFilter::default()
        })),
        ..Filter::default()
    };
    let entry = || Target::Entry(1);
    let expected = [
        verdict(Target::Key(judged.key()), Action::Delete, "delete"),
        verdict(entry(), Action::Kill, "kill"),
        verdict(entry(), Action::Mark(Masked::new(0x10, 0xf0).unwrap()), "mark"),
        verdict(entry(), Action::Labels(LabelChange { set: 1 | 1 << 127, clear: 1 << 64 }), "labels"),
        verdict(entry(), Action::Timeout(30), "timeout"),
        verdict(Target::None, Action::Alert(alert), "alert"),
        verdict(Target::None, Action::Log(fields), "log"),
        verdict(
            Target::None,
            Action::Block(Block { set: set.clone(), network, service: None, seconds: Some(60) }),
            "block",
        ),
        verdict(Target::None, Action::Unblock(Unblock { set, network, service: None }), "unblock"),
        verdict(entry(), Action::Protect(5), "protect"),
        verdict(Target::Matching(Box::new(Selection { filter, limit: Some(7) })), Action::Sweep, "sweep"),
    ];
    assert_eq!(verdicts[11..], expected);
    let kinds: Vec<VerdictKind> = expected.iter().map(|verdict| verdict.action.kind()).collect();
    assert_eq!(kinds, VerdictKind::ALL);
}

#[test]
fn what_a_plugin_wants_comes_through_whole() {
    let descriptor = load("guest-good").describe(limits()).unwrap();
    assert_eq!(descriptor.wants, VerdictKinds::from_iter(VerdictKind::ALL));
    assert_eq!(descriptor.configuration_schema.as_deref(), Some(r#"{"type":"object"}"#));
    let descriptor = load("guest-expectations").describe(limits()).unwrap();
    assert_eq!(descriptor.wants, VerdictKinds::from_iter([VerdictKind::Delete, VerdictKind::Log]));
    assert_eq!(load("guest-trap").describe(limits()).unwrap().configuration_schema, None);
    let (mut instance, _) = start("guest-expectations", limits());
    let subscription = instance.configure(NOW, "\"ftp\"").unwrap();
    assert_eq!(subscription.needs, VerdictKinds::from_iter([VerdictKind::Delete]), "less than it may want");
    assert!(subscription.expectations && subscription.own_changes && subscription.selects);
    assert!(
        subscription.kinds.new && subscription.kinds.row && !subscription.kinds.update && !subscription.kinds.destroy
    );
    assert_eq!(subscription.sweep_every.unwrap().as_secs(), 60);
    assert_eq!(subscription.tick_every.unwrap().as_millis(), 1000);
    assert_eq!(subscription.sets, [SetName("banned".to_owned())]);
    assert_eq!((subscription.reach.mark_bits, subscription.reach.label_bits), (0x30, 1 << 127));
}

/// An entry in which every field has a different value.
fn full() -> Flow {
    let original = tuple("2001:db8::1", "2001:db8::2", Protocol::TCP, Layer4::Ports { src: 3, dst: 4 });
    let reply = tuple("2001:db8::5", "2001:db8::6", Protocol::TCP, Layer4::Ports { src: 7, dst: 8 });
    let mut flow = Flow::new(PerDirection { original, reply });
    flow.id = Some(FlowId(9));
    flow.zone = Zone(10);
    flow.status = Some(Status(11));
    flow.info = Some(ProtocolInfo::Tcp {
        state: Some(TcpState(12)),
        window_scale: PerDirection::default(),
        flags: PerDirection::default(),
    });
    flow.timeout = Some(13);
    flow.mark = Some(Mark(14));
    flow.labels = Some(Labels(15 << 64 | 16));
    flow.counters.original = Some(Counters { packets: 17, bytes: 18 });
    flow.counters.reply = Some(Counters { packets: 19, bytes: 20 });
    flow.started = Some(Timestamp(21));
    flow.stopped = Some(Timestamp(22));
    let rare = flow.rare_mut();
    rare.helper = Some("ftp".to_owned());
    rare.security_context = Some("system_u".to_owned());
    rare.master = Some(tuple("2001:db8::1", "2001:db8::2", Protocol::TCP, Layer4::Ports { src: 23, dst: 24 }));
    rare.zones.reply = Some(Zone(25));
    rare.unknown = vec![Attribute { number: 99, payload: vec![26, 27] }];
    flow
}

/// Returns the guest's debug text of each entry and of the details of each entry.
fn echoed(batch: &Batch) -> Vec<(String, String)> {
    let (mut instance, _) = configured("guest-good", "\"echo\"", limits());
    let verdicts = instance.judge(batch).unwrap();
    verdicts
        .into_iter()
        .map(|verdict| {
            let Action::Log(mut fields) = verdict.action else { panic!("{:?}", verdict.action) };
            let detail = fields.remove(0).1;
            (fields.remove(0).1, detail)
        })
        .collect()
}

#[test]
fn every_field_of_an_entry_comes_through() {
    let event = Event { kind: EventKind::Destroy, by_us: true, flow: full() };
    let batch =
        Batch { cause: Cause::SweepRows, now: Timestamp(1), missed: 2, entries: Entries::all(Arc::new(vec![event])) };
    let (flow, details) = echoed(&batch).remove(0);
    let v6 = |low| format!("IpAddress::Ipv6((2306139568115548160, {low}))");
    let ends = |src, dst, ports: (u16, u16)| {
        format!("Endpoints {{ src: {}, dst: {}, src-port: {}, dst-port: {} }}", v6(src), v6(dst), ports.0, ports.1)
    };
    let counters = |packets, bytes| format!("Some(Counters {{ packets: {packets}, bytes: {bytes} }})");
    let expected = format!(
        "Cause::SweepRows 1 2 Flow {{ kind: Kind::Destroy, by-us: true, id: 9, zone: 10, protocol: 6, original: {}, reply: {}, status: Some(11), state: Some(12), timeout: Some(13), mark: Some(14), original-counters: {}, reply-counters: {}, started: Some(21), stopped: Some(22) }}",
        ends(1, 2, (3, 4)),
        ends(5, 6, (7, 8)),
        counters(17, 18),
        counters(19, 20),
    );
    assert_eq!(flow.replace("_", "-"), expected.replace("_", "-"));
    assert_eq!(
        details,
        "helper=Some(\"ftp\") labels=Some((16, 15)) context=Some(\"system_u\") master=Some((6, 24)) zones=Some((0, 25)) attribute=Some([26, 27]) get=Some((Kind::Row, Some(9)))"
    );
}

#[test]
fn every_cause_comes_through_with_what_it_tells() {
    let (mut instance, _) = configured("guest-good", "\"echo\"", limits());
    let change = |name: &str, added| SetChange { set: SetName(name.to_owned()), added };
    let networks = ["192.0.2.0/24", "2001:db8::/32"].map(|network| network.parse().unwrap());
    let changes = vec![change("feed", Some(networks.to_vec())), change("office", None)];
    for (cause, told) in [
        (Cause::Events, "Cause::Events"),
        (Cause::SweepBegin(Extent::Subscribed), "Cause::SweepBegin(Extent::Subscribed)"),
        (Cause::SweepBegin(Extent::Asked), "Cause::SweepBegin(Extent::Asked)"),
        (Cause::SweepRows, "Cause::SweepRows"),
        (Cause::SweepComplete, "Cause::SweepComplete"),
        (Cause::SweepInterrupted, "Cause::SweepInterrupted"),
        (Cause::Overrun, "Cause::Overrun"),
        (
            Cause::SetsChanged(changes),
            "Cause::SetsChanged([SetChange { set: \"feed\", added: Some([Member { network: Prefix { address: IpAddress::Ipv4(3221225984), length: 24 }, service: None }, Member { network: Prefix { address: IpAddress::Ipv6((2306139568115548160, 0)), length: 32 }, service: None }]) }, SetChange { set: \"office\", added: None }])",
        ),
    ] {
        let batch = Batch { cause, now: NOW, missed: 0, entries: Entries::none() };
        assert_eq!(instance.judge(&batch).unwrap()[0].reason, told);
    }
}

#[test]
fn what_an_entry_lacks_is_none() {
    let tuples = |layer4, protocol| {
        Flow::new(PerDirection {
            original: tuple("10.0.0.1", "10.0.0.2", protocol, layer4),
            reply: tuple("10.0.0.2", "10.0.0.1", protocol, layer4),
        })
    };
    let flows = [
        tuples(Layer4::Icmp { id: 5, kind: 8, code: 1 }, Protocol::ICMP),
        tuples(Layer4::Keys { src: 6, dst: 7 }, Protocol::GRE),
        tuples(Layer4::None, Protocol(99)),
    ];
    let told = echoed(&batch(flows));
    let ports = ["src-port: 5, dst-port: 2049", "src-port: 6, dst-port: 7", "src-port: 0, dst-port: 0"];
    for ((flow, details), ports) in told.iter().zip(ports) {
        let flow = flow.replace('_', "-");
        assert!(flow.contains(ports), "{flow}");
        assert!(
            flow.contains("status: None, state: None, timeout: None, mark: None, original-counters: None"),
            "{flow}"
        );
        assert!(details.starts_with("helper=None labels=None context=None master=None zones=None attribute=None"));
    }
    assert_eq!(told.len(), 3);
}

#[test]
fn a_selection_is_what_indices_count_in() {
    let events: Vec<Event> =
        [80, 443].map(|port| Event { kind: EventKind::New, by_us: false, flow: flow(port) }).into();
    let entries = Entries::selected(Arc::new(events), vec![1]);
    let batch = Batch { cause: Cause::Events, now: Timestamp(1), missed: 0, entries };
    let (flow, _) = echoed(&batch).remove(0);
    assert!(flow.contains("id: 443,"), "{flow}");
}

#[test]
pub(crate) fn a_value_out_of_range_is_a_malformed_verdict() {
    let (mut instance, _) = configured("guest-malformed", "{}", limits());
    let verdicts = instance.judge(&flows([PROVOCATION])).unwrap();
    let told: Vec<_> = verdicts
        .iter()
        .map(|verdict| match verdict.action {
            Action::Malformed(kind, Flaw::Value(what)) => Some((kind, what)),
            Action::Malformed(kind, Flaw::Set(ref why)) => Some((kind, why.as_str())),
            Action::Delete
            | Action::Kill
            | Action::Mark(_)
            | Action::Labels(_)
            | Action::Timeout(_)
            | Action::Alert(_)
            | Action::Log(_)
            | Action::Block(_)
            | Action::Unblock(_)
            | Action::Protect(_)
            | Action::Sweep => None,
        })
        .collect();
    let outside = "a value has bits outside its mask";
    let label = "a label bit is above 127";
    let long = "a prefix is longer than its address";
    assert_eq!(
        told,
        [
            Some((VerdictKind::Mark, outside)),
            Some((VerdictKind::Labels, label)),
            Some((VerdictKind::Labels, label)),
            Some((VerdictKind::Alert, "a severity is above 7")),
            Some((VerdictKind::Block, long)),
            Some((VerdictKind::Unblock, long)),
            Some((VerdictKind::Delete, "source and destination are of different families")),
            Some((VerdictKind::Delete, long)),
            Some((VerdictKind::Timeout, "a port range ends before it begins")),
            Some((VerdictKind::Protect, outside)),
            Some((VerdictKind::Sweep, label)),
            Some((VerdictKind::Delete, "no set is called lost")),
            Some((
                VerdictKind::Log,
                "a code is longer than 64 bytes or has characters other than letters, digits and -"
            )),
            None,
            None,
        ]
    );
    // The valid parts stay, for the record.
    assert_eq!(verdicts[0].target, Target::Entry(0));
    assert_eq!(verdicts[6].target, Target::None);
    assert_eq!(verdicts[12].code, "twowords");
    // Text for operators is at most one line of printable text.
    assert_eq!(verdicts[13].reason, "\u{fffd}[2Jcleared\u{fffd}forged");
    assert_eq!(verdicts[14], verdict(Target::Entry(0), Action::Log(Vec::new()), "seen"));
}

#[test]
pub(crate) fn an_expectation_goes_through_whole() {
    let (mut instance, _) = configured("guest-expectations", "\"ftp\"", limits());
    let end =
        |protocol, port| -> Tuple { tuple("10.0.0.1", "10.0.0.2", protocol, Layer4::Ports { src: 0, dst: port }) };
    let expectation = |helper: &str| Expectation {
        id: Some(FlowId(1)),
        zone: Zone(2),
        master: end(Protocol::UDP, 21),
        tuple: end(Protocol::TCP, 3),
        mask: end(Protocol::TCP, 65535),
        timeout: Some(4),
        flags: Some(5),
        class: Some(6),
        helper: Some(helper.to_owned()),
        function: None,
        nat: None,
    };
    let event = |helper| ExpectationEvent { kind: EventKind::New, by_us: true, expectation: expectation(helper) };
    let batch = ExpectationBatch {
        cause: Cause::Events,
        now: Timestamp(1),
        missed: 0,
        events: Arc::from([event("sip"), event("ftp")]),
    };
    let verdicts = instance.judge_expectations(&batch).unwrap();
    assert_eq!((&verdicts[0].target, verdicts[0].action.kind()), (&Target::Entry(0), VerdictKind::Log));
    assert_eq!((&verdicts[1].target, &verdicts[1].action), (&Target::Entry(1), &Action::Delete));
    let Action::Log(fields) = &verdicts[2].action else { panic!("{:?}", verdicts[2].action) };
    let told = &fields[0].1;
    for part in [
        "by-us: true",
        "id: 1",
        "zone: 2",
        "master: FlowTuple { protocol: 17,",
        "expected: FlowTuple { protocol: 6,",
        "dst-port: 21",
        "dst-port: 3",
        "dst-port: 65535",
        "timeout: Some(4)",
    ] {
        assert!(told.replace('_', "-").contains(part), "{part}: {told}");
    }
    assert!(told.contains("Some(5)") && told.contains("Some(6)") && told.contains(r#"helper: Some("ftp")"#), "{told}");

    // A plugin that does not export the interface returns no verdicts.
    let (mut instance, _) = configured("guest-good", "{}", limits());
    assert_eq!(instance.judge_expectations(&batch).unwrap(), []);
}

#[test]
fn a_report_goes_through_whole() {
    let (mut instance, _) = configured("guest-expectations", "\"ftp\"", limits());
    let original = tuple("10.0.0.1", "10.0.0.2", Protocol::TCP, Layer4::Ports { src: 3, dst: 4 });
    let ended = Report {
        kind: VerdictKind::Delete,
        code: "banned".to_owned(),
        flow: Some(FlowKey { id: FlowId(5), zone: Zone(6), original }),
        network: None,
        outcome: Outcome::Refused(Refusal::NoAnswer),
        tally: None,
        detail: "no answer came".to_owned(),
    };
    let tally = Tally { matched: 5, applied: 2, superseded: 3, ..Tally::default() };
    let blocked = Report {
        kind: VerdictKind::Block,
        flow: None,
        network: Some("192.0.2.0/24".parse().unwrap()),
        outcome: Outcome::Applied,
        tally: Some(Box::new(tally)),
        detail: String::new(),
        ..ended.clone()
    };
    let batch = ReportBatch { now: NOW, missed: 7, reports: vec![ended, blocked] };
    let verdicts = instance.concluded(&batch).unwrap();
    let Action::Log(fields) = &verdicts[0].action else { panic!("{:?}", verdicts[0].action) };
    let told = fields[0].1.replace('_', "-");
    for part in [
        "missed: 7",
        "Report { kind: \"delete\", code: \"banned\", flow: Some(FlowKey { id: 5, zone: 6, protocol: 6,",
        "src-port: 3, dst-port: 4 } }), network: None, outcome: Outcome::Refused, flows: [], detail: \"no answer came\" }",
        "Report { kind: \"block\", code: \"banned\", flow: None, network: Some(Prefix {",
        "length: 24 }), outcome: Outcome::Applied, flows: [(Outcome::Applied, 2), (Outcome::Superseded, 3)], detail: \"\" }",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }

    // A policy of the SDK, with this optional export alone.
    let component = load("guest-outcomes");
    assert!(component.exports_outcomes() && !component.exports_expectations());
    let (mut instance, _) = configured("guest-outcomes", "{}", limits());
    let heard = instance.concluded(&batch).unwrap();
    let Action::Log(fields) = &heard[0].action else { panic!("{:?}", heard[0].action) };
    assert_eq!(
        fields.iter().map(|(_, value)| value.as_str()).collect::<Vec<_>>(),
        ["delete", "banned", "4", "Refused"]
    );
    assert_eq!(heard.len(), 2);

    let (mut instance, _) = configured("guest-good", "{}", limits());
    assert_eq!(instance.concluded(&batch).unwrap(), []);
}
