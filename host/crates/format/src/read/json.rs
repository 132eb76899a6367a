//! Parses an object of [`crate::json`] into an entry.
//!
//! Every name that the writer uses is read. Other names are skipped, since names may be added later.

mod direction;
mod expectation;
mod expected;
mod told_protocol;

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use ctwarden_model::{
    Attribute, Counters, DccpState, EventKind, Flow, FlowId, Labels, Mark, PerDirection, Protocol, ProtocolInfo, Rare,
    SctpState, Status, SynProxy, TcpState, Timestamp, Zone,
};

use crate::json::event_kind;
use crate::print_options::TIMESTAMP_EVENT;

use super::entry::Entry;
use super::error::{LineError, LineProblem};
use super::json_syntax::Json;
use super::tuple::{nowhere, pair};

use direction::ReadDirection;
pub(super) use expectation::entry as expectation;
use expected::{TEXT, U8, U16, U32, U64};
use told_protocol::ToldProtocol;

/// The members read so far.
#[derive(Default)]
struct FlowMembers<'a> {
    protocol: ToldProtocol,
    state: Option<(usize, Cow<'a, str>)>,
    status: Option<u32>,
    status_bits: Option<u32>,
    original: Option<(usize, ReadDirection)>,
    reply: Option<(usize, ReadDirection)>,
    role: Option<u8>,
    handshake_seq: Option<u64>,
    rare: Rare,
    event_time: Option<u64>,
}

pub(super) fn entry(line: &str) -> Result<Entry, LineError> {
    let mut json = Json::of(line);
    let begin = json.at();
    let mut told = FlowMembers::default();
    let mut kind = EventKind::Row;
    let (mut portid, mut program) = (None, None);
    // Tuples are known only at the end, so the other members are collected in an entry without tuples.
    let mut rest = nowhere();
    json.members(|json, name| {
        if told.protocol.read(json, name)? {
            return Ok(());
        }
        match name {
            "event" => {
                let at = json.at();
                let text = json.string(TEXT)?;
                let known = event_kind(&text);
                kind =
                    known.ok_or_else(|| json.fail(at, LineProblem::value("event", "new, update or destroy", &text)))?;
            }
            "portid" => portid = Some(json.number("portid", U32)?),
            "program" => program = Some(String::from(json.string(TEXT)?)),
            _ => read_field(json, name, &mut rest, &mut told)?,
        }
        Ok(())
    })?;
    json.end()?;
    let flow = finish(&json, begin, rest, told)?;
    Ok(Entry { kind, time: None, flow, lasted: None, portid, program })
}

fn read_field<'a>(
    json: &mut Json<'a>,
    name: &str,
    flow: &mut Flow,
    told: &mut FlowMembers<'a>,
) -> Result<(), LineError> {
    match name {
        "id" => flow.id = Some(FlowId(json.number("id", U32)?)),
        "zone" => flow.zone = Zone(json.number("zone", U16)?),
        "state" => told.state = Some((json.at(), json.string(TEXT)?)),
        "timeout" => flow.timeout = Some(json.number("timeout", U32)?),
        "status" => told.status = Some(read_status(json)?),
        "status_bits" => told.status_bits = Some(json.number("status_bits", U32)?),
        "original" => told.original = Some((json.at(), ReadDirection::read(json)?)),
        "reply" => told.reply = Some((json.at(), ReadDirection::read(json)?)),
        "mark" => flow.mark = Some(Mark(json.number("mark", U32)?)),
        "labels" => flow.labels = Some(read_labels(json)?),
        "started_ns" => flow.started = Some(Timestamp(json.number("started_ns", U64)?)),
        "stopped_ns" => flow.stopped = Some(Timestamp(json.number("stopped_ns", U64)?)),
        "event_time_ns" => told.event_time = Some(json.number("event_time_ns", U64)?),
        "use" => flow.uses = Some(json.number("use", U32)?),
        "dccp" => json.members(|json, name| {
            match name {
                "role" => told.role = Some(json.number("role", U8)?),
                "handshake_seq" => told.handshake_seq = Some(json.number("handshake_seq", U64)?),
                _ => json.skip()?,
            }
            Ok(())
        })?,
        _ => read_rare(json, name, &mut told.rare)?,
    }
    Ok(())
}

