//! Converts the plugin's values to the model's values.
//!
//! A verdict with a value out of range is neither dropped nor a fault of the call. It becomes a malformed verdict. So
//! it ends in a record like every other verdict, and its author sees it.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use ctwarden_model::{
    Action, Alert, AnyOf, Block, COUNTER_KEY_BYTES, COUNTERS_MAX, CounterKey, CounterKind, CounterSpec, Descriptor,
    EventKinds, Family, Fields, Filter, Flaw, FlowId, FlowKey, LabelChange, Layer4, Masked, NamedSet, PortRange,
    PortRanges, Prefix, PrefixSet, Protocol, RareFilter, Reach, ReasonCode, SecondsRange, Selection, Service, SetName,
    Subscription, Target, Tuple, Unblock, Verdict, VerdictKind, VerdictKinds, Zone,
};

use super::bindings::ctwarden::conntrack::{counters as wit_counters, types};
use super::bindings::exports::ctwarden::conntrack::policy;
use crate::{Host, text};

/// Names the value that is out of range.
type What = &'static str;

const PREFIX: What = "a prefix is longer than its address";
const MASKED: What = "a value has bits outside its mask";
const LABEL: What = "a label bit is above 127";
const PORTS: What = "a port range ends before it begins";
const LONG: What = "a list of its filter has more than 65536 values; give ranges, networks or a set instead";
const FAMILIES: What = "source and destination are of different families";
const SEVERITY: What = "a severity is above 7";
const SETS: What = "it names a set, and sets change while a subscription does not; name the set in the subscription's \
                    sets and look addresses up in judge";
const CODE: What = "a code is longer than 64 bytes or has characters other than letters, digits and -";
const KEY: What = "an alert's key is longer than 256 bytes";
const FIELDS: What = "it has more than 64 fields";
const FIELD_NAME: What = "a field's name is longer than 64 bytes";
const SET_NAME: What = "a set's name is longer than 64 bytes";
const COUNTER_KEY: What = "the text of a counter's key is longer than 256 bytes";

/// Values in one list of a filter: there are no more ports or zones than that. Reading a list looks at each value once.
const LIST: usize = 1 << 16;

/// Filters of a subscription. Each event is matched against each filter. A policy needs one filter for each kind of
/// rule.
const FILTERS: usize = 64;

/// Codes of a subscription. Each is a label in metrics.
const CODES: usize = 256;

/// Shortest time between ticks (WIT `subscription.tick-every`).
const TICK_MILLISECONDS_MIN: u32 = 10;

pub(super) fn descriptor(descriptor: policy::Descriptor) -> Descriptor {
    let schema = descriptor.configuration_schema;
    Descriptor {
        name: descriptor.name,
        version: descriptor.version,
        summary: descriptor.summary,
        configuration_schema: if schema.is_empty() { None } else { Some(schema) },
        wants: verdict_kinds(descriptor.wants),
        codes: descriptor.codes.into_iter().map(reason_code).collect(),
    }
}

fn reason_code(given: policy::ReasonCode) -> ReasonCode {
    ReasonCode { code: given.code, meaning: given.meaning }
}

/// Returns the codes that a configuration adds. An error says what is wrong with them.
fn codes(given: Vec<String>) -> Result<BTreeSet<String>, String> {
    if given.len() > CODES {
        return Err(format!("{} codes, more than {CODES}; declare fewer, the others count as other", given.len()));
    }
    match given.iter().find(|code| !text::is_code(code)) {
        Some(code) => Err(format!("the code \"{}\" is not 1 to 64 letters, digits or -", text::shortened(code))),
        None => Ok(given.into_iter().collect()),
    }
}

fn verdict_kinds(flags: policy::VerdictKinds) -> VerdictKinds {
    VerdictKind::ALL.into_iter().filter(|kind| flags.contains(flag(*kind))).collect()
}

const fn flag(kind: VerdictKind) -> policy::VerdictKinds {
    match kind {
        VerdictKind::Delete => policy::VerdictKinds::DELETE,
        VerdictKind::Kill => policy::VerdictKinds::KILL,
        VerdictKind::Mark => policy::VerdictKinds::MARK,
        VerdictKind::Labels => policy::VerdictKinds::LABELS,
        VerdictKind::Timeout => policy::VerdictKinds::TIMEOUT,
        VerdictKind::Alert => policy::VerdictKinds::ALERT,
        VerdictKind::Log => policy::VerdictKinds::LOG,
        VerdictKind::Block => policy::VerdictKinds::BLOCK,
        VerdictKind::Unblock => policy::VerdictKinds::UNBLOCK,
        VerdictKind::Protect => policy::VerdictKinds::PROTECT,
        VerdictKind::Sweep => policy::VerdictKinds::SWEEP,
    }
}

