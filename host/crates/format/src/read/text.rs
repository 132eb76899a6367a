//! A line of text: of `conntrack`, with all additions of `-o` and `-E`, and of `/proc/net/nf_conntrack`.
//!
//! The two differ in their fields and in the spelling of addresses, but not in how a field is read, so one reader
//! handles both. Unknown fields, flags and words are skipped: a later kernel or a vendor may add more.

mod counted;
mod expectation;
mod field;
mod reader;
mod remnant;

use alloc::string::String;

use ctwarden_model::{
    DccpState, Flow, FlowId, Labels, Layer4, Mark, PerDirection, Protocol, ProtocolInfo, SctpState, Status, TcpState,
    Timestamp, Tuple, Zone,
};

use crate::{CivilTime, LabelMap};

use super::entry::Entry;
use super::error::{LineError, LineProblem};
use super::legend::Legend;
use super::tuple::{TupleParts, nowhere, pair};
use super::words::Word;

use counted::Counted;
pub(super) use expectation::entry as expectation;
use field::{U8, U16, U32, U64, address, any_number, digits, layer4, number};
use reader::Reader;
use remnant::is_remnant;

pub(super) fn entry(line: &str, legend: &Legend<'_>) -> Result<Entry, LineError> {
    let mut reader = Reader::of(line);
    let time = reader.moment()?;
    let kind = reader.kind();
    let protocol = reader.protocol()?;
    let timeout = reader.timeout()?;
    let info = reader.state(protocol)?;
    let mut fields = FlowFields::new();
    while let Some(word) = reader.words.peek() {
        reader.field(word, &mut fields, legend)?;
    }
    let end = line.trim_ascii_end().len();
    let fail = |problem| LineError::at(line, end, problem);
    let original = fields.original.complete(protocol).map_err(fail)?;
    let reply = fields.reply.complete(protocol).map_err(fail)?;
    let mut flow = fields.flow;
    flow.tuples = pair(original, reply).map_err(fail)?;
    flow.status = Some(status(fields.status, &flow.tuples));
    flow.timeout = timeout;
    flow.info = info;
    flow.counters = fields.counted.counters().map_err(fail)?;
    Ok(Entry { kind, time, flow, lasted: fields.lasted, portid: fields.portid, program: fields.program })
}

/// The status according to the line's flags and the tuples. The kernel sets `*_NAT` and `*_NAT_DONE` if it translates.
fn status(told: Status, tuples: &PerDirection<Tuple>) -> Status {
    let reversed = tuples.original.reversed();
    let mut status = Status(told.0 ^ Status::SEEN_REPLY.0) | Status::CONFIRMED;
    let (plain, translated) = (ends(&reversed), ends(&tuples.reply));
    if (reversed.src, plain.0) != (tuples.reply.src, translated.0) {
        status = status | Status::DST_NAT | Status::DST_NAT_DONE;
    }
    if (reversed.dst, plain.1) != (tuples.reply.dst, translated.1) {
        status = status | Status::SRC_NAT | Status::SRC_NAT_DONE;
    }
    status
}

/// The parts of each end, besides the address, that may be translated. An ICMP identifier belongs to the sender of the
/// original direction.
const fn ends(tuple: &Tuple) -> (u16, u16) {
    match tuple.layer4 {
        Layer4::None => (0, 0),
        Layer4::Ports { src, dst } | Layer4::Keys { src, dst } => (src, dst),
        Layer4::Icmp { id, .. } => (0, id),
    }
}

/// The values of the fields. In `status`, the bit `SEEN_REPLY` means `[UNREPLIED]`.
struct FlowFields {
    /// Source addresses seen: 1 within the original tuple, 2 within the reply.
    sources: u8,
    original: TupleParts,
    reply: TupleParts,
    counted: Counted,
    status: Status,
    flow: Flow,
    lasted: Option<u64>,
    portid: Option<u32>,
    program: Option<String>,
}

impl<'a> Reader<'a> {
    /// Reads the family, then name and number of the protocol. The family is ignored, because the addresses show it
    /// more reliably. The number decides about the protocol.
    fn protocol(&mut self) -> Result<Protocol, LineError> {
        if matches!(self.words.peek(), Some(Word { text: "ipv4" | "ipv6", .. })) {
            self.words.take();
            self.number::<u8>("the number of the family", U8)?;
        }
        const NAME: &str = "the name of a protocol";
        let at = self.words.at();
        let name = self.words.take().ok_or_else(|| self.fail(at, LineProblem::expected(NAME, "")))?;
        if !is_name(name.text) {
            return Err(self.fail(name.at, LineProblem::expected(NAME, name.text)));
        }
        let number = Protocol(self.number("the number of the protocol", U8)?);
        if !is_name_of(name.text, number) {
            return Err(self.fail(name.at, LineProblem::expected("the name that belongs to the number", name.text)));
        }
        Ok(number)
    }

