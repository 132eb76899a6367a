//! Converts the model's values to the plugin's values.
//!
//! An event becomes a flat record of numbers, because it is copied into the plugin's memory a million times a sweep.

use std::net::IpAddr;

use ctwarden_model::{
    Cause, CounterKey, Counters, Event, EventKind, ExpectationEvent, Extent, Flow, FlowKey, Layer4, Member, Outcome,
    Prefix, Report, SetChange, TableStatistics, Tuple,
};

use super::bindings::ctwarden::conntrack::table::Statistics;
use super::bindings::ctwarden::conntrack::{counters as wit_counters, types};
use super::bindings::exports::ctwarden::conntrack::{expectations, outcomes, policy};

pub(super) fn cause(cause: &Cause) -> policy::Cause {
    match cause {
        Cause::Events => policy::Cause::Events,
        Cause::SweepBegin(extent) => policy::Cause::SweepBegin(match extent {
            Extent::Subscribed => policy::Extent::Subscribed,
            Extent::Asked => policy::Extent::Asked,
        }),
        Cause::SweepRows => policy::Cause::SweepRows,
        Cause::SweepComplete => policy::Cause::SweepComplete,
        Cause::SweepInterrupted => policy::Cause::SweepInterrupted,
        Cause::Overrun => policy::Cause::Overrun,
        Cause::SetsChanged(changes) => policy::Cause::SetsChanged(changes.iter().map(set_change).collect()),
    }
}

fn set_change(change: &SetChange) -> policy::SetChange {
    let added = change.added.as_ref().map(|added| added.iter().copied().map(member).collect());
    policy::SetChange { set: change.set.0.clone(), added }
}

fn member(member: Member) -> types::Member {
    let service = member.only().map(|service| types::Service {
        protocol: service.protocol.0,
        ports: types::PortRange { first: service.ports.first, last: service.ports.last },
    });
    types::Member { network: prefix(member.prefix()), service }
}

pub(super) const fn prefix(prefix: Prefix) -> types::Prefix {
    types::Prefix { address: address(prefix.address()), length: prefix.length() }
}

const fn kind(kind: EventKind) -> types::Kind {
    match kind {
        EventKind::Row => types::Kind::Row,
        EventKind::New => types::Kind::New,
        EventKind::Update => types::Kind::Update,
        EventKind::Destroy => types::Kind::Destroy,
    }
}

const fn address(address: IpAddr) -> types::IpAddress {
    match address {
        IpAddr::V4(address) => types::IpAddress::Ipv4(address.to_bits()),
        IpAddr::V6(address) => {
            let bits = address.to_bits();
            types::IpAddress::Ipv6(((bits >> 64) as u64, bits as u64))
        }
    }
}

/// Converts a key of a counter.
pub(super) fn counter_key(key: CounterKey) -> wit_counters::Key {
    match key {
        CounterKey::Text(text) => wit_counters::Key::Text(text),
        CounterKey::Number(number) => wit_counters::Key::Number(number),
        CounterKey::Address(given) => wit_counters::Key::Address(address(given)),
        CounterKey::Pair(one, other) => wit_counters::Key::Pair((address(one), address(other))),
        CounterKey::Service(given, protocol, port) => wit_counters::Key::Service((address(given), protocol, port)),
        CounterKey::Network(network) => {
            wit_counters::Key::Network(types::Prefix { address: address(network.address()), length: network.length() })
        }
    }
}

/// Converts one direction with its protocol.
pub(super) const fn tuple(tuple: &Tuple) -> types::FlowTuple {
    types::FlowTuple { protocol: tuple.protocol.0, endpoints: endpoints(tuple) }
}

const fn endpoints(tuple: &Tuple) -> types::Endpoints {
    let (src_port, dst_port) = match tuple.layer4 {
        Layer4::None => (0, 0),
        Layer4::Ports { src, dst } | Layer4::Keys { src, dst } => (src, dst),
        Layer4::Icmp { id, kind, code } => (id, u16::from_be_bytes([kind, code])),
    };
    types::Endpoints { src: address(tuple.src), dst: address(tuple.dst), src_port, dst_port }
}