/// Converts a subscription. An error says which value is out of range.
pub(super) fn subscription(subscription: policy::Subscription) -> Result<Subscription, String> {
    let given = subscription.filters.len();
    if given > FILTERS {
        return Err(format!(
            "{given} filters, more than {FILTERS}; merge filters that differ in one list, or subscribe to more"
        ));
    }
    let mut filters = Vec::with_capacity(given);
    for (number, given) in subscription.filters.into_iter().enumerate() {
        let given = if given.sets.is_empty() { filter(given) } else { Err(SETS) };
        filters.push(given.map_err(|what| format!("filter {number}: {what}"))?);
    }
    let tick_every = match subscription.tick_every {
        0 => None,
        ms if ms < TICK_MILLISECONDS_MIN => {
            return Err(format!("tick-every is {ms} milliseconds, less than {TICK_MILLISECONDS_MIN}"));
        }
        ms => Some(Duration::from_millis(ms.into())),
    };
    let kinds = subscription.kinds;
    let names = |given: Vec<String>| given.into_iter().map(set_name).collect::<Result<_, _>>();
    let policy::Reach { mark_bits, label_bits: labels, block_sets, read_sets } = subscription.reach;
    let reach = Reach {
        mark_bits,
        label_bits: label_bits(&labels).map_err(|what| format!("reach: {what}"))?,
        block_sets: names(block_sets)?,
        read_sets: names(read_sets)?,
    };
    Ok(Subscription {
        needs: verdict_kinds(subscription.needs),
        reach,
        kinds: EventKinds {
            row: kinds.contains(policy::Kinds::ROW),
            new: kinds.contains(policy::Kinds::NEW),
            update: kinds.contains(policy::Kinds::UPDATE),
            destroy: kinds.contains(policy::Kinds::DESTROY),
        },
        filters,
        sweep_every: some_if_not_zero(subscription.sweep_every).map(|s| Duration::from_secs(s.into())),
        tick_every,
        own_changes: subscription.own_changes,
        counters: counters(subscription.counters)?,
        sets: subscription.sets.into_iter().map(set_name).collect::<Result<_, _>>()?,
        selects: subscription.selects,
        codes: codes(subscription.codes)?,
        expectations: false,
        outcomes: false,
    })
}

const fn some_if_not_zero(number: u32) -> Option<u32> {
    if number == 0 { None } else { Some(number) }
}

fn counters(given: Vec<policy::Counter>) -> Result<Vec<CounterSpec>, String> {
    if given.len() > COUNTERS_MAX {
        return Err(format!("{} counters, more than {COUNTERS_MAX}; count more keys in fewer counters", given.len()));
    }
    let mut counters: Vec<CounterSpec> = Vec::with_capacity(given.len());
    for policy::Counter { name, kind, window } in given {
        let kind = match kind {
            policy::CounterKind::Sum => CounterKind::Sum,
            policy::CounterKind::Distinct => CounterKind::Distinct,
        };
        let counter = CounterSpec::new(name, kind, window).map_err(|error| error.to_string())?;
        if counters.iter().any(|other| other.name() == counter.name()) {
            return Err(format!("two counters have the name {}; give each its own", counter.name()));
        }
        counters.push(counter);
    }
    Ok(counters)
}

/// Converts a key of a counter.
pub(super) fn counter_key(key: wit_counters::Key) -> Result<CounterKey, What> {
    Ok(match key {
        wit_counters::Key::Text(text) if text.len() > COUNTER_KEY_BYTES => return Err(COUNTER_KEY),
        wit_counters::Key::Text(text) => CounterKey::Text(text),
        wit_counters::Key::Number(number) => CounterKey::Number(number),
        wit_counters::Key::Address(given) => CounterKey::Address(address(given)),
        wit_counters::Key::Pair((one, other)) => CounterKey::Pair(address(one), address(other)),
        wit_counters::Key::Service((given, protocol, port)) => CounterKey::Service(address(given), protocol, port),
        wit_counters::Key::Network(given) => CounterKey::Network(prefix(given)?),
    })
}

