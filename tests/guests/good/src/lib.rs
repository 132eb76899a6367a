//! A correct guest: judges every flow with every kind of verdict in turn, and calls every function of the host.
//!
//! The other guests show failures. This one shows that valid values pass through the sandbox unchanged.

#[path = "../../plugin.rs"]
mod plugin;

use std::cell::{Cell, RefCell};

use plugin::bindings::ctwarden::conntrack::counters::{self, Key};
use plugin::bindings::ctwarden::conntrack::types::{FlowKey, IpAddress, Masked, Prefix};
use plugin::bindings::ctwarden::conntrack::{details, memory, sets, table};
use plugin::bindings::exports::ctwarden::conntrack::policy::{
    Alert, Block, Counter, CounterKind, LabelChange, Unblock,
};
use plugin::{
    Action, Batch, Descriptor, Filter, Flow, Guest, Reply, Selection, Subscription, Target, Verdict, VerdictKinds,
    any_flow, descriptor, everything, verdict,
};

thread_local! {
    static CONFIGURATION: RefCell<String> = const { RefCell::new(String::new()) };
    static CONFIGURED: Cell<u64> = const { Cell::new(0) };
}

pub struct Good;

const fn key(flow: &Flow) -> FlowKey {
    FlowKey { id: flow.id, zone: flow.zone, protocol: flow.protocol, original: flow.original }
}

/// Each kind of verdict once, for the flow with this index.
fn every_kind(index: u32, flow: &Flow) -> Vec<Verdict> {
    let entry = || Target::Entry(index);
    let network = Prefix { address: flow.original.src, length: 24 };
    let fields = || vec![("name".to_owned(), "value".to_owned())];
    let filter = Filter {
        protocols: vec![flow.protocol],
        either: vec![network],
        sets: vec!["known".to_owned(), "known".to_owned()],
        labels: vec![0, 127],
        ..any_flow()
    };
    vec![
        verdict(Target::Key(key(flow)), Action::Delete, "delete"),
        verdict(entry(), Action::Kill, "kill"),
        verdict(entry(), Action::Mark(Masked { value: 0x10, mask: 0xf0 }), "mark"),
        verdict(entry(), Action::Labels(LabelChange { set: vec![0, 127], clear: vec![64] }), "labels"),
        verdict(entry(), Action::Timeout(30), "timeout"),
        verdict(
            Target::None,
            Action::Alert(Alert { severity: 4, title: "title".to_owned(), key: "key".to_owned(), fields: fields() }),
            "alert",
        ),
        verdict(Target::None, Action::Log(fields()), "log"),
        verdict(
            Target::None,
            Action::Block(Block { set: "banned".to_owned(), network, service: None, seconds: 60 }),
            "block",
        ),
        verdict(Target::None, Action::Unblock(Unblock { set: "banned".to_owned(), network, service: None }), "unblock"),
        verdict(entry(), Action::Protect(5), "protect"),
        verdict(Target::Matching(Selection { filter, limit: 7 }), Action::Sweep, "sweep"),
    ]
}

/// A key of each kind.
fn keys() -> Vec<Key> {
    let (four, six) = (IpAddress::Ipv4(0xc000_0201), IpAddress::Ipv6((0x2001_0db8_0000_0000, 1)));
    vec![
        Key::Text("text".to_owned()),
        Key::Number(443),
        Key::Address(four),
        Key::Pair((four, six)),
        Key::Service((six, 6, 443)),
        Key::Network(Prefix { address: four, length: 24 }),
    ]
}

/// The host's details of a flow, as one line of text.
fn detail(index: u32, flow: &Flow) -> String {
    format!(
        "helper={:?} labels={:?} context={:?} master={:?} zones={:?} attribute={:?} get={:?}",
        details::helper(index),
        details::labels(index),
        details::security_context(index),
        details::master(index).map(|master| (master.protocol, master.endpoints.dst_port)),
        details::zones(index),
        details::attribute(index, 99),
        details::get(key(flow)).map(|whole| (whole.kind, whole.mark)),
    )
}

