//! The options of a command line as read so far.
//!
//! Options may come in any order and more than once. Their combined meaning is clear only when all of them are read.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

use ctwarden_model::{
    Family, FlowId, IcmpFilter, Layer4, NatTo, PerDirection, Protocol, SequenceAdjustment, SynProxy, Tuple, Zone,
};

use super::option::Key;
use super::protocol::{Part, ProtocolDefinition};
use super::value::Table;
use super::verb::Verb;

/// The two ends of a direction, as far as given.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ends {
    pub(super) src: Option<IpAddr>,
    pub(super) dst: Option<IpAddr>,
    pub(super) src_port: Option<u16>,
    pub(super) dst_port: Option<u16>,
}

/// States of the protocols, one for each protocol, because `-p` may be repeated.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct States {
    pub(super) tcp: Option<u8>,
    pub(super) sctp: Option<u8>,
    pub(super) dccp: Option<u8>,
}

impl States {
    /// The given states, each with its protocol.
    pub(super) fn given(&self) -> impl Iterator<Item = (Protocol, u8)> {
        let all = [(Protocol::TCP, self.tcp), (Protocol::SCTP, self.sctp), (Protocol::DCCP, self.dccp)];
        all.into_iter().filter_map(|(protocol, state)| Some((protocol, state?)))
    }
}

/// A label as written, and whether it is a change or a condition.
#[derive(Clone, Debug)]
pub(super) struct LabelWord {
    pub(super) text: String,
    pub(super) change: bool,
}

/// Parts of an entry that only saved lines give.
#[derive(Clone, Debug, Default)]
pub(super) struct Saved {
    pub(super) helper: Option<String>,
    pub(super) helper_info: Option<Vec<u8>>,
    pub(super) sequence: PerDirection<Option<SequenceAdjustment>>,
    pub(super) synproxy: Option<SynProxy>,
    pub(super) master: Option<Tuple>,
    pub(super) reply_icmp_id: Option<u16>,
    pub(super) scale: PerDirection<Option<u8>>,
    pub(super) flags: PerDirection<Option<u8>>,
    pub(super) handshake_seq: Option<u64>,
}

impl Saved {
    /// Whether no part of TCP's state was given.
    pub(super) fn tells_nothing_of_tcp(&self) -> bool {
        self.scale == PerDirection::default() && self.flags == PerDirection::default()
    }
}

/// The options so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Template {
    pub(super) verb: Option<Verb>,
    pub(super) table: Table,
    used: u64,
    pub(super) family: Option<Family>,
    pub(super) original: Ends,
    pub(super) reply: Ends,
    pub(super) expected: Ends,
    pub(super) mask: Ends,
    pub(super) protocol: Option<Protocol>,
    /// The protocol of the last `-p`, if it has options of its own.
    pub(super) definition: Option<&'static ProtocolDefinition>,
    /// Which options of the protocol were given, by index in its table: the last `-p` counts them all as its own.
    pub(super) of_protocol: u32,
    /// The protocol that read an option of the reply direction.
    pub(super) reply_protocol: Option<Protocol>,
    pub(super) icmp: IcmpFilter,
    pub(super) states: States,
    pub(super) vtag: PerDirection<Option<u32>>,
    pub(super) role: Option<u8>,
    pub(super) timeout: Option<u32>,
    /// Status bits that must be set; `status_mask` has the bits whose presence or absence counts.
    pub(super) status: u32,
    pub(super) status_mask: u32,
    pub(super) events: u32,
    pub(super) output: u32,
    pub(super) source: NatTo,
    pub(super) destination: NatTo,
    pub(super) zone: Option<Zone>,
    pub(super) zones: PerDirection<Option<Zone>>,
    pub(super) id: Option<FlowId>,
    pub(super) mark: Option<(u32, u32)>,
    pub(super) labels: Vec<LabelWord>,
    pub(super) label_map: Option<String>,
    pub(super) buffer: Option<u32>,
    pub(super) from: Option<String>,
    pub(super) saved: Saved,
}

impl Template {
    pub(super) const fn uses(&mut self, key: Key) {
        self.used |= 1 << key as u32;
    }

    pub(super) const fn used(&self, key: Key) -> bool {
        self.used >> key as u32 & 1 == 1
    }

    pub(super) fn used_any(&self, keys: &[Key]) -> bool {
        keys.iter().any(|key| self.used(*key))
    }

    /// Notes that an option of the protocol was given.
    pub(super) fn uses_part(&mut self, definition: &ProtocolDefinition, part: Part) {
        if let Some(place) = definition.options.iter().position(|option| option.part == part) {
            // Indexes of ctwarden's own options are kept apart from those that another protocol may mean.
            let ours = definition.options.get(place).is_some_and(|option| option.ours);
            self.of_protocol |= 1_u32.checked_shl(if ours { 16 } else { 0 } + low(place)).unwrap_or(0);
        }
    }

    pub(super) fn used_place(&self, place: usize, ours: bool) -> bool {
        self.of_protocol.checked_shr(if ours { 16 } else { 0 } + low(place)).unwrap_or(0) & 1 == 1
    }

    /// The layer-4 part of a direction; parts that were not given are zero.
    pub(super) fn layer4(&self, ends: &Ends) -> Layer4 {
        let (src, dst) = (ends.src_port.unwrap_or(0), ends.dst_port.unwrap_or(0));
        match self.protocol {
            Some(protocol) if protocol.has_ports() => Layer4::Ports { src, dst },
            Some(Protocol::GRE) => Layer4::Keys { src, dst },
            Some(Protocol::ICMP | Protocol::ICMPV6) => Layer4::Icmp {
                id: self.icmp.id.unwrap_or(0),
                kind: self.icmp.kind.unwrap_or(0),
                code: self.icmp.code.unwrap_or(0),
            },
            Some(Protocol(_)) | None => Layer4::None,
        }
    }
}

/// No table is longer than 30.
fn low(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}