/// Counts the bytes of a key of a counter.
pub(super) fn counter_key_bytes(key: &wit_counters::Key) -> usize {
    let text = match key {
        wit_counters::Key::Text(text) => text.len(),
        wit_counters::Key::Number(_)
        | wit_counters::Key::Address(_)
        | wit_counters::Key::Pair(_)
        | wit_counters::Key::Service(_)
        | wit_counters::Key::Network(_) => 0,
    };
    text.saturating_add(size_of::<wit_counters::Key>())
}

pub(super) const fn address(address: types::IpAddress) -> IpAddr {
    match address {
        types::IpAddress::Ipv4(bits) => IpAddr::V4(Ipv4Addr::from_bits(bits)),
        types::IpAddress::Ipv6((high, low)) => IpAddr::V6(Ipv6Addr::from_bits((high as u128) << 64 | low as u128)),
    }
}

pub(super) fn key(key: types::FlowKey) -> Result<FlowKey, What> {
    let protocol = Protocol(key.protocol);
    Ok(FlowKey { id: FlowId(key.id), zone: Zone(key.zone), original: tuple(key.original, protocol)? })
}

fn tuple(endpoints: types::Endpoints, protocol: Protocol) -> Result<Tuple, What> {
    let (src, dst) = (address(endpoints.src), address(endpoints.dst));
    if src.is_ipv4() != dst.is_ipv4() {
        return Err(FAMILIES);
    }
    let (src_port, dst_port) = (endpoints.src_port, endpoints.dst_port);
    let layer4 = match protocol {
        Protocol::ICMP | Protocol::ICMPV6 => {
            let [kind, code] = dst_port.to_be_bytes();
            Layer4::Icmp { id: src_port, kind, code }
        }
        Protocol::GRE => Layer4::Keys { src: src_port, dst: dst_port },
        protocol if protocol.has_ports() => Layer4::Ports { src: src_port, dst: dst_port },
        _ => Layer4::None,
    };
    Ok(Tuple { src, dst, protocol, layer4 })
}

fn prefix(prefix: types::Prefix) -> Result<Prefix, What> {
    Prefix::new(address(prefix.address), prefix.length).map(Prefix::canonical).map_err(|_| PREFIX)
}

fn masked(masked: types::Masked) -> Result<Masked, What> {
    Masked::new(masked.value, masked.mask).map_err(|_| MASKED)
}

fn label_bits(numbers: &[u8]) -> Result<u128, What> {
    numbers.iter().try_fold(0, |bits, number| Ok(bits | 1u128.checked_shl((*number).into()).ok_or(LABEL)?))
}

/// Checks that the list is no longer than any filter needs.
const fn short<T>(given: &[T]) -> Result<(), What> {
    if given.len() > LIST { Err(LONG) } else { Ok(()) }
}

fn any_of<T, V: Ord>(given: Vec<T>, value: impl Fn(T) -> V) -> Result<AnyOf<V>, What> {
    short(&given)?;
    Ok(given.into_iter().map(value).collect())
}

fn prefixes(given: Vec<types::Prefix>) -> Result<PrefixSet, What> {
    short(&given)?;
    given.into_iter().map(prefix).collect()
}

fn service(given: types::Service) -> Result<Service, What> {
    let types::PortRange { first, last } = given.ports;
    let ports = if first <= last { Ok(PortRange { first, last }) } else { Err(PORTS) }?;
    Ok(Service { protocol: Protocol(given.protocol), ports })
}

fn ports(given: Vec<types::PortRange>) -> Result<PortRanges, What> {
    short(&given)?;
    given
        .into_iter()
        .map(|types::PortRange { first, last }| if first <= last { Ok(PortRange { first, last }) } else { Err(PORTS) })
        .collect()
}

/// Converts the filter without its sets, which only the host knows.
fn filter(filter: types::Filter) -> Result<Filter, What> {
    let (reply_src_ports, reply_dst_ports) = (ports(filter.reply_src_ports)?, ports(filter.reply_dst_ports)?);
    let rare = if reply_src_ports.is_empty() && reply_dst_ports.is_empty() {
        None
    } else {
        Some(Box::new(RareFilter { reply_src_ports, reply_dst_ports, ..RareFilter::default() }))
    };
    Ok(Filter {
        family: filter.family.map(|family| match family {
            types::Family::Ipv4 => Family::Ipv4,
            types::Family::Ipv6 => Family::Ipv6,
        }),
        protocols: any_of(filter.protocols, Protocol)?,
        zones: any_of(filter.zones, Zone)?,
        original_src: prefixes(filter.original_src)?,
        original_dst: prefixes(filter.original_dst)?,
        reply_src: prefixes(filter.reply_src)?,
        reply_dst: prefixes(filter.reply_dst)?,
        either: prefixes(filter.either)?,
        src_ports: ports(filter.src_ports)?,
        dst_ports: ports(filter.dst_ports)?,
        states: any_of(filter.states, |state| state)?,
        mark: filter.mark.map(masked).transpose()?,
        status: filter.status.map(masked).transpose()?,
        timeout: filter.timeout.map(|range| SecondsRange { first: range.first, last: range.last }),
        labels: label_bits(&filter.labels)?,
        rare,
    })
}

