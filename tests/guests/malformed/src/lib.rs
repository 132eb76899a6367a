//! Returns verdicts with values that are out of range, for each kind with a range; a reason that is not one line; and
//! one valid verdict.
//!
//! This guest shows that no such verdict is lost, carried out or treated as a fault.

#[path = "../../plugin.rs"]
mod plugin;

use plugin::bindings::ctwarden::conntrack::types::{Endpoints, FlowKey, IpAddress, Masked, PortRange, Prefix};
use plugin::bindings::exports::ctwarden::conntrack::policy::{Alert, Block, LabelChange, Unblock};
use plugin::{Action, Filter, Provoked, Selection, Target, Verdict, any_flow, seen, verdict};

pub struct Malformed;

/// A prefix that may be longer than its address.
fn network(length: u8) -> Prefix {
    Prefix { address: IpAddress::Ipv4(0xc000_0200), length }
}

fn matching(filter: Filter) -> Target {
    Target::Matching(Selection { filter, limit: 0 })
}

/// A key from an IPv4 address to an IPv6 address.
fn mixed() -> FlowKey {
    let original = Endpoints {
        src: IpAddress::Ipv4(0x0a00_0001),
        dst: IpAddress::Ipv6((0x2001_0db8_0000_0000, 1)),
        src_port: 1,
        dst_port: 2,
    };
    FlowKey { id: 1, zone: 0, protocol: 6, original }
}

impl Provoked for Malformed {
    fn misbehave() -> Vec<Verdict> {
        let entry = || Target::Entry(0);
        let outside = Masked { value: 0x100, mask: 0xff };
        let backwards = PortRange { first: 2, last: 1 };
        let loud = Alert { severity: 8, title: "loud".to_owned(), key: String::new(), fields: Vec::new() };
        vec![
            verdict(entry(), Action::Mark(outside), "mark"),
            verdict(entry(), Action::Labels(LabelChange { set: vec![128], clear: vec![] }), "labels"),
            verdict(entry(), Action::Labels(LabelChange { set: vec![], clear: vec![255] }), "labels"),
            verdict(Target::None, Action::Alert(loud), "alert"),
            verdict(
                Target::None,
                Action::Block(Block { set: "banned".to_owned(), network: network(33), service: None, seconds: 1 }),
                "block",
            ),
            verdict(
                Target::None,
                Action::Unblock(Unblock { set: "banned".to_owned(), network: network(255), service: None }),
                "unblock",
            ),
            verdict(Target::Key(mixed()), Action::Delete, "key"),
            verdict(matching(Filter { either: vec![network(40)], ..any_flow() }), Action::Delete, "prefix"),
            verdict(matching(Filter { reply_dst_ports: vec![backwards], ..any_flow() }), Action::Timeout(1), "ports"),
            verdict(matching(Filter { mark: Some(outside), ..any_flow() }), Action::Protect(1), "mark"),
            verdict(matching(Filter { labels: vec![128], ..any_flow() }), Action::Sweep, "labels"),
            verdict(matching(Filter { sets: vec!["lost".to_owned()], ..any_flow() }), Action::Delete, "set"),
            verdict(entry(), Action::Log(Vec::new()), "two words\n"),
            Verdict { reason: "\u{1b}[2Jcleared\nforged".to_owned(), ..seen(entry()) },
            seen(entry()),
        ]
    }
}

plugin::export_plugin!(Malformed);