fn read_rare(json: &mut Json<'_>, name: &str, rare: &mut Rare) -> Result<(), LineError> {
    match name {
        "helper" => rare.helper = Some(json.string(TEXT)?.into()),
        "helper_info" => rare.helper_info = Some(read_hex(json, "helper_info")?),
        "secctx" => rare.security_context = Some(json.string(TEXT)?.into()),
        "secmark" => rare.secmark = Some(json.number("secmark", U32)?),
        "master" => {
            let at = json.at();
            let direction = ReadDirection::read(json)?;
            let master = direction.tuple(None).map_err(|problem| json.fail(at, problem))?;
            rare.master = Some(master);
        }
        "synproxy" => {
            let mut proxy = SynProxy::default();
            json.members(|json, name| {
                match name {
                    "isn" => proxy.isn = Some(json.number("isn", U32)?),
                    "its" => proxy.its = Some(json.number("its", U32)?),
                    "tsoff" => proxy.tsoff = Some(json.number("tsoff", U32)?),
                    _ => json.skip()?,
                }
                Ok(())
            })?;
            rare.synproxy = Some(proxy);
        }
        "unknown" => json.items(|json| {
            let at = json.at();
            let (mut number, mut payload) = (None, None);
            json.members(|json, name| {
                match name {
                    "attribute" => number = Some(json.number("attribute", U16)?),
                    "payload" => payload = Some(read_hex(json, "payload")?),
                    _ => json.skip()?,
                }
                Ok(())
            })?;
            let missing = |field| json.fail(at, LineProblem::Missing(field));
            let number = number.ok_or_else(|| missing("attribute"))?;
            rare.unknown.push(Attribute { number, payload: payload.ok_or_else(|| missing("payload"))? });
            Ok(())
        })?,
        _ => json.skip()?,
    }
    Ok(())
}

fn read_status(json: &mut Json<'_>) -> Result<u32, LineError> {
    let mut bits = 0;
    json.items(|json| {
        let at = json.at();
        let name = json.string(TEXT)?;
        let known = Status::NAMES.into_iter().find(|(_, known)| *known == name);
        let (Status(bit), _) =
            known.ok_or_else(|| json.fail(at, LineProblem::value("status", "names of status bits", &name)))?;
        bits |= bit;
        Ok(())
    })?;
    Ok(bits)
}

fn read_labels(json: &mut Json<'_>) -> Result<Labels, LineError> {
    let mut labels = Labels(0);
    json.items(|json| {
        const BIT: &str = "whole numbers from 0 to 127";
        let at = json.at();
        let bit: u8 = json.number("labels", BIT)?;
        if bit > 127 {
            return Err(json.fail(at, LineProblem::value("labels", BIT, "a higher number")));
        }
        labels.0 |= 1 << bit;
        Ok(())
    })?;
    Ok(labels)
}

