//! After all words are read: derives their combined meaning, or the mistake in their combination.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

use ctwarden_model::{
    DccpState, EventKind, EventKinds, Expectation, Family, Flow, LabelChange, Labels, Layer4, Mark, NatTo,
    PerDirection, Protocol, ProtocolInfo, SctpState, Status, TcpFlags, TcpState, Tuple, Zone,
};

use super::change::{Change, MarkChange};
use super::create::{Create, Nat};
use super::entries;
use super::environment::Environment;
use super::error::{Checked, parameter};
use super::legal;
use super::named::{event, output};
use super::option::Key;
use super::template::{Ends, Template};
use super::value::{Command, Delete, Events, ExpectationTemplate, Form, Get, List, Output, Source, Table, Update};
use super::verb::Verb;
use crate::LabelMap;

/// The given label bits, and their names for the output.
#[derive(Default)]
struct LabelBits {
    asked: u128,
    change: u128,
    names: Option<LabelMap>,
}

/// The command, after all checks in the order of 1.4.9.
pub(super) fn command(
    template: &Template,
    environment: &impl Environment,
    warnings: &mut Vec<String>,
) -> Checked<Command> {
    let (verb, labels) = checked(template, environment, warnings)?;
    let output = output(template, &labels);
    let command = match verb {
        Verb::List => Command::List(list(template, &labels, output)?),
        Verb::Get => Command::Get(Get {
            tuple: looked_up(template),
            filter: entries::filter(template, verb, labels.asked)?,
            output,
        }),
        Verb::Delete => Command::Delete(Delete {
            filter: entries::filter(template, verb, labels.asked)?,
            output,
            exit_code: template.used(Key::ExitCode),
        }),
        Verb::Update => Command::Update(Update {
            filter: entries::filter(template, verb, labels.asked)?,
            change: change(template, &labels),
            output,
            exit_code: template.used(Key::ExitCode),
        }),
        Verb::Event => Command::Events(Events {
            kinds: kinds(template),
            filter: entries::filter(template, verb, labels.asked)?,
            buffer: template.buffer,
            output,
        }),
        Verb::Create | Verb::Add => Command::Create(create(template, &labels, verb == Verb::Create)),
        Verb::Flush => Command::Flush { family: template.family },
        Verb::Count => Command::Count,
        Verb::Statistics => Command::Statistics,
        Verb::ListExpectations => Command::ListExpectations { family: template.family.unwrap_or(Family::Ipv4), output },
        Verb::GetExpectation => Command::GetExpectation { master: original(template) },
        Verb::CreateExpectation => Command::CreateExpectation(expectation(template)),
        Verb::DeleteExpectation => Command::DeleteExpectation { tuple: original(template) },
        Verb::FlushExpectations => Command::FlushExpectations,
        Verb::ExpectationEvents => Command::ExpectationEvents { output },
        Verb::CountExpectations => Command::CountExpectations,
        Verb::ExpectationStatistics => Command::ExpectationStatistics,
        Verb::Help | Verb::None => Command::Help { protocol: helped(template, environment), given: verb == Verb::Help },
        Verb::Version => Command::Version,
    };
    Ok(command)
}

/// The entry of a saved line, after the same checks.
pub(super) fn entry(
    template: &Template,
    environment: &impl Environment,
    warnings: &mut Vec<String>,
) -> Checked<(EventKind, Flow)> {
    let (verb, labels) = checked(template, environment, warnings)?;
    let kind = match verb {
        Verb::Create | Verb::Add => EventKind::Row,
        Verb::Update => EventKind::Update,
        Verb::Delete => EventKind::Destroy,
        Verb::List
        | Verb::Get
        | Verb::Flush
        | Verb::Event
        | Verb::Version
        | Verb::Help
        | Verb::ListExpectations
        | Verb::CreateExpectation
        | Verb::DeleteExpectation
        | Verb::GetExpectation
        | Verb::FlushExpectations
        | Verb::ExpectationEvents
        | Verb::Count
        | Verb::CountExpectations
        | Verb::Statistics
        | Verb::ExpectationStatistics
        | Verb::None => return parameter("this command names no entry; only -A, -I, -U and -D do"),
    };
    if !names_a_flow(template) {
        return parameter(
            "these options do not name a single entry: its protocol, both addresses and its ports (or ICMP fields, or \
             GRE keys) are required",
        );
    }
    let mut flow = create(template, &labels, false).translated();
    if kind != EventKind::Row && template.states.tcp.is_none() && template.saved.tells_nothing_of_tcp() {
        // Values that a state implies are dropped if there is no state.
        flow.info = flow.info.filter(|info| !matches!(info, ProtocolInfo::Tcp { .. }));
    }
    Ok((kind, flow))
}

