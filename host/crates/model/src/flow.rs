//! One entry of the connection tracking table.
//!
//! A field that the kernel omits is `None`, never zero. Attributes that few entries have are in one box, so that the
//! common entry is flat and a copy needs no allocation.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use crate::{DccpState, Family, PerDirection, Protocol, SctpState, Status, TcpState, Timestamp, Tuple};

/// The kernel's id of an entry (`CTA_ID`), unique among the entries that live. A later entry may get the same id, even
/// with the same tuple (`nf_ct_get_id` in nf_conntrack_core.c).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowId(pub u32);

/// Conntrack zone (`CTA_ZONE`). 0 is the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Zone(pub u16);

/// The 32-bit mark of an entry (`CTA_MARK`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark(pub u32);

/// The 128 connection label bits (`CTA_LABELS`), bit 0 lowest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels(pub u128);

/// Packets and bytes of one direction (`CTA_COUNTERS_ORIG`, `CTA_COUNTERS_REPLY`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Counters {
    pub packets: u64,
    /// Bytes from layer 3 upwards.
    pub bytes: u64,
}

/// TCP flags of one direction, and the mask of the flags that are known (`struct nf_ct_tcp_flags`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TcpFlags {
    /// The flags as `IP_CT_TCP_FLAG_*` bits.
    pub flags: u8,
    pub mask: u8,
}

/// What conntrack keeps for the protocol (`CTA_PROTOINFO`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolInfo {
    /// State, window scales and flags of TCP (`CTA_PROTOINFO_TCP`).
    Tcp {
        state: Option<TcpState>,
        /// Window scale of each direction, if the kernel gave it.
        window_scale: PerDirection<Option<u8>>,
        /// Flags of each direction, if the kernel gave them.
        flags: PerDirection<Option<TcpFlags>>,
    },
    /// State and verification tags of SCTP (`CTA_PROTOINFO_SCTP`).
    Sctp {
        state: Option<SctpState>,
        /// Verification tag of each direction, if the kernel gave it.
        vtag: PerDirection<Option<u32>>,
    },
    /// State, role and sequence number of DCCP (`CTA_PROTOINFO_DCCP`).
    Dccp {
        state: Option<DccpState>,
        /// Role of the original direction (`CT_DCCP_ROLE_*`: 0 client, 1 server).
        role: Option<u8>,
        handshake_seq: Option<u64>,
    },
}

impl ProtocolInfo {
    /// The number of the state, for every protocol.
    #[must_use]
    pub fn state(&self) -> Option<u8> {
        match self {
            Self::Tcp { state, .. } => state.map(|s| s.0),
            Self::Sctp { state, .. } => state.map(|s| s.0),
            Self::Dccp { state, .. } => state.map(|s| s.0),
        }
    }
}

/// Sequence number adjustment of one direction (`CTA_SEQ_ADJ_*`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SequenceAdjustment {
    /// Sequence number from which `offset_after` applies.
    pub correction_pos: Option<u32>,
    pub offset_before: Option<i32>,
    pub offset_after: Option<i32>,
}

/// SYN proxy state (`CTA_SYNPROXY`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SynProxy {
    /// Initial sequence number of the proxy.
    pub isn: Option<u32>,
    pub its: Option<u32>,
    pub tsoff: Option<u32>,
}

impl SynProxy {
    /// Whether no proxy is at work. The kernel reports such a state for every entry that a request created
    /// (`ctnetlink_create_conntrack` in nf_conntrack_netlink.c). After a failover or a restore these are all entries of
    /// the table.
    #[must_use]
    pub const fn is_unused(&self) -> bool {
        matches!(self, Self { isn: Some(0), its: Some(0), tsoff: Some(0) })
    }
}

/// Longest helper name, including the terminating zero (`NF_CT_HELPER_NAME_LEN`).
pub const HELPER_NAME_MAX: usize = 16;

/// A top-level attribute that has no field here: its number (`CTA_*`) and its payload as the kernel sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Number without the `NLA_F_*` bits.
    pub number: u16,
    pub payload: Vec<u8>,
}

/// Attributes that few entries have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rare {
    /// Name of the helper (`CTA_HELP_NAME`).
    pub helper: Option<String>,
    /// Private data of the helper (`CTA_HELP_INFO`), in the helper's own format.
    pub helper_info: Option<Vec<u8>>,
    /// Security context as text (`CTA_SECCTX_NAME`).
    pub security_context: Option<String>,
    /// Old form of the security context (`CTA_SECMARK`).
    pub secmark: Option<u32>,
    /// Original tuple of the master, the flow whose helper expected this one (`CTA_TUPLE_MASTER`).
    pub master: Option<Tuple>,
    /// Zones that apply to one direction only (`CTA_TUPLE_ZONE`).
    pub zones: PerDirection<Option<Zone>>,
    /// Sequence adjustment (`CTA_SEQ_ADJ_ORIG`, `CTA_SEQ_ADJ_REPLY`).
    pub sequence: PerDirection<Option<SequenceAdjustment>>,
    /// SYN proxy state (`CTA_SYNPROXY`).
    pub synproxy: Option<SynProxy>,
    /// Attributes that have no field here.
    pub unknown: Vec<Attribute>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Id, if the kernel gave one.
    pub id: Option<FlowId>,
    pub zone: Zone,
    /// Both tuples. If the kernel sent only one, the reply is the reversed original.
    pub tuples: PerDirection<Tuple>,
    pub status: Option<Status>,
    pub info: Option<ProtocolInfo>,
    /// Seconds until the entry expires.
    pub timeout: Option<u32>,
    pub mark: Option<Mark>,
    pub labels: Option<Labels>,
    pub counters: PerDirection<Option<Counters>>,
    /// Time at which the flow began.
    pub started: Option<Timestamp>,
    /// Time at which the flow ended.
    pub stopped: Option<Timestamp>,
    /// The kernel's reference count of the entry (`CTA_USE`).
    pub uses: Option<u32>,
    pub rare: Option<Box<Rare>>,
}