    /// A state is a separate word without `=`. An unknown word is skipped; a part of a known name means that the line
    /// was cut.
    fn state(&mut self, protocol: Protocol) -> Result<Option<ProtocolInfo>, LineError> {
        let Some(word) = self.words.peek() else { return Ok(None) };
        let is_part = |byte: u8| byte.is_ascii_uppercase() || matches!(byte, b'_' | b'0'..=b'9');
        if !word.text.starts_with(|c: char| c.is_ascii_uppercase()) || !word.text.bytes().all(is_part) {
            return Ok(None);
        }
        let info = state_of(protocol, word.text);
        if info.is_none() && is_part_of_state(protocol, word.text) {
            return Err(self.fail(word.at, LineProblem::value("the state", "one that the protocol has", word.text)));
        }
        self.words.take();
        Ok(info)
    }

    /// Reads one of the fields that follow in any order.
    fn field(&mut self, word: Word<'a>, fields: &mut FlowFields, legend: &Legend<'_>) -> Result<(), LineError> {
        if let Some((inside, length)) = self.bracketed() {
            self.words.pass(length);
            fields.counted.leave();
            return fields.flag(inside, legend).map_err(|problem| self.fail(word.at, problem));
        }
        if word.text.starts_with("progname=") {
            // The name of a program may contain blanks.
            fields.program = self.words.rest().split_once('=').map(|(_, name)| name.into());
            self.words.pass(usize::MAX);
            return Ok(());
        }
        self.words.pass(word.text.len());
        match word.field().filter(|_| !word.text.starts_with('[')) {
            Some((key, value)) => {
                let at = word.at.saturating_add(key.len()).saturating_add(1);
                fields.set(key, value, legend.labels).map_err(|problem| self.fail(at, problem))
            }
            // The library writes this if an entry has labels and none of them has a name.
            None if word.text == "labels" => {
                fields.flow.labels = legend.labels.map(|_| Labels(0));
                Ok(())
            }
            None if is_remnant(word.text) => Err(self.fail(word.at, LineProblem::cut(word.text))),
            None => Ok(()),
        }
    }
}

/// Whether a word may be the name of a protocol: `/etc/protocols` has names that this program does not know.
fn is_name(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.' | b'/' | b'_');
    text.bytes().all(is_part) && text.bytes().any(|byte| byte.is_ascii_alphabetic())
}

/// Other names (`/etc/protocols`) of protocols that have a name here.
const OTHER_NAMES: [(&str, Protocol); 4] = [
    ("ipv6-icmp", Protocol::ICMPV6),
    ("ipencap", Protocol::IPIP),
    ("ip-encap", Protocol::IPIP),
    // Not the protocol that has this name here (RFC 1853).
    ("ipip", Protocol(94)),
];

/// Whether a protocol can have the name. A protocol without a name here can have any name that no other protocol has.
fn is_name_of(name: &str, protocol: Protocol) -> bool {
    let is_other = OTHER_NAMES.iter().any(|(other, of)| *of == protocol && name.eq_ignore_ascii_case(other));
    let known = Protocol::parse(name).filter(|_| digits::<u8>(name).is_none());
    name == "unknown" || is_other || known.map_or(protocol.name().is_none(), |known| known == protocol)
}

/// Whether the word is the start of the name of a state.
fn is_part_of_state(protocol: Protocol, word: &str) -> bool {
    let name: fn(u8) -> Option<&'static str> = match protocol {
        Protocol::TCP => |number| TcpState(number).name(),
        Protocol::SCTP => |number| SctpState(number).name(),
        Protocol::DCCP => |number| DccpState(number).name(),
        Protocol(_) => |_| None,
    };
    (0..=u8::MAX).filter_map(name).any(|name| name.starts_with(word))
}

fn state_of(protocol: Protocol, name: &str) -> Option<ProtocolInfo> {
    let numbers = || 0..=u8::MAX;
    match protocol {
        Protocol::TCP => {
            // The name of SYN_SENT2 up to Linux 2.6.30.
            let state = match name {
                "LISTEN" => TcpState::SYN_SENT2,
                _ => numbers().map(TcpState).find(|state| state.name() == Some(name))?,
            };
            let (window_scale, flags) = (PerDirection::default(), PerDirection::default());
            Some(ProtocolInfo::Tcp { state: Some(state), window_scale, flags })
        }
        Protocol::SCTP => {
            let state = numbers().map(SctpState).find(|state| state.name() == Some(name))?;
            Some(ProtocolInfo::Sctp { state: Some(state), vtag: PerDirection::default() })
        }
        Protocol::DCCP => {
            let state = numbers().map(DccpState).find(|state| state.name() == Some(name))?;
            Some(ProtocolInfo::Dccp { state: Some(state), role: None, handshake_seq: None })
        }
        Protocol(_) => None,
    }
}