const fn counters(counters: Counters) -> types::Counters {
    types::Counters { packets: counters.packets, bytes: counters.bytes }
}

pub(super) fn event(event: &Event) -> types::Flow {
    flow(kind(event.kind), event.by_us, &event.flow)
}

/// Converts the answer to a request for an entry: a row that no change caused.
pub(super) fn row(row: &Flow) -> types::Flow {
    flow(types::Kind::Row, false, row)
}

fn flow(kind: types::Kind, by_us: bool, flow: &Flow) -> types::Flow {
    types::Flow {
        kind,
        by_us,
        id: flow.id.unwrap_or_default().0,
        zone: flow.zone.0,
        protocol: flow.protocol().0,
        original: endpoints(&flow.tuples.original),
        reply: endpoints(&flow.tuples.reply),
        status: flow.status.map(|status| status.0),
        state: flow.info.and_then(|info| info.state()),
        timeout: flow.timeout,
        mark: flow.mark.map(|mark| mark.0),
        original_counters: flow.counters.original.map(counters),
        reply_counters: flow.counters.reply.map(counters),
        started: flow.started.map(|at| at.0),
        stopped: flow.stopped.map(|at| at.0),
    }
}

pub(super) fn expectation(event: &ExpectationEvent) -> expectations::Expectation {
    let expectation = &event.expectation;
    expectations::Expectation {
        kind: kind(event.kind),
        by_us: event.by_us,
        id: expectation.id.unwrap_or_default().0,
        zone: expectation.zone.0,
        master: tuple(&expectation.master),
        expected: tuple(&expectation.tuple),
        mask: endpoints(&expectation.mask),
        timeout: expectation.timeout,
        flags: expectation.flags,
        class: expectation.class,
        helper: expectation.helper.clone(),
    }
}

pub(super) fn report(report: &Report) -> outcomes::Report {
    let flows = report.tally.iter().flat_map(|tally| OUTCOMES.into_iter().zip(tally.by_outcome()));
    outcomes::Report {
        kind: report.kind.name().to_owned(),
        code: report.code.clone(),
        flow: report.flow.as_ref().map(key),
        network: report.network.map(prefix),
        outcome: outcome(report.outcome),
        flows: flows.filter(|(_, count)| *count > 0).collect(),
        detail: report.detail.clone(),
    }
}

/// The outcomes in the order of [`Outcome::NAMES`].
const OUTCOMES: [outcomes::Outcome; Outcome::NAMES.len()] = [
    outcomes::Outcome::Applied,
    outcomes::Outcome::Gone,
    outcomes::Outcome::Replaced,
    outcomes::Outcome::Refused,
    outcomes::Outcome::OverBudget,
    outcomes::Outcome::NotGranted,
    outcomes::Outcome::Protected,
    outcomes::Outcome::Observed,
    outcomes::Outcome::Superseded,
];

const fn outcome(outcome: Outcome) -> outcomes::Outcome {
    match outcome {
        Outcome::Applied => outcomes::Outcome::Applied,
        Outcome::Gone => outcomes::Outcome::Gone,
        Outcome::Replaced => outcomes::Outcome::Replaced,
        Outcome::Refused(_) => outcomes::Outcome::Refused,
        Outcome::OverBudget => outcomes::Outcome::OverBudget,
        Outcome::NotGranted => outcomes::Outcome::NotGranted,
        Outcome::Protected => outcomes::Outcome::Protected,
        Outcome::Observed => outcomes::Outcome::Observed,
        Outcome::Superseded => outcomes::Outcome::Superseded,
    }
}

const fn key(key: &FlowKey) -> types::FlowKey {
    let original = endpoints(&key.original);
    types::FlowKey { id: key.id.0, zone: key.zone.0, protocol: key.original.protocol.0, original }
}

pub(super) const fn statistics(table: TableStatistics) -> Statistics {
    Statistics {
        entries: table.entries,
        maximum: table.maximum,
        insert_failed: table.insert_failed,
        dropped: table.dropped,
        early_dropped: table.early_dropped,
        clashes: table.clashes,
        invalid: table.invalid,
    }
}