impl Flow {
    /// An entry with known tuples and no other known field.
    #[must_use]
    pub const fn new(tuples: PerDirection<Tuple>) -> Self {
        Self {
            id: None,
            zone: Zone(0),
            tuples,
            status: None,
            info: None,
            timeout: None,
            mark: None,
            labels: None,
            counters: PerDirection { original: None, reply: None },
            started: None,
            stopped: None,
            uses: None,
            rare: None,
        }
    }

    #[must_use]
    pub const fn protocol(&self) -> Protocol {
        self.tuples.original.protocol
    }

    /// Family of the flow's addresses.
    #[must_use]
    pub const fn family(&self) -> Family {
        self.tuples.original.family()
    }

    /// The key that names the flow in a request.
    ///
    /// An entry without an id (kernels always send one) gets id 0, which no living entry has. A request for that key
    /// ends as "gone" and never reaches another flow.
    #[must_use]
    pub fn key(&self) -> FlowKey {
        FlowKey { id: self.id.unwrap_or_default(), zone: self.zone, original: self.tuples.original }
    }

    /// The key with the reply tuple. The kernel finds the entry by this key too.
    ///
    /// If the zones differ by direction, the reply tuple has the zone of its own direction, or zone 0 if the kernel
    /// gave none (`nf_ct_zone_id` in include/net/netfilter/nf_conntrack_zones.h).
    #[must_use]
    pub fn reply_key(&self) -> FlowKey {
        let zones = self.rare.as_deref().map(|rare| rare.zones).filter(|zones| *zones != PerDirection::default());
        let zone = zones.map_or(self.zone, |zones| zones.reply.unwrap_or_default());
        FlowKey { zone, original: self.tuples.reply, ..self.key() }
    }

    /// Whether the key names the flow, by either of its tuples.
    #[must_use]
    pub fn is_named_by(&self, key: &FlowKey) -> bool {
        *key == self.key() || *key == self.reply_key()
    }

    /// The attributes that few entries have, for a change in place.
    pub fn rare_mut(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }
}

/// Names one flow by tuple, zone and id. A later flow with the same tuple and another id has another key. A later flow
/// with the same id differs only in its start time and in the order of the kernel's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowKey {
    pub id: FlowId,
    pub zone: Zone,
    /// Original tuple, including the protocol. A key from a plugin may hold the reply tuple instead.
    pub original: Tuple,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translated() -> Flow {
        let tuple = |src: [u8; 4], dst: [u8; 4]| Tuple {
            src: src.into(),
            dst: dst.into(),
            protocol: Protocol::TCP,
            layer4: crate::Layer4::Ports { src: 1000, dst: 80 },
        };
        let (original, reply) = (tuple([192, 0, 2, 1], [192, 0, 2, 2]), tuple([10, 0, 0, 2], [192, 0, 2, 3]));
        Flow { id: Some(FlowId(7)), zone: Zone(5), ..Flow::new(PerDirection { original, reply }) }
    }

    #[test]
    fn both_tuples_name_a_flow_and_its_id_and_zone_do() {
        let flow = translated();
        assert!(flow.is_named_by(&flow.key()) && flow.is_named_by(&flow.reply_key()));
        assert_eq!(flow.reply_key().original, flow.tuples.reply);
        for key in [flow.key(), flow.reply_key()] {
            assert!(!flow.is_named_by(&FlowKey { id: FlowId(8), ..key }));
            assert!(!flow.is_named_by(&FlowKey { zone: Zone(0), ..key }));
            assert!(!flow.is_named_by(&FlowKey { original: key.original.reversed(), ..key }));
        }
    }

    #[test]
    fn a_zone_of_one_direction_names_the_tuple_of_that_direction() {
        for (original, reply) in [(None, Some(Zone(5))), (Some(Zone(5)), None), (Some(Zone(5)), Some(Zone(6)))] {
            let mut flow = translated();
            flow.zone = original.unwrap_or_default();
            flow.rare_mut().zones = PerDirection { original, reply };
            assert_eq!((flow.key().zone, flow.reply_key().zone), (flow.zone, reply.unwrap_or_default()));
        }
    }

    #[test]
    fn an_entry_stays_small_enough_to_move() {
        // A sweep moves a million of them. Attributes that few entries have belong in `Rare`.
        assert!(size_of::<Flow>() <= 320, "{}", size_of::<Flow>());
    }
}