impl FlowFields {
    fn new() -> Self {
        Self {
            sources: 0,
            original: TupleParts::default(),
            reply: TupleParts::default(),
            counted: Counted::default(),
            status: Status::default(),
            flow: nowhere(),
            lasted: None,
            portid: None,
            program: None,
        }
    }

    /// The tuple that the current field belongs to.
    const fn tuple(&mut self) -> &mut TupleParts {
        if self.sources < 2 { &mut self.original } else { &mut self.reply }
    }

    /// Reads the content of brackets: the first word counts, because vendors write numbers after it.
    fn flag(&mut self, inside: &str, legend: &Legend<'_>) -> Result<(), LineProblem> {
        if let Some((key @ ("start" | "stop"), text)) = inside.split_once('=') {
            let (name, place) = match key {
                "start" => ("start", &mut self.flow.started),
                _ => ("stop", &mut self.flow.stopped),
            };
            *place = Some(moment(text, legend).ok_or_else(|| LineProblem::value(name, "a date of ctime(3)", text))?);
            return Ok(());
        }
        self.status = self.status
            | match inside.split([',', ' ']).next() {
                Some("UNREPLIED") => Status::SEEN_REPLY,
                Some("ASSURED") => Status::ASSURED,
                Some("OFFLOAD") => Status::OFFLOAD,
                // Hardware offload implies software offload.
                Some("HW_OFFLOAD") => Status::HW_OFFLOAD | Status::OFFLOAD,
                Some(_) | None => Status(0),
            };
        Ok(())
    }

    fn set(&mut self, key: &str, value: &str, labels: Option<&LabelMap>) -> Result<(), LineProblem> {
        if layer4(self.tuple(), key, value)? {
            return Ok(());
        }
        match key {
            "src" => {
                self.sources = self.sources.saturating_add(1);
                if self.sources > 2 {
                    return Err(LineProblem::expected("two tuples", "a third"));
                }
                self.counted.enter();
                self.tuple().src = Some(address("src", value)?);
            }
            "dst" => self.tuple().dst = Some(address("dst", value)?),
            // In an ICMP tuple the identifier follows the code; later it is the id of the entry.
            "id" if self.tuple().awaits_icmp_id() => self.tuple().icmp_id = Some(number("id", U16, value)?),
            "packets" => return self.counted.packets(value),
            "bytes" => return self.counted.bytes(value),
            "zone" => self.flow.zone = Zone(number("zone", U16, value)?),
            "zone-orig" => {
                let zone = Zone(number("zone-orig", U16, value)?);
                self.flow.rare_mut().zones.original = Some(zone);
                self.flow.zone = zone;
            }
            "zone-reply" => self.flow.rare_mut().zones.reply = Some(Zone(number("zone-reply", U16, value)?)),
            _ => return self.set_of_entry(key, value, labels),
        }
        Ok(())
    }

    /// Reads a field that belongs to no direction.
    fn set_of_entry(&mut self, key: &str, value: &str, labels: Option<&LabelMap>) -> Result<(), LineProblem> {
        match key {
            "id" => self.flow.id = Some(FlowId(number("id", U32, value)?)),
            "mark" => self.flow.mark = Some(Mark(any_number("mark", U32, value)?)),
            "secmark" => self.flow.rare_mut().secmark = Some(any_number("secmark", U32, value)?),
            "secctx" => self.flow.rare_mut().security_context = Some(value.into()),
            "helper" => self.flow.rare_mut().helper = Some(value.into()),
            "use" => self.flow.uses = Some(number("use", U32, value)?),
            "labels" => {
                if let Some(map) = labels {
                    self.flow.labels = Some(bits(map, value)?);
                }
            }
            "delta-time" => self.lasted = Some(number("delta-time", U64, value)?),
            "portid" => self.portid = Some(number("portid", U32, value)?),
            _ => {
                self.counted.doubt();
                return Ok(());
            }
        }
        self.counted.leave();
        Ok(())
    }
}

/// The time of a local date.
fn moment(text: &str, legend: &Legend<'_>) -> Option<Timestamp> {
    let seconds = (legend.unix_seconds)(&CivilTime::of_ctime(text)?)?;
    u64::try_from(seconds).ok()?.checked_mul(1_000_000_000).map(Timestamp)
}

fn bits(map: &LabelMap, names: &str) -> Result<Labels, LineProblem> {
    let mut labels = Labels(0);
    for name in names.split(',') {
        let bit = map.bit(name).ok_or_else(|| LineProblem::value("labels", "names of the label map", name))?;
        labels.0 |= 1 << bit;
    }
    Ok(labels)
}