/// Answers each of the words that a test may send.
fn answer(text: &str) -> Result<String, String> {
    match text.split_once(' ').unwrap_or((text, "")) {
        ("table", _) => Ok(format!("{:?}", table::read())),
        ("lookup", set) => {
            let addresses = [IpAddress::Ipv4(0xc000_0201), IpAddress::Ipv6((0x2001_0db8_0000_0000, 1))];
            sets::lookup(set, &addresses).map(|values| format!("{values:?}"))
        }
        ("remember", value) => {
            memory::set("key", value.as_bytes(), Some(60)).map(|()| format!("{:?}", memory::keys("k")))
        }
        ("recall", _) => Ok(format!("{:?}", memory::get("key").map(|bytes| bytes.len()))),
        ("forget", _) => {
            memory::remove("key");
            Ok(format!("{:?}", memory::get("key")))
        }
        ("fill", _) => {
            let value = vec![0; 1 << 20];
            let mut kept = 0;
            while memory::set("big", &value, None).is_ok() {
                kept += 1;
            }
            Ok(format!("{kept}"))
        }
        ("count", counter) => {
            let sums = counters::add_all(counter, &keys().into_iter().zip(1..).collect::<Vec<_>>())?;
            let sum = counters::add(counter, &Key::Number(443), u64::MAX)?;
            counters::reset(counter, &Key::Number(443))?;
            Ok(format!("{sums:?} {sum} {:?}", counters::value(counter, &Key::Number(443))))
        }
        ("distinct", counter) => {
            let pairs: Vec<_> = keys().into_iter().map(|value| (Key::Number(443), value)).collect();
            let numbers = counters::add_all_distinct(counter, &pairs)?;
            let number = counters::add_distinct(counter, &Key::Number(443), &Key::Number(80))?;
            Ok(format!("{numbers:?} {number} {:?}", counters::largest(counter, 2)?))
        }
        ("overlong", _) => counters::add("rate", &Key::Text("x".repeat(257)), 1).map(|sum| sum.to_string()),
        // Outside `judge` there is no batch.
        ("detail", _) => Ok(format!("{:?} {:?}", details::helper(0), details::labels(0))),
        ("configuration", _) => Ok(format!("{} {}", CONFIGURED.get(), CONFIGURATION.with_borrow(Clone::clone))),
        ("say", words) => {
            println!("{words}");
            eprint!("{words}");
            Ok(String::new())
        }
        ("clock", _) => Ok(std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| since.as_secs())
            .to_string()),
        ("random", _) => {
            let map: std::collections::HashMap<u8, u8> = (0..10).map(|n| (n, n)).collect();
            Ok(map.len().to_string())
        }
        (other, _) => Err(format!("{other} is nothing that this plugin knows")),
    }
}

impl Guest for Good {
    fn describe() -> Descriptor {
        Descriptor { configuration_schema: r#"{"type":"object"}"#.to_owned(), ..descriptor() }
    }

    fn configure(now: u64, configuration: String) -> Result<Subscription, String> {
        CONFIGURED.set(now);
        CONFIGURATION.set(configuration);
        let counter = |name: &str, kind| Counter { name: name.to_owned(), kind, window: 60 };
        let counters = vec![counter("rate", CounterKind::Sum), counter("ports", CounterKind::Distinct)];
        // Counters exist only after this call.
        if let Ok(sum) = counters::add("rate", &Key::Number(1), 1) {
            return Err(format!("a counter exists too early and has {sum}"));
        }
        Ok(Subscription { needs: VerdictKinds::all(), counters, ..everything() })
    }

    /// Marks every flow. With the configuration `"every kind"`, it returns each kind of verdict. With `"echo"`, it
    /// returns the input as text.
    fn judge(batch: Batch) -> Vec<Verdict> {
        let flows = || (0_u32..).zip(&batch.flows);
        match CONFIGURATION.with_borrow(Clone::clone).as_str() {
            "\"every kind\"" => flows().flat_map(|(index, flow)| every_kind(index, flow)).collect(),
            "\"echo\"" if batch.flows.is_empty() => {
                let turn = verdict(Target::None, Action::Log(Vec::new()), "echo");
                vec![Verdict { reason: format!("{:?}", batch.cause), ..turn }]
            }
            "\"echo\"" => flows()
                .map(|(index, flow)| Verdict {
                    target: Target::Entry(index),
                    action: Action::Log(vec![
                        ("detail".to_owned(), detail(index, flow)),
                        ("entry".to_owned(), format!("{:?} {} {} {flow:?}", batch.cause, batch.now, batch.missed)),
                    ]),
                    code: "echo".to_owned(),
                    reason: String::new(),
                })
                .collect(),
            "\"nothing\"" => Vec::new(),
            _ => flows()
                .map(|(index, _)| verdict(Target::Entry(index), Action::Mark(Masked { value: 1, mask: 1 }), "marked"))
                .collect(),
        }
    }

    fn tick(now: u64) -> Vec<Verdict> {
        vec![Verdict { reason: now.to_string(), ..verdict(Target::None, Action::Log(Vec::new()), "tick") }]
    }

    fn message(_now: u64, text: String) -> Result<Reply, String> {
        let verdicts = vec![verdict(Target::None, Action::Sweep, "asked")];
        answer(&text).map(|text| Reply { text, verdicts })
    }

    fn stop() {
        println!("stopped");
    }
}

plugin::export_plugin!(Good);