/// Whether the whole original direction was given.
fn names_a_flow(template: &Template) -> bool {
    let Ends { src, dst, src_port, dst_port } = template.original;
    let ports = src_port.is_some() && dst_port.is_some();
    let parts = match template.protocol {
        Some(Protocol::ICMP | Protocol::ICMPV6) => template.icmp.kind.is_some() && template.icmp.code.is_some(),
        Some(Protocol::GRE) => ports,
        Some(protocol) => ports || !protocol.has_ports(),
        None => false,
    };
    parts && src.is_some() && dst.is_some() && !template.used_any(&[Key::MaskSrc, Key::MaskDst])
}

/// The command and the labels, after the checks that apply to every command.
fn checked(
    template: &Template,
    environment: &impl Environment,
    warnings: &mut Vec<String>,
) -> Checked<(Verb, LabelBits)> {
    let labels = labels(template, environment, warnings)?;
    if template.used(Key::AnyNat) && template.used_any(&[Key::SrcNat, Key::DstNat]) {
        return parameter("cannot specify `--src-nat' or `--dst-nat' with `--any-nat'");
    }
    let verb = template.verb.unwrap_or(Verb::None);
    legal::options(template, verb)?;
    if let Some(definition) = template.definition.filter(|_| verb != Verb::Help) {
        legal::of_protocol(template, definition, verb)?;
    }
    Ok((verb, labels))
}

/// Reads label names if the command line uses labels. If only the form shows them, a failure is silent.
fn labels(template: &Template, environment: &impl Environment, warnings: &mut Vec<String>) -> Checked<LabelBits> {
    let shown = template.used(Key::Output) && template.output & output::LABELS != 0;
    let asked = template.used_any(&[Key::Label, Key::LabelAdd, Key::LabelDel]) || shown;
    let quietly = template.output & (output::SAVE | output::JSON) != 0;
    if !asked && !quietly {
        return Ok(LabelBits::default());
    }
    let mut bits = LabelBits::default();
    match environment.label_map(template.label_map.as_deref()) {
        Ok(names) => bits.names = Some(names),
        Err(why) => {
            let words = template.labels.iter().flat_map(|word| word.text.split(','));
            let all_numbered = words.clone().next().is_some() && words.clone().all(|name| numbered(name).is_some());
            if (asked && !all_numbered) || shown {
                warnings.push(format!("nfct_labelmap_new: {why}"));
            }
        }
    }
    for word in &template.labels {
        for name in word.text.split(',') {
            let known = bits.names.as_ref().and_then(|names| names.bit(name));
            let Some(bit) = known.or_else(|| numbered(name)) else {
                return parameter(format!("unknown label '{name}'"));
            };
            let place = if word.change { &mut bits.change } else { &mut bits.asked };
            *place |= 1_u128.checked_shl(bit.into()).unwrap_or(0);
        }
    }
    Ok(bits)
}

/// `#BIT`: a label without a name. No name starts with `#`.
fn numbered(name: &str) -> Option<u8> {
    let digits = name.strip_prefix('#')?;
    let bit = digits.parse().ok().filter(|bit| *bit < 128);
    bit.filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()))
}

fn output(template: &Template, labels: &LabelBits) -> Output {
    let with = |bit: u32| template.output & bit != 0;
    let form = if with(output::SAVE) {
        Form::Save
    } else if with(output::XML) {
        Form::Xml
    } else if with(output::JSON) {
        Form::Json
    } else {
        Form::Text
    };
    Output {
        form,
        extended: with(output::EXTENDED),
        timestamp: with(output::TIMESTAMP),
        id: with(output::ID),
        kernel_timestamp: with(output::KERNEL_TIMESTAMP),
        labels: labels.names.clone(),
    }
}

