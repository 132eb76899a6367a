//! JSON: one object on each line, with every attribute that the entry has.
//!
//! Names are stable: a name never gets another meaning, and readers skip names that they do not know. Unknown values
//! are left out and are never null. The daemon's records use the same names for flows. Numbers are whole and exact.
//! Counters and nanoseconds can exceed 2⁵³, so a reader must not convert numbers to floating point.
//!
//! # A flow
//!
//! | key | value |
//! |---|---|
//! | `event` | `new`, `update` or `destroy`; absent in rows of a list |
//! | `id` | number of the entry, unique among the entries that exist |
//! | `family` | `ipv4`, `ipv6` |
//! | `protocol` | name (`tcp`), or the number as text if the protocol has no name |
//! | `protocol_number` | IANA's number |
//! | `zone` | zone of the original tuple; 0 is the default |
//! | `state` | of TCP, SCTP and DCCP: the kernel's name (`ESTABLISHED`), or the number as text |
//! | `timeout` | remaining seconds |
//! | `status` | list of the kernel's names (`SEEN_REPLY`, `ASSURED`, …) |
//! | `status_bits` | the status as `IPS_*` bits, including bits without a name |
//! | `original`, `reply` | a direction, see below |
//! | `mark` | number |
//! | `labels` | list of bit numbers |
//! | `label_names` | names of the labels that have one, if a map of names was given |
//! | `started_ns`, `stopped_ns` | begin and end, nanoseconds since the Unix epoch |
//! | `event_time_ns` | time of the event according to the kernel, nanoseconds since the Unix epoch |
//! | `use` | reference count |
//! | `helper`, `helper_info` | name, and private data as hexadecimal |
//! | `secctx`, `secmark` | security context as text, and its old number |
//! | `master` | original tuple of the master, with `protocol` and `protocol_number` |
//! | `dccp` | `role` (0 client, 1 server), `handshake_seq` |
//! | `synproxy` | `isn`, `its`, `tsoff`; absent if the kernel reports only zeros |
//! | `unknown` | list of attributes without a name here: `attribute` (number), `payload` (hexadecimal) |
//! | `portid`, `program` | netlink port and name of the program whose request caused the event |
//!
//! A **direction** has `src` and `dst`, then `src_port` and `dst_port`, or `icmp_type`, `icmp_code` and `icmp_id`, or
//! `src_key` and `dst_key`. If they are known, it also has `zone` (a zone of this direction only), `packets` and
//! `bytes`, `window_scale`, `tcp_flags` and `tcp_flags_mask`, `vtag`, and `seqadj` (`correction_pos`, `offset_before`,
//! `offset_after`). It has a `protocol` only if that differs from the flow's protocol.
//!
//! # An expectation
//!
//! `event`, `id`, `family`, `protocol`, `protocol_number`, `zone`, `timeout`, `expected`, `mask` and `master` (tuples
//! as above, each with its protocol if that differs from the expectation's), `flags` (list of `PERMANENT`, `INACTIVE`,
//! `USERSPACE`), `flags_bits`, `class`, `helper`, `function`, `nat` (`direction` and `tuple`), `portid`, `program`.
//!
//! # Counters of a processor
//!
//! `cpu`, the number of the processor, and the counters under the names that `conntrack -S` gives them (`found`,
//! `insert_failed`, …).
//!
//! # Reading
//!
//! If an object gives a fact twice, one form is read: `status_bits` takes precedence over `status`, and `protocol` over
//! `protocol_number`. `family` and `label_names` are not read. An entry needs its protocol and `original`. If `reply`
//! is missing, the reply is the reversed original.

mod expectation;
mod object;

use alloc::vec::Vec;

use ctwarden_model::{
    Attribute, Counters, DccpState, EventKind, Flow, Labels, Layer4, Protocol, ProtocolInfo, Rare, SctpState,
    SequenceAdjustment, Status, SynProxy, TcpFlags, TcpState, Timestamp, Tuple, Zone,
};

use crate::append::Append;
use crate::print_options::{TIMESTAMP_EVENT, event_time};
use crate::{EventContext, LabelMap, Userspace, names};

use object::Object;

pub use expectation::expectation;