fn read_hex(json: &mut Json<'_>, field: &'static str) -> Result<Vec<u8>, LineError> {
    let at = json.at();
    let text = json.string(TEXT)?;
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, odd) = text.as_bytes().as_chunks();
    let bytes = pairs.iter().map(|[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect::<Option<Vec<u8>>>();
    let bytes = bytes.filter(|_| odd.is_empty());
    bytes.ok_or_else(|| json.fail(at, LineProblem::value(field, "pairs of hexadecimal digits", &text)))
}

/// Builds the parts that can be checked only at the end of the object.
fn finish(json: &Json<'_>, begin: usize, mut flow: Flow, told: FlowMembers<'_>) -> Result<Flow, LineError> {
    let missing = |field| json.fail(begin, LineProblem::Missing(field));
    let protocol = told.protocol.get().ok_or_else(|| missing("protocol"))?;
    let (at, original) = told.original.ok_or_else(|| missing("original"))?;
    let tuple = original.tuple(Some(protocol)).map_err(|problem| json.fail(at, problem))?;
    let (at, reply) = told.reply.map_or((at, None), |(at, reply)| (at, Some(reply)));
    let reversed = match &reply {
        Some(reply) => reply.tuple(Some(protocol)).map_err(|problem| json.fail(at, problem))?,
        None => tuple.reversed(),
    };
    flow.tuples = pair(tuple, reversed).map_err(|problem| json.fail(at, problem))?;
    let reply = reply.unwrap_or_default();
    flow.status = told.status_bits.or(told.status).map(Status);
    let counters = |direction: &ReadDirection| match (direction.packets, direction.bytes) {
        (None, None) => None,
        (packets, bytes) => Some(Counters { packets: packets.unwrap_or_default(), bytes: bytes.unwrap_or_default() }),
    };
    flow.counters = PerDirection { original: counters(&original), reply: counters(&reply) };
    let mut rare = told.rare;
    rare.zones = PerDirection { original: original.zone, reply: reply.zone };
    rare.sequence = PerDirection { original: original.sequence, reply: reply.sequence };
    if let Some(time) = told.event_time {
        rare.unknown.insert(0, Attribute { number: TIMESTAMP_EVENT, payload: time.to_be_bytes().into() });
    }
    if rare != Rare::default() {
        *flow.rare_mut() = rare;
    }
    flow.info = info(json, protocol, &original, &reply, told.state, (told.role, told.handshake_seq))?;
    Ok(flow)
}

type State<'a> = Option<(usize, Cow<'a, str>)>;

/// The state of the protocol. `None` if the object gives no part of it.
fn info(
    json: &Json<'_>,
    protocol: Protocol,
    original: &ReadDirection,
    reply: &ReadDirection,
    state: State<'_>,
    (role, handshake_seq): (Option<u8>, Option<u64>),
) -> Result<Option<ProtocolInfo>, LineError> {
    let name_of = |number: u8| match protocol {
        Protocol::TCP => TcpState(number).name(),
        Protocol::SCTP => SctpState(number).name(),
        Protocol::DCCP => DccpState(number).name(),
        Protocol(_) => None,
    };
    let stateful = matches!(protocol, Protocol::TCP | Protocol::SCTP | Protocol::DCCP);
    let state = match state {
        Some((at, text)) => {
            let named = (0..=u8::MAX).find(|number| name_of(*number) == Some(&text));
            let number = named.or_else(|| text.parse().ok()).filter(|_| stateful && !text.starts_with('+'));
            let expected = "one that the protocol has";
            Some(number.ok_or_else(|| json.fail(at, LineProblem::value("state", expected, &text)))?)
        }
        None => None,
    };
    let info = match protocol {
        Protocol::TCP => ProtocolInfo::Tcp {
            state: state.map(TcpState),
            window_scale: PerDirection { original: original.window_scale, reply: reply.window_scale },
            flags: PerDirection { original: original.flags(), reply: reply.flags() },
        },
        Protocol::SCTP => ProtocolInfo::Sctp {
            state: state.map(SctpState),
            vtag: PerDirection { original: original.vtag, reply: reply.vtag },
        },
        Protocol::DCCP => ProtocolInfo::Dccp { state: state.map(DccpState), role, handshake_seq },
        Protocol(_) => return Ok(None),
    };
    Ok(Some(info).filter(|info| *info != nothing_told(info)))
}

/// State of the same protocol with no part given.
fn nothing_told(info: &ProtocolInfo) -> ProtocolInfo {
    match info {
        ProtocolInfo::Tcp { .. } => {
            ProtocolInfo::Tcp { state: None, window_scale: PerDirection::default(), flags: PerDirection::default() }
        }
        ProtocolInfo::Sctp { .. } => ProtocolInfo::Sctp { state: None, vtag: PerDirection::default() },
        ProtocolInfo::Dccp { .. } => ProtocolInfo::Dccp { state: None, role: None, handshake_seq: None },
    }
}