fn list(template: &Template, labels: &LabelBits, output: Output) -> Checked<List> {
    let zero = template.used(Key::Zero);
    if template.table == Table::Conntrack && zero && entries::compares(template) {
        return parameter("Can't use -z with filtering parameters");
    }
    if template.from.is_some() && (zero || template.table != Table::Conntrack) {
        return parameter("Can't use --from with -z or with tables `dying' and `unconfirmed'");
    }
    Ok(List {
        table: template.table,
        filter: entries::filter(template, Verb::List, labels.asked)?,
        zero,
        output,
        from: template.from.as_deref().map(Source::named),
    })
}

fn kinds(template: &Template) -> EventKinds {
    let with = |bit: u32| !template.used(Key::EventMask) || template.events & bit != 0;
    EventKinds { row: false, new: with(event::NEW), update: with(event::UPDATES), destroy: with(event::DESTROY) }
}

fn helped(template: &Template, environment: &impl Environment) -> Option<(Protocol, String)> {
    let protocol = template.protocol?;
    let name = match template.definition {
        Some(definition) => definition.name.into(),
        None => environment.name_of_protocol(protocol).unwrap_or_else(|| "unknown".into()),
    };
    Some((protocol, name))
}

fn change(template: &Template, labels: &LabelBits) -> Change {
    let labels = if template.used(Key::LabelAdd) {
        Some(LabelChange { set: labels.change, clear: 0 })
    } else if template.used(Key::LabelDel) {
        let named = template.labels.iter().any(|word| word.change);
        Some(LabelChange { set: 0, clear: if named { labels.change } else { u128::MAX } })
    } else {
        None
    };
    Change {
        mark: template.mark.map(|(value, mask)| MarkChange { value, mask }),
        labels,
        timeout: template.timeout,
        status: template.used(Key::Status).then_some(Status(template.status)),
        info: info(template),
        helper: template.saved.helper.clone(),
    }
}

/// Flags that 1.4.9 sets on every TCP entry that it creates or changes, because the tracker cannot know the windows of
/// a flow whose start it did not see (`IP_CT_TCP_FLAG_*`, linux/netfilter/nf_conntrack_tcp.h).
const BE_LIBERAL: u8 = 0x08;
const SACK_PERMITTED: u8 = 0x02;
/// The connection may be reopened (RFC 1122, 4.2.2.13).
const CLOSE_INITIATED: u8 = 0x04;

fn info(template: &Template) -> Option<ProtocolInfo> {
    let saved = &template.saved;
    match template.protocol? {
        Protocol::TCP => Some(tcp(template.states.tcp, saved.scale, saved.flags)),
        Protocol::SCTP => {
            let given = template.states.sctp.is_some() || template.vtag != PerDirection::default();
            given.then(|| ProtocolInfo::Sctp { state: template.states.sctp.map(SctpState), vtag: template.vtag })
        }
        Protocol::DCCP => {
            let (state, role, handshake_seq) = (template.states.dccp, template.role, saved.handshake_seq);
            let given = state.is_some() || role.is_some() || handshake_seq.is_some();
            given.then(|| ProtocolInfo::Dccp { state: state.map(DccpState), role, handshake_seq })
        }
        Protocol(_) => None,
    }
}

/// The TCP part of a new or changed entry. Given flags replace the usual ones.
pub(super) fn tcp(
    state: Option<u8>,
    window_scale: PerDirection<Option<u8>>,
    flags: PerDirection<Option<u8>>,
) -> ProtocolInfo {
    let closing = state.is_some_and(|state| state >= TcpState::TIME_WAIT.0);
    let usual = BE_LIBERAL | SACK_PERMITTED | if closing { CLOSE_INITIATED } else { 0 };
    let flags_of = |given: Option<u8>| {
        Some(given.map_or(TcpFlags { flags: usual, mask: usual }, |flags| TcpFlags { flags, mask: 0xff }))
    };
    ProtocolInfo::Tcp {
        state: state.map(TcpState),
        window_scale,
        flags: PerDirection { original: flags_of(flags.original), reply: flags_of(flags.reply) },
    }
}