fn selection(selection: policy::Selection, host: &mut dyn Host) -> Result<Selection, Flaw> {
    let policy::Selection { filter: mut given, limit } = selection;
    let names = std::mem::take(&mut given.sets);
    let mut filter = filter(given)?;
    for name in names.into_iter().map(set_name) {
        let name = name?;
        let networks = host.set(&name).map_err(|why| Flaw::Set(text::line(why, text::REFUSAL)))?;
        let sets = &mut filter.rare_mut().sets;
        // A set that is named again must not cost more than once.
        if sets.iter().all(|set| set.name != name) {
            sets.push(NamedSet { name, networks });
        }
    }
    Ok(Selection { filter, limit: some_if_not_zero(limit) })
}

fn target(target: policy::Target, host: &mut dyn Host) -> Result<Target, Flaw> {
    Ok(match target {
        policy::Target::Entry(index) => Target::Entry(index),
        policy::Target::Key(given) => Target::Key(key(given)?),
        policy::Target::Matching(given) => Target::Matching(Box::new(selection(given, host)?)),
        policy::Target::None => Target::None,
    })
}

/// Returns the name unchanged, unless it is too long.
pub(super) fn set_name(name: String) -> Result<SetName, What> {
    named(name, text::SET_NAME, SET_NAME).map(SetName)
}

fn named(name: String, bytes: usize, what: What) -> Result<String, What> {
    if name.len() > bytes {
        return Err(what);
    }
    // The replacement may be longer than its character.
    Ok(text::line(name, bytes.saturating_mul(4)))
}

fn fields(given: Fields) -> Result<Fields, What> {
    if given.len() > text::FIELDS {
        return Err(FIELDS);
    }
    let field = |(name, value)| Ok((named(name, text::FIELD_NAME, FIELD_NAME)?, text::lines(value, text::FIELD_VALUE)));
    given.into_iter().map(field).collect()
}

const fn kind(action: &policy::Action) -> VerdictKind {
    match action {
        policy::Action::Delete => VerdictKind::Delete,
        policy::Action::Kill => VerdictKind::Kill,
        policy::Action::Mark(_) => VerdictKind::Mark,
        policy::Action::Labels(_) => VerdictKind::Labels,
        policy::Action::Timeout(_) => VerdictKind::Timeout,
        policy::Action::Alert(_) => VerdictKind::Alert,
        policy::Action::Log(_) => VerdictKind::Log,
        policy::Action::Block(_) => VerdictKind::Block,
        policy::Action::Unblock(_) => VerdictKind::Unblock,
        policy::Action::Protect(_) => VerdictKind::Protect,
        policy::Action::Sweep => VerdictKind::Sweep,
    }
}

fn action(action: policy::Action) -> Result<Action, What> {
    Ok(match action {
        policy::Action::Delete => Action::Delete,
        policy::Action::Kill => Action::Kill,
        policy::Action::Mark(given) => Action::Mark(masked(given)?),
        policy::Action::Labels(change) => {
            Action::Labels(LabelChange { set: label_bits(&change.set)?, clear: label_bits(&change.clear)? })
        }
        policy::Action::Timeout(seconds) => Action::Timeout(seconds),
        policy::Action::Alert(alert) if alert.severity > 7 => return Err(SEVERITY),
        policy::Action::Alert(alert) => Action::Alert(Alert {
            severity: alert.severity,
            title: text::line(alert.title, text::TITLE),
            key: named(alert.key, text::KEY, KEY)?,
            fields: fields(alert.fields)?,
        }),
        policy::Action::Log(given) => Action::Log(fields(given)?),
        policy::Action::Block(block) => Action::Block(Block {
            set: set_name(block.set)?,
            network: prefix(block.network)?,
            service: block.service.map(service).transpose()?,
            seconds: some_if_not_zero(block.seconds),
        }),
        policy::Action::Unblock(unblock) => {
            let service = unblock.service.map(service).transpose()?;
            Action::Unblock(Unblock { set: set_name(unblock.set)?, network: prefix(unblock.network)?, service })
        }
        policy::Action::Protect(seconds) => Action::Protect(seconds),
        policy::Action::Sweep => Action::Sweep,
    })
}