/// Appends the object of a flow, without a line end. `labels` are the names of label bits.
pub fn flow(out: &mut Vec<u8>, flow: &Flow, context: &EventContext<'_>, labels: Option<&LabelMap>) {
    let mut object = Object::open(out);
    let rare = flow.rare.as_deref();
    write_event(&mut object, context);
    if let Some(id) = flow.id {
        object.number("id", id.0);
    }
    write_protocol(&mut object, &flow.tuples.original);
    object.number("zone", flow.zone.0);
    if let Some(info) = &flow.info {
        write_state(&mut object, info);
    }
    if let Some(timeout) = flow.timeout {
        object.number("timeout", timeout);
    }
    if let Some(status) = flow.status {
        let names = Status::NAMES.into_iter().filter(|(bit, _)| status.contains(*bit)).map(|(_, name)| name);
        object.strings("status", names);
        object.number("status_bits", status.0);
    }
    write_directions(&mut object, flow);
    if let Some(mark) = flow.mark {
        object.number("mark", mark.0);
    }
    if let Some(bits) = flow.labels {
        write_labels(&mut object, bits, labels);
    }
    for (name, moment) in
        [("started_ns", flow.started), ("stopped_ns", flow.stopped), ("event_time_ns", leading_event_time(flow))]
    {
        if let Some(moment) = moment {
            object.number(name, moment.0);
        }
    }
    if let Some(uses) = flow.uses {
        object.number("use", uses);
    }
    if let Some(ProtocolInfo::Dccp { role, handshake_seq, .. }) = flow.info
        && (role.is_some() || handshake_seq.is_some())
    {
        object.object("dccp", |object| {
            object.some_number("role", role);
            object.some_number("handshake_seq", handshake_seq);
        });
    }
    if let Some(rare) = rare {
        write_rare(&mut object, rare, leading_event_time(flow).is_some());
    }
    write_userspace(&mut object, context);
    object.close();
}

/// Appends the counters of one processor: `cpu`, and each counter under its name.
pub fn statistics<'a>(out: &mut Vec<u8>, cpu: u32, counters: impl IntoIterator<Item = (&'a str, u32)>) {
    let mut object = Object::open(out);
    object.number("cpu", cpu);
    for (name, value) in counters {
        object.number(name, value);
    }
    object.close();
}

fn write_event(object: &mut Object<'_>, context: &EventContext<'_>) {
    if let Some(name) = context.name() {
        object.string("event", name);
    }
}

fn write_userspace(object: &mut Object<'_>, context: &EventContext<'_>) {
    if let Some(Userspace { portid, program }) = context.userspace {
        object.number("portid", portid);
        if let Some(program) = program {
            object.string("program", program);
        }
    }
}

fn write_protocol(object: &mut Object<'_>, tuple: &Tuple) {
    object.string("family", names::family(tuple.family()).0);
    write_protocol_only(object, tuple.protocol);
}

fn write_protocol_only(object: &mut Object<'_>, protocol: Protocol) {
    named(object, "protocol", protocol.name(), protocol.0);
    object.number("protocol_number", protocol.0);
}

/// Writes a name, or the number as text if there is no name.
fn named(object: &mut Object<'_>, key: &str, name: Option<&str>, number: u8) {
    match name {
        Some(name) => object.string(key, name),
        None => object.raw(key, |out| {
            out.push(b'"');
            out.decimal(number);
            out.push(b'"');
        }),
    }
}

fn write_state(object: &mut Object<'_>, info: &ProtocolInfo) {
    let state = match info {
        ProtocolInfo::Tcp { state, .. } => state.map(|state| (TcpState::name(state), state.0)),
        ProtocolInfo::Sctp { state, .. } => state.map(|state| (SctpState::name(state), state.0)),
        ProtocolInfo::Dccp { state, .. } => state.map(|state| (DccpState::name(state), state.0)),
    };
    if let Some((name, number)) = state {
        named(object, "state", name, number);
    }
}

fn write_directions(object: &mut Object<'_>, flow: &Flow) {
    let none = Rare::default();
    let rare = flow.rare.as_deref().unwrap_or(&none);
    let info = flow.info.as_ref();
    let original = DirectionParts {
        zone: rare.zones.original,
        counters: flow.counters.original,
        sequence: rare.sequence.original,
        state: info.map(|info| match *info {
            ProtocolInfo::Tcp { window_scale, flags, .. } => (window_scale.original, flags.original, None),
            ProtocolInfo::Sctp { vtag, .. } => (None, None, vtag.original),
            ProtocolInfo::Dccp { .. } => (None, None, None),
        }),
    };
    let reply = DirectionParts {
        zone: rare.zones.reply,
        counters: flow.counters.reply,
        sequence: rare.sequence.reply,
        state: info.map(|info| match *info {
            ProtocolInfo::Tcp { window_scale, flags, .. } => (window_scale.reply, flags.reply, None),
            ProtocolInfo::Sctp { vtag, .. } => (None, None, vtag.reply),
            ProtocolInfo::Dccp { .. } => (None, None, None),
        }),
    };
    let protocol = flow.protocol();
    object.object("original", |object| write_direction(object, &flow.tuples.original, protocol, &original));
    object.object("reply", |object| write_direction(object, &flow.tuples.reply, protocol, &reply));
}

