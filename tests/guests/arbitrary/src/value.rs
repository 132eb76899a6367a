//! Makes each type of the interface from bytes. No value is left out because it makes no sense.

use crate::bytes::Bytes;
use crate::plugin::bindings::ctwarden::conntrack::types::{
    Endpoints, Family, Filter, FlowKey, IpAddress, Masked, PortRange, Prefix, SecondsRange,
};
use crate::plugin::bindings::exports::ctwarden::conntrack::policy::{
    Action, Alert, Block, LabelChange, Selection, Target, Unblock, Verdict,
};

pub(crate) fn verdict(bytes: &mut Bytes) -> Verdict {
    Verdict { target: target(bytes), action: action(bytes), code: code(bytes), reason: bytes.text() }
}

/// Usually a valid code, because the host drops a verdict with an invalid one.
fn code(bytes: &mut Bytes) -> String {
    match bytes.byte() {
        0 => bytes.text(),
        _ => "fuzzed".to_owned(),
    }
}

fn target(bytes: &mut Bytes) -> Target {
    match bytes.byte() % 4 {
        0 => Target::Entry(bytes.number()),
        1 => Target::Key(key(bytes)),
        2 => Target::Matching(Selection { filter: filter(bytes), limit: bytes.number() }),
        _ => Target::None,
    }
}

fn action(bytes: &mut Bytes) -> Action {
    match bytes.byte() % 11 {
        0 => Action::Delete,
        1 => Action::Mark(masked(bytes)),
        2 => Action::Labels(LabelChange { set: bytes.list(Bytes::byte), clear: bytes.list(Bytes::byte) }),
        3 => Action::Timeout(bytes.number()),
        4 => Action::Alert(Alert {
            severity: bytes.byte(),
            title: bytes.text(),
            key: bytes.text(),
            fields: bytes.list(|bytes| (bytes.text(), bytes.text())),
        }),
        5 => Action::Log(bytes.list(|bytes| (bytes.text(), bytes.text()))),
        6 => Action::Block(Block { set: set(bytes), network: prefix(bytes), service: None, seconds: bytes.number() }),
        7 => Action::Unblock(Unblock { set: set(bytes), network: prefix(bytes), service: None }),
        8 => Action::Protect(bytes.number()),
        9 => Action::Sweep,
        _ => Action::Kill,
    }
}

/// Usually the set that the check grants.
fn set(bytes: &mut Bytes) -> String {
    match bytes.byte() {
        0 => bytes.text(),
        _ => "banned".to_owned(),
    }
}

fn address(bytes: &mut Bytes) -> IpAddress {
    match bytes.byte() & 1 {
        0 => IpAddress::Ipv4(bytes.number()),
        _ => IpAddress::Ipv6((half(bytes), half(bytes))),
    }
}

fn half(bytes: &mut Bytes) -> u64 {
    u64::from(bytes.number()) << 32 | u64::from(bytes.number())
}

fn endpoints(bytes: &mut Bytes) -> Endpoints {
    Endpoints { src: address(bytes), dst: address(bytes), src_port: bytes.port(), dst_port: bytes.port() }
}

fn key(bytes: &mut Bytes) -> FlowKey {
    FlowKey { id: bytes.number(), zone: bytes.port(), protocol: bytes.byte(), original: endpoints(bytes) }
}

fn prefix(bytes: &mut Bytes) -> Prefix {
    Prefix { address: address(bytes), length: bytes.byte() }
}

fn ports(bytes: &mut Bytes) -> PortRange {
    PortRange { first: bytes.port(), last: bytes.port() }
}

fn masked(bytes: &mut Bytes) -> Masked {
    Masked { value: bytes.number(), mask: bytes.number() }
}

fn seconds(bytes: &mut Bytes) -> SecondsRange {
    SecondsRange { first: bytes.number(), last: bytes.number() }
}

fn family(bytes: &mut Bytes) -> Family {
    if bytes.byte() & 1 == 0 { Family::Ipv4 } else { Family::Ipv6 }
}

fn filter(bytes: &mut Bytes) -> Filter {
    Filter {
        family: bytes.option(family),
        protocols: bytes.list(Bytes::byte),
        zones: bytes.list(Bytes::port),
        original_src: bytes.list(prefix),
        original_dst: bytes.list(prefix),
        reply_src: bytes.list(prefix),
        reply_dst: bytes.list(prefix),
        either: bytes.list(prefix),
        sets: bytes.list(Bytes::text),
        src_ports: bytes.list(ports),
        dst_ports: bytes.list(ports),
        reply_src_ports: bytes.list(ports),
        reply_dst_ports: bytes.list(ports),
        states: bytes.list(Bytes::byte),
        mark: bytes.option(masked),
        status: bytes.option(masked),
        timeout: bytes.option(seconds),
        labels: bytes.list(Bytes::byte),
    }
}