/// Converts a verdict. If any part is wrong, the result is a malformed verdict of the same kind, which names the
/// problem and keeps the valid parts. The host provides the sets that the verdict names.
pub(super) fn verdict(verdict: policy::Verdict, host: &mut dyn Host) -> Verdict {
    let kind = kind(&verdict.action);
    let malformed = |flaw| Action::Malformed(kind, flaw);
    let (target, of_target) = match target(verdict.target, host) {
        Ok(target) => (target, None),
        Err(flaw) => (Target::None, Some(flaw)),
    };
    let (code, of_code) = code(verdict.code);
    let action = match action(verdict.action) {
        Ok(action) => of_target.or(of_code.map(Flaw::Value)).map_or(action, malformed),
        Err(what) => malformed(what.into()),
    };
    Verdict { target, action, code, reason: text::line(verdict.reason, text::REASON) }
}

/// Returns the code, or its printable part and the problem.
fn code(code: String) -> (String, Option<What>) {
    if code.len() <= text::CODE && code.chars().all(text::fits_code) {
        return (code, None);
    }
    (code.chars().filter(|c| text::fits_code(*c)).take(text::CODE).collect(), Some(CODE))
}

/// Counts the bytes of text and lists in a subscription.
pub(super) fn subscription_bytes(subscription: &policy::Subscription) -> usize {
    let filters = subscription.filters.iter().map(|filter| size_of_val(filter).saturating_add(filter_bytes(filter)));
    let reach = &subscription.reach;
    let names = [&subscription.sets, &reach.block_sets, &reach.read_sets, &subscription.codes].into_iter().flatten();
    let names = names.map(|name| size_of_val(name).saturating_add(name.len()));
    let counters = subscription.counters.iter();
    let counters = counters.map(|counter| size_of_val(counter).saturating_add(counter.name.len()));
    filters.chain(names).chain(counters).chain([reach.label_bits.len()]).fold(0, usize::saturating_add)
}

/// Counts the bytes of text and lists in a verdict.
pub(super) fn verdict_bytes(verdict: &policy::Verdict) -> usize {
    let target = match &verdict.target {
        policy::Target::Matching(selection) => filter_bytes(&selection.filter),
        policy::Target::Entry(_) | policy::Target::Key(_) | policy::Target::None => 0,
    };
    let action = match &verdict.action {
        policy::Action::Labels(change) => change.set.len().saturating_add(change.clear.len()),
        policy::Action::Alert(alert) => {
            alert.title.len().saturating_add(alert.key.len()).saturating_add(fields_bytes(&alert.fields))
        }
        policy::Action::Log(fields) => fields_bytes(fields),
        policy::Action::Block(block) => block.set.len(),
        policy::Action::Unblock(unblock) => unblock.set.len(),
        policy::Action::Delete
        | policy::Action::Kill
        | policy::Action::Mark(_)
        | policy::Action::Timeout(_)
        | policy::Action::Protect(_)
        | policy::Action::Sweep => 0,
    };
    [target, action, verdict.code.len(), verdict.reason.len()].into_iter().fold(0, usize::saturating_add)
}

fn fields_bytes(fields: &Fields) -> usize {
    let pairs = fields.iter().map(|(name, value)| name.len().saturating_add(value.len()));
    pairs.fold(size_of_val(fields.as_slice()), usize::saturating_add)
}

fn filter_bytes(filter: &types::Filter) -> usize {
    [
        size_of_val(filter.protocols.as_slice()),
        size_of_val(filter.zones.as_slice()),
        size_of_val(filter.original_src.as_slice()),
        size_of_val(filter.original_dst.as_slice()),
        size_of_val(filter.reply_src.as_slice()),
        size_of_val(filter.reply_dst.as_slice()),
        size_of_val(filter.either.as_slice()),
        size_of_val(filter.src_ports.as_slice()),
        size_of_val(filter.dst_ports.as_slice()),
        size_of_val(filter.reply_src_ports.as_slice()),
        size_of_val(filter.reply_dst_ports.as_slice()),
        size_of_val(filter.states.as_slice()),
        size_of_val(filter.labels.as_slice()),
    ]
    .into_iter()
    .chain(filter.sets.iter().map(|name| size_of_val(name).saturating_add(name.len())))
    .fold(0, usize::saturating_add)
}

#[cfg(test)]
mod tests;