/// The parts of a direction apart from its tuple. `state` holds window scale, TCP flags and verification tag.
struct DirectionParts {
    zone: Option<Zone>,
    counters: Option<Counters>,
    sequence: Option<SequenceAdjustment>,
    state: Option<(Option<u8>, Option<TcpFlags>, Option<u32>)>,
}

fn write_direction(object: &mut Object<'_>, tuple: &Tuple, protocol: Protocol, direction: &DirectionParts) {
    if tuple.protocol != protocol {
        write_protocol_only(object, tuple.protocol);
    }
    write_tuple(object, tuple);
    object.some_number("zone", direction.zone.map(|zone| zone.0));
    if let Some(Counters { packets, bytes }) = direction.counters {
        object.number("packets", packets);
        object.number("bytes", bytes);
    }
    if let Some((window_scale, flags, vtag)) = direction.state {
        object.some_number("window_scale", window_scale);
        if let Some(TcpFlags { flags, mask }) = flags {
            object.number("tcp_flags", flags);
            object.number("tcp_flags_mask", mask);
        }
        object.some_number("vtag", vtag);
    }
    if let Some(SequenceAdjustment { correction_pos, offset_before, offset_after }) = direction.sequence {
        object.object("seqadj", |object| {
            object.some_number("correction_pos", correction_pos);
            object.some_signed("offset_before", offset_before);
            object.some_signed("offset_after", offset_after);
        });
    }
}

fn write_tuple(object: &mut Object<'_>, tuple: &Tuple) {
    for (name, address) in [("src", tuple.src), ("dst", tuple.dst)] {
        object.raw(name, |out| {
            out.push(b'"');
            out.address(address);
            out.push(b'"');
        });
    }
    match tuple.layer4 {
        Layer4::None => {}
        Layer4::Ports { src, dst } => {
            object.number("src_port", src);
            object.number("dst_port", dst);
        }
        Layer4::Icmp { id, kind, code } => {
            object.number("icmp_type", kind);
            object.number("icmp_code", code);
            object.number("icmp_id", id);
        }
        Layer4::Keys { src, dst } => {
            object.number("src_key", src);
            object.number("dst_key", dst);
        }
    }
}

fn write_labels(object: &mut Object<'_>, labels: Labels, map: Option<&LabelMap>) {
    object.numbers("labels", (0..128_u8).filter(|bit| labels.0 >> bit & 1 == 1));
    if let Some(map) = map {
        object.strings("label_names", map.names_of(labels));
    }
}

/// The time of the event, if it is the first of the unknown attributes, where the decoder puts it.
fn leading_event_time(flow: &Flow) -> Option<Timestamp> {
    let first = flow.rare.as_ref()?.unknown.first()?;
    (first.number == TIMESTAMP_EVENT).then(|| event_time(flow)).flatten()
}

fn write_rare(object: &mut Object<'_>, rare: &Rare, told_time: bool) {
    if let Some(helper) = &rare.helper {
        object.string("helper", helper);
    }
    if let Some(info) = &rare.helper_info {
        object.hex("helper_info", info);
    }
    if let Some(secctx) = &rare.security_context {
        object.string("secctx", secctx);
    }
    object.some_number("secmark", rare.secmark);
    if let Some(master) = &rare.master {
        object.object("master", |object| {
            write_protocol_only(object, master.protocol);
            write_tuple(object, master);
        });
    }
    if let Some(SynProxy { isn, its, tsoff }) = rare.synproxy {
        object.object("synproxy", |object| {
            object.some_number("isn", isn);
            object.some_number("its", its);
            object.some_number("tsoff", tsoff);
        });
    }
    let unknown = rare.unknown.get(usize::from(told_time)..).unwrap_or_default();
    if !unknown.is_empty() {
        object.objects("unknown", unknown, |object, Attribute { number, payload }| {
            object.number("attribute", *number);
            object.hex("payload", payload);
        });
    }
}

/// The kind of event with that name.
pub(crate) fn event_kind(name: &str) -> Option<EventKind> {
    match name {
        "new" => Some(EventKind::New),
        "update" => Some(EventKind::Update),
        "destroy" => Some(EventKind::Destroy),
        _ => None,
    }
}