/// The unspecified address of the family.
fn none_of(family: Option<Family>) -> IpAddr {
    match family {
        Some(Family::Ipv6) => IpAddr::V6(core::net::Ipv6Addr::UNSPECIFIED),
        Some(Family::Ipv4) | None => IpAddr::V4(core::net::Ipv4Addr::UNSPECIFIED),
    }
}

fn tuple(template: &Template, ends: &Ends) -> Tuple {
    let none = none_of(template.family);
    Tuple {
        src: ends.src.unwrap_or(none),
        dst: ends.dst.unwrap_or(none),
        protocol: template.protocol.unwrap_or_default(),
        layer4: template.layer4(ends),
    }
}

fn original(template: &Template) -> Tuple {
    tuple(template, &template.original)
}

/// The tuple to look up: the original one if it was given. An ICMP message of the reply direction is derived from that
/// of the original direction.
fn looked_up(template: &Template) -> Tuple {
    if template.used_any(&[Key::OriginalSrc, Key::OriginalDst]) {
        return original(template);
    }
    let turned = Ends {
        src: template.reply.dst,
        dst: template.reply.src,
        src_port: template.reply.dst_port,
        dst_port: template.reply.src_port,
    };
    tuple(template, &turned).reversed()
}

/// Both directions; parts that one direction lacks are derived from the other.
fn tuples(template: &Template) -> PerDirection<Tuple> {
    let or = |given: &Ends, other: &Ends| Ends {
        src: given.src.or(other.dst),
        dst: given.dst.or(other.src),
        src_port: given.src_port.or(other.dst_port),
        dst_port: given.dst_port.or(other.src_port),
    };
    let original = tuple(template, &or(&template.original, &template.reply));
    let mut reply = tuple(template, &or(&template.reply, &template.original));
    if let Layer4::Icmp { .. } = reply.layer4 {
        reply.layer4 = original.reversed().layer4;
    }
    if let (Layer4::Icmp { id, .. }, Some(translated)) = (&mut reply.layer4, template.saved.reply_icmp_id) {
        *id = translated;
    }
    PerDirection { original, reply }
}

fn create(template: &Template, labels: &LabelBits, exclusive: bool) -> Create {
    let asked = |key: Key, to: NatTo| (template.used(key) && to != NatTo::default()).then_some(to);
    let nat =
        Nat { source: asked(Key::SrcNat, template.source), destination: asked(Key::DstNat, template.destination) };
    let mut flow = Flow::new(nat.applied(tuples(template)));
    flow.zone = template.zone.or(template.zones.original).unwrap_or_default();
    flow.timeout = template.timeout;
    flow.status = template.used(Key::Status).then_some(Status(template.status));
    flow.mark = template.mark.map(|(value, _)| Mark(value));
    flow.labels = template.used(Key::LabelAdd).then_some(Labels(labels.change));
    flow.info = info(template);
    let saved = &template.saved;
    let zones = template.zones;
    let rare = saved.helper.is_some()
        || saved.helper_info.is_some()
        || saved.master.is_some()
        || saved.sequence != PerDirection::default()
        || saved.synproxy.is_some()
        || zones != PerDirection::<Option<Zone>>::default();
    if rare {
        let rare = flow.rare_mut();
        rare.helper = saved.helper.clone();
        rare.helper_info = saved.helper_info.clone();
        rare.master = saved.master;
        rare.sequence = saved.sequence;
        rare.synproxy = saved.synproxy;
        rare.zones = zones;
    }
    Create { flow, nat, exclusive }
}

fn expectation(template: &Template) -> ExpectationTemplate {
    ExpectationTemplate {
        expectation: Expectation {
            id: None,
            zone: Zone(0),
            master: original(template),
            tuple: tuple(template, &template.expected),
            mask: tuple(template, &template.mask),
            timeout: template.timeout,
            flags: None,
            class: None,
            helper: None,
            function: None,
            nat: None,
        },
    }
}
